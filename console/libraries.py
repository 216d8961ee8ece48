"""The protocol library a station of these settings uses, for questions, points and reasons in words."""

from controller.library import LoadedLibrary, load_library
from station.settings import StationSettings


def library_of(settings: StationSettings) -> LoadedLibrary:
    """The library. Raises DataError."""
    return load_library(settings.library)
