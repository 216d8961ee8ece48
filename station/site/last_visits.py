"""When somebody was treated last, as far as the record knows: this station's journal, and the store of all stations.

The history of a station knows its own sessions alone, and may be older than the record where it came from a backup.
"""

from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

from controller.events import SessionOpened
from logger.journal.reader import JournalReader
from station.settings import StationSettings

_MICROSECONDS = 1_000_000


def in_record(settings: StationSettings, pseudonym: str) -> date | None:
    """The day (UTC) the last session of this pseudonym was opened; None where there is none, or no record yet.

    Reads every session of the journal. Raises RecordError where journal or store is there and cannot be read.
    """
    found = []
    if settings.journal_path.is_file():
        with closing(JournalReader(settings.journal_path)) as journal:
            for entry in journal.entries_of(("session_opened",)):
                event = entry.event()
                if isinstance(event, SessionOpened) and event.patient == pseudonym:
                    found.append(entry.utc_us)
    if "://" in settings.store_place or Path(settings.store_place).is_file():
        from logger.store.store import Store  # noqa: PLC0415 takes a while, and a start needs none of it

        with closing(Store.open_to_read(settings.store_place)) as store:
            last = store.last_opened(pseudonym)
        found += [] if last is None else [last]
    return datetime.fromtimestamp(max(found) / _MICROSECONDS, UTC).date() if found else None
