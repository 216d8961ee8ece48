"""Sessions held with a pen that was found out of tolerance, each with its depth error. Pure.

What was found as found is true of the day it was found; of the days before, back to the last certificate that says the
pen was right, nobody knows more. So every session in between counts with the whole error; where no error was measured
it counts too, with an error that is not known.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from controller.events import SessionClosed, SessionOpened, SetpointChanged, ZoneChanged
from controller.service_events import ErrorAtDepth
from logger.journal.entry import Entry

EXPOSURE_TYPES: Final = ("session_opened", "zone_changed", "setpoint_changed", "session_closed")
"""The types of events that say how deep a session went; its telemetry is not needed."""


@dataclass(frozen=True, slots=True)
class ZoneExposed:
    """How deep one zone was really treated. All µm.

    ``shown_um`` is the deepest the pen showed there, or the deepest commanded where it senses no depth (``sensed``);
    ``error_um`` is true minus shown at that depth, None where it is not known; ``hard_um`` the limit of the zone, None
    where none was planned.
    ``beyond`` says that the depth lies outside the points that were measured: the error there is that of the nearest.
    """

    zone: str
    shown_um: int
    error_um: int | None
    hard_um: int | None
    sensed: bool
    beyond: bool

    @property
    def true_um(self) -> int | None:
        """The true protrusion; None where the error is not known."""
        return None if self.error_um is None else self.shown_um + self.error_um

    @property
    def over_limit(self) -> bool:
        """Whether the needles are known to have been deeper than the zone's limit."""
        true_um = self.true_um
        return self.hard_um is not None and true_um is not None and true_um > self.hard_um


@dataclass(frozen=True, slots=True)
class SessionExposed:
    """A session and what its zones got. ``unread``: entries of it that this version cannot read."""

    station: str
    session: str
    utc_us: int
    patient: str
    operator: str
    zones: tuple[ZoneExposed, ...]
    unread: int = 0

    @property
    def worst_um(self) -> int | None:
        """The depth error of greatest size, with its sign; 0 where nothing was treated, None where it is not known."""
        known = [zone.error_um for zone in self.zones if zone.error_um is not None]
        return None if self.zones and not known else max(known, key=abs, default=0)

    @property
    def over_limit(self) -> bool:
        """Whether a zone was truly treated deeper than its limit."""
        return any(zone.over_limit for zone in self.zones)


def error_at(errors: Sequence[ErrorAtDepth], shown_um: int) -> tuple[int, bool]:
    """The error (µm) at a depth shown, straight between the points measured, and whether it lies outside of them.

    Rounded away from zero: what is told is never less than what was. Raises ValueError without a point.
    """
    points = sorted((one.shown_um, one.error_um) for one in errors)
    if not points:
        raise ValueError("no error was measured")
    depths = [depth for depth, _ in points]
    if shown_um <= depths[0] or shown_um >= depths[-1]:
        depth, error = points[0] if shown_um <= depths[0] else points[-1]
        return error, shown_um != depth
    right = bisect_right(depths, shown_um)
    (x0, y0), (x1, y1) = points[right - 1], points[right]
    above, below = y0 * (x1 - shown_um) + y1 * (shown_um - x0), x1 - x0
    return (-(-above // below) if above > 0 else above // below), False


def exposed(entries: Iterable[Entry], errors: Sequence[ErrorAtDepth]) -> SessionExposed | None:
    """What the entries of one session, in order, come to by these errors; None where it was never opened.

    Without errors that of each zone is not known.
    """
    opened: tuple[Entry, SessionOpened] | None = None
    doses: dict[str, int | None] = {}
    commanded: dict[str, int] = {}
    zone, depth_um, unread, closed = "", 0, 0, False
    for entry in entries:
        try:
            event = entry.event()
        except ValidationError:
            unread += 1
            continue
        match event:
            case SessionOpened():
                opened, zone = (entry, event), event.zone
            case ZoneChanged():
                zone = event.zone  # the depth goes with it, where nobody sets another
                commanded[zone] = max(commanded.get(zone, 0), depth_um)
            case SetpointChanged():
                depth_um = event.depth_commanded_um
                commanded[zone] = max(commanded.get(zone, 0), depth_um)
            case SessionClosed():
                closed = True
                doses = {dose.zone: dose.depth_measured_max_um for dose in event.doses if dose.strokes}
            case _:
                continue
    if opened is None:
        return None
    entry, began = opened
    hard = {plan.zone: plan.hard_um for plan in began.zone_plans}
    treated = doses if closed else dict.fromkeys(commanded)  # one that is open may have treated all it was set to
    zones = []
    for name, measured_um in treated.items():
        shown_um = commanded.get(name, 0) if measured_um is None else measured_um
        if shown_um:
            error_um, beyond = error_at(errors, shown_um) if errors else (None, False)
            zones.append(ZoneExposed(name, shown_um, error_um, hard.get(name), measured_um is not None, beyond))
    return SessionExposed(
        entry.station, entry.session or "", entry.utc_us, began.patient, began.operator, tuple(zones), unread
    )


def worst_first(sessions: Iterable[SessionExposed]) -> list[SessionExposed]:
    """Those over a limit first, then those of which nobody knows, then by the size of the error; then oldest first."""
    return sorted(sessions, key=lambda one: (not one.over_limit, *_size(one.worst_um), one.utc_us, one.session))


def _size(worst_um: int | None) -> tuple[bool, int]:
    return (False, 0) if worst_um is None else (True, -abs(worst_um))
