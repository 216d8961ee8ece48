"""What a session's record holds: the models that projections fill, reports draw and programs read.

Commanded, set and measured stay apart: commanded is what the host asked for, set is what the pen says is in force,
measured is what its sensors say. What the pen does not measure is None, never the setpoint.
"""

from datetime import datetime
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

from controller.events import (
    CalibrationSnapshot,
    CartridgeSnapshot,
    CourseSnapshot,
    LimitLayer,
    LimitSet,
    Meaning,
    ReadinessRow,
    Screening,
    ZoneDose,
    ZoneSnapshot,
)
from logger.record.telemetry import Spread

LIMIT_LAYERS = frozenset(get_args(LimitLayer.model_fields["layer"].annotation))
"""Names of limits; a refusal because of anything else is none of a limit."""

NOT_TREATED = "not treated"
"""How a session ended that was completed and in which the motor never ran."""


class Part(BaseModel):
    """Base of what a record is made of."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TimelineItem(Part):
    """Something that happened, when, and what is worth saying of it."""

    at: datetime
    what: str
    detail: str


class LimitsInForce(Part):
    """The limits from a moment on, with every layer behind them."""

    at: datetime
    zone: str
    depth: LimitSet
    rate: LimitSet


class Override(Part):
    """A soft limit a person went beyond, and why. Depth in µm, rate in mHz."""

    at: datetime
    zone: str
    quantity: str
    soft_limit: int
    wanted: int
    reason: str


class Refusal(Part):
    """A request that was not followed; ``zone`` is the one declared then."""

    at: datetime
    zone: str
    asked: str
    because: str
    sentence: str

    @property
    def near_miss(self) -> bool:
        """Whether it was a limit that refused: more was asked for than is allowed, and nothing changed."""
        return self.because in LIMIT_LAYERS


class AlarmRecord(Part):
    """One alarm, from raised to cleared; None is not (yet)."""

    alarm: str
    priority: str
    kind: str
    sentence: str
    raised_at: datetime
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    cleared_at: datetime | None = None


class AudioPause(Part):
    """Alarms were kept quiet for ``for_ms`` ms; they went on being shown. ``ended_by`` is the alarm that ended it."""

    at: datetime
    by: str
    for_ms: int
    ended_by: str | None = None


class Examination(Part):
    """The checks before arming, as they stood after a reading of the pen. ``tested`` and ``passed`` are the self-test's
    bits, None where none was made."""

    at: datetime
    rows: tuple[ReadinessRow, ...]
    self_test_tested: int | None
    self_test_passed: int | None


class CartridgeRecord(Part):
    """A cartridge of this session. ``attested_by``: who said that it was new, where that could not be looked up.

    ``exchanged_at`` is when another took its place; ``strokes`` were made with it on skin.
    """

    cartridge: CartridgeSnapshot
    armed_at: datetime
    attested_by: str | None = None
    exchanged_at: datetime | None = None
    strokes: int = 0


class ApprovalRecord(Part):
    """A physician's approval beyond the operator's scope, as far as this session has it.

    ``given_at`` None: it was given ahead, and the limits in force quote it. ``used_at`` None: it was not needed.
    """

    approval: str
    given_at: datetime | None = None
    by: str | None = None
    zones: tuple[str, ...] = ()
    depth_max_um: int | None = None
    used_at: datetime | None = None
    used_zone: str | None = None
    scope_um: int | None = None
    depth_commanded_um: int | None = None


class ClockStep(Part):
    """The computer's time of day was set, by so many ms (positive: forward)."""

    at: datetime
    by_ms: int


class SignatureRecord(Part):
    """Who put their name to the session, when, and as what.

    It covers the session up to ``covers_sequence``; ``covers`` says whether that is what stands in the record now:
    *all* of it, or that the record was *amended* after this signature; *unknown* in records from before signatures
    named what they cover, *other* when the entry it names has another hash here.
    """

    at: datetime
    by: str
    role: str
    meaning: Meaning
    covers: Literal["all", "amended", "unknown", "other"] = "unknown"
    covers_sequence: int | None = None
    covers_hash: str = ""

    @property
    def standing(self) -> bool:
        """Whether it is for the record as it stands now."""
        return self.covers in ("all", "unknown")


class AmendmentRecord(Part):
    """What was set right, or added, after the session; its text is kept at the site under ``text_sha256``.

    ``amends_found`` is False when the entry it names has another hash here, or is none of this session's.
    """

    at: datetime
    sequence: int
    by: str
    role: str
    aspect: str
    reason: str
    amends_sequence: int
    amends_hash: str
    amends_found: bool
    text_sha256: str


class ZoneRecord(Part):
    """What one zone got while the motor ran, computed from the pen's own telemetry. µm, mHz, ms.

    Commanded are the values asked for while treating; set are those in force at the pen, its ramps among them.

    ``on_skin_ms`` is what counts against the plan's dwell budget, ``counted_ms`` the same with what a session that was
    resumed had given it before. ``plan`` is None in records from before there was one.
    """

    zone: str
    treated_ms: int
    on_skin_ms: int
    counted_ms: int
    passes: int
    strokes: int
    punctures: int | None
    depth_commanded_um: tuple[int, ...]
    rate_commanded_mhz: tuple[int, ...]
    depth_set_um: Spread | None
    depth_measured_um: Spread | None
    rate_set_mhz: Spread | None
    rate_measured_mhz: Spread | None
    plan: ZoneSnapshot | None = None


class SessionRecord(Part):
    """One session.

    ``outcome`` is "open" while no close was journalled; ``unread`` counts entries of a later version. ``untreated`` are
    the planned zones that got nothing. ``library_signed_by`` None is nobody: a demonstration.
    """

    session: str
    station: str
    pen: str | None
    pen_model: str | None
    pen_firmware: str | None
    patient: str | None
    operator: str | None
    protocol: str | None
    library: str | None
    library_digest: str
    library_signed_by: str | None
    skin: str | None
    demo: bool | None
    checklist: dict[str, bool]
    screening: Screening | None
    course: CourseSnapshot | None
    interval_reason: str
    resumes: str | None
    planned_zones: tuple[str, ...]
    opened_at: datetime
    closed_at: datetime | None
    outcome: str
    reason: str | None
    first_entry: int
    last_entry: int
    entries: int
    unread: int
    zones: tuple[ZoneRecord, ...]
    untreated: tuple[str, ...]
    strokes: int
    treated_ms: int
    examinations: tuple[Examination, ...]
    cartridges: tuple[CartridgeRecord, ...]
    calibrations: tuple[CalibrationSnapshot, ...]
    limits: tuple[LimitsInForce, ...]
    overrides: tuple[Override, ...]
    refusals: tuple[Refusal, ...]
    approvals: tuple[ApprovalRecord, ...]
    alarms: tuple[AlarmRecord, ...]
    audio_pauses: tuple[AudioPause, ...]
    clock_steps: tuple[ClockStep, ...]
    signatures: tuple[SignatureRecord, ...]
    amendments: tuple[AmendmentRecord, ...] = ()
    timeline: tuple[TimelineItem, ...]
    doses: tuple[ZoneDose, ...]
    aftercare: tuple[str, ...] = ()

    @property
    def treated(self) -> bool:
        """Whether the motor ran: a session that was only prepared is none of a course.

        Zones are known where the pen's telemetry was read, doses where the close was; the doses of a session that
        resumes another begin with what that one gave.
        """
        given = () if self.resumes else self.doses
        return any(zone.treated_ms or zone.strokes for zone in self.zones) or any(
            dose.treated_ms or dose.strokes for dose in given
        )

    @property
    def ended(self) -> str:
        """The outcome in a word for people: *not treated* where a session was completed and the motor never ran."""
        return NOT_TREATED if self.outcome == "completed" and not self.treated else self.outcome
