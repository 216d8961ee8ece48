"""Target: the host's link, from the handshake on, by what a pen might say."""

import asyncio
from random import Random

from firmware_bridge.errors import WireError
from firmware_bridge.handshake import open_link
from firmware_bridge.link import Link
from firmware_bridge.snapshot import PenSnapshot
from firmware_bridge.transports.memory import MemoryPeer, listen
from firmware_bridge.wire.codec import FRAME_MAX_BYTES
from firmware_bridge.wire.framing import DELIMITER, WIRE_MAX_BYTES, Deframer, frame
from firmware_bridge.wire.messages import Arm, Armed, Hello, Message, Request, Response, Status, Welcome
from firmware_bridge.wire.operations import OPERATIONS
from simulators.personality import NW_1, welcome
from tests.fuzz.reading import Script

STEPS_MAX = 60
BOOT_ID = 5
LEASE = 9
QUIET = Status(0, BOOT_ID, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 900, 300, 0, 0, 0, 0)

_loop = asyncio.new_event_loop()
_broke: list[BaseException] = []
_loop.set_exception_handler(
    lambda _loop, context: _broke.append(context.get("exception") or RuntimeError(str(context)))
)


def fuzz(data: bytes) -> None:
    """A connection as the script has it. Raises when something but a WireError comes out, or anything is left."""
    _broke.clear()
    _loop.run_until_complete(_connection(Script(data)))
    if _broke:
        raise _broke[0]


class _Pen:
    """The other end: says what the script says, and knows what it was asked last."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._deframer = Deframer()
        self.asked: dict[type, Message] = {}
        self.peer: MemoryPeer | None = None

    def accept(self, peer: MemoryPeer) -> None:
        self.peer = peer
        peer.on_data = self.heard

    def heard(self, data: bytes) -> None:
        for message in self._deframer.feed(data):
            self.asked[type(message)] = message
            if isinstance(message, Hello) and self.peer is not None:
                self.greet(message, self.peer)

    def greet(self, hello: Hello, peer: MemoryPeer) -> None:
        script = self._script
        peer.write(script.piece(script.number(60)) + DELIMITER)
        introduction = welcome(NW_1, hello.nonce, BOOT_ID)
        if script.number(8) == 0:
            said = frame(introduction, 0)
            place = script.number(len(said))
            peer.write(said[:place] + script.piece(1) + said[place + 1 :] + DELIMITER)
        peer.write(frame(introduction, 0))

    def say(self, data: bytes) -> None:
        if self.peer is not None and not self.peer.closed:
            self.peer.write(data)


class _Listener:
    """Counts what it is told."""

    def __init__(self) -> None:
        self.seen = self.lost = 0

    def status_seen(self, seen: PenSnapshot, sent_at_ms: int) -> None:
        self.seen += 1

    def line_advisory(self, sentence: str) -> None:
        assert sentence

    def link_lost(self, cause: WireError | None) -> None:
        self.lost += 1


async def _connection(script: Script) -> None:
    now_ms = 1000
    pen, listener = _Pen(script), _Listener()
    listening = listen("fuzzed", pen.accept)
    asking: list[asyncio.Task[object]] = []
    try:
        link = await open_link("memory://fuzzed", listener, monotonic_ms=lambda: now_ms, random=Random(1))
        for _ in range(STEPS_MAX):
            if not script.left:
                break
            now_ms += _step(link, pen, script, asking)
            for _ in range(3):
                await asyncio.sleep(0)
            assert link.deframer.held_bytes <= WIRE_MAX_BYTES
        await link.close()
        assert listener.lost <= 1
    except WireError:
        return  # a pen that introduces itself with nonsense is refused
    finally:
        for task in asking:
            task.cancel()
        for end in await asyncio.gather(*asking, return_exceptions=True):
            if isinstance(end, BaseException) and not isinstance(end, WireError | asyncio.CancelledError):
                raise end
        listening.close()
        await asyncio.sleep(0)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, f"left behind: {left}"


def _step(link: Link, pen: _Pen, script: Script, asking: list["asyncio.Task[object]"]) -> int:
    """One thing happens; the time it takes, in ms."""
    match script.number(12):
        case 0:
            pen.say(script.piece(script.number(300)))
        case 1:
            return script.number(700)
        case 2 | 3:
            faults, state = script.number(1024), script.number(6)
            lease = (0, LEASE, script.number(256))[script.number(3)]
            pen.say(frame(QUIET._replace(pen_time_ms=script.number(65536), lease=lease, faults=faults, state=state), 0))
        case 4:
            arming = link.arm(depth_ceiling_um=500, rate_ceiling_mhz=100_000, cartridge_tag=0)
            asking.append(asyncio.get_running_loop().create_task(arming))
        case 5:
            arm = pen.asked.get(Arm)
            key = arm.key if isinstance(arm, Arm) else script.number(256)
            pen.say(frame(Armed(key, script.number(16), LEASE), 0))
        case 6:
            if len(asking) < 8:
                wanted = link.request(OPERATIONS[(0, 2, 5)[script.number(3)]], None)
                asking.append(asyncio.get_running_loop().create_task(wanted))
        case 7:
            request = pen.asked.get(Request)
            number = request.id if isinstance(request, Request) else script.number(65536)
            data = script.piece(script.number(FRAME_MAX_BYTES - 9))
            pen.say(frame(Response(number, script.number(16), data), 0))
        case 8:
            link.stop() if script.number(2) else link.disarm(LEASE)
        case 9:
            link.send_setpoint(motor=bool(script.number(2)), depth_um=500, rate_mhz=100_000, seen_pen_time_ms=1)
            link.check_fresh()
        case _:
            pen.say(script.sealed())
    return script.number(30)


def seeds() -> list[bytes]:
    """A quiet connection, an arming, a few requests."""
    start = bytes((0, 1))
    status = bytes((2, 0, 0, 0, 0, 30, 0, 20))
    return [
        start + status * 10,
        start + bytes((4, 5, 5, 0, 5)) + bytes((2, 0, 0, 1, 1, 60, 0, 20)) * 4 + bytes((9, 1, 5, 8, 1, 5)),
        start + bytes((6, 0, 5, 7, 37)) + bytes(37) + bytes((0, 5)),
        bytes(range(256)),
        Welcome.__doc__.encode() * 3,
    ]
