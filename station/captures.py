"""Records the wire of every pen of a station, on request (the setting ``captures``): for finding faults.

A recording is no part of the record, and nothing about a treatment depends on it: where it cannot be made, the station
says so and goes on without. It holds no name: serial numbers, cartridges' tags, and what the pen did.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Self

from firmware_bridge.port import Tap
from firmware_bridge.recording import TrafficRecorder


class Captures:
    """A new file for each pen and each start of the station in ``folder``; with None, nothing.

    ``write`` gets a line where a recording cannot be made or ends, the latter on another thread. A context manager ends
    all of them.
    """

    def __init__(self, folder: Path | None, utc_now: Callable[[], datetime], write: Callable[[str], object]) -> None:
        self._folder = folder
        self._utc_now = utc_now
        self._write = write
        self._recorders: list[TrafficRecorder] = []

    def tap(self, pen: str, url: str) -> Tap | None:
        """What a pen's port is to call with each piece of traffic; None where nothing is recorded."""
        if self._folder is None:
            return None
        path = self._folder / f"{pen}-{self._utc_now():%Y%m%dT%H%M%S%f}.capture"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            recorder = TrafficRecorder(path, pen_url=url, ended=self._tell)
        except OSError as error:
            self._tell(
                f"The wire of {pen} is not recorded: {path}: {(error.strerror or str(error)).lower()}. The pen can be "
                "used all the same. Name another folder in the setting captures."
            )
            return None
        self._recorders.append(recorder)
        return recorder.tap

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        for recorder in self._recorders:
            recorder.close()

    def _tell(self, sentence: str) -> None:
        self._write(f"{sentence}\n")
