"""Wire captures: what is recorded is what is replayed, and a cut-off file loses its last line at most."""

import io
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware_bridge.errors import CodecError
from firmware_bridge.wire.capture import CapturedBytes, CapturedMessage, CaptureReader, CaptureWriter, messages_of
from firmware_bridge.wire.framing import frame
from firmware_bridge.wire.messages import Direction, Hello, Stop

# A busy machine makes single examples slow; that is no fault of the code under test.
unhurried = settings(suppress_health_check=[HealthCheck.too_slow])

TO_PEN, TO_HOST = Direction.HOST_TO_PEN, Direction.PEN_TO_HOST
PIECES = st.lists(st.builds(CapturedBytes, st.integers(0, 2**40), st.sampled_from(Direction), st.binary(max_size=80)))


def written(pieces: list[CapturedBytes]) -> str:
    file = io.StringIO()
    writer = CaptureWriter(file, pen_url="serial:///dev/ttyACM0", started="2025-01-17T09:30:00Z")
    for piece in pieces:
        writer.record(*piece)
    return file.getvalue()


def reader(text: str) -> CaptureReader:
    return CaptureReader(io.StringIO(text))


@unhurried
@given(PIECES)
def test_what_was_recorded_is_replayed(pieces: list[CapturedBytes]) -> None:
    capture = reader(written(pieces))
    assert list(capture) == pieces
    assert (capture.pen_url, capture.started) == ("serial:///dev/ttyACM0", "2025-01-17T09:30:00Z")
    assert not capture.truncated


@unhurried
@given(PIECES.filter(bool), st.data())
def test_a_cut_loses_at_most_the_line_it_is_in(pieces: list[CapturedBytes], data: st.DataObject) -> None:
    text = written(pieces)
    head = text.index("\n") + 1
    cut = data.draw(st.integers(head, len(text)))
    capture = reader(text[:cut])
    replayed = list(capture)
    whole_lines = text[head:cut].count("\n")
    # A line that lacks only its line end is whole, too.
    assert replayed in (pieces[:whole_lines], pieces[: whole_lines + 1])
    assert capture.truncated == (cut > head and text[cut - 1] not in "\n}")


def test_a_file_on_disk_is_replayed_after_a_crash_in_the_middle_of_a_line(tmp_path: Path) -> None:
    path = tmp_path / "pen.capture"
    with path.open("w", encoding="utf-8", buffering=1) as file:
        writer = CaptureWriter(file, pen_url="tcp://pen:7070", started="2025-01-17T09:30:00Z")
        writer.record(0, TO_PEN, b"\x00")
        writer.record(20, TO_PEN, frame(Stop(), 0))
        assert path.read_text(encoding="utf-8").count("\n") == 3, "each line leaves at once with buffering=1"
        file.write('{"us": 41, "from": "pe')
    with path.open(encoding="utf-8") as file:
        capture = CaptureReader(file)
        assert [piece.time_us for piece in capture] == [0, 20]
        assert capture.truncated


def test_messages_are_put_together_for_each_direction() -> None:
    hello, stop = frame(Hello(7, 1), 0), frame(Stop(), 0)
    pieces = [
        CapturedBytes(1, TO_PEN, b"\x00" + hello[:4]),
        CapturedBytes(2, TO_HOST, stop[:3]),
        CapturedBytes(3, TO_PEN, hello[4:] + b"noise\x00"),
        CapturedBytes(4, TO_HOST, stop[3:]),
    ]
    assert list(messages_of(reader(written(pieces)))) == [
        CapturedMessage(3, TO_PEN, Hello(7, 1)),
        CapturedMessage(4, TO_HOST, Stop()),
    ]


def test_a_tap_records_with_the_time_it_is_given() -> None:
    file = io.StringIO()
    times = iter((10, 25))
    tap = CaptureWriter(file, pen_url="memory://pen", started="").tap(lambda: next(times))
    tap(True, b"\x00")
    tap(False, b"\x01\x02")
    assert list(reader(file.getvalue())) == [
        CapturedBytes(10, TO_PEN, b"\x00"),
        CapturedBytes(25, TO_HOST, b"\x01\x02"),
    ]


@pytest.mark.parametrize("text", ["", "\n", "hello\n", "[]\n", "7\n", '{"format": "other"}\n'])
def test_what_is_no_capture_is_refused(text: str) -> None:
    with pytest.raises(CodecError, match="no wire capture"):
        reader(text)


def test_a_binary_file_is_refused_as_no_capture(tmp_path: Path) -> None:
    path = tmp_path / "pen.capture"
    path.write_bytes(bytes(range(256)))
    with path.open(encoding="utf-8") as file, pytest.raises(CodecError, match="no wire capture"):
        CaptureReader(file)


def test_a_later_version_is_refused_with_both_versions() -> None:
    head = json.loads(written([]))
    head["version"] = 2
    with pytest.raises(CodecError, match=r"version 2, .* version 1"):
        reader(json.dumps(head) + "\n")


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "7",
        "{}",
        '{"us": -1, "from": "pen", "hex": ""}',
        '{"us": 1.5, "from": "pen", "hex": ""}',
        '{"us": true, "from": "pen", "hex": ""}',
        '{"us": 1, "from": "cat", "hex": ""}',
        '{"us": 1, "from": ["pen"], "hex": ""}',
        '{"us": 1, "from": "pen", "hex": "0g"}',
        '{"us": 1, "from": "pen", "hex": 5}',
    ],
)
def test_a_damaged_line_in_the_middle_is_named(line: str) -> None:
    good = written([CapturedBytes(1, TO_PEN, b"\x00")])
    capture = reader(good + line + "\n" + good.splitlines()[1] + "\n")
    replay = iter(capture)
    assert next(replay) == CapturedBytes(1, TO_PEN, b"\x00")
    with pytest.raises(CodecError, match="line 3 "):
        next(replay)
