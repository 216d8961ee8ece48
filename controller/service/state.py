"""The state of service mode, what it takes in, and what comes of a step. All of it immutable values."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from controller.calibration.policy import ServiceLimits
from controller.event_base import Record
from controller.events import Event
from controller.inputs import JournalState, LinkDown, LinkUp, PenFacts, StatusSeen, Tick
from controller.service_events import ServicePurpose
from controller.state import Send
from controller.units import Micrometres, Millihertz
from firmware_bridge.snapshot import PenSnapshot
from firmware_bridge.wire.messages import Capability

Ended = Literal["done", "stopped", "time_out", "on_skin", "pen_lost", "fault"]
"""Why service mode ended, as :class:`controller.service_events.ServiceClosed` keeps it."""


class Phase(StrEnum):
    """Where service mode stands."""

    CLOSED = "closed"
    OPEN = "open"  # on record, no lease: nothing can move
    ARMING = "arming"  # a lease is asked for
    ARMED = "armed"  # a service lease, motor off
    MOVING = "moving"  # a service lease, motor on
    SILENT = "silent"  # motor on and nothing is sent, to see that the pen stops by itself
    STOPPING = "stopping"  # STOP or DISARM is repeated until STATUS confirms


# What comes in --------------------------------------------------------------------------------------------------------


class Open(Record):
    """A technician opens service mode. ``attested``: that person's word that the pen is off skin, for a pen that does
    not sense it."""

    type: Literal["open"] = "open"
    series: str
    technician: str
    purpose: ServicePurpose
    attested: bool = False
    resumed: bool = False


class AskLease(Record):
    """A lease is about to be asked for."""

    type: Literal["ask_lease"] = "ask_lease"


class GrantLease(Record):
    """The pen granted it."""

    type: Literal["grant_lease"] = "grant_lease"
    lease: int


class LeaseRefused(Record):
    """The pen did not grant it, or did not answer."""

    type: Literal["lease_refused"] = "lease_refused"


class GiveBack(Record):
    """The lease is given back: motor off in good order, service mode stays open."""

    type: Literal["give_back"] = "give_back"


class Move(Record):
    """Motor on at this depth and rate."""

    type: Literal["move"] = "move"
    depth_um: Micrometres
    rate_mhz: Millihertz


class MotorOff(Record):
    """Motor off, needles out, the lease stays."""

    type: Literal["motor_off"] = "motor_off"


class Settled(Record):
    """What the pen showed once a move had settled; None is not measured."""

    type: Literal["settled"] = "settled"
    depth_measured_um: int | None
    rate_measured_mhz: int | None
    motor_current_ma: int | None
    temperature_dc: int | None


class FallSilent(Record):
    """Say nothing more to a running pen, to see that it stops by itself."""

    type: Literal["fall_silent"] = "fall_silent"


class Touch(Record):
    """Somebody is there: the idle time begins anew."""

    type: Literal["touch"] = "touch"


class TakeAgain(Record):
    """A technician goes on with the pen although it was restarted; never with another pen."""

    type: Literal["take_again"] = "take_again"


class Close(Record):
    """Motor off, needles out, lease ended, service mode closed, in good order."""

    type: Literal["close"] = "close"


class Stop(Record):
    """STOP."""

    type: Literal["stop"] = "stop"
    source: str


Asked = (
    Open | AskLease | GrantLease | LeaseRefused | GiveBack | Move | MotorOff | Settled | FallSilent | Touch | TakeAgain
)
Input = StatusSeen | Tick | LinkUp | LinkDown | JournalState | Asked | Close | Stop
"""Anything a step takes."""

# The state ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stopping:
    """A stop under way: ``lease`` 0 repeats STOP, else DISARM of that lease; ``then`` follows."""

    since_ms: int
    lease: int
    then: Literal[Phase.OPEN, Phase.CLOSED]


@dataclass(frozen=True)  # without slots: `controller.evolving` copies it whole
class ServiceState:
    """Times in the host's monotonic ms; depths in µm, rates in mHz.

    ``pinned`` is the pen this bench works on, from its first service on; ``ended`` why the last one was closed.
    """

    limits: ServiceLimits
    phase: Phase = Phase.CLOSED
    series: str = ""
    pen: PenFacts | None = None
    pinned: PenFacts | None = None
    seen: PenSnapshot | None = None
    seen_at_ms: int = 0
    off_skin_since_ms: int | None = None
    attested: bool = False
    lease: int = 0
    lease_until_ms: int = 0
    asked_at_ms: int = 0
    depth_commanded_um: int = 0
    rate_commanded_mhz: int = 0
    unsaid: bool = False  # a move was commanded and is not on record yet
    moved_at_ms: int = 0
    silent_since_ms: int = 0
    unasked_since_ms: int | None = None  # the pen says running, and nobody commanded that
    stopping: Stopping | None = None
    ended: Ended | None = None
    why: str = ""
    journal_problem: str = ""

    @property
    def motor_commanded(self) -> bool:
        """The pen was told to run, and not to stop since."""
        return self.phase in (Phase.MOVING, Phase.SILENT)

    @property
    def leased(self) -> bool:
        """A service lease is held."""
        return self.phase in (Phase.ARMED, Phase.MOVING, Phase.SILENT)

    def can(self, capability: Capability) -> bool:
        """Whether the connected pen has a capability."""
        return self.pen is not None and bool(self.pen.capabilities & int(capability))

    @property
    def depth_ceiling_um(self) -> int:
        """The deepest this pen may be set to: the policy's or the pen's own, down to a step of the pen."""
        pen = self.pen
        if pen is None:
            return 0
        return min(self.limits.depth_ceiling_um, pen.depth_max_um) // pen.depth_step_um * pen.depth_step_um

    @property
    def rate_ceiling_mhz(self) -> int:
        """The fastest this pen may be set to, down to a step of the pen."""
        pen = self.pen
        if pen is None:
            return 0
        return min(self.limits.rate_ceiling_mhz, pen.rate_max_mhz) // pen.rate_step_mhz * pen.rate_step_mhz


@dataclass(frozen=True, slots=True)
class Step:
    """What a step came to. ``refusal`` is (because, sentence) where what was asked was not followed."""

    state: ServiceState
    send: Send | None = None
    events: tuple[Event, ...] = field(default=())
    refusal: tuple[str, str] | None = None
