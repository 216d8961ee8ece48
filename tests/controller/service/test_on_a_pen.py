"""Service mode's machine against a simulated pen, stepped millisecond by millisecond, with bad luck of every kind.

Held is what is really so: the motor is driven only under a lease, off skin, at the host's fresh word, and never beyond
the service ceiling.
"""

from collections.abc import Callable
from datetime import date
from random import Random

import pytest

from controller.calibration.policy import load_policy
from controller.inputs import LinkUp, StatusSeen, Tick
from controller.inspection import pen_facts
from controller.service.state import (
    AskLease,
    FallSilent,
    GrantLease,
    LeaseRefused,
    MotorOff,
    Move,
    Open,
    Phase,
    ServiceState,
    Stop,
    TakeAgain,
)
from controller.state import SendDisarm, SendSetpoint, SendStop
from firmware_bridge.snapshot import snapshot
from firmware_bridge.wire.codec import pack, unpack
from firmware_bridge.wire.framing import Deframer, frame
from firmware_bridge.wire.messages import (
    PROTOCOL_VERSION,
    Disarm,
    Hello,
    Message,
    Refusal,
    Request,
    Response,
    Setpoint,
    Status,
    Welcome,
)
from firmware_bridge.wire.messages import Stop as StopMessage
from firmware_bridge.wire.operations import CLEAR_FAULT, FaultMask
from firmware_bridge.wire.service_operations import SERVICE_ARM, ServiceCeilings, ServiceLease
from simulators.pen import SimulatedPen
from simulators.personality import NW_2
from tests.controller.service.invariants import Course

LIMITS = load_policy().service.model_copy(
    update={
        "depth_ceiling_um": 1500, "rate_ceiling_mhz": 100_000, "off_skin_ms": 200, "idle_time_out_ms": 3_000,
        "lease_ms": 2_500,
    }
)  # fmt: skip
SKIN_MS = 17
"""A pen looks for skin every 16 ms."""
TRUE_WITHIN_UM = 60


class Bench:
    """A host that is the machine alone, and a pen; the line between them loses and holds what it is told to."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)
        self.pen = SimulatedPen(NW_2, rng=Random(seed), today=date(2026, 11, 26))
        self.pen.hold_on("air", touching=False)
        self.course = Course(ServiceState(limits=LIMITS), now_ms=0)
        self.deframer = Deframer()
        self.tick = self.key = 0
        self.stalled_until_ms = self.lossy_until_ms = self.off_skin_at_ms = 0
        self.touching_since_ms: int | None = None
        self.last_echo_ms = -10_000
        self.driven_ms = self.moves = 0
        [answer] = self._say(Hello(77, PROTOCOL_VERSION))
        assert isinstance(answer, Welcome)
        self.course.take(LinkUp(url="memory://x", facts=pen_facts(answer)))

    def _say(self, message: Message) -> list[Message]:
        self.pen.receive(1, frame(message, 0))
        return self.deframer.feed(self.pen.take(1))

    def _send(self, made_by: object) -> None:
        if self.course.now_ms < self.lossy_until_ms and self.chance.random() < 0.5:
            return
        match made_by:
            case SendSetpoint(motor, depth_um, rate_mhz, seen_ms):
                self.tick += 1
                self.last_echo_ms = max(self.last_echo_ms, seen_ms)
                self._say(Setpoint(self.course.state.lease, self.tick, int(motor), depth_um, rate_mhz, seen_ms))
            case SendStop():
                self._say(StopMessage())
            case SendDisarm(lease):
                self._say(Disarm(lease))

    def ask(self, given: object) -> None:
        self._send(self.course.take(given).send)  # type: ignore[arg-type]  # any input

    def millisecond(self) -> None:
        course, now_ms = self.course, self.course.now_ms + 1
        self.pen.advance(1)
        course.now_ms = now_ms
        said = self.deframer.feed(self.pen.take(1))
        if now_ms >= self.stalled_until_ms:  # a host that is held up reads nothing, and sends nothing
            for message in said:
                if isinstance(message, Status):
                    self._send(course.take(StatusSeen(snapshot(message), now_ms)).send)
            if now_ms % 50 == 0:
                self._send(course.take(Tick()).send)
        self._hold(now_ms)

    def _hold(self, now_ms: int) -> None:
        truth = self.pen.truth
        assert truth.protrusion_um <= LIMITS.depth_ceiling_um + TRUE_WITHIN_UM
        if not truth.motor_driven:
            return
        self.driven_ms += 1
        assert truth.lease
        assert self.touching_since_ms is None or now_ms - self.touching_since_ms <= SKIN_MS
        assert truth.pen_time_ms - self.last_echo_ms <= NW_2.dead_man_ms + 1
        assert truth.rate_hz * 1000 <= LIMITS.rate_ceiling_mhz * 1.1

    def touch(self, for_ms: int) -> None:
        self.pen.hold_on("cheek", touching=True)
        self.touching_since_ms, self.off_skin_at_ms = self.course.now_ms, self.course.now_ms + for_ms

    def work(self) -> None:
        """What a technician does next."""
        state = self.course.state
        if state.phase is Phase.CLOSED and state.stopping is None:
            if state.seen is not None and state.seen.faults:
                self.key += 1
                self._say(Request(1, 77, CLEAR_FAULT.number, self.key, pack(FaultMask(int(state.seen.faults)))))
            self.ask(TakeAgain())
            self.ask(Open(series="s", technician="t", purpose="inspection"))
        elif state.phase is Phase.OPEN:
            self.course.take(AskLease())
            if self.course.state.phase is Phase.ARMING:
                self._arm()
        elif state.leased:
            step_um = self.chance.randrange(0, 40) * 50
            self.ask(Move(depth_um=step_um, rate_mhz=self.chance.randrange(20, 120) * 1000))

    def _arm(self) -> None:
        self.key += 1
        asked = ServiceCeilings(self.course.state.depth_ceiling_um, self.course.state.rate_ceiling_mhz, LIMITS.lease_ms)
        answers = self._say(Request(1, 77, SERVICE_ARM.number, self.key, pack(asked)))
        answer = next(answer for answer in answers if isinstance(answer, Response))
        if answer.refusal != Refusal.NONE:
            self.course.take(LeaseRefused())
            return
        self.tick = 0
        self.ask(GrantLease(lease=unpack(ServiceLease, answer.data).lease))


LUCK: tuple[Callable[[Bench], None], ...] = (
    lambda bench: bench.touch(bench.chance.randrange(5, 400)),
    lambda bench: setattr(bench, "stalled_until_ms", bench.course.now_ms + bench.chance.randrange(50, 900)),
    lambda bench: setattr(bench, "lossy_until_ms", bench.course.now_ms + bench.chance.randrange(50, 900)),
    lambda bench: bench.pen.press_button(),
    lambda bench: bench.ask(Stop(source="somebody")),
    lambda bench: bench.ask(MotorOff()),
    lambda bench: bench.ask(FallSilent()),
    lambda bench: bench.pen.remove_cartridge(),
    lambda bench: bench.pen.insert_cartridge(),
)


@pytest.mark.parametrize("seed", range(8))
def test_whatever_happens_the_motor_is_driven_only_where_it_may_be(seed: int) -> None:
    bench = Bench(seed)
    for ms in range(6_000):
        bench.millisecond()
        if bench.touching_since_ms is not None and bench.course.now_ms >= bench.off_skin_at_ms:
            bench.pen.hold_on("air", touching=False)
            bench.touching_since_ms = None
        if ms % 60 == 0 and bench.course.now_ms >= bench.stalled_until_ms:
            bench.work()
        if bench.chance.random() < 0.002:
            bench.chance.choice(LUCK)(bench)
    assert bench.driven_ms > 300  # it was tried, and not only refused
