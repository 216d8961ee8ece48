"""The link suite: the same over every medium and both pens, and over a real one with ``--pen URL``."""

import asyncio
import io
import statistics
from itertools import pairwise
from random import Random

import pytest

from firmware_bridge.errors import LinkClosed, LinkStale, PenBusy, RequestRefused, RequestUncertain, TransportError
from firmware_bridge.handshake import open_link
from firmware_bridge.supervisor import Supervisor, SupervisorState
from firmware_bridge.wire.capture import CaptureReader, CaptureWriter, Direction, messages_of
from firmware_bridge.wire.codec import range_problem
from firmware_bridge.wire.framing import Deframer, frame
from firmware_bridge.wire.messages import (
    PROTOCOL_VERSION,
    Armed,
    Capability,
    Fault,
    Hello,
    PenState,
    Refusal,
    Request,
    Response,
    Setpoint,
    Status,
    Stop,
    Welcome,
)
from firmware_bridge.wire.operations import (
    CALIBRATION_READ,
    CALIBRATION_WRITE,
    CARTRIDGE_READ,
    CLEAR_FAULT,
    EVENT_LOG,
    SELF_TEST,
    CalibrationData,
    FaultMask,
    LogPosition,
)
from tests.hosts import (
    DEPTH_CEILING_UM,
    DEPTH_UM,
    RATE_CEILING_MHZ,
    RATE_MHZ,
    WITHIN_S,
    Host,
    connected,
    monotonic_ms,
)
from tests.pens import KIND, SIMULATED, VIRTUAL, BadLine, BenchPen

CALIBRATION = CalibrationData(1, b"TEST-CERT".ljust(16, b"\0"), 20_000, 20_300, 1_010_000, -5, 40, 990_000)


def requests_in(pieces: list[bytes]) -> list[Request]:
    """The requests in what was sent."""
    return [item for item in Deframer().feed(b"".join(pieces)) if isinstance(item, Request)]


# Handshake -----------------------------------------------------------------------------------------------------------


async def test_welcome_is_sane_and_status_bears_its_boot_id(pen: BenchPen) -> None:
    async with connected(pen.url) as host:
        welcome = host.link.welcome
        assert range_problem(welcome) is None
        assert welcome.version == PROTOCOL_VERSION
        assert welcome.model.strip(b"\0")
        assert welcome.serial.strip(b"\0")
        assert welcome.capabilities & Capability.DEAD_MAN
        assert welcome.depth_min_um < welcome.depth_max_um
        assert welcome.depth_max_um % welcome.depth_step_um == 0
        assert welcome.rate_min_mhz <= welcome.rate_max_mhz
        assert host.latest.boot_id == welcome.boot_id
        assert host.latest.lease == 0
        assert host.latest.state is PenState.IDLE
        assert host.latest.needles_out


async def test_bytes_from_before_and_a_welcome_with_another_nonce_are_discarded(pen: BenchPen) -> None:
    old = Welcome(77, PROTOCOL_VERSION + 1, 1, b"old", b"old", b"old", 0, 0, 1, 1, 0, 1, 1, 100, 1, 5)
    line = BadLine(pen.url)
    line.before = b"half a frame\0" + frame(old, 3) + frame(old._replace(version=PROTOCOL_VERSION), 4) + b"\x17\0"
    async with connected(line.url) as host:
        assert host.link.welcome.model != b"old"
        assert host.latest.boot_id == host.link.welcome.boot_id


async def test_status_flows_at_its_period(pen: BenchPen) -> None:
    async with connected(pen.url) as host:
        await host.next_status(12)
        period_ms = host.link.welcome.status_period_ms
        times = [seen.pen_time_ms for seen in host.seen]
        steps = [later - earlier for earlier, later in pairwise(times)]
        assert statistics.median(steps) == period_ms
        assert all(step > 0 for step in steps)
        assert sum(host.link.quality.gap_counts) == len(host.seen) - 1
        assert host.link.deframer.damaged == 0


async def test_status_that_lay_in_a_buffer_is_known_to_be_old_and_the_gap_is_told_once(either_pen: BenchPen) -> None:
    line = BadLine(either_pen.url)
    async with connected(line.url) as host:
        await host.next_status(5)
        assert host.advisories == []
        gap_ms = host.link.welcome.dead_man_ms * 2 // 3
        line.to_host.holds = lambda kind: kind == KIND[Status]
        await asyncio.sleep(gap_ms / 1000)
        before = len(host.seen)
        line.to_host.release()
        held = len(host.seen) - before
        assert held >= 5
        delays_ms = [
            seen_at - sent_at
            for seen_at, sent_at in zip(host.seen_at_ms[before:], host.sent_at_ms[before:], strict=True)
        ]
        assert delays_ms == sorted(delays_ms, reverse=True)
        assert gap_ms * 2 // 3 <= delays_ms[0] <= gap_ms * 2
        assert host.link.quality.longest_gap_ms >= gap_ms
        (sentence,) = host.advisories
        assert "over half of the dead-man time" in sentence
        line.to_host.holds = lambda kind: kind == KIND[Status]
        await asyncio.sleep(gap_ms / 1000)
        line.to_host.release()
        assert len(host.advisories) == 1, "one in ten seconds is enough"


async def test_a_tap_records_both_directions_as_a_capture(pen: BenchPen) -> None:
    recorded = io.StringIO()
    writer = CaptureWriter(recorded, pen_url=pen.url, started="2026-01-01T00:00:00+00:00")
    began_ms = monotonic_ms()
    async with connected(pen.url, tap=writer.tap(lambda: (monotonic_ms() - began_ms) * 1000)) as host:
        await host.cartridge_tag()
    recorded.seek(0)
    messages = list(messages_of(CaptureReader(recorded)))
    sent = [type(item.message) for item in messages if item.direction is Direction.HOST_TO_PEN]
    heard = {type(item.message) for item in messages if item.direction is Direction.PEN_TO_HOST}
    assert sent[0] is Hello
    assert sent[-2:] == [Request, Stop]
    assert heard == {Welcome, Status, Response}


# Lease and setpoints -------------------------------------------------------------------------------------------------


async def test_arming_gives_a_lease_and_disarming_ends_it_without_a_fault(pen: BenchPen) -> None:
    async with connected(pen.url) as host:
        lease = await host.arm()
        seen = await host.until(lambda seen: seen.lease == lease)
        assert seen.state is PenState.ARMED
        assert seen.tick == 0
        host.link.disarm(lease)
        seen = await host.until(lambda seen: not seen.lease)
        assert not seen.faults
        await host.until(lambda seen: seen.state is PenState.IDLE)


async def test_a_refused_arm_says_why(pen: BenchPen) -> None:
    async with connected(pen.url) as host:
        with pytest.raises(RequestRefused, match="RANGE") as raised:
            await host.arm(depth_ceiling_um=host.link.welcome.depth_max_um + 1)
        assert raised.value.refusal == Refusal.RANGE
        tag = await host.cartridge_tag()
        with pytest.raises(RequestRefused) as raised:
            await host.link.arm(
                depth_ceiling_um=DEPTH_CEILING_UM, rate_ceiling_mhz=RATE_CEILING_MHZ, cartridge_tag=tag ^ 1
            )
        assert raised.value.refusal == Refusal.CARTRIDGE
        lease = await host.arm()
        with pytest.raises(RequestRefused) as raised:
            await host.arm()
        assert raised.value.refusal == Refusal.ARMED
        seen = await host.next_status()
        assert seen.lease == lease, "a refused ARM leaves the live lease alone"


async def test_motor_on_runs_at_what_was_set_and_motor_off_takes_the_needles_out(pen: BenchPen) -> None:
    async with connected(pen.url) as host:
        strokes = host.latest.strokes
        await host.arm()
        async with host.driving(motor=True):
            running = await host.until(lambda seen: seen.state is PenState.RUNNING)
            assert (running.depth_set_um, running.rate_set_mhz) == (DEPTH_UM, RATE_MHZ)
            there = await host.until(
                lambda seen: (
                    abs((seen.depth_measured_um or 0) - DEPTH_UM) <= 100
                    and abs((seen.rate_measured_mhz or 0) - RATE_MHZ) <= RATE_MHZ // 10
                    and seen.strokes > strokes
                )
            )
            assert there.tick > running.tick >= 1
            assert not there.needles_out
            assert there.motor_current_ma
            host.wish = (False, 0, 0)
            rested = await host.until(lambda seen: seen.needles_out and seen.rate_measured_mhz == 0)
        assert rested.state is PenState.ARMED
        assert (rested.depth_set_um, rested.rate_set_mhz) == (0, 0)
        assert rested.depth_measured_um is not None
        assert rested.depth_measured_um < 0, "behind the face, and no echo of what was set"
        assert not rested.faults


async def test_the_pen_holds_its_ceilings_by_itself(pen: BenchPen) -> None:
    async with connected(pen.url) as host:
        welcome = host.link.welcome
        await host.arm(DEPTH_UM, RATE_MHZ)
        async with host.driving(motor=True):
            await host.until(lambda seen: seen.state is PenState.RUNNING)
            host.set(motor=True, depth_um=DEPTH_UM + welcome.depth_step_um)
            seen = await host.until(lambda seen: seen.refusal == Refusal.DEPTH_CEILING)
            assert (seen.state, seen.depth_set_um, seen.rate_set_mhz) == (PenState.RUNNING, DEPTH_UM, RATE_MHZ)
            host.set(motor=True, rate_mhz=RATE_MHZ + welcome.rate_step_mhz)
            seen = await host.until(lambda seen: seen.refusal == Refusal.RATE_CEILING)
            assert (seen.state, seen.depth_set_um, seen.rate_set_mhz) == (PenState.RUNNING, DEPTH_UM, RATE_MHZ)
            host.set(motor=True, depth_um=DEPTH_UM - welcome.depth_step_um // 2)
            seen = await host.until(lambda seen: seen.refusal == Refusal.RANGE)
            assert (seen.state, seen.depth_set_um, seen.rate_set_mhz) == (PenState.RUNNING, DEPTH_UM, RATE_MHZ)


# Dead-man, freshness, STOP -------------------------------------------------------------------------------------------


async def test_silence_stops_the_pen_until_a_person_clears_the_fault(pen: BenchPen) -> None:
    async with connected(pen.url) as host:
        welcome = host.link.welcome
        lease = await host.arm()
        async with host.driving(motor=True):
            await host.until(lambda seen: seen.state is PenState.RUNNING)
        silent_from = host.latest.pen_time_ms
        stopped = await host.until(lambda seen: bool(seen.faults & Fault.DEAD_MAN))
        assert stopped.lease == 0
        assert stopped.state in {PenState.RETRACTING, PenState.FAULT}
        assert stopped.pen_time_ms - silent_from <= welcome.dead_man_ms + 2 * welcome.status_period_ms
        out = await host.until(lambda seen: seen.needles_out)
        assert out.pen_time_ms - stopped.pen_time_ms <= welcome.retract_ms + welcome.status_period_ms
        assert (await host.until(lambda seen: seen.state is PenState.FAULT)).faults == Fault.DEAD_MAN
        with pytest.raises(RequestRefused) as raised:
            await host.arm()
        assert raised.value.refusal == Refusal.FAULTED
        await host.link.request(CLEAR_FAULT, FaultMask(int(Fault.DEAD_MAN)))
        await host.until(lambda seen: seen.state is PenState.IDLE)
        assert await host.arm() != lease


async def test_an_armed_pen_at_rest_needs_fresh_setpoints_too(pen: BenchPen) -> None:
    async with connected(pen.url) as host:
        dead_man_ms = host.link.welcome.dead_man_ms
        await host.arm()
        began = host.latest.pen_time_ms
        async with host.driving(motor=False, depth_um=0):
            alive = await host.until(lambda seen: seen.pen_time_ms - began > dead_man_ms + 100)
            assert alive.state is PenState.ARMED
        await host.until(lambda seen: bool(seen.faults & Fault.DEAD_MAN))
        await host.clear_faults()


async def test_stop_ends_the_lease_and_nothing_sent_under_it_moves_the_pen_again(pen: BenchPen) -> None:
    async with connected(pen.url) as host:
        lease = await host.arm()
        async with host.driving(motor=True):
            await host.until(lambda seen: seen.state is PenState.RUNNING and seen.tick >= 2)
            host.link.stop()
            assert host.link.lease == 0, "dropped before STOP is sent"
            assert not host.set(motor=True), "nothing leaves without a lease"
            stopped = await host.until(lambda seen: not seen.lease)
        assert stopped.state is not PenState.RUNNING
        assert not stopped.faults
        await host.until(lambda seen: seen.state is PenState.IDLE)
        for tick in range(100, 105):
            host.link._send(Setpoint(lease, tick, 1, DEPTH_UM, RATE_MHZ, host.latest.pen_time_ms))
        seen = await host.until(lambda seen: seen.refusal == Refusal.LEASE)
        assert seen.state is PenState.IDLE
        assert seen.needles_out


async def test_stop_lost_three_times_is_repeated_until_confirmed(pen: BenchPen) -> None:
    line = BadLine(pen.url)
    line.to_pen.loses = lambda kind: kind == KIND[Stop] and line.to_pen.lost.count(kind) < 3
    async with connected(line.url) as host:
        await host.arm()
        async with host.driving(motor=True):
            await host.until(lambda seen: seen.state is PenState.RUNNING)
            stopped = await host.stop()
        assert line.to_pen.lost == [KIND[Stop]] * 3
        assert stopped.state is not PenState.RUNNING
        assert not stopped.faults


async def test_setpoints_held_in_a_buffer_for_longer_than_the_dead_man_time_move_nothing(pen: BenchPen) -> None:
    line = BadLine(pen.url)
    async with connected(line.url) as host:
        await host.arm()
        async with host.driving(motor=True):
            await host.until(lambda seen: seen.state is PenState.RUNNING)
            line.to_pen.holds = lambda kind: kind == KIND[Setpoint]
            await host.until(lambda seen: bool(seen.faults & Fault.DEAD_MAN) and line.to_pen.held >= 5)
        await host.until(lambda seen: seen.state is PenState.FAULT)
        before = len(host.seen)
        line.to_pen.release()
        await host.until(lambda seen: seen.refusal == Refusal.LEASE)
        await host.next_status(2)
        assert all(seen.state is PenState.FAULT and seen.needles_out for seen in host.seen[before:])
        await host.clear_faults()


async def test_motor_on_decided_too_long_ago_is_refused_although_the_lease_lives(pen: BenchPen) -> None:
    line = BadLine(pen.url)
    async with connected(line.url) as host:
        dead_man_ms = host.link.welcome.dead_man_ms
        await host.arm()
        decided = host.latest.pen_time_ms
        async with host.driving(motor=False, depth_um=0):
            await host.until(lambda seen: seen.pen_time_ms - decided > dead_man_ms)
            host.link.send_setpoint(motor=True, depth_um=DEPTH_UM, rate_mhz=RATE_MHZ, seen_pen_time_ms=decided)
            await host.until(lambda seen: seen.refusal == Refusal.STALE)
            ahead = host.latest.pen_time_ms + 1000
            host.link.send_setpoint(motor=True, depth_um=DEPTH_UM, rate_mhz=RATE_MHZ, seen_pen_time_ms=ahead)
            await host.next_status(3)
            assert not any(seen.state is PenState.RUNNING for seen in host.seen)
            assert host.latest.state is PenState.ARMED


@pytest.mark.parametrize("which", ["button", "pedal"])
async def test_a_press_pauses_and_a_motor_on_decided_before_it_is_refused(handled_pen: BenchPen, which: str) -> None:
    press = handled_pen.press_button if which == "button" else handled_pen.press_pedal
    line = BadLine(handled_pen.url)
    async with connected(line.url) as host:
        lease = await host.arm()
        async with host.driving(motor=True):
            unpressed = await host.until(lambda seen: seen.state is PenState.RUNNING)
            line.to_host.holds = lambda kind: kind == KIND[Status]  # the host does not see the press
            press()
            sent = len(line.to_pen.passed)
            async with asyncio.timeout(WITHIN_S):
                while len(line.to_pen.passed) < sent + 2:  # setpoints decided before the press was seen
                    await asyncio.sleep(0.01)
            line.to_host.release()
            paused = await host.until(lambda seen: seen.state is PenState.ARMED)
            refused = await host.until(lambda seen: seen.refusal == Refusal.PRESSED)
            host.wish = (False, 0, 0)
        for seen in (paused, refused):
            presses = seen.button_presses if which == "button" else seen.pedal_presses
            before = unpressed.button_presses if which == "button" else unpressed.pedal_presses
            assert presses == before + 1
            assert seen.lease == lease
            assert not seen.faults
        async with host.driving(motor=True):
            await host.until(lambda seen: seen.state is PenState.RUNNING)


async def test_a_jammed_motor_and_a_cartridge_taken_off_end_the_lease(handled_pen: BenchPen) -> None:
    async with connected(handled_pen.url) as host:
        await host.arm()
        async with host.driving(motor=True):
            await host.until(lambda seen: seen.state is PenState.RUNNING)
            handled_pen.jam_motor()
            jammed = await host.until(lambda seen: bool(seen.faults & Fault.STALL))
        assert jammed.lease == 0
        await host.until(lambda seen: seen.state is PenState.FAULT)
        await host.clear_faults()
        await host.arm()
        async with host.driving(motor=False, depth_um=0):
            handled_pen.swap_cartridge()
            removed = await host.until(lambda seen: bool(seen.faults & Fault.CARTRIDGE_REMOVED))
        assert removed.lease == 0
        assert not removed.cartridge_present
        with pytest.raises(RequestRefused) as raised:
            await host.clear_faults()
        assert raised.value.refusal == Refusal.NOT_READY
        handled_pen.swap_cartridge()
        await host.until(lambda seen: seen.cartridge_present)
        await host.clear_faults()


# Requests ------------------------------------------------------------------------------------------------------------


async def test_requests_are_answered(pen: BenchPen) -> None:
    async with connected(pen.url) as host:
        cartridge = await host.link.request(CARTRIDGE_READ)
        assert cartridge.present
        assert cartridge.tag
        await host.link.request(CALIBRATION_WRITE, CALIBRATION)
        assert await host.link.request(CALIBRATION_READ) == CALIBRATION
        tested = await host.link.request(SELF_TEST)
        assert tested.tested
        assert tested.passed == tested.tested
        log = await host.link.request(EVENT_LOG, LogPosition(1))
        assert log.newest >= 3  # started, calibrated, tested
        assert len(log.entries) == 3 * 13
        assert (await host.link.request(EVENT_LOG, LogPosition(log.newest + 1))).entries == b""
        assert await host.link.outcome(0x1234_5678) is None


async def test_a_refused_request_says_why(pen: BenchPen) -> None:
    async with connected(pen.url) as host:
        await host.arm()
        async with host.driving(motor=False, depth_um=0):
            with pytest.raises(RequestRefused, match="ARMED") as raised:
                await host.link.request(CALIBRATION_WRITE, CALIBRATION)
            assert raised.value.refusal == Refusal.ARMED
            assert (await host.link.request(CARTRIDGE_READ)).present, "reads are allowed while armed"
        assert not host.latest.faults


async def test_a_repeatable_request_without_answer_is_sent_again_under_a_new_id(pen: BenchPen) -> None:
    line = BadLine(pen.url)
    sent: list[bytes] = []
    async with connected(line.url, tap=lambda outgoing, data: sent.append(data) if outgoing else None) as host:
        line.to_host.loses = lambda kind: kind == KIND[Response] and not line.to_host.lost
        began = len(sent)
        assert (await host.link.request(CARTRIDGE_READ)).present
        assert line.to_host.lost == [KIND[Response]]
        asked = requests_in(sent[began:])
        assert [item.operation for item in asked] == [CARTRIDGE_READ.number] * 2
        assert asked[0].id != asked[1].id


async def test_an_unanswered_request_that_is_not_repeatable_is_uncertain_and_its_outcome_tells_the_truth(
    pen: BenchPen,
) -> None:
    line = BadLine(pen.url)
    sent: list[bytes] = []
    async with connected(line.url, tap=lambda outgoing, data: sent.append(data) if outgoing else None) as host:
        line.to_host.holds = lambda kind: kind == KIND[Response]
        with pytest.raises(RequestUncertain) as done:
            await host.link.request(CALIBRATION_WRITE, CALIBRATION)
        assert line.to_host.held == 1
        # The late answer comes while the next request is under way, and is not taken for its answer.
        reading = asyncio.create_task(host.link.request(CARTRIDGE_READ), name="next request")
        await host.next_status(2)
        assert line.to_host.held == 2
        line.to_host.release()
        assert (await reading).present

        line.to_pen.loses = lambda kind: kind == KIND[Request] and not line.to_pen.lost
        with pytest.raises(RequestUncertain) as lost:
            await host.link.request(CALIBRATION_WRITE, CALIBRATION._replace(due_day=1))
        assert [item.operation for item in requests_in(sent)].count(CALIBRATION_WRITE.number) == 2, "never sent again"

        outcome = await host.link.outcome(done.value.key)
        assert outcome is not None
        assert (outcome.key, outcome.refusal) == (done.value.key, Refusal.NONE)
        assert await host.link.outcome(lost.value.key) is None
        assert await host.link.request(CALIBRATION_READ) == CALIBRATION


async def test_an_unanswered_arm_is_followed_by_stop_and_so_is_a_late_answer(pen: BenchPen) -> None:
    line = BadLine(pen.url)
    async with connected(line.url) as host:
        line.to_host.holds = lambda kind: kind == KIND[Armed]
        line.to_pen.loses = lambda kind: kind == KIND[Stop] and not line.to_pen.lost
        with pytest.raises(RequestUncertain, match="STOP"):
            await host.arm()
        assert line.to_pen.lost == [KIND[Stop]], "that STOP did not arrive"
        line.to_host.release()
        await host.until(lambda seen: not seen.lease)
        assert host.link.lease == 0
        async with asyncio.timeout(1):
            while KIND[Stop] not in line.to_pen.passed:
                await host.next_status()
        await host.clear_faults()


# Connections ---------------------------------------------------------------------------------------------------------


async def test_a_hello_on_the_medium_of_the_lease_ends_it_and_the_old_nonce_with_it(pen: BenchPen) -> None:
    line = BadLine(pen.url)
    async with connected(line.url) as host:
        await host.arm()
        async with host.driving(motor=True):
            await host.until(lambda seen: seen.state is PenState.RUNNING)
            line.to_pen.inject(Hello(0x0BADCAFE, PROTOCOL_VERSION))
            ended = await host.until(lambda seen: not seen.lease)
        assert ended.state is not PenState.RUNNING
        assert not ended.faults
        with pytest.raises(RequestRefused) as raised:
            await host.link.request(CARTRIDGE_READ)
        assert raised.value.refusal == Refusal.NONCE


async def test_unplugging_is_told_once_with_its_cause_and_ends_what_was_waiting(handled_pen: BenchPen) -> None:
    line = BadLine(handled_pen.url)
    async with connected(line.url) as host:
        line.to_host.loses = lambda kind: kind == KIND[Response]
        waiting = asyncio.create_task(host.link.request(CARTRIDGE_READ), name="waiting request")
        await host.next_status()
        handled_pen.unplug()
        cause = await host.until_lost()
        assert isinstance(cause, TransportError)
        with pytest.raises(LinkClosed) as raised:
            await waiting
        assert raised.value.__cause__ is cause
        assert not host.set(motor=True)
        with pytest.raises(LinkClosed):
            await host.link.request(CARTRIDGE_READ)
        host.link.check_fresh()
        assert host.lost == [cause]


@pytest.mark.parametrize("kind", [VIRTUAL])
async def test_a_line_on_which_everything_is_old_news_is_given_up_once_nothing_is_armed_on_it(kind: str) -> None:
    """Late by less than what counts as silence: nothing can be armed on it, and it never gets better by itself."""
    async with SIMULATED[kind]() as pen, connected((line := BadLine(pen.url)).url) as host:
        await host.next_status()
        for _ in range(50):
            await asyncio.sleep(0.1)
            host.link.check_fresh()
        assert not host.lost
        at_once, late_s = line.to_host.deliver, host.link.welcome.dead_man_ms * 0.95 / 1000
        loop = asyncio.get_running_loop()

        def later(data: bytes) -> None:
            loop.call_later(late_s, at_once, data)

        line.to_host.deliver = later
        for _ in range(20):
            await asyncio.sleep(0.1)
            host.link.check_fresh()
        assert not host.lost, "a moment is forgiven"
        for _ in range(20):
            await asyncio.sleep(0.1)
            host.link.check_fresh()
        (cause,) = host.lost
        assert isinstance(cause, LinkStale)
        assert "came late" in str(cause)


class Keeper(Host):
    """A host with a supervisor."""

    def __init__(self) -> None:
        super().__init__()
        self.generations: list[int] = []
        self.downs: list[object] = []

    def link_up(self, link: object, generation: int) -> None:
        self.link = link  # type: ignore[assignment]
        self.generations.append(generation)

    def link_down(self, cause: object) -> None:
        self.downs.append(cause)

    def connect_failed(self, error: object) -> None:
        self.downs.append(error)


async def test_a_pen_that_restarts_is_lost_with_a_cause_and_found_again_as_a_new_generation(
    either_handled_pen: BenchPen,
) -> None:
    host = Keeper()
    supervisor = Supervisor(either_handled_pen.url, host, monotonic_ms=monotonic_ms, random=Random(1))
    running = asyncio.create_task(supervisor.run(), name="supervisor")
    try:
        first = await host.next_status()
        await host.arm()
        either_handled_pen.reboot()
        again = await host.until(lambda seen: seen.boot_id != first.boot_id, within_s=6)
        assert host.generations == [1, 2]
        (cause,) = host.downs
        assert cause is not None
        assert again.lease == 0
        assert host.link.lease == 0, "a lost lease is never renewed without a person"
        assert again.boot_id == host.link.welcome.boot_id
        assert supervisor.state is SupervisorState.CONNECTED
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert supervisor.state is SupervisorState.ENDED


@pytest.mark.parametrize("kind", [VIRTUAL, "tcp"])
async def test_a_second_host_is_told_busy_while_the_first_treats(kind: str) -> None:
    async with SIMULATED[kind]() as pen, connected(pen.url) as host:
        lease = await host.arm()
        async with host.driving(motor=True):
            await host.until(lambda seen: seen.state is PenState.RUNNING)
            with pytest.raises(PenBusy, match="another host"):
                await open_link(pen.url, Host(), monotonic_ms=monotonic_ms, random=Random(2))
            seen = await host.next_status(2)
            assert (seen.state, seen.lease) == (PenState.RUNNING, lease)
