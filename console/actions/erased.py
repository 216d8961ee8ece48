"""Which pseudonyms the record knows as erased: a backup from before must not bring them back."""

from contextlib import closing
from pathlib import Path

from controller.events import PatientErased
from logger.journal.reader import JournalReader
from logger.store.store import Store
from station.settings import StationSettings

_TYPE = "patient_erased"


def erased_in_record(settings: StationSettings) -> frozenset[str]:
    """From this station's journal and from the store, as far as they are there. Raises RecordError."""
    found: set[str] = set()
    if settings.journal_path.is_file():
        with closing(JournalReader(settings.journal_path)) as journal:
            events = [entry.event() for entry in journal.entries() if entry.type == _TYPE]
        found |= {event.patient for event in events if isinstance(event, PatientErased)}
    if "://" in settings.store_place or Path(settings.store_place).is_file():
        with closing(Store.open_to_read(settings.store_place)) as store:
            for station in store.stations():
                events = [entry.event() for entry in store.entries(station.station) if entry.type == _TYPE]
                found |= {event.patient for event in events if isinstance(event, PatientErased)}
    return frozenset(found)
