"""`needlework export service`, declared here."""

from pathlib import Path
from typing import Annotated

import typer

from console.store_option import StorePlace
from console.trouble import Troubles

State = Annotated[Path | None, typer.Option("--state", help="State directory: journal, store, sockets.", metavar="DIR")]
Journal = Annotated[Path | None, typer.Option("--journal", help="A journal other than the station's.", metavar="PATH")]
Json = Annotated[bool, typer.Option("--json", help="Tell troubles as JSON; what is written is JSON always.")]


def export_service(
    into: Annotated[
        Path | None, typer.Option("-o", "--output", help="A new file; standard output without it.", metavar="FILE")
    ] = None,
    state: State = None,
    journal: Journal = None,
    store: StorePlace = None,
    as_json: Json = False,
) -> None:
    """Write what a maker or technician needs of the pens: hours, strokes, faults, alarms, calibrations, versions.

    Sums by day, of pens alone: no session, patient or operator is in it, and no time finer than a day.
    """
    with Troubles(as_json=as_json):
        from console.actions.service import export as act  # noqa: PLC0415 imported when it runs
        from station.settings import load_settings  # noqa: PLC0415 pydantic takes a while; `--help` does without

        raise typer.Exit(act(load_settings(state_dir=state), into, journal=journal, store=store))
