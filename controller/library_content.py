"""What a protocol library holds: protocols with zones, limits and course, questions, checklist, sources.

Clinical numbers are data that a physician signs for, never constants in code. Everything is checked against everything
else when it is read: what contradicts itself is refused with its place, so no later code meets it.
"""

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, StrictInt, model_validator

from controller.datafile import DataModel, Day, FromHz, FromMm, FromS, Id, Misplaced, Words, nearest
from controller.guardrail import Guardrail, GuardrailError

FORMAT = "needlework-library/2"

Severity = Literal["hard", "soft", "ask-prescriber"]
Count = Annotated[StrictInt, Field(ge=1, le=1000)]
Days = Annotated[StrictInt, Field(ge=1, le=36_500)]


class ZoneLimits(DataModel):
    """Limits of one zone: depths in µm by skin, rates in mHz, dwell in ms, passes, and where the numbers come from.

    ``source`` stands for all of them unless ``rate_source`` or ``dwell_source`` names another.
    """

    soft_um: dict[Id, FromMm] = Field(alias="soft_mm")
    hard_um: dict[Id, FromMm] = Field(alias="hard_mm")
    rate_max_mhz: FromHz = Field(alias="rate_max_hz")
    rate_recommended_mhz: FromHz | None = Field(default=None, alias="rate_recommended_hz")
    passes: Count
    dwell_ms: FromS = Field(alias="dwell_s")
    dwell_hard_ms: FromS = Field(alias="dwell_hard_s")
    source: Id
    rate_source: Id | None = None
    dwell_source: Id | None = None

    def depth(self, skin: str) -> Guardrail:
        """Recommended and absolute depth for a skin, in µm. Raises KeyError for a skin it has no limits for."""
        return Guardrail("depth", "um", self.soft_um[skin], self.hard_um[skin])

    @property
    def rate(self) -> Guardrail:
        """Recommended and absolute rate, in mHz; the same where none is recommended."""
        recommended = self.rate_max_mhz if self.rate_recommended_mhz is None else self.rate_recommended_mhz
        return Guardrail("rate", "mhz", recommended, self.rate_max_mhz)

    @property
    def dwell(self) -> Guardrail:
        """Recommended and absolute time of treating the zone in one session, in ms."""
        return Guardrail("dwell", "ms", self.dwell_ms, self.dwell_hard_ms)

    @model_validator(mode="after")
    def _soft_within_hard(self) -> Self:
        both = (*self.hard_um, *self.soft_um)
        odd = next((skin for skin in both if (skin in self.soft_um) != (skin in self.hard_um)), None)
        if odd is not None:
            side = "soft_mm" if odd in self.soft_um else "hard_mm"
            raise Misplaced(f"only {side} names the skin {odd}; soft and hard limits must name the same skins", side)
        for skin in self.soft_um:
            try:
                self.depth(skin)
            except GuardrailError as error:
                raise Misplaced(f"for {skin} skin, {error}", "soft_mm", skin) from error
            if self.hard_um[skin] == 0:
                raise Misplaced(f"a hard limit of 0 for {skin} skin; leave the zone out instead", "hard_mm", skin)
        if self.rate_max_mhz == 0:
            raise Misplaced("a rate of 0 treats nothing; leave the zone out instead", "rate_max_hz")
        for name, key in (("rate", "rate_recommended_hz"), ("dwell", "dwell_s")):
            try:
                getattr(self, name)
            except GuardrailError as error:
                raise Misplaced(str(error), key) from error
        return self


class Course(DataModel):
    """How many sessions a course has, and the fewest days from one to the next."""

    sessions: Count
    interval_days: Days
    source: Id | None = None


class TreatmentProtocol(DataModel):
    """One protocol: its skins, course, aftercare as given to the patient, and zones."""

    skins: tuple[Id, ...] = Field(min_length=1)
    course: Course
    aftercare: tuple[Words, ...] = Field(min_length=1)
    zones: dict[Id, ZoneLimits] = Field(min_length=1)

    @model_validator(mode="after")
    def _zones_cover_skins(self) -> Self:
        for position, skin in enumerate(self.skins):
            if skin in self.skins[:position]:
                raise Misplaced(f"the skin {skin} is named twice", "skins", position)
        for name, zone in self.zones.items():
            for skin in self.skins:
                if skin not in zone.soft_um:
                    raise Misplaced(f"no limits for {skin} skin", "zones", name, "soft_mm")
            for skin in zone.soft_um:
                if skin not in self.skins:
                    known = nearest(skin, list(self.skins)).rstrip(".")
                    raise Misplaced(f"the protocol has no skin {skin}. {known}", "zones", name, "soft_mm", skin)
        return self


class Question(DataModel):
    """A contraindication, asked before arming; an answer true means that it applies.

    ``hard`` forbids the treatment, ``soft`` needs a reason, ``ask-prescriber`` needs the physician's word.
    ``look_back_days`` None: it is about now.
    """

    text: Words
    severity: Severity
    look_back_days: Days | None = None
    source: Id


class Library(DataModel):
    """A clinic's protocols, as one file says them."""

    format: Literal["needlework-library/2"]
    name: Id
    version: Count
    issued: Day
    valid_until: Day
    sources: dict[Id, Words] = Field(min_length=1)
    checklist: dict[Id, Words] = Field(min_length=1)
    questions: dict[Id, Question]
    override_reasons: dict[Id, Words]
    protocols: dict[Id, TreatmentProtocol] = Field(min_length=1)

    def valid_on(self, day: date) -> bool:
        """Whether the library may be used on a day."""
        return self.issued <= day <= self.valid_until

    @model_validator(mode="after")
    def _dates_in_order(self) -> Self:
        if self.valid_until < self.issued:
            raise Misplaced(f"valid until a day before it was issued ({self.issued.isoformat()})", "valid_until")
        return self

    @model_validator(mode="after")
    def _sources_exist(self) -> Self:
        for identity, question in self.questions.items():
            self._known(question.source, "questions", identity, "source")
        for name, protocol in self.protocols.items():
            self._known(protocol.course.source, "protocols", name, "course", "source")
            for zone_name, zone in protocol.zones.items():
                for key in ("source", "rate_source", "dwell_source"):
                    self._known(getattr(zone, key), "protocols", name, "zones", zone_name, key)
        return self

    def _known(self, source: str | None, *at: str) -> None:
        if source is not None and source not in self.sources:
            known = nearest(source, list(self.sources)).rstrip(".")
            raise Misplaced(f"the source {source} is not listed. {known}", *at)
