"""The bench's files that a backup takes with it: the certificates that were issued, and calibrations under way.

Both are folders of files that are whole or not there, so each is copied as it is, whoever works meanwhile. A file here
of which the backup knows nothing stays.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from controller.service_events import CertificateIssued
from logger.certificate.number import read_number
from logger.errors import CodeError
from logger.whole_file import replace_whole
from station.settings import StationSettings
from station.site.pen_records import open_pen_records

_SUFFIX = ".json"
_SERIES = re.compile(r"\d{8}T\d{6}-[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class BenchFiles:
    """Names of what was put in place: certificates by number, calibrations under way by series.

    ``finished``: calibrations that were under way when the backup was made and have their certificate since. They stay
    away: going on with one would issue its number a second time.
    """

    certificates: tuple[str, ...] = ()
    under_way: tuple[str, ...] = ()
    finished: tuple[str, ...] = ()


def bench_files(settings: StationSettings) -> dict[str, bytes]:
    """Every such file by its name in a backup. Raises OSError."""
    found: dict[str, bytes] = {}
    for folder in (settings.certificates_path, settings.works_path):
        for path in sorted(folder.glob(f"*{_SUFFIX}")) if folder.is_dir() else []:
            name = f"{folder.name}/{path.name}"
            if _place(settings, name) is not None:
                try:
                    found[name] = path.read_bytes()
                except FileNotFoundError:
                    continue  # a calibration that was finished in this moment
    return found


def others_there(settings: StationSettings, found: Mapping[str, bytes]) -> list[str]:
    """Those of a backup in whose place another file is. Raises OSError."""
    return [
        name
        for name, content in found.items()
        if (path := _place(settings, name)) is not None and path.exists() and path.read_bytes() != content
    ]


def put_bench_files(settings: StationSettings, found: Mapping[str, bytes]) -> BenchFiles:
    """Puts those of a backup in their places, whatever is there. Raises RecordError, OSError."""
    placed = {name: path for name in found if (path := _place(settings, name)) is not None}
    certificates = {name: path for name, path in placed.items() if path.parent == settings.certificates_path}
    works = {name: path for name, path in placed.items() if name not in certificates}
    issued = _issued(settings) if works else frozenset()
    under_way = {name: path for name, path in works.items() if path.stem not in issued}
    for name, path in (certificates | under_way).items():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_whole(path, found[name])
    finished = (path for name, path in works.items() if name not in under_way)
    return BenchFiles(
        *(tuple(path.stem for path in some) for some in (certificates.values(), under_way.values(), finished))
    )


def _place(settings: StationSettings, name: str) -> Path | None:
    """Where a file of a backup belongs; None for what is none of these."""
    folder, _, file = name.partition("/")
    stem = file.removesuffix(_SUFFIX)
    if stem == file:
        return None
    if folder == settings.works_path.name and _SERIES.fullmatch(stem):
        return settings.works_path / file
    if folder == settings.certificates_path.name and _is_number(stem):
        return settings.certificates_path / file
    return None


def _is_number(text: str) -> bool:
    try:
        return read_number(text) == text
    except CodeError:
        return False


def _issued(settings: StationSettings) -> frozenset[str]:
    """The pieces of work of which the record, as far as it is there, has a certificate."""
    with open_pen_records(settings) as records:
        told = records.told(types=("certificate_issued",))
    return frozenset(one.event.series for one in told if isinstance(one.event, CertificateIssued))
