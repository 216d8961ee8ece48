"""Pseudonyms, and bytes as words: what is mistyped is found."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.plan import is_pseudonym
from station.site.key import KEY_BYTES, SiteKey
from station.site.pseudonyms import ALPHABET, made_pseudonym, read_pseudonym
from station.site.spoken_bytes import NotWords, from_words, to_words

seeds = st.integers(0, 2**32)


def of(seed: int) -> str:
    return made_pseudonym(Random(seed).randrange)


@given(seeds)
def test_a_made_one_can_stand_for_a_patient_and_is_read_however_it_is_typed(seed: int) -> None:
    made = of(seed)
    assert is_pseudonym(made)
    for typed in (made, made.lower(), made.replace("-", ""), f" {made} ", made.replace("0", "O").replace("1", "l")):
        assert read_pseudonym(typed) == made


@given(seeds, st.integers(0, 11), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_found(seed: int, place: int, letter: str) -> None:
    letters = list(of(seed).replace("-", "")[1:])
    same = letters[place] == letter
    letters[place] = letter
    assert (read_pseudonym("P" + "".join(letters)) is not None) == same


@given(seeds, st.integers(0, 10))
def test_two_neighbours_that_changed_places_are_found(seed: int, place: int) -> None:
    letters = list(of(seed).replace("-", "")[1:])
    same = letters[place] == letters[place + 1]
    letters[place], letters[place + 1] = letters[place + 1], letters[place]
    assert (read_pseudonym("P" + "".join(letters)) is not None) == same


@pytest.mark.parametrize("typed", ["", "P-", "Maria Muster", "P-AAAA-1111-2222", "p-7f3a21", "P" * 13, "P-7K3M"])
def test_what_is_none_is_none(typed: str) -> None:
    assert read_pseudonym(typed) is None


@given(st.binary(min_size=2, max_size=64).filter(lambda content: len(content) % 2 == 0))
def test_words_bring_back_what_they_were_made_of(content: bytes) -> None:
    words = to_words(content)
    assert from_words(words.upper().replace(" ", "\n"), len(content)) == content


@given(st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES), st.integers(0, 2**62), st.integers(0, 20), st.integers(0, 20))
def test_a_key_is_had_back_from_its_words_and_not_from_words_in_another_order(
    secret: bytes, made_us: int, one: int, other: int
) -> None:
    key = SiteKey(made_us, secret)
    words = key.words().split()
    assert SiteKey.of_words(" ".join(words)) == key
    moved = list(words)
    moved[one], moved[other] = moved[other], moved[one]
    try:
        assert SiteKey.of_words(" ".join(moved)) == key or moved != words
    except NotWords:
        assert moved != words


@pytest.mark.parametrize(
    ("typed", "says"), [("zolof", "1 words"), ("zolof zolof zolof", "do not fit"), ("zolof xxxxx zolof", "word 2")]
)
def test_words_that_were_never_printed_are_refused_with_the_reason(typed: str, says: str) -> None:
    with pytest.raises(NotWords, match=says):
        from_words(typed, 4)


def test_a_key_shows_nothing_of_its_secret() -> None:
    key = SiteKey(1, b"\x11" * KEY_BYTES)
    assert "\\x11" not in repr(key)
    assert b"\x11".hex() * 2 not in key.name
