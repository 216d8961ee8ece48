"""`needlework export service`: what leaves with a pen that is sent in, and nothing of anybody's treatment."""

import json
from collections.abc import Iterator
from pathlib import Path

from rich.text import Text

from console.exits import Code
from console.records import Source, opened
from console.screen import out, print_json
from console.trouble import ConsoleError, Told
from logger.journal.entry import Entry
from logger.journal.reader import JournalReader
from logger.proof.findings import counted
from logger.record.service_record import service_record
from logger.whole_file import new_whole
from station.settings import StationSettings


def export(settings: StationSettings, into: Path | None, *, journal: Path | None, store: str | None) -> int:
    """Writes the service record. Raises RecordError, ConsoleError, OSError."""
    with opened(settings, journal=journal, store=store) as place:
        record = service_record(_entries(place.source)).model_dump(mode="json")
    if into is None:
        print_json(record)
        return Code.DONE
    try:
        new_whole(into, (json.dumps(record, ensure_ascii=False, indent=2) + "\n").encode())
    except FileExistsError as error:
        told = Told("file_there", f"{into} is there already.", "It was left as it is.", "Name another file.")
        raise ConsoleError(told) from error
    out().print(
        Text(f"{into}: {counted(len(record['pens']), 'pen')}, by day; no session, patient or operator is in it.")
    )
    return Code.DONE


def _entries(source: Source) -> Iterator[Entry]:
    if isinstance(source, JournalReader):
        yield from source.entries()
        return
    for station in source.stations():
        yield from source.entries(station.station)
