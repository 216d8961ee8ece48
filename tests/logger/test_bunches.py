"""Batches that come together are stored together, and what is stored then is what they would have given one by one."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logger.bus.messages import BatchMessage
from logger.bus.mqtt import BusMessage
from logger.bus.recorder import _read
from logger.bus.topics import Topics
from logger.journal.entry import Entry, entry_hash
from logger.store.store import Store
from tests.fixtures_brokers import OTHER_STATION, SITE, STATION
from tests.logger.making import chain

Batch = tuple[str, list[Entry]]
_ENTRIES = {
    (station, forged): chain(12, station=station, salt=" " if forged else "")
    for station in (STATION, OTHER_STATION)
    for forged in (False, True)
}
BATCH = st.builds(
    lambda station, forged, first, size: (station, _ENTRIES[station, forged][first : first + size]),
    st.sampled_from([STATION, OTHER_STATION]), st.booleans(), st.integers(0, 11), st.integers(1, 4),
)  # fmt: skip


def message(station: str, payload: bytes) -> BusMessage:
    return BusMessage(Topics(SITE, station).topic("journal"), payload, retained=False)


@settings(max_examples=25)
@given(st.lists(st.lists(BATCH, min_size=1, max_size=8), max_size=6))
def test_together_or_one_by_one(tmp_path_factory: pytest.TempPathFactory, bunches: list[list[Batch]]) -> None:
    folder = tmp_path_factory.mktemp("any")
    together, single = Store.open(folder / "together.db"), Store.open(folder / "single.db")
    for bunch in bunches:
        messages = [message(station, BatchMessage.of(entries).payload()) for station, entries in bunch]
        reads = _read(messages)
        assert sum(read.batches for read in reads) == len(messages)
        for read in reads:
            together.append(read.entries, seen_utc_us=1)
        for _, entries in bunch:
            single.append(entries, seen_utc_us=1)
    assert together.stations() == single.stations()
    for station in (STATION, OTHER_STATION):
        assert list(together.entries(station)) == list(single.entries(station))
    together.close()
    single.close()


def test_what_follows_becomes_one_and_rubbish_in_between_is_told_of() -> None:
    entries = chain(6)
    payloads = [BatchMessage.of(entries[start : start + 2]).payload() for start in (0, 2, 4)]
    reads = _read([message(STATION, payload) for payload in (payloads[0], b"rubbish", payloads[1], payloads[2])])
    assert [(read.batches, len(read.entries), read.error is None) for read in reads] == [(3, 6, True), (1, 0, False)]


@pytest.mark.parametrize("claimed", [2, 5, 2**63 - 1])
def test_who_claims_a_place_further_on_makes_no_hole(tmp_path: Path, claimed: int) -> None:
    """Its hash is right and it names the entry before it; only its number is not the next."""
    first = chain(3)
    fields = (claimed, 1, 1, None, "note", 1, b"{}")
    claims = Entry(STATION, *fields, first[-1].hash, entry_hash(STATION.encode(), first[-1].hash, *fields))
    reads = _read([message(STATION, BatchMessage.of(entries).payload()) for entries in (first, [claims])])
    assert [len(read.entries) for read in reads] == [3, 1]
    store = Store.open(tmp_path / "s.db")
    appended = [store.append(read.entries, seen_utc_us=1) for read in reads]
    assert appended[1].gap if claimed > 3 else appended[1].conflict is not None
    assert [entry.sequence for entry in store.entries(STATION)] == [1, 2, 3]
    assert store.append(chain(5)[3:], seen_utc_us=1).stored == 2, "what really comes next is taken"
    with pytest.raises(ValueError, match="do not follow each other"):
        store.append([*first, claims], seen_utc_us=1)
    store.close()
