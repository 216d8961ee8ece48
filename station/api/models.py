"""What goes in and out of the local API. Strict and closed: a misspelt key is refused, never ignored."""

from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from controller.events import AmendedAspect, AmendmentReason, Meaning
from controller.history import Approval, CourseState, VisitSummary
from controller.plan import Pseudonym
from controller.service_events import Because, ErrorAtDepth, PenQuarantined
from controller.view import PenView

MAX_AMENDMENT_CHARS = 4_000
"""Characters of an amendment's text: a page."""


class Asked(BaseModel):
    """Base of what comes in. What is wrong with it is said without repeating it: an error may end in a log."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class Told(BaseModel):
    """Base of what goes out."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class QuarantineAsked(Asked):
    """Takes a pen out of use. ``pen`` is its name at this station, MODEL/SERIAL, or its serial number."""

    pen: str = Field(min_length=1, max_length=64)
    because: Because
    errors: tuple[ErrorAtDepth, ...] = Field(default=(), max_length=64)


class Nothing(Asked):
    """A call that needs no more than its path."""


class TakeSeat(Asked):
    """Asks for the operating seat of a pen; an empty name is the station's only pen."""

    operator: str = Field(min_length=1, max_length=64)
    pen: str = ""


class SignInAsked(Asked):
    """Who signs in. The password is compared, never kept nor written anywhere."""

    account: str = Field(min_length=1, max_length=64)
    password: str = Field(default="", max_length=1000, repr=False)


class AddAccount(Asked):
    """A new account; its id is the operator's in the operators file."""

    account: str = Field(min_length=1, max_length=64)
    role: Literal["operator", "physician", "manager", "technician"]
    password: str = Field(max_length=1000, repr=False)


class NewPassword(Asked):
    """Another password for an account."""

    password: str = Field(max_length=1000, repr=False)


class ApproveAsked(Asked):
    """A physician's approval: how deep (mm) in which zones of which patient, for how many sessions, until when.

    ``until`` is an ISO date, its last day; ``protocol`` empty means any.
    """

    patient: Pseudonym
    zones: tuple[str, ...] = Field(min_length=1, max_length=64)
    depth_max_mm: str | int | float
    sessions: int = Field(ge=1, le=50)
    until: date
    protocol: str = Field(default="", max_length=64)


class SignSession(Asked):
    """Puts the name of whoever is signed in to a closed session, and says what for."""

    meaning: Meaning


class AmendRecord(Asked):
    """Sets right, or adds to, what a closed session's record says; ``text`` stays at the site.

    ``entry`` is the sequence of the entry it is about, None the one that closed the session.
    """

    aspect: AmendedAspect
    reason: AmendmentReason
    text: str = Field(min_length=1, max_length=MAX_AMENDMENT_CHARS)
    entry: int | None = Field(default=None, ge=1)


class SetDepth(Asked):
    """A needle depth in mm. ``override`` names a reason from the library to go beyond a soft limit."""

    depth_mm: str | int | float
    override: str = Field(default="", max_length=200)


class SetRate(Asked):
    """A puncture rate in Hz."""

    rate_hz: str | int | float


class ConfirmPoints(Asked):
    """Points of the checklist that a person confirms after the session was prepared."""

    items: tuple[str, ...] = Field(min_length=1, max_length=64)


class ExchangeCartridge(Asked):
    """Another cartridge in this session. ``code`` is what the scanner gave, empty where nothing was scanned."""

    code: str = Field(default="", max_length=8192)


class DeclareZone(Asked):
    """The zone treated from now on."""

    zone: str = Field(min_length=1, max_length=64)


class PauseAudio(Asked):
    """Alarms are shown and not heard for so many seconds; a new HIGH one is heard at once."""

    for_s: int = Field(default=120, ge=1, le=120)


class AcknowledgeAlarm(Asked):
    """An alarm that a person has taken notice of."""

    alarm: str = Field(min_length=1, max_length=64)


class CloseSession(Asked):
    """Ends the session. ``reason`` is one of these words: it goes into the record, and typed words may be a name."""

    outcome: Literal["completed", "stopped"] = "completed"
    reason: Literal["finished", "ended early", "patient unwell", "equipment"] = "finished"


class SeatGranted(Told):
    """The operating seat. The token goes into the header ``Needlework-Seat`` of every call that steers.

    Presence is shown by any such call, or by a heartbeat, more often than every ``presence_s`` seconds.
    """

    token: str
    pen: str
    operator: str
    presence_s: float
    demo: bool


class SignedIn(Told):
    """A sign-in. The token goes into the header ``Needlework-Sign-In``; it ends ``idle_s`` after it was used last.

    ``demo`` marks one without a password, as a demonstration has them.
    """

    token: str
    account: str
    role: Literal["operator", "physician", "manager", "technician"]
    idle_s: float
    demo: bool


class AccountStatus(Told):
    """An account. ``state`` is a word, ``locked_for_s`` how long nobody can sign in, None for not or for good."""

    account: str
    role: Literal["operator", "physician", "manager", "technician"]
    state: Literal["open", "disabled", "locked", "locked until a manager unlocks it"]
    failures: int
    locked_for_s: int | None


class AccountsTold(Told):
    """The accounts of a station, by id."""

    accounts: tuple[AccountStatus, ...]


class Approved(Told):
    """An approval as it was kept, and in words."""

    approval: Approval
    what: str
    demo: bool


class Signed(Told):
    """A signature as it went into the record."""

    session: str
    by: str
    role: str
    meaning: Meaning
    what: str
    demo: bool


class Amended(Told):
    """An amendment as it went into the record; its text went nowhere."""

    session: str
    by: str
    role: str
    aspect: AmendedAspect
    reason: AmendmentReason
    amends_sequence: int
    text_sha256: str
    what: str
    demo: bool


class Notice(Told):
    """Something worth a look that is no alarm. ``number`` counts up; ``utc`` is ISO 8601."""

    number: int
    utc: str
    pen: str
    sentence: str


class PenStatus(Told):
    """A pen at this station. ``seat`` is who operates it, None when nobody does.

    ``said`` is what there is to say of the call answered: that a number was rounded, and which way.
    """

    name: str
    url: str
    seat: str | None
    view: PenView
    said: str = ""


class RecordStatus(Told):
    """The record: entries on this machine's disk, and how many of them the recorder has confirmed."""

    committed: int
    acknowledged: int
    problem: str


class BusStatus(Told):
    """The way to the broker; ``url`` carries no password."""

    url: str
    connected: bool
    problem: str


class StartNotice(Told):
    """Something to know before the first patient; with one that ``stops``, nobody is treated."""

    about: str
    sentence: str
    stops: bool


class StationStatus(Told):
    """Everything about a station at one moment. ``caveats`` are what the system did not grant (priority, sleep),
    ``start_of_day`` what to know before the first patient."""

    site: str
    station: str
    software: str
    pid: int
    started_utc: str
    mode: Literal["demo", "clinic"]
    stop_port: int
    pens: tuple[PenStatus, ...]
    record: RecordStatus
    bus: BusStatus
    caveats: tuple[str, ...]
    notices: tuple[Notice, ...]
    start_of_day: tuple[StartNotice, ...]


class PatientTold(Told):
    """What this site knows of a patient, by pseudonym, oldest first.

    ``course`` says for each protocol of the library where a session today would stand. ``last_answers`` are told
    to whoever holds a seat and None for anybody else, or where none were given.
    """

    patient: str
    visits: tuple[VisitSummary, ...]
    approvals: tuple[Approval, ...]
    last_answers: dict[str, bool] | None
    interrupted: VisitSummary | None
    course: dict[str, CourseState]


class QuarantineTold(Told):
    """A pen that is out of use. ``calibration_ended``: in its own memory too; ``problem``: why that was not done."""

    event: PenQuarantined
    calibration_ended: bool
    problem: str


class StopAnswer(Told):
    """What STOP did: the pens it was sent to, and a sentence."""

    stopped: tuple[str, ...]
    what: str


class TroubleBody(Told):
    """The body of every answer that is no success. ``because`` names the limit layer or condition that decided."""

    code: str
    what: str
    means: str
    do: str
    because: str
