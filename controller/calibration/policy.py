"""What a clinic's bench goes by: methods, tolerances, decision rule, intervals, references, limits. Data, with sources.

No point, tolerance, interval, load or version stands in code: a clinic replaces the file. What a file does not say is
refused and never assumed: a pen model without an entry cannot be calibrated, a reference that is not listed not used.
"""

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from controller.calibration.references import DepthGauge, KnownLoad, ReferenceCartridge, Tachometer, Thermometer
from controller.datafile import DataModel, FromHz, FromMm, FromS, Id, Misplaced, Words, load_data, nearest
from controller.service_events import Direction
from firmware_bridge.wire.service_operations import SERVICE_LEASE_MAX_MS, SERVICE_LEASE_MIN_MS

Permille = Annotated[int, Field(ge=0, le=1000)]


def _rising(values: tuple[int, ...], where: str) -> None:
    for position, (low, high) in enumerate(pairwise(values)):
        if high <= low:
            raise Misplaced("points rise, each beyond the one before", where, position + 1)


class Beginning(DataModel):
    """How far apart true depth comes out when everything is begun anew: cartridge taken out and put in, pen switched
    off and on, motor started. ``standard_nm``: the standard deviation of that, with its ``degrees`` of freedom, from a
    study of the model (``source``), since one series is read with one seating.
    """

    standard_nm: int = Field(ge=1)
    degrees: int = Field(ge=4, le=10_000)
    source: Words


class DepthMethod(DataModel):
    """How depth is calibrated: every point ``repeats`` times from each direction, motor turning at ``rate_mhz``.

    Before the first point of each way the pen is driven ``approach_um`` beyond it, so that this point, too, is come to
    from the side its direction says; more than any play in the mechanism.
    ``tolerance_um``: greatest error, true minus shown, of a pen in order. ``absurd_um``: a reading farther from what
    the pen shows is a mistake in reading. A straight line is given up for pieces when its lack of fit is significant
    at ``bend_significance_permille`` *and* it misses a point by more than ``bend_matters_um``. ``alignment_mrad``:
    greatest angle between gauge and needles; ``expansion_ppb_per_k``: of the needles beside the gauge, per kelvin off
    20 °C. ``beginning``: what one seating and one start of the pen is beside another.
    """

    name: Words
    source: Words
    points_um: tuple[FromMm, ...] = Field(alias="points_mm", min_length=3, max_length=16)
    directions: tuple[Direction, ...] = Field(min_length=1, max_length=2)
    repeats: int = Field(ge=2, le=30)
    rate_mhz: FromHz = Field(alias="rate_hz", gt=0)
    settle_ms: FromS = Field(alias="settle_s")
    approach_um: FromMm = Field(alias="approach_mm")
    tolerance_um: FromMm = Field(alias="tolerance_mm", gt=0)
    absurd_um: FromMm = Field(alias="absurd_mm", gt=0)
    bend_significance_permille: Annotated[int, Field(ge=1, le=100)]
    bend_matters_um: int = Field(ge=1)
    alignment_mrad: int = Field(ge=0, le=200)
    expansion_ppb_per_k: int = Field(ge=0, le=100_000)
    beginning: Beginning

    @model_validator(mode="after")
    def _sound(self) -> Self:
        _rising(self.points_um, "points_mm")
        if len(set(self.directions)) != len(self.directions):
            raise Misplaced("each direction stands once", "directions")
        if self.absurd_um <= self.tolerance_um:
            raise Misplaced(
                "an absurd error is more than the tolerance, or no pen could be found out of it", "absurd_mm"
            )
        return self


class RateMethod(DataModel):
    """How rate is calibrated, off skin at ``depth_um``. ``tolerance_ppm``: greatest error, (true - shown) / shown.

    ``load`` names the known load that droop is measured under, at ``load_points_mhz``; ``droop_max_ppm`` is how much
    slower the pen may turn under it, as a fraction of its rate without. No load, no droop.
    """

    name: Words
    source: Words
    points_mhz: tuple[FromHz, ...] = Field(alias="points_hz", min_length=2, max_length=16)
    directions: tuple[Direction, ...] = Field(min_length=1, max_length=2)
    repeats: int = Field(ge=2, le=30)
    depth_um: FromMm = Field(alias="depth_mm")
    settle_ms: FromS = Field(alias="settle_s")
    tolerance_ppm: int = Field(ge=1, le=500_000)
    absurd_ppm: int = Field(ge=1, le=1_000_000)
    bend_significance_permille: Annotated[int, Field(ge=1, le=100)]
    bend_matters_ppm: int = Field(ge=1)
    load: Id | None = None
    load_points_mhz: tuple[FromHz, ...] = Field(alias="load_points_hz", default=())
    droop_max_ppm: int | None = Field(default=None, ge=1, le=1_000_000)

    @model_validator(mode="after")
    def _sound(self) -> Self:
        _rising(self.points_mhz, "points_hz")
        _rising(self.load_points_mhz, "load_points_hz")
        if self.points_mhz[0] <= 0:
            raise Misplaced("a rate of 0 Hz has no error in ppm", "points_hz", 0)
        if len(set(self.directions)) != len(self.directions):
            raise Misplaced("each direction stands once", "directions")
        if self.absurd_ppm <= self.tolerance_ppm:
            raise Misplaced("an absurd error is more than the tolerance", "absurd_ppm")
        if len({self.load is None, self.droop_max_ppm is None, not self.load_points_mhz}) != 1:
            raise Misplaced("load, load_points_hz and droop_max_ppm belong together: all three or none", "load")
        for position, point in enumerate(self.load_points_mhz):
            if point not in self.points_mhz:
                raise Misplaced("droop is told against the same rate without load: one of points_hz", "load_points_hz",
                                position)  # fmt: skip
        return self


class AccuracyMethod(DataModel):
    """The accuracy test of 21 CFR 878.4430(b)(2)(i): depth and rate, set against measured, ``repeats`` times each.

    ``approach_um`` and ``beginning`` as in :class:`DepthMethod`: every depth is come to from shallower, as in a
    treatment that begins.
    """

    name: Words
    source: Words
    depth_points_um: tuple[FromMm, ...] = Field(alias="depth_points_mm", min_length=1, max_length=16)
    rate_points_mhz: tuple[FromHz, ...] = Field(alias="rate_points_hz", min_length=1, max_length=16)
    repeats: int = Field(ge=3, le=100)
    rate_mhz: FromHz = Field(alias="rate_hz", gt=0)
    depth_um: FromMm = Field(alias="depth_mm")
    settle_ms: FromS = Field(alias="settle_s")
    approach_um: FromMm = Field(alias="approach_mm")
    depth_tolerance_um: FromMm = Field(alias="depth_tolerance_mm", gt=0)
    rate_tolerance_ppm: int = Field(ge=1, le=500_000)
    absurd_um: FromMm = Field(alias="absurd_mm", gt=0)
    absurd_ppm: int = Field(ge=1, le=1_000_000)
    alignment_mrad: int = Field(ge=0, le=200)
    expansion_ppb_per_k: int = Field(ge=0, le=100_000)
    beginning: Beginning

    @model_validator(mode="after")
    def _sound(self) -> Self:
        _rising(self.depth_points_um, "depth_points_mm")
        _rising(self.rate_points_mhz, "rate_points_hz")
        if self.rate_points_mhz[0] <= 0:
            raise Misplaced("a rate of 0 Hz has no error in ppm", "rate_points_hz", 0)
        if self.absurd_um <= self.depth_tolerance_um:
            raise Misplaced("an absurd error is more than the tolerance", "absurd_mm")
        if self.absurd_ppm <= self.rate_tolerance_ppm:
            raise Misplaced("an absurd error is more than the tolerance", "absurd_ppm")
        return self


class DecisionRule(DataModel):
    """How a measured error and its uncertainty become a verdict (ISO/IEC 17025:2017, 7.8.6; JCGM 106:2012).

    ``guard_band_permille``: acceptance limit = tolerance - that share of the expanded uncertainty; 0 is simple
    acceptance, 1000 a guard band of the whole. ``statement`` *binary* says passed or failed; *graded* says of an error
    between acceptance limit and tolerance that it passed on condition, and of one beyond it by less than the guard
    band that it failed on condition. On condition is in order only where ``condition_is_in_order``.
    ``student_below_degrees``: with fewer effective degrees of freedom, Student's factor stands for k = 2.
    """

    name: Words
    sentence: Words
    source: Words
    guard_band_permille: int = Field(ge=0, le=3000)
    statement: Literal["binary", "graded"]
    condition_is_in_order: bool = False
    student_below_degrees: int = Field(ge=10, le=1000)


class DueRule(DataModel):
    """When a pen is due again: whichever comes first; None asks for none. No arming after due plus ``grace_days``."""

    interval_days: int | None = Field(ge=1, le=3660)
    notice_days: int = Field(ge=0, le=365)
    grace_days: int = Field(ge=0, le=90)
    run_hours: int | None = Field(ge=1)
    strokes: int | None = Field(ge=1)
    shocks: int | None = Field(ge=1)


class EnvironmentLimits(DataModel):
    """In what air a calibration may be done. °C and % relative humidity, ends included.

    ``thermometer`` is what the air is read from; without one of its own certificate it is told for information.
    """

    temperature_min_c: int = Field(ge=-20, le=60)
    temperature_max_c: int = Field(ge=-20, le=60)
    humidity_min_percent: int = Field(ge=0, le=100)
    humidity_max_percent: int = Field(ge=0, le=100)
    thermometer: Thermometer | None = None

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.temperature_min_c >= self.temperature_max_c:
            raise Misplaced("the greatest temperature is more than the least", "temperature_max_c")
        if self.humidity_min_percent >= self.humidity_max_percent:
            raise Misplaced("the greatest humidity is more than the least", "humidity_max_percent")
        return self


class ServiceLimits(DataModel):
    """What service mode may do, and for how long it may be left alone.

    ``lease_ms``: how long one lease lasts; ``idle_time_out_ms``: how long nobody may ask anything. ``off_skin_ms``: how
    long the pen's sensor must have said *off skin* without a break before a lease is asked for. ``follow_ms``: how long
    a pen may take to begin a move, ``settle_ms`` how long it then has before its readings count, where no method says.
    ``depth_slack_um``, ``rate_slack_percent``: how far over the ceilings it may measure before it is stopped.
    """

    depth_ceiling_um: FromMm = Field(alias="depth_ceiling_mm", gt=0)
    rate_ceiling_mhz: FromHz = Field(alias="rate_ceiling_hz", gt=0)
    idle_time_out_ms: FromS = Field(alias="idle_time_out_s", gt=0)
    lease_ms: FromS = Field(alias="lease_s", ge=SERVICE_LEASE_MIN_MS, le=SERVICE_LEASE_MAX_MS)
    off_skin_ms: FromS = Field(alias="off_skin_s", gt=0)
    follow_ms: FromS = Field(alias="follow_s", gt=0)
    settle_ms: FromS = Field(alias="settle_s")
    depth_slack_um: FromMm = Field(alias="depth_slack_mm")
    rate_slack_percent: int = Field(ge=0, le=100)


class SelfTestLimits(DataModel):
    """What the parts of a self-test are held to."""

    retract_at_most_ms: int = Field(ge=1)
    end_stop_within_um: FromMm = Field(alias="end_stop_within_mm", gt=0)
    encoder_within_ppm: int = Field(ge=1, le=1_000_000)
    motor_current_at_least_ma: int = Field(ge=0)
    motor_current_at_most_ma: int = Field(ge=1)
    battery_at_least_permille: Permille
    battery_sag_at_most_mv: int = Field(ge=1)
    battery_resistance_at_most_mohm: int = Field(ge=1)
    dead_man_slack_ms: int = Field(ge=0, le=500)
    press_within_ms: FromS = Field(alias="press_within_s", gt=0)

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.motor_current_at_least_ma >= self.motor_current_at_most_ma:
            raise Misplaced("the greatest current is more than the least", "motor_current_at_most_ma")
        return self


class ModelPolicy(DataModel):
    """Of one pen model: its methods, when it is due, its parts, and the firmware it may run."""

    depth_method: Id
    rate_method: Id
    accuracy_method: Id
    due: Id
    parts: tuple[Id, ...] = Field(min_length=1)
    firmware: tuple[Words, ...] = Field(min_length=1)


class CalibrationPolicy(DataModel):
    """Everything a clinic's bench goes by."""

    format: Literal["needlework-calibration/1"]
    decision: DecisionRule
    depth_methods: dict[Id, DepthMethod]
    rate_methods: dict[Id, RateMethod]
    accuracy_methods: dict[Id, AccuracyMethod]
    due: dict[Id, DueRule]
    environment: EnvironmentLimits
    service: ServiceLimits
    self_test: SelfTestLimits
    depth_gauges: dict[Id, DepthGauge]
    tachometers: dict[Id, Tachometer]
    loads: dict[Id, KnownLoad]
    reference_cartridges: dict[Id, ReferenceCartridge]
    parts: dict[Id, Words]
    models: dict[str, ModelPolicy]

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        for name, rate_method in self.rate_methods.items():
            if rate_method.load is not None and rate_method.load not in self.loads:
                raise _unknown("load", rate_method.load, list(self.loads), "rate_methods", name, "load")
        for name, model in self.models.items():
            for key, known in (
                ("depth_method", list(self.depth_methods)),
                ("rate_method", list(self.rate_methods)),
                ("accuracy_method", list(self.accuracy_methods)),
                ("due", list(self.due)),
            ):
                if getattr(model, key) not in known:
                    raise _unknown(key, getattr(model, key), known, "models", name, key)
            for position, part in enumerate(model.parts):
                if part not in self.parts:
                    raise _unknown("part", part, list(self.parts), "models", name, "parts", position)
        return self

    @model_validator(mode="after")
    def _points_are_within_service(self) -> Self:
        for name, depth in self.depth_methods.items():
            if (
                depth.points_um[-1] + depth.approach_um > self.service.depth_ceiling_um
                or depth.rate_mhz > self.service.rate_ceiling_mhz
            ):
                raise Misplaced("service mode goes neither that deep nor that fast", "depth_methods", name)
        for name, rate in self.rate_methods.items():
            if rate.points_mhz[-1] > self.service.rate_ceiling_mhz or rate.depth_um > self.service.depth_ceiling_um:
                raise Misplaced("service mode goes neither that deep nor that fast", "rate_methods", name)
        for name, accuracy in self.accuracy_methods.items():
            depth_um = max(accuracy.depth_points_um[-1], accuracy.depth_um)
            rate_mhz = max(accuracy.rate_points_mhz[-1], accuracy.rate_mhz)
            if depth_um > self.service.depth_ceiling_um or rate_mhz > self.service.rate_ceiling_mhz:
                raise Misplaced("service mode goes neither that deep nor that fast", "accuracy_methods", name)
        return self


def _unknown(what: str, name: str, known: list[str], *at: str | int) -> Misplaced:
    return Misplaced(f"there is no {what} {name!r} here. {nearest(name, known)}", *at)


def load_policy(path: Path | None = None) -> CalibrationPolicy:
    """The calibration policy in a file, or the example shipped. Raises DataError naming file, line and reason."""
    return load_data(CalibrationPolicy, path, "calibration.yaml")
