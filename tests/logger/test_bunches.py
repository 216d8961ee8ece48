"""Batches that come together are stored together, and what is stored then is what they would have given one by one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logger.bus.messages import BatchMessage
from logger.bus.mqtt import BusMessage
from logger.bus.recorder import _read
from logger.bus.topics import Topics
from logger.journal.entry import Entry
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
