"""One pyserial client that asks, by turns, a simulated pen and an instrument of sinstruments on pseudo-terminals.

Arguments: the pen's terminal, the instrument's, blocks. Prints one JSON line: seconds of every single answer, in
blocks, of each side. Both answers have as many bytes, and are read in the same way.
"""

import json
import sys
import time
from collections.abc import Callable

import serial

from benchmarks.children.exchange import ASKED
from benchmarks.measuring import alternated
from firmware_bridge.wire.codec import pack
from firmware_bridge.wire.framing import Deframer, frame
from firmware_bridge.wire.messages import Hello, Request, Response, Welcome

EXCHANGES = 100
ANSWER_BYTES = 11
"""What a pen's answer to OUTCOME comes to on the wire; an instrument is made to say as much."""

NONCE = 77
ANSWER_S = 5.0


class Pen:
    """A connection to a pen: hello once, then the same repeatable request again and again."""

    def __init__(self, path: str) -> None:
        self.line = serial.Serial(path, timeout=ANSWER_S)
        operation, arguments = ASKED["OUTCOME"]
        self._asked = frame(Request(1, NONCE, operation.number, 0, pack(arguments)), 0)
        self.line.write(b"\0" + frame(Hello(NONCE, 1), 0))
        self._await(Welcome)
        self.line.write(self._asked)
        self.answer_bytes = len(self._await(Response))

    def _await(self, kind: type) -> bytes:
        while answer := self.line.read_until(b"\0"):
            if any(isinstance(message, kind) for message in Deframer().feed(answer)):
                return bytes(answer)
        raise RuntimeError("the pen does not answer")

    def exchange(self) -> None:
        """One request and its answer; a STATUS between them is read and passed over."""
        self.line.write(self._asked)
        while len(self.line.read_until(b"\0")) != self.answer_bytes:
            pass


class Instrument:
    """A connection to a line-based instrument."""

    def __init__(self, path: str) -> None:
        self.line = serial.Serial(path, timeout=ANSWER_S)
        self.exchange()

    def exchange(self) -> None:
        """One line and its answer."""
        self.line.write(b"READ:VALUE?\n")
        self.answer_bytes = len(self.line.read_until(b"\n"))


def _timed(exchange: Callable[[], None]) -> float:
    began = time.perf_counter()
    exchange()
    return time.perf_counter() - began


def main() -> None:
    """Measures and prints. The sides take turns answer by answer: on a busy machine a whole block is one's bad luck."""
    pen, instrument = Pen(sys.argv[1]), Instrument(sys.argv[2])
    if pen.answer_bytes != instrument.answer_bytes:
        raise RuntimeError(f"answers of {pen.answer_bytes} and {instrument.answer_bytes} bytes are not compared")
    sides = [lambda: _timed(pen.exchange), lambda: _timed(instrument.exchange)]
    pens, instruments = [], []
    for _ in range(int(sys.argv[3])):
        for taken, blocks in zip(alternated(EXCHANGES, sides), (pens, instruments), strict=True):
            blocks.append(taken)
    print(json.dumps({"pen": pens, "instrument": instruments}))


if __name__ == "__main__":
    main()
