"""A support bundle: what somebody far away needs to help with this station and its pens, and nothing of any patient.

Everything in it is chosen, nothing is copied whole: of an event the fields named here, of a text what is left when
addresses, paths and this user are taken out of it. What is not known to be harmless stays away.
"""

import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import IO, Any, Final

from pydantic import ValidationError

from logger.incident.making import json_text, put
from logger.journal.entry import Entry

FORMAT: Final = "needlework-support/1"

SHOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "station_started": ("software",),
    "station_stopped": (),
    "pen_connected": ("pen", "firmware", "boot_id", "capabilities"),
    "pen_lost": ("pen", "cause"),
    "link_advisory": ("pen", "sentence"),
    "clock_stepped": ("by_ms",),
    "pen_self_tested": ("pen", "serial", "parts"),
    "firmware_changed": ("pen", "serial", "was", "wanted", "outcome", "because"),
    "service_closed": ("because",),
}
"""Events of machines alone, and which of their fields are told. Of all others only the number is."""

MAX_EVENTS: Final = 5_000
"""The newest of them: some months of a station with a bad cable."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE = timedelta(minutes=1)

_LOCAL: Final = ("serial", "usb", "pty", "memory")
"""Kinds of address that lead to this machine's own ports."""
_OF_THE_SYSTEM: Final = ("/dev/", "/sys/", "/proc/", "/run/udev/", "/etc/udev/", "/lib/", "/usr/")
_PLACE: Final = re.compile(
    r"(?P<kind>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>[^\s,;\"'<>)]+)|(?<![\w/.])(?P<path>/[^\s:,;\"'<>)]+)"
)
_PATH_TOLD: Final = "(a path)"
_ADDRESS_TOLD: Final = "(an address)"
_NUMBERED: Final = re.compile(r"(?<![\w.])(?!127\.0\.0\.1(?![\w.]))[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![\w]|\.\w)")
"""An address of a computer as it stands in some systems' errors, without the kind before it."""
_HOLE: Final = "\ue000"
"""Stands where a word was until addresses and paths are found: one that a word was cut out of goes whole."""


def _place(found: re.Match[str]) -> str:
    """What is told of an address or a path."""
    kind, rest = found["kind"], found["rest"] or found["path"]
    if kind is not None and kind not in _LOCAL:
        return f"{kind}://{_ADDRESS_TOLD}"
    kept = rest if not rest.startswith("/") or rest.startswith(_OF_THE_SYSTEM) else _PATH_TOLD
    return kept if kind is None else f"{kind}://{kept}"


class Scrubber:
    """Takes out of texts what names places and people. ``words`` are this machine's own: user, home, directories."""

    def __init__(self, words: Iterable[str]) -> None:
        known = {word for word in words if len(word) > 2}
        longest_first = sorted(known, key=len, reverse=True)
        self._words = re.compile("|".join(re.escape(word) for word in longest_first) or r"(?!)", re.IGNORECASE)

    def text(self, words: str) -> str:
        """A text without them: addresses keep their kind, paths of the system stay, all others go."""
        left = _PLACE.sub(_place, self._words.sub(_HOLE, words))
        return _NUMBERED.sub(_ADDRESS_TOLD, left).replace(_HOLE, _PATH_TOLD)

    def data(self, value: Any) -> Any:
        """The same for every text in a structure, keys too."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.data(one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [self.data(one) for one in value]
        return value


def machine_events(entries: Iterable[Entry], scrub: Scrubber) -> Iterator[dict[str, Any]]:
    """What happened to machines, to the minute, in order; entries of other types are left out."""
    for entry in entries:
        fields = SHOWN.get(entry.type)
        if fields is None:
            continue
        try:
            said = entry.event().model_dump(mode="json")
        except ValidationError:
            continue
        at = _EPOCH + timedelta(microseconds=entry.utc_us) // _MINUTE * _MINUTE
        told = {name: said[name] for name in fields if name in said}
        yield {"at": at.isoformat(timespec="minutes"), "type": entry.type, **scrub.data(told)}


def write_bundle(
    into: IO[bytes], parts: Mapping[str, Any], events: Iterable[dict[str, Any]], *, made_by: str, made_at: datetime
) -> dict[str, str]:
    """Writes the bundle; ``parts`` become ``NAME.json`` each. The SHA-256 of each file, by its name."""
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as bundle:
        digests = {"README.txt": put(bundle, "README.txt", [_README.format(made_by=made_by).encode()])}
        for name, content in parts.items():
            digests[f"{name}.json"] = put(bundle, f"{name}.json", [json_text(content)])
        lines = (json.dumps(one, ensure_ascii=False).encode() + b"\n" for one in events)
        digests["events.jsonl"] = put(bundle, "events.jsonl", lines)
        manifest = {"format": FORMAT, "made_by": made_by, "made_on": made_at.date().isoformat(), "sha256": digests}
        put(bundle, "manifest.json", [json_text(manifest)])
    return digests


_README: Final = """\
A support bundle of {made_by}
================================

For whoever helps with a station and its pens. No patient, operator, session, zone, cartridge or free text is in it;
addresses, paths and the name of the computer and its user were taken out.

  doctor.json    what `needlework doctor` found on this machine, and what it heard of the pens' lines if it was asked
  machine.json   system and versions, and which settings are set; not what to
  record.json    how many entries of each type the record has, from when to when, and whether the file is whole
  pens.json      how each pen does: readings, trends, forecasts
  service.json   what each pen did, summed by day: hours, strokes, faults, alarms, calibrations, versions
  events.jsonl   when pens came and went, what was said of their lines, self-tests, firmware; to the minute
  manifest.json  the format, and a SHA-256 of each file

Each file is text: look at it before you send it.
"""
