"""Pen and cartridge data sheets: what the maker evaluated, which may be less than what the mechanism reaches."""

from itertools import pairwise
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from controller.datafile import DataModel, FromHz, FromMm, load_data
from controller.gs1 import gtin_is_sound
from controller.units import Millihertz


class CurvePoint(DataModel):
    """Up to ``depth_um`` the rate may be at most ``rate_max_mhz``."""

    depth_um: FromMm = Field(alias="depth_mm")
    rate_max_mhz: FromHz = Field(alias="rate_max_hz")


class PenProfile(DataModel):
    """The data sheet of one pen model. Depths in µm, rates in mHz, tolerance of the pen's own depth sensing in µm."""

    labelled_depth_max_um: FromMm = Field(alias="labelled_depth_max_mm")
    labelled_rate_max_mhz: FromHz = Field(alias="labelled_rate_max_hz")
    depth_tolerance_um: FromMm = Field(alias="depth_tolerance_mm")
    rate_tolerance_percent: int = Field(ge=1, le=50)
    depth_rate_curve: tuple[CurvePoint, ...] = Field(min_length=1)

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
    """The data sheets of a clinic."""

    format: Literal["needlework-pens/1"]
    pens: dict[str, PenProfile]
    cartridges: dict[str, CartridgeProfile]

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
