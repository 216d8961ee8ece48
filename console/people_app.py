"""`needlework account …` and `needlework approve`: who may sign in, and what a physician approves."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.trouble import Troubles

if TYPE_CHECKING:
    from station.settings import StationSettings

account_app = typer.Typer(help="Who may sign in at this station.", no_args_is_help=False)

State = Annotated[Path | None, typer.Option("--state", help="State directory: journal, store, sockets.", metavar="DIR")]
Json = Annotated[bool, typer.Option("--json", help="Print data as JSON.")]
PasswordFile = Annotated[
    Path | None,
    typer.Option("--password-file", help="Its first line is the password; /dev/fd/3 works too.", metavar="FILE"),
]
NewPasswordFile = Annotated[
    Path | None, typer.Option("--new-password-file", help="As --password-file, for the new one.", metavar="FILE")
]
By = Annotated[str, typer.Option("--as", help="The manager who does it.", metavar="ID")]
AccountName = Annotated[str, typer.Argument(help="The account's id.", metavar="ID")]


def _settings(state: Path | None) -> "StationSettings":
    from station.settings import load_settings  # noqa: PLC0415 pydantic takes a while; `--help` does without

    return load_settings(state_dir=state)


@account_app.callback(invoke_without_command=True)
def _account(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@account_app.command("add")
def account_add(
    account: AccountName,
    role: Annotated[
        str,
        typer.Option(
            "--role",
            help="operator (treats), physician (approves too), manager, or technician (services pens).",
            metavar="ROLE",
        ),
    ] = "operator",
    by: By = "",
    password_file: PasswordFile = None,
    new_password_file: NewPasswordFile = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Make an account; the first one is a manager's. Passwords are asked for, never taken from the command line."""
    with Troubles(as_json=as_json):
        from console.actions import accounts  # noqa: PLC0415 imported when it runs

        change = accounts.Change(_settings(state), account, by, password_file, as_json)
        raise typer.Exit(accounts.add(change, role, new_password_file))


@account_app.command("list")
def account_list(by: By = "", password_file: PasswordFile = None, state: State = None, as_json: Json = False) -> None:
    """List the accounts, and which are locked or disabled."""
    with Troubles(as_json=as_json):
        from console.actions import accounts  # noqa: PLC0415 imported when it runs

        raise typer.Exit(accounts.list_accounts(accounts.Change(_settings(state), "", by, password_file, as_json)))


@account_app.command("password")
def account_password(
    account: AccountName,
    by: By = "",
    password_file: PasswordFile = None,
    new_password_file: NewPasswordFile = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Set another password: one's own, or with --as a manager anybody's."""
    with Troubles(as_json=as_json):
        from console.actions import accounts  # noqa: PLC0415 imported when it runs

        change = accounts.Change(_settings(state), account, by or account, password_file, as_json)
        raise typer.Exit(accounts.set_password(change, new_password_file))


@account_app.command("disable")
def account_disable(
    account: AccountName, by: By = "", password_file: PasswordFile = None, state: State = None, as_json: Json = False
) -> None:
    """Let nobody work under an account any more, from this moment on. Its records stay."""
    with Troubles(as_json=as_json):
        from console.actions import accounts  # noqa: PLC0415 imported when it runs

        raise typer.Exit(accounts.disable(accounts.Change(_settings(state), account, by, password_file, as_json)))


@account_app.command("unlock")
def account_unlock(
    account: AccountName, by: By = "", password_file: PasswordFile = None, state: State = None, as_json: Json = False
) -> None:
    """Let an account in again that was locked after failures, or disabled."""
    with Troubles(as_json=as_json):
        from console.actions import accounts  # noqa: PLC0415 imported when it runs

        raise typer.Exit(accounts.unlock(accounts.Change(_settings(state), account, by, password_file, as_json)))


def approve(
    by: Annotated[str, typer.Option("--as", help="The physician who approves.", metavar="ID")],
    patient: Annotated[str, typer.Option("--patient", help="The patient's pseudonym.", metavar="ID")],
    zone: Annotated[list[str], typer.Option("--zone", help="A zone it is for; once for each.", metavar="NAME")],
    depth_max: Annotated[str, typer.Option("--max", help="Greatest needle depth, in mm.", metavar="MM")],
    until: Annotated[str, typer.Option("--until", help="Its last day, as 2026-12-31.", metavar="DATE")],
    sessions: Annotated[int, typer.Option("--sessions", help="For how many sessions.", metavar="N")] = 1,
    protocol: Annotated[str, typer.Option("--protocol", help="For this protocol only.", metavar="NAME")] = "",
    password_file: PasswordFile = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Approve, as a physician, going beyond an operator's scope: ahead for a course, or for one visit.

    Hard limits stay. Exit code 1: refused. 3: no station answers.
    """
    with Troubles(as_json=as_json):
        settings = _settings(state)
        from console.actions.approving import approve as act  # noqa: PLC0415 imported when it runs

        raise typer.Exit(
            act(
                settings,
                by,
                password_file,
                patient=patient,
                zones=tuple(zone),
                depth_max=depth_max,
                sessions=sessions,
                until=until,
                protocol=protocol,
                as_json=as_json,
            )
        )
