"""A bench's work on a pen that is not there: readings of a planted untruth, calibrated and put into a certificate."""

import random
from collections.abc import Callable
from datetime import date
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from controller.calibration.accuracy import judge_accuracy
from controller.calibration.adjustment import IDENTITY, adjustment_for
from controller.calibration.depth import calibrate_depth
from controller.calibration.policy import load_policy
from controller.calibration.rate import calibrate_rate
from controller.calibration.readings import (
    Reading,
    SeriesPlan,
    accuracy_depth_plan,
    accuracy_rate_plan,
    depth_plan,
    load_plan,
    rate_plan,
)
from controller.calibration.setup import Environment, accuracy_setup, depth_setup, rate_setup
from controller.service_events import CertificateKind
from logger.certificate.document import Address, Adjustment, Instrument, Series, Written
from logger.certificate.folder import CertificateFolder
from station.bench.accuracy_results import AccuracyMeasured, accuracy_series
from station.bench.certificate_parts import Named
from station.bench.certifying import Issued, Parties, Work, draw_number, issue
from station.bench.results import DepthMeasured, RateMeasured, depth_series, rate_series
from station.bench.standards import decision_of, environment_of, policy_sha256, references_of, table_of

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
TODAY = date(2026, 11, 26)
POLICY = load_policy()
AIR = (Environment(218, 410), Environment(224, 430))
NAMED = Named("six-point", policy_sha256())
PARTIES = Parties(
    laboratory=Address(
        name="Bench of Example Clinic", lines=("3 Weaver's Yard", "Exampleton EX1 2AB"), contact="bench@clinic.example"
    ),
    customer=Address(
        name="Practice for Skin, Dr. Jane Example",
        lines=("12 Needle Street", "Exampleton EX1 2AB"),
        contact="practice@skin.example",
    ),
    people={"tech-2": "Tim Technician", "head-1": "Hanna Head"},
    received_on="2026-11-24",
    due_on="2027-11-26",
    condition="Dust at the depth drive; cleaned before the first reading. No damage seen.",
    customer_said=("Dropped once in October, says the practice.",),
)


def read_through(plan: SeriesPlan, true_of: Callable[[int, str], float], noise: float, seed: int) -> list[Reading]:
    """Readings of a pen that shows what is set, and whose truth is another."""
    chance = random.Random(seed)
    return [
        Reading(
            place.point,
            place.direction,
            place.repeat,
            shown=plan.points[place.point],
            reference=round(true_of(plan.points[place.point], place.direction) + chance.gauss(0, noise)),
            at_ms=20_000 * number if len(plan.directions) == 2 and plan.quantity == "depth_um" else None,
        )
        for number, place in enumerate(plan.places())
    ]


def depth_results(*, gain: float = 1.04, offset_um: float = 80, bend_um: float = 0) -> Series:
    """Depth found with that untruth, and left with next to none."""
    setup = depth_setup(POLICY, "NW-2", "bench-gauge", "master-16", AIR[0], TODAY)

    def true_of(scale: float, stretch: float, off: float) -> Callable[[int, str], float]:
        return lambda shown, direction: (
            shown * stretch + off + scale * (shown / 1000 - 1) ** 2 + (9 if direction == "down" else 0)
        )

    stages = []
    for minute, untruth in (("09:02", true_of(bend_um, gain, offset_um)), ("10:02", true_of(0, 1.001, -1.5))):
        readings = read_through(depth_plan(setup.method), untruth, 3, seed=int(minute[:2]))
        result = calibrate_depth(readings, setup)
        stages.append(DepthMeasured(result, readings, f"2026-11-26T{minute}:11Z", f"2026-11-26T{minute[:2]}:31:40Z"))
    return depth_series(stages[0], stages[1], setup, NAMED)


def rate_results() -> Series:
    """Rate, found 1 % off and left so, and droop."""
    setup = rate_setup(POLICY, "NW-2", "bench-tachometer", TODAY)
    readings = read_through(rate_plan(setup.method), lambda shown, _: shown * 1.01, 60, seed=3)
    loaded = read_through(load_plan(setup.method), lambda shown, _: shown * 0.9, 60, seed=4)
    result = calibrate_rate(readings, setup, loaded)
    measured = RateMeasured(result, readings, "2026-11-26T09:40:00Z", "2026-11-26T09:52:00Z")
    return rate_series(measured, None, setup, Named("four-point", NAMED.policy_sha256))


def accuracy_results(*, offset_um: float = 20) -> tuple[Series, ...]:
    """An accuracy test of a pen that is that much off."""
    setup = accuracy_setup(POLICY, "NW-2", "bench-gauge", "master-16", "bench-tachometer", AIR[0], TODAY)
    depths = read_through(accuracy_depth_plan(setup.method), lambda put, _: put + offset_um, 4, seed=5)
    rates = read_through(accuracy_rate_plan(setup.method), lambda put, _: put * 0.99, 90, seed=6)
    judged = judge_accuracy(depths, rates, setup)
    measured = AccuracyMeasured(judged, depths, rates, "2026-11-26T09:02:11Z", "2026-11-26T09:40:00Z")
    return accuracy_series(measured, setup, Named("default", NAMED.policy_sha256))


def work(kind: CertificateKind, number: str, results: tuple[Series, ...]) -> Work:
    """What was done, around those results."""
    adjusted = any(series.adjusted for series in results)
    setups = (
        depth_setup(POLICY, "NW-2", "bench-gauge", "master-16", AIR[0], TODAY),
        rate_setup(POLICY, "NW-2", "bench-tachometer", TODAY),
    )
    return Work(
        kind=kind,
        number=number,
        series="k3m9x2c7",
        site="clinic-1",
        station="bench-1",
        software="needlework 0.1.0",
        instrument=Instrument(
            model="NW-2", serial="SIM-0042", firmware="sim 2.0", run_s=421_337, strokes=31_004_112, shocks=1
        ),
        technician="tech-2",
        authorised_by="head-1",
        begun_at="2026-11-26T09:02:11Z",
        ended_at="2026-11-26T10:31:40Z",
        references=references_of(*setups),
        environment=environment_of(AIR, POLICY.environment),
        decision=decision_of(POLICY.decision),
        results=results,
        adjustment=_adjustment() if adjusted else None,
        written=Written(depth_gain_ppm=1_001_000, depth_offset_um=-2, depth_uncertainty_um=22, rate_gain_ppm=1_010_000)
        if adjusted
        else None,
    )


def _adjustment() -> Adjustment:
    setup = depth_setup(POLICY, "NW-2", "bench-gauge", "master-16", AIR[0], TODAY)
    readings = read_through(depth_plan(setup.method), lambda shown, _: shown * 1.04 + 80, 3, seed=9)
    after = adjustment_for(calibrate_depth(readings, setup), None, IDENTITY)
    return Adjustment(before=table_of(3, IDENTITY), after=table_of(4, after))


def issued(folder: Path, kind: CertificateKind = "calibration", results: tuple[Series, ...] | None = None) -> Issued:
    """A certificate in a folder, as a bench issues it."""
    kept = CertificateFolder(folder)
    number = draw_number(kept, kind, TODAY)
    given = results if results is not None else (depth_results(), rate_results())
    return issue(work(kind, number, given), PARTIES, issued_at="2026-11-26T10:35:02Z", key=KEY, folder=kept)
