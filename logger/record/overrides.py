"""Near misses and overrides, for each limit and each operator, with what they are to be measured against. Pure.

A limit that is met often is set wrongly, or is asked too much of; a soft limit that is overridden as a matter of course
warns nobody. Both are for the responsible physician to judge, and neither shows in a single record. (Infusion pumps
have reports like this one for their drug libraries.)
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from controller.events import (
    Event,
    LimitLayer,
    Refused,
    SessionOpened,
    SetpointChanged,
    SoftLimitOverridden,
    ZoneChanged,
)
from logger.journal.entry import Entry

LAYERS: Final = frozenset(get_args(LimitLayer.model_fields["layer"].annotation))
"""Names of limits; a refusal for another reason is none of a limit."""

_TYPES: Final = frozenset({"session_opened", "zone_changed", "setpoint_changed", "soft_limit_overridden", "refused"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WANTED = re.compile(r"(\d+\.\d+) (mm|Hz) was refused")
_SLIP = 10


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LimitTally(_Part):
    """One limit in one zone, as one operator met it.

    ``refused``: beyond it was asked for and nothing changed. ``tenfold`` of them were followed by a tenth of the number
    refused: a decimal slip. ``overridden``: a person went beyond it, for ``reasons`` from the library's list.
    """

    limit: str
    zone: str
    operator: str
    refused: int
    tenfold: int
    overridden: int
    reasons: dict[str, int]


class OperatorTally(_Part):
    """What one operator did. ``asked`` is how often depth or rate were asked for: changes and refusals at a limit."""

    operator: str
    sessions: int
    sessions_with_override: int
    setpoint_changes: int
    asked: int
    refused: int
    tenfold: int
    overridden: int

    @property
    def refused_permille(self) -> int | None:
        """Refusals at a limit in 1/1000 of everything asked for; None where nothing was."""
        return _permille(self.refused, self.asked)

    @property
    def overridden_permille(self) -> int | None:
        """Overrides in 1/1000 of the changes of depth and rate; None where there were none."""
        return _permille(self.overridden, self.setpoint_changes)


class OverrideReport(_Part):
    """Everything since a day (None: since the beginning). ``other_refusals`` are those of no limit, by condition.

    ``demo_sessions`` are those under a library that no physician signed.
    """

    since: date | None
    sessions: int
    demo_sessions: int
    setpoint_changes: int
    operators: tuple[OperatorTally, ...]
    limits: tuple[LimitTally, ...]
    other_refusals: dict[str, int]


@dataclass(slots=True)
class _Session:
    """A session while its entries are read."""

    operator: str
    zone: str
    demo: bool
    changes: int = 0
    overridden: int = 0
    waiting: list[tuple[str, str, int]] = field(default_factory=list)
    """Refusals since the last change: limit, zone, and a tenth of what was asked for, in µm or mHz."""


@dataclass(slots=True)
class _Count:
    refused: int = 0
    tenfold: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


class _Tally:
    """What has been read so far."""

    def __init__(self, since: date | None) -> None:
        self.since = since
        self.sessions: dict[str, _Session] = {}
        self.limits: dict[tuple[str, str, str], _Count] = {}
        self.others: Counter[str] = Counter()

    def take(self, entry: Entry) -> None:
        """One entry of a type that counts."""
        day = (_EPOCH + timedelta(microseconds=entry.utc_us)).date()
        try:
            event = entry.event()
        except ValidationError:
            return  # of a later version
        if isinstance(event, SessionOpened) and entry.session is not None:
            if self.since is None or day >= self.since:
                self.sessions.setdefault(entry.session, _Session(event.operator, event.zone, event.demo))
            return
        session = self.sessions.get(entry.session or "")
        if session is not None:
            self._of_session(session, event)
        elif isinstance(event, Refused) and entry.session is None and (self.since is None or day >= self.since):
            self.others[event.because] += 1

    def _of_session(self, session: _Session, event: Event) -> None:
        match event:
            case ZoneChanged():
                session.zone = event.zone
            case SetpointChanged():
                session.changes += 1
                for limit, zone, tenth in session.waiting:
                    if tenth in {event.depth_commanded_um, event.rate_commanded_mhz}:
                        self._count(session, limit, zone).tenfold += 1
                session.waiting.clear()
            case SoftLimitOverridden():
                session.overridden += 1
                self._count(session, "zone_soft", event.zone).reasons[event.reason] += 1
            case Refused() if event.because in LAYERS:
                self._count(session, event.because, session.zone).refused += 1
                wanted = _WANTED.match(event.sentence)
                if wanted is not None:
                    thousandths = round(float(wanted[1]) * 1000)
                    session.waiting.append((event.because, session.zone, thousandths // _SLIP))
            case Refused():
                self.others[event.because] += 1

    def _count(self, session: _Session, limit: str, zone: str) -> _Count:
        return self.limits.setdefault((session.operator, limit, zone), _Count())

    def operator(self, name: str) -> OperatorTally:
        """One operator's line."""
        sessions = [session for session in self.sessions.values() if session.operator == name]
        counts = [count for key, count in self.limits.items() if key[0] == name]
        changes, refused = sum(session.changes for session in sessions), sum(count.refused for count in counts)
        return OperatorTally(
            operator=name,
            sessions=len(sessions),
            sessions_with_override=sum(session.overridden > 0 for session in sessions),
            setpoint_changes=changes,
            asked=changes + refused,
            refused=refused,
            tenfold=sum(count.tenfold for count in counts),
            overridden=sum(session.overridden for session in sessions),
        )


def override_report(entries: Iterable[Entry], *, since: date | None = None) -> OverrideReport:
    """The report over entries of one or more stations, each station's in order.

    Counted are sessions opened on ``since`` (UTC) or later, whole. Every count belongs to the operator the session was
    opened for.
    """
    tally = _Tally(since)
    for entry in entries:
        if entry.type in _TYPES:
            tally.take(entry)
    limits = [
        LimitTally(
            limit=limit,
            zone=zone,
            operator=operator,
            refused=count.refused,
            tenfold=count.tenfold,
            overridden=count.reasons.total(),
            reasons=dict(count.reasons.most_common()),
        )
        for (operator, limit, zone), count in tally.limits.items()
    ]
    names = sorted({session.operator for session in tally.sessions.values()})
    return OverrideReport(
        since=since,
        sessions=len(tally.sessions),
        demo_sessions=sum(session.demo for session in tally.sessions.values()),
        setpoint_changes=sum(session.changes for session in tally.sessions.values()),
        operators=tuple(tally.operator(name) for name in names),
        limits=tuple(
            sorted(limits, key=lambda row: (-row.overridden - row.refused, row.limit, row.zone, row.operator))
        ),
        other_refusals=dict(tally.others.most_common()),
    )


def _permille(part: int, whole: int) -> int | None:
    return None if whole == 0 else part * 1000 // whole
