"""What a practitioner types into `needlework treat`: one line, one action. Pure."""

import shlex
from dataclasses import dataclass

from console.exits import Code
from console.trouble import ConsoleError, Told
from controller.datafile import nearest

HELP = {
    "check": "read the pen anew, and show what passes and what does not",
    "confirm POINT...": "confirm points of the checklist; `confirm all` confirms each that is open",
    "attest": "the cartridge is new and was opened now, where that cannot be looked up",
    "arm": "arm the pen; the cartridge counts as used from here on",
    "depth MM [REASON]": "set the needle depth; a reason of the library, or its number, goes beyond a soft limit",
    "rate HZ": "set the puncture rate",
    "repeat": "set depth and rate of this zone as at the last visit",
    "start": "motor on (also: Space)",
    "pause": "motor off, still armed (also: Space)",
    "zone NAME": "declare the zone treated from now on",
    "dose": "each zone's time on skin, against its plan",
    "cartridge [CODE]": "exchange the cartridge; scan the new one's code. The dose stays",
    "audio": "keep alarms quiet for two minutes; they are shown all the same",
    "stop": "STOP (also: Esc)",
    "ack ALARM": "acknowledge an alarm",
    "clear": "clear what interrupted the treatment",
    "close": "close the session",
    "wait SECONDS": "do nothing for a while, in scripts",
}
_ARGUMENTS = {
    "check": (0, 0),
    "confirm": (1, 40),
    "attest": (0, 0),
    "arm": (0, 0),
    "depth": (1, 2),
    "rate": (1, 1),
    "repeat": (0, 0),
    "start": (0, 0),
    "pause": (0, 0),
    "zone": (1, 1),
    "dose": (0, 0),
    "cartridge": (0, 1),
    "audio": (0, 0),
    "stop": (0, 0),
    "ack": (1, 1),
    "clear": (0, 0),
    "close": (0, 0),
    "wait": (1, 1),
}
WAIT_MAX_S = 600.0


@dataclass(frozen=True, slots=True)
class Order:
    """An action and its arguments, both as typed."""

    name: str
    arguments: tuple[str, ...]


def parse(line: str) -> Order | None:
    """The order in a line; None for an empty one or a comment. Raises ConsoleError, which changes nothing."""
    scanned = line.strip()
    if scanned.lower().startswith("cartridge "):  # a scanner's characters mean nothing to us: no quotes, no comments
        return Order("cartridge", (scanned.partition(" ")[2].strip(),))
    try:
        words = shlex.split(line, comments=True)
    except ValueError as error:
        raise _not_understood(f"The line cannot be read: {error}.", "Close the quotation mark.") from error
    if not words:
        return None
    name, *arguments = words
    name = name.lower()
    if name not in _ARGUMENTS:
        raise _not_understood(f"There is no action {name!r}.", nearest(name, list(_ARGUMENTS)))
    least, most = _ARGUMENTS[name]
    if not least <= len(arguments) <= most:
        form = next(form for form in HELP if form.split()[0] == name)
        raise _not_understood(f"{name!r} was not understood with {len(arguments)} words after it.", f"It is: {form}")
    return Order(name, tuple(arguments))


def waiting_s(order: Order) -> float:
    """How long a `wait` waits. Raises ConsoleError."""
    try:
        seconds = float(order.arguments[0])
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= WAIT_MAX_S:
        raise _not_understood(f"{order.arguments[0]!r} is no time to wait.", f"0 to {WAIT_MAX_S:.0f} seconds can be.")
    return seconds


def _not_understood(what: str, do: str) -> ConsoleError:
    return ConsoleError(Told("not_understood", what, "Nothing changed.", do), Code.USAGE)
