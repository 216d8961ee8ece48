"""What the controller needs from the world, as protocols. The station plugs the real parts in."""

from datetime import datetime
from typing import Any, Protocol

from controller.cartridges import CartridgeUse
from controller.errors import ControllerError
from controller.events import CartridgeSnapshot, Event
from controller.history import Approval, ClosedSession, OpenedSession, PatientHistory
from controller.pen_kept import Standing
from firmware_bridge.line_quality import LineQuality
from firmware_bridge.snapshot import PenSnapshot
from firmware_bridge.wire.messages import Welcome
from firmware_bridge.wire.operations import Operation, OutcomeData


class RecordUnavailable(ControllerError):
    """The record did not reach the disk; the message says why and what to do."""


class MemoryUnavailable(ControllerError):
    """What the site keeps of its patients cannot be asked or told just now; the message says what follows."""


class Clock(Protocol):
    """Time. Nothing in the controller reads a clock of its own."""

    def monotonic_ms(self) -> int:
        """Time in ms that never goes back."""

    def utc(self) -> datetime:
        """Time of day, aware, UTC."""


class EventSink(Protocol):
    """Where events go."""

    def emit(self, event: Event, *, session: str | None) -> None:
        """Takes an event, at once and without blocking."""

    async def flush(self) -> None:
        """Returns when everything emitted so far is on the disk. Raises RecordUnavailable."""

    def problem(self) -> str | None:
        """Why events are not accepted just now, or None."""

    def fill_permille(self) -> int:
        """How full the place for the record is, 0 to 1000 ‰; 0 where that is not known."""


class UseLedger(Protocol):
    """What the site knows of which cartridge was used in which session."""

    async def cartridge(self, cartridge: CartridgeSnapshot) -> CartridgeUse:
        """Whether a cartridge was used; answers within about a second and raises nothing."""

    async def claim(self, cartridge: CartridgeSnapshot, session: str) -> None:
        """Notes that a session uses it; the same session may say so again. Raises ControlRefused."""


class PenRegister(Protocol):
    """What the site's record says of its pens."""

    async def standing(self, model: str, serial: str) -> Standing:
        """Whether a pen is in quarantine; answers within a few seconds and raises nothing."""


class Pen(Protocol):
    """One connection to a pen: :class:`firmware_bridge.link.Link`."""

    welcome: Welcome
    quality: LineQuality
    latest: PenSnapshot | None

    @property
    def url(self) -> str:
        """Where it is."""

    def send_setpoint(self, *, motor: bool, depth_um: int, rate_mhz: int, seen_pen_time_ms: int) -> bool:
        """Sends the desired state under the live lease."""

    def stop(self) -> None:
        """Drops the lease and sends STOP."""

    def disarm(self, lease: int) -> None:
        """Ends a lease in good order."""

    async def arm(self, *, depth_ceiling_um: int, rate_ceiling_mhz: int, cartridge_tag: int) -> int:
        """Asks for a lease."""

    async def request(self, operation: Operation, arguments: Any = None) -> Any:
        """Asks for an operation."""

    async def outcome(self, key: int) -> OutcomeData | None:
        """What became of an operation that stayed unanswered."""


class SiteMemory(Protocol):
    """What a site keeps of its patients, apart from the journal. Each call has a deadline, and raises
    MemoryUnavailable; each may be made again without harm."""

    async def patient(self, patient: str) -> PatientHistory:
        """Everything known of a patient; an empty history for a new one."""

    async def opened(self, session: OpenedSession) -> None:
        """A session began: its answers and consent reference stay here, its approvals count as used from now on."""

    async def closed(self, session: str, closed: ClosedSession) -> None:
        """A session ended; approvals it did not need are given back."""

    async def approve(self, approval: Approval) -> None:
        """A physician approved something ahead, or at the chair."""
