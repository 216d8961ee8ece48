"""Findings about the clock: set, kept, how far off, and not behind its own record. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from station.monitoring.findings import Finding, Level

OLDEST_SANE_CLOCK = datetime(2025, 1, 1, tzinfo=UTC)
"""A clock before the software was written is a clock that was never set."""
OFFSET_MOST_MS = 500
"""Records of two stations tell what came first to about a second: a person's pace."""
BEHIND_MOST_S = 2.0
"""A clock that is disciplined is slewed, and never this far behind what it wrote before."""
_REMEDY = "sudo timedatectl set-ntp true, or run chrony."


@dataclass(frozen=True, slots=True)
class ClockFacts:
    """The wall clock. ``synchronised`` is None where the system does not say.

    ``offset_ms`` is how far the kernel holds it to be off at the moment, ``error_ms`` the most it may be; None where
    that is not told. ``behind_record_s`` is how far it is behind the newest entry of the journal here.
    """

    now: datetime
    synchronised: bool | None = None
    offset_ms: float | None = None
    error_ms: float | None = None
    behind_record_s: float = 0.0


def check_clock(facts: ClockFacts) -> Iterable[Finding]:
    """The wall clock is set, and kept."""
    shown = facts.now.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    if facts.behind_record_s > BEHIND_MOST_S:
        yield Finding(
            check="clock",
            level=Level.WARNING,
            what=f"The clock reads {shown}, {_spoken(facts.behind_record_s)} before the newest entry in the record.",
            means="It was set back. The order of the record is kept by its numbers; its times say less.",
            remedy=_REMEDY,
        )
    if facts.now < OLDEST_SANE_CLOCK:
        yield Finding(
            check="clock",
            level=Level.PROBLEM,
            what=f"The clock reads {shown}.",
            means="Cartridges and calibrations would look valid that are long past their date.",
            remedy="Set the clock: sudo timedatectl set-ntp true.",
        )
    elif facts.synchronised is False:
        yield Finding(
            check="clock",
            level=Level.WARNING,
            what=f"The clock reads {shown} and is not kept in time by anything.",
            means="Times in the record may be off; limits and deadlines are not, they use another clock.",
            remedy=_REMEDY,
        )
    elif facts.synchronised and abs(facts.offset_ms or 0) > OFFSET_MOST_MS:
        yield Finding(
            check="clock",
            level=Level.WARNING,
            what=f"The clock reads {shown} and is {facts.offset_ms:+.0f} ms off, which is being put right.",
            means="Records of two stations do not tell which of two things came first until then.",
            remedy="Wait some minutes and ask again; if it stays, look at the time server.",
        )
    else:
        kept = "kept in time" if facts.synchronised else "whether it is kept in time is not known"
        off = ""
        if facts.synchronised and facts.offset_ms is not None and facts.error_ms is not None:
            off = f", {facts.offset_ms:+.1f} ms off, at most {facts.error_ms:.0f}"
        yield Finding(check="clock", level=Level.FINE, what=f"The clock reads {shown}; {kept}{off}.")


def _spoken(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.0f} hours"
