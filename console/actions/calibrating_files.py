"""`--readings WHAT=FILE` of `needlework calibrate`: series that were read elsewhere, from CSV files."""

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from console.exits import Code
from console.trouble import ConsoleError, Told
from controller.calibration.reading_file import FILE_MAX_CHARACTERS, read_series
from controller.calibration.readings import Reading, ReadingRefused
from controller.calibration.series import Setups, Stage, What


def read_files(named: Sequence[str], setups: Setups) -> dict[tuple[Stage, What], tuple[Reading, ...]]:
    """The series in the files. Raises ConsoleError for what names none, ReadingRefused naming file and line."""
    found: dict[tuple[Stage, What], tuple[Reading, ...]] = {}
    for each in named:
        series, equals, file = each.partition("=")
        stage, what = _series(series)
        if not equals or not file or stage is None or what is None:
            raise ConsoleError(
                Told(
                    "usage",
                    f"--readings {each!r} names no series.",
                    "Nothing was read and nothing moved.",
                    "Write depth=FILE, rate=FILE or load=FILE, as_left.depth=FILE for the series after an adjustment.",
                ),
                Code.USAGE,
            )
        try:
            found[stage, what] = read_series(_text(Path(file)), setups.plan(what))
        except ReadingRefused as refused:
            sentence = refused.sentence.partition(": ")[2]
            raise ReadingRefused(refused.because, refused.line, f"{file}: {sentence}") from refused
    return found


def _series(named: str) -> tuple[Stage | None, What | None]:
    stage, dot, what = named.rpartition(".")
    return (
        next((each for each in get_args(Stage) if each == (stage if dot else "as_found")), None),
        next((each for each in get_args(What) if each == what), None),
    )


def _text(path: Path) -> str:
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        return file.read(FILE_MAX_CHARACTERS + 1)
