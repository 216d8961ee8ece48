"""Faults of the line between host and pen: cable, adapter, driver, settings."""

from collections import deque
from collections.abc import Iterable

from firmware_bridge.wire.framing import DELIMITER
from firmware_bridge.wire.messages import ROW_OF_TYPE, Stop
from simulators.faults.kinds import Apply, FaultKind, Given, Undo, number, word
from simulators.faults.parts import LinePart, LineTrouble, MakeFate
from simulators.line import Fate, Lane, Line

BACKLOG_MAX_BYTES = 4096
"""What a slow line's buffer holds; what comes when it is full is lost, as in a driver."""

REMEMBERED_PIECES = 64
"""What a line that repeats old pieces remembers."""

DIRECTION = word("direction", "both", "to_pen", "to_host")
TO_PEN = word("direction", "to_pen", "to_host", "both")
TO_HOST = word("direction", "to_host", "to_pen", "both")

LINE_FAULTS = (
    FaultKind(
        "line_loss", "line", "Pieces of traffic are lost at random.",
        "Treats on: whole states repeat 20 times a second. Counts what is missing as line quality.",
        "H27", (number("share_permille", "‰", 1, 1000, 100), DIRECTION),
    ),
    FaultKind(
        "line_bit_error", "line", "One bit of a piece is flipped.",
        "Drops the frame by its CRC, treats on with the next; never acts on a damaged one.",
        "H27", (number("share_permille", "‰", 1, 1000, 100), DIRECTION),
    ),
    FaultKind(
        "line_duplicate", "line", "Pieces arrive a second time, a moment later.",
        "Treats on: a tick or a pen time seen before is not newer.",
        "H12", (number("share_permille", "‰", 1, 1000, 200), number("after_ms", "ms", 1, 1000, 70), DIRECTION),
    ),
    FaultKind(
        "line_replay", "line", "Something plays old pieces again, long after they were sent.",
        "Treats on as commanded: an old setpoint is refused as old or stale, an old status is overtaken.",
        "H12", (number("share_permille", "‰", 1, 1000, 200), number("age_pieces", "pieces", 1, 63, 30), DIRECTION),
    ),
    FaultKind(
        "line_delay", "line", "Everything comes later.",
        "Treats on: what is decided on a late status is still fresher than the dead-man time.",
        "H44", (number("delay_ms", "ms", 1, 2000, 80), DIRECTION),
    ),
    FaultKind(
        "line_late", "line", "Everything comes so late that nothing is fresh any more.",
        "Stops: the pen by its dead-man, the host by a status that is too old.",
        "H44", (number("delay_ms", "ms", 250, 5000, 900), DIRECTION), reaction="stops", alarm="link_lost",
    ),
    FaultKind(
        "line_jitter", "line", "Pieces are late by a random time and overtake each other.",
        "Treats on: overtaken statuses and setpoints are ignored.",
        "H12", (number("most_ms", "ms", 2, 150, 60), DIRECTION),
    ),
    FaultKind(
        "line_hold", "line", "Bytes pile up in a buffer and come out at once when it is over.",
        "Stops within the dead-man time; what comes out afterwards moves nothing.",
        "H16", (DIRECTION,), reaction="stops", alarm="link_lost",
    ),
    FaultKind(
        "line_garbage", "line", "Random bytes come between the pieces.",
        "Finds the next frame by its delimiter and treats on.",
        "H27", (number("share_permille", "‰", 1, 1000, 100), number("bytes", "B", 1, 1024, 40), DIRECTION),
    ),
    FaultKind(
        "line_half_frame", "line", "Of some pieces only the first half arrives.",
        "Drops the half and the frame that it spoils, treats on with those that follow.",
        "H27", (number("share_permille", "‰", 1, 1000, 100), DIRECTION),
    ),
    FaultKind(
        "line_split", "line", "Everything arrives in small pieces, one a millisecond.",
        "Treats on: a frame is one whatever its pieces are.",
        "H27", (number("bytes", "B", 1, 64, 4), DIRECTION),
    ),
    FaultKind(
        "line_slow", "line", "The line takes fewer bytes a second than are sent; its buffer fills and overflows.",
        "Stops: what comes out of the buffer is older than the dead-man time.",
        "H44", (number("bytes_per_s", "B/s", 50, 1_000_000, 1000), TO_HOST), reaction="stops", alarm="link_lost",
    ),
    FaultKind(
        "line_baud_mismatch", "line", "Both ends run at different rates: every byte is another one.",
        "Stops: nothing that is no frame counts as word from the pen.",
        "H28", (DIRECTION,), reaction="stops", alarm="link_lost",
    ),
    FaultKind(
        "line_seven_bits", "line", "The port is set to seven data bits: the eighth is always 0.",
        "Stops: frames fail their CRC.",
        "H28", (DIRECTION,), reaction="stops", alarm="link_lost",
    ),
    FaultKind(
        "line_xon_xoff", "line", "Software flow control was left on: bytes 0x11 and 0x13 are swallowed.",
        "Drops the frames that had one; stops when for the dead-man time each had one.",
        "H28", (DIRECTION,), reaction="stops", alarm="pen_stopped_itself", within_ms=20_000,
    ),
    FaultKind(
        "line_cooked", "line", "The terminal is not raw: 0x0D becomes 0x0A, 0x0A gets a 0x0D before it.",
        "Drops the frames that had one; stops when for the dead-man time each had one.",
        "H28", (DIRECTION,), reaction="stops", alarm="pen_stopped_itself", within_ms=20_000,
    ),
    FaultKind(
        "line_echo", "line", "The adapter echoes: the host hears its own words beside the pen's.",
        "Ignores frames that no pen says, treats on.",
        "H28", (),
    ),
    FaultKind(
        "line_silence", "line", "Nothing comes through, and nothing says so.",
        "Stops: the pen by its dead-man, the host by the age of the last status; needles out in time.",
        "H16", (DIRECTION,), reaction="stops", alarm="link_lost",
    ),
    FaultKind(
        "line_deaf_pen", "line", "The wire to the pen is broken; the pen is still heard.",
        "Stops: the pen hears nothing for its dead-man time and says so; the host does not rely on what it sent.",
        "H14", (TO_PEN,), reaction="stops", alarm="pen_stopped_itself",
    ),
    FaultKind(
        "line_babble", "line", "A transmitter never falls silent: noise without an end between all frames.",
        "Stops: no frame gets through; memory does not grow.",
        "H16", (number("bytes", "B", 1, 4096, 300), TO_HOST), reaction="stops", alarm="link_lost",
    ),
    FaultKind(
        "line_stop_lost", "line", "The next STOP frames are lost on their way.",
        "Repeats STOP every tick until a status confirms it.",
        "H25", (number("times", "frames", 1, 1000, 3),), shown_by="stop", reaction="stops",
    ),
)  # fmt: skip


def _lines(given: Given) -> LinePart:
    lines = given.parts.lines
    if lines is None:
        raise ValueError(f"{given.name} needs a line")  # the injector has looked
    return lines


def _put(given: Given, make: MakeFate | None = None, *, delay_ms: int = 0, dropping: bool = False,
         holding: bool = False) -> Undo:  # fmt: skip
    lines, way = _lines(given), str(given.values.get("direction", "to_pen"))
    lines.put(
        given.name,
        LineTrouble(way != "to_host", way != "to_pen", make, delay_ms, dropping=dropping, holding=holding),
    )
    return lambda: lines.take(given.name)


def _each(given: Given, fate: Fate) -> Undo:
    return _put(given, lambda _line, _lane: fate)


def _loss(given: Given) -> Undo:
    return _each(given, lambda data: () if given.happens() else ((0, data),))


def _bit_error(given: Given) -> Undo:
    def fate(data: bytes) -> Iterable[tuple[int, bytes]]:
        if not given.happens():
            return ((0, data),)
        place = given.random.randrange(len(data))
        flipped = bytes([data[place] ^ 1 << given.random.randrange(8)])
        return ((0, data[:place] + flipped + data[place + 1 :]),)

    return _each(given, fate)


def _duplicate(given: Given) -> Undo:
    after_ms = given.number("after_ms")
    return _each(given, lambda data: ((0, data), (after_ms, data)) if given.happens() else ((0, data),))


def _replay(given: Given) -> Undo:
    age = given.number("age_pieces")

    def make(_line: Line, _lane: Lane) -> Fate:
        old: deque[bytes] = deque(maxlen=REMEMBERED_PIECES)

        def fate(data: bytes) -> Iterable[tuple[int, bytes]]:
            old.append(data)
            if len(old) > age and given.happens():
                return ((0, data), (0, old[-1 - age]))
            return ((0, data),)

        return fate

    return _put(given, make)


def _delay(given: Given) -> Undo:
    return _put(given, delay_ms=given.number("delay_ms"))


def _jitter(given: Given) -> Undo:
    return _each(given, lambda data: ((given.random.randrange(1, given.number("most_ms") + 1), data),))


def _garbage(given: Given) -> Undo:
    def fate(data: bytes) -> Iterable[tuple[int, bytes]]:
        return ((0, given.random.randbytes(given.number("bytes"))), (0, data)) if given.happens() else ((0, data),)

    return _each(given, fate)


def _half_frame(given: Given) -> Undo:
    return _each(given, lambda data: ((0, data[: len(data) // 2] if given.happens() else data),))


def _split(given: Given) -> Undo:
    size, now_ms = given.number("bytes"), _lines(given).now_ms

    def make(_line: Line, _lane: Lane) -> Fate:
        busy_until = 0

        def fate(data: bytes) -> Iterable[tuple[int, bytes]]:
            nonlocal busy_until
            now = now_ms()
            if (busy_until - now) * size > BACKLOG_MAX_BYTES:
                return ()
            first = max(busy_until, now) + 1
            pieces = [data[place : place + size] for place in range(0, len(data), size)]
            busy_until = first + len(pieces) - 1
            return [(first - now + number, piece) for number, piece in enumerate(pieces)]

        return fate

    return _put(given, make)


def _slow(given: Given) -> Undo:
    bytes_per_s, now_ms = given.number("bytes_per_s"), _lines(given).now_ms

    def make(_line: Line, _lane: Lane) -> Fate:
        busy_until = 0.0

        def fate(data: bytes) -> Iterable[tuple[int, bytes]]:
            nonlocal busy_until
            now = now_ms()
            busy_until = max(busy_until, float(now))
            if (busy_until - now) * bytes_per_s > BACKLOG_MAX_BYTES * 1000.0:
                return ()
            busy_until += len(data) * 1000.0 / bytes_per_s
            return ((max(round(busy_until) - now, 1), data),)

        return fate

    return _put(given, make)


def _baud_mismatch(given: Given) -> Undo:
    # A receiver at half the rate takes two of its bits from one of the sender's: the low four bits, each twice.
    seen = bytes(sum(3 << 2 * bit for bit in range(4) if byte >> bit & 1) for byte in range(256))
    return _each(given, lambda data: ((0, data.translate(seen)),))


def _seven_bits(given: Given) -> Undo:
    seen = bytes(byte & 0x7F for byte in range(256))
    return _each(given, lambda data: ((0, data.translate(seen)),))


def _xon_xoff(given: Given) -> Undo:
    return _each(given, lambda data: ((0, data.translate(None, b"\x11\x13")),))


def _cooked(given: Given) -> Undo:
    return _each(given, lambda data: ((0, data.replace(b"\r", b"\n").replace(b"\n", b"\r\n")),))


def _echo(given: Given) -> Undo:
    now_ms = _lines(given).now_ms

    def make(line: Line, _lane: Lane) -> Fate:
        def fate(data: bytes) -> Iterable[tuple[int, bytes]]:
            line.to_host.push(data, now_ms())
            return ((0, data),)

        return fate

    return _put(given, make)


def _babble(given: Given) -> Undo:
    def fate(data: bytes) -> Iterable[tuple[int, bytes]]:
        noise = given.random.randbytes(given.number("bytes")).replace(DELIMITER, b"\xff")
        return ((0, noise + data[: -len(DELIMITER)] + noise),)

    return _each(given, fate)


def _stop_lost(given: Given) -> Undo:
    lines, kind = _lines(given), ROW_OF_TYPE[Stop].kind
    for line in lines.lines:
        line.to_pen.lose(kind, given.number("times"))

    def undo() -> None:
        for line in lines.lines:
            line.to_pen.lose(kind, 0)

    return undo


APPLY_LINE: dict[str, Apply] = {
    "line_loss": _loss,
    "line_bit_error": _bit_error,
    "line_duplicate": _duplicate,
    "line_replay": _replay,
    "line_delay": _delay,
    "line_late": _delay,
    "line_jitter": _jitter,
    "line_hold": lambda given: _put(given, holding=True),
    "line_garbage": _garbage,
    "line_half_frame": _half_frame,
    "line_split": _split,
    "line_slow": _slow,
    "line_baud_mismatch": _baud_mismatch,
    "line_seven_bits": _seven_bits,
    "line_xon_xoff": _xon_xoff,
    "line_cooked": _cooked,
    "line_echo": _echo,
    "line_silence": lambda given: _put(given, dropping=True),
    "line_deaf_pen": lambda given: _put(given, dropping=True),
    "line_babble": _babble,
    "line_stop_lost": _stop_lost,
}
