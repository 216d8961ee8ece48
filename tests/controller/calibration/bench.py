"""What the calibration's tests share: the example policy's setups, and series made of a function."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

from controller.calibration.policy import load_policy
from controller.calibration.readings import Reading, SeriesPlan
from controller.calibration.setup import (
    AccuracySetup,
    DepthSetup,
    Environment,
    RateSetup,
    accuracy_setup,
    depth_setup,
    rate_setup,
)
from controller.service_events import Direction

TODAY = date(2026, 11, 26)
ROOM = Environment(temperature_dc=230, humidity_permille=450)
POLICY = load_policy()

ErrorOf = Callable[[int, Direction, int], float]
"""The error (true minus shown) at (shown, direction, number of the reading)."""


def depth() -> DepthSetup:
    return depth_setup(POLICY, "NW-2", "bench-gauge", "master-16", ROOM, TODAY)


def rate() -> RateSetup:
    return rate_setup(POLICY, "NW-2", "bench-tachometer", TODAY)


def accuracy() -> AccuracySetup:
    return accuracy_setup(POLICY, "NW-2", "bench-gauge", "master-16", "bench-tachometer", ROOM, TODAY)


def series(plan: SeriesPlan, error_of: ErrorOf, seconds: int | None = 20) -> list[Reading]:
    """Every reading of a plan; the pen shows what was set."""
    readings = []
    for number, place in enumerate(plan.places()):
        shown = plan.points[place.point]
        error = error_of(shown, place.direction, number)
        at_ms = None if seconds is None else number * seconds * 1000
        readings.append(Reading(place.point, place.direction, place.repeat, shown, round(shown + error), at_ms))
    return readings


def changed(model: Any, **changes: Any) -> Any:
    """A policy's part with other values, as a clinic might have written it; nothing is checked anew."""
    return model.model_copy(update=changes)


def with_method(setup: Any, **changes: Any) -> Any:
    """A setup whose method has other values."""
    return replace(setup, method=changed(setup.method, **changes))
