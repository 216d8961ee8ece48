"""Injecting and clearing: one setting at a time, the same for the same seed, and nothing left when all is cleared."""

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.wire.framing import frame
from firmware_bridge.wire.messages import Hello
from proving.plans import TODAY
from simulators.errors import BadParameter, NoSuchPart, UnknownFault
from simulators.faults.catalogue import CATALOGUE
from simulators.faults.injector import Injector
from simulators.faults.parts import LinePart, Parts
from simulators.faults.schedule import Planned, agenda, make_schedule, planned_of
from simulators.line import Line
from simulators.pen import SimulatedPen

TROUBLES = (
    "parameters", "jammed", "depth_stuck", "drive_offset_um", "depth_sensor_drift_um", "depth_sensor_dead", "wet",
    "supply_drop_v", "driver_gain", "rate_sensor_gain", "needle_drag", "contact_stuck", "charge_c",
)  # fmt: skip


class Whole:
    """A pen with a line, and what of both faults may change."""

    def __init__(self, seed: int = 1) -> None:
        self.pen = SimulatedPen(rng=Random(1), today=TODAY)
        self.line, self.now_ms = Line(), 0
        lines = LinePart(lambda: self.now_ms)
        lines.join(self.line)
        self.injector = Injector(Parts(self.pen, lines=lines), seed=seed)

    def state(self) -> dict[str, Any]:
        plant, defects = self.pen.plant, self.pen.defects
        lanes = [
            (lane.delay_ms, lane.dropping, lane.holding, lane.fate, lane.losing)
            for lane in (self.line.to_pen, self.line.to_host)
        ]
        return {name: getattr(plant, name) for name in TROUBLES} | {
            "defects": (dict(defects.says), dict(defects.deaf_to), defects.answer_late_ms, defects.no_dead_man),
            "hung": defects.hung,
            "lanes": lanes,
            "calibration": self.pen.memory.calibration,
            "cartridge": self.pen.cartridge is not None and not self.pen.cartridge.used,
        }


LASTING = [kind for kind in Whole().injector.available if kind.lasts]


@given(st.lists(st.tuples(st.sampled_from(LASTING), st.booleans(), st.integers(0, 2**32)), max_size=12))
@settings(max_examples=150, deadline=None)
def test_whatever_was_injected_nothing_of_it_is_left_when_all_is_cleared(steps: list[Any]) -> None:
    whole = Whole()
    before = whole.state()
    for kind, clears, seed in steps:
        if clears:
            whole.injector.clear(kind.name)
        else:
            [planned] = make_schedule(seed, length_ms=1, count=1, kinds=[kind])
            whole.injector.inject(kind.name, **planned.parameters)
        names = [fault.name for fault in whole.injector.active]
        assert len(names) == len(set(names))
        seats = [CATALOGUE[name].seat for name in names if CATALOGUE[name].seat]
        assert len(seats) == len(set(seats))
    whole.injector.clear_all()
    assert whole.injector.active == ()
    assert whole.state() == before


def test_injected_again_it_begins_anew_and_the_old_handle_ends_nothing() -> None:
    whole = Whole()
    first = whole.injector.inject("line_delay", delay_ms=10)
    second = whole.injector.inject("line_delay", delay_ms=20)
    assert whole.line.to_pen.delay_ms == 20
    first.clear()
    assert whole.injector.active == (second,)
    second.clear()
    assert whole.line.to_pen.delay_ms == 0


def test_another_fault_of_the_same_part_takes_its_place() -> None:
    whole = Whole()
    whole.injector.inject("motor_fast")
    whole.injector.inject("motor_runaway")
    assert [fault.name for fault in whole.injector.active] == ["motor_runaway"]
    whole.injector.clear("motor_runaway")
    assert whole.pen.plant.driver_gain == 1.0


def test_faults_of_different_parts_add_up() -> None:
    whole = Whole()
    whole.injector.inject("depth_slip", slip_um=40)
    whole.injector.inject("depth_drift", drift_um=10)
    assert whole.pen.plant.depth_sensor_drift_um == -30
    whole.injector.clear("depth_slip")
    assert (whole.pen.plant.depth_sensor_drift_um, whole.pen.plant.drive_offset_um) == (10, 0)


@pytest.mark.parametrize(
    ("name", "parameters", "error", "sentence"),
    [
        ("line_los", {}, UnknownFault, "Nearest: line_loss"),
        ("line_loss", {"share": 1}, BadParameter, "Nearest: share_permille"),
        ("line_loss", {}, NoSuchPart, "needs a line"),
        ("usb_unplug", {}, NoSuchPart, "needs a plug"),
        ("usb_stall_in", {}, NoSuchPart, "needs a pen on USB"),
        ("host_stall", {}, NoSuchPart, "another process"),
    ],
)
def test_what_cannot_be_injected_is_refused_and_nothing_is(
    name: str, parameters: dict[str, int], error: type[Exception], sentence: str
) -> None:
    injector = Injector(SimulatedPen(rng=Random(1), today=TODAY))
    with pytest.raises(error, match=sentence):
        injector.inject(name, **parameters)
    assert injector.active == ()
    with pytest.raises(UnknownFault):
        injector.clear("line_los")


def _noise(seed: int) -> bytes:
    whole = Whole(seed)
    whole.injector.inject("line_bit_error", share_permille=500)
    for number in range(100):
        whole.line.to_pen.push(frame(Hello(number + 1, 1), 0), 0)
    return whole.line.to_pen.pull(0)


def test_the_same_seed_gives_the_same_noise() -> None:
    assert _noise(3) == _noise(3) != _noise(4)


@given(st.integers(0, 2**63), st.integers(1, 100_000), st.integers(0, 30))
@settings(max_examples=50, deadline=None)
def test_a_schedule_is_the_same_for_the_same_seed_in_order_and_comes_back_from_data(
    seed: int, length_ms: int, count: int
) -> None:
    schedule = make_schedule(seed, length_ms=length_ms, count=count)
    assert schedule == make_schedule(seed, length_ms=length_ms, count=count)
    assert len(schedule) == count
    assert [one.at_ms for one in schedule] == sorted(one.at_ms for one in schedule)
    for one in schedule:
        assert 0 <= one.at_ms < length_ms
        assert one.at_ms + one.for_ms <= max(length_ms, one.at_ms + 1)
    assert planned_of([one.as_data() for one in schedule]) == schedule


def test_a_schedule_is_played_at_its_times() -> None:
    whole = Whole()
    schedule = (Planned(100, "line_delay", {"delay_ms": 7}, 50), Planned(120, "ingress"))
    seen = []
    for at_ms, do in agenda(schedule, whole.injector, begin_ms=1000):
        do()
        seen.append((at_ms, [fault.name for fault in whole.injector.active]))
    assert seen == [(1100, ["line_delay"]), (1120, ["line_delay", "ingress"]), (1150, ["ingress"])]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ([5], "is an object with at_ms"),
        ([{"fault": "ingress", "at": 5}], "Nearest: at_ms"),
        ([{"at_ms": 5}], "names its fault"),
        ([{"fault": "ingress", "at_ms": -1}], "whole number of ms"),
        ([{"fault": "ingress", "for_ms": 1.5}], "whole number of ms"),
        ([{"fault": "ingress", "parameters": []}], "parameters are an object"),
        ([{"fault": "line_delay", "parameters": {"delay_ms": 0}}], "may be 1 to 2000"),
    ],
)
def test_a_schedule_that_is_none_is_refused_in_words(data: list[object], sentence: str) -> None:
    with pytest.raises(BadParameter, match=sentence):
        planned_of(data)
