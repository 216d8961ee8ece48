"""A recording as a story: what the pen said, and what the host did. Pure.

What a host draws at random, counts up or repeats makes no difference: two hosts that do the same have the same acts.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from firmware_bridge.wire.dissection import Dissected, kind_name
from firmware_bridge.wire.messages import Arm, Direction, Disarm, Hello, Message, Request, Response, Setpoint, Stop
from firmware_bridge.wire.operations import OPERATION_OF_NUMBER
from firmware_bridge.wire.service_operations import SERVICE_ARM

HELD_US = 120_000
"""A setpoint that stands for so long is where the host wanted to go; a shorter one is on the way there, and depends on
the moment at which each beat came."""

_ON_OFF = {0: "off", 1: "on"}


class Said(NamedTuple):
    """Something the pen said, without its delimiter; ``message`` is None for what is no frame."""

    time_us: int
    wire: bytes
    message: Message | None


class Act(NamedTuple):
    """Something the host did. Two are the same when ``same`` is: what is drawn at random or counts up is left out."""

    time_us: int
    same: tuple[object, ...]
    words: str


def asks_for_service(same: tuple[object, ...]) -> bool:
    """Whether an act that is the same as this one asks for a service lease."""
    return same[:2] == (Request, SERVICE_ARM.number)


def act_of(message: Message, time_us: int) -> Act | None:
    """What a host's message does; None for one that only a pen sends."""
    match message:
        case Hello():
            return Act(time_us, (Hello, message.version), f"HELLO of version {message.version}")
        case Arm(_, _, depth_um, rate_mhz, tag):
            words = f"ARM up to {depth_um} µm and {rate_mhz} mHz for the cartridge {tag:08X}"
            return Act(time_us, (Arm, depth_um, rate_mhz, tag), words)
        case Setpoint(_, _, motor, depth_um, rate_mhz, _):
            words = f"SETPOINT motor {_ON_OFF.get(motor, motor)}, {depth_um} µm, {rate_mhz} mHz"
            return Act(time_us, (Setpoint, motor, depth_um, rate_mhz), words)
        case Request(_, _, number, _, arguments):
            operation = OPERATION_OF_NUMBER.get(number)
            name = operation.name if operation is not None else f"operation {number}"
            words = f"REQUEST {name}{f' with {arguments.hex()}' if arguments else ''}"
            return Act(time_us, (Request, number, arguments), words)
        case Disarm() | Stop():
            return Act(time_us, (type(message),), kind_name(type(message)))
        case _:
            return None


def steps_of(frames: Iterable[Dissected]) -> Iterator[Said | Act]:
    """A recording as what the pen said and what the host did, from its first HELLO on; repetitions are one act."""
    story, aim = Story(), _Aim()
    begun = False
    for one in frames:
        if one.direction is Direction.PEN_TO_HOST:
            if begun:
                yield from aim.behind(Said(one.time_us, one.wire, one.message))
            if isinstance(one.message, Response):
                story.answered()
            continue
        begun = begun or isinstance(one.message, Hello)
        if one.message is None or not begun:
            continue
        for act in story.acts(one.message, one.time_us):
            if act.same[0] is Setpoint:
                yield from aim.towards(act, story)
            elif not story.repeats(act):
                yield from aim.settled(act.time_us, story)
                story.did(act)
                yield act
    yield from aim.settled(None, story)


class _Aim:
    """A setpoint of the recording of which it is not known yet whether it was held, and all that came behind it."""

    def __init__(self) -> None:
        self._act: Act | None = None
        self._behind: list[Said] = []

    def behind(self, said: Said) -> Iterator[Said | Act]:
        if self._act is None:
            yield said
        else:
            self._behind.append(said)

    def towards(self, act: Act, story: "Story") -> Iterator[Said | Act]:
        aim = self._act
        if aim is None or act.same != aim.same or act.time_us - aim.time_us >= HELD_US:
            yield from self.settled(act.time_us, story)
        if self._act is None and not story.repeats(act):
            self._act = act

    def settled(self, now_us: int | None, story: "Story") -> Iterator[Said | Act]:
        """It is known now: what waited comes, and before it the setpoint where it was held."""
        act, behind = self._act, self._behind
        self._act, self._behind = None, []
        if act is not None and (now_us is None or now_us - act.time_us >= HELD_US):
            story.did(act)
            yield act
        yield from behind


class Story:
    """What the host did last, to know a repetition: setpoints are a heartbeat, STOP is sent until it is confirmed."""

    def __init__(self) -> None:
        self.last: tuple[object, ...] = ()
        self.setpoint: tuple[object, ...] = ()
        self._motor = 0

    def acts(self, message: Message, time_us: int) -> Iterator[Act]:
        """What a message does. A setpoint that switches the motor does that, however short it stands."""
        act = act_of(message, time_us)
        if act is None:
            return
        if isinstance(message, Arm | Hello) or asks_for_service(act.same):
            self._motor = 0
        elif isinstance(message, Setpoint) and message.motor != self._motor:
            self._motor = message.motor
            yield Act(
                time_us, ("motor", message.motor), f"SETPOINT that switches the motor {_ON_OFF.get(message.motor)}"
            )
        yield act

    def repeats(self, act: Act) -> bool:
        """The host did this last, too."""
        return act.same == (self.setpoint if act.same[0] is Setpoint else self.last)

    def did(self, act: Act) -> None:
        """The host did this."""
        if act.same[0] is Setpoint:
            self.setpoint = act.same
            return
        self.last = act.same
        if act.same[0] in {Arm, Hello} or asks_for_service(act.same):
            self.setpoint = ()

    def answered(self) -> None:
        """The same request after an answer is another request."""
        if self.last and self.last[0] is Request:
            self.last = ()
