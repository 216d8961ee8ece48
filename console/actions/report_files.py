"""`needlework report session`: a PDF from the record, written whole or not at all."""

import hashlib
import os
import tempfile
from pathlib import Path

from rich.text import Text

from console.exits import Code
from console.records import opened, session_named
from console.screen import out, print_json
from logger.report import Heading, Paper, read_session, session_report
from station.settings import StationSettings


def session(
    settings: StationSettings,
    name: str,
    *,
    output: Path | None,
    paper: Paper | None,
    journal: Path | None,
    store: str | None,
    as_json: bool,
) -> int:
    """Writes the report of one session. Raises RecordError, ConsoleError, OSError."""
    with opened(settings, journal=journal, store=store) as place:
        session_id = session_named(place.source, name)
        read = read_session(place.source.session_entries(session_id))
    made = session_report(read, Heading(site=settings.site, paper=paper or settings.paper))
    return _written(output or Path(f"session-{session_id}.pdf"), made, as_json=as_json)


def write_whole(path: Path, made: bytes) -> None:
    """Writes a file so that what stands under its name is all of it, or what was there before. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(made)
        Path(beside).chmod(0o600)
        Path(beside).replace(path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise


def _written(path: Path, made: bytes, *, as_json: bool) -> int:
    write_whole(path, made)
    digest = hashlib.sha256(made).hexdigest()
    if as_json:
        print_json({"file": str(path), "bytes": len(made), "sha256": digest})
    else:
        out().print(Text.assemble(("Report: ", "bold"), f"{path} ({len(made) // 1000} kB, SHA-256 {digest[:16]}…)"))
    return Code.DONE
