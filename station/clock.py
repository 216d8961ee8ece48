"""The one clock of a station: control loop, journal and desk read the same."""

import time
from datetime import UTC, datetime


class StationClock:
    """Time, as this computer has it."""

    def monotonic_ms(self) -> int:
        """Milliseconds that never go back."""
        return time.monotonic_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """The same, in seconds."""
        return time.monotonic()

    def utc(self) -> datetime:
        """Time of day, aware."""
        return datetime.now(UTC)
