"""``needlework conform``: warns, runs, prints the verdicts, writes JUnit."""

import asyncio
import json
import random
import sys
from collections.abc import Collection
from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from console.exits import Code
from console.junit_place import tried
from console.screen import err, out
from console.trouble import ConsoleError, Told, show, told_of
from firmware_bridge.errors import TransportError
from proving.conform.bench import Allowed, Hands
from proving.conform.clauses import CLAUSES
from proving.conform.reporting import as_suite
from proving.conform.running import conform as tried_on
from proving.conform.running import introduced
from proving.conform.verdicts import Part, Report, Verdict
from proving.junit import write as write_junit
from station.process.signals import on_ending_signals

WARNING_S = 3.0
"""Time to press Ctrl-C where nobody can be asked."""

STYLES = {Verdict.PASS: "green", Verdict.IN_PART: "cyan", Verdict.FAIL: "bold red", Verdict.NOT_TRIED: "yellow"}


def conform(
    pen: str,
    other_url: str,
    *,
    motion: bool,
    writes: bool,
    hands: bool,
    only: Collection[str] | None,
    junit: Path | None,
    as_json: bool,
) -> int:
    """Tries a pen. Exit code NO when a clause failed, USAGE when the pen could not be reached."""
    clauses = _known(only) if only else tuple(CLAUSES)
    tried(junit)
    if hands and not sys.stdin.isatty():
        what = "--hands asks a person, and standard input is no terminal."
        raise ConsoleError(Told("no_terminal", what, "Nothing was tried.", "Leave --hands out."), Code.USAGE)
    if motion and not _warned():
        return Code.INTERRUPTED
    heard = _Heard(as_json=as_json)

    async def run() -> Report:
        task = asyncio.create_task(
            tried_on(
                pen,
                random=random.SystemRandom(),
                other_url=other_url,
                allowed=Allowed(motion, writes),
                hands=_asked() if hands else Hands(),
                clauses=clauses,
                heard=heard,
            ),
            name="conform",
        )
        with on_ending_signals(lambda _name: _cancel(task)):
            return await task

    try:
        report = asyncio.run(run())
    except asyncio.CancelledError:
        err().print(Text("Interrupted: STOP and DISARM were sent to the pen.", "bold yellow"))
        return Code.INTERRUPTED
    except TransportError as error:
        found = told_of(error)
        show(found[0] if found is not None else Told("pen", str(error)), as_json=as_json)
        return Code.USAGE
    if as_json:
        _line(event="report", **_data(report))
    else:
        _print(report, out())
    if junit is not None:
        write_junit(junit, as_suite(report))
    return Code.DONE if report.conforms else Code.NO


def _cancel(task: "asyncio.Task[Report]") -> None:
    task.cancel()


def _known(given: Collection[str]) -> tuple[str, ...]:
    only = [name.strip() for listed in given for name in listed.split(",")]
    for name in only:
        if name not in CLAUSES:
            near = get_close_matches(name.upper(), CLAUSES, n=3) or list(CLAUSES)
            what = f"docs/protocol.md has no clause {name}." if name else "--only names no clause at one place."
            raise ConsoleError(
                Told("no_clause", what, "Nothing was tried.", f"Nearest: {', '.join(near)}."), Code.USAGE
            )
    return tuple(name for name in CLAUSES if name in only)


def _warned() -> bool:
    """Says that needles will move; on a terminal a person agrees. Whether to go on."""
    console = err()
    console.print(Text("The pen's motor will run and its needles will move.", "bold red"))
    console.print(
        "Keep it away from people, and put it down where its needles touch nothing. It runs at the least depth and\n"
        "rate it has, for parts of a second, some dozens of times. Ctrl-C sends STOP."
    )
    try:
        if sys.stdin.isatty():
            console.print(Text("Type yes to go on: ", "bold"), end="")
            return sys.stdin.readline().strip().lower() == "yes"
        console.print(f"It begins in {WARNING_S:.0f} s.")
        asyncio.run(asyncio.sleep(WARNING_S))
    except KeyboardInterrupt:
        return False
    return True


ASKED = {
    "press_button": "Press the pen's button once",
    "press_pedal": "Press the foot pedal once",
    "swap_cartridge": "Take the cartridge off; where none is on, put one on",
    "reboot": "Take the pen's supply away and give it back, without unplugging its line to this computer",
    "touch_skin": "Lay the pen's contact on skin; where it lies on skin, take it off",
}


def _asked() -> Hands:
    """A person at the terminal does it and says so."""

    def hand(words: str) -> Any:
        async def ask() -> None:
            loop, done = asyncio.get_running_loop(), asyncio.Event()
            err().print(Text(f"→ {words}, then press Enter.", "bold cyan"))

            def entered() -> None:
                sys.stdin.readline()
                done.set()

            loop.add_reader(sys.stdin.fileno(), entered)
            try:
                await done.wait()
            finally:
                loop.remove_reader(sys.stdin.fileno())

        return ask

    return Hands(**{name: hand(words) for name, words in ASKED.items()})


class _Heard:
    """Tells of each part as it is done: a line of JSON, or on a terminal what is being tried."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._console = err()

    def __call__(self, part: Part) -> None:
        if self._as_json:
            _line(event="part", **asdict(part))
        elif self._console.is_terminal:
            style = STYLES[part.verdict]
            self._console.print(Text.assemble((f"{part.verdict:9} ", style), f"{part.clause:3} {part.title}"))


def _line(**said: Any) -> None:
    sys.stdout.write(json.dumps(said, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _data(report: Report) -> dict[str, Any]:
    clauses = [
        {
            "clause": one.clause,
            "title": one.title,
            "verdict": one.verdict,
            "parts": [asdict(part) for part in one.parts],
        }
        for one in report.clauses
    ]
    return {
        "url": report.url, "pen": introduced(report.welcome), "conforms": report.conforms, "stopped": report.stopped,
        "interrupted": report.interrupted, "pass": report.passed, "in_part": list(report.in_part),
        "fail": report.count(Verdict.FAIL), "not_tried": report.count(Verdict.NOT_TRIED), "clauses": clauses,
    }  # fmt: skip


def _print(report: Report, console: Console) -> None:
    who = " ".join(introduced(report.welcome).values()) or "a pen that did not introduce itself"
    console.print(Text(f"{who} at {report.url}", "bold"))
    for clause in () if report.interrupted and report.nothing_tried else report.clauses:
        verdict = clause.verdict
        console.print(Text.assemble((f"{verdict:9} ", STYLES[verdict]), f"{clause.clause:3} {clause.title}"))
        for part in clause.parts:
            if part.verdict is Verdict.FAIL:
                console.print(Text(f"              {part.title}", "red"))
                console.print(Text(f"                expected {part.expected}"))
                console.print(Text(f"                seen     {part.seen}"))
            elif part.verdict is Verdict.NOT_TRIED:
                what = part.why if verdict is Verdict.NOT_TRIED else f"not tried: {part.title}: {part.why}"
                console.print(Text(f"              {what}", "dim"))
    if report.interrupted:
        console.print(Text(report.interrupted, "bold red"))
    in_part = f" (of which {len(report.in_part)} in part: {', '.join(report.in_part)})" if report.in_part else ""
    others = ", ".join(f"{report.count(verdict)} {verdict}" for verdict in (Verdict.FAIL, Verdict.NOT_TRIED))
    counted = f"{report.passed} pass{in_part}, {others}"
    end = "STOP confirmed at the end." if report.stopped else "STOP sent at the end; the pen did not confirm it."
    console.print(Text(f"{counted}. {end}", "bold"))
