"""Pen and cartridge data sheets: what the maker evaluated, which may be less than what the mechanism reaches."""

from itertools import pairwise
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from controller.datafile import DataModel, FromHz, FromMm, load_data, nearest
from controller.gs1 import gtin_is_sound
from controller.loop import ClosedLoopLimits
from controller.units import Millihertz


class CurvePoint(DataModel):
    """Up to ``depth_um`` the rate may be at most ``rate_max_mhz``."""

    depth_um: FromMm = Field(alias="depth_mm")
    rate_max_mhz: FromHz = Field(alias="rate_max_hz")


class ClosedLoopSheet(DataModel):
    """How a pen is watched and ramped: deviations as (tolerance, hold time), an immediate class, ramps, contact.

    The tolerances themselves are the pen's. Times in ms, unless the file's key says seconds or minutes.
    """

    settle_ms: int = Field(ge=100, le=2_000)
    depth_hold_ms: int = Field(ge=100, le=10_000)
    depth_stop_um: FromMm = Field(alias="depth_stop_mm", gt=0)
    rate_slack_mhz: FromHz = Field(alias="rate_slack_hz")
    rate_hold_ms: int = Field(ge=100, le=10_000)
    rate_stop_percent: int = Field(ge=10, le=100)
    stall_below_mhz: FromHz = Field(alias="stall_below_hz", gt=0)
    stall_hold_ms: int = Field(ge=100, le=1_000)
    spin_up_ms: int = Field(ge=0, le=500)
    withdraw_ms: int = Field(ge=0, le=250)
    contact_off_ms: int = Field(ge=20, le=1_000)
    contact_on_ms: int = Field(ge=20, le=1_000)
    contact_warn_s: int = Field(ge=5, le=120)
    contact_pause_s: int = Field(ge=5, le=300)
    temperature_warn_c: int = Field(ge=30, le=80)
    battery_mah: int | None = Field(default=None, gt=0)
    battery_warn_min: int = Field(ge=1, le=60)
    cartridge_life_strokes: int | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _warns_before_it_acts(self) -> Self:
        if self.contact_warn_s >= self.contact_pause_s:
            raise ValueError("closed_loop: contact_warn_s must be less than contact_pause_s")
        return self

    def limits(self) -> ClosedLoopLimits:
        """As it goes into plans and records."""
        return ClosedLoopLimits(
            **self.model_dump(exclude={"contact_warn_s", "contact_pause_s", "temperature_warn_c"}),
            contact_warn_ms=self.contact_warn_s * 1000,
            contact_pause_ms=self.contact_pause_s * 1000,
            temperature_warn_dc=self.temperature_warn_c * 10,
        )


class PenProfile(DataModel):
    """The data sheet of one pen model. Depths in µm, rates in mHz, tolerance of the pen's own depth sensing in µm.

    ``battery_life_min`` is how long a full battery lasts at the load of a treatment, None where there is none to ask.
    """

    labelled_depth_max_um: FromMm = Field(alias="labelled_depth_max_mm")
    labelled_rate_max_mhz: FromHz = Field(alias="labelled_rate_max_hz")
    depth_tolerance_um: FromMm = Field(alias="depth_tolerance_mm")
    rate_tolerance_percent: int = Field(ge=1, le=50)
    depth_rate_curve: tuple[CurvePoint, ...] = Field(min_length=1)
    battery_life_min: int | None = Field(default=None, ge=1, le=600)
    closed_loop: str

    @model_validator(mode="after")
    def _curve_falls(self) -> Self:
        points = self.depth_rate_curve
        for shallow, deep in pairwise(points):
            if deep.depth_um <= shallow.depth_um or deep.rate_max_mhz > shallow.rate_max_mhz:
                raise ValueError("depth_rate_curve: depths must rise and rates must not")
        return self

    def rate_max_at(self, depth_um: int) -> Millihertz:
        """Greatest rate at a depth; 0 where the curve does not reach."""
        for point in self.depth_rate_curve:
            if depth_um <= point.depth_um:
                return point.rate_max_mhz
        return Millihertz(0)

    def depth_max_at(self, rate_mhz: int) -> int:
        """Greatest depth in µm at a rate; 0 where the curve allows that rate nowhere."""
        return max((point.depth_um for point in self.depth_rate_curve if rate_mhz <= point.rate_max_mhz), default=0)


class CartridgeProfile(DataModel):
    """The data sheet of one cartridge model.

    ``gtin`` is the product number in its code (GS1, 14 digits), ``strokes_life`` what its maker gives the needles.
    """

    needle_count: int = Field(ge=1, le=255)
    needle_length_um: FromMm = Field(alias="needle_length_mm")
    pens: tuple[str, ...]
    gtin: str | None = None
    strokes_life: int | None = Field(default=None, ge=1)

    @field_validator("gtin")
    @classmethod
    def _gtin_is_sound(cls, gtin: str | None) -> str | None:
        if gtin is not None and not gtin_is_sound(gtin):
            raise ValueError(f"{gtin!r} is no GTIN: 14 digits in quotes, of which the last is their check digit")
        return gtin


class Profiles(DataModel):
    """The data sheets of a clinic. Each pen names one of ``closed_loops``."""

    format: Literal["needlework-pens/1"]
    closed_loops: dict[str, ClosedLoopSheet] = Field(default_factory=dict)
    pens: dict[str, PenProfile]
    cartridges: dict[str, CartridgeProfile]

    @model_validator(mode="after")
    def _closed_loops_exist(self) -> Self:
        for name, pen in self.pens.items():
            if pen.closed_loop not in self.closed_loops:
                raise ValueError(
                    f"the pen {name} names the closed_loop {pen.closed_loop!r}. "
                    f"{nearest(pen.closed_loop, list(self.closed_loops))}"
                )
        return self

    @model_validator(mode="after")
    def _gtins_differ(self) -> Self:
        known: dict[str, str] = {}
        for name, cartridge in self.cartridges.items():
            if cartridge.gtin is not None and known.setdefault(cartridge.gtin, name) != name:
                raise ValueError(f"the cartridges {known[cartridge.gtin]} and {name} have the same gtin")
        return self

    def cartridge_of(self, gtin: str) -> tuple[str, CartridgeProfile] | None:
        """The cartridge model with this product number, and its name; None where no data sheet has it."""
        return next(((name, sheet) for name, sheet in self.cartridges.items() if sheet.gtin == gtin), None)


def load_profiles(path: Path | None = None) -> Profiles:
    """The data sheets in a file, or the examples shipped. Raises DataError."""
    return load_data(Profiles, path, "pens.yaml")
