"""`needlework report session|course`: PDFs from the record, written whole or not at all, over nothing unasked."""

import hashlib
from pathlib import Path

from rich.text import Text

from console.exits import Code
from console.records import Source, ends, opened, session_named, sound_entries
from console.screen import out, print_json
from console.trouble import ConsoleError, Told
from controller.datafile import nearest
from logger.export.files import check_free, write_whole
from logger.journal.reader import JournalReader
from logger.record.records import session_record
from logger.report import (
    Heading,
    Paper,
    SessionRead,
    checkpoint_over,
    course_report,
    read_session,
    session_report,
    site_said,
    typesetter,
)
from station.settings import StationSettings


def session(
    settings: StationSettings,
    name: str,
    *,
    output: Path | None,
    paper: Paper | None,
    journal: Path | None,
    store: str | None,
    force: bool,
    as_json: bool,
) -> int:
    """Writes the report of one session. Raises RecordError, ConsoleError."""
    with opened(settings, journal=journal, store=store) as place:
        session_id = session_named(place.source, name)
        output = output or Path(f"session-{session_id}.pdf")
        check_place(output, force=force)
        read = read_whole(place.source, session_id)
    made = session_report(read, Heading(site=settings.site, paper=paper or settings.paper))
    return _written(output, made, force=force, as_json=as_json)


def course(
    settings: StationSettings,
    patient: str,
    *,
    output: Path | None,
    paper: Paper | None,
    journal: Path | None,
    store: str | None,
    force: bool,
    as_json: bool,
) -> int:
    """Writes the report over a patient's sessions. Raises RecordError, ConsoleError."""
    output = output or Path(f"course-{patient}.pdf")
    check_place(output, force=force)
    with opened(settings, journal=journal, store=store) as place:
        sessions = _sessions_of(place.source, patient)
        reads = [read_whole(place.source, session_id) for session_id in sessions]
    made = course_report(reads, Heading(site=settings.site, paper=paper or settings.paper))
    return _written(output, made, force=force, as_json=as_json)


def check_place(path: Path, *, force: bool) -> None:
    """Looks before anything is read or played whether a report can be made and may go there.

    Raises ReportExtraMissing; ExportError for a file that is there already, unless ``force``; ConsoleError for a folder
    that is not there.
    """
    typesetter()
    if not force:
        check_free([path])
    if not path.parent.is_dir():
        raise ConsoleError(
            Told(
                "no_folder",
                f"There is no folder {path.parent}.",
                "Nothing was written.",
                "Make it first, or name another place.",
            )
        )


def read_whole(source: Source, session_id: str) -> SessionRead:
    """A session, the station's signature over its end where there is one, and the site the station said it is of.

    Raises RecordError; RecordDamaged where the entries are not what was journalled.
    """
    read = read_session(sound_entries(source, session_id))
    first, after = read.record.first_entry, read.head_sequence
    if isinstance(source, JournalReader):
        started, later = source.newest("station_started", first), source.entries(after)
    else:
        station = read.record.station
        started, later = source.newest(station, "station_started", first), source.entries(station, after)
    read.site = site_said(started)
    read.checkpoint = checkpoint_over(read, later)
    return read


def _sessions_of(source: Source, patient: str) -> list[str]:
    """The sessions opened for a pseudonym. Raises ConsoleError with the nearest ones where there are none."""
    of = {span.session: session_record(ends(source, span.session)).patient for span in source.sessions()}
    found = [session_id for session_id, whose in of.items() if whose == patient]
    if not found:
        known = sorted({whose for whose in of.values() if whose is not None})
        what = f"There is no session of the patient {patient!r} in this record."
        raise ConsoleError(Told("no_patient", what, "Nothing was written.", nearest(patient, known)))
    return found


def _written(path: Path, made: bytes, *, force: bool, as_json: bool) -> int:
    write_whole(path, lambda file: file.write(made), force=force)
    digest = hashlib.sha256(made).hexdigest()
    if as_json:
        print_json({"file": str(path), "bytes": len(made), "sha256": digest})
    else:
        out().print(Text.assemble(("Report: ", "bold"), f"{path} ({len(made) // 1000} kB, SHA-256 {digest[:16]}…)"))
    return Code.DONE
