"""The dialects there are, by name."""

from difflib import get_close_matches

from simulators.dialects.ascii import MODEL, AsciiFirmware
from simulators.dialects.base import DialectFirmware
from simulators.errors import UnknownModel
from simulators.personality import PenModel

DIALECTS: dict[str, tuple[type[DialectFirmware], PenModel]] = {"ascii": (AsciiFirmware, MODEL)}
"""A firmware, and the pen it is built into. The name is also the prefix of a host's URL: ``ascii+serial://…``."""


def dialect_named(name: str) -> tuple[type[DialectFirmware], PenModel]:
    """The dialect of this name. Raises UnknownModel with the nearest names."""
    found = DIALECTS.get(name)
    if found is None:
        near = get_close_matches(name, DIALECTS, n=3) or list(DIALECTS)
        raise UnknownModel(f"No simulated pen speaks a dialect called {name!r}. Nearest: {', '.join(near)}.")
    return found
