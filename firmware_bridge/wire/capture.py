"""Wire captures: every byte between host and pen with its time and direction, recorded to a file and replayed.

A capture is text, one JSON object a line. The first says what the file is; each of the others is one piece of traffic
as it was written to, or read from, the port::

    {"format": "needlework-capture", "version": 1, "pen": "serial:///dev/ttyACM0", "started": "2025-01-17T09:30:00Z"}
    {"us": 0, "from": "host", "hex": "00"}
    {"us": 15, "from": "host", "hex": "02010a4d3c2b1a01676cb7d200"}
    {"us": 4210, "from": "pen", "hex": "02…"}

``us`` is microseconds of the recorder's monotonic clock since ``started``. Each line is written whole, so that of a
recording cut off by a crash at most the last line is lost; the reader drops it and says so.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, Protocol

from firmware_bridge.errors import CodecError
from firmware_bridge.wire.framing import Deframer
from firmware_bridge.wire.messages import Direction, Message

FORMAT = "needlework-capture"
VERSION = 1

_SENDERS = {"host": Direction.HOST_TO_PEN, "pen": Direction.PEN_TO_HOST}
_SENDER_OF = {direction: sender for sender, direction in _SENDERS.items()}


LINE_MAX_CHARS = 1 << 20
"""No recorder writes a longer line. What is read as a capture may be any file, and some have no line ends at all."""


class TextSource(Protocol):
    """What a capture is read from: a text file, as far as it matters here."""

    def readline(self, limit: int, /) -> str:
        """The next line, or its first ``limit`` characters; empty at the end."""


class TextSink(Protocol):
    """What a capture is written to: a text file, as far as it matters here."""

    def write(self, text: str, /) -> object:
        """Takes ``text``."""


class CapturedBytes(NamedTuple):
    """One piece of traffic: microseconds since the recording began, who sent it, and the bytes as they were."""

    time_us: int
    direction: Direction
    data: bytes


class CapturedMessage(NamedTuple):
    """A message that was complete at ``time_us``, microseconds since the recording began."""

    time_us: int
    direction: Direction
    message: Message


class CaptureWriter:
    """Records traffic. Buffering is the file's: open it with ``buffering=1`` to have every line on its way at once."""

    def __init__(self, file: TextSink, *, pen_url: str, started: str) -> None:
        """Writes the first line. ``started`` is the wall-clock time of ``time_us`` 0, ISO 8601 with its offset."""
        self._file = file
        self._write_line({"format": FORMAT, "version": VERSION, "pen": pen_url, "started": started})

    def record(self, time_us: int, direction: Direction, data: bytes) -> None:
        """Appends one piece of traffic. Raises what the file raises."""
        self._write_line({"us": time_us, "from": _SENDER_OF[direction], "hex": data.hex()})

    def tap(self, elapsed_us: Callable[[], int]) -> Callable[[bool, bytes], None]:
        """A function (sent by the host, bytes) that records with the time ``elapsed_us`` gives, for a port to call."""

        def record_now(sent_by_host: bool, data: bytes) -> None:
            self.record(elapsed_us(), Direction.HOST_TO_PEN if sent_by_host else Direction.PEN_TO_HOST, data)

        return record_now

    def _write_line(self, entry: dict[str, Any]) -> None:
        self._file.write(json.dumps(entry) + "\n")


class CaptureReader:
    """Replays a capture: an iterator over its traffic, once, in the order of the file.

    ``pen_url`` and ``started`` are what the recorder said. ``truncated`` is True once the last line was found cut off,
    ``backwards_line`` the first line whose time is before that of the line above it (0: none so far): no recorder
    writes that.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        """``lines`` is an open text file or anything else that gives lines with their line ends.

        Open the file with ``errors="replace"``: bytes that are no text are then damage like any other.
        Raises CodecError when this is no capture, or one of a later version.
        """
        self._lines = enumerate(lines, start=1)
        self.truncated = False
        self.backwards_line = 0
        self.pen_url, self.started = self._read_head()

    def __iter__(self) -> Iterator[CapturedBytes]:
        """The traffic. Raises CodecError, with the line's number, for a damaged line other than a cut-off last one."""
        latest_us = 0
        for number, line in self._lines:
            try:
                piece = _piece(line)
                if piece.time_us < latest_us and not self.backwards_line:
                    self.backwards_line = number
                latest_us = piece.time_us
                yield piece
            except (ValueError, KeyError, TypeError) as error:
                if not line.endswith("\n"):
                    self.truncated = True
                    return
                raise CodecError(
                    f"line {number} of the capture is damaged ({error}); what stands before it can be trusted, what "
                    "follows may have gaps. Cut the file there to replay the part before."
                ) from error

    def _read_head(self) -> tuple[str, str]:
        try:
            _, line = next(self._lines, (1, ""))
            head = json.loads(line)
        except ValueError:
            head = None
        if not isinstance(head, dict) or head.get("format") != FORMAT:
            raise CodecError("this is no wire capture: its first line does not say so. Record one and give that file.")
        if head.get("version") != VERSION:
            raise CodecError(
                f"this capture is of version {head.get('version')}, this software reads version {VERSION}. "
                "Read it with the software that recorded it, or a newer one."
            )
        return str(head.get("pen", "")), str(head.get("started", ""))


def lines_of(file: TextSource) -> Iterator[str]:
    """The lines of a file for :class:`CaptureReader`, none of them held where it is too long for a capture's.

    Open the file with ``errors="replace"``. Raises CodecError, with the line's number.
    """
    number = 0
    while line := file.readline(LINE_MAX_CHARS):
        number += 1
        if len(line) == LINE_MAX_CHARS and not line.endswith("\n"):
            raise CodecError(
                f"line {number} of the capture is longer than a million characters: it is no line of a recording. "
                "Cut the file there to replay the part before."
            )
        yield line


def _piece(line: str) -> CapturedBytes:
    """One line of traffic. Raises ValueError, KeyError or TypeError when it is none."""
    entry = json.loads(line)
    time_us, sender, text = entry["us"], entry["from"], entry["hex"]
    if type(time_us) is not int or time_us < 0:
        raise ValueError(f"time {time_us!r} is not a count of microseconds")
    if sender not in _SENDERS:
        raise ValueError(f"sender {sender!r} is neither host nor pen")
    return CapturedBytes(time_us, _SENDERS[sender], bytes.fromhex(text))


def messages_of(pieces: Iterable[CapturedBytes]) -> Iterator[CapturedMessage]:
    """The messages in captured traffic, each with the time of its last byte. Damaged frames are left out.

    Each direction is put together by itself, so that a frame may be spread over pieces that alternate.
    """
    deframers = {direction: Deframer() for direction in Direction}
    for time_us, direction, data in pieces:
        for message in deframers[direction].feed(data):
            yield CapturedMessage(time_us, direction, message)
