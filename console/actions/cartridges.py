"""`needlework cartridge`: what a scanner delivers, and what the station makes of it."""

import sys
from datetime import date

from console.exits import Code
from console.render.cartridge import cartridge_view
from console.screen import out, print_json, say
from controller.cartridges import expiry_problem, read_code
from controller.gs1 import CODE_MAX_CHARS
from controller.profiles import load_profiles
from station.settings import StationSettings

STDIN = "-"
_READ_BYTES = 16 * CODE_MAX_CHARS


def read(settings: StationSettings, code: str, *, today: date, as_json: bool) -> int:
    """Prints what a code says. Raises CodeUnreadable, DataError."""
    scanned = read_code(
        sys.stdin.buffer.read(_READ_BYTES) if code == STDIN else code,
        today=today,
        separators_sent=settings.scanner_sends_separators,
    )
    found = load_profiles(settings.profiles).cartridge_of(scanned.gtin)
    if as_json:
        problem = expiry_problem(scanned.expiry, today)
        print_json(
            {
                **scanned.model_dump(mode="json"),
                "serialised": scanned.serialised,
                "cartridge": found and found[0],
                "expired": problem is not None,
            }
        )
    else:
        say(out(), cartridge_view(scanned, found, today))
    return Code.DONE
