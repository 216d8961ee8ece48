"""What hands can do with a served pen: one line of data each, of which ``docs/faults.md`` is made, too.

Instruments that stand at it are handled by :mod:`simulators.gauges.stand`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from simulators.faults.kinds import Parameter, number, word
from simulators.parts import TISSUE_J_PER_M2
from simulators.pen import PRESS_MS, SimulatedPen

PRESS_MAX_MS = 60_000
AGE_MAX = 10_000

ZONE = word("zone", *TISSUE_J_PER_M2)
"""Where the pen is held; without it, where it is."""
HELD_MS = number("held_ms", "ms", 1, PRESS_MAX_MS, PRESS_MS)
HOURS = number("hours", "h", 0, AGE_MAX, 1)
CYCLES = number("cycles", "full charges", 0, AGE_MAX, 0)

Values = Mapping[str, Any]
"""The fields of a request, looked at: numbers all of them, words those that were given."""


@dataclass(frozen=True, slots=True)
class PenHand:
    """Something that hands do with a pen: in words, how, and which fields it takes."""

    does: str
    act: Callable[[SimulatedPen, Values], object]
    takes: tuple[Parameter, ...] = ()


def _hold(touching: bool | None) -> Callable[[SimulatedPen, Values], object]:
    return lambda pen, given: pen.hold_on(given.get("zone", pen.plant.zone), touching=touching)


HANDS: dict[str, PenHand] = {
    "on_skin": PenHand("lays it on the skin, where it is or in a zone", _hold(True), (ZONE,)),
    "off_skin": PenHand("takes it off the skin", _hold(False), (ZONE,)),
    "treat": PenHand("presses it on the skin whenever its motor runs", _hold(None), (ZONE,)),
    "button": PenHand("presses its button", lambda pen, given: pen.press_button(given["held_ms"]), (HELD_MS,)),
    "pedal": PenHand("steps on its pedal", lambda pen, given: pen.press_pedal(given["held_ms"]), (HELD_MS,)),
    "cartridge_out": PenHand("takes the cartridge off", lambda pen, _given: pen.remove_cartridge()),
    "cartridge_in": PenHand("puts a new cartridge on", lambda pen, _given: pen.insert_cartridge()),
    "power_off": PenHand("switches it off", lambda pen, _given: pen.switch_off()),
    "power_on": PenHand("switches it on", lambda pen, _given: pen.switch_on()),
    "charge": PenHand("charges its battery", lambda pen, _given: pen.charge_battery()),
    "age": PenHand(
        "lets so many hours of strokes, and so many charges of its battery, pass at once",
        lambda pen, given: pen.age(given["hours"], cycles=given["cycles"]),
        (HOURS, CYCLES),
    ),
}
"""By the names that requests have for them."""
