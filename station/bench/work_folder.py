"""Calibrations under way, each a file in the state directory: whole after every reading, whatever happens next."""

from pathlib import Path

from pydantic import ValidationError

from controller.calibration.series import CalibrationUnderWay
from logger.whole_file import replace_whole
from station.errors import BenchRefused, Trouble

SUFFIX = ".json"


class WorkFolder:
    """The folder; made by the first piece of work in it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def keep(self, work: CalibrationUnderWay) -> None:
        """Puts it onto the disk, in the place of what it was before. Raises OSError, and that stays."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_whole(self._file(work.series), work.model_dump_json(indent=1).encode())

    def end(self, work: CalibrationUnderWay) -> None:
        """It is done, or begun anew: its file goes. Harmless twice. Raises OSError."""
        self._file(work.series).unlink(missing_ok=True)

    def of_pen(self, model: str, serial: str) -> CalibrationUnderWay | None:
        """What is under way of a pen, the newest; None where nothing is. Raises BenchRefused, OSError."""
        found = [each for each in self.all() if (each.pen, each.serial) == (model, serial)]
        return max(found, key=lambda each: each.begun_at, default=None)

    def all(self) -> list[CalibrationUnderWay]:
        """Everything under way. Raises BenchRefused for a file that is none of ours, OSError."""
        found = []
        for path in sorted(self.path.glob(f"*{SUFFIX}")) if self.path.is_dir() else []:
            try:
                found.append(CalibrationUnderWay.model_validate_json(path.read_bytes()))
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

    def _file(self, series: str) -> Path:
        return self.path / f"{series}{SUFFIX}"
