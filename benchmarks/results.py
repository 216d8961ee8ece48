"""Rows of results, and the three forms they take: a table on the terminal, results.md and results.json."""

import json
import os
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table

Direction = Literal["at least", "at most", "under"]
_SIGN: dict[Direction, str] = {"at least": "≥", "at most": "≤", "under": "<"}


@dataclass(frozen=True, slots=True)
class Goal:
    """What a value should be. Written down before it is measured, and not moved afterwards."""

    direction: Direction
    limit: float

    def met_by(self, value: float) -> bool:
        """Whether ``value`` is as it should be."""
        if self.direction == "at least":
            return value >= self.limit
        return value <= self.limit if self.direction == "at most" else value < self.limit

    def text(self) -> str:
        """As people write it: ``≥ 0.6``."""
        return f"{_SIGN[self.direction]} {self.limit:g}"


def at_least(limit: float) -> Goal:
    """A value that should not be lower."""
    return Goal("at least", limit)


def at_most(limit: float) -> Goal:
    """A value that should not be higher."""
    return Goal("at most", limit)


def under(limit: float) -> Goal:
    """A value that should be lower."""
    return Goal("under", limit)


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. ``against`` says what it is measured against, ``goal`` is None where it is for information only."""

    subject: str
    name: str
    value: float
    unit: str
    against: str
    goal: Goal | None = None

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without one."""
        return None if self.goal is None else self.goal.met_by(self.value)


def show(rows: Iterable[Row], console: Console) -> None:
    """Prints the table."""
    table = Table(title="Needlework, on loopback, simulated pens", title_justify="left")
    table.add_column("measured")
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("goal", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("against")
    subject = ""
    for row in rows:
        if row.subject != subject:
            table.add_section()
        subject = row.subject
        style = "bold" if row.goal else "dim"
        verdict = {True: "[green]met[/]", False: "[bold red]missed[/]", None: ""}[row.met]
        table.add_row(row.name, _value(row), row.goal.text() if row.goal else "", verdict, row.against, style=style)
    console.print(table)


def keep(rows: list[Row], mode: str, folder: Path) -> None:
    """Writes ``results.json`` and ``results.md`` into ``folder``, made when absent."""
    folder.mkdir(parents=True, exist_ok=True)
    about: dict[str, str | int] = {
        "date": datetime.now(UTC).date().isoformat(),
        "mode": mode,
        "python": platform.python_version(),
        "cpus": len(os.sched_getaffinity(0)),
        "conditions": "on loopback, simulated",
    }
    described = [
        {
            **{key: value for key, value in asdict(row).items() if key != "goal"},
            "goal": row.goal.text() if row.goal else None,
            "met": row.met,
        }
        for row in rows
    ]
    text = json.dumps({**about, "rows": described}, ensure_ascii=False, indent=1)
    (folder / "results.json").write_text(text + "\n", encoding="utf-8")
    (folder / "results.md").write_text(_page(rows, about), encoding="utf-8")


def _page(rows: list[Row], about: dict[str, str | int]) -> str:
    goals = [row for row in rows if row.goal is not None]
    met = sum(row.met is True for row in goals)
    lines = [
        "# Benchmark results",
        "",
        f"Written by `make bench`; how it is measured stands in `docs/benchmarks.md`. {about['date']}, "
        f"Python {about['python']}, {about['cpus']} processors, {about['conditions']}, {about['mode']} run.",
        "",
        f"{met} of {len(goals)} goals met. Rows without a goal are for information.",
        "",
        "| measured | value | goal | | against |",
        "|---|---:|---:|---|---|",
    ]
    for row in rows:
        verdict = {True: "met", False: "**missed**", None: ""}[row.met]
        lines.append(
            f"| {row.name} | {_value(row)} | {row.goal.text() if row.goal else ''} | {verdict} | {row.against} |"
        )
    return "\n".join(lines) + "\n"


def _value(row: Row) -> str:
    digits = 3 if abs(row.value) < 1 else 2 if abs(row.value) < 100 else 0
    return f"{row.value:.{digits}f} {row.unit}".rstrip()
