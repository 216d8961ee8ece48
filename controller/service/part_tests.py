"""Pure: what was seen of a pen's parts, held against the limits of the policy, as the record keeps it."""

from collections.abc import Sequence
from typing import Literal

from controller.calibration.policy import SelfTestLimits
from controller.inputs import PenFacts
from controller.service.shown import Shown
from controller.service_events import PartTest
from controller.units import format_hz, format_mm
from firmware_bridge.snapshot import PenSnapshot
from firmware_bridge.wire.messages import PenState
from firmware_bridge.wire.operations import SelfTestData
from firmware_bridge.wire.service_operations import LifetimeData, RawReadings

U32 = 1 << 32
OWN_PARTS = ("retract", "depth sensor", "rate sensor", "current", "battery", "memory")
"""The bits of SELF_TEST, in order."""

PARTS = (
    "own test", "retract", "end stops", "encoder", "motor current", "battery", "battery under load",
    "battery resistance", "dead-man: motor off", "dead-man: needles out", "button", "pedal", "contact", "log",
)  # fmt: skip
"""Every part of a self-test, in the order in which they are told."""


def part(
    name: str,
    measured: int | None,
    unit: str,
    sentence: str,
    *,
    at_least: int | None = None,
    at_most: int | None = None,
) -> PartTest:
    """A part that was measured: failed where it was not, or is outside its limits."""
    within = (
        measured is not None and (at_least is None or measured >= at_least) and (at_most is None or measured <= at_most)
    )
    return PartTest(
        part=name,
        outcome="passed" if within else "failed",
        sentence=sentence,
        measured=measured,
        unit=unit,
        at_least=at_least,
        at_most=at_most,
    )


def untested(name: str, why: str) -> PartTest:
    """A part that was not tested, and why."""
    return PartTest(part=name, outcome="not_tested", sentence=why)


def plain(name: str, passed: bool, sentence: str) -> PartTest:
    """A part that is in order, or not, without a number."""
    outcome: Literal["passed", "failed"] = "passed" if passed else "failed"
    return PartTest(part=name, outcome=outcome, sentence=sentence)


def own_test(data: SelfTestData) -> PartTest:
    """What the pen's own test of its parts came to."""
    tested = [name for bit, name in enumerate(OWN_PARTS) if data.tested >> bit & 1]
    failed = [name for bit, name in enumerate(OWN_PARTS) if data.tested >> bit & 1 and not data.passed >> bit & 1]
    if not tested:
        return untested("own test", "The pen tests none of its parts by itself.")
    said = f"The pen says that these failed: {', '.join(failed)}." if failed else f"Passed: {', '.join(tested)}."
    return plain("own test", not failed, said)


def retract(seen: Sequence[PenSnapshot], limits: SelfTestLimits, pen: PenFacts) -> PartTest:
    """How long the needles took to come out, from the last status that said *running*: the longest it can have been."""
    at_most = min(limits.retract_at_most_ms, pen.retract_ms + limits.dead_man_slack_ms)
    took_ms = _until_out(seen, _last_running(seen))
    said = "The needles did not come out." if took_ms is None else f"Needles out {took_ms} ms after the motor went off."
    return part("retract", took_ms, "ms", said, at_most=at_most)


def end_stops(at_ends: Sequence[tuple[int, Shown]], limits: SelfTestLimits) -> PartTest:
    """The greatest difference between what was set and what is shown, at both ends of the range; µm."""
    off_um: list[int] = []
    for set_um, shown in at_ends:
        if shown.depth_measured_um is None:
            return part("end stops", None, "µm", f"Nothing is measured at {format_mm(set_um)}.")
        off_um.append(abs(shown.depth_measured_um - set_um))
    where = " and ".join(f"{format_mm(shown.depth_measured_um)} at {format_mm(set_um)}" for set_um, shown in at_ends)
    return part("end stops", max(off_um), "µm", f"Shows {where}.", at_most=limits.end_stop_within_um)


def encoder(seen: Sequence[PenSnapshot], rate_mhz: int, limits: SelfTestLimits) -> PartTest:
    """How far the rate shown is from the rate set, and from what the stroke counter counted; ppm, the worse of both."""
    shown = [status.rate_measured_mhz for status in seen if status.rate_measured_mhz is not None]
    if not shown or len(seen) < 2:
        return part("encoder", None, "ppm", "No rate is measured.")
    mean_mhz = sum(shown) / len(shown)
    lasted_ms = (seen[-1].pen_time_ms - seen[0].pen_time_ms) % U32
    strokes = seen[-1].strokes - seen[0].strokes
    counted_mhz = strokes * 1_000_000 / lasted_ms if lasted_ms else 0.0
    within_one_mhz = 1_000_000 / lasted_ms if lasted_ms else 0.0  # a counter of whole strokes knows no better
    beside_mhz = max(abs(mean_mhz - rate_mhz), abs(counted_mhz - mean_mhz) - within_one_mhz)
    return part(
        "encoder",
        round(beside_mhz * 1_000_000 / rate_mhz),
        "ppm",
        f"Set {format_hz(rate_mhz)}, shows {format_hz(round(mean_mhz))}, counts {format_hz(round(counted_mhz))}.",
        at_most=limits.encoder_within_ppm,
    )


def motor_current(shown: Shown, limits: SelfTestLimits) -> PartTest:
    """What the motor takes with nothing in its way; mA."""
    at_least, at_most = limits.motor_current_at_least_ma, limits.motor_current_at_most_ma
    said = f"The motor takes {shown.motor_current_ma} mA with nothing in its way."
    return part("motor current", shown.motor_current_ma, "mA", said, at_least=at_least, at_most=at_most)


def charge(shown: Shown, limits: SelfTestLimits) -> PartTest:
    """How far the battery is charged; ‰."""
    said = "The battery's charge is not measured."
    if shown.battery_permille is not None:
        said = f"The battery is charged to {shown.battery_permille / 10:.0f} %."
    return part("battery", shown.battery_permille, "‰", said, at_least=limits.battery_at_least_permille)


def sag(at_rest: RawReadings, running: RawReadings, limits: SelfTestLimits) -> PartTest:
    """How far the battery's voltage falls when the motor runs; mV. What a pen does not measure it says as 0xFFFF."""
    if 0xFFFF in (at_rest.supply_mv, running.supply_mv):
        return untested("battery under load", "The pen does not measure its battery's voltage.")
    fell_mv = max(0, at_rest.supply_mv - running.supply_mv)
    said = f"{at_rest.supply_mv} mV at rest, {running.supply_mv} mV with the motor on."
    return part("battery under load", fell_mv, "mV", said, at_most=limits.battery_sag_at_most_mv)


def resistance(data: LifetimeData, limits: SelfTestLimits) -> PartTest:
    """The battery's internal resistance as the pen knows it; mΩ."""
    found = data.battery_resistance_mohm
    if found == 0xFFFF:
        return untested("battery resistance", "The pen does not measure it.")
    said = f"The battery's internal resistance is {found} mΩ."
    return part("battery resistance", found, "mΩ", said, at_most=limits.battery_resistance_at_most_mohm)


def dead_man(
    seen: Sequence[PenSnapshot], last_word_ms: int, limits: SelfTestLimits, pen: PenFacts
) -> tuple[PartTest, PartTest]:
    """How long after the host's last word the drive was off, and the needles out: the longest it can have been.

    ``last_word_ms`` is the pen time that the last setpoint named. The motor's current, where measured, is the witness
    beside the pen's word: a pen that says *off* and goes on taking current has failed.
    """
    off = next((status for status in seen if status.state is not PenState.RUNNING), None)
    off_ms = None if off is None else (off.pen_time_ms - last_word_ms) % U32
    out_ms = _until_out(seen, last_word_ms)
    drive_ms, needles_ms = pen.dead_man_ms, pen.dead_man_ms + pen.retract_ms
    said = "The motor went on running." if off_ms is None else f"Motor off {off_ms} ms after our last word."
    drive = part("dead-man: motor off", off_ms, "ms", said, at_most=drive_ms + limits.dead_man_slack_ms)
    current_ma = seen[-1].motor_current_ma if seen else None
    if current_ma is not None and current_ma >= limits.motor_current_at_least_ma:
        said = f"The pen says that its motor is off, and it takes {current_ma} mA."
        drive = drive.model_copy(update={"outcome": "failed", "sentence": said})
    said = "The needles did not come out." if out_ms is None else f"Needles out {out_ms} ms after our last word."
    return drive, part("dead-man: needles out", out_ms, "ms", said, at_most=needles_ms + limits.dead_man_slack_ms)


def pressed(name: str, before: int, after: int) -> PartTest:
    """A press that was asked for, by the pen's counters (modulo 256)."""
    count = (after - before) % 256
    said = f"Counted: {count}." if count else "No press was counted in time."
    return part(name, count, "presses", said, at_least=1, at_most=max(1, count))


def contact(touched: bool, let_go: bool) -> PartTest:
    """Whether the pen's sensor said *skin* when it was touched, and *off skin* when it was let go."""
    if not touched:
        return plain("contact", False, "No touch was sensed in time: a sensor that never says skin protects nobody.")
    return plain("contact", let_go, "Sensed, and let go." if let_go else "Sensed, and goes on being so.")


def event_log(before: int, newest: int, numbers: Sequence[int], *, expected: int) -> PartTest:
    """The pen's event log: that it told of what was done to it since, and lost nothing.

    ``before`` and ``newest`` are numbers of entries, ``numbers`` those that were read, ``expected`` how many at least.
    """
    whole = list(numbers) == list(range(before + 1, newest + 1))
    said = f"{newest - before} entries of this test" + (", none missing." if whole else ", and some are missing.")
    return plain("log", whole and newest - before >= expected, said)


def _last_running(seen: Sequence[PenSnapshot]) -> int | None:
    return next((status.pen_time_ms for status in reversed(seen) if status.state is PenState.RUNNING), None)


def _until_out(seen: Sequence[PenSnapshot], since_ms: int | None) -> int | None:
    """From a pen time until the needles stayed out, by the statuses; None where they did not."""
    if since_ms is None or not seen or not seen[-1].needles_out:
        return None
    out = seen[-1]
    for status in reversed(seen):
        if not status.needles_out or status.state is PenState.RUNNING:
            break
        out = status
    return (out.pen_time_ms - since_ms) % U32
