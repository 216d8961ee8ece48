"""The plant against closed-form answers of its own equations."""

from dataclasses import replace
from math import exp, tau

import pytest

from simulators.errors import UnknownZone
from simulators.physics import TISSUE_J_PER_M2, Plant, PlantParameters

P = PlantParameters()


def settle(plant, ms=1000):
    for _ in range(ms):
        plant.step(0.001)
    return plant


def driven(depth_um, rate_hz, zone="cheek", needles=12, touching=None, parameters=P):
    plant = Plant(parameters, needles=needles, zone=zone)
    plant.hold_on(zone, touching=touching)
    plant.drive(depth_um, rate_hz)
    return settle(plant)


@pytest.mark.parametrize("rate_hz", [20.0, 60.0, 100.0, 150.0])
def test_with_nothing_to_do_the_motor_turns_as_wanted(rate_hz):
    assert driven(1000.0, rate_hz, touching=False).rate_hz == pytest.approx(rate_hz, rel=1e-6)


@pytest.mark.parametrize("zone", ["periorbital", "cheek", "facial-scars"])
@pytest.mark.parametrize("depth_um", [500.0, 1500.0, 2500.0])
def test_droop_under_load_is_the_closed_form(zone, depth_um):
    plant = driven(depth_um, 120.0, zone)
    torque = TISSUE_J_PER_M2[zone] * 12 * (plant.protrusion_um * 1e-6) ** 2 / tau
    droop_rad_s = P.winding_ohm * torque / (P.torque_constant_nm_a**2 + P.winding_ohm * P.viscous_nm_s)
    assert 120.0 - plant.rate_hz == pytest.approx(droop_rad_s / tau, rel=1e-6)
    assert plant.rate_hz < 120.0


def test_droop_grows_with_depth_and_needles():
    rates = [driven(depth, 120.0).rate_hz for depth in (250.0, 500.0, 1000.0, 2000.0)]
    assert rates == sorted(rates, reverse=True)
    assert driven(1000.0, 120.0, needles=36).rate_hz < driven(1000.0, 120.0, needles=12).rate_hz


def test_current_carries_the_torque():
    plant = driven(1500.0, 120.0)
    torque = TISSUE_J_PER_M2["cheek"] * 12 * (plant.protrusion_um * 1e-6) ** 2 / tau
    expected = (torque + P.friction_nm + P.viscous_nm_s * plant.speed_rad_s) / P.torque_constant_nm_a
    assert plant.current_a == pytest.approx(expected, rel=1e-6)


def test_spin_up_follows_the_mechanical_time_constant():
    """With no current limit in the way: 63 % after J R / (k² + R b)."""
    parameters = replace(P, current_limit_a=100.0)
    plant = Plant(parameters)
    plant.hold_on("cheek", touching=False)
    plant.drive(0.0, 100.0)
    time_constant_s = P.inertia_kg_m2 * P.winding_ohm / (P.torque_constant_nm_a**2 + P.winding_ohm * P.viscous_nm_s)
    steps = round(time_constant_s / 0.0001)
    for _ in range(steps):
        plant.step(0.0001)
    assert plant.rate_hz == pytest.approx(100.0 * (1 - exp(-steps * 0.0001 / time_constant_s)), rel=0.01)


def test_the_current_limit_holds_and_bounds_the_spin_up():
    plant = Plant(P)
    plant.drive(0.0, 150.0)
    highest = 0.0
    for _ in range(300):
        plant.step(0.001)
        highest = max(highest, plant.current_a)
    assert highest == P.current_limit_a
    assert plant.rate_hz == pytest.approx(150.0, rel=0.01)


def test_a_step_of_half_the_size_gives_the_same_picture():
    coarse, fine = Plant(P), Plant(P)
    for plant in (coarse, fine):
        plant.drive(1000.0, 120.0)
    for _ in range(500):
        coarse.step(0.001)
        fine.step(0.0005)
        fine.step(0.0005)
    assert coarse.turns == pytest.approx(fine.turns, rel=0.01)
    assert coarse.rate_hz == pytest.approx(fine.rate_hz, rel=1e-4)
    assert coarse.charge_c == pytest.approx(fine.charge_c, rel=1e-5)


def test_a_released_motor_comes_to_rest():
    plant = driven(1000.0, 150.0)
    plant.release()
    settle(plant, 150)
    assert plant.speed_rad_s == 0.0
    assert plant.current_a == 0.0


def test_a_jammed_motor_draws_its_stall_current_and_makes_no_stroke():
    plant = Plant(P)
    plant.jammed = True
    plant.drive(500.0, 100.0)
    settle(plant, 100)
    assert plant.turns == 0.0
    assert plant.current_a == pytest.approx(min(plant._wanted_v / P.winding_ohm, P.current_limit_a))


def test_strokes_are_turns():
    plant = driven(500.0, 100.0, touching=False)
    before = plant.turns
    settle(plant, 2000)
    assert plant.turns - before == pytest.approx(200.0, rel=1e-4)


def test_the_actuator_moves_at_its_speed_and_not_further():
    plant = Plant(P)
    plant.drive(1500.0, 100.0)
    for ms in range(1, 300):
        plant.step(0.001)
        expected = min(P.park_um + P.actuator_um_s * 0.001 * ms, 1500.0)
        assert plant.actuator_um == pytest.approx(expected, abs=1e-6)
        assert plant.protrusion_um <= 1500.0


def test_full_travel_and_home_is_inside_the_retract_time():
    plant = driven(2500.0, 100.0)
    plant.release()
    settle(plant, 249)
    assert plant.needles_home


def test_backlash_is_the_difference_between_coming_from_above_and_below():
    plant = driven(1000.0, 100.0)
    from_below = plant.protrusion_um
    plant.drive(1500.0, 100.0)
    settle(plant)
    plant.drive(1000.0, 100.0)
    settle(plant)
    assert plant.protrusion_um - from_below == pytest.approx(P.backlash_um)
    assert (plant.protrusion_um + from_below) / 2 == pytest.approx(1000.0)


def test_a_stuck_actuator_stays_where_it_is():
    plant = driven(1000.0, 100.0)
    plant.depth_stuck = True
    plant.release()
    settle(plant)
    assert plant.protrusion_um == pytest.approx(1000.0 - P.backlash_um / 2)
    assert not plant.needles_home


def test_supply_sags_by_current_times_resistance():
    plant = driven(1500.0, 150.0)
    open_v = P.battery_empty_v + (P.battery_full_v - P.battery_empty_v) * plant.charge
    volts = plant._wanted_v
    battery_a = P.electronics_a + plant.current_a * volts / plant.supply_v
    assert plant.supply_v == pytest.approx(open_v - battery_a * P.battery_ohm, abs=1e-4)


def test_charge_is_the_integral_of_current():
    plant = settle(Plant(P), 100_000)
    assert P.battery_full_c - plant.charge_c == pytest.approx(P.electronics_a * 100.0, rel=1e-3)


def test_an_empty_battery_cannot_give_the_fastest_rate():
    plant = Plant(P)
    plant.charge_c = 0.0
    plant.supply_drop_v = 2.0
    settle(plant, 20)
    plant.drive(500.0, 150.0)
    settle(plant)
    assert plant.rate_hz < 120.0
    assert plant.charge_c == 0.0


def test_heat_settles_where_loss_to_the_air_equals_what_is_lost_inside():
    parameters = replace(P, heat_capacity_j_k=0.5)
    plant = driven(1500.0, 150.0, parameters=parameters)
    settle(plant, 60_000)
    drag = P.friction_nm + P.viscous_nm_s * plant.speed_rad_s
    rest_v = P.battery_empty_v + (P.battery_full_v - P.battery_empty_v) * plant.charge - P.electronics_a * P.battery_ohm
    heat_w = plant.current_a**2 * P.winding_ohm + drag * plant.speed_rad_s + P.electronics_a * rest_v
    assert plant.temperature_c - P.air_c == pytest.approx(heat_w * P.heat_to_air_k_w, rel=0.01)


def test_an_hour_of_hard_work_stays_under_the_alarm():
    """Heat settles within three time constants of 15 minutes; a treatment must not end in over-temperature."""
    parameters = replace(P, heat_capacity_j_k=P.heat_capacity_j_k / 60)
    plant = driven(1500.0, 150.0, parameters=parameters)
    settle(plant, 60_000)
    assert 25.0 < plant.temperature_c < 50.0


def test_touch_follows_the_motor_unless_told_otherwise():
    plant = Plant(P)
    assert not plant.touching
    plant.drive(500.0, 100.0)
    assert plant.touching
    plant.release()
    assert not plant.touching
    plant.hold_on("neck", touching=True)
    assert plant.touching
    plant.drive(500.0, 100.0)
    plant.hold_on("neck")
    assert plant.touching


def test_an_unknown_zone_is_refused_with_the_nearest_names():
    with pytest.raises(UnknownZone, match="forehead"):
        Plant(P, zone="forhead")
