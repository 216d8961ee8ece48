"""What the closed loop knows: its thresholds, from the pen's data sheet, and where it stands."""

from dataclasses import dataclass
from enum import Enum, auto

from controller.events import Record
from controller.units import Micrometres, Millihertz


class ClosedLoopLimits(Record):
    """Thresholds of one pen model, as :class:`controller.profiles.ClosedLoopSheet` reads them from its data sheet.

    Depths in µm, rates in mHz, times in ms, temperature in 0.1 °C. The tolerances themselves are the profile's.
    """

    settle_ms: int
    depth_hold_ms: int
    depth_stop_um: Micrometres
    rate_slack_mhz: Millihertz
    rate_hold_ms: int
    rate_stop_percent: int
    stall_below_mhz: Millihertz
    stall_hold_ms: int
    spin_up_ms: int
    withdraw_ms: int
    contact_off_ms: int
    contact_on_ms: int
    contact_warn_ms: int
    contact_pause_ms: int
    temperature_warn_dc: int
    battery_mah: int | None
    battery_warn_min: int
    cartridge_life_strokes: int | None


class Stage(Enum):
    """What the motor is told, beyond on and off."""

    OFF = auto()  # motor off
    SPIN_UP = auto()  # motor on at the least depth, the rate on its way up
    FULL = auto()  # as a person set it
    LIFTED = auto()  # off skin: motor on at the least depth
    WITHDRAW = auto()  # a person paused at the host: motor on at the least depth for a moment, then off


HOT, BATTERY, LIFE = 1, 2, 4  # bits of Loop.flags
CONTACT = 8
DWELL_NEARLY, DWELL_OVER, DWELL_HARD = 16, 32, 64
DWELL = DWELL_NEARLY | DWELL_OVER | DWELL_HARD


@dataclass(frozen=True, slots=True)
class Loop:
    """Where the closed loop stands. Times in the station's monotonic ms; None is *not so now*.

    ``motor``, ``depth_um`` and ``rate_mhz`` are what was last sent, since ``sent_since_ms``; ``contact`` is what the
    pen last said of skin, since ``contact_since_ms``. ``flags`` are conditions of the moment.
    """

    stage: Stage = Stage.OFF
    stage_since_ms: int = 0
    rate_ramp_mhz: int = 0
    motor: bool = False
    depth_um: int = 0
    rate_mhz: int = 0
    sent_since_ms: int = 0
    contact: bool | None = None
    contact_since_ms: int = 0
    depth_off_since_ms: int | None = None
    slow_since_ms: int | None = None
    fast_since_ms: int | None = None
    still_since_ms: int | None = None
    flags: int = 0


IDLE = Loop()
"""Nothing is armed, so nothing is watched."""
