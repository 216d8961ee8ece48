"""The events of a pen's life, out of a journal and out of a store, and whose session it was left out."""

from datetime import UTC, datetime
from pathlib import Path

from controller.events import SessionClosed
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
