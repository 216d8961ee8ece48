"""What each fault of plant, firmware and host does to the pen and to what it says, and that clearing ends it."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from firmware_bridge.wire.framing import Deframer
from firmware_bridge.wire.messages import Contact, Fault, Message, PenState, Refusal, Status
from firmware_bridge.wire.operations import (
    CALIBRATION_WRITE,
    CARTRIDGE_READ,
    Nothing,
)
from simulators.faults.catalogue import CATALOGUE
from simulators.faults.injector import Injector
from simulators.faults.of_host import OTHER_MEDIUM
from simulators.personality import day_number
from tests.simulators.faulty.treatment import DEPTH_UM, RATE_MHZ, Treatment

RATE_HZ = RATE_MHZ / 1000


class Heard(Treatment):
    """A treatment whose line is listened to."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[Message] = []
        deframer, take = Deframer(), self.pen.take

        def listening(medium: int) -> bytes:
            data = take(medium)
            if medium != OTHER_MEDIUM:
                self.said += deframer.feed(data)
            return data

        self.pen.take = listening  # type: ignore[method-assign]

    @property
    def statuses(self) -> list[Status]:
        return [said for said in self.said if isinstance(said, Status)]

    @property
    def status(self) -> Status:
        return self.statuses[-1]


Check = Callable[[Heard, SimpleNamespace], bool]


def faulty(bit: Fault) -> Check:
    return lambda t, _was: bool(t.pen.truth.faults & bit)


# Faults of a treatment that runs: each check holds a moment after the fault came, and neither before nor after it.

IN_TREATMENT: dict[str, Check] = {
    "firmware_hang": lambda t, was: t.pen.firmware.pen_time_ms == was.pen_time_ms and t.pen.truth.motor_driven,
    "firmware_mute": lambda t, was: not t.statuses[was.count :],
    "firmware_slow_status": lambda t, was: len(t.statuses) - was.count <= 3,
    "firmware_frozen_status": lambda t, was: len({said.pen_time_ms for said in t.statuses[was.count :]}) == 1,
    "firmware_nonsense_status": lambda t, was: not t.statuses[was.count :] or t.status.state == 255,
    "firmware_lies_idle": lambda t, _was: t.status.state == PenState.ARMED and t.pen.truth.motor_driven,
    "firmware_lies_depth": lambda t, _was: {one.depth_measured_um for one in t.statuses[-8:]} == {DEPTH_UM},
    "firmware_lies_lease": lambda t, was: any(said.lease not in {0, was.lease} for said in t.statuses[was.count :]),
    "firmware_lies_strokes": lambda t, _was: t.status.strokes > t.pen.truth.strokes + 500_000,
    "firmware_deaf": lambda t, was: t.pen.firmware.tick <= was.tick,
    "motor_stall": lambda t, _was: t.pen.truth.rate_hz == 0.0,
    "motor_droop": lambda t, _was: t.pen.truth.rate_hz < RATE_HZ * 0.85,
    "motor_brush_worn": lambda t, _was: t.pen.truth.rate_hz < RATE_HZ * 0.85,
    "motor_fast": lambda t, _was: t.pen.truth.rate_hz > RATE_HZ * 1.15,
    "motor_runaway": lambda t, _was: t.pen.truth.rate_hz > RATE_HZ * 1.3,
    "rate_shown_zero": lambda t, _was: t.status.rate_measured_mhz == 0 and t.pen.truth.rate_hz > 20,
    "rate_shown_wrong": lambda t, _was: t.status.rate_measured_mhz < 0.8 * 1000 * t.pen.truth.rate_hz,
    "depth_deep": lambda t, _was: t.pen.truth.protrusion_um > DEPTH_UM + 400,
    "depth_off": lambda t, _was: t.pen.truth.protrusion_um < DEPTH_UM - 200,
    "depth_slip": lambda t, _was: t.pen.truth.protrusion_um - t.status.depth_measured_um > 20,
    "depth_drift": lambda t, _was: t.status.depth_measured_um < t.pen.truth.protrusion_um - 200,
    "depth_sensor_dead": lambda t, _was: t.status.depth_measured_um == 0x7FFF or t.status.depth_measured_um == -0x8000,
    "contact_stuck_off": lambda t, _was: t.status.contact == Contact.OFF_SKIN and t.pen.truth.on_skin,
    "warm": lambda t, _was: 50 < t.pen.truth.temperature_c < 60,
    "hot": lambda t, _was: t.pen.truth.temperature_c > 60,
    "brown_out": lambda t, _was: t.pen.truth.supply_v < 5.8,
    "battery_low": lambda t, _was: t.pen.truth.charge < 0.05,
    "battery_aged": faulty(Fault.BROWN_OUT),
    "ingress": faulty(Fault.INGRESS),
    "cartridge_off": lambda t, _was: t.pen.cartridge is None,
    "cartridge_blunt": lambda t, _was: t.pen.truth.rate_hz < RATE_HZ * 0.85,
    "cartridge_worn": lambda t, _was: t.pen.truth.strokes > 500_000,
    "pen_swapped": lambda t, was: t.pen.model.serial != was.serial,
    "host_stall": lambda t, was: len(t.rig.inputs) == was.inputs,
    "host_clock_forward": lambda t, was: (t.rig.today - was.today).days == 1,
    "host_clock_back": lambda t, was: (t.rig.today - was.today).days == -400,
    "host_journal_refuses": lambda t, _was: "journal_failed" in t.alarms,
    "usb_unplug": lambda t, was: t.rig.state.pen is None,
}


def moment(t: Heard) -> SimpleNamespace:
    return SimpleNamespace(
        pen_time_ms=t.pen.firmware.pen_time_ms, count=len(t.statuses), lease=t.pen.truth.lease, today=t.rig.today,
        tick=t.pen.firmware.tick, inputs=len(t.rig.inputs), presses=t.pen.firmware.presses.button,
        boot_id=t.pen.firmware.boot_id, serial=t.pen.model.serial,
    )  # fmt: skip


STOPPED_AT_ONCE = {"motor_runaway": 55, "depth_deep": 40}
"""After so many ms it shows; a little later the host has stopped it."""


@pytest.mark.parametrize("name", IN_TREATMENT)
def test_a_fault_shows_in_the_pen_and_is_gone_when_cleared(name: str) -> None:
    t = Heard()
    t.treating()
    shows, was = IN_TREATMENT[name], moment(t)
    t.rig.advance(200)
    assert not shows(t, was)
    was = moment(t)
    fault = t.inject.inject(name)
    t.rig.advance(STOPPED_AT_ONCE.get(name, 200))
    assert shows(t, was)
    assert t.inject.active == (fault,)
    fault.clear()
    assert t.inject.active == ()
    if t.rig.armed:
        t.stop()
    t.begin_anew()
    t.rig.events.clear()
    was = moment(t) if not name.startswith("host_clock") else was
    t.rig.advance(200)
    assert not shows(t, was)


# Faults of a moment


MOMENTARY: dict[str, Check] = {
    "firmware_reboot": lambda t, was: t.pen.firmware.boot_id != was.boot_id and not t.pen.truth.lease,
    "firmware_phantom_press": lambda t, was: t.pen.firmware.presses.button == was.presses + 1,
    "firmware_drops_lease": lambda t, _was: not t.pen.truth.lease and not t.pen.truth.faults,
    "firmware_internal": faulty(Fault.INTERNAL),
    "firmware_clock_ahead": lambda t, was: 5000 < t.pen.firmware.pen_time_ms - was.pen_time_ms < 5200,
    "firmware_clock_back": lambda t, was: (t.pen.firmware.pen_time_ms - was.pen_time_ms) % 2**32 > 2**32 - 5000,
    "knock": lambda t, _was: t.pen.memory.lifetime.shocks > 0,
    "host_second_stop": lambda t, _was: not t.pen.truth.lease,
    "host_forged_setpoint": lambda t, _was: t.pen.firmware.refusal == Refusal.LEASE,
}


@pytest.mark.parametrize("name", MOMENTARY)
def test_a_fault_of_a_moment_shows_and_leaves_nothing_to_clear(name: str) -> None:
    t = Heard()
    t.treating()
    was = moment(t)
    assert not MOMENTARY[name](t, was)
    fault = t.inject.inject(name)
    t.rig.advance(100)
    assert MOMENTARY[name](t, was)
    assert t.inject.active == ()
    fault.clear()
    assert t.inject.clear(name) is False


@pytest.mark.parametrize(
    ("wrong", "refusal"),
    [
        ("lease", Refusal.LEASE),
        ("tick", Refusal.OLD_TICK),
        ("stale", Refusal.STALE),
        ("ceiling", Refusal.DEPTH_CEILING),
    ],
)
def test_a_forged_setpoint_is_refused_for_what_is_wrong_with_it(wrong: str, refusal: Refusal) -> None:
    t = Heard().treating()
    t.inject.inject("host_forged_setpoint", wrong=wrong)
    assert t.pen.firmware.refusal == refusal
    assert t.pen.truth.motor_driven


# Faults that need something more to show


def test_a_pen_that_lies_running(make_bench) -> None:
    bench = make_bench()
    bench.ready()
    injector = Injector(bench.pen)
    injector.inject("firmware_lies_running")
    assert bench.status().state == PenState.RUNNING
    assert not bench.pen.truth.motor_driven
    injector.clear_all()
    assert bench.status().state == PenState.ARMED


def test_a_pen_that_refuses_stop_goes_on_until_its_dead_man() -> None:
    t = Heard().treating()
    t.inject.inject("firmware_refuses_stop")
    t.stop()
    t.rig.advance(150)
    assert t.pen.truth.motor_driven
    t.inject.clear("firmware_refuses_stop")
    t.rig.advance(60)
    assert not t.pen.truth.motor_driven
    assert t.pen.truth.faults == 0


def test_a_pen_without_dead_man_runs_on_when_its_host_is_silent_and_stops_when_it_has_one_again() -> None:
    t = Heard().treating()
    t.inject.inject("firmware_no_dead_man")
    t.rig.host_stalled = True
    t.rig.advance(2000)
    assert t.pen.truth.motor_driven
    t.inject.clear("firmware_no_dead_man")
    t.rig.advance(2)
    assert not t.pen.truth.motor_driven
    assert t.pen.truth.faults == Fault.DEAD_MAN


@pytest.mark.parametrize("name", ["depth_stuck", "depth_slow"])
def test_needles_stay_out(name: str) -> None:
    t = Heard().treating()
    t.inject.inject(name)
    t.pause()
    t.rig.advance(300)
    assert t.pen.truth.protrusion_um > 0
    t.inject.clear(name)
    t.rig.advance(300)
    assert t.pen.truth.needles_out


def test_play_leaves_the_needles_beside_where_they_were_sent() -> None:
    t = Heard()
    t.inject.inject("depth_play")
    t.treating()
    assert t.pen.truth.protrusion_um == pytest.approx(DEPTH_UM - 200, abs=5)
    t.inject.clear("depth_play")
    t.stop()
    t.begin_anew()
    assert t.pen.truth.protrusion_um == pytest.approx(DEPTH_UM - 10, abs=5)


def test_contact_that_is_shown_off_the_skin(make_bench) -> None:
    bench = make_bench()
    bench.connect()
    injector = Injector(bench.pen)
    injector.inject("contact_stuck_on")
    bench.pen.hold_on("cheek", touching=False)
    assert bench.status().contact == Contact.ON_SKIN
    injector.clear_all()
    assert bench.status().contact == Contact.OFF_SKIN


def test_a_watchdog_reboots_a_firmware_that_hangs() -> None:
    t = Heard().treating()
    was = moment(t)
    t.inject.inject("firmware_hang", watchdog_ms=150)
    t.rig.advance(149)
    assert t.pen.truth.motor_driven
    t.rig.advance(2)
    assert not t.pen.truth.motor_driven
    assert t.pen.firmware.boot_id != was.boot_id
    t.rig.advance(100)
    assert t.pen.awake


def test_who_takes_the_cartridge_off_a_hanging_pen_does_not_wake_it() -> None:
    t = Heard().treating()
    t.inject.inject("firmware_hang")
    t.pen.remove_cartridge()
    t.rig.advance(100)
    assert t.pen.truth.motor_driven
    t.pen.reboot()
    assert not t.pen.truth.motor_driven


# The cartridge, the battery, others who talk to the pen


@pytest.mark.parametrize(
    ("name", "shows"),
    [
        ("cartridge_used", lambda pen: pen.cartridge.used),
        ("cartridge_expired", lambda pen: pen.cartridge.expiry_day < day_number(pen.today)),
        ("cartridge_short", lambda pen: pen.cartridge.needle_length_um == 250),
        ("cartridge_blank", lambda pen: pen.cartridge.tag == 0),
        ("battery_flat", lambda pen: pen.truth.charge < 0.05),
    ],
)
def test_what_is_found_before_arming(make_bench, name: str, shows) -> None:
    bench = make_bench()
    bench.connect()
    injector = Injector(bench.pen)
    assert not shows(bench.pen)
    injector.inject(name)
    assert shows(bench.pen)
    assert bench.request(CARTRIDGE_READ, Nothing()).refusal == 0
    injector.clear_all()
    assert not shows(bench.pen)
    assert bench.arm().refusal == 0


def test_another_cartridge_put_in_meanwhile_stays_and_is_not_worn(make_bench) -> None:
    bench = make_bench()
    injector = Injector(bench.pen)
    injector.inject("cartridge_used")
    injector.inject("cartridge_worn")
    own = bench.pen.insert_cartridge()
    injector.clear_all()
    assert bench.pen.cartridge is own
    assert bench.pen.truth.strokes == 0


def test_a_supply_that_fails_in_the_midst_of_a_write_and_one_that_is_mended_before(make_bench) -> None:
    bench = make_bench()
    bench.connect()
    injector, boot_id = Injector(bench.pen), bench.pen.firmware.boot_id
    injector.inject("power_cut_in_write")
    injector.clear_all()
    written = bench.pen.memory.calibration._replace(depth_offset_um=5)
    assert bench.request(CALIBRATION_WRITE, written).refusal == 0
    injector.inject("power_cut_in_write", step=1)
    assert bench.request(CALIBRATION_WRITE, written._replace(depth_offset_um=6)) is None
    assert bench.pen.firmware.boot_id != boot_id
    assert bench.pen.memory.calibration.depth_offset_um == 5


def test_a_second_host(make_bench) -> None:
    bench = make_bench()
    injector = Injector(bench.pen)
    bench.ready()
    injector.inject("host_second_hello")
    injector.inject("host_second_arm")
    assert bench.pen.firmware.medium == 1
    assert bench.pen.truth.lease
    said = bench.pen.firmware
    assert said.media.frames_of(OTHER_MEDIUM) == 2


def test_every_fault_but_those_of_line_and_usb_is_looked_at() -> None:
    alone = {
        "firmware_lies_running", "firmware_refuses_stop", "firmware_no_dead_man", "firmware_late_answer",
        "firmware_no_answer", "firmware_wrong_answer", "firmware_busy", "firmware_refuses_arm",
        "firmware_consume_fails", "power_cut_in_write",
        "firmware_calibration_lost", "firmware_calibration_due", "firmware_old_version", "firmware_wrong_nonce",
        "depth_stuck", "depth_slow", "depth_play", "contact_stuck_on", "battery_flat", "cartridge_used",
        "cartridge_expired", "cartridge_short", "cartridge_blank", "host_second_hello", "host_second_arm",
    }  # fmt: skip
    looked_at = set(IN_TREATMENT) | set(MOMENTARY) | alone
    assert {name for name, kind in CATALOGUE.items() if kind.layer not in {"line", "usb"}} == looked_at - {"usb_unplug"}
    assert all(CATALOGUE[name].lasts for name in IN_TREATMENT)
    assert not any(CATALOGUE[name].lasts for name in MOMENTARY)
