"""The state of the machine: everything its decisions depend on, in one immutable value."""

from dataclasses import dataclass, field
from enum import StrEnum

from controller.alarms import AlarmBook
from controller.cartridges import same_cartridge
from controller.dose import DoseTally
from controller.envelope import Sources
from controller.events import CalibrationSnapshot, CartridgeSnapshot, Event, LimitSet, Refused
from controller.inputs import Inspected, PenFacts
from controller.loop import IDLE, Loop, Stage
from controller.plan import ResolvedPlan
from controller.units import Micrometres, Millihertz
from firmware_bridge.snapshot import PenSnapshot
from firmware_bridge.wire.messages import Capability

PAUSE_MAX_MS = 10 * 60 * 1000
"""A pen left armed and paused for longer is disarmed: whoever comes back begins with a look."""

OVER_LIMIT_HOLD_MS = 300
"""Measured depth may be over a limit that has just become shallower for as long as the needles take to follow."""

BLIND_HOLD_MS = 300
"""A depth that is missing from a few statuses is noise; missing for longer, nobody knows how deep the needles are."""

RETRACT_SLACK_MS = 200
"""Added to the pen's own retract time before the host says that needles are not out: status periods and line delay."""


# As plain numbers: combining members of an enum costs more than the rest of what is decided on a status.
_DEPTH_SET, _DEPTH_SENSED, _RATE_SET = map(int, (Capability.DEPTH_SET, Capability.DEPTH_SENSED, Capability.RATE_SET))


class Phase(StrEnum):
    """Where a treatment stands."""

    NO_SESSION = "no_session"
    PREPARED = "prepared"  # a session is open, the pen is not armed
    ARMING = "arming"  # a person asked for it; cartridge and calibration are read, a lease is asked for
    PAUSED = "paused"  # armed, motor off
    TREATING = "treating"  # armed, motor on
    STOPPING = "stopping"  # STOP or DISARM is repeated until STATUS confirms
    INTERRUPTED = "interrupted"  # something went wrong; a person clears it, then arms


@dataclass(frozen=True, slots=True)
class Stopping:
    """A stop under way. ``lease`` 0 sends STOP, else DISARM of that lease; ``then`` is the phase that follows."""

    since_ms: int
    lease: int
    then: Phase
    close: tuple[str, str] | None = None  # outcome and reason, when the session ends with it


@dataclass(frozen=True)  # without slots: `controller.evolving` copies it whole
class MachineState:
    """Depths in µm, rates in mHz, times in the station's monotonic ms. 0 as a commanded value is "none chosen"."""

    phase: Phase = Phase.NO_SESSION
    session: str | None = None
    session_pen: str = ""  # model/serial the session was prepared for
    seated: str | None = None  # who has the operating seat, "" nobody; None where nobody keeps seats
    plan: ResolvedPlan | None = None
    pen: PenFacts | None = None
    seen: PenSnapshot | None = None
    seen_at_ms: int = 0
    zone: str = ""
    override_reason: str = ""
    override_um: int = 0  # as deep as that reason was given for; anything deeper needs one of its own
    cartridge: CartridgeSnapshot | None = None
    calibration: CalibrationSnapshot | None = None
    depth_limit: LimitSet | None = None
    rate_limit: LimitSet | None = None
    depth_commanded_um: int = 0
    rate_commanded_mhz: int = 0
    depth_ceiling_um: int = 0
    rate_ceiling_mhz: int = 0
    lease: int = 0
    consumed_tag: int = 0
    discarded: tuple[CartridgeSnapshot, ...] = ()  # used in this session, then exchanged: none of them comes back
    paused_since_ms: int = 0
    motor_off_since_ms: int | None = None
    over_limit_since_ms: int | None = None
    blind_since_ms: int | None = None  # treating with a pen that senses depth, and it gives none
    unasked_since_ms: int | None = None  # the pen says running, and nobody commanded that
    stopping: Stopping | None = None
    interruption: str = ""
    alarms: AlarmBook = field(default_factory=AlarmBook)
    latched: tuple[tuple[str, str], ...] = ()  # alarm → detail, held until a person clears the interruption
    doses: tuple[DoseTally, ...] = ()
    journal_problem: str = ""
    inspection: Inspected | None = None  # what was read from this pen in this session; None: not yet, or no more
    inspected_at_ms: int = 0
    approvals_used: tuple[str, ...] = ()  # those by which a depth beyond the operator's own scope was set
    clock_jumped: bool = False  # since the dates were last looked at
    loop: Loop = IDLE
    unheard: tuple[str, PenSnapshot] | None = None  # zone and last status before the line went: strokes go on counting
    standing: tuple[tuple[str, str], ...] = ()  # alarm → detail of conditions that hold until told otherwise

    @property
    def armed(self) -> bool:
        """A lease is held and may be used."""
        return self.lease != 0 and (self.phase is Phase.TREATING or self.phase is Phase.PAUSED)

    @property
    def motor_commanded(self) -> bool:
        """The pen is told to run: treating, or the needles are withdrawn after a pause."""
        return self.phase is Phase.TREATING or (self.phase is Phase.PAUSED and self.loop.stage is Stage.WITHDRAW)

    @property
    def needles_out(self) -> bool:
        """The newest status confirms that the needles are out of the skin."""
        return self.seen is not None and self.seen.needles_out

    @property
    def sets_depth(self) -> bool:
        """The host sets this pen's depth; otherwise it is a dial."""
        return self.pen is not None and bool(self.pen.capabilities & _DEPTH_SET)

    @property
    def senses_depth(self) -> bool:
        """The pen measures protrusion."""
        return self.pen is not None and bool(self.pen.capabilities & _DEPTH_SENSED)

    @property
    def sets_rate(self) -> bool:
        """The host sets this pen's rate; otherwise it is fixed or a dial."""
        return self.pen is not None and bool(self.pen.capabilities & _RATE_SET)

    @property
    def attended(self) -> bool:
        """Whoever the session is for has the operating seat, or nobody keeps seats."""
        return self.seated is None or (self.plan is not None and self.seated == self.plan.operator)

    @property
    def rate_for_limits_mhz(self) -> int:
        """The rate that depth has to be safe at: the commanded one, or the fastest of a pen whose rate is its own."""
        if self.pen is None or self.sets_rate:
            return self.rate_commanded_mhz
        return self.pen.rate_max_mhz

    def used_before(self, given: Inspected) -> bool:
        """Whether the cartridge that was read was used before, other than by this session with this very one.

        A mark that this session may have made is its own, but for what the ledger knows of another session, and for a
        cartridge that was exchanged.
        """
        cartridge = given.cartridge
        if cartridge is None:
            return False
        own = cartridge.tag != 0 and cartridge.tag == self.consumed_tag and not given.used_elsewhere
        return (given.cartridge_used and not own) or any(
            (cartridge.tag != 0 and cartridge.tag == gone.tag)
            or same_cartridge(cartridge.lot, cartridge.serial, gone.lot, gone.serial)
            for gone in self.discarded
        )

    def sources(self) -> Sources:
        """What the limits are made from now."""
        return self._sources(self.cartridge, self.calibration)

    def sources_with(self, given: Inspected) -> Sources:
        """What the limits would be made from with what was read from the pen."""
        return self._sources(given.cartridge, given.calibration)

    def _sources(self, cartridge: CartridgeSnapshot | None, calibration: CalibrationSnapshot | None) -> Sources:
        plan = self.plan
        return Sources(
            pen=self.pen,
            profile=plan.profile if plan else None,
            cartridge_length_um=cartridge.needle_length_um if cartridge else None,
            cartridge_name=cartridge.name if cartridge else "",
            zone=self.zone,
            zone_plan=plan.zones.get(self.zone) if plan else None,
            override_reason=self.override_reason,
            override_um=Micrometres(self.override_um) if self.override_um else None,
            operator_cap_um=plan.operator_cap_um if plan else None,
            operator_scope=plan.operator_scope if plan else "",
            calibration=calibration,
            depth_ceiling_um=Micrometres(self.depth_ceiling_um) if self.lease else None,
            rate_ceiling_mhz=Millihertz(self.rate_ceiling_mhz) if self.lease else None,
        )


@dataclass(frozen=True, slots=True)
class SendSetpoint:
    """Tell the pen what to do, as decided on the status of ``seen_pen_time_ms``."""

    motor: bool
    depth_um: int
    rate_mhz: int
    seen_pen_time_ms: int


@dataclass(frozen=True, slots=True)
class SendStop:
    """Send STOP."""


@dataclass(frozen=True, slots=True)
class SendDisarm:
    """Send DISARM for this lease."""

    lease: int


Send = SendSetpoint | SendStop | SendDisarm


@dataclass(slots=True)  # not frozen: one is made seventy times a second, and frozen costs three times as much to make
class Step:
    """What a step came to: the new state, what to send at once, what to journal, and why a request was not followed."""

    state: MachineState
    send: Send | None = None
    events: tuple[Event, ...] = ()
    refusal: Refused | None = None
