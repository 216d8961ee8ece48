"""Breaking a simulated pen from outside, out of band: nothing here goes over the wire, and the firmware is not told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firmware_bridge.wire.messages import Fault

if TYPE_CHECKING:
    from simulators.pen import SimulatedPen


class FaultHooks:
    """What can be done to a pen's parts. Each call takes effect at once and lasts until it is called again."""

    __slots__ = ("_pen",)

    def __init__(self, pen: SimulatedPen) -> None:
        self._pen = pen

    def jam_motor(self, jammed: bool = True) -> None:
        """The motor cannot turn: STALL once it is driven."""
        self._pen.plant.jammed = jammed

    def stick_depth(self, stuck: bool = True) -> None:
        """The depth actuator does not move: RETRACT_FAILED once the needles should be out."""
        self._pen.plant.depth_stuck = stuck

    def drift_depth_sensor(self, drift_um: float) -> None:
        """The depth sensor shows ``drift_um`` more than is true."""
        self._pen.plant.depth_sensor_drift_um = drift_um

    def kill_depth_sensor(self, dead: bool = True) -> None:
        """The depth sensor reads nonsense: SENSOR."""
        self._pen.plant.depth_sensor_dead = dead

    def heat_to(self, temperature_c: float) -> None:
        """The handpiece has this temperature now, and goes on from there."""
        self._pen.plant.temperature_c = temperature_c

    def drop_supply(self, drop_v: float) -> None:
        """So much voltage is lost between cells and driver; a few volts are a BROWN_OUT."""
        self._pen.plant.supply_drop_v = drop_v

    def drain_battery(self, share: float) -> None:
        """The battery holds ``share`` of its charge, 0 to 1."""
        self._pen.plant.charge_c = share * self._pen.plant.parameters.battery_full_c

    def wet(self, wet: bool = True) -> None:
        """Fluid behind the membrane: INGRESS."""
        self._pen.plant.wet = wet

    def latch_internal(self) -> None:
        """The firmware finds something wrong with itself: INTERNAL."""
        self._pen.firmware.latch(Fault.INTERNAL)

    def ignore_stops(self, times: int) -> None:
        """The next ``times`` STOP frames are not acted upon; to the host it looks as if they were lost."""
        self._pen.firmware.ignore_stops = times
