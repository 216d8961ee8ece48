"""``needlework conform``, declared."""

from pathlib import Path
from typing import Annotated

import typer

from console.trouble import Troubles


def conform(
    pen: Annotated[str, typer.Option("--pen", help="The pen to try.", metavar="URL")],
    other_medium: Annotated[
        str, typer.Option("--other-medium", help="A second way into the same pen.", metavar="URL")
    ] = "",
    allow_motion: Annotated[
        bool, typer.Option("--allow-motion", help="Turn the motor on, too. Keep the pen away from skin.")
    ] = False,
    allow_writes: Annotated[
        bool,
        typer.Option(
            "--allow-writes", help="Write the calibration back as read; mark the cartridge as used, for good."
        ),
    ] = False,
    hands: Annotated[
        bool, typer.Option("--hands", help="Ask for what a hand has to do: press the button, pull the plug.")
    ] = False,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", help="These clauses alone: D1,T1; may be given again.", metavar="CLAUSES"),
    ] = None,
    junit: Annotated[
        Path | None, typer.Option("--junit", help="Write the verdicts as JUnit XML.", metavar="FILE")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print data as JSON.")] = False,
) -> None:
    """Try what the wire protocol demands on a real pen: one verdict a clause of docs/protocol.md.

    No motor is turned on without --allow-motion. It ends with STOP and DISARM, whatever happens. Exit codes: 0 no
    clause failed, 1 a clause failed, 2 the pen could not be reached, 130 interrupted.
    """
    with Troubles(as_json=as_json):
        from console.actions.conforming import conform as act  # noqa: PLC0415 imported when it runs

        code = act(
            pen, other_medium, motion=allow_motion, writes=allow_writes, hands=hands, only=only, junit=junit,
            as_json=as_json,
        )  # fmt: skip
        raise typer.Exit(code)
