"""Pure: when a calibration ends: by its own date, by the clinic's interval, by hours run, strokes or knocks.

A due date is the last day on which a calibration is valid; a pen holds the day after it, the first on which it is not
(firmware_bridge.wire). What a pen does not count is told as not counted, never as nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Literal

from pydantic import Field

from controller.events import CalibrationSnapshot, Record

SECONDS_PER_HOUR: Final = 3600
_A_DAY: Final = timedelta(days=1)
CLOCKS_DIFFER: Final = timedelta(days=1)
"""That of the bench and that of a station, around midnight."""


class DueRules(Record):
    """When a calibration ends, as the clinic decides; None is no such rule.

    ``interval_days`` counts from the day of calibration, the last day included. ``notice_days`` before the end it is
    told. ``grace_days`` a pen may still be armed after a due date; what is counted has no grace.
    """

    interval_days: int | None = Field(default=None, ge=1)
    notice_days: int = Field(default=30, ge=0)
    grace_days: int = Field(default=0, ge=0)
    run_hours: int | None = Field(default=None, ge=1)
    strokes: int | None = Field(default=None, ge=1)
    shocks: int | None = Field(default=None, ge=1)


class Counted(Record):
    """What a pen counted since the calibration it holds was written; ``shocks`` None: it does not feel knocks."""

    run_s: int
    strokes: int
    shocks: int | None


@dataclass(frozen=True, slots=True)
class Due:
    """How a calibration stands on a day.

    ``over``: it arms no pen any more, and ``because`` is the rule's stable code; ``soon``: it ends within the notice.
    ``sentence`` is for people. ``left_days`` is how many more days it is good for, today not counted, as far as that
    can be told. ``not_counted`` are rules of the clinic that this pen gives nothing for.
    """

    state: Literal["good", "soon", "over"]
    because: str
    sentence: str
    left_days: int | None = None
    not_counted: tuple[str, ...] = ()


def first_day_over(calibration: CalibrationSnapshot, rules: DueRules) -> date | None:
    """The first day on which it is no longer valid, grace left aside; None where no date was asked for."""
    days = [date.fromisoformat(calibration.due_on)] if calibration.due_on else []
    if rules.interval_days is not None:
        days.append(date.fromisoformat(calibration.calibrated_on) + timedelta(days=rules.interval_days) + _A_DAY)
    return min(days, default=None)


def due(calibration: CalibrationSnapshot, counted: Counted | None, rules: DueRules, today: date) -> Due:
    """How a calibration stands today. ``counted`` None: the pen counts nothing."""
    found = [
        *_by_clock(calibration, today),
        _by_date(calibration, rules, today),
        *_by_counts(calibration, counted, rules, today),
    ]
    worst = min(found, key=lambda one: (_RANK[one.state], one.left_days is None, one.left_days or 0))
    not_counted = tuple(_not_counted(counted, rules))
    return Due(worst.state, worst.because, worst.sentence, worst.left_days, not_counted)


_RANK: Final = {"over": 0, "soon": 1, "good": 2}


def _by_clock(calibration: CalibrationSnapshot, today: date) -> Iterator[Due]:
    """A clock that lost its time would make every calibration valid for years."""
    if today < date.fromisoformat(calibration.calibrated_on) - CLOCKS_DIFFER:
        words = f"was made on {calibration.calibrated_on}, and this station's clock says {today.isoformat()}"
        yield Due("over", "calibration_ahead", words)


def _by_date(calibration: CalibrationSnapshot, rules: DueRules, today: date) -> Due:
    over_on = first_day_over(calibration, rules)
    if over_on is None:
        return Due("good", "", "no due date was asked for")
    last, left = over_on - _A_DAY, (over_on - _A_DAY - today).days
    grace_last = last + timedelta(days=rules.grace_days)
    if today > grace_last:
        grace = f", and the clinic's {rules.grace_days} days of grace are over" if rules.grace_days else ""
        return Due("over", "calibration_due", f"was valid until {last.isoformat()}{grace}", 0)
    if today > last:
        words = f"was due on {last.isoformat()}; in the clinic's grace it is used until {grace_last.isoformat()}"
        return Due("soon", "", words, (grace_last - today).days)
    if left <= rules.notice_days:
        return Due("soon", "", f"is due on {last.isoformat()}, {_in_days(left)}", left)
    return Due("good", "", f"valid until {last.isoformat()}", left)


def _by_counts(
    calibration: CalibrationSnapshot, counted: Counted | None, rules: DueRules, today: date
) -> Iterator[Due]:
    """By what the pen counted; how long it lasts is told by what it did on a day so far."""
    if counted is None:
        return
    elapsed_days = max(1, (today - date.fromisoformat(calibration.calibrated_on)).days)
    run = (counted.run_s, rules.run_hours, SECONDS_PER_HOUR, "calibration_hours", "hours run")
    strokes = (counted.strokes, rules.strokes, 1, "calibration_strokes", "strokes")
    for used, limit, unit, because, what in (run, strokes):
        if limit is None:
            continue
        words = f"{used // unit} of {limit} {what} since then"
        left = (limit * unit - used) * elapsed_days // used if used else None
        if used >= limit * unit:
            yield Due("over", because, f"was good for {limit} {what}, and the pen counts {used // unit} since then", 0)
        elif left is not None and left <= rules.notice_days:
            yield Due("soon", "", f"{words}: used up {_in_days(left)} at this use", left)
    if rules.shocks is not None and counted.shocks is not None:
        if counted.shocks >= rules.shocks:
            words = f"ends with {_knocks(rules.shocks)}, and the pen counts {counted.shocks} since then"
            yield Due("over", "calibration_shocks", words, 0)
        elif counted.shocks:
            yield Due("soon", "", f"{counted.shocks} of {_knocks(rules.shocks)} since then that end it")


def _not_counted(counted: Counted | None, rules: DueRules) -> Iterator[str]:
    if counted is None and rules.run_hours is not None:
        yield "hours run"
    if counted is None and rules.strokes is not None:
        yield "strokes"
    if (counted is None or counted.shocks is None) and rules.shocks is not None:
        yield "knocks"


def _knocks(number: int) -> str:
    return "one knock" if number == 1 else f"{number} knocks"


def _in_days(left: int) -> str:
    return {0: "today", 1: "tomorrow"}.get(left, f"in {left} days")
