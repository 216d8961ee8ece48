"""`needlework report …`: what the records of many sessions say together, done in :mod:`console.actions.reporting`."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from console.trouble import Troubles

report_app = typer.Typer(help="What many sessions say together: `overrides`.", no_args_is_help=False)

Since = Annotated[
    datetime | None,
    typer.Option("--since", formats=["%Y-%m-%d"], help="Sessions from this day on (UTC).", metavar="DATE"),
]
State = Annotated[Path | None, typer.Option("--state", help="State directory: journal, store, sockets.", metavar="DIR")]
Journal = Annotated[Path | None, typer.Option("--journal", help="A journal other than the station's.", metavar="PATH")]
StorePlace = Annotated[
    str | None, typer.Option("--store", help="A recorder's store: SQLite file or database URL.", metavar="PATH")
]
Json = Annotated[bool, typer.Option("--json", help="Print data as JSON.")]


@report_app.callback(invoke_without_command=True)
def _report(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@report_app.command()
def overrides(
    since: Since = None, state: State = None, journal: Journal = None, store: StorePlace = None, as_json: Json = False
) -> None:
    """Count near misses and overrides for each limit and operator, against sessions and changes of depth and rate."""
    with Troubles(as_json=as_json):
        from console.actions.reporting import overrides as act  # noqa: PLC0415 imported when it runs
        from station.settings import load_settings  # noqa: PLC0415 as above

        settings = load_settings(state_dir=state)
        raise typer.Exit(act(settings, since=since, journal=journal, store=store, as_json=as_json))
