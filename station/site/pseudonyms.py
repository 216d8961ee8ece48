"""Pseudonyms as this product makes them: random, and with a check character that finds what was mistyped. Pure.

``P-7K3M-9QXW-2HVC``: eleven random characters and one that is computed from them, of an alphabet of 31. As 31 is prime,
the weighted sum finds every single wrong character and every two neighbours that changed places. The letters I, L, O, U
and A are left out: they are read as digits, or make words.
"""

from collections.abc import Callable

ALPHABET = "0123456789BCDEFGHJKMNPQRSTVWXYZ"
RANDOM_CHARS = 11
"""54 bits: among 100 000 patients of a site two alike are a chance of one in five million, and looked for besides."""
_GROUP = 4
_MISREAD = str.maketrans({"I": "1", "L": "1", "O": "0"})


def made_pseudonym(below: Callable[[int], int]) -> str:
    """A new pseudonym. ``below(n)`` is a random number from 0 to n - 1, as :func:`secrets.randbelow`.

    It has a digit at least, by which the rest of the product tells a pseudonym from a name.
    """
    while True:
        body = "".join(ALPHABET[below(len(ALPHABET))] for _ in range(RANDOM_CHARS))
        whole = body + _check(body)
        if any(letter.isdigit() for letter in whole):
            return _written(whole)


def read_pseudonym(typed: str) -> str | None:
    """What was typed, as it is written; None where it is none of ours or was mistyped. Case and hyphens are free."""
    letters = typed.strip().upper().replace("-", "").replace(" ", "").translate(_MISREAD)
    whole = letters.removeprefix("P") if len(letters) == RANDOM_CHARS + 2 else ""
    if len(whole) != RANDOM_CHARS + 1 or any(letter not in ALPHABET for letter in whole):
        return None
    return _written(whole) if _check(whole[:-1]) == whole[-1] else None


def _check(body: str) -> str:
    # Weights 1 to 11 differ from each other and from 0 modulo 31, and so do the differences of neighbours.
    total = sum(weight * ALPHABET.index(letter) for weight, letter in enumerate(body, 1))
    # The check character's own weight is 12, so the last neighbours are told apart too.
    return ALPHABET[-total * pow(RANDOM_CHARS + 1, -1, len(ALPHABET)) % len(ALPHABET)]


def _written(whole: str) -> str:
    return "P-" + "-".join(whole[start : start + _GROUP] for start in range(0, len(whole), _GROUP))
