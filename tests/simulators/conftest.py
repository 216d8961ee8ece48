"""A bench: a simulated pen and the host's side of its line, stepped by the test, no event loop and no clock."""

import random
from collections.abc import Callable
from datetime import date
from zlib import crc32

import pytest
from cobs.cobs import encode as cobs_encode

from firmware_bridge.wire.codec import pack
from firmware_bridge.wire.framing import Deframer, frame
from firmware_bridge.wire.messages import Arm, Armed, Hello, Message, Request, Response, Setpoint, Status
from firmware_bridge.wire.operations import Operation
from simulators.pen import SimulatedPen
from simulators.personality import NW_1, PenModel

TODAY = date(2026, 5, 4)


class Bench:
    """What a test does with a pen. Media 1 and 2 are two hosts; without a word it is 1."""

    def __init__(
        self, model: PenModel = NW_1, *, seed: int = 1, pen_time_start_ms: int = 0, noisy: bool = False
    ) -> None:
        self.pen = SimulatedPen(
            model, rng=random.Random(seed), today=TODAY, pen_time_start_ms=pen_time_start_ms, noisy=noisy
        )
        self.statuses: dict[int, list[Status]] = {1: [], 2: []}
        self._deframers = {1: Deframer(), 2: Deframer()}
        self._sequence = 0
        self.nonce = 0
        self.lease = 0
        self.tick = 0
        self._next_key = 1000

    def hear(self, medium: int = 1) -> list[Message]:
        """What the pen said since the last call; STATUS is put aside in ``statuses``."""
        heard = self._deframers[medium].feed(self.pen.take(medium))
        self.statuses[medium] += [message for message in heard if isinstance(message, Status)]
        return [message for message in heard if not isinstance(message, Status)]

    def say(self, message: Message, medium: int = 1) -> list[Message]:
        """Sends a message; returns what comes back without time passing."""
        self.pen.receive(medium, frame(message, self._sequence))
        self._sequence += 1
        return self.hear(medium)

    def say_body(self, body: bytes, medium: int = 1) -> list[Message]:
        """Sends a frame of these bytes before the CRC, which the codec itself would refuse to make."""
        self.pen.receive(medium, cobs_encode(body + crc32(body).to_bytes(4, "little")) + b"\0")
        return self.hear(medium)

    def advance(self, ms: int, medium: int = 1) -> list[Message]:
        self.pen.advance(ms)
        return self.hear(medium)

    def status(self, medium: int = 1) -> Status:
        """The STATUS of the period that comes."""
        before = len(self.statuses[medium])
        while len(self.statuses[medium]) == before:
            self.advance(1, medium)
        return self.statuses[medium][-1]

    def connect(self, nonce: int = 77, medium: int = 1) -> Message:
        self.nonce = nonce
        [answer] = self.say(Hello(nonce, 1), medium)
        return answer

    def arm_message(self, **changes: int) -> Arm:
        self._next_key += 1
        tag = self.pen.cartridge.tag if self.pen.cartridge else 1
        return Arm(self.nonce, self._next_key, 1500, self.pen.model.rate_max_mhz, tag)._replace(**changes)

    def arm(self, **changes: int) -> Armed:
        [armed] = self.say(self.arm_message(**changes))
        assert isinstance(armed, Armed)
        if not armed.refusal:
            self.lease, self.tick = armed.lease, 0
        return armed

    def ready(self) -> "Bench":
        """Connected and armed."""
        self.connect()
        assert self.arm().refusal == 0
        return self

    def setpoint(self, **changes: int) -> int:
        """Sends a good setpoint with these changes; returns the refusal noted by the pen, 0 when it followed."""
        self.tick += 1
        now = self.pen.firmware.pen_time_ms
        wanted = Setpoint(self.lease, self.tick, 1, 500, 100_000, now)._replace(**changes)
        before = self.pen.firmware.tick
        self.say(wanted)
        return 0 if self.pen.firmware.tick == wanted.tick != before else int(self.pen.firmware.refusal)

    def run(self, ms: int, **changes: int) -> None:
        """Treats for ``ms``, a setpoint every 50 ms as a host would."""
        for _ in range(ms // 50):
            assert self.setpoint(**changes) == 0
            self.advance(50)

    def running(self, ms: int = 500, **changes: int) -> "Bench":
        """Connected, armed, and treating for ``ms``."""
        self.ready().run(ms, **changes)
        return self

    def request(
        self, operation: Operation | int, arguments: object = b"", *, key: int | None = None, nonce: int | None = None
    ) -> Response | None:
        """Asks; None when there is no answer yet. A key is made up where the operation wants one."""
        if isinstance(operation, Operation):
            number = operation.number
            if key is None:
                self._next_key += 1
                key = 0 if operation.repeatable else self._next_key
        else:
            number, key = operation, key or 0
        payload = arguments if isinstance(arguments, bytes) else pack(arguments)
        answers = self.say(Request(9, self.nonce if nonce is None else nonce, number, key, payload))
        return answers[0] if answers else None


@pytest.fixture(scope="session")
def make_bench() -> Callable[..., Bench]:
    """Makes benches; for tests that need a model, a seed, or many."""
    return Bench


@pytest.fixture
def bench() -> Bench:
    """A bench with a plain NW-1, nothing said yet, sensors without noise."""
    return Bench()
