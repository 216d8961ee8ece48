"""A simulated Digimatic indicator in its interface box: what it says, byte for byte. Reads no clock.

It stands with its stem on the face of the cartridge, zeroed there, in peak hold: it shows how far the needles come out
at their lower turning point, and zero while they are inside.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Literal

REQUEST_MAX_BYTES = 8

UM_PER_MM, UM_PER_INCH = 1000.0, 25_400.0

NO_DATA, NO_NUMBER, BUSY = 1, 2, 8
"""Why the box has no reading, as the second figure behind its 9 tells it."""


@dataclass(frozen=True, slots=True)
class GaugeOwnError:
    """How far the instrument itself is from the truth: its reading is gain · truth + offset + noise (one σ)."""

    gain_ppm: int = 0
    offset_um: float = 0.0
    noise_um: float = 0.0


@dataclass(frozen=True, slots=True)
class Indicator:
    """The data sheet of an indicator: resolution in each unit it can show, and how far its stem goes, mm."""

    resolution_mm: Decimal = Decimal("0.001")
    resolution_inch: Decimal = Decimal("0.00005")
    range_mm: float = 12.7


class SimulatedDigimatic:
    """One indicator and its box. ``truth_um`` tells the true protrusion, µm; ``rng`` gives the instrument's noise.

    Troubles, set from outside: ``unit`` (somebody pressed the unit key), ``silent`` (the box is off), ``refuses`` (a
    code in place of a reading, 0 none), ``garbled`` (the line has another speed than the host thinks).
    """

    def __init__(
        self,
        truth_um: Callable[[], float],
        *,
        rng: random.Random,
        sheet: Indicator = Indicator(),
        own: GaugeOwnError = GaugeOwnError(),
        channel: int = 1,
    ) -> None:
        self.unit: Literal["mm", "inch"] = "mm"
        self.silent = False
        self.refuses = 0
        self.garbled = False
        self._truth_um = truth_um
        self._rng = rng
        self._sheet = sheet
        self._own = own
        self._channel = channel
        self._held = b""

    def received(self, data: bytes) -> bytes:
        """Bytes of the host, in any pieces; what the box answers to the requests that they complete."""
        self._held += data
        *requests, rest = self._held.split(b"\r")
        self._held = rest[-REQUEST_MAX_BYTES:]
        return b"".join(self.says() for request in requests if request.strip() == b"%d" % self._channel)

    def says(self) -> bytes:
        """One line, as when somebody presses the DATA key; nothing when the box is silent."""
        if self.silent:
            return b""
        line = self._refusal(self.refuses) if self.refuses else self._reading()
        return bytes(byte ^ 0x55 for byte in line) if self.garbled else line

    def _refusal(self, code: int) -> bytes:
        return b"9%d%d\r" % (self._channel, code)

    def _reading(self) -> bytes:
        shown_um = max(self._truth_um(), 0.0) * (1.0 + self._own.gain_ppm / 1e6) + self._own.offset_um
        if self._own.noise_um:
            shown_um += self._rng.gauss(0.0, self._own.noise_um)
        if abs(shown_um) > self._sheet.range_mm * UM_PER_MM:
            return self._refusal(NO_NUMBER)
        metric = self.unit == "mm"
        step = self._sheet.resolution_mm if metric else self._sheet.resolution_inch
        exact = Decimal(shown_um / (UM_PER_MM if metric else UM_PER_INCH))
        number = ((exact / step).to_integral_value(ROUND_HALF_EVEN) * step).quantize(step)
        return f"0{self._channel}A{'-' if number < 0 else '+'}{abs(number):0>8}\r".encode()
