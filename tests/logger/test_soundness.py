"""What a report or an export is made of is checked as it is read."""

from collections import deque
from collections.abc import Iterator

import pytest

from logger.errors import RecordDamaged
from logger.journal.entry import Entry
from logger.proof.soundness import sound_chain, sound_session
from tests.logger.making import chain, closed, grouped
from tests.logger.test_lookback import begun, connected
from tests.logger.test_uses import chained

SESSION = "s-1"


def record() -> list[Entry]:
    """A session, another beside it, something of the station between, and a signature's place behind the close."""
    return chained(
        [
            connected("pen-1", "N-001"),
            begun(SESSION),
            (SESSION, grouped(1)),
            begun("s-2", pen="pen-2"),
            connected("pen-2", "N-002"),
            (SESSION, grouped(2)),
            (SESSION, closed()),
            ("s-2", closed()),
            (SESSION, grouped(3)),
        ]
    )


def read(entries: list[Entry]) -> list[Entry]:
    def after(station: str, sequence: int) -> Iterator[Entry]:
        return (entry for entry in entries if entry.station == station and entry.sequence > sequence)

    return list(sound_session((entry for entry in entries if entry.session == SESSION), after))


def test_a_sound_session_passes_whatever_is_around_it() -> None:
    entries = record()
    entries[7] = entries[7]._replace(body=b"{}")  # another's, behind the close
    assert read(entries) == [entry for entry in entries if entry.session == SESSION]


@pytest.mark.parametrize("place", range(7))
def test_nothing_is_missing_up_to_the_close(place: int) -> None:
    entries = record()
    del entries[place]
    with pytest.raises(RecordDamaged, match=rf"^Entry {place + 1} of .* is missing\."):
        read(entries)


@pytest.mark.parametrize("place", [0, 1, 2, 3, 4, 5, 6, 8])
@pytest.mark.parametrize("change", [{"body": b"{}"}, {"utc_us": 5}, {"type": "refused"}, {"version": -1}])
def test_no_entry_was_changed(place: int, change: dict[str, object]) -> None:
    entries = record()
    entries[place] = entries[place]._replace(**change)  # type: ignore[arg-type] # a field with its value
    with pytest.raises(RecordDamaged, match=rf"^Entry {place + 1} of .* it was changed\."):
        read(entries)


def test_an_entry_under_another_sessions_name_is_found() -> None:
    entries = record()
    entries[5] = entries[5]._replace(session="s-2")
    with pytest.raises(RecordDamaged, match=r"^Entry 6 of .* it was changed\."):
        read(entries)


def test_an_entry_made_anew_does_not_lead_to_the_next() -> None:
    entries = record()
    anew = entries[2]._replace(body=b"{}")
    entries[2] = anew._replace(hash=anew.computed_hash())
    with pytest.raises(RecordDamaged, match=r"^Entry 4 of .* does not follow"):
        read(entries)


def test_chains_of_several_stations_each_begin_at_one() -> None:
    both = [*chain(3, station="room-1"), *chain(2, station="room-2")]
    assert list(sound_chain(both)) == both
    for damaged in (both[1:], both[:3] + both[4:]):
        with pytest.raises(RecordDamaged, match=r"^Entry 1 of .* is missing"):
            deque(sound_chain(damaged), maxlen=0)
