"""What is asked for when a session is prepared, and what it comes to once every name in it was found.

The resolved plan is a snapshot: everything the machine decides by is in it, so that a record, and a replay of it, needs
no other file. The request holds answers about a person's health and is never journalled; the resolved plan is.
"""

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from controller.cartridges import ScannedCartridge, fit_problem
from controller.datafile import nearest
from controller.errors import ControlRefused
from controller.events import CourseSnapshot, Record, Refused, Screening, ZoneDose, ZoneSnapshot
from controller.history import PatientHistory, approval_for, approval_sentence, approvals_that_count, course_state
from controller.library import LoadedLibrary, TreatmentProtocol
from controller.loop import ClosedLoopLimits
from controller.operators import Operators, operator_problem
from controller.profiles import CartridgeProfile, Profiles
from controller.screening import prescribed_by, screen
from controller.units import Micrometres, Millihertz

PSEUDONYM_PATTERN, PSEUDONYM_LEAST, PSEUDONYM_MOST = r"^[A-Za-z-]*[0-9][A-Za-z0-9-]*$", 4, 40
Pseudonym = Annotated[
    str, StringConstraints(pattern=PSEUDONYM_PATTERN, min_length=PSEUDONYM_LEAST, max_length=PSEUDONYM_MOST)
]
"""What stands for a patient: letters, digits and hyphens, a digit among them, so that a name is none."""


MS_PER_MIN = 60_000


def is_pseudonym(text: str) -> bool:
    """Whether a text can stand for a patient."""
    fits = PSEUDONYM_LEAST <= len(text) <= PSEUDONYM_MOST
    return fits and re.fullmatch(PSEUDONYM_PATTERN.strip("^$"), text) is not None


class SessionPlan(Record):
    """A request to prepare a session. ``patient`` is a random pseudonym, never a name.

    ``answers`` says of each of the library's questions whether it applies, ``accepted`` why it is treated all the same
    (a reason of the library, or the number of a physician's approval), ``consent`` where the signed consent is: these
    stay at the site. ``zones`` are those planned; none means the first alone. ``interval_reason`` is a reason of the
    library for a session earlier than the course has it. ``resumes`` names an interrupted session of this patient,
    whose dose counts on. ``cartridge`` names a cartridge model and is needed where neither pen nor code identifies
    what is inserted; ``cartridge_code`` is a scanned code as the scanner gave it; the operator attests with
    ``cartridge_new`` that the cartridge was opened just now.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    patient: Pseudonym
    operator: str
    protocol: str
    skin: str
    zone: str
    zones: tuple[str, ...] = ()
    checklist: dict[str, bool] = Field(default_factory=dict)
    answers: dict[str, bool] = Field(default_factory=dict)
    accepted: dict[str, str] = Field(default_factory=dict)
    consent: str = Field(default="", max_length=100)
    interval_reason: str = ""
    resumes: str | None = None
    cartridge: str | None = None
    cartridge_code: str = Field(default="", max_length=8192)
    cartridge_new: bool = False


class ZonePlan(Record):
    """Limits of one zone for the skin of this patient.

    ``approved_cap_um`` is the depth a physician approved for this zone, in place of the operator's own scope where it
    is deeper; ``approval`` its number, ``approved_words`` who, until when, ``approved_until`` its last day (ISO), None
    for one given at the chair for this session. ``dwell_ms`` is the time on skin the zone is
    planned for, ``dwell_hard_ms`` the time at which it ends.
    """

    soft_um: Micrometres
    hard_um: Micrometres
    rate_max_mhz: Millihertz
    source: str
    passes: int | None = None
    dwell_ms: int | None = None
    dwell_hard_ms: int | None = None
    approved_cap_um: Micrometres | None = None
    approval: str = ""
    approved_words: str = ""
    approved_until: str | None = None


class CurveStep(Record):
    """Up to ``depth_um`` the rate may be at most ``rate_max_mhz``."""

    depth_um: Micrometres
    rate_max_mhz: Millihertz


class ProfileSnapshot(Record):
    """The pen's data sheet as the machine needs it."""

    model: str
    labelled_depth_max_um: Micrometres
    labelled_rate_max_mhz: Millihertz
    depth_tolerance_um: Micrometres
    rate_tolerance_percent: int
    curve: tuple[CurveStep, ...]
    battery_life_ms: int | None = None
    closed_loop: ClosedLoopLimits | None = None  # None in records from before there was one


class ResolvedPlan(Record):
    """A plan with every name found and every limit looked up. ``cartridge_model`` None: the pen or a code says which.

    ``resumed_doses`` are those of the session that is resumed. ``interval_open`` is the sentence that says why this
    session is too early and no reason was given, empty where it is not. ``prepared_on``, ``library_until`` and
    ``operator_until`` are ISO dates, the last days included: a session may stay open over midnight.
    """

    patient: str
    operator: str
    operator_role: Literal["aesthetician", "physician"]
    operator_scope: str
    operator_cap_um: Micrometres
    protocol: str
    library: str
    library_digest: str
    library_signed_by: str | None
    demo: bool
    skin: str
    first_zone: str
    planned_zones: tuple[str, ...]
    zones: dict[str, ZonePlan]
    override_reasons: tuple[str, ...]
    checklist: dict[str, bool]
    missing: tuple[str, ...]
    screening: Screening
    consent: bool
    course: CourseSnapshot
    interval_open: str
    interval_reason: str
    resumes: str | None
    resumed_doses: tuple[ZoneDose, ...]
    profile: ProfileSnapshot
    cartridge_model: str | None
    cartridge_needle_count: int | None
    cartridge_needle_length_um: Micrometres | None
    cartridge_scan: ScannedCartridge | None
    cartridge_attested: bool
    prepared_on: str = ""  # empty in records from before it was kept, as are the two below
    library_until: str = ""
    operator_until: str = ""
    prescribed_by: tuple[str, ...] = ()  # approvals that stand for the prescriber's word about a contraindication
    aftercare: tuple[str, ...] = ()  # the library's words for the patient afterwards

    @property
    def planned_ms(self) -> int:
        """Time on skin that the planned zones come to, ms; 0 where the library does not say."""
        return sum(self.zones[zone].dwell_ms or 0 for zone in self.planned_zones)

    @property
    def zone_snapshots(self) -> tuple[ZoneSnapshot, ...]:
        """The plan of every zone, as records and screens have it."""
        return tuple(
            ZoneSnapshot(
                zone=name,
                soft_um=zone.soft_um,
                hard_um=zone.hard_um,
                rate_max_mhz=zone.rate_max_mhz,
                passes=zone.passes,
                dwell_ms=zone.dwell_ms,
                dwell_hard_ms=zone.dwell_hard_ms,
            )
            for name, zone in self.zones.items()
        )


def _found(kind: str, name: str, known: list[str]) -> None:
    if name not in known:
        raise ControlRefused(f"unknown_{kind}", f"There is no {kind} {name!r}. {nearest(name, known)} Nothing changed.")


def snapshot_profile(model: str, profiles: Profiles) -> ProfileSnapshot:
    """The data sheet of a pen model as it goes into records."""
    profile = profiles.pens[model]
    return ProfileSnapshot(
        model=model,
        labelled_depth_max_um=profile.labelled_depth_max_um,
        labelled_rate_max_mhz=profile.labelled_rate_max_mhz,
        depth_tolerance_um=profile.depth_tolerance_um,
        rate_tolerance_percent=profile.rate_tolerance_percent,
        battery_life_ms=None if profile.battery_life_min is None else profile.battery_life_min * MS_PER_MIN,
        curve=tuple(CurveStep(depth_um=p.depth_um, rate_max_mhz=p.rate_max_mhz) for p in profile.depth_rate_curve),
        closed_loop=profiles.closed_loops[profile.closed_loop].limits(),
    )


def resolve_plan(
    plan: SessionPlan,
    *,
    model: str,
    today: date,
    library: LoadedLibrary,
    operators: Operators,
    profiles: Profiles,
    mode: Literal["demo", "clinic"],
    history: PatientHistory | None = None,
    scan: ScannedCartridge | None = None,
) -> ResolvedPlan:
    """Looks up everything a plan names, for a pen of ``model``; ``scan`` is what its cartridge code says.

    Raises ControlRefused: an unknown name (with the nearest ones), an operator who may not operate today, a
    contraindication, a cartridge that does not fit the pen, a pen without a data sheet, a session that is not there to
    be resumed, or a library that is expired, or unsigned outside demo mode.
    """
    known = history if history is not None else PatientHistory(patient=plan.patient)
    _check_library(library, today, mode)
    _found("pen model", model, list(profiles.pens))
    _found("operator", plan.operator, list(operators.operators))
    _found("protocol", plan.protocol, list(library.protocols))
    protocol = library.protocols[plan.protocol]
    _found("skin", plan.skin, list(protocol.skins))
    for zone in (plan.zone, *plan.zones):
        _found("zone", zone, list(protocol.zones))
    for item in plan.checklist:
        _found("checklist item", item, list(library.checklist))
    operator = operators.operators[plan.operator]
    problem = operator_problem(plan.operator, operator, today)
    if problem is not None:
        raise ControlRefused(*problem)
    screening = screen(
        library.questions,
        plan.answers,
        plan.accepted,
        reasons=library.override_reasons,
        approvals=frozenset(
            approval.id for approval in approvals_that_count(known, today, protocol=plan.protocol, resumes=plan.resumes)
        ),
    )
    if plan.interval_reason:
        _found("override reason", plan.interval_reason, list(library.override_reasons))
    resumed = _resumed(plan, known, today)
    course = course_state(known, protocol.course, today, protocol=plan.protocol, resumes=plan.resumes)
    cartridge = _cartridge(plan, scan, model, profiles)
    return ResolvedPlan(
        patient=plan.patient,
        operator=plan.operator,
        operator_role=operator.role,
        operator_scope=operator.scope,
        operator_cap_um=operator.depth_cap_um,
        protocol=plan.protocol,
        library=library.title,
        library_digest=library.digest,
        library_signed_by=library.signed_by,
        demo=library.signed_by is None,
        skin=plan.skin,
        first_zone=plan.zone,
        planned_zones=tuple(dict.fromkeys((plan.zone, *plan.zones))),
        zones=_zone_plans(plan, protocol, library.sources, known, today),
        override_reasons=tuple(library.override_reasons),
        checklist=dict(plan.checklist),
        missing=tuple(item for item in library.checklist if not plan.checklist.get(item, False)),
        screening=screening,
        consent=bool(plan.consent.strip()),
        course=CourseSnapshot(
            number=course.number,
            sessions=course.sessions,
            last_on=_iso(course.last_on),
            earliest_next=_iso(course.earliest_next),
            interval_days=protocol.course.interval_days,
        ),
        interval_open=_interval_problem(course.last_on, course.earliest_next, today, plan, resumed is not None),
        interval_reason=plan.interval_reason,
        resumes=plan.resumes,
        resumed_doses=resumed or (),
        profile=snapshot_profile(model, profiles),
        cartridge_model=cartridge[0] if cartridge else None,
        cartridge_needle_count=cartridge[1].needle_count if cartridge else None,
        cartridge_needle_length_um=cartridge[1].needle_length_um if cartridge else None,
        cartridge_scan=scan,
        cartridge_attested=plan.cartridge_new,
        prepared_on=today.isoformat(),
        library_until=library.valid_until.isoformat(),
        operator_until=operator.qualified_until.isoformat(),
        prescribed_by=prescribed_by(library.questions, plan.answers, plan.accepted),
        aftercare=protocol.aftercare,
    )


def prepare_refused(because: str) -> Refused:
    """What the record keeps of a plan that was refused: the reason in words may tell an answer, so not those."""
    return Refused(asked="prepare", because=because, sentence="A session was not prepared. Nothing changed.")


def _check_library(library: LoadedLibrary, today: date, mode: Literal["demo", "clinic"]) -> None:
    if library.signed_by is None and mode != "demo":
        raise ControlRefused(
            "library_unsigned",
            f"The library {library.title} is signed by no physician; it may be used in demo mode only. "
            "Nothing changed.",
        )
    if today > library.valid_until:
        raise ControlRefused(
            "library_expired",
            f"The library {library.title} was valid until {library.valid_until.isoformat()}. The responsible physician "
            "signs a new version of it. Nothing changed.",
        )


def _zone_plans(
    plan: SessionPlan,
    protocol: TreatmentProtocol,
    sources: Mapping[str, str],
    history: PatientHistory,
    today: date,
) -> dict[str, ZonePlan]:
    plans: dict[str, ZonePlan] = {}
    for name, zone in protocol.zones.items():
        approval = approval_for(history, name, today, protocol=plan.protocol, resumes=plan.resumes)
        plans[name] = ZonePlan(
            soft_um=zone.soft_um[plan.skin],
            hard_um=zone.hard_um[plan.skin],
            rate_max_mhz=zone.rate_max_mhz,
            source=sources[zone.source],
            passes=zone.passes,
            dwell_ms=zone.dwell_ms,
            dwell_hard_ms=zone.dwell_hard_ms,
            approved_cap_um=approval.depth_max_um if approval is not None else None,
            approval=approval.id if approval is not None else "",
            approved_words=approval_sentence(approval) if approval is not None else "",
            approved_until=approval.expires.isoformat() if approval is not None else None,
        )
    return plans


def _resumed(plan: SessionPlan, history: PatientHistory, today: date) -> tuple[ZoneDose, ...] | None:
    """The doses of the session that is resumed; None when none is."""
    if plan.resumes is None:
        return None
    left = history.interrupted
    if left is None or left.session != plan.resumes:
        raise ControlRefused(
            "nothing_to_resume",
            f"There is no interrupted session {plan.resumes!r} of this patient. Prepare a session of its own. "
            "Nothing changed.",
        )
    if left.on != today or (left.protocol, left.skin) != (plan.protocol, plan.skin):
        raise ControlRefused(
            "cannot_resume",
            f"The session {left.session} of {left.on.isoformat()} ({left.protocol}, {left.skin} skin) is resumed on "
            "its own day with its own protocol and skin. Prepare a session of its own. Nothing changed.",
        )
    return left.doses


def _interval_problem(
    last_on: date | None, earliest: date | None, today: date, plan: SessionPlan, resumes: bool
) -> str:
    if resumes or plan.interval_reason or earliest is None or last_on is None or today >= earliest:
        return ""
    return (
        f"The last session was on {last_on.isoformat()}; the course has the next on {earliest.isoformat()} or later. "
        "Wait, or prepare it with a reason of the library's list."
    )


def _cartridge(
    plan: SessionPlan, scan: ScannedCartridge | None, model: str, profiles: Profiles
) -> tuple[str, CartridgeProfile] | None:
    """The cartridge model that is named, by word or by code. Raises ControlRefused for one that does not fit, and
    where word and code are not of one model."""
    by_code = profiles.cartridge_of(scan.gtin) if scan is not None else None
    if plan.cartridge is not None:
        _found("cartridge", plan.cartridge, list(profiles.cartridges))
        found = plan.cartridge, profiles.cartridges[plan.cartridge]
        if by_code is not None and by_code[0] != plan.cartridge:
            raise ControlRefused(
                "cartridge_mismatch",
                f"Named is the cartridge {plan.cartridge}, and the code scanned is that of {by_code[0]}. Look at what "
                "is in the pen, and name or scan that. Nothing changed.",
            )
    elif by_code is not None:
        found = by_code
    else:
        return None
    problem = fit_problem(found[1], model, planned_depth_um=0)
    if problem is not None:
        raise ControlRefused(problem[0], f"{found[0]}: {problem[1]} Nothing changed.")
    return found


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
