"""Every event the product can emit: what the journal keeps, the bus carries and the reports read.

An event carries snapshots of what it depends on (limit layers, cartridge, calibration), so that a record can be read
years later with nothing else at hand. Versions: a published field is never changed or taken away; what changes gets a
new ``version``. Names, birth dates and free text never appear here: ``patient`` is a random pseudonym.

``durable`` events are safety rows: their journal commit reaches the disk before it is reported as done.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, TypeAdapter

from controller.event_base import EventBase as EventBase  # noqa: PLC0414 part of what this module offers
from controller.event_base import Record as Record  # noqa: PLC0414 and so is this
from controller.service_events import ServiceEvent
from controller.units import Micrometres, Millihertz

SHA256_HEX_CHARS = 64

Meaning = Literal["performed", "reviewed", "approved"]
"""What a signature under a session is for."""
AmendedAspect = Literal[
    "patient",
    "operator",
    "protocol",
    "zone",
    "settings",
    "cartridge",
    "checklist",
    "consent",
    "endpoint",
    "reaction",
    "aftercare",
    "outcome",
    "other",
]
"""What of a session's record an amendment is about."""
AmendmentReason = Literal[
    "typed_wrongly", "chosen_wrongly", "left_out", "learned_later", "device_recorded_wrongly", "other"
]
"""Why a session's record is amended."""


class LimitLayer(Record):
    """One layer of a limit. ``value`` is in the unit of the limit (µm or mHz); None is unknown: the strictest."""

    layer: Literal[
        "mechanical",
        "labelled",
        "cartridge",
        "zone_hard",
        "zone_soft",
        "operator",
        "calibration",
        "depth_rate_curve",
        "lease",
    ]
    value: int | None
    source: str
    reason: str


class LimitSet(Record):
    """An effective limit with every layer behind it. ``limited_by`` names the layer that decides."""

    quantity: Literal["depth_um", "rate_mhz"]
    effective: int
    limited_by: str
    layers: tuple[LimitLayer, ...]
    sentence: str


class CartridgeSnapshot(Record):
    """The cartridge in use. ``unused`` says how its being new is known; *continued*: it was the resumed session's."""

    name: str
    tag: int
    needle_count: int
    needle_length_um: Micrometres
    lot: str
    serial: str
    expiry: str | None
    unused: Literal["verified", "attested", "continued"]
    gtin: str = ""
    scanned: bool = False
    strokes_life: int | None = None


class CalibrationSnapshot(Record):
    """The calibration in force; days are ISO dates. ``due_on`` is the first on which it is no longer valid, empty where
    none was set."""

    certificate: str
    calibrated_on: str
    due_on: str
    depth_gain_ppm: int
    depth_offset_um: int
    depth_uncertainty_um: Micrometres
    rate_gain_ppm: int


class ReadinessRow(Record):
    """One check before arming: whether it passes, and the sentence that says why or why not.

    ``open`` is a check whose answer is not there yet, ``note`` one that passes with something worth knowing.
    ``because`` is its stable code.
    """

    check: str
    because: str
    outcome: Literal["passes", "note", "open", "fails"]
    sentence: str


class Screening(Record):
    """What came of the questions about contraindications, in numbers; which answers were given stays at the site.

    ``accepted_soft`` were accepted with a reason, ``prescribed`` by a physician's approval.
    """

    asked: int
    answered: int
    accepted_soft: int = 0
    prescribed: int = 0


class CourseSnapshot(Record):
    """Where this session stands in its course. Days are ISO dates; None is *there was none*, *no course*, *any day*.

    ``earliest_next`` is of the session that was prepared; the one after it is ``interval_days`` after this one.
    """

    number: int
    sessions: int | None
    last_on: str | None
    earliest_next: str | None
    interval_days: int | None = None


class ZoneSnapshot(Record):
    """What a session's plan has for one zone: depths in µm, rate in mHz, time on skin in ms. None is *no figure*."""

    zone: str
    soft_um: Micrometres
    hard_um: Micrometres
    rate_max_mhz: Millihertz
    passes: int | None = None
    dwell_ms: int | None = None
    dwell_hard_ms: int | None = None


class StationStarted(EventBase):
    """A station process began; ``previous_session`` was open when the one before it ended. ``site`` is the name of the
    site it was set up for, empty in records from before it was said."""

    durable: ClassVar[bool] = True
    type: Literal["station_started"] = "station_started"
    software: str
    previous_session: str | None
    site: str = ""


class StationStopped(EventBase):
    """A station process ended in good order."""

    durable: ClassVar[bool] = True
    type: Literal["station_stopped"] = "station_stopped"
    reason: str


class PenConnected(EventBase):
    """A link to a pen is up."""

    durable: ClassVar[bool] = True
    type: Literal["pen_connected"] = "pen_connected"
    pen: str
    url: str
    model: str
    serial: str
    firmware: str
    boot_id: int
    capabilities: tuple[str, ...]
    depth_max_um: Micrometres
    depth_step_um: Micrometres
    rate_max_mhz: Millihertz
    rate_step_mhz: Millihertz
    dead_man_ms: int
    retract_ms: int


class PenLost(EventBase):
    """The link to a pen went."""

    durable: ClassVar[bool] = True
    type: Literal["pen_lost"] = "pen_lost"
    pen: str
    cause: str


class SessionOpened(EventBase):
    """A session was prepared. ``demo`` marks a library that no physician signed.

    ``resumes`` names the interrupted session whose dose counts on. ``library_digest`` is the SHA-256 of the library's
    file in hexadecimal; ``library_signed_by`` who signed it, None when nobody did. ``prescribed_by`` are the numbers of
    approvals by which a contraindication that asks for the prescriber is treated all the same. ``aftercare`` is what
    the library tells patients after this protocol.
    """

    durable: ClassVar[bool] = True
    type: Literal["session_opened"] = "session_opened"
    pen: str
    patient: str
    operator: str
    protocol: str
    library: str
    zone: str
    skin: str
    demo: bool
    checklist: dict[str, bool]
    resumes: str | None = None
    library_digest: str = ""
    library_signed_by: str | None = None
    screening: Screening | None = None
    course: CourseSnapshot | None = None
    planned_zones: tuple[str, ...] = ()
    interval_reason: str = ""
    zone_plans: tuple[ZoneSnapshot, ...] = ()
    prescribed_by: tuple[str, ...] = ()
    aftercare: tuple[str, ...] = ()


class ChecklistConfirmed(EventBase):
    """A person confirmed points of the checklist after the session was prepared."""

    durable: ClassVar[bool] = True
    type: Literal["checklist_confirmed"] = "checklist_confirmed"
    items: tuple[str, ...]
    source: str


class Examined(EventBase):
    """The pen was looked at before arming: every check with its outcome, the self-test's bits as the pen gave them."""

    durable: ClassVar[bool] = True
    type: Literal["examined"] = "examined"
    rows: tuple[ReadinessRow, ...]
    self_test_tested: int | None
    self_test_passed: int | None


class CartridgeAttested(EventBase):
    """The operator said that the cartridge is new and was opened now, where reuse cannot be checked."""

    durable: ClassVar[bool] = True
    type: Literal["cartridge_attested"] = "cartridge_attested"
    source: str


class CartridgeExchanged(EventBase):
    """The cartridge of a running session is replaced; the dose so far is kept. ``before`` is None when none was on."""

    durable: ClassVar[bool] = True
    type: Literal["cartridge_exchanged"] = "cartridge_exchanged"
    source: str
    before: CartridgeSnapshot | None


class ApprovalGiven(EventBase):
    """A physician approved more depth than the operator's scope has, at the chair; the exception, so it is told."""

    durable: ClassVar[bool] = True
    type: Literal["approval_given"] = "approval_given"
    approval: str
    by: str
    zones: tuple[str, ...]
    depth_max_um: Micrometres


class ApprovalUsed(EventBase):
    """For the first time in this session a depth beyond the operator's own scope was set, under this approval."""

    durable: ClassVar[bool] = True
    type: Literal["approval_used"] = "approval_used"
    approval: str
    zone: str
    scope_um: Micrometres
    depth_commanded_um: Micrometres


class SessionSigned(EventBase):
    """Somebody put their name to a closed session. ``meaning`` is what for; ``by`` is an account, never a name.

    What is signed is the session up to the entry ``covers_sequence``, whose hash in hexadecimal is ``covers_hash``:
    what came later is not. None and empty in records from before signatures named it (version 1).
    """

    durable: ClassVar[bool] = True
    version: Literal[2] = 2  # type: ignore[assignment]  # version 1 knew no approval and named nothing
    type: Literal["session_signed"] = "session_signed"
    by: str
    role: str
    meaning: Meaning
    covers_sequence: int | None = None
    covers_hash: str = ""


class RecordAmended(EventBase):
    """Somebody set right, or added to, what a closed session's record says; what was written stays as it is.

    ``amends_sequence`` and ``amends_hash`` (hexadecimal) name the entry it is about. ``text_sha256`` is the SHA-256, in
    hexadecimal, of a random salt of 16 bytes and the text in UTF-8; salt and text stay at the site.
    """

    durable: ClassVar[bool] = True
    type: Literal["record_amended"] = "record_amended"
    session: str
    aspect: AmendedAspect
    reason: AmendmentReason
    amends_sequence: int
    amends_hash: str
    by: str
    role: str
    text_sha256: str


class StationKey(EventBase):
    """The key by which this station signs its journal from now on: Ed25519, in hexadecimal.

    Said on the first run, and at a start with another key than the record's last; that is another machine, or a key
    that was lost. ``key_id`` is the first 16 hexadecimal digits of the public key's SHA-256.
    """

    durable: ClassVar[bool] = True
    type: Literal["station_key"] = "station_key"
    key_id: str
    public_key: str


class JournalCheckpoint(EventBase):
    """The station's signature under its journal up to the entry ``sequence``, whose hash is ``hash``.

    ``signature`` is Ed25519 by the key ``key_id`` over station, sequence and hash, as `logger.proof.checkpoints` says.
    Hash, key and signature are in hexadecimal.
    """

    type: Literal["journal_checkpoint"] = "journal_checkpoint"
    sequence: int
    hash: str
    key_id: str
    signature: str


class ClockStepped(EventBase):
    """The computer's time of day jumped by ``by_ms`` (positive: forward) while a session was open, or was found set
    back by at least so much when a station started."""

    durable: ClassVar[bool] = True
    type: Literal["clock_stepped"] = "clock_stepped"
    by_ms: int


class LimitsChanged(EventBase):
    """The effective limits are these from now on, and why."""

    durable: ClassVar[bool] = True
    type: Literal["limits_changed"] = "limits_changed"
    zone: str
    depth: LimitSet
    rate: LimitSet


class SoftLimitOverridden(EventBase):
    """A person went beyond a soft limit, with a reason from the library's list."""

    durable: ClassVar[bool] = True
    type: Literal["soft_limit_overridden"] = "soft_limit_overridden"
    zone: str
    quantity: Literal["depth_um", "rate_mhz"]
    soft_limit: int
    wanted: int
    reason: str


class PenArmed(EventBase):
    """The pen granted a lease with these ceilings."""

    durable: ClassVar[bool] = True
    type: Literal["pen_armed"] = "pen_armed"
    lease: int
    depth_ceiling_um: Micrometres
    rate_ceiling_mhz: Millihertz
    cartridge: CartridgeSnapshot
    calibration: CalibrationSnapshot


class PenDisarmed(EventBase):
    """The lease ended."""

    durable: ClassVar[bool] = True
    type: Literal["pen_disarmed"] = "pen_disarmed"
    reason: str


class SetpointChanged(EventBase):
    """The commanded state changed. ``note`` says what quantisation did to the number asked for, if anything."""

    type: Literal["setpoint_changed"] = "setpoint_changed"
    depth_commanded_um: Micrometres
    rate_commanded_mhz: Millihertz
    note: str = ""


class ZoneChanged(EventBase):
    """Another zone was declared."""

    durable: ClassVar[bool] = True
    type: Literal["zone_changed"] = "zone_changed"
    zone: str


class TreatmentStarted(EventBase):
    """The motor was commanded on, by a person at ``source``."""

    durable: ClassVar[bool] = True
    type: Literal["treatment_started"] = "treatment_started"
    source: str
    depth_commanded_um: Micrometres
    rate_commanded_mhz: Millihertz


class TreatmentPaused(EventBase):
    """Motor off, after the needles were withdrawn where a person paused it at the host; the pen stays armed."""

    durable: ClassVar[bool] = True
    type: Literal["treatment_paused"] = "treatment_paused"
    source: str


class Stopped(EventBase):
    """A person stopped the pen. No alarm: somebody meant it."""

    durable: ClassVar[bool] = True
    type: Literal["stopped"] = "stopped"
    source: str


class StopConfirmed(EventBase):
    """STATUS shows no lease, motor off, needles out, ``after_ms`` after STOP was first sent."""

    durable: ClassVar[bool] = True
    type: Literal["stop_confirmed"] = "stop_confirmed"
    after_ms: int


class Refused(EventBase):
    """A request that the controller did not follow, with the layer or condition that refused it."""

    durable: ClassVar[bool] = True
    type: Literal["refused"] = "refused"
    asked: str
    because: str
    sentence: str


class AlarmRaised(EventBase):
    """An alarm condition became true. Uses the vocabulary of IEC 60601-1-8."""

    durable: ClassVar[bool] = True
    type: Literal["alarm_raised"] = "alarm_raised"
    alarm: str
    priority: Literal["HIGH", "MEDIUM", "LOW"]
    kind: Literal["technical", "treatment"]
    sentence: str


class AlarmAcknowledged(EventBase):
    """A person acknowledged an alarm."""

    durable: ClassVar[bool] = True
    type: Literal["alarm_acknowledged"] = "alarm_acknowledged"
    alarm: str
    by: str


class AlarmCleared(EventBase):
    """An alarm's condition is gone and it is no longer latched."""

    durable: ClassVar[bool] = True
    type: Literal["alarm_cleared"] = "alarm_cleared"
    alarm: str


class AudioPaused(EventBase):
    """A person silenced the alarms for ``for_ms`` ms; they go on being shown."""

    durable: ClassVar[bool] = True
    type: Literal["audio_paused"] = "audio_paused"
    by: str
    for_ms: int


class AudioPauseEnded(EventBase):
    """Alarms are heard again before the time was up, because of a new HIGH one."""

    durable: ClassVar[bool] = True
    type: Literal["audio_pause_ended"] = "audio_pause_ended"
    alarm: str


class DoseWarning(EventBase):
    """A zone's time on skin came to 80 % of its dwell budget (nearly), to it, or to the hard one, which pauses."""

    durable: ClassVar[bool] = True
    type: Literal["dose_warning"] = "dose_warning"
    zone: str
    treated_ms: int
    dwell_ms: int | None
    dwell_hard_ms: int | None
    level: Literal["nearly", "budget", "hard"]


class FaultsCleared(EventBase):
    """A person cleared the pen's latched faults; ``faults`` are their names."""

    durable: ClassVar[bool] = True
    type: Literal["faults_cleared"] = "faults_cleared"
    faults: tuple[str, ...]
    by: str


class ZoneDose(Record):
    """What one zone received, from the pen's own telemetry. Needle count × strokes on skin gives punctures."""

    zone: str
    treated_ms: int
    strokes: int
    punctures: int | None
    depth_measured_max_um: int | None
    depth_measured_mean_um: int | None
    rate_measured_mean_mhz: int | None
    passes: int = 0  # stretches with the motor on that had at least a second on skin


class SessionClosed(EventBase):
    """A session ended. ``entries``: how many entries it has from its opening to this one, both counted; the journal
    writes it, None where it did not."""

    durable: ClassVar[bool] = True
    type: Literal["session_closed"] = "session_closed"
    outcome: Literal["completed", "stopped", "interrupted"]
    reason: str
    doses: tuple[ZoneDose, ...]
    entries: int | None = None


class CartridgeReconciled(EventBase):
    """What the site's ledger said, after the fact, of a cartridge that ``session`` used.

    ``reused``: ``other_session`` had used it before. ``used_again``: it did so afterwards. ``unused``: no other session
    is known. ``not_serialised``: nobody can tell. ``serial_sha256`` is the digest (hex) of its serial number, empty
    where it has none.
    """

    durable: ClassVar[bool] = True
    type: Literal["cartridge_reconciled"] = "cartridge_reconciled"
    session: str
    lot: str
    serial_sha256: str
    result: Literal["unused", "reused", "used_again", "not_serialised"]
    other_session: str | None


class ApprovedAhead(EventBase):
    """A physician approved going beyond an operator's scope, ahead for a course or for one visit.

    ``expires`` is an ISO date; ``protocol`` empty is any.
    """

    durable: ClassVar[bool] = True
    type: Literal["approved_ahead"] = "approved_ahead"
    approval: str
    patient: str
    zones: tuple[str, ...]
    protocol: str
    depth_max_um: Micrometres
    sessions: int
    expires: str
    by: str


class SecurityEvent(EventBase):
    """Something about accounts and seats. ``account`` is empty where none of that name is known here: what was typed
    instead could be anything, a password too."""

    durable: ClassVar[bool] = True
    type: Literal["security_event"] = "security_event"
    what: Literal[
        "signed_in",
        "sign_in_refused",
        "locked_out",
        "signed_out",
        "seat_refused",
        "account_added",
        "account_disabled",
        "account_unlocked",
        "password_changed",
    ]
    account: str


class PatientErased(EventBase):
    """Who was behind a pseudonym is no longer known at the site: the entry of its key map was destroyed.

    The pseudonym is random and stood in the record before; from here on nothing anywhere leads from it to a person.
    """

    durable: ClassVar[bool] = True
    type: Literal["patient_erased"] = "patient_erased"
    patient: str
    by: str


class InputChunk(EventBase):
    """Every input of the machine over about a second, in columns, in the order it was taken.

    ``kinds`` holds a letter for each input: S a status, T a tick, C a command, L a link change. ``times_ms`` are the
    station's monotonic times. ``status`` maps each field of the snapshot to its column, ``commands`` and ``links`` hold
    the rest, each in order. ``pen`` is the pen's URL. The same machine fed these inputs comes to the same decisions.
    """

    type: Literal["input_chunk"] = "input_chunk"
    pen: str = ""
    kinds: str
    times_ms: tuple[int, ...]
    status: dict[str, tuple[int | None, ...]]
    commands: tuple[str, ...]
    links: tuple[str, ...]


class LinkAdvisory(EventBase):
    """Something about the line worth knowing that is no alarm: gaps over half the dead-man time, refused frames."""

    type: Literal["link_advisory"] = "link_advisory"
    pen: str
    sentence: str


Event = Annotated[
    StationStarted
    | StationStopped
    | PenConnected
    | PenLost
    | SessionOpened
    | ChecklistConfirmed
    | Examined
    | CartridgeAttested
    | CartridgeExchanged
    | ApprovalGiven
    | ApprovalUsed
    | SessionSigned
    | RecordAmended
    | StationKey
    | JournalCheckpoint
    | ClockStepped
    | LimitsChanged
    | SoftLimitOverridden
    | PenArmed
    | PenDisarmed
    | SetpointChanged
    | ZoneChanged
    | TreatmentStarted
    | TreatmentPaused
    | Stopped
    | StopConfirmed
    | Refused
    | AlarmRaised
    | AlarmAcknowledged
    | AlarmCleared
    | AudioPaused
    | AudioPauseEnded
    | DoseWarning
    | FaultsCleared
    | SessionClosed
    | CartridgeReconciled
    | ApprovedAhead
    | SecurityEvent
    | PatientErased
    | InputChunk
    | LinkAdvisory
    | ServiceEvent,
    Field(discriminator="type"),
]
"""Any event."""

EVENT_ADAPTER: TypeAdapter[Event] = TypeAdapter(Event)
"""Reads an event from JSON: ``EVENT_ADAPTER.validate_json(body)``."""
