"""What a reference instrument is to everybody above: something that is read, once, when told to."""

from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Protocol, Self

Quantity = Literal["depth_um", "rate_mhz"]
"""What an instrument measures, by the unit in which its readings are handed on."""


@dataclass(frozen=True, slots=True)
class GaugeReading:
    """One reading of a reference instrument. Exactly one of ``value_um`` and ``rate_mhz`` is not None.

    ``value_um``: displacement, µm, positive away from the cartridge's face; rounded to whole µm, half to even.
    ``rate_mhz``: strokes a second, mHz, one mark a stroke. ``unit`` is the unit the instrument showed, ``raw`` the line
    it sent. ``at_ms`` is when the line was complete here, by the monotonic clock the gauge was opened with.
    """

    value_um: int | None
    rate_mhz: int | None
    unit: str
    at_ms: int
    raw: str

    @property
    def value(self) -> int:
        """The one value there is, in the unit of the instrument's :data:`Quantity`."""
        if self.value_um is not None:
            return self.value_um
        if self.rate_mhz is None:
            raise ValueError("a reading with neither a depth nor a rate")
        return self.rate_mhz


class Gauge(Protocol):
    """An open reference instrument. One object is one opening: lost or closed, it is opened anew."""

    @property
    def url(self) -> str:
        """The address it was opened with."""

    @property
    def kind(self) -> str:
        """Which adapter reads it."""

    @property
    def quantity(self) -> Quantity:
        """What it measures."""

    async def read(self) -> GaugeReading:
        """One reading, taken after this call. Reading again is harmless.

        Raises GaugeSilent, GaugeLost, GaugeUnreadable, GaugeRefused or GaugeUnit. Cancelled, it leaves nothing behind
        that a later reading could be mistaken for.
        """

    async def close(self) -> None:
        """Lets go of the line. A second time does nothing."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
