"""The health of every pen a record tells of: what was journalled, judged by the clinic's data. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from controller.calibration.policy import CalibrationPolicy
from controller.health.assess import Load, PenHealth, PenLimits, assess
from controller.health.history import history_of
from controller.health.policy import HealthPolicy
from controller.profiles import Profiles
from logger.journal.entry import Entry
from logger.record.pen_events import pen_events

PPM_PER_PERCENT = 10_000
_GRAVITY = {"act": 0, "watch": 1, "unknown": 2, "good": 3}


def health_of_pens(
    entries: Iterable[Entry],
    *,
    now: datetime,
    policy: HealthPolicy,
    profiles: Profiles,
    calibration: CalibrationPolicy,
    loads: Mapping[str, Load] | None = None,
) -> list[PenHealth]:
    """Each pen on record, what needs somebody first. ``loads`` is what pens do now, by their name "model/serial".

    Entries are those of one station after the other (:data:`logger.record.pen_events.TYPES` are enough).
    """
    now_by_pen = loads or {}
    found = []
    for pen, events in pen_events(entries).items():
        history = history_of(pen, events)
        limits = limits_of(history.model, profiles, calibration)
        found.append(assess(history, now=now, policy=policy, limits=limits, load=now_by_pen.get(pen)))
    return sorted(found, key=lambda one: (_GRAVITY[one.level], one.pen))


def limits_of(model: str, profiles: Profiles, calibration: CalibrationPolicy) -> PenLimits:
    """Tolerances by which a model is calibrated, else those of its data sheet; nothing of a model without a sheet."""
    sheet = profiles.pens.get(model)
    if sheet is None:
        return PenLimits()
    depth_um, rate_ppm = sheet.depth_tolerance_um, sheet.rate_tolerance_percent * PPM_PER_PERCENT
    goes_by = calibration.models.get(model)
    if goes_by is not None:
        depth_um = calibration.depth_methods[goes_by.depth_method].tolerance_um
        rate_ppm = calibration.rate_methods[goes_by.rate_method].tolerance_ppm
    return PenLimits(
        depth_tolerance_um=depth_um,
        rate_tolerance_ppm=rate_ppm,
        battery_mah=profiles.closed_loops[sheet.closed_loop].battery_mah,
    )
