"""Key maps of several stations come together in any order, as often as one likes, and nothing is lost."""

import hashlib
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.site.keymap import (
    Details,
    Entry,
    KeyMap,
    KeyMapConflict,
    KeyMapForm,
    Person,
    Revision,
    Tombstone,
    alike,
    matches,
    merge,
    person_of,
    same_person,
)

names = st.sampled_from(["P-0001", "P-0002", "P-0003", "P-0004"])
days = st.dates(date(2020, 1, 1), date(2026, 1, 1)).map(date.isoformat)
numbers = st.sampled_from([f"r{number}" for number in range(6)])


def key_of(name: str) -> bytes:
    """A person's data key is made once, with the pseudonym: every station of a site has the same."""
    return hashlib.sha256(name.encode()).digest()


entries = st.dictionaries(names, st.dictionaries(numbers, st.binary(min_size=1, max_size=4), min_size=1)).map(
    lambda found: {name: Entry(key_of(name), revisions) for name, revisions in found.items()}
)
stones = st.dictionaries(names, st.builds(Tombstone, st.integers(0, 9), st.sampled_from(["a", "b"])), max_size=2)
maps = st.builds(KeyMap, entries, stones, st.dictionaries(names, days))


@given(maps, maps)
def test_the_order_does_not_matter(one: KeyMap, other: KeyMap) -> None:
    assert merge(one, other) == merge(other, one)


@given(maps, maps, maps)
def test_nor_does_who_meets_whom_first(one: KeyMap, other: KeyMap, third: KeyMap) -> None:
    assert merge(merge(one, other), third) == merge(one, merge(other, third))


@given(maps, maps)
def test_nor_how_often(one: KeyMap, other: KeyMap) -> None:
    together = merge(one, other)
    assert merge(together, other) == together
    assert merge(together, together) == together


@given(maps, maps)
def test_nothing_is_lost_but_what_was_erased_and_that_for_good(one: KeyMap, other: KeyMap) -> None:
    together = merge(one, other)
    assert set(together.tombstones) == set(one.tombstones) | set(other.tombstones)
    for side in (one, other):
        for name, entry in side.entries.items():
            assert (name in together.entries) == (name not in together.tombstones)
            if name in together.entries:
                assert set(entry.revisions) <= set(together.entries[name].revisions)
        for name, day in side.visited.items():
            assert name in together.tombstones or together.visited[name] >= day
    assert not set(together.visited) & set(together.tombstones)


@given(maps)
def test_a_key_map_is_read_back_as_it_was_written(one: KeyMap) -> None:
    assert KeyMapForm.model_validate_json(KeyMapForm.of(one).model_dump_json()).keymap() == one


def test_two_sites_are_not_brought_together() -> None:
    with pytest.raises(KeyMapConflict, match="P-0001"):
        merge(KeyMap({"P-0001": Entry(b"a", {})}), KeyMap({"P-0001": Entry(b"b", {})}))


def said(number: str, at_us: int, **details: object) -> Revision:
    return Revision(id=number, at_us=at_us, by="boss", said=Details.model_validate(details))


MARIA = (
    said("a", 1, name="Maria Muster", born=date(1990, 2, 3), contact="0100"),
    said("b", 2, contact="0200", photos=("cupboard 3",)),
    said("c", 2, name="Maria Beispiel"),
)


@given(st.permutations(MARIA))
def test_a_person_is_what_was_said_last_of_each_thing(revisions: tuple[Revision, ...]) -> None:
    person = person_of("P-0001", revisions)
    assert (person.name, person.born, person.contact) == ("Maria Beispiel", date(1990, 2, 3), "0200")
    assert (person.photos, person.hold, person.since_us) == (("cupboard 3",), "", 1)


@pytest.mark.parametrize("text", ["maria", "beispiel MARIA", "1990-02-03", "maria 1990-02-03", "eispie"])
def test_somebody_is_found(text: str) -> None:
    assert matches(person_of("P-0001", MARIA), text)


@pytest.mark.parametrize("text", ["", "muster", "1990", "maria 1991-02-03", "0200"])
def test_somebody_else_is_not(text: str) -> None:
    assert not matches(person_of("P-0001", MARIA), text)


def test_the_same_name_on_another_day_is_another_person() -> None:
    def who(pseudonym: str, name: str, born: date | None) -> Person:
        return person_of(pseudonym, (said("a", 1, name=name, born=born),))

    maria = who("P-0001", "Maria Muster", date(1990, 2, 3))
    assert same_person(maria, who("P-0002", "maria  MUSTER", date(1990, 2, 3)))
    assert not same_person(maria, who("P-0002", "Maria Muster", date(1990, 2, 4)))
    assert not same_person(who("P-0001", "Maria Muster", None), who("P-0002", "Maria Muster", None))
    assert not same_person(maria, maria)


@given(st.lists(st.tuples(st.sampled_from(["Maria M", "maria  m", "Otto"]), st.sampled_from([None, 1, 2])), max_size=8))
def test_whoever_may_be_one_person_is_told_with_the_first_of_them(given_: list[tuple[str, int | None]]) -> None:
    people = [
        person_of(f"P-{number}", (said("a", 1, name=name, born=None if day is None else date(1990, 1, day)),))
        for number, (name, day) in enumerate(given_)
    ]
    told = {other: one for one, other in alike(people)}
    for number, person in enumerate(people):
        same = [one.pseudonym for one in people[:number] if same_person(one, person)]
        assert told.get(person.pseudonym) == (same[0] if same else None)


def test_a_person_shows_no_name_in_an_error_or_a_log() -> None:
    shown = repr(person_of("P-0001", MARIA))
    assert "Maria" not in shown
    assert "1990" not in shown
