"""What a certificate says of references, air, rule and table: the policy's words in the document's form. Pure."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from controller.calibration import policy, references
from controller.calibration.adjustment import Adjustment
from controller.calibration.setup import AccuracySetup, DepthSetup, RateSetup
from controller.calibration.setup import Environment as Air
from controller.datafile import read_data
from logger.certificate import document as paper


def references_of(*setups: DepthSetup | RateSetup | AccuracySetup) -> tuple[paper.Reference, ...]:
    """Every reference that was measured with, each once."""
    found: list[paper.Reference] = []
    for setup in setups:
        if not isinstance(setup, RateSetup):
            found += [_gauge(setup.gauge), _cartridge(setup.cartridge)]
            found += [] if setup.thermometer is None else [_thermometer(setup.thermometer)]
        if not isinstance(setup, DepthSetup):
            found.append(_tachometer(setup.tachometer))
        if isinstance(setup, RateSetup) and setup.load is not None:
            found.append(_load(setup.load))
    return tuple(dict.fromkeys(found))


def _reference(
    kind: paper.ReferenceKind, of: references.ReferenceStandard, uncertainty: str, resolution: str = ""
) -> paper.Reference:
    return paper.Reference(
        kind=kind,
        name=of.name,
        serial=of.serial,
        certificate=of.certificate,
        calibrated_by=of.calibrated_by,
        calibrated_on=of.calibrated_on.isoformat(),
        due_on=of.due_on.isoformat(),
        uncertainty=uncertainty,
        resolution=resolution,
    )


def _gauge(gauge: references.DepthGauge) -> paper.Reference:
    part = f" + {_percent(gauge.expanded_ppm)} of the reading" if gauge.expanded_ppm else ""
    known = f"{gauge.expanded_nm / 1000:g} µm{part}, k = 2"
    return _reference("depth_gauge", gauge, known, f"{gauge.resolution_nm / 1000:g} µm")


def _cartridge(cartridge: references.ReferenceCartridge) -> paper.Reference:
    known = (
        f"needles within ±{cartridge.tolerance_um} µm of the nominal; model {cartridge.model}, lot {cartridge.lot}, "
        f"{cartridge.needle_length_um / 1000:g} mm"
    )
    return _reference("cartridge", cartridge, known)


def _tachometer(tachometer: references.Tachometer) -> paper.Reference:
    known = f"{_percent(tachometer.expanded_ppm)} of the reading, k = 2"
    return _reference("tachometer", tachometer, known, f"{tachometer.resolution_mhz / 1000:g} Hz")


def _thermometer(thermometer: references.Thermometer) -> paper.Reference:
    humidity = thermometer.expanded_permille
    told = "; humidity for information" if humidity is None else f"; {humidity / 10:g} % relative humidity, k = 2"
    return _reference("thermometer", thermometer, f"{thermometer.expanded_mk / 1000:g} K, k = 2{told}")


def _load(load: references.KnownLoad) -> paper.Reference:
    return _reference("load", load, f"{load.torque_unm / 1000:g} mN·m, known to {_percent(load.expanded_ppm)}, k = 2")


def _percent(ppm: int) -> str:
    return f"{ppm / 10_000:g} %"


def environment_of(measured: Sequence[Air], limits: policy.EnvironmentLimits) -> paper.Environment:
    """The air over all of the work: least and greatest of what was measured; nothing measured is None."""
    temperatures = [air.temperature_dc for air in measured]
    humidities = [air.humidity_permille for air in measured]
    return paper.Environment(
        temperature_dc=(min(temperatures), max(temperatures)) if measured else None,
        humidity_permille=(min(humidities), max(humidities)) if measured else None,
        temperature_limits_dc=(limits.temperature_min_c * 10, limits.temperature_max_c * 10),
        humidity_limits_permille=(limits.humidity_min_percent * 10, limits.humidity_max_percent * 10),
    )


def decision_of(rule: policy.DecisionRule) -> paper.DecisionRule:
    """The decision rule."""
    return paper.DecisionRule(
        name=rule.name,
        sentence=rule.sentence,
        source=rule.source,
        guard_band_permille=rule.guard_band_permille,
        statement=rule.statement,
        condition_is_in_order=rule.condition_is_in_order,
    )


def policy_sha256(path: Path | None = None) -> str:
    """The SHA-256 of the calibration policy's file, or of the example shipped: which edition a method is of."""
    return sha256(read_data(path, "calibration.yaml")[1]).hexdigest()


def table_of(number: int, table: Adjustment) -> paper.Table:
    """An adjustment table as the pen holds it, under its number there."""
    return paper.Table(number=number, shown_um=table.shown_um, true_um=table.true_um, rate_gain_ppm=table.rate_gain_ppm)
