"""Calibrations under way, each a file in the state directory: whole after every reading, whatever happens next.

A file bears the station's signature. What stands in it becomes a certificate, so one that somebody edited, a reading, a
moment, a decision, is not gone on with.
"""

import json
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from pydantic import ValidationError

from controller.calibration.series import CalibrationUnderWay
from controller.event_base import Record
from logger.whole_file import replace_whole
from station.errors import BenchRefused, Trouble
from station.record.station_key import station_key
from station.settings import StationSettings

SUFFIX = ".json"
_SIGNED_AS = b"needlework calibration under way\n"
"""Before what is signed, so that no other signature of the station can stand for this one."""


class _Kept(Record):
    """What a file holds."""

    work: CalibrationUnderWay
    signature: str


class WorkFolder:
    """The folder of a state directory; made by the first piece of work in it."""

    def __init__(self, settings: StationSettings) -> None:
        self.path = settings.works_path
        self._key_path = settings.station_key_path

    def keep(self, work: CalibrationUnderWay) -> None:
        """Signs it and puts it onto the disk, in the place of what it was before. Raises OSError, and that stays;
        StationKeyRefused."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        data = work.model_dump(mode="json")
        signature = station_key(self._key_path).sign(_signed(data)).hex()
        kept = json.dumps({"work": data, "signature": signature}, indent=1, ensure_ascii=False)
        replace_whole(self._file(work.series), kept.encode())

    def end(self, work: CalibrationUnderWay) -> None:
        """It is done, or begun anew: its file goes, with what a program left that died while it wrote one. Harmless
        twice. Raises OSError."""
        file = self._file(work.series)
        file.unlink(missing_ok=True)
        for left in self.path.glob(f".{file.name}.*.part"):
            left.unlink(missing_ok=True)

    def of_pen(self, model: str, serial: str) -> CalibrationUnderWay | None:
        """What is under way of a pen, the newest, as its file has it; None where nothing is. Raises BenchRefused,
        OSError."""
        found = [each for each in self.all() if (each.pen, each.serial) == (model, serial)]
        return max(found, key=lambda each: each.begun_at, default=None)

    def all(self) -> list[CalibrationUnderWay]:
        """Everything under way. Raises BenchRefused for a file that is none of ours, OSError."""
        found = []
        for path in sorted(self.path.glob(f"*{SUFFIX}")) if self.path.is_dir() else []:
            try:
                found.append(_Kept.model_validate_json(path.read_bytes()).work)
            except ValidationError as error:
                raise BenchRefused(
                    Trouble(
                        "work_unreadable",
                        f"{path} is no calibration under way: {error.error_count()} parts of it make no sense.",
                        "A calibration is continued whole or not at all; the readings in it would be guesses.",
                        "Put the file aside and begin that calibration anew.",
                    )
                ) from error
        return found

    def check(self, work: CalibrationUnderWay) -> None:
        """The work is what this station kept of it last. Raises BenchRefused, StationKeyRefused, OSError."""
        path = self._file(work.series)
        try:
            signature = bytes.fromhex(json.loads(path.read_bytes())["signature"])
            station_key(self._key_path).public_key().verify(signature, _signed(work.model_dump(mode="json")))
        except (ValueError, InvalidSignature) as error:
            raise BenchRefused(
                Trouble(
                    "work_changed",
                    f"{path} is not as this station left it: somebody edited it, or another station's key signed it.",
                    "Readings that were changed by hand are no measurements; no certificate is made of them.",
                    "Begin this calibration anew (--anew). What was truly read is on record.",
                )
            ) from error

    def _file(self, series: str) -> Path:
        return self.path / f"{series}{SUFFIX}"


def _signed(data: Any) -> bytes:
    return _SIGNED_AS + json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
