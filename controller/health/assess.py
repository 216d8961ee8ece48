"""What a pen's history amounts to today: each quantity with its limit, its trend and when it leaves. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Literal

from controller.health import course
from controller.health.battery import Charge, MinutesLeft, loads, minutes_left, minutes_left_at_current
from controller.health.drift import Calibrated, Drift, drift, leaves_tolerance
from controller.health.forecast import Side, forecast, recent
from controller.health.history import PenHistory, days
from controller.health.policy import HealthPolicy
from controller.health.trend import Forecast, Reading
from controller.health.words import before_due, sentence
from controller.service_events import HealthRead

Level = Literal["good", "watch", "act", "unknown"]
"""How much somebody has to do: nothing, keep an eye on it, do something now; or nothing is known."""
_ORDER: dict[Level, int] = {"unknown": 0, "good": 1, "watch": 2, "act": 3}
_MONTH = timedelta(days=30)
_K = 2.0
"""Certificates state expanded uncertainty, k = 2."""
_FRAMES_THAT_TELL = 10_000
"""Two minutes of a line: a share of fewer frames says little."""


@dataclass(frozen=True, slots=True)
class PenLimits:
    """What a pen's data sheet says: tolerances, and the battery's nominal capacity. None is *no figure*."""

    depth_tolerance_um: int | None = None
    rate_tolerance_ppm: int | None = None
    battery_mah: int | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """What a pen does now, where a station says: charge in ‰, motor current in mA; None is *not known*."""

    charge_permille: int | None = None
    current_ma: int | None = None
    treating: bool = False


@dataclass(frozen=True, slots=True)
class HealthRow:
    """One quantity. ``value`` is the newest, None where there is none; ``points`` its readings, days since 1970.

    ``limit`` with ``side``; a ``side`` of None is ± the limit. ``at`` names what it was measured at, where it matters.
    """

    quantity: str
    unit: str
    value: float | None
    limit: float | None
    side: Side | None
    level: Level
    points: tuple[Reading, ...]
    forecast: Forecast | None
    sentence: str
    at: str = ""
    expected: tuple[course.Expected, ...] = ()


@dataclass(frozen=True, slots=True)
class PenHealth:
    """One pen today. Run time in s and strokes are the pen's own count (``counted_by`` *pen*) or the record's sums.

    ``charge_permille`` was read at ``charge_read``; None there is *now*.

    ``out_when_due`` is the chance (0 to 1) that its depth is out of tolerance on the day its calibration is due, None
    where too little is known.
    """

    pen: str
    model: str
    serial: str
    firmware: str
    seen: datetime | None
    level: Level
    run_s: int
    run_month_s: int
    strokes: int
    shocks: int | None
    counted_by: Literal["pen", "record"]
    calibration_due: str | None
    out_when_due: float | None
    quarantined: bool
    failed_parts: tuple[str, ...]
    rows: tuple[HealthRow, ...]
    minutes_left: MinutesLeft | None
    charge_permille: int | None
    charge_read: datetime | None


def assess(
    history: PenHistory, *, now: datetime, policy: HealthPolicy, limits: PenLimits, load: Load | None = None
) -> PenHealth:
    """One pen's health at ``now``. ``load`` is what it does at this moment, where that is known."""
    today = days(now)
    wandering = drift(_calibrations(history), history.broken_days())
    rows = [
        row
        for row in (
            _depth(history, wandering, today, policy, limits.depth_tolerance_um),
            _rate(history, today, policy, limits.rate_tolerance_ppm),
            _battery_capacity(history, today, policy),
            _battery_resistance(history, today, policy),
            _current(history, today, policy),
            _temperature(history, today, policy),
            _damaged(history, policy),
            _lost(history, now, policy),
        )
        if row is not None
    ]
    newest = history.readings[-1][1] if history.readings else None
    counted = newest is not None and newest.run_s is not None and newest.strokes is not None
    grave: Level = max((row.level for row in rows), key=_ORDER.__getitem__, default="unknown")
    if grave == "good" and not any(row.level == "good" for row in rows if row.forecast is not None):
        grave = "unknown"  # a good line says nothing of wear
    if history.quarantined or history.failed_parts:
        grave = "act"
    live = load.charge_permille if load else None
    charge, charge_read = (live, None) if live is not None else _charge(history)
    return PenHealth(
        pen=history.pen,
        model=history.model,
        serial=history.serial,
        firmware=history.firmware,
        seen=history.seen,
        level=grave,
        run_s=_or(newest.run_s if newest else None, sum(ran for _, ran, _ in history.sessions) // 1000),
        run_month_s=sum(ran for at, ran, _ in history.sessions if at > now - _MONTH) // 1000,
        strokes=_or(newest.strokes if newest else None, sum(strokes for _, _, strokes in history.sessions)),
        shocks=newest.shocks if newest else None,
        counted_by="pen" if counted else "record",
        calibration_due=history.calibration_due,
        out_when_due=_out_when_due(wandering, _due_day(history.calibration_due), limits.depth_tolerance_um, policy),
        quarantined=history.quarantined,
        failed_parts=history.failed_parts,
        rows=tuple(rows),
        minutes_left=_minutes(history, charge, newest, policy, limits, load),
        charge_permille=charge,
        charge_read=charge_read,
    )


def _or(value: int | None, otherwise: int) -> int:
    return otherwise if value is None else value


def _charge(history: PenHistory) -> tuple[int | None, datetime | None]:
    """The newest charge on record, and when it was read: a pen that was put away says nothing of today."""
    at, newest = history.readings[-1] if history.readings else (None, None)
    permille = newest.battery_permille if newest else None
    return permille, None if permille is None else at


# Depth and rate: between calibrations ---------------------------------------------------------------------------------


def _calibrations(history: PenHistory) -> list[Calibrated]:
    return [
        Calibrated(days(at), one.as_found_depth_error_um, one.as_left_depth_error_um, one.depth_uncertainty_um / _K)
        for at, one in history.certificates
    ]


def _depth(
    history: PenHistory, wandering: Drift | None, today: float, policy: HealthPolicy, tolerance_um: int | None
) -> HealthRow | None:
    if not history.certificates or tolerance_um is None:
        return None
    points = tuple(
        reading
        for one in _calibrations(history)
        for reading in (Reading(one.day, one.found), Reading(one.day, one.left))
    )
    at, newest = history.certificates[-1]
    left = newest.as_left_depth_error_um
    coming = leaves_tolerance(wandering, tolerance_um, now=today, policy=policy.forecast)
    if coming.state == "too_few" and abs(left) > tolerance_um:
        coming = replace(coming, state="left")
    expected = wandering.error(max(today, days(at))) if wandering else float(left)
    drawn = course.of_drift(wandering, coming, today=today)
    row = _row("depth_error", "µm", expected, tolerance_um, None, points, coming, policy, today, drawn)
    due = _due_day(history.calibration_due)
    chance = _out_when_due(wandering, due, tolerance_um, policy)
    likely = chance is not None and chance * 100 > policy.forecast.out_when_due_most_percent
    expected_before = coming.day is not None and due is not None and coming.day < due
    if row.level == "act" or not (likely or expected_before):
        return row
    return replace(row, level="watch", sentence=f"{row.sentence} {before_due(chance, coming)}")


def _rate(history: PenHistory, today: float, policy: HealthPolicy, tolerance_ppm: int | None) -> HealthRow | None:
    points = tuple(
        Reading(days(at), one.rate_error_ppm) for at, one in history.certificates if one.rate_error_ppm is not None
    )
    if not points or tolerance_ppm is None:
        return None
    size = abs(points[-1].value)
    coming = forecast(
        [Reading(day, abs(value)) for day, value in points], tolerance_ppm, "at_most", now=today,
        policy=policy.forecast, resolution=1.0,
    )  # fmt: skip
    if size > tolerance_ppm:
        coming = Forecast("left", coming.because)
    return _row("rate_error", "ppm", points[-1].value, tolerance_ppm, None, points, coming, policy, today)


def _due_day(due: str | None) -> float | None:
    return None if due is None else float((date.fromisoformat(due) - date(1970, 1, 1)).days)


def _out_when_due(
    wandering: Drift | None, due: float | None, tolerance_um: int | None, policy: HealthPolicy
) -> float | None:
    if wandering is None or due is None or tolerance_um is None:
        return None
    if wandering.stretches < policy.forecast.least_stretches or due < wandering.day:
        return None
    return wandering.chance_out(due, tolerance_um)


# What a pen counts ----------------------------------------------------------------------------------------------------


def _points(
    history: PenHistory, value: Callable[[HealthRead], int | None], since: datetime | None = None
) -> tuple[Reading, ...]:
    return tuple(
        Reading(days(at), found)
        for at, reading in history.readings
        if (found := value(reading)) is not None and (since is None or at >= since)
    )


def _battery_capacity(history: PenHistory, today: float, policy: HealthPolicy) -> HealthRow | None:
    points = _points(history, lambda one: one.battery_capacity_permille, history.replaced("battery"))
    limit = policy.battery.capacity_least_permille
    return _counted("battery_capacity", "‰", points, limit, "at_least", today, policy)


def _battery_resistance(history: PenHistory, today: float, policy: HealthPolicy) -> HealthRow | None:
    points = _points(history, lambda one: one.battery_resistance_mohm, history.replaced("battery"))
    limit = policy.battery.resistance_most_mohm
    return _counted("battery_resistance", "mΩ", points, limit, "at_most", today, policy)


def _current(history: PenHistory, today: float, policy: HealthPolicy) -> HealthRow | None:
    """The motor's current at the load that was measured most often, against its first readings at that load."""
    since = history.replaced("motor")
    by_load: dict[str, list[Reading]] = {}
    for at, load, current_ma in history.currents():
        if since is None or at >= since:
            by_load.setdefault(load, []).append(Reading(days(at), current_ma))
    if not by_load:
        return None
    load, points = max(by_load.items(), key=lambda item: len(item[1]))
    first = sorted(point.value for point in points[: policy.forecast.least_readings])
    most = first[len(first) // 2] * (1 + policy.motor.current_rise_most_percent / 100)
    return _counted("motor_current", "mA", tuple(points), round(most), "at_most", today, policy, at=load)


def _temperature(history: PenHistory, today: float, policy: HealthPolicy) -> HealthRow | None:
    points = tuple(
        Reading(days(at), one.temperature_dc / 10)
        for at, one in history.readings
        if one.temperature_dc is not None and one.load
    )
    limit = policy.heat.temperature_most_c
    return _counted("temperature", "°C", points, limit, "at_most", today, policy)


def _counted(
    quantity: str,
    unit: str,
    points: tuple[Reading, ...],
    limit: float,
    side: Side,
    today: float,
    policy: HealthPolicy,
    at: str = "",
) -> HealthRow | None:
    if not points:
        return None
    resolution = 0.1 if unit == "°C" else 1.0
    coming = forecast(points, limit, side, now=today, policy=policy.forecast, resolution=resolution)
    drawn = course.of_line(recent(points, policy.forecast), coming, today=today, resolution=resolution)
    return _row(quantity, unit, points[-1].value, limit, side, points, coming, policy, today, drawn, at)


# The line -------------------------------------------------------------------------------------------------------------


def _damaged(history: PenHistory, policy: HealthPolicy) -> HealthRow | None:
    """The share of damaged frames; of the last readings together, for one connection may be short."""
    points = []
    frames = damaged = 0
    for at, one in history.readings:
        frames, damaged = frames + one.frames, damaged + one.frames_damaged
        if frames >= _FRAMES_THAT_TELL:
            points.append(Reading(days(at), round(damaged * 1_000_000 / frames)))
            frames = damaged = 0
    if not points:
        return None
    limit = policy.line.damaged_most_ppm
    level: Level = "watch" if points[-1].value > limit else "good"
    words = sentence("frames_damaged", points[-1].value, None, level, 0)
    return HealthRow("frames_damaged", "ppm", points[-1].value, limit, "at_most", level, tuple(points), None, words)


def _lost(history: PenHistory, now: datetime, policy: HealthPolicy) -> HealthRow | None:
    if history.seen is None:
        return None
    went = history.went(policy.line.back_within_s)
    lately = sum(at > now - _MONTH for at in went)
    level: Level = "watch" if lately > policy.line.lost_most_in_30_days else "good"
    first, points = went[0] if went else now, []
    while first < now:  # month by month, ending now
        first += _MONTH
        upto = min(first, now)
        points.append(Reading(days(upto), sum(upto - _MONTH < at <= upto for at in went)))
    words = sentence("connections_lost", lately, None, level, 0)
    limit = policy.line.lost_most_in_30_days
    return HealthRow("connections_lost", "in 30 days", lately, limit, "at_most", level, tuple(points), None, words)


# Judging --------------------------------------------------------------------------------------------------------------


def _row(
    quantity: str,
    unit: str,
    value: float,
    limit: float,
    side: Side | None,
    points: tuple[Reading, ...],
    coming: Forecast,
    policy: HealthPolicy,
    today: float,
    expected: tuple[course.Expected, ...] = (),
    at: str = "",
) -> HealthRow:
    level = _level(coming, today + policy.forecast.soon_days)
    words = sentence(quantity, value, coming, level, today)
    return HealthRow(quantity, unit, value, limit, side, level, points, coming, words, at, expected)


def _level(coming: Forecast, soon: float) -> Level:
    if coming.state == "left":
        return "act"
    if coming.state == "too_few":
        return "unknown"
    if coming.day is not None and coming.day <= soon:
        return "act"
    return "watch" if coming.earliest is not None and coming.earliest <= soon else "good"


def _minutes(
    history: PenHistory,
    charge: int | None,
    newest: HealthRead | None,
    policy: HealthPolicy,
    limits: PenLimits,
    load: Load | None,
) -> MinutesLeft | None:
    """At the current that flows now where it treats; else at what treatments took before."""
    if charge is None:
        return None
    confidence = policy.forecast.confidence_percent
    if load is not None and load.treating and load.current_ma and limits.battery_mah:
        return minutes_left_at_current(
            charge,
            load.current_ma,
            battery_mah=limits.battery_mah,
            capacity_permille=newest.battery_capacity_permille if newest else None,
            policy=policy.battery,
        )
    since = history.replaced("battery")
    charges = [
        Charge(at.timestamp(), one.run_s, one.battery_permille)
        for at, one in history.readings
        if one.run_s is not None and one.battery_permille is not None and (since is None or at >= since)
    ]
    return minutes_left(charge, loads(charges)[-20:], policy=policy.battery, confidence_percent=confidence)
