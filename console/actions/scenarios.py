"""``needlework scenario``: plays scenarios, lists and checks them, makes one of a recorded session."""

import json
import sys
import time
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from console.exits import Code
from console.junit_place import tried
from console.records import opened, session_named, sound_entries
from console.screen import out, say
from console.trouble import ConsoleError, Told
from controller.errors import DataError
from logger.export.files import whole_files
from proving.junit import write as write_junit
from proving.scenario.course import Line
from proving.scenario.from_session import from_session as made_of
from proving.scenario.loading import Loaded, library, load_scenario
from proving.scenario.outcomes import Outcome, play
from proving.scenario.reporting import as_data, as_suite, in_words, told
from station.settings import StationSettings


def run(files: list[Path], *, real: bool, junit: Path | None, tell: bool, as_json: bool) -> int:
    """Plays scenarios one after the other. Exit code NO when one does not hold. Raises ConsoleError, DataError."""
    scenarios = _loaded(files or list(library()))
    tried(junit)
    outcomes: list[tuple[Outcome, float]] = []
    console = out()
    for loaded in scenarios:
        began_s = time.perf_counter()
        try:
            outcome = _played(loaded, real=real, console=console, aloud=not as_json and (tell or real))
        except DataError as error:
            raise ConsoleError(
                Told("scenario", str(error), "What was to come after it was not played."), Code.USAGE
            ) from error
        outcomes.append((outcome, time.perf_counter() - began_s))
        if as_json:
            _line(as_data(*outcomes[-1]))
        else:
            _say(console, *outcomes[-1], tell=tell and not real)
    code = _summed_up(outcomes, console, as_json=as_json)
    if junit is not None:
        write_junit(junit, as_suite(outcomes))
    return code


def _played(loaded: Loaded, *, real: bool, console: Console, aloud: bool) -> Outcome:
    if not real or loaded.scenario.replay is not None:
        return play(loaded)
    from proving.scenario.in_real_time import play_in_real_time  # noqa: PLC0415 a station is loaded where one is played

    def hear(line: Line) -> None:
        if aloud:
            console.print(Text(f"  {in_words(line)}"), soft_wrap=True)

    if aloud:
        console.print(Text(f"{loaded.scenario.name}: {loaded.scenario.title}", "bold"), soft_wrap=True)
    return play_in_real_time(loaded, hear=hear)


def _say(console: Console, outcome: Outcome, took_s: float, *, tell: bool) -> None:
    scenario = outcome.loaded.scenario
    mark, style = ("✓", "green") if outcome.held else ("–", "yellow") if outcome.skipped else ("✗", "bold red")
    times = f"{outcome.story_ms / 1000:.1f} s of story in {took_s:.2f} s"
    words = f"{mark} {scenario.name}: {scenario.title}"
    console.print(Text.assemble((words, style), (f"  ({outcome.skipped or times})", "dim")), soft_wrap=True)
    if tell or outcome.failure is not None:
        for line in told(outcome):
            failed = line.lstrip().startswith(("expected:", "seen:")) or " FAILED at " in line
            console.print(Text(f"  {line}", "bold red" if failed else ""), soft_wrap=True)


def _summed_up(outcomes: list[tuple[Outcome, float]], console: Console, *, as_json: bool) -> int:
    failed = [outcome.loaded.scenario.name for outcome, _ in outcomes if outcome.failure is not None]
    skipped = [outcome.loaded.scenario.name for outcome, _ in outcomes if outcome.skipped]
    held = len(outcomes) - len(failed) - len(skipped)
    if as_json:
        _line({"event": "done", "played": len(outcomes), "held": held, "failed": failed, "left_out": skipped})
    else:
        story_s = sum(outcome.story_ms for outcome, _ in outcomes) / 1000
        took_s = sum(took_s for _, took_s in outcomes)
        left_out = f", {len(skipped)} left out" if skipped else ""
        did_not = f", {len(failed)} did not: {', '.join(failed)}" if failed else ""
        words = (
            f"{held} of {len(outcomes)} scenarios held{did_not}{left_out}; {story_s:.0f} s of story in {took_s:.1f} s."
        )
        console.print(Text(words, "bold red" if failed else "bold green"), soft_wrap=True)
    return Code.NO if failed else Code.DONE


def _loaded(paths: list[Path]) -> list[Loaded]:
    """Every scenario is read before the first is played. Raises ConsoleError at the first that has a mistake."""
    loaded = []
    for path in paths:
        try:
            loaded.append(load_scenario(_found(path)))
        except DataError as error:
            raise ConsoleError(Told("scenario", str(error), "No scenario was played."), Code.USAGE) from error
    return loaded


def _found(asked: Path) -> Path:
    """The file, or the scenario shipped under this name. Raises DataError for a name that is nearly one."""
    if asked.exists():
        return asked
    shipped = {path.stem: path for path in library()}
    near = get_close_matches(str(asked), shipped, n=3)
    if str(asked) not in shipped and near:
        raise DataError(
            f"There is no file {asked}, and no scenario of that name is shipped. Nearest: {', '.join(near)}."
        )
    return shipped.get(str(asked), asked)


def check(files: list[Path], *, as_json: bool) -> int:
    """Reads scenarios, files or names as :func:`run` takes them. Exit code NO when one has a mistake."""
    wrong = 0
    for path in files:
        problem = ""
        try:
            load_scenario(_found(path))
        except DataError as error:
            wrong += 1
            problem = str(error)
        if as_json:
            _line({"event": "checked", "file": str(path), "good": not problem, "problem": problem})
        elif problem:
            out().print(Text(problem, "red"), soft_wrap=True)
        else:
            out().print(Text(f"{path}: a scenario that can be played.", "green"), soft_wrap=True)
    return Code.NO if wrong else Code.DONE


def list_scenarios(*, as_json: bool) -> int:
    """Lists the scenarios shipped."""
    scenarios = [load_scenario(path) for path in library()]
    if as_json:
        for loaded in scenarios:
            scenario = loaded.scenario
            _line(
                {
                    "name": scenario.name,
                    "title": scenario.title,
                    "hazards": list(scenario.hazards),
                    "file": str(loaded.path),
                }
            )
        return Code.DONE
    table = Table(title=f"{len(scenarios)} scenarios in {scenarios[0].path.parent}", title_justify="left")
    for heading in ("scenario", "what it shows", "hazards"):
        table.add_column(heading)
    for loaded in scenarios:
        table.add_row(loaded.scenario.name, loaded.scenario.title, ", ".join(loaded.scenario.hazards))
    say(out(), table)
    return Code.DONE


def from_session(
    settings: StationSettings,
    name: str,
    *,
    to: Path | None,
    force: bool,
    journal: Path | None,
    store: str | None,
    as_json: bool,
) -> int:
    """Makes a scenario of a session and writes its two files. Raises DataError, RecordError, ConsoleError."""
    with opened(settings, journal=journal, store=store) as place:
        session = session_named(place.source, name)
        made = made_of(sound_entries(place.source, session), session)
    folder = to if to is not None else Path()
    scenario, inputs = folder / f"{made.name}.yaml", folder / made.inputs_name
    with whole_files([scenario, inputs], force=force) as parts:
        parts[scenario].write_text(made.text, encoding="utf-8")
        parts[inputs].write_bytes(made.inputs)
    if as_json:
        _line({"session": session, "scenario": str(scenario), "inputs": str(inputs), "decisions": made.decisions})
    else:
        console = out()
        console.print(
            Text(f"{made.decisions} decisions of the session {session} come out as they were recorded, bit for bit."),
            soft_wrap=True,
        )
        console.print(Text(f"{scenario}, with its inputs in {inputs}"), soft_wrap=True)
        console.print(Text(f"Again: needlework scenario run {scenario}"), soft_wrap=True)
    return Code.DONE


def _line(data: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(data, ensure_ascii=False) + "\n")
    sys.stdout.flush()
