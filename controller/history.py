"""Pure: what was done to a patient before, and what follows from it today.

Visits, approvals and the course are snapshots that go into journalled plans, so they hold pseudonyms and numbers only.
Days are those of UTC, as everywhere in the record.
"""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Literal, Protocol

from pydantic import Field

from controller.events import (
    ApprovalUsed,
    Event,
    LimitSet,
    Record,
    SessionClosed,
    SessionOpened,
    SetpointChanged,
    TreatmentStarted,
    ZoneChanged,
    ZoneDose,
)
from controller.units import Micrometres, Millihertz

Outcome = Literal["completed", "stopped", "interrupted"]


class ZoneVisit(Record):
    """One zone of one visit: what was commanded there last, for how long it was treated, with how many strokes."""

    zone: str
    depth_commanded_um: Micrometres
    rate_commanded_mhz: Millihertz
    treated_ms: int
    strokes: int


class VisitSummary(Record):
    """One visit in short. ``doses`` are the tallies a session that takes it up begins with.

    ``resumes`` is the session this one took up, ``approvals`` are those it went beyond somebody's scope by.
    """

    session: str
    on: date
    protocol: str
    skin: str
    outcome: Outcome
    zones: tuple[ZoneVisit, ...]
    doses: tuple[ZoneDose, ...] = ()
    resumes: str | None = None
    approvals: tuple[str, ...] = ()

    @property
    def treated(self) -> bool:
        """Whether skin was treated at all: a session that was only prepared is no session of a course."""
        return any(dose.treated_ms or dose.strokes for dose in self.doses)


class Approval(Record):
    """A physician's approval to go beyond an operator's scope, given ahead for a course or for one visit.

    ``depth_max_um`` replaces the operator's cap, in ``zones`` only; ``protocol`` empty means any. ``used`` of
    ``sessions`` are gone; ``expires`` is the last day it counts.
    """

    id: str
    patient: str
    zones: tuple[str, ...] = Field(min_length=1)
    depth_max_um: Micrometres
    sessions: int = Field(ge=1)
    used: int = Field(ge=0)
    expires: date
    by: str
    given_on: date
    protocol: str = ""


class PatientHistory(Record):
    """What a site knows of a patient, oldest first. ``last_answers`` never leave the site, so never put them into an
    event; ``interrupted`` is the newest visit when it broke off and nothing took it up since."""

    patient: str
    visits: tuple[VisitSummary, ...] = ()
    approvals: tuple[Approval, ...] = ()
    last_answers: dict[str, bool] | None = None
    interrupted: VisitSummary | None = None


class CoursePlan(Protocol):
    """A course as a protocol library has it."""

    @property
    def sessions(self) -> int:
        """How many there are."""

    @property
    def interval_days(self) -> int:
        """The least number of days between two."""


class CourseState(Record):
    """Where today's session stands: ``number`` of ``sessions`` (None where the protocol has no course).

    ``last_on`` is the last day skin was treated, by whatever protocol: it heals the same. ``earliest_next`` is the
    first day the next session is due; None where nothing was treated yet.
    """

    number: int
    sessions: int | None
    last_on: date | None
    earliest_next: date | None

    @property
    def sentence(self) -> str:
        """For people: "session 3 of 4, due from 2026-05-01"."""
        said = f"session {self.number}" if self.sessions is None else f"session {self.number} of {self.sessions}"
        if self.sessions is not None and self.number > self.sessions:
            said = f"session {self.number}; the course of {self.sessions} is complete"
        return said if self.earliest_next is None else f"{said}, due from {self.earliest_next.isoformat()}"


def course_state(
    history: PatientHistory, course: CoursePlan | None, today: date, *, protocol: str, resumes: str | None = None
) -> CourseState:
    """Where a session of ``protocol`` stands today. Visits that were taken up count once; so does the one that
    ``resumes`` takes up now."""
    treated = [visit for visit in history.visits if visit.treated]
    begun = {_root(history, visit.session) for visit in treated if visit.protocol == protocol}
    if resumes is not None:
        begun.discard(_root(history, resumes))
        treated = [visit for visit in treated if _root(history, visit.session) != _root(history, resumes)]
    last_on = max((visit.on for visit in treated), default=None)
    return CourseState(
        number=len(begun) + 1,
        sessions=None if course is None else course.sessions,
        last_on=last_on,
        earliest_next=None if course is None or last_on is None else last_on + timedelta(days=course.interval_days),
    )


def _root(history: PatientHistory, session: str) -> str:
    """The session that a chain of taken-up ones began with."""
    resumes = {visit.session: visit.resumes for visit in history.visits}
    seen = {session}
    while (before := resumes.get(session)) is not None and before not in seen:
        seen.add(before)
        session = before
    return session


# Approvals ------------------------------------------------------------------------------------------------------------


def approvals_that_count(
    history: PatientHistory, today: date, *, protocol: str = "", resumes: str | None = None
) -> tuple[Approval, ...]:
    """The approvals a session today may go by.

    One that is used up still counts for the session that ``resumes`` one it was used in. What is not said to be of
    this protocol counts as of another.
    """
    resumed = {name for visit in history.visits if visit.session == resumes for name in visit.approvals}
    return tuple(
        approval
        for approval in history.approvals
        if approval.patient == history.patient
        and approval.protocol in ("", protocol)
        and approval.given_on <= today <= approval.expires
        and (approval.used < approval.sessions or approval.id in resumed)
    )


def approval_for(
    history: PatientHistory, zone: str, today: date, *, protocol: str = "", resumes: str | None = None
) -> Approval | None:
    """The approval that allows most in ``zone`` today; None when none does."""
    counting = approvals_that_count(history, today, protocol=protocol, resumes=resumes)
    good = [approval for approval in counting if zone in approval.zones]
    return max(good, key=lambda approval: (approval.depth_max_um, approval.expires, approval.id), default=None)


def approved_cap_um(
    history: PatientHistory, zone: str, today: date, *, protocol: str = "", resumes: str | None = None
) -> tuple[Micrometres, str] | None:
    """How deep a physician approved for ``zone`` today, in µm, and the words for it; None without an approval."""
    approval = approval_for(history, zone, today, protocol=protocol, resumes=resumes)
    return None if approval is None else (approval.depth_max_um, approval_sentence(approval))


def approval_sentence(approval: Approval) -> str:
    """ "approved by dr-lee for this course until 2027-03-01, 2 of 4 sessions left"."""
    what = "this visit" if approval.sessions == 1 else "this course"
    left = max(0, approval.sessions - approval.used)
    said = f"approved by {approval.by} for {what} until {approval.expires.isoformat()}"
    return said if approval.sessions == 1 else f"{said}, {left} of {approval.sessions} sessions left"


# Repeating the last session -------------------------------------------------------------------------------------------


class Difference(Record):
    """One zone of the last visit beside what today's limits leave of it.

    Proposed is None where the zone is not treated today or nothing is left; ``why`` says what limits it, empty where
    nothing changed.
    """

    zone: str
    depth_before_um: Micrometres
    depth_proposed_um: Micrometres | None
    rate_before_mhz: Millihertz
    rate_proposed_mhz: Millihertz | None
    why: tuple[str, ...]


def differences(previous: VisitSummary, limits: Mapping[str, tuple[LimitSet, LimitSet]]) -> tuple[Difference, ...]:
    """The last visit's settings against today's limits of depth and rate for each zone: never more than either."""
    found = []
    for visit in previous.zones:
        today = limits.get(visit.zone)
        depth: int | None = None
        rate: int | None = None
        why: tuple[str, ...] = (f"{visit.zone} is not treated by today's protocol",)
        if today is not None:
            depth, deeper = _within(visit.depth_commanded_um, today[0])
            rate, faster = _within(visit.rate_commanded_mhz, today[1])
            why = (*deeper, *faster)
        found.append(
            Difference(
                zone=visit.zone,
                depth_before_um=visit.depth_commanded_um,
                depth_proposed_um=None if depth is None else Micrometres(depth),
                rate_before_mhz=visit.rate_commanded_mhz,
                rate_proposed_mhz=None if rate is None else Millihertz(rate),
                why=why,
            )
        )
    return tuple(found)


def _within(before: int, limit: LimitSet) -> tuple[int | None, tuple[str, ...]]:
    if before <= limit.effective:
        return before, ()
    return limit.effective or None, (limit.sentence,)


# A visit from its record ----------------------------------------------------------------------------------------------


class OpenedSession(Record):
    """What the site keeps of a session from its beginning. ``answers`` and ``consent`` stay at the site.

    ``approvals`` are those it may go beyond somebody's scope by: each counts as used until :class:`ClosedSession` says
    that it was not needed.
    """

    session: str
    patient: str
    operator: str
    on: date
    protocol: str
    skin: str
    answers: dict[str, bool] | None = None
    consent: str = ""
    approvals: tuple[str, ...] = ()
    resumes: str | None = None


class ClosedSession(Record):
    """What the site keeps of a session's end. ``approvals_used`` None is not known: then all count as used."""

    outcome: Outcome
    zones: tuple[ZoneVisit, ...]
    doses: tuple[ZoneDose, ...]
    approvals_used: tuple[str, ...] | None = None


def visit_of(session: str, events: Iterable[tuple[date, Event]]) -> tuple[OpenedSession, ClosedSession | None] | None:
    """A visit told from the events of its session, each with its day; None when its opening is not among them.

    The end is None for a session that was not closed. Answers and consent are not journalled and stay open. A session
    that broke off may have used an approval that its record has not: then all it could go by count as used.
    """
    opened: OpenedSession | None = None
    closed: ClosedSession | None = None
    zone, depth, rate = "", 0, 0
    commanded: dict[str, tuple[int, int]] = {}
    used: dict[str, None] = {}
    prescribed: tuple[str, ...] = ()
    for on, event in events:
        match event:
            case SessionOpened():
                opened = OpenedSession(
                    session=session,
                    patient=event.patient,
                    operator=event.operator,
                    on=on,
                    protocol=event.protocol,
                    skin=event.skin,
                    resumes=event.resumes,
                )
                zone = event.zone
                prescribed = event.prescribed_by
            case ZoneChanged():
                zone = event.zone
            case SetpointChanged() | TreatmentStarted():
                depth, rate = event.depth_commanded_um, event.rate_commanded_mhz
            case ApprovalUsed():
                used[event.approval] = None
            case SessionClosed():
                if any(dose.treated_ms or dose.strokes for dose in event.doses):
                    used.update(dict.fromkeys(prescribed))  # whoever was treated was treated by these
                closed = ClosedSession(
                    outcome=event.outcome,
                    zones=zone_visits(event.doses, commanded),
                    doses=event.doses,
                    approvals_used=None if event.outcome == "interrupted" else tuple(used),
                )
            case _:
                pass
        if depth and rate and isinstance(event, ZoneChanged | SetpointChanged | TreatmentStarted):
            # a shallower zone is entered with the setpoint as it is
            commanded[zone] = (depth, rate)
    return None if opened is None else (opened.model_copy(update={"approvals": tuple(used)}), closed)


def zone_visits(doses: Iterable[ZoneDose], commanded: Mapping[str, tuple[int, int]]) -> tuple[ZoneVisit, ...]:
    """The zones that were treated, with the depth (µm) and rate (mHz) commanded last in each; 0 where not known."""
    return tuple(
        ZoneVisit(
            zone=dose.zone,
            depth_commanded_um=Micrometres(commanded.get(dose.zone, (0, 0))[0]),
            rate_commanded_mhz=Millihertz(commanded.get(dose.zone, (0, 0))[1]),
            treated_ms=dose.treated_ms,
            strokes=dose.strokes,
        )
        for dose in doses
        if dose.treated_ms or dose.strokes
    )
