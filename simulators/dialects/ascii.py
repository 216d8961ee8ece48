"""The worked example of a dialect: lines of ASCII, as many a device on a serial port speaks.

    I?          I NW-ASCII NWA-000001 1.0        who it is
    D 1.50      OK D 1.50                        needle depth in mm, in steps of 0.05
    R 120       OK R 120                         puncture rate in Hz
    G           OK G                             motor on, at the depth and rate set last
    X           OK X                             motor off, needles in
    S?          S RUN D 1.50 1.47 R 120 118.7 B 87 P 3 F 0    state, set, measured, battery %, presses, faults
    C           OK C                             clears faults

A line ends with LF; CR before it is ignored. What is wrong is answered ``ERR`` and a word: WHAT, LONG, RANGE, FAULT.

It is deliberately what such protocols are. The motor, once on, runs until somebody says otherwise: nothing on the line
tells the pen that its host has died, and a bit that flips in a digit makes another depth of it.
"""

from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any

from firmware_bridge.wire.messages import Capability, Fault, Refusal
from simulators.dialects.base import DialectFirmware
from simulators.personality import NW_1, PenModel

LINE_MAX_BYTES = 32

MODEL: PenModel = replace(
    NW_1,
    name="NW-ASCII",
    serial="NWA-000001",
    firmware="1.0",
    capabilities=Capability.DEPTH_SET
    | Capability.DEPTH_SENSED
    | Capability.RATE_SET
    | Capability.RATE_SENSED
    | Capability.BATTERY_SENSED
    | Capability.BUTTON,
)
"""The parts of NW-1 behind lines of text."""


class AsciiFirmware(DialectFirmware):
    """One boot of the ASCII pen."""

    __slots__ = ("_depth_um", "_lines", "_rate_mhz")

    def __init__(self, *given: Any, **named: Any) -> None:
        self._depth_um = 0
        self._rate_mhz = 100_000
        self._lines: dict[int, bytes] = {}
        super().__init__(*given, **named)

    def heard(self, medium: int, data: bytes) -> None:
        """Bytes in, lines answered."""
        *lines, rest = (self._lines.get(medium, b"") + data).split(b"\n")
        self._lines[medium] = rest[: LINE_MAX_BYTES + 1]
        for line in lines:
            words = line.removesuffix(b"\r")
            if words:
                said = self._answer(words) if len(words) <= LINE_MAX_BYTES else "ERR LONG"
                self.say(medium, said.encode("ascii") + b"\n")

    def forget(self, medium: int) -> None:
        """A medium is gone; the motor is not told."""
        self._lines.pop(medium, None)
        super().forget(medium)

    def _answer(self, line: bytes) -> str:
        word, _, value = line.decode("ascii", "replace").partition(" ")
        if value:
            setters = {"D": self._depth, "R": self._rate}
            return setters[word](value) if word in setters else "ERR WHAT"
        commands = {"I?": self._who, "S?": self._state, "G": self._go, "X": self._off, "C": self._clear}
        return commands[word]() if word in commands else "ERR WHAT"

    def _who(self) -> str:
        return f"I {self.model.name} {self.model.serial} {self.model.firmware}"

    def _go(self) -> str:
        if self.faults or self.cartridge is None:
            return "ERR FAULT"
        self.run(self._depth_um, self._rate_mhz)
        return "OK G"

    def _off(self) -> str:
        self.halt()
        return "OK X"

    def _clear(self) -> str:
        return "OK C" if self.clear(Fault(self.faults)) is Refusal.NONE else "ERR FAULT"

    def _depth(self, value: str) -> str:
        depth_um = _whole(value, 1000)
        if depth_um is None or not 0 <= depth_um <= self.model.depth_max_um or depth_um % self.model.depth_step_um:
            return "ERR RANGE"
        self._depth_um = depth_um
        if self.running:
            self.run(self._depth_um, self._rate_mhz)
        return f"OK D {depth_um / 1000:.2f}"

    def _rate(self, value: str) -> str:
        rate_mhz = _whole(value, 1000)
        model = self.model
        if rate_mhz is None or not model.rate_min_mhz <= rate_mhz <= model.rate_max_mhz or rate_mhz % 1000:
            return "ERR RANGE"
        self._rate_mhz = rate_mhz
        if self.running:
            self.run(self._depth_um, self._rate_mhz)
        return f"OK R {rate_mhz // 1000}"

    def _state(self) -> str:
        depth_um, rate_mhz, battery_permille = self.sensed()
        state = "RUN" if self.running else "FAULT" if self.faults else "IDLE"
        return (
            f"S {state} D {self._depth_um / 1000:.2f} {depth_um / 1000:.2f} "
            f"R {self._rate_mhz // 1000} {rate_mhz / 1000:.1f} "
            f"B {battery_permille // 10} P {self.presses.button} F {int(self.faults)}"
        )


def _whole(value: str, scale: int) -> int | None:
    """The number times ``scale`` where that is whole, None for what is no such number."""
    try:
        scaled = Decimal(value) * scale
        return int(scaled) if scaled == int(scaled) else None
    except (InvalidOperation, ValueError, OverflowError):
        return None
