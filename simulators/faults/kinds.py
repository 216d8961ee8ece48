"""What a fault is: its line of data, its parameters, and what is handed to the code that applies it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from random import Random
from typing import Literal

from simulators.errors import BadParameter
from simulators.faults.parts import Parts

Layer = Literal["line", "usb", "firmware", "plant", "host"]

LAYERS: tuple[Layer, ...] = ("line", "usb", "firmware", "plant", "host")

Moment = Literal["connecting", "arming", "treating"]
"""When a fault is met: it is there before the connection, before arming, or comes in mid-treatment."""

Act = Literal["", "pause", "stop", "end"]
"""What makes a fault show: nothing but time, or that somebody pauses, or stops, or that the fault ends."""

Reaction = Literal["goes on", "pauses", "stops", "refuses"]
"""What becomes of the treatment. *goes on*: needles and motor stay as commanded. *pauses*: motor off, still armed.
*stops*: the lease is given up and a person has to begin anew. *refuses*: there is no connection or no lease."""

Value = int | str

Undo = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number of a fault, its unit in its name; or a word, where ``words`` lists those there are."""

    name: str
    unit: str
    least: int
    most: int
    default: Value
    words: tuple[str, ...] = ()

    def checked(self, fault: str, value: object) -> Value:
        """The value, when it may be one. Raises BadParameter."""
        if self.words:
            if isinstance(value, str) and value in self.words:
                return value
            raise BadParameter(
                f"{self.name} of {fault} is one of {', '.join(self.words)}, not {value!r}. Nothing was injected."
            )
        if isinstance(value, bool) or not isinstance(value, int):
            raise BadParameter(f"{self.name} of {fault} is a whole number ({self.unit}), not {value!r}. "
                               "Nothing was injected.")  # fmt: skip
        if not self.least <= value <= self.most:
            raise BadParameter(
                f"{self.name} of {fault} may be {self.least} to {self.most} {self.unit}, not {value}. "
                "Nothing was injected."
            )
        return value


def number(name: str, unit: str, least: int, most: int, default: int) -> Parameter:
    """A parameter that is a whole number."""
    return Parameter(name, unit, least, most, default)


def word(name: str, *words: str) -> Parameter:
    """A parameter that is one of some words, the first by default."""
    return Parameter(name, "", 0, 0, words[0], words)


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One line of the catalogue.

    ``does`` is what happens, ``product`` what the product should do, ``hazard`` the id of the hazard that it serves.
    ``seat`` names the part that only one fault can have at a time: another one takes its place.
    ``met``, ``reaction`` and ``alarm`` say the same as ``product`` for a program: when a treatment meets the fault with
    its default parameters, what becomes of it, and which alarm is raised ("" none); ``shown_by`` is what it takes, and
    ``within_ms`` how long. ``lasts`` is false where it
    happens in a moment, and there is nothing to clear but its consequences.
    """

    name: str
    layer: Layer
    does: str
    product: str
    hazard: str
    parameters: tuple[Parameter, ...] = ()
    met: Moment = "treating"
    reaction: Reaction = "goes on"
    alarm: str = ""
    shown_by: Act = ""
    within_ms: int = 4000
    lasts: bool = True
    seat: str = ""

    def checked(self, given: Mapping[str, object]) -> dict[str, Value]:
        """All parameters, the defaults of those not given among them. Raises BadParameter."""
        known = {parameter.name: parameter for parameter in self.parameters}
        for name in given:
            if name not in known:
                near = get_close_matches(name, known, n=3) or list(known)
                has = f"Nearest: {', '.join(near)}." if near else "It has none."
                raise BadParameter(f"{self.name} has no parameter {name!r}. {has}")
        return {name: one.checked(self.name, given.get(name, one.default)) for name, one in known.items()}


@dataclass(frozen=True, slots=True)
class Given:
    """What is handed to the code that applies a fault. ``name`` is the fault's, ``random`` is its own."""

    name: str
    parts: Parts
    random: Random
    values: Mapping[str, Value] = field(default_factory=dict)

    def number(self, name: str) -> int:
        """A parameter that is a number."""
        return int(self.values[name])

    def word(self, name: str) -> str:
        """A parameter that is a word."""
        return str(self.values[name])

    def happens(self) -> bool:
        """Whether it happens this time, by the parameter ``share_permille``."""
        return self.random.randrange(1000) < self.number("share_permille")


Apply = Callable[[Given], Undo | None]
"""Makes a fault be there and returns what ends it; None where there is nothing to end."""
