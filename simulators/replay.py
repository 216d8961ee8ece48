"""A recording played back as a pen: says what the pen said, when the host does what the host did.

Deterministic and without a clock: the time of each call is given, in µs. The recording's time stands still while the
host has not yet done what it did next, and leaps when the host is earlier; what the pen said after it comes as long
after it as it came then. Numbers that a host draws anew each time (nonces, keys, ids) are put into the answers, and pen
time is moved on by what the host was slower or faster. All else is as it was, damaged frames and gaps included.

Nothing here has a motor: it is no pen to try safety on, but a host to be held against what it did before.
"""

from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice
from typing import NamedTuple
from zlib import crc32

from cobs.cobs import decode as cobs_decode
from cobs.cobs import encode as cobs_encode

from firmware_bridge.errors import CodecError
from firmware_bridge.wire.codec import CRC_BYTES, HEAD_BYTES, encode, range_problem, unpack
from firmware_bridge.wire.framing import DELIMITER, Deframer
from firmware_bridge.wire.messages import (
    Arm,
    Armed,
    Busy,
    Hello,
    PenState,
    Request,
    Response,
    Setpoint,
    Status,
    Welcome,
)
from firmware_bridge.wire.service_operations import ServiceLease
from simulators.recorded_steps import HELD_US, Act, Said, Story, asks_for_service

LOOK_AHEAD_STEPS = 20_000
"""How far the recording is read ahead to find what the host does now: minutes of a treatment."""

STATUS_PERIOD_US = 20_000
"""How often the last STATUS is said again while the host is waited for, where no WELCOME has said a period."""

_U32 = 0x1_0000_0000


class Deviation(NamedTuple):
    """The host did something else: when in the recording, when in the replay, and what in words."""

    recorded_us: int
    now_us: int
    sentence: str


def _with_first_field(wire: bytes, value: int, size_bytes: int) -> bytes:
    """The frame with another number in its first field; all else as it was, whether it makes sense or not."""
    body = cobs_decode(wire)[:-CRC_BYTES]
    body = body[:HEAD_BYTES] + value.to_bytes(size_bytes, "little") + body[HEAD_BYTES + size_bytes :]
    changed: bytes = cobs_encode(body + crc32(body).to_bytes(CRC_BYTES, "little"))
    return changed


def _lease_in(data: bytes) -> int:
    """The service lease in an answer; 0 where it makes no sense, as it stands in the recording."""
    try:
        return unpack(ServiceLease, data).lease
    except CodecError:
        return 0


class RecordedPen:
    """Plays ``steps`` (see :func:`simulators.recorded_steps.steps_of`), once. ``deviated`` is told of each deviation.

    ``ended``: nothing is left. ``waiting_for`` is what the host has to do next, in words, and ``waited_us`` how long it
    has been waited for; ``acts`` and ``frames`` count what the host did as recorded and what was said.
    """

    def __init__(self, steps: Iterable[Said | Act], deviated: Callable[[Deviation], None]) -> None:
        self._source = iter(steps)
        self._ahead: deque[Said | Act] = deque()
        self._deviated = deviated
        self._deframers: dict[int, Deframer] = {}
        self._out: list[bytes] = []
        self._medium: int | None = None
        self._now_us = 0
        self._shift_us = 0
        self._story = Story()
        self._aim = Act(0, (), "")
        self._elsewhere: tuple[object, ...] = ()
        self._nonce = self._key = self._id = 0
        self._answer: Said | None = None
        self._welcome: Said | None = None
        self._status: Said | None = None
        self._status_us = 0
        self._period_us = STATUS_PERIOD_US
        self._waiting_since_us: int | None = None
        self.acts = self.frames = 0
        self._ahead.extend(islice(self._source, LOOK_AHEAD_STEPS))

    @property
    def ended(self) -> bool:
        """All has been played."""
        return not self._ahead

    @property
    def waiting_for(self) -> str:
        """What the host did next in the recording and has not done yet; empty where it is not waited for."""
        step = self._ahead[0] if self._ahead and self._waiting_since_us is not None else None
        return step.words if isinstance(step, Act) else ""

    @property
    def waited_us(self) -> int:
        """How long it has been waited for."""
        return 0 if self._waiting_since_us is None else self._now_us - self._waiting_since_us

    @property
    def recorded_us(self) -> int:
        """Where in the recording the replay is."""
        return max(0, self._now_us - self._shift_us - self.waited_us)

    def receive(self, medium: int, data: bytes) -> None:
        """Bytes arrive from a host. The medium of the newest HELLO is the one that is answered."""
        for message in self._deframers.setdefault(medium, Deframer()).feed(data):
            if isinstance(message, Hello):
                self._medium, self._nonce = medium, message.nonce
            elif medium != self._medium:
                continue
            elif isinstance(message, Arm):
                self._key = message.key
            elif isinstance(message, Request):
                self._id = message.id
            for act in self._story.acts(message, self._now_us):
                if act.same[0] is not Setpoint or self._is_held(act):
                    self._host_did(act)

    def forget(self, medium: int) -> None:
        """A medium is gone."""
        self._deframers.pop(medium, None)
        if medium == self._medium:
            self._medium = None

    def advance(self, now_us: int) -> None:
        """The replay's time is now ``now_us``, counted from its beginning."""
        self._now_us = now_us
        while self._ahead:
            step = self._ahead[0]
            if step.time_us + self._shift_us > now_us:
                return
            if isinstance(step, Said):
                self._pop()
                self._say(step)
            else:
                self._wait_for(step)
                return

    def take(self, medium: int) -> bytes:
        """What has been said on a medium since the last call."""
        if medium != self._medium or not self._out:
            return b""
        said, self._out = b"".join(self._out), []
        return said

    # What the host does ----------------------------------------------------------------------------------------------

    def _is_held(self, act: Act) -> bool:
        """Whether a setpoint counts: at once where it is what comes next, else when it has been held."""
        if act.same != self._aim.same:
            self._aim = act
        return self._find(act) == 0 or act.time_us - self._aim.time_us >= HELD_US

    def _host_did(self, act: Act) -> None:
        place = self._find(act)
        if place == 0 or (place is not None and not self._story.repeats(act)):
            self._leap(act, place)
        elif self._story.repeats(act):
            self._answer_again(act)
        elif act.same != self._elsewhere:
            self._elsewhere = act.same
            self._not_as_recorded(act)

    def _find(self, act: Act) -> int | None:
        """Where in what was read ahead the host did this; 0 is the next thing it did."""
        place = 0
        for step in self._ahead:
            if isinstance(step, Act):
                if step.same == act.same:
                    return place
                if act.same[0] is Setpoint and step.same[0] is not Setpoint:
                    return None  # another lease's, or decided on what the pen has not said yet
                place += 1
        return None

    def _leap(self, act: Act, place: int) -> None:
        """Goes on in the recording behind the ``place``-th act from here."""
        left_out = False
        setpoints: list[Act] = []
        while True:
            step = self._ahead[0]
            self._pop()
            if not isinstance(step, Act):
                if isinstance(step.message, Status):
                    self._status = step
                elif not left_out:
                    self._say(step)  # it answers what the host did before, and the host is early
                continue
            if not place:
                break
            place -= 1
            if step.same[0] is Setpoint:
                setpoints.append(step)
            else:
                left_out = True
                self._tell(step.time_us, f"the host left out: {step.words}")
        if setpoints:
            last = setpoints[-1]
            several = f"{len(setpoints)} setpoints, the last one " if len(setpoints) > 1 else ""
            self._tell(last.time_us, f"the host left out: {several}{last.words}")
        self._shift_us = self._now_us - step.time_us
        self._waiting_since_us = None
        self._elsewhere = ()
        self._story.did(act)
        if act.same[0] is not Setpoint:
            self._answer = None
        self.acts += 1

    def _answer_again(self, act: Act) -> None:
        """A repetition. What was answered already is answered once more: the host may not have heard it."""
        if act.same[0] in {Hello, Arm} and self._answer is not None:
            self._say(self._answer)

    def _not_as_recorded(self, act: Act) -> None:
        recorded = next((step for step in self._ahead if isinstance(step, Act)), None)
        now = "nothing more" if recorded is None else recorded.words
        where_us = self.recorded_us if recorded is None else recorded.time_us
        self._tell(where_us, f"the host sent {act.words}; in the recording comes {now}")
        if act.same[0] is Hello and self._welcome is not None:
            self._story.did(act)
            self._say(self._welcome)

    def _tell(self, recorded_us: int, sentence: str) -> None:
        self._deviated(Deviation(recorded_us, self._now_us, sentence))

    # What the pen says -----------------------------------------------------------------------------------------------

    def _wait_for(self, act: Act) -> None:
        """The host should have done this by now."""
        if self._waiting_since_us is None:
            self._waiting_since_us = act.time_us + self._shift_us
        if self._status is not None and self._now_us - self._status_us >= self._period_us:
            self._say(self._status)  # a pen that fell silent would be given up

    def _say(self, said: Said) -> None:
        message = said.message
        wire = said.wire
        match message:
            case Welcome():
                self._period_us = message.status_period_ms * 1000
                self._welcome = self._answer = said
                wire = _with_first_field(wire, self._nonce, 4)
            case Busy():
                wire = _with_first_field(wire, self._nonce, 4)
            case Armed():
                self._answer = said
                if not message.refusal:
                    self._note_lease(message.lease)
                wire = _with_first_field(wire, self._key, 4)
            case Response():
                if asks_for_service(self._story.last) and not message.refusal:
                    self._note_lease(_lease_in(message.data))
                self._story.answered()
                wire = _with_first_field(wire, self._id, 2)
            case Status():
                self._status, self._status_us = said, self._now_us
                late_ms = (self._now_us - said.time_us) // 1000
                wire = _with_first_field(wire, (message.pen_time_ms + late_ms) % _U32, 4)
            case _:
                pass
        if self._medium is not None:
            self._out.append(wire + DELIMITER)
            self.frames += 1

    def _note_lease(self, lease: int) -> None:
        """Whatever STATUS is said again from here on bears the lease: without it a host gives the lease up."""
        status = self._status
        if status is None or not isinstance(status.message, Status):
            return
        message = status.message._replace(lease=lease, tick=0, refusal=0, state=PenState.ARMED)
        if range_problem(message) is None:
            sequence = cobs_decode(status.wire)[1]
            self._status = status._replace(wire=cobs_encode(encode(message, sequence)), message=message)

    def _pop(self) -> None:
        self._ahead.popleft()
        self._ahead.extend(islice(self._source, 1))  # one by one: reading must not hold up what is said
