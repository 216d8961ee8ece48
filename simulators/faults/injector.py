"""Breaks a pen and what is around it, and mends it again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Final

from simulators.errors import NoSuchPart
from simulators.faults.catalogue import APPLY, CATALOGUE, fault_named
from simulators.faults.kinds import FaultKind, Given, Undo, Value
from simulators.faults.parts import Parts
from simulators.pen import SimulatedPen


@dataclass(frozen=True, slots=True)
class ActiveFault:
    """A fault that was injected. ``clear`` ends it; harmless when it has ended."""

    name: str
    parameters: Mapping[str, Value]
    _injector: "Injector" = field(repr=False, compare=False)

    def clear(self) -> None:
        """Ends this fault, unless another of its name was injected since."""
        if self._injector.is_active(self):
            self._injector.clear(self.name)


_OF_ANY_FIRMWARE: Final = frozenset({"firmware_reboot", "firmware_hang", "firmware_phantom_press", "firmware_internal"})
"""Faults of the firmware that are about no message and no lease."""

_OF_THE_BUS: Final = frozenset({"usb_re_enumerate", "usb_reset"})
"""Faults of USB that no device can bring about by itself."""

PEN_SWAPPED: Final = "pen_swapped"
"""Takes the pen away, and with it whatever was done to that pen."""


class Injector:
    """Injects faults into ``parts``, or into a bare pen, and clears them.

    ``seed`` decides what is random in them: the same seed and calls give the same. A fault has one setting at a time:
    injected again, it begins anew with the new parameters; so does another one that needs the same part.
    """

    def __init__(self, parts: Parts | SimulatedPen, *, seed: int = 0) -> None:
        self.parts = Parts(parts) if isinstance(parts, SimulatedPen) else parts
        self._seed = seed
        self._count = 0
        self._active: dict[str, tuple[ActiveFault, Undo]] = {}

    @property
    def active(self) -> tuple[ActiveFault, ...]:
        """The faults that last, oldest first."""
        return tuple(fault for fault, _ in self._active.values())

    def is_active(self, fault: ActiveFault) -> bool:
        """Whether this very fault still lasts."""
        found = self._active.get(fault.name)
        return found is not None and found[0] is fault

    def missing(self, kind: FaultKind) -> str:
        """What this fault would need and is not here, "" when it can be injected."""
        parts = self.parts
        match kind.layer:
            case "line" if parts.lines is None:
                return "a line to the pen"
            case "firmware" if not parts.pen.native and kind.name not in _OF_ANY_FIRMWARE:
                return "a firmware that speaks the wire protocol"
            case "usb" if parts.usb is None and (kind.seat != "plug" or parts.plug is None):
                return "a plug" if kind.seat == "plug" else "a pen on USB"
            case "usb" if parts.bus is None and kind.name in _OF_THE_BUS:
                return "the USB bus, which is the computer's that has the pen"
            case "host" if parts.host is None and not kind.name.startswith(("host_second", "host_forged")):
                return "the computer that drives the pen, which is another process"
        return ""

    @property
    def available(self) -> tuple[FaultKind, ...]:
        """The faults that can be injected here."""
        return tuple(kind for kind in CATALOGUE.values() if not self.missing(kind))

    def inject(self, name: str, /, **parameters: object) -> ActiveFault:
        """Makes a fault be there, until it is cleared or, where it does not last, at once and for a moment.

        Raises UnknownFault, BadParameter, or NoSuchPart when nothing here has what it would break.
        """
        kind = fault_named(name)
        values = kind.checked(parameters)
        missing = self.missing(kind)
        if missing:
            raise NoSuchPart(f"{name} needs {missing}. Nothing was injected.")
        for other in [fault.name for fault in self.active]:
            if (
                other == name
                or (kind.seat and fault_named(other).seat == kind.seat)
                or self._is_of_the_pen(other, name)
            ):
                self.clear(other)
        self._count += 1
        random = Random(f"{self._seed}/{name}/{self._count}")  # noqa: S311  # noise of a simulation
        fault = ActiveFault(name, values, self)
        undo = APPLY[name](Given(name, self.parts, random, values))
        if undo is not None:
            self._active[name] = fault, undo
        return fault

    def clear(self, name: str) -> bool:
        """Ends a fault. Returns whether it was there. Raises UnknownFault."""
        fault_named(name)
        if name not in self._active:
            return False
        for other in [fault.name for fault in self.active]:
            if self._is_of_the_pen(other, name):
                self.clear(other)
        self._active.pop(name)[1]()
        return True

    @staticmethod
    def _is_of_the_pen(fault: str, name: str) -> bool:
        """Whether a fault is the pen's own, and ``name`` takes that pen away: it is mended before, for it would go."""
        return name == PEN_SWAPPED and fault != name and fault_named(fault).layer in {"firmware", "plant"}

    def clear_all(self) -> tuple[str, ...]:
        """Ends all faults, the newest first. Returns their names."""
        names = tuple(reversed(self._active))
        for name in names:
            self.clear(name)
        return names
