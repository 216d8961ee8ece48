"""Reference instruments and cartridges: what is traceable to where, how well it is known, and until when.

Uncertainties are as their own certificates state them, expanded with k = 2. The day after ``due_on`` a reference is
refused: a number from it would hang on nothing.
"""

from datetime import date
from typing import Self

from pydantic import Field, model_validator

from controller.datafile import DataModel, Day, FromMm, Misplaced, Words
from controller.errors import ControlRefused


class ReferenceStandard(DataModel):
    """What every reference has: who calibrated it, under which certificate, until when (the last day it counts)."""

    name: Words
    serial: Words
    certificate: Words
    calibrated_by: Words
    calibrated_on: Day
    due_on: Day

    @model_validator(mode="after")
    def _due_after_calibrated(self) -> Self:
        if self.due_on <= self.calibrated_on:
            raise Misplaced("it falls due after it was calibrated", "due_on")
        return self


class DepthGauge(ReferenceStandard):
    """A length gauge. Expanded uncertainty (k = 2) of an indication L: ``expanded_nm`` + ``expanded_ppm`` × L."""

    expanded_nm: int = Field(gt=0)
    expanded_ppm: int = Field(ge=0)
    resolution_nm: int = Field(gt=0)


class Tachometer(ReferenceStandard):
    """A tachometer. Expanded uncertainty (k = 2) of an indication, relative to it; what its last digit is worth."""

    expanded_ppm: int = Field(gt=0)
    resolution_mhz: int = Field(gt=0)


class KnownLoad(ReferenceStandard):
    """A load a motor is braked by, and how well it is known (k = 2, relative). Torque in µN·m."""

    torque_unm: int = Field(gt=0)
    expanded_ppm: int = Field(ge=0)


class Thermometer(ReferenceStandard):
    """A thermometer, or one with a hygrometer, for the air at the bench. Expanded uncertainties (k = 2) in mK and ‰
    relative humidity; no ``expanded_permille``: its humidity is for information."""

    expanded_mk: int = Field(gt=0)
    expanded_permille: int | None = Field(default=None, gt=0)


class ReferenceCartridge(ReferenceStandard):
    """A cartridge kept for calibrating: its needles' length, and how far they may stand off it (half-width)."""

    model: Words
    lot: Words
    needle_length_um: FromMm = Field(alias="needle_length_mm", gt=0)
    tolerance_um: int = Field(ge=0)


def held_valid(what: str, reference: ReferenceStandard, today: date) -> None:
    """Raises ControlRefused where the reference does not count today."""
    if today > reference.due_on:
        raise ControlRefused(
            "reference_expired",
            f"The {what} {reference.name} ({reference.serial}) was due on {reference.due_on.isoformat()}: what it "
            "reads is traceable to nothing since. Use another one, or have it calibrated and enter its new certificate "
            "in the calibration policy. Nothing was measured.",
        )
    if today < reference.calibrated_on:
        raise ControlRefused(
            "reference_not_yet_valid",
            f"The {what} {reference.name} ({reference.serial}) counts from {reference.calibrated_on.isoformat()}, "
            "which is not yet. If that day has passed, this computer's clock is wrong. Nothing was measured.",
        )
