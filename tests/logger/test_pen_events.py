"""The events of a pen's life, out of a journal and out of a store, and whose session it was left out."""

from datetime import UTC, datetime
from pathlib import Path

from controller.events import SessionClosed
from controller.service_events import ServiceMove, ServiceOpened
from controller.units import Micrometres, Millihertz
from logger.journal.reader import JournalReader
from logger.record.pen_events import TYPES, pen_events
from logger.store.store import Store
from tests.pen_lives import journal_of, life

NOW = datetime(2026, 11, 26, tzinfo=UTC)


def test_each_pen_has_its_own_events_in_order_of_time(tmp_path: Path) -> None:
    two = life("NW-2", "0007", until=NOW, months=3) + life("NW-1", "0001", until=NOW, months=2, seed=2)
    journal_of(tmp_path / "journal.sqlite", two)
    reader = JournalReader(tmp_path / "journal.sqlite")
    found = pen_events(reader.entries_of(TYPES))
    counts = reader.type_counts()
    entries = list(reader.entries())
    reader.close()
    assert set(found) == {"NW-2/0007", "NW-1/0001"}
    for events in found.values():
        times = [at for at, _ in events]
        assert times == sorted(times)
        assert "session_opened" not in {event.type for _, event in events}
    sessions = [event for events in found.values() for _, event in events if isinstance(event, SessionClosed)]
    assert len(sessions) == counts["session_closed"]
    assert sum(map(len, found.values())) == sum(counts.values()) - counts["session_opened"]
    store = Store.open(tmp_path / "store.sqlite")
    for first in range(0, len(entries), 500):
        store.append(entries[first : first + 500], seen_utc_us=0)
    again = pen_events(store.entries_of(TYPES))
    assert (again, store.type_counts()) == (found, counts)
    store.close()


def test_what_cannot_be_read_and_whose_pen_is_not_known_is_left_out(tmp_path: Path) -> None:
    told = [one for one in life("NW-2", "0007", until=NOW, months=1) if one[1].type != "session_opened"]
    journal_of(tmp_path / "journal.sqlite", told)
    reader = JournalReader(tmp_path / "journal.sqlite")
    found = pen_events(reader.entries_of(TYPES))
    reader.close()
    assert not any(isinstance(event, SessionClosed) for _, event in found["NW-2/0007"])


def test_moves_on_the_bench_belong_to_the_pen_their_work_began_with(tmp_path: Path) -> None:
    opened = ServiceOpened(
        series="w1", pen="NW-2", serial="0007", firmware="1", technician="t", purpose="inspection", off_skin="sensed",
        depth_ceiling_um=Micrometres(2000), rate_ceiling_mhz=Millihertz(150_000),
    )  # fmt: skip
    move = ServiceMove(
        series="w1", motor=True, depth_commanded_um=Micrometres(500), rate_commanded_mhz=Millihertz(60_000),
        depth_measured_um=500, rate_measured_mhz=60_000, motor_current_ma=300, temperature_dc=None,
    )  # fmt: skip
    strange = move.model_copy(update={"series": "w2"})
    journal_of(tmp_path / "journal.sqlite", [(NOW, opened, None), (NOW, move, None), (NOW, strange, None)])
    reader = JournalReader(tmp_path / "journal.sqlite")
    found = pen_events(reader.entries_of(TYPES))
    reader.close()
    assert {pen: [event.type for _, event in events] for pen, events in found.items()} == {
        "NW-2/0007": ["service_opened", "service_move"]
    }
