"""The parts against the solutions of their equations, derived here by themselves. docs/simulator.md shows the same.

What is stepped explicitly is wrong in the first order of the step; each tolerance says which order it allows and why.
"""

from dataclasses import replace
from itertools import pairwise
from math import e, exp, inf, log, sqrt, tau

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from simulators.parts import TISSUE_J_PER_M2, PlantParameters
from simulators.personality import MODELS
from simulators.physics import SETTLE_EVERY_S, Plant

P = PlantParameters()
HELD_FULL = replace(P, battery_full_c=1e9)  # a battery that no test empties
ZONES = sorted(TISSUE_J_PER_M2)
STEP_S = 0.001


def go(plant, seconds, step_s=STEP_S):
    plant.stride(round(seconds / step_s), step_s, speed_min=-inf, supply_min=-inf, protrusion_max=inf)
    return plant


def on(parameters, zone="air", needles=12):
    plant = Plant(parameters, needles=needles, zone=zone)
    plant.hold_on(zone, touching=True)
    return plant


def wanted_volts(p, rate_hz):
    """The driver's voltage: back EMF at the wanted speed and the current that friction and drag take there."""
    speed = rate_hz * tau
    return (
        p.torque_constant_nm_a * speed
        + p.winding_ohm * (p.friction_nm + p.viscous_nm_s * speed) / p.torque_constant_nm_a
    )


# Droop ----------------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    depth_um=st.integers(50, 2500),
    rate_hz=st.floats(20.0, 300.0),
    needles=st.integers(1, 42),
    name=st.sampled_from(["NW-1", "NW-STEPS", "NW-BARE"]),
)
def test_steady_state_under_any_load(zone, depth_um, rate_hz, needles, name):
    """At rest of all transients k i = T + T_f + b ω and i = (v − k ω)/R.

    Where the supply suffices, v is the driver's voltage: ω = ω* − R T/(k² + R b). Where not, v is the supply under this
    very current, U₁ − R_b (i + I_e), which is linear in i as well: as if the winding had R + R_b.
    """
    p = replace(MODELS[name].plant, battery_full_c=1e9)
    plant = on(p, zone, needles)
    plant.drive(float(depth_um), rate_hz)
    go(plant, 2.0)
    k, b, ohm = p.torque_constant_nm_a, p.viscous_nm_s, p.winding_ohm
    depth_m = max(plant.protrusion_um, 0.0) * 1e-6
    torque = TISSUE_J_PER_M2[zone] * needles * depth_m**2 / tau
    free = rate_hz * tau - ohm * torque / (k * k + ohm * b)
    rest_v, both_ohm = p.battery_full_v - p.electronics_a * p.battery_ohm, ohm + p.battery_ohm
    ended = (k * rest_v - both_ohm * (torque + p.friction_nm)) / (k * k + both_ohm * b)
    speed = min(free, ended)
    assume(speed > 0.0)
    current = (torque + p.friction_nm + b * speed) / k
    assume(current < p.current_limit_a)
    # After 2 s of a time constant of at most 49 ms nothing of the transient is left above the last bits of a float.
    assert plant.speed_rad_s == pytest.approx(speed, rel=1e-9)
    assert plant.current_a == pytest.approx(current, rel=1e-9)


# Step response --------------------------------------------------------------------------------------------------------


def spin_up_rad_s(p, rate_hz, time_s):
    """First J dω/dt = k I_max − T_f − b ω, while (v − k ω)/R is beyond the limit; from there on, by the voltage,
    J dω/dt = (k² / R + b)(ω* − ω), because v was chosen so that ω* is where nothing accelerates."""
    k, ohm, b, inertia = p.torque_constant_nm_a, p.winding_ohm, p.viscous_nm_s, p.inertia_kg_m2
    left_at = max((wanted_volts(p, rate_hz) - ohm * p.current_limit_a) / k, 0.0)
    terminal = (k * p.current_limit_a - p.friction_nm) / b
    left_s = -inertia / b * log(1.0 - left_at / terminal)
    if time_s <= left_s:
        return terminal * (1.0 - exp(-time_s * b / inertia))
    constant_s = inertia / (k * k / ohm + b)
    return rate_hz * tau - (rate_hz * tau - left_at) * exp(-(time_s - left_s) / constant_s)


def spin_up_error(p, rate_hz, step_s):
    """The greatest error of the simulated speed on the way up, as a share of the speed wanted."""
    plant, worst = on(p), 0.0
    plant.drive(0.0, rate_hz)
    for number in range(1, round(0.2 / step_s) + 1):
        plant.step(step_s)
        worst = max(worst, abs(plant.speed_rad_s - spin_up_rad_s(p, rate_hz, number * step_s)))
    return worst / (rate_hz * tau)


@pytest.mark.parametrize("rate_hz", [20.0, 100.0, 150.0])
def test_spin_up_is_the_closed_form_to_the_first_order_of_the_step(rate_hz):
    """Explicit steps of a decay with constant τ are wrong by at most h/(2 e τ) of it, 0.7 % for 1 ms and 28 ms; where
    the current limit is left within a step, by at most what one step gains of τ more."""
    constant_s = P.inertia_kg_m2 / (P.torque_constant_nm_a**2 / P.winding_ohm + P.viscous_nm_s)
    allowed = STEP_S / (2 * e * constant_s)
    assert spin_up_error(HELD_FULL, rate_hz, STEP_S) < 1.5 * allowed
    assert spin_up_error(HELD_FULL, rate_hz, STEP_S / 8) < 1.5 * allowed / 8


@pytest.mark.parametrize("name", ["NW-1", "NW-STEPS", "NW-BARE"])
@pytest.mark.parametrize("rate_hz", [20.0, 100.0])
def test_braking_is_the_closed_form_and_ends_when_it_says(name, rate_hz):
    """Shorted, i = −k ω/R: J dω/dt = −D ω − T_f with D = k²/R + b, so (ω + T_f/D) decays, and ω is 0 after
    J/D ln(1 + D ω₀/T_f)."""
    p = MODELS[name].plant
    plant = on(replace(p, battery_full_c=1e9))
    plant.drive(0.0, rate_hz)
    go(plant, 1.0)
    plant.release()
    drag = p.torque_constant_nm_a**2 / p.winding_ohm + p.viscous_nm_s
    from_rad_s, still = plant.speed_rad_s, p.friction_nm / drag
    rest_s = p.inertia_kg_m2 / drag * log(1.0 + from_rad_s / still)
    step_s = 0.0001
    allowed = (from_rad_s + still) * step_s * drag / p.inertia_kg_m2 / (2 * e) * 1.05  # as above; 5 % for higher orders
    time_s = 0.0
    while plant.speed_rad_s > 0.0:
        plant.step(step_s)
        time_s += step_s
        expected = max((from_rad_s + still) * exp(-time_s * drag / p.inertia_kg_m2) - still, 0.0)
        assert abs(plant.speed_rad_s - expected) < allowed
    # Near rest it slows by T_f/J: a speed wrong by ``allowed`` is a time wrong by allowed · J/T_f, and the last step.
    assert time_s == pytest.approx(rest_s, abs=allowed * p.inertia_kg_m2 / p.friction_nm + step_s)
    assert plant.current_a == 0.0


# Battery --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("charge", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("depth_um", [500.0, 1500.0, 2500.0])
def test_sag_is_the_root_of_a_quadratic(charge, depth_um):
    """The driver takes a power w from the supply U: U = E − R_b w/U, so U = (E + √(E² − 4 R_b w))/2."""
    plant = on(HELD_FULL, "facial-scars", 24)
    plant.charge_c = charge * HELD_FULL.battery_full_c
    go(plant, 0.02)
    plant.drive(depth_um, 120.0)
    go(plant, 2.0)
    rest_v = P.battery_empty_v + (P.battery_full_v - P.battery_empty_v) * charge - P.electronics_a * P.battery_ohm
    motor_w = plant.current_a * wanted_volts(P, 120.0)
    # 2 s at an ampere take 1e-9 of this battery's charge, which is 2e-9 V.
    expected_v = (rest_v + sqrt(rest_v**2 - 4 * P.battery_ohm * motor_w)) / 2
    assert plant.supply_v == pytest.approx(expected_v, abs=1e-8)
    assert rest_v - plant.supply_v > 0.005


@pytest.mark.parametrize("depth_um", [1000.0, 2000.0])
def test_a_battery_lasts_as_long_as_the_integral_says(depth_um):
    """dq/dt = −(w/U + I_e) with E = U + R_b w/U and E linear in q gives
    dt = −(Q/ΔU)(U² − R_b w)/(U (w + I_e U)) dU, of which the integral is
    F(U) = U/I_e − w/I_e² ln(w + I_e U) − R_b ln(U/(w + I_e U)).
    """
    p = replace(P, battery_full_c=P.battery_full_c / 40)
    plant = on(p, "facial-scars")
    plant.drive(depth_um, 120.0)
    go(plant, 1.0)
    motor_w = plant.current_a * wanted_volts(p, 120.0)

    def f(volts):
        draw = motor_w + p.electronics_a * volts
        return volts / p.electronics_a - motor_w / p.electronics_a**2 * log(draw) - p.battery_ohm * log(volts / draw)

    from_v = plant.supply_v
    time_s = 0.0
    while plant.supply_v > 6.6:
        go(plant, 1.0)
        time_s += 1.0
    expected_s = p.battery_full_c / (p.battery_full_v - p.battery_empty_v) * (f(from_v) - f(plant.supply_v))
    # Charge is booked once in SETTLE_EVERY_S: that much time is uncertain at either end.
    assert time_s == pytest.approx(expected_s, abs=2 * (SETTLE_EVERY_S + STEP_S))
    assert time_s > 40


# Heat -----------------------------------------------------------------------------------------------------------------


def test_heating_and_cooling_are_exponential():
    """C dϑ/dt = w − (ϑ − ϑ_air)/R_th with constant w: toward ϑ_air + R_th w with the constant R_th C."""
    p = replace(HELD_FULL, heat_capacity_j_k=P.heat_capacity_j_k / 60)
    constant_s = p.heat_capacity_j_k * p.heat_to_air_k_w
    idle_w = p.electronics_a * (p.battery_full_v - p.electronics_a * p.battery_ohm)
    plant = on(p, "facial-scars")
    go(plant, 10 * constant_s)
    idle_c = p.air_c + p.heat_to_air_k_w * idle_w
    assert plant.temperature_c == pytest.approx(idle_c, abs=1e-3)
    plant.drive(2000.0, 120.0)
    go(plant, 0.5)
    drag_w = (p.friction_nm + p.viscous_nm_s * plant.speed_rad_s) * plant.speed_rad_s
    rise_k = p.heat_to_air_k_w * (plant.current_a**2 * p.winding_ohm + drag_w)
    begun_c = plant.temperature_c
    # Booked explicitly every 10 ms: wrong by h/(2 e τ) of the rise at most, 0.012 %. Held to twice that.
    allowed_k = 2 * rise_k * 0.01 / (2 * e * constant_s)
    for seconds in range(5, 61, 5):
        go(plant, 5.0)
        expected_c = idle_c + rise_k + (begun_c - idle_c - rise_k) * exp(-seconds / constant_s)
        assert plant.temperature_c == pytest.approx(expected_c, abs=allowed_k)
    plant.release()
    go(plant, 0.5)
    begun_c = plant.temperature_c
    for seconds in range(5, 61, 5):
        go(plant, 5.0)
        expected_c = idle_c + (begun_c - idle_c) * exp(-seconds / constant_s)
        assert plant.temperature_c == pytest.approx(expected_c, abs=allowed_k)
    assert rise_k > 10.0


# Backlash -------------------------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(depths_um=st.lists(st.integers(0, 2500), min_size=1, max_size=8), name=st.sampled_from(["NW-1", "NW-BARE"]))
def test_the_carriage_is_a_play_operator_of_the_actuator(depths_um, name):
    """Rate-independent: after each way it lies where it was, moved by no more than what keeps it within half the play
    of the actuator. So where it is depends on the turning points alone, not on times."""
    p = MODELS[name].plant
    plant = Plant(p)
    expected_um = p.park_um
    for depth_um in depths_um:
        plant.drive(float(depth_um), 50.0)
        go(plant, 0.25)
        target_um = depth_um + p.drive_offset_um
        expected_um = min(max(expected_um, target_um - p.backlash_um / 2), target_um + p.backlash_um / 2)
        assert plant.actuator_um == target_um
        assert plant.protrusion_um == expected_um


@pytest.mark.parametrize("name", ["NW-1", "NW-BARE"])
def test_the_loop_of_going_deeper_and_coming_back_encloses_its_area(name):
    """As wide as the play 2h, as high as the way of the carriage, which is A − 2h of the actuator's A."""
    p = MODELS[name].plant
    plant, way_um = Plant(p), 1000
    corners = []
    deeper, back = list(range(0, way_um + 1, 5)), list(range(way_um, -1, -5))
    for depth_um in (way_um, 0, *deeper, *back):
        plant.drive(float(depth_um), 50.0)
        go(plant, 0.25)
        corners.append((plant.actuator_um, plant.protrusion_um))
    cycle = corners[1:]  # the first way came from the park position
    assert cycle[0] == cycle[-1]
    area = sum((x2 - x1) * (y1 + y2) / 2 for (x1, y1), (x2, y2) in pairwise(cycle))
    assert -area == pytest.approx(p.backlash_um * (way_um - p.backlash_um), rel=1e-12)
