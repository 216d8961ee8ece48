"""STUB of LIB. The protocol library: zones with soft and hard limits, rates, checklist. Clinical numbers are data, never code."""

from datetime import date
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from controller.datafile import DataModel, FromHz, FromMm, load_data


class ZoneLimits(DataModel):
    """Limits of one zone by skin, in µm, its greatest rate in mHz, and where the numbers come from."""

    soft_um: dict[str, FromMm] = Field(alias="soft_mm")
    hard_um: dict[str, FromMm] = Field(alias="hard_mm")
    rate_max_mhz: FromHz = Field(alias="rate_max_hz")
    rate_recommended_mhz: FromHz = Field(alias="rate_recommended_hz")
    passes: int
    dwell_s: int
    dwell_hard_s: int
    source: str

    @model_validator(mode="after")
    def _soft_within_hard(self) -> Self:
        if self.soft_um.keys() != self.hard_um.keys():
            raise ValueError("soft and hard limits must name the same skins")
        for skin, soft in self.soft_um.items():
            if soft > self.hard_um[skin]:
                raise ValueError(f"the soft limit for {skin} skin is deeper than the hard one")
        return self


class Course(DataModel):
    """Course."""

    sessions: int
    interval_days: int


class Question(DataModel):
    """A question."""

    text: str
    severity: Literal["hard", "soft", "ask-prescriber"]
    look_back_days: int | None = None
    source: str = ""


class TreatmentProtocol(DataModel):
    """One protocol: its skins and zones."""

    skins: tuple[str, ...] = Field(min_length=1)
    course: Course
    aftercare: tuple[str, ...] = ()
    zones: dict[str, ZoneLimits] = Field(min_length=1)

    @model_validator(mode="after")
    def _zones_cover_skins(self) -> Self:
        for name, zone in self.zones.items():
            if set(zone.soft_um) != set(self.skins):
                raise ValueError(f"zone {name} does not give limits for exactly the skins {', '.join(self.skins)}")
        return self


class Library(DataModel):
    """A clinic's protocols. ``signed_by`` None is an example: usable in demo mode only, marked in every record."""

    format: Literal["needlework-library/2"]
    name: str
    version: int
    issued: date
    valid_until: date
    sources: dict[str, str]
    checklist: dict[str, str]
    questions: dict[str, Question]
    override_reasons: dict[str, str]
    protocols: dict[str, TreatmentProtocol]

    @model_validator(mode="after")
    def _sources_exist(self) -> Self:
        for protocol in self.protocols.values():
            for name, zone in protocol.zones.items():
                if zone.source not in self.sources:
                    raise ValueError(f"zone {name} names the source {zone.source!r}, which is not listed")
        return self

    digest: str = "0" * 64
    signed_by: str | None = None

    @property
    def title(self) -> str:
        """Name and version, as records quote it."""
        return f"{self.name} v{self.version}" + ("" if self.signed_by else " (unsigned example)")


def load_library(path: Path | None = None) -> Library:
    """The library in a file, or the example shipped. Raises DataError."""
    return load_data(Library, path, "example_library.yaml")


LoadedLibrary = Library
