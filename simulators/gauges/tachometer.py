"""A simulated optical tachometer: the line of sixteen characters that it sends with each change of its display."""

import random
from collections.abc import Callable

RPM_PER_HZ = 60.0
RESOLUTION_CHANGES_AT_RPM = 1000.0
"""From here on such a tachometer shows whole revolutions, tenths below."""
DISPLAY_MAX = 99_999_999


class SimulatedTachometer:
    """One tachometer. ``truth_hz`` tells the true strokes a second; ``rng`` gives noise of ``noise_rpm`` (one σ).

    Troubles, set from outside: ``metres`` (it shows metres a minute), ``silent``, ``garbled`` (another line speed).
    """

    def __init__(
        self, truth_hz: Callable[[], float], *, rng: random.Random, gain_ppm: int = 0, noise_rpm: float = 0.0
    ) -> None:
        self.metres = False
        self.silent = False
        self.garbled = False
        self._truth_hz = truth_hz
        self._rng = rng
        self._gain_ppm = gain_ppm
        self._noise_rpm = noise_rpm

    def says(self) -> bytes:
        """The line of the present display; nothing when it is silent."""
        if self.silent:
            return b""
        rpm = self._truth_hz() * RPM_PER_HZ * (1.0 + self._gain_ppm / 1e6)
        if self._noise_rpm and rpm:
            rpm += self._rng.gauss(0.0, self._noise_rpm)
        places = 1 if abs(rpm) < RESOLUTION_CHANGES_AT_RPM else 0
        digits = min(round(abs(rpm) * 10**places), DISPLAY_MAX)
        line = b"\x0241%s%d%d%08d\r" % (b"60" if self.metres else b"27", rpm < 0, places, digits)
        return bytes(byte ^ 0x55 for byte in line) if self.garbled else line
