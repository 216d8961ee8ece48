"""Records a pen's wire traffic to a file without ever holding up who drives the pen: a thread of its own writes.

A recording is no record of a treatment: it is for finding faults. So a disk that is full, slow or gone ends the
recording, with a sentence, and nothing else.
"""

import queue
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from firmware_bridge.wire.capture import CaptureWriter
from firmware_bridge.wire.messages import Direction

HELD_MAX_PIECES = 20_000
"""What waits for a slow disk: minutes of one pen."""

FILE_MAX_BYTES = 1 << 30
"""Thirty hours of a pen that is treating. A recording that was forgotten must not fill the disk of the record."""

FLUSH_S = 0.25
"""What a crash of the process takes away is younger than this."""


class TrafficRecorder:
    """Writes what :meth:`tap` is given into a new file at ``path``, in the form of :mod:`firmware_bridge.wire.capture`.

    ``ended`` is told once, in a sentence, where the recording ends before it is closed: on the recorder's thread, or on
    the one that taps.
    ``bytes_seen`` and ``pieces`` count what was recorded. Raises OSError when the file cannot be made; one that is
    there already is left alone (FileExistsError).
    """

    def __init__(
        self,
        path: Path,
        *,
        pen_url: str,
        ended: Callable[[str], None],
        clock_ns: Callable[[], int] = time.monotonic_ns,
        file_max_bytes: int = FILE_MAX_BYTES,
    ) -> None:
        self.path = path
        self.pieces = 0
        self.bytes_seen = 0
        self.problem = ""
        self._ended = ended
        self._ending = threading.Lock()
        self._clock_ns = clock_ns
        self._file_max_bytes = file_max_bytes
        self._pieces: queue.Queue[tuple[int, Direction, bytes] | None] = queue.Queue(HELD_MAX_PIECES)
        self._file = path.open("x", encoding="utf-8")
        self._writer = CaptureWriter(
            self._file, pen_url=pen_url, started=datetime.now(UTC).isoformat(timespec="microseconds")
        )
        self._began_ns = clock_ns()
        self._thread = threading.Thread(target=self._write, name=f"recording {path.name}", daemon=True)
        self._thread.start()

    def tap(self, sent_by_host: bool, data: bytes) -> None:
        """One piece of traffic, now. Never blocks, never raises."""
        if self.problem:
            return
        time_us = (self._clock_ns() - self._began_ns) // 1000
        self.pieces += 1
        self.bytes_seen += len(data)
        direction = Direction.HOST_TO_PEN if sent_by_host else Direction.PEN_TO_HOST
        try:
            self._pieces.put_nowait((time_us, direction, bytes(data)))
        except queue.Full:
            self._end("the disk did not keep up")

    def close(self, within_s: float = 2.0) -> None:
        """Writes what waits, for at most so many seconds, and closes the file. A second time does nothing."""
        deadline_s = time.monotonic() + within_s
        while self._thread.is_alive() and time.monotonic() < deadline_s:
            try:
                self._pieces.put(None, timeout=FLUSH_S)
                break
            except queue.Full:
                continue
        self._thread.join(max(0.0, deadline_s - time.monotonic()))

    def _end(self, why: str) -> None:
        with self._ending:  # a disk and a queue may give up in the same instant, each on its thread
            if self.problem:
                return
            self.problem = (
                f"The recording {self.path} ends here: {why}. What stands in it can be trusted; the pen is not "
                "concerned. Begin another one, on a disk with room."
            )
        self._ended(self.problem)

    def _write(self) -> None:
        try:
            with self._file:
                self._write_pieces()
        except OSError as error:
            self._end((error.strerror or str(error)).lower())

    def _write_pieces(self) -> None:
        flushed_s = time.monotonic()
        while True:
            try:
                piece = self._pieces.get(timeout=FLUSH_S)
            except queue.Empty:
                self._file.flush()
                if self.problem:
                    return
                continue
            if piece is None:
                return
            self._writer.record(*piece)
            if time.monotonic() - flushed_s >= FLUSH_S:
                self._file.flush()
                flushed_s = time.monotonic()
                if self._file.tell() > self._file_max_bytes:
                    self._end(f"it has {self._file_max_bytes >> 20} MB, and nobody ended it")
                    return
