"""What a practitioner types into `needlework treat`: one line, one action. Pure."""

import shlex
from dataclasses import dataclass

from console.exits import Code
from console.trouble import ConsoleError, Told
from controller.datafile import nearest

HELP = {
    "arm": "check cartridge and calibration, and arm the pen",
    "depth MM [REASON]": "set the needle depth; a reason of the library goes beyond a soft limit",
    "rate HZ": "set the puncture rate",
    "start": "motor on (also: Space)",
    "pause": "motor off, still armed (also: Space)",
    "zone NAME": "declare the zone treated from now on",
    "stop": "STOP (also: Esc)",
    "ack ALARM": "acknowledge an alarm",
    "clear": "clear what interrupted the treatment",
    "close [WORDS]": "close the session; its reason goes into the record, so no names",
    "wait SECONDS": "do nothing for a while, in scripts",
}
_ARGUMENTS = {
    "arm": (0, 0),
    "depth": (1, 2),
    "rate": (1, 1),
    "start": (0, 0),
    "pause": (0, 0),
    "zone": (1, 1),
    "stop": (0, 0),
    "ack": (1, 1),
    "clear": (0, 0),
    "close": (0, 12),
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
