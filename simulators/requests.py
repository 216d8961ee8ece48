"""What a pen does with a REQUEST: who is refused and why, what is executed, what is remembered."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from firmware_bridge.errors import CodecError
from firmware_bridge.wire.codec import pack, unpack
from firmware_bridge.wire.messages import Capability, Refusal, Request, Response
from firmware_bridge.wire.operations import OPERATION_OF_NUMBER, SELF_TEST, Operation, SelfTestData
from firmware_bridge.wire.service_operations import SERVICE_ARM, ServiceLease
from simulators.answers import ANSWERS, Answer, Handler
from simulators.firmware_answers import FIRMWARE_ANSWERS
from simulators.nonvolatile import LogCode
from simulators.service_answers import SERVICE_ANSWERS
from simulators.watches import NEVER

if TYPE_CHECKING:
    from simulators.firmware import PenFirmware

HANDLERS: Mapping[Operation, Handler] = {**ANSWERS, **SERVICE_ANSWERS, **FIRMWARE_ANSWERS}
"""Who answers which operation; the self-test, which answers later, is the desk's own."""

RETRACT_BIT, DEPTH_BIT, RATE_BIT, CURRENT_BIT, BATTERY_BIT, MEMORY_BIT = (1 << bit for bit in range(6))
"""Parts in a self-test's result."""

LATE_ANSWERS_KEPT = 16
"""More than a host has outstanding; of more than that the oldest is never sent."""


@dataclass(frozen=True, slots=True)
class _SelfTest:
    medium: int
    nonce: int
    request: Request


class RequestDesk:
    """Answers the requests of one boot. ``due_ms`` is the uptime at which :meth:`act_on_time` has something to do."""

    __slots__ = ("_late", "_pen", "_running", "_self_test_ms", "due_ms")

    def __init__(self, pen: PenFirmware) -> None:
        self._pen = pen
        self._running: _SelfTest | None = None
        self._self_test_ms = NEVER
        self._late: deque[tuple[int, int, Response]] = deque(maxlen=LATE_ANSWERS_KEPT)
        self.due_ms = NEVER

    def act_on_time(self) -> None:
        """What is due: the end of a self-test, answers that are late."""
        now_ms = self._pen.uptime_ms
        if now_ms >= self._self_test_ms:
            self.finish_self_test()
        while self._late and self._late[0][0] <= now_ms:
            _, medium, response = self._late.popleft()
            self._pen.send(medium, response)
        self._set_due()

    def _set_due(self) -> None:
        self.due_ms = min(self._self_test_ms, self._late[0][0] if self._late else NEVER)

    @property
    def self_testing(self) -> bool:
        """Whether a self-test runs."""
        return self._running is not None

    def take(self, medium: int, request: Request) -> None:
        """Answers a request, or starts what answers later. A repeat of the running self-test is left unanswered."""
        running = self._running
        if running is not None and request.key and request.key == running.request.key:
            return
        answer = self._answer(medium, request)
        if answer is not None:
            self._send(medium, request, answer)

    def _send(self, medium: int, request: Request, answer: Answer) -> None:
        response, late_ms = Response(request.id, *answer), self._pen.defects.answer_late_ms
        if not late_ms:
            self._pen.send(medium, response)
            return
        self._late.append((self._pen.uptime_ms + late_ms, medium, response))
        self._set_due()

    def _answer(self, medium: int, request: Request) -> Answer | None:
        if request.nonce != self._pen.nonce:
            return Refusal.NONCE, b""
        operation = OPERATION_OF_NUMBER.get(request.operation)
        if operation is None:
            return Refusal.UNSUPPORTED, b""
        if operation.repeatable or not request.key:
            return self._execute(medium, request, operation)
        kept = self._pen.memory.outcome(request.key)
        if kept is not None:
            return self._lease_again(request) if operation is SERVICE_ARM and not kept else (kept, b"")
        answer = self._execute(medium, request, operation)
        if answer is not None:
            self._pen.memory.keep_outcome(request.key, answer[0])
        return answer

    def _lease_again(self, request: Request) -> Answer:
        """A service lease asked for again by the same request: that lease, or that it is no more."""
        pen = self._pen
        if pen.service_key != request.key:
            return Refusal.LEASE, b""
        return Refusal.NONE, pack(ServiceLease(pen.lease))

    def _execute(  # one return for each reason, in the protocol's order
        self, medium: int, request: Request, operation: Operation
    ) -> Answer | None:
        pen = self._pen
        if operation.capability is not None and not pen.model.capabilities & operation.capability:
            return Refusal.UNSUPPORTED, b""
        if bool(request.key) == operation.repeatable:
            return Refusal.RANGE, b""
        try:
            arguments = unpack(operation.arguments, request.arguments)
        except CodecError:
            return Refusal.RANGE, b""
        if pen.lease and not operation.while_armed:
            return Refusal.ARMED, b""
        if self._running is not None and not operation.repeatable:
            return Refusal.BUSY, b""
        if operation is SELF_TEST:
            self._running = _SelfTest(medium, pen.nonce, request)
            self._self_test_ms = pen.uptime_ms + pen.model.self_test_ms
            self._set_due()
            return None
        handler = HANDLERS.get(operation)
        return (Refusal.UNSUPPORTED, b"") if handler is None else handler(pen, arguments, request.key)

    # Self-test

    def finish_self_test(self) -> None:
        """The self-test's time is over: its result goes to who asked, if that connection is still the one."""
        result = self._self_test_result()
        self._pen.memory.log(self._pen.pen_time_ms, LogCode.SELF_TEST, result.passed)
        self._end_self_test((Refusal.NONE, pack(result)))

    def abort_self_test(self) -> None:
        """STOP ends a self-test: it was not done."""
        if self._running is not None:
            self._end_self_test((Refusal.NOT_READY, b""))

    def _end_self_test(self, answer: Answer) -> None:
        running = self._running
        if running is None:
            return
        self._running = None
        self._self_test_ms = NEVER
        self._set_due()
        self._pen.memory.keep_outcome(running.request.key, answer[0])
        if (self._pen.medium, self._pen.nonce) == (running.medium, running.nonce):
            self._send(running.medium, running.request, answer)

    def _self_test_result(self) -> SelfTestData:
        """Each part by what can be seen of it at rest: the motor is not driven without a lease, not even here."""
        pen, plant = self._pen, self._pen.plant
        has = pen.model.capabilities
        parts = (
            (RETRACT_BIT, True, plant.needles_home),
            (DEPTH_BIT, has & Capability.DEPTH_SENSED, not plant.depth_sensor_dead),
            (RATE_BIT, has & Capability.RATE_SENSED, plant.speed_rad_s == 0.0),
            (CURRENT_BIT, has & Capability.CURRENT_SENSED, plant.current_a == 0.0),
            (BATTERY_BIT, has & Capability.BATTERY_SENSED, plant.supply_v >= pen.model.brown_out_v),
            (MEMORY_BIT, True, True),  # always read; a calibration that was ended is not one that was lost
        )
        tested = sum(bit for bit, sensed, _ in parts if sensed)
        passed = sum(bit for bit, sensed, good in parts if sensed and good)
        return SelfTestData(passed=passed, tested=tested)
