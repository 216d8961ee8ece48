"""Defects of what a pen does with a frame, to be planted in the simulated pen: see :mod:`proving.conform.defects`."""

from contextlib import AbstractContextManager
from typing import Any

from firmware_bridge.wire.messages import (
    PROTOCOL_VERSION,
    Arm,
    Busy,
    Disarm,
    Fault,
    Hello,
    Message,
    Refusal,
    Response,
    Setpoint,
)
from firmware_bridge.wire.operations import OPERATION_OF_NUMBER, SelfTestData
from proving.planting import Plant, planted
from simulators.firmware import PenFirmware
from simulators.leasing import LeaseKeeper
from simulators.nonvolatile import LeaseEnd, NonVolatile
from simulators.physics import Plant as Parts
from simulators.requests import RequestDesk

Original = Any


def keeper(name: str, make: Original) -> Plant:
    """A method of the keeper of leases, made otherwise."""
    return lambda: planted((LeaseKeeper, name, make))


# What a frame does ----------------------------------------------------------------------------------------------------


def any_version(original: Original) -> Original:
    return lambda self, medium, said: original(self, medium, said._replace(version=PROTOCOL_VERSION))


def nonce_0(original: Original) -> Original:
    return lambda self, medium, said: original(self, medium, said if said.nonce else Hello(1, said.version))


def lease_survives_hello(original: Original) -> Original:
    def hello(self: PenFirmware, medium: int, said: Hello) -> None:
        keeper = keeper_of(self)
        lease, keeper.lease = keeper.lease, 0
        original(self, medium, said)
        keeper.lease = lease

    return hello


def never_busy(original: Original) -> Original:
    def hello(self: PenFirmware, medium: int, said: Hello) -> None:
        self.medium = medium if self.medium is not None else None
        original(self, medium, said)

    return hello


def always_busy(original: Original) -> Original:
    def hello(self: PenFirmware, medium: int, said: Hello) -> None:
        if self.medium in {None, medium}:
            original(self, medium, said)
        else:
            self.send(medium, Busy(said.nonce))

    return hello


def keeper_of(pen: PenFirmware) -> LeaseKeeper:
    keeper: LeaseKeeper = PenFirmware.__dict__["_lease"].__get__(pen)
    return keeper


def forgetting_stops(original: Original) -> Original:
    def forget(self: PenFirmware, medium: int) -> None:
        if self.lease and medium == self.medium:
            keeper_of(self).end(self.uptime_ms)
        original(self, medium)

    return forget


def leases_counted(original: Original) -> Original:
    count = [1000]

    def begin(self: LeaseKeeper, arm: Arm, now_ms: int) -> None:
        original(self, arm, now_ms)
        count[0] += 1
        self.lease = count[0]

    return begin


def tick_kept(original: Original) -> Original:
    def begin(self: LeaseKeeper, arm: Arm, now_ms: int) -> None:
        refusal = self.refusal
        original(self, arm, now_ms)
        self.refusal = refusal

    return begin


def arm_key_forgotten(original: Original) -> Original:
    def judged(self: LeaseKeeper, arm: Arm, **named: Any) -> Refusal:
        found: Refusal = original(self, arm, **named)
        return Refusal.ARMED if self.lease and not found else found

    return judged


def armed_while_faulted(original: Original) -> Original:
    return lambda self, arm, **named: original(self, arm, **(named | {"faulted": False}))


def any_cartridge(original: Original) -> Original:
    def judged(self: LeaseKeeper, arm: Arm, **named: Any) -> Refusal:
        found: Refusal = original(self, arm, **named)
        return Refusal.NONE if found is Refusal.CARTRIDGE else found

    return judged


def any_disarm(original: Original) -> Original:
    def handle(self: PenFirmware, medium: int, message: Message) -> None:
        original(self, medium, Disarm(self.lease) if isinstance(message, Disarm) and self.lease else message)

    return handle


def refusals_in_other_order(original: Original) -> Original:
    def judged(self: LeaseKeeper, setpoint: Setpoint, now_ms: int, age_ms: int) -> Refusal:
        found: Refusal = original(self, setpoint, now_ms, age_ms)
        if found in {Refusal.STALE, Refusal.OLD_TICK} and setpoint.depth_um > self._depth_ceiling_um:
            return Refusal.DEPTH_CEILING
        return found

    return judged


def clears_refusal(original: Original) -> Original:
    def follow(self: LeaseKeeper, setpoint: Setpoint, now_ms: int, age_ms: int) -> None:
        tick = self.tick
        original(self, setpoint, now_ms, age_ms)
        if self.tick != tick:
            self.refusal = Refusal.NONE

    return follow


def age_shortens(original: Original) -> Original:
    def follow(self: LeaseKeeper, setpoint: Setpoint, now_ms: int, age_ms: int) -> None:
        tick = self.tick
        original(self, setpoint, now_ms, age_ms)
        if self.tick != tick:
            self.fresh_until = now_ms - age_ms + 300

    return follow


def stop_is_a_fault(original: Original) -> Original:
    def stop(self: PenFirmware) -> None:
        if self.lease:
            self.latch(Fault.INTERNAL)
        original(self)

    return stop


def stop_late() -> AbstractContextManager[None]:
    due: dict[int, int] = {}

    def make_stop(_original: Original) -> Original:
        def stop(self: PenFirmware) -> None:
            due.setdefault(id(self), self.uptime_ms + 250)

        return stop

    def make_step(original: Original) -> Original:
        def step_1ms(self: PenFirmware) -> None:
            if self.uptime_ms >= due.get(id(self), self.uptime_ms + 1):
                del due[id(self)]
                if self.lease:
                    keeper_of(self).end(self.uptime_ms)
            original(self)

        return step_1ms

    never_strides = (PenFirmware, "stride", lambda _original: lambda _self, _most, _step: 0)
    return planted((PenFirmware, "_stop", make_stop), (PenFirmware, "step_1ms", make_step), never_strides)


def hello_clears_faults(original: Original) -> Original:
    def hello(self: PenFirmware, medium: int, said: Hello) -> None:
        self.faults = Fault(0)
        original(self, medium, said)

    return hello


def clears_all(original: Original) -> Original:
    return lambda self, named: original(self, named | self.faults)


def clears_what_persists(_original: Original) -> Original:
    def clear(self: PenFirmware, named: Fault) -> Refusal:
        self.faults &= ~named
        return Refusal.NONE

    return clear


# Requests -------------------------------------------------------------------------------------------------------------


def executes_again(original: Original) -> Original:
    def answer(self: RequestDesk, medium: int, request: Any) -> Any:
        operation = OPERATION_OF_NUMBER.get(request.operation)
        pen = RequestDesk.__dict__["_pen"].__get__(self)
        if operation is not None and request.key and request.nonce == pen.nonce:
            self._execute(medium, request, operation)
        return original(self, medium, request)

    return answer


def few_outcomes(original: Original) -> Original:
    def keep(self: NonVolatile, key: int, refusal: Refusal) -> None:
        original(self, key, refusal)
        outcomes = NonVolatile.__dict__["_outcomes"].__get__(self)
        while len(outcomes) > 4:
            outcomes.popitem(last=False)

    return keep


def refusals_not_kept(original: Original) -> Original:
    def keep(self: NonVolatile, key: int, refusal: Refusal) -> None:
        if refusal is Refusal.NONE:
            original(self, key, refusal)

    return keep


def forgets_at_reboot(original: Original) -> Original:
    def boot(self: PenFirmware, model: Any, plant: Parts, memory: NonVolatile, *given: Any, **named: Any) -> None:
        NonVolatile.__dict__["_outcomes"].__get__(memory).clear()
        original(self, model, plant, memory, *given, **named)

    return boot


def boot_id_fixed(original: Original) -> Original:
    def boot(self: PenFirmware, *given: Any, **named: Any) -> None:
        original(self, *given, **named)
        self.boot_id = 4711

    return boot


def whole_log(_original: Original) -> Original:
    def entries_from(self: NonVolatile, first: int) -> bytes:
        entries = list(NonVolatile.__dict__["_entries"].__get__(self))
        start = max(first - (self.newest_entry - len(entries) + 1), 0)
        return b"".join(entries[start : start + 5])

    return entries_from


def log_silent(original: Original) -> Original:
    def ended(self: PenFirmware, _why: LeaseEnd) -> None:
        original(self, LeaseEnd.STOP)

    return ended


def other_id(pen: PenFirmware, message: Message) -> Message:
    return message._replace(id=message.id ^ 1) if isinstance(message, Response) else message


def while_armed(original: Original) -> Original:
    def execute(self: RequestDesk, medium: int, request: Any, operation: Any) -> Any:
        pen = RequestDesk.__dict__["_pen"].__get__(self)
        keeper = keeper_of(pen)
        lease, keeper.lease = keeper.lease, 0
        try:
            return original(self, medium, request, operation)
        finally:
            keeper.lease = lease

    return execute


def kept_answers(original: Original) -> Original:
    answers: dict[tuple[int, bytes], Any] = {}

    def answer(self: RequestDesk, medium: int, request: Any) -> Any:
        if request.key or OPERATION_OF_NUMBER.get(request.operation) is None:
            return original(self, medium, request)
        asked = (request.operation, request.arguments)
        if asked not in answers:
            answers[asked] = original(self, medium, request)
        return answers[asked]

    return answer


def passes_untested(_original: Original) -> Original:
    return lambda _self: SelfTestData(passed=0xFF, tested=0x01)
