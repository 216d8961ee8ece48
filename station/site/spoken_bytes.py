"""Bytes as words that can be printed, read aloud and typed in again. Pure.

Each word stands for 16 bits as consonant, vowel, consonant, vowel, consonant; the form is D. S. Wilkerson's proquint
(arXiv:0901.4016). The last word is a check over the rest: a word that is wrong, missing or in another place is found.
"""

import hashlib

_CONSONANTS, _VOWELS = "bdfghjklmnprstvz", "aiou"


class NotWords(ValueError):
    """What was typed is not what was printed."""


def to_words(content: bytes) -> str:
    """The words of an even number of bytes, the check behind them."""
    whole = content + _check(content)
    return " ".join(_word(int.from_bytes(whole[at : at + 2])) for at in range(0, len(whole), 2))


def from_words(typed: str, length: int) -> bytes:
    """The ``length`` bytes that were printed. Case, line ends and hyphens are free. Raises NotWords."""
    words = typed.lower().replace("-", " ").split()
    wanted = length // 2 + 1
    if len(words) != wanted:
        raise NotWords(f"there are {len(words)} words, and {wanted} are needed")
    whole = b"".join(_pair(word, number) for number, word in enumerate(words, 1))
    if _check(whole[:-2]) != whole[-2:]:
        raise NotWords("the words do not fit together: one is another, or two changed places")
    return whole[:-2]


def _check(content: bytes) -> bytes:
    return hashlib.sha256(b"needlework words" + content).digest()[:2]


def _word(value: int) -> str:
    return (
        _CONSONANTS[value >> 12]
        + _VOWELS[value >> 10 & 3]
        + _CONSONANTS[value >> 6 & 15]
        + _VOWELS[value >> 4 & 3]
        + _CONSONANTS[value & 15]
    )


def _pair(word: str, number: int) -> bytes:
    kinds = (_CONSONANTS, _VOWELS, _CONSONANTS, _VOWELS, _CONSONANTS)
    if len(word) != len(kinds) or any(letter not in kind for letter, kind in zip(word, kinds, strict=True)):
        raise NotWords(f"word {number} is none of those that are printed")
    value = 0
    for letter, kind in zip(word, kinds, strict=True):
        value = value * len(kind) + kind.index(letter)
    return value.to_bytes(2)
