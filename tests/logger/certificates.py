"""A certificate as a bench would issue one: a pen found out of tolerance, adjusted, and left in it."""

import math
import random
from statistics import fmean, stdev
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from logger.certificate.document import (
    Address,
    Adjustment,
    Body,
    Budget,
    BudgetLine,
    DecisionRule,
    Drift,
    Droop,
    Environment,
    Fit,
    Hysteresis,
    Instrument,
    Method,
    PointResult,
    Private,
    Reading,
    Reference,
    Repeatability,
    Series,
    SinceLast,
    Stage,
    StageName,
    Statement,
    Table,
    Verdict,
    Written,
)
from logger.certificate.sealing import Sealed, private_sha256, seal

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
NUMBER = "C261126-7K3QM4XQ"
POINTS_UM = (250, 500, 750, 1000, 1500, 2000)
RATES_MHZ = (40_000, 80_000, 120_000, 150_000)
POLICY = "5f" * 32


def example(**changed: Any) -> Sealed:
    """The certificate, signed by :data:`KEY`; ``changed`` are fields of its body, or of its private part."""
    parts = {name: changed.pop(name) for name in list(changed) if name in Private.model_fields}
    private = private_part().model_copy(update=parts)
    return seal(body(private).model_copy(update=changed), private, KEY)


def private_part() -> Private:
    return Private(
        salt="00112233445566778899aabbccddeeff",
        laboratory=Address(
            name="Bench of Example Clinic",
            lines=("3 Weaver's Yard", "Exampleton EX1 2AB"),
            contact="bench@clinic.example",
        ),
        customer=Address(
            name="Practice for Skin, Dr. Jane Example",
            lines=("12 Needle Street", "Exampleton EX1 2AB"),
            contact="practice@skin.example",
        ),
        people={"tech-2": "Tim Technician", "head-1": "Hanna Head"},
        condition="Dust at the depth drive; cleaned before the first reading. No damage seen.",
        customer_said=("Dropped once in October, says the practice.",),
        remarks=("Measured in air. Nothing is said about depth in tissue.",),
    )


def body(private: Private) -> Body:
    chance = random.Random(6)
    return Body(
        kind="calibration",
        number=NUMBER,
        site="clinic-1",
        station="bench-1",
        software="needlework 0.1.0",
        series="k3m9x2c7",
        received_on="2026-11-24",
        begun_at="2026-11-26T09:02:11Z",
        ended_at="2026-11-26T10:31:40Z",
        issued_at="2026-11-26T10:35:02Z",
        due_on="2027-11-26",
        instrument=Instrument(model="NW-2", serial="SIM-0042", firmware="sim 2.0", run_s=421_337, strokes=31_004_112),
        references=references(),
        environment=Environment(
            temperature_dc=(218, 224),
            humidity_permille=(410, 430),
            temperature_limits_dc=(170, 270),
            humidity_limits_permille=(200, 800),
        ),
        decision=DecisionRule(
            name="guard band of the expanded uncertainty",
            sentence="A point is in tolerance when its error, plus its expanded uncertainty (k = 2), lies within the "
            "tolerance.",
            source="JCGM 106:2012, 8.3.2; ILAC-G8:09/2019, 4.2.2",
            guard_band_permille=1000,
            statement="graded",
            condition_is_in_order=False,
        ),
        results=(depth_series(chance), rate_series(chance)),
        adjustment=Adjustment(
            before=Table(number=3, shown_um=(), true_um=(), rate_gain_ppm=1_000_000),
            after=Table(number=4, shown_um=(0, 2500), true_um=(92, 2692), rate_gain_ppm=1_012_000),
        ),
        written=Written(depth_gain_ppm=1_001_000, depth_offset_um=-2, depth_uncertainty_um=22, rate_gain_ppm=1_000_400),
        technician="tech-2",
        authorised_by="head-1",
        private_sha256=private_sha256(private),
    )


def references() -> tuple[Reference, ...]:
    dates = {"calibrated_by": "example laboratory", "calibrated_on": "2026-01-12", "due_on": "2027-01-12"}
    return (
        Reference(
            kind="depth_gauge",
            name="Digital indicator with peak hold, 12.7 mm",
            serial="EXAMPLE-G1",
            certificate="EXAMPLE-G1-2026",
            uncertainty="3 µm + 1000 ppm of the reading, k = 2",
            resolution="1 µm",
            **dates,
        ),
        Reference(
            kind="cartridge",
            name="Master cartridge NW-16",
            serial="EXAMPLE-C1",
            certificate="EXAMPLE-C1-2026",
            uncertainty="needle tips within ±10 µm of the nominal",
            **dates,
        ),
        Reference(
            kind="tachometer",
            name="Optical tachometer",
            serial="EXAMPLE-T1",
            certificate="EXAMPLE-T1-2026",
            uncertainty="500 ppm, k = 2",
            resolution="0.1 Hz",
            **dates,
        ),
    )


def depth_series(chance: random.Random) -> Series:
    method = Method(
        id="six-point",
        name="Protrusion beyond the face of a reference cartridge, gauge in peak hold",
        source="own procedure, docs/calibration.md",
        policy_sha256=POLICY,
        directions=("up", "down"),
        repeats=3,
        settle_ms=1500,
        rate_mhz=60_000,
    )
    return Series(
        quantity="depth_nm",
        method=method,
        adjusted=True,
        stages=(
            _depth_stage("as_found", chance, gain=1.04, offset_nm=80_000),
            _depth_stage("as_left", chance, gain=1.001, offset_nm=-1_500),
        ),
    )


def _depth_stage(name: StageName, chance: random.Random, *, gain: float, offset_nm: float) -> Stage:
    points = []
    for point_um in POINTS_UM:
        for direction in ("up", "down"):
            back = 9_000 if direction == "down" else 0
            readings = tuple(
                Reading(
                    direction=direction,
                    repeat=repeat,
                    shown=point_um * 1000,
                    reference=round((point_um * 1000 * gain + offset_nm + back + chance.gauss(0, 3_000)) / 1000) * 1000,
                )
                for repeat in range(3)
            )
            points.append(_point(point_um * 1000, readings, 150_000, 14_620, error_of=lambda true, shown: true - shown))
    found = "2026-11-26T09:" if name == "as_found" else "2026-11-26T10:"
    gain_ppm = round(gain * 1_000_000)
    return Stage(
        stage=name,
        begun_at=f"{found}02:11Z",
        ended_at=f"{found}31:40Z",
        points=tuple(points),
        fit=Fit(
            shape="line",
            gain_ppm=gain_ppm,
            gain_expanded_ppm=3_100,
            offset=round(offset_nm),
            offset_expanded=12_400,
            sentence="Line: it misses no point by more than 4 µm, as repeats scatter.",
        ),
        statement=Statement(
            gain_ppm=gain_ppm, offset=round(offset_nm), expanded=21_400, interval_95=20_100, budget=_budget(5.1, 21_400)
        ),
        hysteresis=Hysteresis(mean=8_800, expanded=2_000, largest=12_000, significant=True),
        repeatability=Repeatability(standard=3_050, degrees=23),
        drift=Drift(per_hour=900, expanded_per_hour=2_700, during_ms=1_769_000, significant=False),
        since_last=SinceLast(
            certificate="C251120-0B8WZTRA", days=371, largest=168_000, per_year=165_000, significant=True
        )
        if name == "as_found"
        else None,
        budget=_budget(1.76, 14_620),
        verdict=_worst(points),
        in_tolerance=_worst(points) == "passed",
    )


def rate_series(chance: random.Random) -> Series:
    method = Method(
        id="four-point",
        name="Needle strokes by an optical tachometer, beside the pen's own sensor",
        source="own procedure, docs/calibration.md",
        policy_sha256=POLICY,
        directions=("up",),
        repeats=3,
        settle_ms=1500,
        depth_um=500,
    )
    points = []
    for rate in RATES_MHZ:
        readings = tuple(
            Reading(
                direction="up",
                repeat=repeat,
                shown=rate - 300,
                reference=round((rate + chance.gauss(900, 40)) / 100) * 100,
            )
            for repeat in range(3)
        )
        points.append(
            _point(
                rate, readings, 50_000, 1_900, error_of=lambda true, shown: round((true - shown) / shown * 1_000_000)
            )
        )
    budget = _budget(0.6, 1_900, unit="ppm")
    stage = Stage(
        stage="as_found",
        begun_at="2026-11-26T09:40:00Z",
        ended_at="2026-11-26T09:52:00Z",
        points=tuple(points),
        fit=None,
        statement=Statement(gain_ppm=1_011_900, offset=0, expanded=4_100, interval_95=3_900, budget=budget),
        hysteresis=None,
        repeatability=Repeatability(standard=320, degrees=8),
        drift=None,
        budget=budget,
        verdict=_worst(points),
        in_tolerance=True,
    )
    droop = tuple(
        Droop(
            load="Felt brake on the cam",
            set_mhz=rate,
            free_mhz=rate + 500,
            loaded_mhz=round(rate * 0.91),
            droop_ppm=94_000,
            expanded_ppm=2_100,
            limit_ppm=200_000,
            verdict="passed",
        )
        for rate in (80_000, 120_000)
    )
    return Series(quantity="rate_mhz", method=method, adjusted=False, stages=(stage,), droop=droop)


def _point(set_to: int, readings: tuple[Reading, ...], tolerance: int, expanded: int, *, error_of: Any) -> PointResult:
    shown, true = round(fmean(each.shown for each in readings)), round(fmean(each.reference for each in readings))
    error = error_of(true, shown)
    guard = -(-expanded // 1000) * 1000 if tolerance > 100_000 else expanded
    size = abs(error)
    verdict: Verdict = (
        "passed"
        if size <= tolerance - guard
        else "passed_on_condition"
        if size <= tolerance
        else "failed_on_condition"
        if size <= tolerance + guard
        else "failed"
    )
    return PointResult(
        set=set_to,
        direction=readings[0].direction,
        readings=readings,
        shown=shown,
        reference=true,
        error=error,
        spread=round(stdev([error_of(each.reference, each.shown) for each in readings])),
        expanded=expanded,
        factor_milli=2000,
        degrees=120,
        tolerance=tolerance,
        acceptance=tolerance - guard,
        conforming_permille=999 if verdict == "passed" else 400,
        verdict=verdict,
    )


def _worst(points: list[PointResult]) -> Verdict:
    order: list[Verdict] = ["passed", "passed_on_condition", "failed_on_condition", "failed"]
    return max((point.verdict for point in points), key=order.index)


def _budget(repeats: float, expanded_milli: int, *, unit: Any = "um") -> Budget:
    """Lines that come to the expanded uncertainty: what is missing is the cartridge's, or the tachometer's."""
    standard = expanded_milli // 2
    repeat_milli, gauge_milli, digit_milli = round(repeats * 1000), round(0.12 * standard), 289
    rest = round(math.sqrt(standard**2 - repeat_milli**2 - gauge_milli**2 - digit_milli**2))
    gauge, rest_name = ("reference gauge", "reference cartridge, needles off the nominal")
    if unit == "ppm":
        gauge, rest_name = ("tachometer", "tachometer, drift since its certificate")

    def line(
        source: str, evaluation: Any, distribution: Any, value: int, divisor: int, part: int, degrees: Any
    ) -> BudgetLine:
        return BudgetLine(
            source=source,
            evaluation=evaluation,
            distribution=distribution,
            value_milli=value,
            divisor_milli=divisor,
            sensitivity_milli=1000,
            standard_milli=part,
            degrees=degrees,
            share_permille=round(1000 * part**2 / standard**2),
        )

    return Budget(
        measurand="error at 2000 µm, approached from one direction" if unit == "um" else "error at any rate",
        unit=unit,
        lines=(
            line("repeatability of the mean", "A", "student", repeat_milli, 1000, repeat_milli, 23),
            line(f"{gauge}, its certificate", "B", "normal", 2 * gauge_milli, 2000, gauge_milli, None),
            line(f"{gauge}, its last digit", "B", "rectangular", 500, 1732, digit_milli, None),
            line(rest_name, "B", "rectangular", round(rest * 1.732), 1732, rest, None),
        ),
        standard_milli=standard,
        degrees=1200,
        factor_milli=2000,
        expanded_milli=2 * standard,
        interval_95_milli=round(1.96 * standard),
    )
