"""The worked example of an adapter: a pen that speaks lines of ASCII (see ``docs/dialects.md``).

It shows such a pen, and stops it. It does not arm it: without a dead-man in the pen nothing ends the motor when this
host dies, and no adapter can, because it dies with the host.
"""

from collections.abc import Mapping
from types import MappingProxyType

from firmware_bridge.dialects.base import NOTHING, Said
from firmware_bridge.errors import CodecError
from firmware_bridge.wire.codec import unpack
from firmware_bridge.wire.fields import NOT_MEASURED
from firmware_bridge.wire.messages import (
    PROTOCOL_VERSION,
    Arm,
    Armed,
    Capability,
    Hello,
    Interlock,
    Message,
    PenState,
    Refusal,
    Request,
    Response,
    Setpoint,
    Status,
    Stop,
    Welcome,
)
from firmware_bridge.wire.operations import CLEAR_FAULT, OPERATION_OF_NUMBER, OUTCOME

STATUS_PERIOD_MS = 50
LINE_MAX_BYTES = 128
STATE_WORDS = 14
CAPABILITIES = (
    Capability.DEPTH_SET
    | Capability.DEPTH_SENSED
    | Capability.RATE_SET
    | Capability.RATE_SENSED
    | Capability.BATTERY_SENSED
    | Capability.BUTTON
)
"""No DEAD_MAN: that is the truth, and it is why nothing arms this pen."""

CANNOT: Mapping[str, str] = MappingProxyType(
    {
        "W2": "a line has no checksum: a bit that flips in a digit makes another depth of it",
        "W6": "a damaged line that still makes sense is obeyed",
        "W8": "what is left of a line that was cut short can be a command of its own: of `D 1.50`, `D 1`",
        "P": "no answer carries the pen's time, so its age is not known",
        "C1": "an answer names no question: one left over from before is taken for a new one",
        "C3": "the protocol has no version",
        "C4": "a second host is obeyed beside the first, unnoticed",
        "C7": "a cable pulled while the motor runs leaves it running",
        "A1": "there is no lease: whoever reaches the line may run the motor",
        "A3": "there is no lease, so none has a beginning",
        "A4": "there is no lease, so none ends: after a restart nobody knows that there was one",
        "S1": "no command tells its age or its place in a row: an old line is obeyed like a new one",
        "S2": "freshness would need the pen's time in every command",
        "S3": "motor on is said once and lasts, it is not a state that has to be said again",
        "D1": "nothing ends the motor when the host falls silent",
        "T2": "a press stops the motor, and a `G` on its way at that moment starts it again",
        "F": "a fault stops the motor; no lease ends by it, and a restart forgets it",
        "R3": "a command has no key: whether an unanswered one was done is not known, and asking again does it again",
        "R7": "there is no log",
        "V4": "strokes are not counted",
        "V5": "what was refused is told once and not kept",
    }
)

OF_THE_ADAPTER = frozenset(
    ("W1", "W3", "W4", "W5", "W7", "W9", "C2", "C5", "C6", "A2", "R1", "R2", "R4", "R5", "V2", "V6", "F1")
)  # fmt: skip

_NO_U8, _NO_U16, _NO_U32, _NO_I16 = (NOT_MEASURED[name] for name in ("u8", "u16", "u32", "i16"))
_STATES = {"RUN": PenState.RUNNING, "IDLE": PenState.IDLE, "FAULT": PenState.FAULT}


class AsciiDialect:
    """See :class:`firmware_bridge.dialects.base.Dialect`."""

    name = "ascii"
    tick_ms = STATUS_PERIOD_MS
    cannot = CANNOT
    of_the_adapter = OF_THE_ADAPTER

    def __init__(self, boot_id: int) -> None:
        """``boot_id`` stands for the connection: the pen has none."""
        self._boot_id = boot_id
        self._line = b""
        self._identity: tuple[str, str, str] | None = None
        self._greeted: Hello | None = None
        self._nonce = 0
        self._refusal = Refusal.NONE
        self._began_ms: int | None = None
        self._clearing: Request | None = None

    def host_said(self, message: Message, now_ms: int) -> Said:
        """See Dialect."""
        match message:
            case Stop():
                return Said(b"X\n")
            case Hello(nonce=0):
                return NOTHING
            case Hello():
                self._nonce = message.nonce if message.version == PROTOCOL_VERSION else 0
                self._greeted = message
                return Said(b"I?\n")
            case Arm() if self._nonce:
                refusal = Refusal.UNSUPPORTED if message.nonce == self._nonce else Refusal.NONCE
                return Said(to_host=(Armed(message.key, refusal, 0),))
            case Setpoint() if self._nonce:
                self._refusal = Refusal.LEASE
                return NOTHING
            case Request() if self._nonce:
                return self._asked(message)
            case _:
                return NOTHING

    def _asked(self, request: Request) -> Said:
        refusal = self._why_not(request)
        if refusal is not None:
            return Said(to_host=(Response(request.id, refusal, b""),))
        self._clearing = request
        return Said(b"C\n")

    def _why_not(self, request: Request) -> Refusal | None:
        operation = OPERATION_OF_NUMBER.get(request.operation)
        if request.nonce != self._nonce:
            return Refusal.NONCE
        if operation not in {CLEAR_FAULT, OUTCOME} or operation is None:
            return Refusal.UNSUPPORTED
        try:
            unpack(operation.arguments, request.arguments)
        except CodecError:
            return Refusal.RANGE
        if bool(request.key) == operation.repeatable:
            return Refusal.RANGE
        return Refusal.UNKNOWN_KEY if operation is OUTCOME else None

    def pen_said(self, data: bytes, now_ms: int) -> Said:
        """See Dialect."""
        *lines, rest = (self._line + data).split(b"\n")
        self._line = rest if len(rest) <= LINE_MAX_BYTES else b""
        said: tuple[Message, ...] = ()
        for line in lines:
            words = line.decode("ascii", "replace").split()
            if words:
                said += self._understood(words, now_ms)
        return Said(to_host=said)

    def _understood(self, words: list[str], now_ms: int) -> tuple[Message, ...]:
        match words:
            case ["I", model, serial, firmware] if self._greeted is not None:
                self._began_ms = now_ms if self._began_ms is None else self._began_ms
                self._identity = (model, serial, firmware)
                greeted, self._greeted = self._greeted, None
                return (self._welcome(greeted.nonce),)
            case ["S", state, "D", *_] if len(words) == STATE_WORDS:
                if not self._nonce or self._greeted is not None or self._identity is None:
                    return ()
                try:
                    return (self._status(state, words, now_ms),)
                except (ValueError, KeyError, OverflowError):
                    return ()
            case ["OK" | "ERR", what] if self._clearing is not None and what in {"C", "FAULT"}:
                request, self._clearing = self._clearing, None
                done = Refusal.NONE if words[0] == "OK" else Refusal.NOT_READY
                return (Response(request.id, done, b""),)
            case _:
                return ()

    def tick(self, now_ms: int) -> Said:
        """See Dialect."""
        if self._began_ms is None or not self._nonce:
            return NOTHING
        return Said(b"S?\n")

    def _welcome(self, nonce: int) -> Welcome:
        model, serial, firmware = (text.encode("ascii", "replace") for text in self._identity or ("", "", ""))
        return Welcome(
            nonce=nonce,
            version=PROTOCOL_VERSION,
            boot_id=self._boot_id,
            model=model[:24],
            serial=serial[:24],
            firmware=firmware[:16],
            capabilities=int(CAPABILITIES),
            depth_min_um=0,
            depth_max_um=2500,
            depth_step_um=50,
            rate_min_mhz=20_000,
            rate_max_mhz=150_000,
            rate_step_mhz=1000,
            dead_man_ms=300,
            retract_ms=250,
            status_period_ms=STATUS_PERIOD_MS,
        )

    def _status(self, state: str, words: list[str], now_ms: int) -> Status:
        depth_set_um, depth_um = (round(float(word) * 1000) for word in words[3:5])
        rate_set_mhz, rate_mhz = (round(float(word) * 1000) for word in words[6:8])
        battery, presses, faults = (int(word) for word in words[9::2])
        running = state == "RUN"
        return Status(
            pen_time_ms=(now_ms - (self._began_ms or 0)) & 0xFFFF_FFFF,
            boot_id=self._boot_id,
            lease=0,
            tick=0,
            refusal=self._refusal,
            state=_STATES[state],
            faults=faults & 0xFFFF,
            interlocks=Interlock.NEEDLES_OUT if not running and depth_um < 0 else 0,
            depth_set_um=_within(depth_set_um, 0, _NO_U16 - 1) if running else 0,
            depth_measured_um=_within(depth_um, -0x7FFF, 0x7FFF),
            rate_set_mhz=_within(rate_set_mhz, 0, _NO_U32 - 1) if running else 0,
            rate_measured_mhz=_within(rate_mhz, 0, _NO_U32 - 1),
            motor_current_ma=_NO_U16,
            battery_permille=_within(battery * 10, 0, 1000),
            temperature_dc=_NO_I16,
            contact=_NO_U8,
            strokes=0,
            button_presses=presses & 0xFF,
            pedal_presses=0,
        )


def _within(value: int, least: int, most: int) -> int:
    return min(max(value, least), most)
