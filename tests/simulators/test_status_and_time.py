"""Clause P and STATUS: pen time modulo 2³², strokes, and that what is not measured is not shown as if it were."""

from dataclasses import replace

import pytest

from firmware_bridge.snapshot import snapshot
from firmware_bridge.wire.codec import range_problem
from firmware_bridge.wire.messages import Capability, Contact, Fault, Hello, PenState, Refusal
from simulators.errors import NoSuchPart, UnknownModel, UnknownZone
from simulators.personality import FULL_CAPABILITIES, MODELS, NW_1, NW_BLIND, model_named


def test_p_treatment_goes_on_while_pen_time_wraps(make_bench):
    bench = make_bench(pen_time_start_ms=2**32 - 300)
    bench.running(2000)
    times = [status.pen_time_ms for status in bench.statuses[1]]
    assert max(times) > 2**32 - 50
    assert min(times) < 50
    assert bench.pen.truth.motor_driven
    assert bench.pen.truth.pen_time_ms == 1700


@pytest.mark.parametrize("start", [2**32 - 200, 2**32 - 550, 2**32 - 1])
def test_p_the_dead_man_acts_to_the_millisecond_across_the_wrap(make_bench, start):
    bench = make_bench(pen_time_start_ms=start)
    bench.ready()
    for _ in range(5):
        bench.setpoint()
        bench.advance(50)
    bench.setpoint()
    bench.advance(299)
    assert bench.pen.truth.motor_driven
    bench.advance(1)
    assert bench.pen.truth.faults == Fault.DEAD_MAN


def test_p_stale_and_pressed_compare_modulo(make_bench):
    bench = make_bench(pen_time_start_ms=2**32 - 500)
    bench.running(450)
    seen = bench.pen.firmware.pen_time_ms
    bench.pen.press_button()
    bench.advance(100)
    assert bench.pen.firmware.pen_time_ms < seen
    assert bench.setpoint(seen_pen_time_ms=seen) == Refusal.PRESSED
    assert bench.setpoint() == Refusal.NONE
    assert bench.setpoint(seen_pen_time_ms=seen - 200) == Refusal.STALE


def test_p_time_starts_anew_at_a_reboot_with_another_boot_id(bench):
    bench.connect()
    bench.advance(1000)
    boot_id = bench.status().boot_id
    bench.pen.reboot(down_ms=80)
    assert bench.pen.booting
    bench.advance(80)
    bench.connect(nonce=4)
    status = bench.status()
    assert status.pen_time_ms == 20
    assert status.boot_id != boot_id


def test_a_booting_pen_hears_nothing(bench):
    bench.pen.reboot(down_ms=50)
    bench.advance(49)
    assert bench.say(Hello(1, 1)) == []
    bench.advance(1)
    assert len(bench.say(Hello(1, 1))) == 1


def test_status_of_a_running_pen_is_what_is_true(make_bench):
    bench = make_bench(noisy=True)
    bench.running(3000, depth_um=1000, rate_mhz=120_000)
    truth, status = bench.pen.truth, bench.statuses[1][-1]
    assert status.state == PenState.RUNNING
    assert abs(status.depth_measured_um - truth.protrusion_um) < 25
    assert abs(status.rate_measured_mhz - truth.rate_hz * 1000) < 1500
    assert abs(status.temperature_dc - truth.temperature_c * 10) < 4
    assert status.battery_permille == round(truth.charge * 1000)
    assert status.contact == Contact.ON_SKIN
    assert 50 < status.motor_current_ma < 300
    assert 0 <= truth.strokes - status.strokes <= 3
    assert 3000 * 0.110 < truth.strokes < 3000 * 0.120


def test_status_noise_is_noise(make_bench):
    bench = make_bench(noisy=True)
    bench.running(3000)
    shown = [status.depth_measured_um for status in bench.statuses[1][-100:]]
    assert len(set(shown)) > 5
    mean = sum(shown) / len(shown)
    assert abs(mean - bench.pen.truth.protrusion_um) < 2


def test_status_at_rest(bench):
    bench.connect()
    status = bench.status()
    assert (status.rate_measured_mhz, status.rate_set_mhz, status.depth_set_um, status.motor_current_ma) == (0, 0, 0, 0)
    assert status.depth_measured_um == -300
    assert status.contact == Contact.OFF_SKIN
    assert status.interlocks == 3


def test_status_measured_rate_goes_to_zero_when_the_motor_rests(bench):
    bench.running()
    bench.setpoint(motor=0)
    bench.advance(150)
    assert bench.status().rate_measured_mhz == 0


@pytest.mark.parametrize("model", MODELS.values(), ids=lambda model: model.name)
def test_every_status_of_every_model_is_inside_the_table(make_bench, model):
    bench = make_bench(model, noisy=True)
    bench.connect()
    if bench.arm().refusal == 0:
        bench.run(1000, depth_um=500, rate_mhz=model.rate_max_mhz)
    bench.advance(500)
    for status in bench.statuses[1]:
        assert range_problem(status) is None
        snapshot(status)


@pytest.mark.parametrize(
    ("capability", "field"),
    [
        (Capability.DEPTH_SENSED, "depth_measured_um"),
        (Capability.RATE_SENSED, "rate_measured_mhz"),
        (Capability.CURRENT_SENSED, "motor_current_ma"),
        (Capability.BATTERY_SENSED, "battery_permille"),
        (Capability.TEMPERATURE_SENSED, "temperature_dc"),
        (Capability.CONTACT_SENSED, "on_skin"),
        (Capability.DEPTH_SET, "depth_set_um"),
        (Capability.RATE_SET, "rate_set_mhz"),
    ],
)
def test_status_what_the_pen_does_not_sense_or_set_is_not_measured(make_bench, capability, field):
    bench = make_bench(replace(NW_1, capabilities=FULL_CAPABILITIES & ~capability, dial_rate_mhz=100_000))
    bench.running()
    assert getattr(snapshot(bench.status()), field) is None


def test_status_without_depth_sensing_still_confirms_needles_out(make_bench):
    bench = make_bench(NW_BLIND)
    bench.running()
    assert not snapshot(bench.status()).needles_out
    bench.setpoint(motor=0)
    bench.advance(250)
    assert snapshot(bench.status()).needles_out


def test_status_a_dead_depth_sensor_shows_nothing(bench):
    bench.connect()
    bench.pen.faults.kill_depth_sensor()
    assert snapshot(bench.status()).depth_measured_um is None


def test_strokes_count_from_the_insertion_of_the_cartridge_over_reboots(bench):
    bench.running(1000)
    bench.setpoint(motor=0)
    bench.advance(200)
    strokes = bench.status().strokes
    assert strokes > 80
    bench.pen.reboot()
    bench.advance(50)
    bench.connect()
    assert bench.status().strokes == strokes
    bench.pen.remove_cartridge()
    bench.pen.insert_cartridge()
    assert bench.status().strokes == 0


def test_contact_follows_the_hand(bench):
    bench.pen.hold_on("forehead", touching=False)
    bench.running()
    assert bench.status().contact == Contact.OFF_SKIN
    bench.pen.hold_on("neck", touching=True)
    assert bench.status().contact == Contact.ON_SKIN
    assert bench.pen.truth.zone == "neck"


def test_names_that_are_wrong_are_answered_with_the_nearest(make_bench, bench):
    with pytest.raises(UnknownModel, match="NW-DIAL"):
        model_named("NW-DAIL")
    with pytest.raises(UnknownZone, match="cheek"):
        bench.pen.hold_on("cheeks")
    plain = make_bench(replace(NW_1, capabilities=FULL_CAPABILITIES & ~(Capability.BUTTON | Capability.PEDAL)))
    with pytest.raises(NoSuchPart, match="button"):
        plain.pen.press_button()
    with pytest.raises(NoSuchPart, match="pedal"):
        plain.pen.press_pedal()


def test_the_same_seed_is_the_same_pen(make_bench):
    one, two = make_bench(seed=5, noisy=True), make_bench(seed=5, noisy=True)
    for bench in (one, two):
        bench.running(1000)
    assert one.statuses[1] == two.statuses[1]
    assert make_bench(seed=6).pen.firmware.boot_id != one.pen.firmware.boot_id
