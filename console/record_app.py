"""`needlework patients …`, `sessions sign` and `amend`: commands about people in the record, declared here."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.patients_app import add_people_commands
from console.people_app import PasswordFile
from console.trouble import Troubles

if TYPE_CHECKING:
    from station.settings import StationSettings

patients_app = typer.Typer(help="Patients: by pseudonym, and by name for people of the site.", no_args_is_help=False)
add_people_commands(patients_app)

State = Annotated[Path | None, typer.Option("--state", help="State directory: journal, store, sockets.", metavar="DIR")]
Json = Annotated[bool, typer.Option("--json", help="Print data as JSON.")]


def _settings(state: Path | None) -> "StationSettings":
    from station.settings import load_settings  # noqa: PLC0415 pydantic takes a while; `--help` does without

    return load_settings(state_dir=state)


@patients_app.callback(invoke_without_command=True)
def _patients(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@patients_app.command("show")
def patients_show(
    patient: Annotated[str, typer.Argument(help="The patient's pseudonym.", metavar="PSEUDONYM")],
    by: Annotated[str, typer.Option("--as", help="Show who it is instead, to somebody signed in.", metavar="ID")] = "",
    password_file: PasswordFile = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Show where a patient's course stands, earlier visits, approvals, and the earliest next day. Asks the station."""
    with Troubles(as_json=as_json):
        from console.actions.patients import show as act  # noqa: PLC0415 imported when it runs

        raise typer.Exit(act(_settings(state), patient, by, password_file, as_json=as_json))


def sessions_sign(
    meaning: Annotated[
        str,
        typer.Option(
            "--as", help="performed, by whoever treated; reviewed and then approved, by a physician.", metavar="MEANING"
        ),
    ],
    by: Annotated[str, typer.Option("--by", help="Who signs.", metavar="ID")],
    session: Annotated[str, typer.Argument(help="The session's id, its beginning, or `last`.", metavar="ID")] = "last",
    password_file: PasswordFile = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Sign a closed session. A signature is added to the record and never changed. Exit code 1: refused."""
    with Troubles(as_json=as_json):
        from console.actions.signing import sign as act  # noqa: PLC0415 imported when it runs

        raise typer.Exit(act(_settings(state), session, meaning, by, password_file, as_json=as_json))


def amend(
    session: Annotated[str, typer.Argument(help="The session's id, its beginning, or `last`.", metavar="ID")],
    what: Annotated[str, typer.Option("--what", help="What is amended: zone, settings, outcome, …", metavar="ASPECT")],
    because: Annotated[str, typer.Option("--because", help="A reason: chosen_wrongly, left_out, …", metavar="REASON")],
    by: Annotated[str, typer.Option("--by", help="Who amends.", metavar="ID")],
    text_file: Annotated[
        Path | None, typer.Option("--text-file", help="The text, else asked for; stays at the site.", metavar="FILE")
    ] = None,
    entry: Annotated[
        int | None, typer.Option("--entry", help="The entry it is about; else the session as a whole.", metavar="N")
    ] = None,
    password_file: PasswordFile = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Set right, or add to, what a closed session's record says. Nothing is changed: it is a new entry, and what was
    signed before it is shown as signed before it. Exit code 1: refused."""
    with Troubles(as_json=as_json):
        from console.actions.amending import amend as act  # noqa: PLC0415 imported when it runs

        raise typer.Exit(
            act(_settings(state), session, what, because, by, text_file, entry, password_file, as_json=as_json)
        )
