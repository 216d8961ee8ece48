"""What the controller needs from the world, as protocols. The station plugs the real parts in."""

from datetime import datetime
from typing import Any, Protocol

from controller.cartridges import CartridgeUse
from controller.errors import ControllerError
from controller.events import CartridgeSnapshot, Event
from controller.history import ClosedSession, OpenedSession, PatientHistory
from firmware_bridge.line_quality import LineQuality
from firmware_bridge.snapshot import PenSnapshot
from firmware_bridge.wire.messages import Welcome
from firmware_bridge.wire.operations import Operation, OutcomeData


class RecordUnavailable(ControllerError):
    """The record did not reach the disk; the message says why and what to do."""


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


class SiteMemory(Protocol):
    """What the site remembers of its patients, by pseudonym, and never sends anywhere."""

    async def patient(self, patient: str) -> PatientHistory:
        """Earlier visits, approvals and answers. Raises ControllerError when it cannot be read."""

    async def opened(self, session: OpenedSession) -> None:
        """Keeps what a session began with: answers and consent, too. Raises ControllerError."""

    async def closed(self, session: str, closed: ClosedSession) -> None:
        """Keeps what it came to. Raises ControllerError."""


class UseLedger(Protocol):
    """What the site knows of which cartridge was used in which session."""

    async def cartridge(self, cartridge: CartridgeSnapshot) -> CartridgeUse:
        """Whether a cartridge was used; answers within about a second and raises nothing."""

    async def claim(self, cartridge: CartridgeSnapshot, session: str) -> None:
        """Notes that a session uses it; the same session may say so again. Raises ControlRefused."""


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
