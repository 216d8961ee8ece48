"""What a calibration is done with: method, references and air, put together from the policy and refused if unfit."""

from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from controller.calibration.policy import (
    AccuracyMethod,
    CalibrationPolicy,
    DecisionRule,
    DepthMethod,
    EnvironmentLimits,
    ModelPolicy,
    RateMethod,
)
from controller.calibration.references import (
    DepthGauge,
    KnownLoad,
    ReferenceCartridge,
    ReferenceStandard,
    Tachometer,
    Thermometer,
    held_valid,
)
from controller.datafile import nearest
from controller.errors import ControlRefused
from controller.units import format_mm

Standard = TypeVar("Standard", bound=ReferenceStandard)


@dataclass(frozen=True, slots=True)
class Environment:
    """The air at the bench: temperature in 0.1 °C, relative humidity in ‰."""

    temperature_dc: int
    humidity_permille: int


@dataclass(frozen=True, slots=True)
class DepthSetup:
    """Everything a depth calibration needs beside its readings. ``shown_step_um``: the step of what the pen shows.

    ``thermometer`` is None where the air is read from one without a certificate.
    """

    method: DepthMethod
    rule: DecisionRule
    gauge: DepthGauge
    cartridge: ReferenceCartridge
    environment: Environment
    thermometer: Thermometer | None
    shown_step_um: int = 1


@dataclass(frozen=True, slots=True)
class RateSetup:
    """Everything a rate calibration needs beside its readings. ``load`` is None where the method knows none."""

    method: RateMethod
    rule: DecisionRule
    tachometer: Tachometer
    load: KnownLoad | None
    shown_step_mhz: int = 1


@dataclass(frozen=True, slots=True)
class AccuracySetup:
    """Everything the accuracy test needs beside its readings."""

    method: AccuracyMethod
    rule: DecisionRule
    gauge: DepthGauge
    cartridge: ReferenceCartridge
    tachometer: Tachometer
    environment: Environment
    thermometer: Thermometer | None


def model_policy(policy: CalibrationPolicy, model: str) -> ModelPolicy:
    """What the policy says of a pen model. Raises ControlRefused where it says nothing."""
    try:
        return policy.models[model]
    except KeyError:
        raise ControlRefused(
            "no_policy_for_model",
            f"The calibration policy says nothing of the pen model {model!r}. {nearest(model, list(policy.models))} "
            "Without methods and tolerances of its own a pen is not calibrated. Add it under models. Nothing changed.",
        ) from None


def depth_setup(
    policy: CalibrationPolicy, model: str, gauge: str, cartridge: str, environment: Environment, today: date,
    shown_step_um: int = 1,
) -> DepthSetup:  # fmt: skip
    """The setup for a depth calibration of a model. Raises ControlRefused: unknown or expired reference, unfit air."""
    method = policy.depth_methods[model_policy(policy, model).depth_method]
    used_gauge = _valid("depth gauge", policy.depth_gauges, gauge, today)
    used_cartridge = _long_enough(_valid("reference cartridge", policy.reference_cartridges, cartridge, today),
                                  method.points_um[-1] + method.approach_um)  # fmt: skip
    held_fit(environment, policy.environment)
    thermometer = _thermometer(policy.environment, today)
    return DepthSetup(method, policy.decision, used_gauge, used_cartridge, environment, thermometer, shown_step_um)


def rate_setup(
    policy: CalibrationPolicy, model: str, tachometer: str, today: date, shown_step_mhz: int = 1
) -> RateSetup:
    """The setup for a rate calibration of a model. Raises ControlRefused as :func:`depth_setup`."""
    method = policy.rate_methods[model_policy(policy, model).rate_method]
    load = None if method.load is None else _valid("known load", policy.loads, method.load, today)
    used = _valid("tachometer", policy.tachometers, tachometer, today)
    return RateSetup(method, policy.decision, used, load, shown_step_mhz)


def accuracy_setup(
    policy: CalibrationPolicy, model: str, gauge: str, cartridge: str, tachometer: str, environment: Environment,
    today: date,
) -> AccuracySetup:  # fmt: skip
    """The setup for the accuracy test of a model. Raises ControlRefused as :func:`depth_setup`."""
    method = policy.accuracy_methods[model_policy(policy, model).accuracy_method]
    used_cartridge = _valid("reference cartridge", policy.reference_cartridges, cartridge, today)
    held_fit(environment, policy.environment)
    return AccuracySetup(
        method,
        policy.decision,
        _valid("depth gauge", policy.depth_gauges, gauge, today),
        _long_enough(used_cartridge, method.depth_points_um[-1]),
        _valid("tachometer", policy.tachometers, tachometer, today),
        environment,
        _thermometer(policy.environment, today),
    )


def held_fit(environment: Environment, limits: EnvironmentLimits) -> None:
    """Raises ControlRefused where the air is outside the limits."""
    temperature_c, humidity_percent = environment.temperature_dc / 10, environment.humidity_permille / 10
    if not limits.temperature_min_c <= temperature_c <= limits.temperature_max_c:
        raise ControlRefused(
            "environment",
            f"It is {temperature_c:.1f} °C at the bench; a calibration is done at {limits.temperature_min_c} to "
            f"{limits.temperature_max_c} °C. Let room, pen and gauge come to it, an hour side by side. Nothing was "
            "measured.",
        )
    if not limits.humidity_min_percent <= humidity_percent <= limits.humidity_max_percent:
        raise ControlRefused(
            "environment",
            f"The relative humidity is {humidity_percent:.1f} %; a calibration is done at "
            f"{limits.humidity_min_percent} to {limits.humidity_max_percent} %. Wait for it to settle. "
            "Nothing was measured.",
        )


def _valid(what: str, known: dict[str, Standard], name: str, today: date) -> Standard:
    if name not in known:
        raise ControlRefused(
            "reference_unknown",
            f"The calibration policy lists no {what} {name!r}. {nearest(name, list(known))} What is not listed with "
            "its certificate is traceable to nothing. Nothing was measured.",
        )
    held_valid(what, known[name], today)
    return known[name]


def _thermometer(limits: EnvironmentLimits, today: date) -> Thermometer | None:
    if limits.thermometer is not None:
        held_valid("thermometer", limits.thermometer, today)
    return limits.thermometer


def _long_enough(cartridge: ReferenceCartridge, deepest_um: int) -> ReferenceCartridge:
    if cartridge.needle_length_um < deepest_um:
        raise ControlRefused(
            "cartridge_too_short",
            f"The method goes to {format_mm(deepest_um)} and the needles of {cartridge.name} are "
            f"{format_mm(cartridge.needle_length_um)} long: they would not reach. Take a longer one. Nothing was "
            "measured.",
        )
    return cartridge
