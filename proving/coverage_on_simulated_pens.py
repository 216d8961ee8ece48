"""The same question as :mod:`proving.coverage_of_calibration`, asked of a simulated pen over the wire.

Here nothing of the budgets' model is assumed: firmware, depth drive, play, sensor noise and whole micrometres are the
simulator's own, and the adjustment table is written to the pen and read back. Slower, so fewer seeds in every test run.
"""

from collections.abc import Iterator
from random import Random

from controller.calibration.adjustment import IDENTITY, adjustment_for
from controller.calibration.depth import calibrate_depth
from controller.calibration.policy import CalibrationPolicy
from controller.calibration.readings import depth_plan
from controller.calibration.setup import depth_setup
from controller.calibration.uncertainty import Budget
from controller.service_events import Direction
from proving.coverage_of_calibration import ROOM, TODAY
from proving.simulated_bench import SimulatedBench
from proving.untrue import PPM, depth_reference
from simulators.untruth import Untruth

SETTLE_MS = 400
"""Twice what the needles need for their whole way: the method's longer wait is for people and gauges."""


def depth_of_a_simulated_pen(policy: CalibrationPolicy, model: str, random: Random) -> Iterator[tuple[str, bool, bool]]:
    """As found, adjusted, as left, and then one setting somewhere."""
    gauge, cartridge = next(iter(policy.depth_gauges)), next(iter(policy.reference_cartridges))
    setup = depth_setup(policy, model, gauge, cartridge, ROOM, TODAY)
    method, plan = setup.method, depth_plan(setup.method)
    untruth = Untruth(
        gain_ppm=random.randint(950_000, 1_050_000),
        offset_um=random.uniform(-80, 80),
        hysteresis_um=random.uniform(0, 30),
        noise_um=random.uniform(4, 12),
        drift_um_per_h=random.uniform(-60, 60),
    )
    bench = SimulatedBench(model, untruth, TODAY, random)
    reference = depth_reference(random, setup.cartridge, setup)
    readings = bench.depths(plan, method.rate_mhz, SETTLE_MS, reference.read_um)
    found = calibrate_depth(readings, setup)
    hours = bench.pen.lived_ms / 3_600_000 / 2
    row = random.choice(found.rows)
    half_um = untruth.hysteresis_um / 2 * (1 if row.direction == "down" else -1)
    true_um = untruth.gain_ppm / PPM * row.shown_um + untruth.offset_um + half_um + untruth.drift_um_per_h * hours
    yield ("error at a point", *_holds_in(abs(true_um - row.shown_um - row.error_um), row.budget))
    off_ppm = abs(untruth.gain_ppm - found.fit.gain_ppm)
    yield "gain of the line", off_ppm <= found.fit.gain_interval_95_ppm, off_ppm <= found.fit.gain_expanded_ppm
    if found.hysteresis is not None:
        off_nm = abs(untruth.hysteresis_um * 1000 - found.hysteresis.mean_nm)
        yield "hysteresis", off_nm <= found.hysteresis.interval_95_nm, off_nm <= found.hysteresis.expanded_nm
    bench.write(adjustment_for(found, None, IDENTITY))
    as_left = calibrate_depth(bench.depths(plan, method.rate_mhz, SETTLE_MS, reference.read_um), setup)
    set_um = random.randint(plan.points[0], plan.points[-1]) // 50 * 50
    way: Direction = random.choice(("up", "down"))
    bench.begin()
    bench.go(set_um + (-method.approach_um if way == "up" else method.approach_um), method.rate_mhz, SETTLE_MS)
    bench.go(set_um, method.rate_mhz, SETTLE_MS)
    true_um = bench.pen.truth.protrusion_um + random.gauss(0, reference.beginnings_um)  # the cartridge put in anew
    bench.end()
    left = as_left.left
    off_um = abs(true_um - left.gain_ppm / PPM * set_um - left.offset_um)  # of what was set: a limit holds no other
    yield ("one setting, as left", *_holds_in(off_um, left.budget))


def _holds_in(off: float, known: Budget) -> tuple[bool, bool]:
    return off * 1000 <= known.interval_95_milli, off * 1000 <= known.expanded_milli
