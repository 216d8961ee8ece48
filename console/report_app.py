"""`needlework report …`: PDFs of a session, and what many sessions say together, done in :mod:`console.actions`."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.exits import Code
from console.store_option import StorePlace
from console.trouble import ConsoleError, Told, Troubles

if TYPE_CHECKING:
    from logger.report import Paper

report_app = typer.Typer(
    help="Reports: `session` and `course` as PDF, `overrides` over all sessions.", no_args_is_help=False
)

Since = Annotated[
    datetime | None,
    typer.Option("--since", formats=["%Y-%m-%d"], help="Sessions from this day on (UTC).", metavar="DATE"),
]
State = Annotated[Path | None, typer.Option("--state", help="State directory: journal, store, sockets.", metavar="DIR")]
Journal = Annotated[Path | None, typer.Option("--journal", help="A journal other than the station's.", metavar="PATH")]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="Where the PDF goes; here, by its own name.", metavar="FILE.pdf")
]
PaperSize = Annotated[
    str | None, typer.Option("--paper", help="`a4` or `letter`; the setting `paper` where not said.", metavar="NAME")
]
Force = Annotated[bool, typer.Option("--force", help="Write over a file that is there already.")]
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


@report_app.command()
def session(
    name: Annotated[str, typer.Argument(help="The session's id, its beginning, or `last`.", metavar="ID")] = "last",
    output: Output = None,
    paper: PaperSize = None,
    state: State = None,
    journal: Journal = None,
    store: StorePlace = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write the record of one session as PDF/A. The same record gives the same file, byte for byte."""
    with Troubles(as_json=as_json):
        from console.actions.report_files import session as act  # noqa: PLC0415 imported when it runs
        from station.settings import load_settings  # noqa: PLC0415 as above

        settings = load_settings(state_dir=state)
        raise typer.Exit(
            act(
                settings,
                name,
                output=output,
                paper=_paper(paper),
                journal=journal,
                store=store,
                force=force,
                as_json=as_json,
            )
        )


@report_app.command()
def course(
    patient: Annotated[str, typer.Argument(help="The patient's pseudonym.", metavar="PSEUDONYM")],
    output: Output = None,
    paper: PaperSize = None,
    state: State = None,
    journal: Journal = None,
    store: StorePlace = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write the summary over a patient's sessions as PDF/A: zones by session, how depth came along, the next visit."""
    with Troubles(as_json=as_json):
        from console.actions.report_files import course as act  # noqa: PLC0415 imported when it runs
        from station.settings import load_settings  # noqa: PLC0415 as above

        raise typer.Exit(
            act(
                load_settings(state_dir=state),
                patient,
                output=output,
                paper=_paper(paper),
                journal=journal,
                store=store,
                force=force,
                as_json=as_json,
            )
        )


def _paper(named: str | None) -> "Paper | None":
    """The paper that was named. Raises ConsoleError."""
    known: dict[str | None, Paper | None] = {None: None, "a4": "a4", "letter": "letter"}
    if named not in known:
        what = f"There is no paper {named!r}."
        raise ConsoleError(Told("usage", what, "Nothing was written.", "Use `a4` or `letter`."), Code.USAGE)
    return known[named]
