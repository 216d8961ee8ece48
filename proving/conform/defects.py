"""Planted defects of a pen's firmware, each with the clauses under which ``conform`` finds it.

The first are those that the campaign catches too, the others concern what a treatment never sees. A defect is planted
in the simulated pen alone, from outside, for as long as its context lasts.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from cobs.cobs import DecodeError
from cobs.cobs import decode as cobs_decode
from cobs.cobs import encode as cobs_encode

import simulators.firmware
from firmware_bridge.wire.codec import CRC_BYTES, HEAD_BYTES
from firmware_bridge.wire.fields import fields_of
from firmware_bridge.wire.framing import DELIMITER, Deframer
from firmware_bridge.wire.messages import (
    PROTOCOL_VERSION,
    ROW_OF_KIND,
    Arm,
    Busy,
    Disarm,
    Fault,
    Hello,
    Message,
    Refusal,
    Response,
    Setpoint,
    Status,
    Welcome,
)
from firmware_bridge.wire.operations import OPERATION_OF_NUMBER
from proving.defects import Defect, planted
from proving.defects_pen import FIRMWARE
from simulators.firmware import PenFirmware
from simulators.leasing import LeaseKeeper
from simulators.nonvolatile import LeaseEnd, NonVolatile
from simulators.physics import Plant
from simulators.requests import RequestDesk

Original = Any
ARMED_MAX_BYTES = 64


@dataclass(frozen=True, slots=True)
class Found:
    """A planted defect, and the clauses that fail of it, one of them at least."""

    defect: Defect
    clauses: tuple[str, ...]


def _of_the_campaign(name: str, *clauses: str) -> Found:
    return Found(next(defect for defect in FIRMWARE if defect.name == name), clauses)


def _new(name: str, what: str, plant: Callable[[], AbstractContextManager[None]], *clauses: str) -> Found:
    return Found(Defect(name, "firmware", what, plant), clauses)


def _pen(name: str, make: Original) -> Callable[[], AbstractContextManager[None]]:
    return lambda: planted((PenFirmware, name, make))


def _keeper(name: str, make: Original) -> Callable[[], AbstractContextManager[None]]:
    return lambda: planted((LeaseKeeper, name, make))


# What comes in --------------------------------------------------------------------------------------------------------


def _hears(change: Callable[[bytes], bytes]) -> Callable[[], AbstractContextManager[None]]:
    """The pen's receiver changes the bytes between two zero bytes before it looks at them."""

    class Changed(Deframer):
        """Hears otherwise."""

        __slots__ = ("_piece",)

        def feed(self, data: bytes) -> list[Message]:
            *pieces, rest = (getattr(self, "_piece", b"") + data).split(DELIMITER)
            self._piece = rest[-2000:]
            return super().feed(b"".join(change(piece) + DELIMITER for piece in pieces))

    return lambda: planted((simulators.firmware, "Deframer", lambda _original: Changed))


def _inside(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """A change of kind, sequence and payload; the CRC is made to fit."""

    def changed(piece: bytes) -> bytes:
        try:
            body = cobs_decode(piece)
        except DecodeError:
            return piece
        if len(body) <= CRC_BYTES + 1 or crc32(body[:-4]) != int.from_bytes(body[-4:], "little"):
            return piece
        inside = change(body[:-4])
        wire: bytes = cobs_encode(inside + crc32(inside).to_bytes(4, "little")) if inside else b""
        return wire

    return changed


def _crc_mended(piece: bytes) -> bytes:
    try:
        body = cobs_decode(piece)
    except DecodeError:
        return piece
    if len(body) <= CRC_BYTES:
        return piece
    wire: bytes = cobs_encode(body[:-4] + crc32(body[:-4]).to_bytes(4, "little"))
    return wire


def _exact_length_only(inside: bytes) -> bytes:
    row = ROW_OF_KIND.get(inside[0])
    if row is None or row.type.__name__ == "Request":
        return inside
    return inside if len(inside) == HEAD_BYTES + _size(row.type) else b""


def _size(kind: Any) -> int:
    return sum(field.layout.size_bytes for field in fields_of(kind).values())


def _padded(inside: bytes) -> bytes:
    row = ROW_OF_KIND.get(inside[0])
    return inside if row is None else inside + bytes(max(0, HEAD_BYTES + _size(row.type) - len(inside)))


def _deaf_after_garbage() -> AbstractContextManager[None]:
    class Deaf(Deframer):
        """Gives up at the first damage."""

        __slots__ = ()

        def feed(self, data: bytes) -> list[Message]:
            messages = super().feed(data)
            return [] if self.damaged else messages

    return planted((simulators.firmware, "Deframer", lambda _original: Deaf))


# What goes out --------------------------------------------------------------------------------------------------------


def _says(change: Callable[[PenFirmware, Message], Message | None]) -> Callable[[], AbstractContextManager[None]]:
    """The pen says something else than it means."""

    def make(original: Original) -> Original:
        def send(self: PenFirmware, medium: int, message: Message) -> None:
            changed = change(self, message)
            if changed is not None:
                original(self, medium, changed)

        return send

    return _pen("send", make)


def _status(**changes: Callable[[PenFirmware, Status], int]) -> Callable[[], AbstractContextManager[None]]:
    def change(pen: PenFirmware, message: Message) -> Message:
        if not isinstance(message, Status):
            return message
        return message._replace(**{name: make(pen, message) for name, make in changes.items()})

    return _says(change)


def _long_frames(original: Original) -> Original:
    def frame(message: Message, sequence: int) -> bytes:
        wire: bytes = original(message, sequence)
        if not isinstance(message, Status):
            return wire
        inside = cobs_decode(wire[:-1])[:-4] + bytes(ARMED_MAX_BYTES)
        longer: bytes = cobs_encode(inside + crc32(inside).to_bytes(4, "little")) + DELIMITER
        return longer

    return frame


def _sequence_stuck(original: Original) -> Original:
    return lambda message, _sequence: original(message, 5)


def _answers_once(original: Original) -> Original:
    def hello(self: PenFirmware, medium: int, said: Hello) -> None:
        if (medium, said.nonce) != (self.medium, self.nonce):
            original(self, medium, said)

    return hello


# What a frame does ----------------------------------------------------------------------------------------------------


def _any_version(original: Original) -> Original:
    return lambda self, medium, said: original(self, medium, said._replace(version=PROTOCOL_VERSION))


def _nonce_0(original: Original) -> Original:
    return lambda self, medium, said: original(self, medium, said if said.nonce else Hello(1, said.version))


def _lease_survives_hello(original: Original) -> Original:
    def hello(self: PenFirmware, medium: int, said: Hello) -> None:
        keeper = _keeper_of(self)
        lease, keeper.lease = keeper.lease, 0
        original(self, medium, said)
        keeper.lease = lease

    return hello


def _never_busy(original: Original) -> Original:
    def hello(self: PenFirmware, medium: int, said: Hello) -> None:
        self.medium = medium if self.medium is not None else None
        original(self, medium, said)

    return hello


def _always_busy(original: Original) -> Original:
    def hello(self: PenFirmware, medium: int, said: Hello) -> None:
        if self.medium in {None, medium}:
            original(self, medium, said)
        else:
            self.send(medium, Busy(said.nonce))

    return hello


def _keeper_of(pen: PenFirmware) -> LeaseKeeper:
    keeper: LeaseKeeper = PenFirmware.__dict__["_lease"].__get__(pen)
    return keeper


def _forgetting_stops(original: Original) -> Original:
    def forget(self: PenFirmware, medium: int) -> None:
        if self.lease and medium == self.medium:
            _keeper_of(self).end(self.uptime_ms)
        original(self, medium)

    return forget


def _leases_counted(original: Original) -> Original:
    count = [1000]

    def begin(self: LeaseKeeper, arm: Arm, now_ms: int) -> None:
        original(self, arm, now_ms)
        count[0] += 1
        self.lease = count[0]

    return begin


def _tick_kept(original: Original) -> Original:
    def begin(self: LeaseKeeper, arm: Arm, now_ms: int) -> None:
        refusal = self.refusal
        original(self, arm, now_ms)
        self.refusal = refusal

    return begin


def _arm_key_forgotten(original: Original) -> Original:
    def judged(self: LeaseKeeper, arm: Arm, **named: Any) -> Refusal:
        found: Refusal = original(self, arm, **named)
        return Refusal.ARMED if self.lease and not found else found

    return judged


def _armed_while_faulted(original: Original) -> Original:
    return lambda self, arm, **named: original(self, arm, **(named | {"faulted": False}))


def _any_cartridge(original: Original) -> Original:
    def judged(self: LeaseKeeper, arm: Arm, **named: Any) -> Refusal:
        found: Refusal = original(self, arm, **named)
        return Refusal.NONE if found is Refusal.CARTRIDGE else found

    return judged


def _any_disarm(original: Original) -> Original:
    def handle(self: PenFirmware, medium: int, message: Message) -> None:
        original(self, medium, Disarm(self.lease) if isinstance(message, Disarm) and self.lease else message)

    return handle


def _refusals_in_other_order(original: Original) -> Original:
    def judged(self: LeaseKeeper, setpoint: Setpoint, now_ms: int, age_ms: int) -> Refusal:
        found: Refusal = original(self, setpoint, now_ms, age_ms)
        if found in {Refusal.STALE, Refusal.OLD_TICK} and setpoint.depth_um > self._depth_ceiling_um:
            return Refusal.DEPTH_CEILING
        return found

    return judged


def _clears_refusal(original: Original) -> Original:
    def follow(self: LeaseKeeper, setpoint: Setpoint, now_ms: int, age_ms: int) -> None:
        tick = self.tick
        original(self, setpoint, now_ms, age_ms)
        if self.tick != tick:
            self.refusal = Refusal.NONE

    return follow


def _age_shortens(original: Original) -> Original:
    def follow(self: LeaseKeeper, setpoint: Setpoint, now_ms: int, age_ms: int) -> None:
        tick = self.tick
        original(self, setpoint, now_ms, age_ms)
        if self.tick != tick:
            self.fresh_until = now_ms - age_ms + 300

    return follow


def _stop_is_a_fault(original: Original) -> Original:
    def stop(self: PenFirmware) -> None:
        if self.lease:
            self.latch(Fault.INTERNAL)
        original(self)

    return stop


def _stop_late() -> AbstractContextManager[None]:
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
                    _keeper_of(self).end(self.uptime_ms)
            original(self)

        return step_1ms

    never_strides = (PenFirmware, "stride", lambda _original: lambda _self, _most, _step: 0)
    return planted((PenFirmware, "_stop", make_stop), (PenFirmware, "step_1ms", make_step), never_strides)


def _hello_clears_faults(original: Original) -> Original:
    def hello(self: PenFirmware, medium: int, said: Hello) -> None:
        self.faults = Fault(0)
        original(self, medium, said)

    return hello


def _clears_all(original: Original) -> Original:
    return lambda self, named: original(self, named | self.faults)


def _clears_what_persists(_original: Original) -> Original:
    def clear(self: PenFirmware, named: Fault) -> Refusal:
        self.faults &= ~named
        return Refusal.NONE

    return clear


# Requests -------------------------------------------------------------------------------------------------------------


def _executes_again(original: Original) -> Original:
    def answer(self: RequestDesk, medium: int, request: Any) -> Any:
        operation = OPERATION_OF_NUMBER.get(request.operation)
        pen = RequestDesk.__dict__["_pen"].__get__(self)
        if operation is not None and request.key and request.nonce == pen.nonce:
            self._execute(medium, request, operation)
        return original(self, medium, request)

    return answer


def _few_outcomes(original: Original) -> Original:
    def keep(self: NonVolatile, key: int, refusal: Refusal) -> None:
        original(self, key, refusal)
        outcomes = NonVolatile.__dict__["_outcomes"].__get__(self)
        while len(outcomes) > 4:
            outcomes.popitem(last=False)

    return keep


def _refusals_not_kept(original: Original) -> Original:
    def keep(self: NonVolatile, key: int, refusal: Refusal) -> None:
        if refusal is Refusal.NONE:
            original(self, key, refusal)

    return keep


def _forgets_at_reboot(original: Original) -> Original:
    def boot(self: PenFirmware, model: Any, plant: Plant, memory: NonVolatile, *given: Any, **named: Any) -> None:
        NonVolatile.__dict__["_outcomes"].__get__(memory).clear()
        original(self, model, plant, memory, *given, **named)

    return boot


def _boot_id_fixed(original: Original) -> Original:
    def boot(self: PenFirmware, *given: Any, **named: Any) -> None:
        original(self, *given, **named)
        self.boot_id = 4711

    return boot


def _whole_log(_original: Original) -> Original:
    def entries_from(self: NonVolatile, first: int) -> bytes:
        entries = list(NonVolatile.__dict__["_entries"].__get__(self))
        start = max(first - (self.newest_entry - len(entries) + 1), 0)
        return b"".join(entries[start : start + 5])

    return entries_from


def _log_silent(original: Original) -> Original:
    def ended(self: PenFirmware, _why: LeaseEnd) -> None:
        original(self, LeaseEnd.STOP)

    return ended


def _other_id(_pen: PenFirmware, message: Message) -> Message:
    return message._replace(id=message.id ^ 1) if isinstance(message, Response) else message


def _while_armed(original: Original) -> Original:
    def execute(self: RequestDesk, medium: int, request: Any, operation: Any) -> Any:
        pen = RequestDesk.__dict__["_pen"].__get__(self)
        keeper = _keeper_of(pen)
        lease, keeper.lease = keeper.lease, 0
        try:
            return original(self, medium, request, operation)
        finally:
            keeper.lease = lease

    return execute


CAMPAIGN = (
    _of_the_campaign("dead-man off", "D1", "S2", "A3"),
    _of_the_campaign("dead-man by arrival", "S2"),
    _of_the_campaign("stale setpoint followed", "S1"),
    _of_the_campaign("lease unchecked", "S1"),
    _of_the_campaign("tick unchecked", "S1"),
    _of_the_campaign("ceilings not enforced", "S1"),
    _of_the_campaign("range unchecked", "S1"),
    _of_the_campaign("press forgotten", "S1"),
    _of_the_campaign("press does not stop", "T2"),
    _of_the_campaign("STOP ignored while running", "T1"),
    _of_the_campaign("STOP ignored while armed", "T1"),
    _of_the_campaign("motor on after the lease", "T1", "D1"),
    _of_the_campaign("any medium", "C6"),
    _of_the_campaign("motor on through a reboot", "A4"),
    _of_the_campaign("needles stay out", "S3", "T1"),
    _of_the_campaign("cartridge removed unnoticed", "A4"),
)

OWN = (
    _new("CRC ignored", "a frame with a wrong CRC is taken", _hears(_crc_mended), "W2"),
    _new("full block refused", "COBS that ends with a full block is dropped",
         _hears(lambda piece: b"" if piece[:1] == b"\xff" else piece), "W3"),
    _new("short buffer", "frames over 128 bytes are dropped",
         _hears(lambda piece: b"" if len(piece) > 129 else piece), "W4"),
    _new("long STATUS", "STATUS comes in frames over 64 bytes while armed",
         lambda: planted((simulators.firmware, "frame", _long_frames)), "W4"),
    _new("sequence stuck", "the pen's sequence does not count",
         lambda: planted((simulators.firmware, "frame", _sequence_stuck)), "W5"),
    _new("sequence decides", "frames with a sequence over 127 are dropped",
         _hears(_inside(lambda inside: inside if inside[1] < 128 else b"")), "W5"),
    _new("short payload read", "what a short payload lacks is read as zeros", _hears(_inside(_padded)), "W6"),
    _new("longer payload refused", "a payload with a tail is dropped", _hears(_inside(_exact_length_only)), "W7"),
    _new("deaf after garbage", "after the first damaged piece nothing is heard", _deaf_after_garbage, "W8"),
    _new("nonce 0 accepted", "a HELLO with nonce 0 makes a connection", _pen("_hello", _nonce_0), "W9"),
    _new("clock ten times slow", "pen time counts in ten milliseconds",
         _status(pen_time_ms=lambda _pen, status: status.pen_time_ms // 10), "P"),
    _new("HELLO answered once", "a HELLO with the same nonce is not answered again",
         _pen("_hello", _answers_once), "C1"),
    _new("period untrue", "STATUS comes half as often as WELCOME tells",
         _says(lambda _pen, said: said._replace(status_period_ms=10) if isinstance(said, Welcome) else said), "C2"),
    _new("any version", "a HELLO of another version makes a connection", _pen("_hello", _any_version), "C3"),
    _new("lease survives HELLO", "a HELLO on the medium of the lease leaves it alive",
         _pen("_hello", _lease_survives_hello), "C4"),
    _new("never BUSY", "a second host ends the lease of the first", _pen("_hello", _never_busy), "C4"),
    _new("always BUSY", "a second host is BUSY though no lease lives", _pen("_hello", _always_busy), "C5"),
    _new("close is STOP", "a medium that goes away ends the lease in good order",
         _pen("forget", _forgetting_stops), "C7"),
    _new("leases counted", "leases are numbers one after the other", _keeper("begin", _leases_counted), "A1"),
    _new("ARM not repeatable", "a repeated ARM is refused ARMED",
         _keeper("why_not_armed", _arm_key_forgotten), "A2"),
    _new("armed while faulted", "a latched fault does not forbid arming",
         _keeper("why_not_armed", _armed_while_faulted), "A2", "F"),
    _new("any cartridge", "an ARM for another cartridge is accepted", _keeper("why_not_armed", _any_cartridge), "A2"),
    _new("refusal kept at ARM", "a new lease begins with the old refusal", _keeper("begin", _tick_kept), "A3"),
    _new("any DISARM", "a DISARM ends whatever lease lives", _pen("_handle", _any_disarm), "A4"),
    _new("refusals in another order", "ceilings are looked at before ticks and age",
         _keeper("_why_not_followed", _refusals_in_other_order), "S1"),
    _new("older decision shortens", "the deadline goes back with an older decision",
         _keeper("follow", _age_shortens), "S2"),
    _new("STOP is a fault", "STOP under a lease latches INTERNAL", _pen("_stop", _stop_is_a_fault), "T1"),
    _new("STOP late", "STOP is acted upon a quarter of a second later", _stop_late, "T1"),
    _new("HELLO clears faults", "a new connection finds no fault", _pen("_hello", _hello_clears_faults), "F"),
    _new("clears everything", "CLEAR_FAULT clears what it does not name", _pen("clear", _clears_all), "F1"),
    _new("clears what persists", "CLEAR_FAULT clears a fault whose cause is there",
         _pen("clear", _clears_what_persists), "F1"),
    _new("done while armed", "what is not allowed while armed is done under a lease",
         lambda: planted((RequestDesk, "_execute", _while_armed)), "R1"),
    _new("another id", "a RESPONSE bears another id than its REQUEST", _says(_other_id), "R2"),
    _new("executed again", "a key that was used is executed again",
         lambda: planted((RequestDesk, "_answer", _executes_again)), "R3"),
    _new("four outcomes", "of sixteen outcomes four are kept",
         lambda: planted((NonVolatile, "keep_outcome", _few_outcomes)), "R3"),
    _new("refusals not kept", "of a refused request nothing is kept",
         lambda: planted((NonVolatile, "keep_outcome", _refusals_not_kept)), "R3", "R4"),
    _new("outcomes lost", "a reboot forgets the outcomes", _pen("__init__", _forgets_at_reboot), "R3"),
    _new("boot id fixed", "the boot id is the same at every start", _pen("__init__", _boot_id_fixed), "A4"),
    _new("five entries", "five entries of the log come in one answer",
         lambda: planted((NonVolatile, "entries_from", _whole_log)), "R7"),
    _new("log untrue", "every end of a lease is logged as by STOP", _pen("_end_lease", _log_silent), "R7", "D1"),
    _new("setpoint as measurement", "the measured rate is the one set",
         _status(rate_measured_mhz=lambda _pen, status: status.rate_set_mhz,
                 depth_measured_um=lambda _pen, status: status.depth_set_um), "V1"),
    _new("absent reads 0", "a contact sensor that is not there reads off skin",
         _says(lambda _pen, said: said._replace(capabilities=said.capabilities & ~(1 << 7))
               if isinstance(said, Welcome) else said), "V1"),
    _new("set while off", "depth_set_um shows a depth while the motor is off",
         _status(depth_set_um=lambda _pen, status: status.depth_set_um or 500), "V2"),
    _new("rate at rest", "the resting motor is measured to turn",
         _status(rate_measured_mhz=lambda _pen, status: status.rate_measured_mhz or 3_000), "V3"),
    _new("strokes not counted", "strokes stand still", _status(strokes=lambda _pen, _status: 0), "V4"),
    _new("refusal cleared", "an accepted setpoint clears the refusal", _keeper("follow", _clears_refusal), "V5"),
    _new("needles always out", "NEEDLES_OUT is always set",
         _status(interlocks=lambda _pen, status: status.interlocks | 2), "V6"),
)  # fmt: skip

DEFECTS: tuple[Found, ...] = (*CAMPAIGN, *OWN)
