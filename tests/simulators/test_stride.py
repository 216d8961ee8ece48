"""A pen that lives in strides is the same pen, bit for bit, as one that lives millisecond by millisecond."""

from datetime import date
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.wire.codec import pack
from firmware_bridge.wire.framing import frame
from firmware_bridge.wire.messages import Arm, Hello, Request, Setpoint, Stop
from firmware_bridge.wire.operations import CLEAR_FAULT
from firmware_bridge.wire.service_operations import ADJUSTMENT_WRITE, SERVICE_ARM, ServiceCeilings
from simulators.adjustment import AdjustmentTable
from simulators.pen import STEP_S, SimulatedPen
from simulators.personality import MODELS
from simulators.untruth import Untruth

TODAY = date(2026, 1, 1)
NONCE = 5

ACTS = st.one_of(
    st.tuples(st.just("setpoint"), st.integers(0, 30)),
    st.tuples(st.just("off"), st.just(0)),
    st.tuples(
        st.sampled_from(
            ["arm", "stop", "jam", "unjam", "stick", "unstick", "drop supply", "good supply", "drift", "button", "hot",
             "reboot", "off skin", "on skin", "clear", "drain", "service", "table"]
        ),
        st.just(0),
    ),
)  # fmt: skip


def act(pen: SimulatedPen, number: int, do: str, value: int) -> None:
    firmware = pen.firmware

    def say(message: object) -> None:
        pen.receive(1, frame(message, number))  # type: ignore[arg-type]

    match do:
        case "arm":
            say(Arm(NONCE, number + 1, 1500, 150_000, pen.cartridge.tag if pen.cartridge else 0))
        case "setpoint" | "off":
            on = int(do == "setpoint")
            say(Setpoint(firmware.lease or 1, firmware.tick + 1, on, value * 50, 20_000 + value * 3000,
                         firmware.pen_time_ms))  # fmt: skip
        case "stop":
            say(Stop())
        case "clear":
            say(Request(number, NONCE, CLEAR_FAULT.number, number + 1, b"\xff\xff"))
        case "jam" | "unjam":
            pen.faults.jam_motor(do == "jam")
        case "stick" | "unstick":
            pen.faults.stick_depth(do == "stick")
        case "drop supply" | "good supply":
            pen.faults.drop_supply(2.4 if do == "drop supply" else 0.0)
        case "drift":
            pen.faults.drift_depth_sensor(400.0)
        case "button":
            pen.press_button()
        case "hot":
            pen.faults.heat_to(59.99)
        case "reboot":
            pen.reboot()
        case "off skin" | "on skin":
            pen.hold_on("cheek", touching=do == "on skin")
        case "service":
            asked = ServiceCeilings(1500, 150_000, 2_000)
            say(Request(number, NONCE, SERVICE_ARM.number, number + 1, pack(asked)))
        case "table":
            table = AdjustmentTable(pen.memory.adjustment.number + 1, 980_000, (0, 1000, 2500), (60, 1075, 2580))
            say(Request(number, NONCE, ADJUSTMENT_WRITE.number, number + 1, pack(table.as_data())))
        case "drain":
            pen.faults.drain_battery(0.02)


def lived(
    story: list[tuple[int, tuple[str, int]]], model: str, *, strides: bool, untruth: Untruth | None = None
) -> list[object]:
    """What the pen said, when, and everything its parts came to."""
    pen = SimulatedPen(MODELS[model], rng=Random(3), today=TODAY, untruth=untruth)
    pen.receive(1, b"\x00" + frame(Hello(NONCE, 1), 0))
    heard: list[object] = []
    now_ms = 0
    for number, (wait_ms, (do, value)) in enumerate(story):
        end_ms = now_ms + wait_ms
        while now_ms < end_ms:
            if strides:
                now_ms += pen.run(end_ms - now_ms)
            else:
                if pen.booting:
                    now_ms += pen.run(1)
                else:
                    pen.firmware.step_1ms()
                    pen.plant.step(STEP_S)
                    now_ms += 1
            said = pen.take(1)
            if said:
                heard.append((now_ms, said))
        act(pen, number, do, value)
        heard.append(pen.truth)
    names = {name for kind in type(pen.plant).__mro__ for name in getattr(kind, "__slots__", ())}
    parts = [getattr(pen.plant, name) for name in sorted(names - {"parameters", "_random"})]
    return [*heard, parts, pen.memory.lifetime.ran_ms]


@settings(max_examples=60)
@given(
    story=st.lists(st.tuples(st.integers(1, 400), ACTS), min_size=3, max_size=25),
    model=st.sampled_from(sorted(MODELS)),
)
def test_strides_change_nothing(story: list[tuple[int, tuple[str, int]]], model: str) -> None:
    begun = [(5, ("arm", 0)), (5, ("setpoint", 10)), (1, ("setpoint", 20)), *story]
    assert lived(begun, model, strides=True) == lived(begun, model, strides=False)


@settings(max_examples=40)
@given(
    story=st.lists(st.tuples(st.integers(1, 400), ACTS), min_size=3, max_size=25),
    untruth=st.one_of(
        st.none(), st.just(Untruth(1_040_000, 80, -40, 30, 4, 3, 950_000)), st.just(Untruth(930_000, -150, noise_um=9))
    ),
)
def test_nor_do_they_on_a_bench(story: list[tuple[int, tuple[str, int]]], untruth: Untruth | None) -> None:
    begun = [(5, ("off skin", 0)), (5, ("service", 0)), (5, ("setpoint", 10)), (1, ("setpoint", 20)), *story]
    by_stride, by_step = (lived(begun, "NW-2", strides=strides, untruth=untruth) for strides in (True, False))
    assert by_stride == by_step


def test_a_long_quiet_drive_changes_nothing_either() -> None:
    """Long enough for the speed to settle to its last bit."""
    story = [(5, ("arm", 0)), *[(50, ("setpoint", 10))] * 60, (2000, ("off", 0)), (3000, ("stop", 0))]
    assert lived(story, "NW-1", strides=True) == lived(story, "NW-1", strides=False)


def test_a_run_ends_when_something_was_sent_or_the_drive_changed() -> None:
    pen = SimulatedPen(rng=Random(3), today=TODAY)
    pen.receive(1, b"\x00" + frame(Hello(NONCE, 1), 0))
    pen.take(1)
    assert pen.run(1000) == pen.model.status_period_ms
    assert pen.take(1)
    act(pen, 1, "arm", 0)
    act(pen, 2, "setpoint", 10)
    pen.take(1)
    lived_ms = 0
    while pen.plant.driven:
        lived_ms += pen.run(1000)
        pen.take(1)
    assert lived_ms == pen.model.dead_man_ms
    assert pen.driven_at_ms == pen.lived_ms - 1
    assert pen.take_deepest_driven_um() == 490.0
