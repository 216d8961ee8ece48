"""``needlework campaign``: runs one, plays one story again, tries the planted defects."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from console.exits import Code
from console.screen import out
from console.trouble import ConsoleError, Told
from proving.campaign import MS_PER_HOUR, Report, run, shrunk
from proving.coverage import Coverage
from proving.defects import catch, defects
from proving.playing import play
from proving.stories import NotAStory, Story, read_story, story
from proving.telling import tell
from proving.violations import Violation


def campaign(seed: int, hours: float, *, jobs: int, save: Path | None, as_json: bool) -> int:
    """Runs a campaign. Exit code NO when an invariant does not hold."""
    with _progress(hours, as_json=as_json) as heard:
        report = run(seed, hours, jobs=jobs, progress=heard)
    found = report.found
    if found is None:
        if as_json:
            _line(event="done", seed=seed, times_life=report.times_life, coverage=report.coverage.as_json())
        else:
            _coverage(report, out())
        return Code.DONE
    saved = _saved(found.short, save)
    again = f"needlework campaign --seed {seed} --story {found.story.index}"
    if as_json:
        _line(
            event="violation", seed=seed, story=found.story.index, replay=again, saved=str(saved) if saved else None,
            plays=found.plays, **_violated(found.short_violation), told=tell(found.short, found.short_violation),
        )  # fmt: skip
        return Code.NO
    console = out()
    console.print(Text(f"Story {found.story.index} of seed {seed} breaks an invariant: {found.violation}", "bold red"))
    actions = f"{len(found.story.actions)} actions to {len(found.short.actions)}"
    console.print(f"Made shorter from {actions}, in {found.plays} plays:")
    _print_story(found.short, found.short_violation, console)
    console.print(f"Again: {again}")
    if saved:
        console.print(f"The short one: needlework campaign --replay {saved}")
    return Code.NO


def replay(path: Path | None, seed: int, index: int | None, *, save: Path | None, as_json: bool) -> int:
    """Plays one story again: from a file, or by its seed and index. Exit code NO when an invariant does not hold."""
    try:
        one = read_story(path) if path is not None else story(seed, index or 0)
    except NotAStory as error:
        raise ConsoleError(Told("not_a_story", str(error), "Nothing was played."), Code.USAGE) from error
    except UnicodeDecodeError as error:
        what = f"{path}: this is no story of a campaign: it is not text."
        do = "Name a file that a campaign saved."
        raise ConsoleError(Told("not_a_story", what, "Nothing was played.", do), Code.USAGE) from error
    done = play(one)
    violation = done.violation
    if violation is not None and path is None:
        found = shrunk(done, violation)
        one, violation = found.short, found.short_violation
        _saved(one, save)
    if as_json:
        wrong = _violated(violation) if violation is not None else {}
        _line(
            event="replayed",
            seed=one.seed,
            story=one.index,
            holds=violation is None,
            told=tell(one, violation),
            **wrong,
        )
    else:
        console = out()
        _print_story(one, violation, console)
        if violation is None:
            console.print(Text(f"Every invariant holds over {done.coverage.simulated_ms / 1000:.1f} s.", "green"))
    return Code.DONE if violation is None else Code.NO


def _violated(violation: Violation) -> dict[str, Any]:
    return {
        "invariant": violation.number,
        "name": violation.name,
        "sentence": violation.sentence,
        "at_s": violation.at_ms / 1000,
    }


def _saved(one: Story, folder: Path | None) -> Path | None:
    if folder is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"story-{one.seed}-{one.index}.json"
    path.write_text(one.to_json(), encoding="utf-8")
    return path


def _print_story(one: Story, violation: Violation | None, console: Console) -> None:
    for line in tell(one, violation):
        console.print(Text(line, "bold red" if "INVARIANT" in line else ""))


def _line(**said: Any) -> None:
    sys.stdout.write(json.dumps(said, ensure_ascii=False) + "\n")
    sys.stdout.flush()


@contextmanager
def _progress(hours: float, *, as_json: bool) -> Iterator[Callable[[Report], None]]:
    """Who hears how far it is: a bar on a terminal, a line of JSON each, or nobody."""
    console = out()
    if as_json:
        yield lambda report: _line(event="progress", **_so_far(report.coverage))
        return
    if not console.is_terminal:
        yield lambda _report: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[said]}"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("campaign", total=hours * MS_PER_HOUR, said="")

        def heard(report: Report) -> None:
            coverage = report.coverage
            bar.update(
                task,
                completed=coverage.simulated_ms,
                said=f"{coverage.simulated_ms / MS_PER_HOUR:.2f} of {hours:g} h · {coverage.stories} stories · "
                f"{report.times_life:.0f} × life a processor",
            )

        yield heard


def _so_far(coverage: Coverage) -> dict[str, Any]:
    return {"stories": coverage.stories, "simulated_s": coverage.simulated_ms / 1000}


def _coverage(report: Report, console: Console) -> None:
    coverage = report.coverage
    console.print(
        Text(
            f"Every invariant held over {coverage.simulated_ms / MS_PER_HOUR:.2f} simulated hours of seed "
            f"{report.seed}: {coverage.stories} stories, {coverage.leases} leases, "
            f"{coverage.motor_on_ms / MS_PER_HOUR:.2f} h with the motor on, {coverage.setpoints} setpoints, "
            f"{coverage.statuses} statuses; {report.times_life:.0f} × life a processor.",
            "bold green",
        )
    )
    table = Table(title="What it came across", title_justify="left")
    table.add_column("")
    table.add_column("how often")
    table.add_row("phases, s", _counts(coverage.phases, 1000))
    table.add_row("operator", _counts(coverage.acts))
    table.add_row("faults", _counts(coverage.faults))
    table.add_row("alarms", _counts(coverage.alarms))
    table.add_row("refusals", _counts(coverage.refusals))
    table.add_row("phase × fault", f"{len(coverage.faults_in_phase)} pairs")
    console.print(table)
    if coverage.missing:
        console.print(Text(f"Never came across: {', '.join(coverage.missing)}.", "yellow"))


def _counts(counted: dict[str, int], divisor: int = 1) -> str:
    most = sorted(counted.items(), key=lambda entry: -entry[1])
    return ", ".join(f"{name} {count / divisor:.0f}" if divisor > 1 else f"{name} {count}" for name, count in most)


def try_defects(seed: int, *, as_json: bool) -> int:
    """Plants every defect in turn and plays stories until it is caught. Exit code NO when one is not."""
    table = Table(title=f"Planted defects, seed {seed}", title_justify="left")
    for heading in ("defect", "where", "story", "simulated", "caught by"):
        table.add_column(heading)
    missed = 0
    for defect in defects():
        caught = catch(defect, seed)
        if caught is None and not defect.test:
            missed += 1
        by = defect.test or "NOT CAUGHT"
        number, simulated_s = "", ""
        if caught is not None:
            by = f"invariant {caught.violation.number}: {caught.violation.name}"
            number, simulated_s = str(caught.story.index), f"{caught.simulated_ms / 1000:.0f} s"
        if as_json:
            _line(event="defect", name=defect.name, where=defect.where, what=defect.what, seed=seed, story=number,
                  simulated=simulated_s, caught_by=by, why=defect.why)  # fmt: skip
        table.add_row(f"{defect.name}: {defect.what}", defect.where, number, simulated_s, by)
    if not as_json:
        out().print(table)
    return Code.NO if missed else Code.DONE
