"""What another wire protocol needs to be served by a simulated pen: a firmware that hears and says other bytes.

Everything a pen is besides its line stays: parts, sensors, watches over stall, heat and supply, button and pedal,
cartridge, faults that can be brought about from outside. A dialect decides what bytes mean and what is answered, turns
the motor on and off by :meth:`DialectFirmware.run` and :meth:`DialectFirmware.halt`, and owes nobody a lease.
"""

import random
from abc import ABC, abstractmethod
from datetime import date

from firmware_bridge.wire.messages import Fault, PenState, Setpoint
from simulators.firmware import PenFirmware
from simulators.pen import SimulatedPen
from simulators.personality import PenModel


class DialectFirmware(PenFirmware, ABC):
    """One boot of a firmware with another line. Subclassed with :meth:`heard`; the rest is for it to use.

    Bytes come in any pieces, from any medium, and must never raise. ``pen_time_ms``, ``faults``, ``cartridge``,
    ``model`` and ``plant`` are those of the house's firmware.
    """

    __slots__ = ()

    @abstractmethod
    def heard(self, medium: int, data: bytes) -> None:
        """Bytes came in on a medium."""

    def receive(self, medium: int, data: bytes) -> None:
        """As SimulatedPen hands them over."""
        self.heard(medium, data)
        self._set_due()

    def say(self, medium: int, data: bytes) -> None:
        """Sends bytes on a medium."""
        self.media.write(medium, data)

    @property
    def running(self) -> bool:
        """The motor is driven."""
        return self.plant.driven

    @property
    def state(self) -> PenState:
        """What the pen does; whatever the dialect says of it."""
        if self.running:
            return PenState.RUNNING
        if not self.plant.needles_home:
            return PenState.RETRACTING
        return PenState.FAULT if self.faults else PenState.IDLE

    def run(self, depth_um: int, rate_mhz: int) -> None:
        """Motor on at this depth and rate, until :meth:`halt`, a press, or a fault. No silence ends it."""
        self._watches.set_ceiling(self.model.depth_max_um)
        self._lease.motor_on(Setpoint(0, 0, 1, depth_um, rate_mhz, 0), self.uptime_ms)

    def halt(self) -> None:
        """Motor off, needles on their way in."""
        self._watches.set_ceiling(None)
        self._lease.motor_off(self.uptime_ms)

    def latch(self, found: int) -> None:
        """A fault is latched, and the motor goes off."""
        super().latch(found)
        self.halt()

    def remove_cartridge(self) -> None:
        """The cartridge is taken off: a fault while the motor runs."""
        super().remove_cartridge()
        if self.running:
            self.latch(Fault.CARTRIDGE_REMOVED)

    def sensed(self) -> tuple[int, int, int]:
        """Depth (µm), rate (mHz) and battery (‰) as the sensors show them."""
        sensors = self._sensors
        return sensors.depth_um(), sensors.rate_mhz(), sensors.battery_permille()


class DialectPen(SimulatedPen):
    """A simulated pen with a dialect's firmware; everything else of it is SimulatedPen's."""

    native = False

    def __init__(
        self, firmware: type[DialectFirmware], model: PenModel, *, rng: random.Random, today: date, noisy: bool = True
    ) -> None:
        self._firmware_type = firmware
        super().__init__(model, rng=rng, today=today, noisy=noisy)

    def _boot(self, pen_time_start_ms: int) -> PenFirmware:
        return self._firmware_type(
            self.model,
            self.plant,
            self.memory,
            self._rng,
            self._transmit,
            cartridge=self.cartridge,
            pen_time_start_ms=pen_time_start_ms,
            noisy=self._noisy,
            defects=self.defects,
        )
