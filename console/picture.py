"""What a live view shows: what a station said last, how long ago, and what was measured before it. Pure."""

from dataclasses import dataclass, field

from rich.console import Group
from rich.text import Text

from controller.view import STALE_MS, PenView
from station.api.models import PenStatus, StationStatus

Step = Text | Group
"""A line of the log below the view; of a group the first text stands for all of it once newer steps came."""

TRAIL_S = 30.0
TRAIL_POINTS = 400
"""Ten a second for ``TRAIL_S``, and some to spare: a view that is drawn for hours holds no more."""


@dataclass(frozen=True, slots=True)
class TrailPoint:
    """One measured moment, for the traces: seconds on the viewer's own clock, µm, mHz; None is not known."""

    at_s: float
    depth_measured_um: int | None
    rate_measured_mhz: int | None


@dataclass(frozen=True, slots=True)
class Trail:
    """What was measured over the last ``TRAIL_S`` seconds."""

    points: tuple[TrailPoint, ...] = ()

    def add(self, now_s: float, view: PenView) -> "Trail":
        """The trail with one more moment; the motor at rest leaves no mark."""
        moving = bool(view.motor_on)
        point = TrailPoint(
            now_s,
            view.depth_measured_um if moving else None,
            view.rate_measured_mhz if moving else None,
        )
        kept = tuple(old for old in self.points if old.at_s > now_s - TRAIL_S)
        return Trail((*kept[-TRAIL_POINTS:], point))


@dataclass(frozen=True, slots=True)
class LivePicture:
    """Everything the live view shows.

    ``silent_s`` is how long the station has said nothing, 0 while it speaks; ``typing`` the line somebody is typing,
    None where nobody can.
    """

    pen: PenStatus | None
    now_s: float
    trail: Trail = field(default_factory=Trail)
    station: StationStatus | None = None
    silent_s: float = 0.0
    notice: str = ""
    footer: str = ""
    log: tuple[Step, ...] = ()
    typing: str | None = None

    @property
    def known(self) -> bool:
        """Whether what the pen measures is known at this moment."""
        if self.pen is None or self.silent_s:
            return False
        age_ms = self.pen.view.status_age_ms
        return age_ms is not None and age_ms <= STALE_MS
