"""``needlework campaign``, declared."""

from pathlib import Path
from typing import Annotated

import typer

from console.trouble import Troubles

Json = Annotated[bool, typer.Option("--json", help="Print data as JSON.")]


def campaign(
    hours: Annotated[float, typer.Option("--hours", help="Simulated hours.", min=0.001)] = 1.0,
    seed: Annotated[int, typer.Option("--seed", help="The same seed is the same campaign.")] = 1,
    jobs: Annotated[int, typer.Option("--jobs", help="Processes that share it.", min=1)] = 1,
    story: Annotated[int | None, typer.Option("--story", help="Play this story of the seed again, alone.")] = None,
    replay: Annotated[Path | None, typer.Option("--replay", help="Play a saved story again.", metavar="FILE")] = None,
    save: Annotated[
        Path | None, typer.Option("--save", help="Where a story that breaks an invariant is kept.", metavar="DIR")
    ] = None,
    defects: Annotated[bool, typer.Option("--defects", help="Plant known defects; each has to be caught.")] = False,
    as_json: Json = False,
) -> None:
    """Try the safety invariants on simulated pens, lines, faults and operators, far faster than life.

    Exit code 1: an invariant does not hold, or a planted defect was not caught.
    """
    with Troubles(as_json=as_json):
        from console.actions import proving as act  # noqa: PLC0415 imported when it runs

        if defects:
            raise typer.Exit(act.try_defects(seed, as_json=as_json))
        if story is not None or replay is not None:
            raise typer.Exit(act.replay(replay, seed, story, save=save, as_json=as_json))
        raise typer.Exit(act.campaign(seed, hours, jobs=jobs, save=save, as_json=as_json))
