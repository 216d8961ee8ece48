"""Telemetry: bytes of a line to typed STATUS objects, beside the least code that gives tuples, and beside pydantic.

All sides get the same bytes in the same chunks, as the transport reads them, and check every CRC. What they make is
put into a ring of the newest ten thousand, so that neither side is spared the memory its objects take.
"""

import struct
import time
from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice
from random import Random
from typing import Any
from zlib import crc32

from cobs.cobs import decode as cobs_decode
from pydantic import BaseModel, create_model

from benchmarks.measuring import Effort, alternated, median_ratio
from benchmarks.results import Row, at_least, at_most
from firmware_bridge.snapshot import snapshot
from firmware_bridge.transports.base import READ_BYTES
from firmware_bridge.wire.codec import CRC_BYTES, HEAD_BYTES, range_problem
from firmware_bridge.wire.fields import fields_of
from firmware_bridge.wire.framing import DELIMITER, Deframer, frame
from firmware_bridge.wire.messages import MESSAGES, Contact, Interlock, PenState, Status

RING = 10_000
SUBJECT = "decode"
_CRC_RESIDUE = 0x2144DF1C  # CRC-32 of anything that ends in its own CRC-32
_STATUS_KIND = next(row.kind for row in MESSAGES if row.type is Status)
_LAYOUT = struct.Struct("<" + "".join(field.layout.code for field in fields_of(Status).values()))
_FRAME_BYTES = HEAD_BYTES + _LAYOUT.size + CRC_BYTES
_FIELDS: dict[str, Any] = dict.fromkeys(Status._fields, (int, ...))
_AS_MODEL: type[BaseModel] = create_model("StatusModel", **_FIELDS)

Feed = Callable[[bytes], Iterable[Any]]


def _telemetry(frames: int) -> list[bytes]:
    """A treatment's STATUS frames, in chunks as long as a read of the transport may be."""
    random = Random(1)
    line = b"".join(
        frame(
            Status(
                pen_time_ms=20 * number, boot_id=0x5EED_CAFE, lease=0x1234_5678, tick=number * 2 // 5, refusal=0,
                state=PenState.RUNNING, faults=0, interlocks=Interlock.CARTRIDGE_PRESENT, depth_set_um=500,
                depth_measured_um=500 + random.randrange(-40, 40), rate_set_mhz=100_000,
                rate_measured_mhz=100_000 + random.randrange(-900, 900), motor_current_ma=340 + random.randrange(30),
                battery_permille=870, temperature_dc=312, contact=Contact.ON_SKIN, strokes=2 * number,
                button_presses=0, pedal_presses=1,
            ),
            number,
        )
        for number in range(frames)
    )  # fmt: skip
    return [line[start : start + READ_BYTES] for start in range(0, len(line), READ_BYTES)]


def _by_hand(make: Callable[[tuple[int, ...]], Any]) -> Feed:
    """The least that is right on a real line: split, unstuff, CRC, kind and length, unpack, ``make``."""
    unpack_from = _LAYOUT.unpack_from
    tail = b""

    def feed(data: bytes) -> list[Any]:
        nonlocal tail
        pieces = (tail + data).split(DELIMITER)
        tail = pieces.pop()
        made = []
        for piece in pieces:
            body = cobs_decode(piece)
            if crc32(body) == _CRC_RESIDUE and body[0] == _STATUS_KIND and len(body) == _FRAME_BYTES:
                made.append(make(unpack_from(body, HEAD_BYTES)))
        return made

    return feed


def _tuples() -> Feed:
    """As :func:`_by_hand`, the tuples themselves: no call that makes nothing."""
    unpack_from = _LAYOUT.unpack_from
    tail = b""

    def feed(data: bytes) -> list[tuple[int, ...]]:
        nonlocal tail
        pieces = (tail + data).split(DELIMITER)
        tail = pieces.pop()
        made = []
        for piece in pieces:
            body = cobs_decode(piece)
            if crc32(body) == _CRC_RESIDUE and body[0] == _STATUS_KIND and len(body) == _FRAME_BYTES:
                made.append(unpack_from(body, HEAD_BYTES))
        return made

    return feed


def _models() -> Feed:
    names, validate = Status._fields, _AS_MODEL.model_validate
    return _by_hand(lambda values: validate(dict(zip(names, values, strict=True))))


def _snapshots() -> Feed:
    """All that the link does with a STATUS before the controller sees it: decode, ranges, PenSnapshot."""
    feed_frames = Deframer().feed

    def feed(data: bytes) -> list[Any]:
        return [snapshot(item) for item in feed_frames(data) if isinstance(item, Status) and not range_problem(item)]

    return feed


def _seconds(make_feed: Callable[[], Feed], chunks: list[bytes], frames: int) -> float:
    """Processor time for all chunks."""
    ring: deque[Any] = deque(maxlen=RING)
    feed, keep = make_feed(), ring.extend
    began = time.process_time()
    for chunk in chunks:
        keep(feed(chunk))
    took = time.process_time() - began
    newest = next(iter(islice(reversed(ring), 1)))
    pen_time_ms = newest[0] if isinstance(newest, tuple) else newest.pen_time_ms
    if len(ring) != min(RING, frames) or pen_time_ms != 20 * (frames - 1):
        raise RuntimeError(f"{make_feed} lost frames")
    return took


def measure(effort: Effort) -> list[Row]:
    """Ratios of processor time."""
    frames = effort.pick(6_000, 40_000)
    chunks = _telemetry(frames)
    sides: list[Callable[[], Feed]] = [lambda: Deframer().feed, _tuples, _models, _snapshots]
    ours, tuples, models, snapshots = alternated(
        effort.pick(5, 9),
        [lambda side=side: _seconds(side, chunks, frames) for side in sides],  # type: ignore[misc]
    )
    return [
        Row(SUBJECT, "telemetry to a typed object", median_ratio(ours, tuples), "×",
            "split, unstuff, CRC, unpack to a tuple by hand", at_most(1.3)),
        Row(SUBJECT, "a pydantic model a frame costs", median_ratio(models, ours), "×",
            "our typed object, the same frames", at_least(4)),
        Row(SUBJECT, "all the way to the controller's snapshot", median_ratio(snapshots, models), "×",
            "a pydantic model a frame, ranges not even checked"),
        Row(SUBJECT, "a frame to a typed object", sorted(ours)[len(ours) // 2] / frames * 1e6, "µs", "processor time"),
    ]  # fmt: skip
