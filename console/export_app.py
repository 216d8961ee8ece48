"""`needlework export …` and `needlework sbom`: files that people take away, done in :mod:`console.actions`."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.incident_app import export_incident
from console.store_option import StorePlace
from console.trouble import Troubles

if TYPE_CHECKING:
    from console.actions.exporting import Choice
    from logger.export.tabular import Form

export_app = typer.Typer(
    help="Files made from the record, patients by pseudonym: `fhir`, `csv`, `parquet`, `incident`, `service`.",
    no_args_is_help=False,
)
export_app.command("incident")(export_incident)

Session = Annotated[str, typer.Argument(help="The session's id, its beginning, or `last`.", metavar="ID")]
MaybeSession = Annotated[
    str | None, typer.Argument(help="One session: its id, its beginning, or `last`. None: all.", metavar="[ID]")
]
File = Annotated[Path, typer.Option("--output", "-o", help="The file to write.", metavar="FILE")]
Folder = Annotated[Path, typer.Option("--output", "-o", help="The folder; made where there is none.", metavar="DIR")]
Since = Annotated[
    datetime | None,
    typer.Option("--since", formats=["%Y-%m-%d"], help="Sessions opened from this day on (UTC).", metavar="DATE"),
]
Until = Annotated[
    datetime | None,
    typer.Option("--until", formats=["%Y-%m-%d"], help="Sessions opened before this day (UTC).", metavar="DATE"),
]
Force = Annotated[bool, typer.Option("--force", help="Write over files that are there.")]
State = Annotated[Path | None, typer.Option("--state", help="State directory: journal, store, sockets.", metavar="DIR")]
Journal = Annotated[Path | None, typer.Option("--journal", help="A journal other than the station's.", metavar="PATH")]
Json = Annotated[bool, typer.Option("--json", help="Print data as JSON.")]


@export_app.callback(invoke_without_command=True)
def _export(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@export_app.command("fhir")
def export_fhir(
    output: File,
    session: Session = "last",
    force: Force = False,
    state: State = None,
    journal: Journal = None,
    store: StorePlace = None,
    as_json: Json = False,
) -> None:
    """Write one session as a FHIR R4 transaction Bundle, for a clinic's system. Needs the extra `fhir`."""
    with Troubles(as_json=as_json):
        from console.actions.exporting import fhir as act  # noqa: PLC0415 imported when it runs
        from station.settings import load_settings  # noqa: PLC0415 as above

        settings = load_settings(state_dir=state)
        raise typer.Exit(act(settings, session, output, journal=journal, store=store, force=force, as_json=as_json))


@export_app.command("csv")
def export_csv(
    output: Folder,
    session: MaybeSession = None,
    since: Since = None,
    until: Until = None,
    force: Force = False,
    state: State = None,
    journal: Journal = None,
    store: StorePlace = None,
    as_json: Json = False,
) -> None:
    """Write sessions, zones, telemetry and events as CSV, a file for each, for spreadsheets."""
    with Troubles(as_json=as_json):
        choice = _choice(session, since, until)
        raise typer.Exit(_tables("csv", choice, output, state, journal, store, force=force, as_json=as_json))


@export_app.command("parquet")
def export_parquet(
    output: Folder,
    session: MaybeSession = None,
    since: Since = None,
    until: Until = None,
    force: Force = False,
    state: State = None,
    journal: Journal = None,
    store: StorePlace = None,
    as_json: Json = False,
) -> None:
    """Write the same tables as Parquet, typed, for analysis. Needs the extra `analytics`."""
    with Troubles(as_json=as_json):
        choice = _choice(session, since, until)
        raise typer.Exit(_tables("parquet", choice, output, state, journal, store, force=force, as_json=as_json))


def _choice(session: str | None, since: datetime | None, until: datetime | None) -> "Choice":
    from console.actions.exporting import Choice  # noqa: PLC0415 imported when it runs

    return Choice(session, since.date() if since else None, until.date() if until else None)


def _tables(
    form: "Form",
    choice: "Choice",
    output: Path,
    state: Path | None,
    journal: Path | None,
    store: str | None,
    *,
    force: bool,
    as_json: bool,
) -> int:
    from console.actions.exporting import tables as act  # noqa: PLC0415 imported when it runs
    from station.settings import load_settings  # noqa: PLC0415 as above

    settings = load_settings(state_dir=state)
    return act(settings, choice, output, form, journal=journal, store=store, force=force, as_json=as_json)


def sbom(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to write; none: standard output.", metavar="FILE")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
) -> None:
    """Write the software bill of materials: what this installation runs on, with licences, as CycloneDX JSON."""
    with Troubles():
        from console.actions.materials import sbom as act  # noqa: PLC0415 imported when it runs

        raise typer.Exit(act(output, force=force))
