"""What a pen counts over its life, and how its battery ages."""

from typing import NamedTuple

from firmware_bridge.wire.service_operations import LifetimeData
from simulators.physics import Plant

AGED_CYCLES = 500.0
AGED_CAPACITY = 0.80
AGED_RESISTANCE = 2.0
"""After so many full charges a battery has so much of its capacity left, and so many times its resistance; evenly on
the way there. Assumed: what sheets of small lithium-ion cells promise is 80 % after 300 to 500."""

U16_MOST, U32_MOST = 0xFFFE, 0xFFFF_FFFF


class Counted(NamedTuple):
    """What was counted at one moment."""

    run_s: int
    strokes: int
    shocks: int


class Lifetime:
    """The counters of one pen. ``turns_before`` is what its motor turned before the plant at hand began to count,
    ``put_in_c`` all charge that ever went into its battery, in coulombs."""

    __slots__ = ("put_in_c", "ran_ms", "shocks", "starts", "turns_before")

    def __init__(self) -> None:
        self.ran_ms = 0
        self.turns_before = 0.0
        self.shocks = 0
        self.starts = 0
        self.put_in_c = 0.0

    def counted(self, plant: Plant, running_ms: int) -> Counted:
        """What is counted now, ``running_ms`` of a run that goes on with it."""
        run_s = (self.ran_ms + running_ms) // 1000
        strokes = int(self.turns_before + plant.turns)
        return Counted(min(run_s, U32_MOST), min(strokes, U32_MOST), min(self.shocks, U16_MOST))

    def cycles(self, plant: Plant) -> float:
        """Full charges taken from the battery."""
        return max(self.put_in_c - plant.charge_c, 0.0) / plant.sheet.battery_full_c

    def read(self, plant: Plant, running_ms: int, then: Counted) -> LifetimeData:
        """As LIFETIME_READ tells it; ``then`` is what was counted when the calibration was written."""
        now = self.counted(plant, running_ms)
        parts, sheet = plant.parameters, plant.sheet
        return LifetimeData(
            run_s=now.run_s,
            strokes=now.strokes,
            shocks=now.shocks,
            starts=self.starts,
            run_since_s=max(now.run_s - then.run_s, 0),
            strokes_since=max(now.strokes - then.strokes, 0),
            shocks_since=max(now.shocks - then.shocks, 0),
            battery_cycles=min(int(self.cycles(plant)), U16_MOST),
            battery_capacity_permille=round(1000.0 * parts.battery_full_c / sheet.battery_full_c),
            battery_resistance_mohm=min(round(1000.0 * parts.battery_ohm), U16_MOST),
        )


def age_battery(plant: Plant, cycles: float) -> None:
    """The battery is as old as so many full charges make it."""
    share = cycles / AGED_CYCLES
    capacity = max(1.0 - (1.0 - AGED_CAPACITY) * share, 0.1)
    plant.wear("age", battery_full_c=capacity, battery_ohm=1.0 + (AGED_RESISTANCE - 1.0) * share)
    plant.charge_c = min(plant.charge_c, plant.parameters.battery_full_c)
