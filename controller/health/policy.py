"""When a pen's health is worth a word: a data file, the clinic's own or the example shipped."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from controller.datafile import DataModel, load_data


class ForecastPolicy(DataModel):
    """What a forecast has to rest on, how far it goes, and from when on it calls for somebody.

    It looks ahead ``horizon_days``, and no longer than ``reach_times`` as long as was looked back. A calibration due
    with a greater chance than ``out_when_due_most_percent`` to find the pen out of tolerance is worth a word; such a
    chance is told from ``least_stretches`` between calibrations on.
    """

    confidence_percent: int = Field(ge=50, le=99)
    least_readings: int = Field(ge=3, le=100)
    least_days: int = Field(ge=1, le=365)
    window_days: int = Field(ge=30, le=3650)
    horizon_days: int = Field(ge=30, le=3650)
    reach_times: int = Field(ge=1, le=20)
    soon_days: int = Field(ge=1, le=365)
    out_when_due_most_percent: int = Field(ge=1, le=50)
    least_stretches: int = Field(ge=2, le=20)

    def until(self, now: float, newest: float, looked_back_days: float) -> float:
        """The day as far as which a forecast looks that rests on so many days up to ``newest``; it may be past."""
        return min(now + self.horizon_days, newest + self.reach_times * looked_back_days)


class BatteryPolicy(DataModel):
    """Limits of a battery; ``load_spread_percent`` is how much treatments differ where too few are known."""

    capacity_least_permille: int = Field(ge=100, le=1000)
    resistance_most_mohm: int = Field(ge=1, le=10_000)
    reserve_permille: int = Field(ge=0, le=500)
    load_spread_percent: int = Field(ge=1, le=100)


class MotorPolicy(DataModel):
    """How much more current than at first, at the same load, is worth a word."""

    current_rise_most_percent: int = Field(ge=1, le=500)


class HeatPolicy(DataModel):
    """How warm a handpiece may become at its work."""

    temperature_most_c: int = Field(ge=30, le=80)


class LinePolicy(DataModel):
    """What a cable may lose. A pen that is back ``back_within_s`` after it was lost was not put away: its line went."""

    damaged_most_ppm: int = Field(ge=1, le=1_000_000)
    lost_most_in_30_days: int = Field(ge=0, le=1000)
    back_within_s: int = Field(ge=1, le=3600)


class HealthPolicy(DataModel):
    """All of it."""

    format: Literal["needlework-health/1"]
    forecast: ForecastPolicy
    battery: BatteryPolicy
    motor: MotorPolicy
    heat: HeatPolicy
    line: LinePolicy


def load_health_policy(path: Path | None = None) -> HealthPolicy:
    """The policy in a file, or the example shipped. Raises DataError."""
    return load_data(HealthPolicy, path, "health.yaml")
