"""Recording beside a pen: all of it in the file, nothing held up, and a disk that fails ends the recording alone."""

import os
import threading
import time
from itertools import count
from pathlib import Path

import pytest

from firmware_bridge.recording import HELD_MAX_PIECES, TrafficRecorder
from firmware_bridge.wire.capture import CapturedBytes, CaptureReader, lines_of
from firmware_bridge.wire.messages import Direction

PEN = "serial:///dev/ttyACM0"


def read(path: Path) -> list[CapturedBytes]:
    with path.open(encoding="utf-8", errors="replace") as file:
        return list(CaptureReader(lines_of(file)))


def test_what_was_tapped_stands_in_the_file(tmp_path: Path) -> None:
    times = count(0, 1_500)
    recorder = TrafficRecorder(tmp_path / "a", pen_url=PEN, ended=print, clock_ns=lambda: next(times) * 1000)
    recorder.tap(True, b"\x00")
    recorder.tap(False, b"\x01\x02")
    recorder.close()
    recorder.close()
    assert read(tmp_path / "a") == [
        CapturedBytes(1_500, Direction.HOST_TO_PEN, b"\x00"),
        CapturedBytes(3_000, Direction.PEN_TO_HOST, b"\x01\x02"),
    ]
    assert (recorder.pieces, recorder.bytes_seen, recorder.problem) == (2, 3, "")


def test_it_is_on_disk_before_it_is_closed(tmp_path: Path) -> None:
    recorder = TrafficRecorder(tmp_path / "a", pen_url=PEN, ended=print)
    recorder.tap(True, b"\x07")
    deadline_s = time.monotonic() + 10
    while len((tmp_path / "a").read_text().splitlines()) < 2:
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    recorder.close()


def test_a_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("another recording")
    with pytest.raises(FileExistsError):
        TrafficRecorder(tmp_path / "a", pen_url=PEN, ended=print)
    assert (tmp_path / "a").read_text() == "another recording"


def test_a_full_disk_ends_the_recording_with_a_sentence_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("/dev/full")
    said: list[str] = []
    with pytest.raises(FileExistsError):
        TrafficRecorder(tmp_path / "a", pen_url=PEN, ended=said.append)
    recorder = TrafficRecorder(tmp_path / "b", pen_url=PEN, ended=said.append)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, recorder._file.fileno())
    os.close(full)
    deadline_s = time.monotonic() + 10
    while not said:
        assert time.monotonic() < deadline_s
        recorder.tap(True, bytes(200))
        time.sleep(0.01)
    recorder.tap(True, b"\x00")
    recorder.close()
    assert len(said) == 1
    assert "no space left" in said[0]
    assert "the pen is not concerned" in said[0]


def test_a_disk_that_hangs_costs_bounded_memory_and_no_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    recorder = TrafficRecorder(tmp_path / "a", pen_url=PEN, ended=said.append)
    hanging = True
    monkeypatch.setattr(
        recorder._writer, "record", lambda *_piece: [time.sleep(0.01) for _ in iter(lambda: hanging, False)]
    )
    began_s = time.monotonic()
    for _ in range(HELD_MAX_PIECES + 10):
        recorder.tap(True, b"\x00")
    assert time.monotonic() - began_s < 5
    assert "did not keep up" in said[0]
    assert len(said) == 1
    hanging = False
    recorder.close()


def test_a_recording_nobody_ends_has_an_end(tmp_path: Path) -> None:
    said: list[str] = []
    recorder = TrafficRecorder(tmp_path / "a", pen_url=PEN, ended=said.append, file_max_bytes=10_000)
    deadline_s = time.monotonic() + 10
    while not said:
        assert time.monotonic() < deadline_s
        recorder.tap(False, bytes(50))
        time.sleep(0.0005)
    recorder.close()
    assert "nobody ended it" in said[0]
    assert len(read(tmp_path / "a")) > 50


def test_two_ends_in_one_instant_are_told_once(tmp_path: Path) -> None:
    """The disk fails on the recorder's thread while the queue is full on the one that taps."""

    class SlowlyTold:
        def __str__(self) -> str:
            time.sleep(0.05)  # both have looked by now whether it was told
            return "a"

    said: list[str] = []
    recorder = TrafficRecorder(tmp_path / "a", pen_url=PEN, ended=said.append)
    recorder.path = SlowlyTold()  # type: ignore[assignment]
    ends = [threading.Thread(target=recorder._end, args=(why,)) for why in ("no disk", "no room")]
    for end in ends:
        end.start()
    for end in ends:
        end.join()
    recorder.close()
    assert len(said) == 1
