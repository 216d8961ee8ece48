"""Everything the machine takes in. Each input can be journalled and read back, so that a session can be replayed.

A status and a tick come tens of times a second and are kept in columns; commands and link changes are kept as JSON.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from controller.calibration.due import Counted
from controller.cartridges import ScannedCartridge
from controller.events import CalibrationSnapshot, CartridgeSnapshot, Record
from controller.pen_kept import PenKept
from controller.plan import ResolvedPlan
from controller.units import Micrometres, Millihertz
from firmware_bridge.snapshot import PenSnapshot


@dataclass(frozen=True, slots=True)
class Tick:
    """A twentieth of a second passed: time to say again what the pen should do."""


@dataclass(frozen=True, slots=True)
class StatusSeen:
    """The pen said how it is. ``sent_at_ms`` is when, by the station's monotonic clock, line delay taken off."""

    seen: PenSnapshot
    sent_at_ms: int


class PenFacts(Record):
    """What a pen said of itself in WELCOME."""

    model: str
    serial: str
    firmware: str
    boot_id: int
    capabilities: int
    depth_min_um: Micrometres
    depth_max_um: Micrometres
    depth_step_um: Micrometres
    rate_min_mhz: Millihertz
    rate_max_mhz: Millihertz
    rate_step_mhz: Millihertz
    dead_man_ms: int
    retract_ms: int


class LinkUp(Record):
    """A connection to the pen is up."""

    type: Literal["link_up"] = "link_up"
    url: str
    facts: PenFacts


class LinkDown(Record):
    """The connection to the pen went."""

    type: Literal["link_down"] = "link_down"
    cause: str


class Prepare(Record):
    """Open a session. ``standing``: alarms whose condition holds until told otherwise, with their details; they are
    said again, so that the session's record, and a replay of it, begin with what was known. ``raised``: alarms that
    nobody acknowledged yet, since when (monotonic ms) and with which detail; opening a session acknowledges none."""

    type: Literal["prepare"] = "prepare"
    session: str
    plan: ResolvedPlan
    standing: tuple[tuple[str, str], ...] = ()
    raised: tuple[tuple[str, int, str], ...] = ()


class Confirm(Record):
    """A person confirms points of the checklist that were open when the session was prepared."""

    type: Literal["confirm"] = "confirm"
    items: tuple[str, ...]
    source: str


class Attest(Record):
    """A person says that the cartridge is new and was opened now."""

    type: Literal["attest"] = "attest"
    source: str


class ArmAsked(Record):
    """A person wants the pen armed."""

    type: Literal["arm_asked"] = "arm_asked"
    source: str


class SelfTest(Record):
    """What a pen's test of itself came to: a bit for each part, as in the message table. ``problem`` when it failed."""

    tested: int
    passed: int
    problem: str = ""


class Inspected(Record):
    """What was read from the pen after a session was prepared, and again on the way to arming.

    None is *it has none*. ``today`` is an ISO date. ``attest`` says that reuse cannot be checked, and why: then the
    operator's word is needed. ``self_test`` None is a pen that does not test itself, or was not asked yet.
    ``used_elsewhere``: the ledger has the cartridge in another session, so its mark is not of this one. ``counted``
    None is a pen that counts nothing; ``kept`` None is a site that was not asked, as in records from before it was.
    """

    type: Literal["inspected"] = "inspected"
    today: str
    cartridge: CartridgeSnapshot | None
    cartridge_used: bool
    cartridge_problem: str
    calibration: CalibrationSnapshot | None
    self_test: SelfTest | None = None
    attest: str = ""
    cartridge_because: str = "cartridge"
    used_elsewhere: bool = False
    counted: Counted | None = None
    kept: PenKept | None = None


class ExchangeCartridge(Record):
    """The cartridge is replaced; ``scan`` is what the new one's code said, None where none was scanned."""

    type: Literal["exchange_cartridge"] = "exchange_cartridge"
    source: str
    scan: ScannedCartridge | None = None


class Approved(Record):
    """A physician approves at the chair, for this session."""

    type: Literal["approved"] = "approved"
    approval: str
    by: str
    zones: tuple[str, ...]
    depth_max_um: Micrometres


class ClockJumped(Record):
    """The computer's time of day moved against its monotonic clock by ``by_ms``."""

    type: Literal["clock_jumped"] = "clock_jumped"
    by_ms: int


class ConsumeIntended(Record):
    """The cartridge is about to be marked as used; journalled before it is sent."""

    type: Literal["consume_intended"] = "consume_intended"
    tag: int


class LeaseGranted(Record):
    """The pen is armed."""

    type: Literal["lease_granted"] = "lease_granted"
    lease: int


class ArmFailed(Record):
    """The pen could not be armed."""

    type: Literal["arm_failed"] = "arm_failed"
    because: str
    sentence: str


class Start(Record):
    """Motor on."""

    type: Literal["start"] = "start"
    source: str


class Pause(Record):
    """Motor off, still armed."""

    type: Literal["pause"] = "pause"
    source: str


class SetDepth(Record):
    """Set the needle depth; ``override`` names a reason to go beyond a soft limit."""

    type: Literal["set_depth"] = "set_depth"
    depth_um: Micrometres
    override: str = ""


class SetRate(Record):
    """Set the puncture rate."""

    type: Literal["set_rate"] = "set_rate"
    rate_mhz: Millihertz


class DeclareZone(Record):
    """Declare the zone that is treated from now on."""

    type: Literal["declare_zone"] = "declare_zone"
    zone: str


class Stop(Record):
    """STOP, by a person at ``source``."""

    type: Literal["stop"] = "stop"
    source: str


class Acknowledge(Record):
    """A person acknowledges an alarm."""

    type: Literal["acknowledge"] = "acknowledge"
    alarm: str
    by: str


class PauseAudio(Record):
    """A person silences the sound of alarms for a while; what is shown stays, and a new HIGH alarm sounds at once."""

    type: Literal["pause_audio"] = "pause_audio"
    by: str
    for_ms: int


class FaultsCleared(Record):
    """A person cleared what interrupted the session; the pen's own faults were cleared first."""

    type: Literal["faults_cleared"] = "faults_cleared"
    by: str
    faults: tuple[str, ...]


class Close(Record):
    """Close the session."""

    type: Literal["close"] = "close"
    outcome: Literal["completed", "stopped", "interrupted"]
    reason: str


class Seated(Record):
    """Who has the operating seat of this pen; empty when nobody has."""

    type: Literal["seated"] = "seated"
    operator: str


class JournalState(Record):
    """Whether the journal accepts: empty when it does, else why not; and how full the place for it is."""

    type: Literal["journal_state"] = "journal_state"
    problem: str
    fill_permille: int = 0


class OperationUncertain(Record):
    """An operation that is never sent again stayed unanswered and its outcome could not be learned."""

    type: Literal["operation_uncertain"] = "operation_uncertain"
    operation: str


Command = Annotated[
    Prepare
    | Confirm
    | Attest
    | ArmAsked
    | Inspected
    | ExchangeCartridge
    | Approved
    | ClockJumped
    | ConsumeIntended
    | LeaseGranted
    | ArmFailed
    | Start
    | Pause
    | SetDepth
    | SetRate
    | DeclareZone
    | Stop
    | Acknowledge
    | PauseAudio
    | FaultsCleared
    | Close
    | Seated
    | JournalState
    | OperationUncertain,
    Field(discriminator="type"),
]
LinkChange = Annotated[LinkUp | LinkDown, Field(discriminator="type")]

COMMAND_ADAPTER: TypeAdapter[Command] = TypeAdapter(Command)
LINK_ADAPTER: TypeAdapter[LinkChange] = TypeAdapter(LinkChange)

Input = Tick | StatusSeen | Command | LinkChange
"""Any input of the machine."""
