"""The protocol library that settings name, its signature checked against the physicians the clinic trusts."""

from datetime import date
from pathlib import Path

from controller.library import LoadedLibrary, TrustedKeys, load_library, load_trusted_keys
from station.settings import StationSettings


def trusted_keys(path: Path | None) -> TrustedKeys | None:
    """The trusted physicians in a file; None where none is named, so no signature is accepted. Raises DataError."""
    return None if path is None else load_trusted_keys(path)


def clinic_library(settings: StationSettings, today: date) -> LoadedLibrary:
    """The library of these settings. Raises DataError for one that is malformed, or signed and not as it has to be."""
    return load_library(settings.library, trusted=trusted_keys(settings.trusted_physicians), today=today)
