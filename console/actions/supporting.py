"""`needlework support`: one file for whoever helps, gathered here and scrubbed by :mod:`logger.incident.support`."""

import getpass
import os
import platform
import sys
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
from rich.text import Text

from console.actions.health import Record, as_data
from console.actions.machine import looked_at
from console.exits import Code
from console.records import every_entry, opened
from console.screen import out, print_json, say
from console.trouble import ConsoleError
from logger.errors import RecordError
from logger.export.files import check_free, write_whole
from logger.incident.support import MAX_EVENTS, SHOWN, Scrubber, machine_events, write_bundle
from logger.journal.reader import JournalReader
from logger.proof.findings import counted
from logger.record.service_record import service_record
from station.monitoring.findings import Finding
from station.settings import StationSettings

_OF_PEOPLE = ("data files",)
"""Checks whose words may quote what a clinic wrote in its own files: only how grave they are is told."""


def support(
    settings: StationSettings,
    output: Path,
    *,
    soak_s: float | None,
    force: bool,
    journal: Path | None,
    store: str | None,
    as_json: bool,
) -> int:
    """Makes the bundle. Raises ExportError, ConsoleError where a soak is asked for and no pen is named."""
    if not force:
        check_free([output])
    scrub = Scrubber(_own_words(settings))
    findings, soaks = looked_at(settings, soak_s, quiet=as_json)
    parts: dict[str, Any] = {
        "doctor": {"findings": [_told(one) for one in findings], "soaks": soaks},
        "machine": _machine(settings),
    }
    events: list[dict[str, Any]] = []
    try:
        parts |= _of_record(settings, journal, store, scrub, events)
    except (RecordError, ConsoleError) as error:
        parts["record"] = {"problem": str(error)}
    now, by = datetime.now(UTC), f"needlework {version('needlework')}"
    scrubbed = {name: scrub.data(content) for name, content in parts.items()}
    written: dict[str, str] = {}

    def write(into: Any) -> None:
        written.update(write_bundle(into, scrubbed, events, made_by=by, made_at=now))

    write_whole(output, write, force=force)
    if as_json:
        print_json({"file": str(output), "sha256": written})
    else:
        what = f"{output}: {counted(len(written), 'file')}, nothing of a patient. Look at it before you send it."
        say(out(), Text(what))
    return Code.DONE


def _of_record(
    settings: StationSettings, journal: Path | None, store: str | None, scrub: Scrubber, events: list[dict[str, Any]]
) -> dict[str, Any]:
    """What the record has of machines, read once for sums and once for pens. Raises RecordError, ConsoleError."""
    with opened(settings, journal=journal, store=store) as place:
        source = place.source
        kind = "journal" if isinstance(source, JournalReader) else "store"
        problems = source.file_problems() if isinstance(source, JournalReader) else []
        found: dict[str, Any] = {
            "record": {"kind": kind, "entries": source.type_counts(), "file_problems": problems},
            "service": service_record(every_entry(source)).model_dump(mode="json"),
        }
        events += deque(machine_events(source.entries_of(tuple(SHOWN)), scrub), maxlen=MAX_EVENTS)
    found["pens"] = [_to_the_minute(as_data(pen)) for pen in Record(settings, journal, store).look()]
    return found


def _to_the_minute(pen: dict[str, Any]) -> dict[str, Any]:
    """When a pen was seen and read last, no closer than its events tell."""
    near = {name: pen[name] and f"{pen[name][:16]}+00:00" for name in ("seen", "charge_read")}
    return {**pen, **near}


def _told(finding: Finding) -> dict[str, str]:
    words = finding.model_dump(exclude={"level"})
    if finding.check in _OF_PEOPLE:
        words = {"check": finding.check}
    return {**words, "level": finding.level.name.lower()}


def _machine(settings: StationSettings) -> dict[str, Any]:
    """System and versions, and which settings were set; what they are set to may name the clinic."""
    return {
        "system": platform.system(),
        "release": platform.release(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "executable": Path(sys.executable).name,
        "settings_set": sorted(settings.model_fields_set),
        "pens": len(settings.pens),
        "brokers": len(settings.broker),
    }


def _own_words(settings: StationSettings) -> list[str]:
    """What names this place: the user, the computer, the site, and every directory of the settings."""
    words = [str(Path.home()), platform.node(), platform.node().split(".")[0], settings.site, settings.station]
    with suppress(OSError, KeyError):
        words.append(getpass.getuser())
    for name in settings.model_fields_set | {"state_dir"}:
        value = getattr(settings, name)
        if isinstance(value, Path):
            words += [str(value), str(value.resolve())]
        elif isinstance(value, str) and "/" in value:
            words.append(value)
    for url in (*settings.broker, *(pen.url for pen in settings.pens)):
        with suppress(ValueError):
            parts = urlsplit(url)
            words += [name for name in (parts.hostname, parts.username) if name]
    harmless = {
        "127.0.0.1",
        "root",
        "site",
        "station",
        "localhost",
        "user",
        "usr",
        "home",
        "dev",
        "needlework",
        "pen",
        "clinic",
    }
    return [word for word in words if word not in harmless and word != "/"]
