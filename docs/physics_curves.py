"""What the pictures of ``docs/simulator.md`` show: points that the simulated parts came to, lines of the closed form.

The lines are the solutions of the equations on that page, written here once more; ``tests/simulators`` derives them a
third time and holds the parts to them. Nothing here draws.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from math import erf, exp, log, sqrt, tau
from random import Random

from physics_series import SLOW_STEP_S, STEP_S, Pairs, Panel, Picture, Series, held, line, run

from simulators.parts import TISSUE_J_PER_M2, PlantParameters
from simulators.personality import NW_1, PenModel, model_named
from simulators.physics import Plant
from simulators.sensors import Sensors

P = NW_1.plant
HELD_FULL_C = 1e9
"""A charge that no hour empties: the battery is held full, so that one thing is seen at a time."""


def tissue_nm(model: PenModel, zone: str, depth_um: float) -> float:
    """Mean torque of strokes into tissue, N·m: the work of all needles over one turn."""
    return TISSUE_J_PER_M2[zone] * model.needle_count * (max(depth_um, 0.0) * 1e-6) ** 2 / tau


# Droop ----------------------------------------------------------------------------------------------------------------


def droop() -> Picture:
    """Rate against depth in three zones; rate reached against rate set, up to where the supply ends it."""
    set_hz = 120.0
    depths_mm = [0.25 * number for number in range(1, 11)]
    lines, points = [], []
    for colour, zone in enumerate(("periorbital", "cheek", "facial-scars")):

        def rate_hz(depth_mm: float, zone: str = zone) -> float:
            torque = tissue_nm(NW_1, zone, depth_mm * 1000)
            return set_hz - P.winding_ohm * torque / (P.torque_constant_nm_a**2 + P.winding_ohm * P.viscous_nm_s) / tau

        reached = []
        for depth_mm in depths_mm:
            plant = held(NW_1, zone)
            plant.drive(depth_mm * 1000, set_hz)
            run(plant, 1.5)
            reached.append((plant.protrusion_um / 1000, plant.rate_hz))
        lines.append(line(f"{zone}", colour, rate_hz, 0.0, 2.5))
        points.append(Series(zone, colour, reached))
    by_load = Panel(
        f"NW-1 set to {set_hz:.0f} Hz", "true needle depth, mm", "true rate, Hz", tuple(lines), tuple(points)
    )
    return Picture("droop", (by_load, _reached_against_set()))


def _reached_against_set() -> Panel:
    bare, depth_mm = model_named("NW-BARE"), 1.0
    lines, points = [], []
    for colour, model in enumerate((NW_1, bare)):
        p = model.plant
        probe = held(model, "cheek")
        probe.drive(depth_mm * 1000, 100.0)
        torque = tissue_nm(model, "cheek", run(probe, 1.0).protrusion_um)

        def rate_hz(set_hz: float, p: PlantParameters = p, torque: float = torque) -> float:
            k, b, both_ohm = p.torque_constant_nm_a, p.viscous_nm_s, p.winding_ohm + p.battery_ohm
            wanted = set_hz - p.winding_ohm * torque / (k * k + p.winding_ohm * b) / tau
            rest_v = p.battery_full_v - p.electronics_a * p.battery_ohm
            ended = (k * rest_v - both_ohm * (torque + p.friction_nm)) / (k * k + both_ohm * b) / tau
            return max(min(wanted, ended), 0.0)

        most_hz = model.rate_max_mhz // 1000
        reached = []
        for set_hz in range(most_hz // 5, most_hz + 1, most_hz // 10):
            plant = held(model, "cheek", battery_full_c=HELD_FULL_C)
            plant.drive(depth_mm * 1000, float(set_hz))
            reached.append((float(set_hz), run(plant, 1.5).rate_hz))
        lines.append(line(model.name, colour + 3, rate_hz, 0.0, float(most_hz), 300))
        points.append(Series(model.name, colour + 3, reached))
    title = f"Set to {depth_mm:.1f} mm, cheek, full battery"
    return Panel(title, "rate set, Hz", "true rate, Hz", tuple(lines), tuple(points), from_zero=True)


# Step response --------------------------------------------------------------------------------------------------------


def spin_up(p: PlantParameters, set_hz: float) -> Callable[[float], tuple[float, float]]:
    """Speed (rad/s) and current (A) at a time (s) after the drive goes on, with nothing to do: at the current limit
    first, then exponential."""
    k, ohm, b, inertia = p.torque_constant_nm_a, p.winding_ohm, p.viscous_nm_s, p.inertia_kg_m2
    wanted = set_hz * tau
    volts = k * wanted + ohm * (p.friction_nm + b * wanted) / k
    leaves = max((volts - ohm * p.current_limit_a) / k, 0.0)  # the speed at which the limit is left
    end, rate = (k * p.current_limit_a - p.friction_nm) / b, b / inertia
    leaves_s = -log(1.0 - leaves / end) / rate
    constant_s = inertia * ohm / (k * k + ohm * b)

    def at(time_s: float) -> tuple[float, float]:
        if time_s < leaves_s:
            return end * (1.0 - exp(-time_s * rate)), p.current_limit_a
        speed = wanted - (wanted - leaves) * exp(-(time_s - leaves_s) / constant_s)
        return speed, (volts - k * speed) / ohm

    return at


def braked(p: PlantParameters, from_rad_s: float, time_s: float) -> float:
    """Speed (rad/s) at a time (s) after the drive went off: the shorted motor brakes, dry friction ends it."""
    k, ohm, b = p.torque_constant_nm_a, p.winding_ohm, p.viscous_nm_s
    drag = k * k / ohm + b
    return max((from_rad_s + p.friction_nm / drag) * exp(-time_s * drag / p.inertia_kg_m2) - p.friction_nm / drag, 0.0)


def step_response() -> Picture:
    """Speed and current from drive on to rest."""
    off_s, end_s = 0.25, 0.45
    rates, currents = ([], []), ([], [])  # type: tuple[list[Series], list[Series]], tuple[list[Series], list[Series]]
    for colour, set_hz in enumerate((50.0, 100.0, 150.0)):
        at = spin_up(P, set_hz)

        def rate_hz(time_ms: float, at: Callable[[float], tuple[float, float]] = at) -> float:
            time_s = time_ms / 1000
            return (at(time_s)[0] if time_s < off_s else braked(P, at(off_s)[0], time_s - off_s)) / tau

        def amperes(time_ms: float, at: Callable[[float], tuple[float, float]] = at) -> float:
            return at(time_ms / 1000)[1]

        plant = held(NW_1, "air", battery_full_c=HELD_FULL_C)
        plant.drive(0.0, set_hz)
        turned, drawn = [], []
        for ms in range(round(end_s * 1000)):
            if ms == round(off_s * 1000):
                plant.release()
            plant.step(STEP_S)
            if (ms + 1) % 10 == 0:
                turned.append((float(ms + 1), plant.rate_hz))
            if ms < off_s * 1000 and (ms + 1) % 10 == 0:
                drawn.append((float(ms), plant.current_a))  # flowed through the millisecond that began then
        label = f"{set_hz:.0f} Hz"
        rates[0].append(line(label, colour, rate_hz, 0.0, end_s * 1000, 900))
        rates[1].append(Series(label, colour, turned))
        currents[0].append(line(label, colour, amperes, 0.0, off_s * 1000, 900))
        currents[1].append(Series(label, colour, drawn))
    return Picture(
        "step-response",
        (
            Panel("Drive on at 0, off at 250 ms, nothing to do", "time, ms", "true rate, Hz", *map(tuple, rates)),
            Panel("Current, limited to 2 A", "time, ms", "motor current, A", *map(tuple, currents)),
        ),
    )


# Battery --------------------------------------------------------------------------------------------------------------


def loaded_v(p: PlantParameters, charge: float, motor_w: float) -> float:
    """Supply (V) at a share of charge while the motor takes so many watts."""
    rest_v = p.battery_empty_v + (p.battery_full_v - p.battery_empty_v) * charge - p.electronics_a * p.battery_ohm
    return (rest_v + sqrt(rest_v * rest_v - 4.0 * motor_w * p.battery_ohm)) / 2.0


def lasts_s(p: PlantParameters, motor_w: float, from_v: float, to_v: float) -> float:
    """How long (s) the supply takes from one voltage under load to another."""

    def integral(volts: float) -> float:
        draw, idle = motor_w + p.electronics_a * volts, p.electronics_a
        return volts / idle - motor_w / idle**2 * log(draw) - p.battery_ohm * log(volts / draw)

    return p.battery_full_c / (p.battery_full_v - p.battery_empty_v) * (integral(from_v) - integral(to_v))


LOADS = (
    ("1.5 mm, scars, 120 Hz", "facial-scars", 1500.0, 120.0),
    ("2.0 mm, scars, 150 Hz", "facial-scars", 2000.0, 150.0),
)


def battery() -> Picture:
    """Supply against what the motor takes; supply over time, to the brown-out."""
    sag_lines, sag_points, time_lines, time_points = [], [], [], []
    for colour, charge in enumerate((1.0, 0.5, 0.1)):
        taken = []
        for rate_hz in (80.0, 100.0, 120.0, 150.0):
            plant = held(replace(NW_1, needle_count=36), "facial-scars", battery_full_c=HELD_FULL_C)
            plant.charge_c = charge * HELD_FULL_C
            run(plant, 0.02)
            plant.drive(2000.0, rate_hz)
            run(plant, 1.5)
            k = P.torque_constant_nm_a
            volts = k * rate_hz * tau + P.winding_ohm * (P.friction_nm + P.viscous_nm_s * rate_hz * tau) / k
            taken.append((plant.current_a * volts, 1000 * (plant.supply_at_rest_v - plant.supply_v)))

        def lost_mv(watts: float, charge: float = charge) -> float:
            return 1000 * (loaded_v(P, charge, 0.0) - loaded_v(P, charge, watts))

        label = f"{charge * 100:.0f} % charge"
        sag_lines.append(line(label, colour, lost_mv, 0.0, 8.0))
        sag_points.append(Series(label, colour, taken))
    for colour, (label, zone, depth_um, rate_hz) in enumerate(LOADS):
        plant = held(NW_1, zone)
        plant.drive(depth_um, rate_hz)
        run(plant, 1.0)
        k = P.torque_constant_nm_a
        motor_w = plant.current_a * (
            k * rate_hz * tau + P.winding_ohm * (P.friction_nm + P.viscous_nm_s * rate_hz * tau) / k
        )
        seen = [(1.0 / 60, plant.supply_v)]
        while seen[-1][1] > NW_1.brown_out_v and plant.charge_c > 0.0:
            run(plant, 600.0, SLOW_STEP_S)
            seen.append((seen[-1][0] + 10.0, plant.supply_v))
        seen = [pair for pair in seen if pair[1] > loaded_v(P, 0.0, motor_w)]
        full_v, empty_v = loaded_v(P, 1.0, motor_w), loaded_v(P, 0.0, motor_w)
        curve = [empty_v + (full_v - empty_v) * number / 100 for number in range(100, -1, -1)]
        time_lines.append(
            Series(label, colour + 3, [(lasts_s(P, motor_w, full_v, volts) / 60, volts) for volts in curve])
        )
        time_points.append(Series(label, colour + 3, seen))
    return Picture(
        "battery",
        (
            Panel(
                "Sag: 36 needles, 2.0 mm, scars",
                "power the motor takes, W",
                "supply lost, mV",
                tuple(sag_lines),
                tuple(sag_points),
            ),
            Panel("Discharge, motor always on", "time, min", "supply, V", tuple(time_lines), tuple(time_points)),
        ),
    )


# Heat -----------------------------------------------------------------------------------------------------------------


def heating() -> Picture:
    """An hour of work and three quarters of an hour of rest."""
    on_s, every_s, end_s = 3600, 300, 6300
    lines, points = [], []
    for colour, (label, zone, depth_um, rate_hz) in enumerate(
        (("1.0 mm, cheek, 100 Hz", "cheek", 1000.0, 100.0), LOADS[1])
    ):
        plant = held(NW_1, zone, battery_full_c=HELD_FULL_C)
        plant.drive(depth_um, rate_hz)
        run(plant, 1.0)
        idle_w = P.electronics_a * (P.battery_full_v - P.electronics_a * P.battery_ohm)
        work_w = (
            plant.current_a**2 * P.winding_ohm
            + (P.friction_nm + P.viscous_nm_s * plant.speed_rad_s) * plant.speed_rad_s
        )
        constant_s = P.heat_to_air_k_w * P.heat_capacity_j_k

        def celsius(
            minutes: float, idle_w: float = idle_w, work_w: float = work_w, constant_s: float = constant_s
        ) -> float:
            worked = 1.0 - exp(-min(minutes * 60, on_s) / constant_s)
            rested = exp(-max(minutes * 60 - on_s, 0.0) / constant_s)
            idled = 1.0 - exp(-minutes * 60 / constant_s)
            return P.air_c + P.heat_to_air_k_w * (work_w * worked * rested + idle_w * idled)

        seen = [(1.0 / 60, plant.temperature_c)]
        run(plant, every_s - 1.0, SLOW_STEP_S)
        for time_s in range(every_s, end_s + 1, every_s):
            seen.append((time_s / 60, plant.temperature_c))
            if time_s == on_s:
                plant.release()
            run(plant, float(every_s), SLOW_STEP_S)
        lines.append(line(label, colour, celsius, 0.0, end_s / 60))
        points.append(Series(label, colour, seen))
    title = "An hour of work without a pause, then rest"
    return Picture("heating", (Panel(title, "time, min", "handpiece, °C", tuple(lines), tuple(points)),))


# Backlash -------------------------------------------------------------------------------------------------------------


def backlash() -> Picture:
    """Where the needles are when the actuator is where it was told to be, going deeper and coming back."""
    panels = []
    for colour, model in enumerate((NW_1, model_named("NW-BARE"))):
        p = model.plant
        half_um = p.backlash_um / 2
        plant = Plant(p)
        plant.hold_on("air")
        there, back = [], []
        for depth_um, pairs in [(d, there) for d in range(0, 1501, 100)] + [(d, back) for d in range(1500, -1, -100)]:
            plant.drive(float(depth_um), 100.0)
            run(plant, 0.2)
            pairs.append((depth_um / 1000, plant.protrusion_um - depth_um))
        offset_um = p.drive_offset_um
        going = Series("going deeper", 0, [(0.0, offset_um - half_um), (1.5, offset_um - half_um)])
        coming = Series(
            "coming back", 1,
            [(1.5, offset_um - half_um), (1.5 - p.backlash_um / 1000, offset_um + half_um), (0.0, offset_um + half_um)],
        )  # fmt: skip
        panels.append(
            Panel(
                f"{model.name}: play {p.backlash_um:.0f} µm"
                + (f", built {offset_um:.0f} µm too deep" if offset_um else ""),
                "depth set, mm",
                "true minus set, µm",
                (going, coming),
                (Series(going.label, 0, there), Series(coming.label, 1, back)),
                from_zero=bool(colour),
            )
        )
    return Picture("backlash", tuple(panels))


# Noise ----------------------------------------------------------------------------------------------------------------


def share(reading: float, mean: float, deviation: float, count: float) -> float:
    """Share of readings that show this value: the normal distribution over one count."""

    def below(value: float) -> float:
        return 0.5 * (1.0 + erf((value - mean) / deviation / sqrt(2.0)))

    return below(reading + count / 2) - below(reading - count / 2)


def _readings(model: PenModel, take: Callable[[Sensors], int], plant: Plant) -> Counter[int]:
    sensors = Sensors(model, plant, Random(1))  # noqa: S311 - noise of a simulation
    return Counter(take(sensors) for _ in range(READINGS))


READINGS = 50_000


def noise() -> Picture:
    """Readings of parts that do not move, and how many of each are to be expected."""
    panels = []
    for colour, name in enumerate(("NW-1", "NW-STEPS")):
        model = model_named(name)
        plant = Plant(model.plant)
        plant.protrusion_um = 503.0
        sigma, count = model.noise.depth_um, model.noise.depth_count_um
        panels.append(
            _histogram(
                f"{name}: depth, true {plant.protrusion_um:.0f} µm",
                "reading, µm",
                colour,
                _readings(model, Sensors.depth_um, plant),
                plant.protrusion_um,
                sigma,
                count,
            )
        )
    model = model_named("NW-BAND")
    plant = Plant(model.plant)
    plant.speed_rad_s = 110.3 * tau
    counted = Counter({mhz // 1000: n for mhz, n in _readings(model, Sensors.rate_mhz, plant).items()})
    title = "NW-BAND: rate, true 110.3 Hz"
    panels.append(_histogram(title, "reading, Hz", 2, counted, 110.3, model.noise.rate_mhz / 1000, 1))
    return Picture("noise", tuple(panels))


def _histogram(
    title: str, x_label: str, colour: int, counted: Counter[int], mean: float, deviation: float, count: int
) -> Panel:
    shown = range(min(counted) - count, max(counted) + count + 1, count)
    expected = [(float(value), 100 * share(value, mean, deviation, count)) for value in shown]
    read: Pairs = [(float(value), 100 * counted[value] / READINGS) for value in shown]
    return Panel(
        title, x_label, "share of readings, %", (Series("expected", colour, expected),),
        (Series(f"{READINGS} readings", colour, read),), bars=True,
    )  # fmt: skip


MAKERS: dict[str, Callable[[], Picture]] = {
    "droop": droop,
    "step-response": step_response,
    "battery": battery,
    "heating": heating,
    "backlash": backlash,
    "noise": noise,
}
"""What makes each picture, by its name."""
