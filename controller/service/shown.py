"""What a pen shows, over a moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from controller.service.state import Settled
from firmware_bridge.snapshot import PenSnapshot


@dataclass(frozen=True, slots=True)
class Shown:
    """What the pen showed over a moment: means over ``statuses`` of them, None where it measures nothing."""

    depth_measured_um: int | None
    rate_measured_mhz: int | None
    motor_current_ma: int | None
    temperature_dc: int | None
    battery_permille: int | None
    statuses: int


def settled(shown: Shown) -> Settled:
    """What of it the machine is told when a move has settled."""
    return Settled(
        depth_measured_um=shown.depth_measured_um,
        rate_measured_mhz=shown.rate_measured_mhz,
        motor_current_ma=shown.motor_current_ma,
        temperature_dc=shown.temperature_dc,
    )


def mean(seen: Sequence[PenSnapshot]) -> Shown:
    """The mean of each quantity over the statuses that have it, in whole units of its name; None where none has."""

    def of(name: str) -> int | None:
        found = [value for status in seen if (value := getattr(status, name)) is not None]
        return round(fmean(found)) if found else None

    return Shown(
        depth_measured_um=of("depth_measured_um"),
        rate_measured_mhz=of("rate_measured_mhz"),
        motor_current_ma=of("motor_current_ma"),
        temperature_dc=of("temperature_dc"),
        battery_permille=of("battery_permille"),
        statuses=len(seen),
    )
