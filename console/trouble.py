"""The one form in which every trouble reaches a person: what happened, what it means, what to do.

Every error the product foresees becomes a :class:`Told` and an exit code here; nothing foreseeable shows a traceback.
"""

import errno
import json
import os
import re
import sys
from dataclasses import asdict, dataclass
from types import TracebackType

import typer

from console.exits import Code


@dataclass(frozen=True, slots=True)
class Told:
    """A trouble in words. ``code`` is a name for programs; empty sentences are left out."""

    code: str
    what: str
    means: str = ""
    do: str = ""
    because: str = ""


class ConsoleError(Exception):
    """What the console itself has to say no to."""

    def __init__(self, told: Told, exit_code: int = Code.NO) -> None:
        super().__init__(told.what)
        self.told = told
        self.exit_code = exit_code


def show(told: Told, *, as_json: bool = False) -> None:
    """Writes a trouble to standard error."""
    if as_json:
        sys.stderr.write(json.dumps(asdict(told), ensure_ascii=False) + "\n")
        return
    from rich.text import Text  # noqa: PLC0415 only where something is to be told

    from console.screen import err  # noqa: PLC0415 as above

    console = err()
    console.print(Text.assemble(("needlework: ", "bold red"), (told.what, "bold")))
    if told.means:
        console.print(Text(f"  {told.means}"))
    if told.do:
        console.print(Text.assemble(("  → ", "bold"), told.do))


_FORMS = re.compile(r"the formats '%[^']*'(, '%[^']*')*")
"""As typer names the forms of a date that a command takes."""


def _of_dates(forms: re.Match[str]) -> str:
    time = " or a time, written 2026-01-31T09:30" if "%H" in forms[0] else ""
    return f"a day, written 2026-01-31{time and ','}{time}"


def usage_sentence(words: str) -> str:
    """What typer says of a command line, as a sentence, without what a validator says about itself."""
    said = words.replace("Value error, ", "")
    said = _FORMS.sub(_of_dates, said)
    return said if said.endswith((".", "?", "!")) else f"{said}."


class Troubles:
    """Inside, what the product foresees ends the command with its sentences and exit code: ``with Troubles(): …``."""

    def __init__(self, *, as_json: bool = False) -> None:
        self._as_json = as_json

    def __enter__(self) -> None:
        return

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and _reader_left(error):
            _hush()
            raise typer.Exit(Code.DONE) from error
        found = None if error is None else told_of(error)
        if found is not None:
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                _hush()  # what is left to be written would fail once more at the end of the process
            told, code = found
            show(told, as_json=self._as_json)
            raise typer.Exit(code) from error


def _reader_left(error: BaseException) -> bool:
    """Whether all that happened is that nobody reads our output any more (`… | head`)."""
    if isinstance(error, BaseExceptionGroup):
        return all(_reader_left(one) for one in error.exceptions)
    return isinstance(error, BrokenPipeError)


def _hush() -> None:
    """Standard output goes nowhere from now on, so that the last flush of the process has nothing to complain of."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def told_of(error: BaseException) -> tuple[Told, int] | None:
    """The sentences and the exit code of an error the product foresees; None for any other.

    Packages are looked up among those already imported: an error of a package that was never imported cannot be here.
    """
    if isinstance(error, ConsoleError):
        return error.told, error.exit_code
    if isinstance(error, BaseExceptionGroup):
        return told_of(error.exceptions[0]) if len(error.exceptions) == 1 else None
    for find in (_of_station, _of_others, _of_system):
        found = find(error)
        if found is not None:
            return found
    return None


def _of_station(error: BaseException) -> tuple[Told, int] | None:
    errors = sys.modules.get("station.errors")
    if errors is None or not isinstance(error, errors.StationError):
        return None
    trouble = error.trouble
    told = Told(trouble.code, trouble.what, trouble.means, trouble.do, trouble.because)
    if isinstance(error, errors.ProcessError):
        return told, error.exit_code
    if isinstance(error, errors.SettingsError):
        return told, Code.USAGE
    if isinstance(error, errors.StationUnreachable):
        return told, Code.NO_STATION
    return told, Code.NO


_ROOTS = (
    ("logger.errors", "RecordError", "record"),
    ("firmware_bridge.gauges.errors", "GaugeError", "gauge"),
    ("firmware_bridge.errors", "WireError", "pen"),
    ("controller.errors", "ControllerError", "refused"),
    ("controller.units", "QuantityError", "not_a_quantity"),
    ("simulators.errors", "SimulatorError", "simulator"),
)


def _of_others(error: BaseException) -> tuple[Told, int] | None:
    for module_name, root, code in _ROOTS:
        module = sys.modules.get(module_name)
        if module is not None and isinstance(error, getattr(module, root)):
            what, _, rest = str(error).partition(". ")
            return Told(code, f"{what}." if rest else what, rest), Code.NO
    return None


def _of_system(error: BaseException) -> tuple[Told, int] | None:
    """What the operating system refuses: a place that cannot be used, or output that cannot be written."""
    if not isinstance(error, OSError):
        return None
    why = (error.strerror or str(error)).lower()
    if error.filename is not None:
        return _of_place(os.fsdecode(error.filename2 or error.filename), error.errno, why), Code.NO
    if error.errno == errno.ENOSPC:
        return Told("output", f"The output could not be written: {why}.", "", "Make room, then ask again."), Code.NO
    return None


def _of_place(place: str, number: int | None, why: str) -> Told:
    """One remedy does not fit all: what is absent, there already, forbidden and full are told apart."""
    folder = os.path.dirname(place) or "."  # noqa: PTH120 nothing of it is resolved
    match number:
        case errno.ENOENT if not os.path.isdir(folder):  # noqa: PTH112 as above
            return Told("place", f"There is no folder {folder}.", "", "Make it, or name a place in one that is there.")
        case errno.ENOENT:
            return Told("place", f"There is no file {place}.", "", "Check its name and the folder you are in.")
        case errno.EEXIST:
            do = "Name another place (a state directory with --state), or take this one away first."
            return Told("place", f"{place} exists already.", "It was left as it is.", do)
        case errno.EISDIR:
            return Told("place", f"{place} is a folder, and a file is needed.", "", "Name a file.")
        case errno.EACCES | errno.EPERM | errno.EROFS:
            do = "Give this user the right to it, or name another place."
            return Told("place", f"{place} cannot be used: {why}.", "This user may not do that there.", do)
        case errno.ENOSPC | errno.EDQUOT:
            do = "Make room there, or name a place on another disk."
            return Told("place", f"{place} could not be written: {why}.", "", do)
    return Told("place", f"{place} cannot be used: {why}.", "", "Look at the place, or name another one.")
