"""`needlework store …` and `needlework lookback`: the store for whoever runs it, done in :mod:`console.actions`."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.people_app import PasswordFile
from console.store_option import StorePlace
from console.trouble import Troubles

if TYPE_CHECKING:
    from console.actions.lookback import Names
    from station.settings import StationSettings

store_app = typer.Typer(
    help="The recorder's store: `check` it, `backup`, `restore`, `migrate` it.", no_args_is_help=False
)

State = Annotated[Path | None, typer.Option("--state", help="State directory: journal, store, sockets.", metavar="DIR")]
Journal = Annotated[Path | None, typer.Option("--journal", help="A journal other than the station's.", metavar="PATH")]
Json = Annotated[bool, typer.Option("--json", help="Print data as JSON.")]
_TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]


def _settings(state: Path | None) -> "StationSettings":
    from station.settings import load_settings  # noqa: PLC0415 pydantic takes a while; `--help` does without

    return load_settings(state_dir=state)


@store_app.callback(invoke_without_command=True)
def _store(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@store_app.command()
def backup(
    to: Annotated[Path, typer.Argument(help="The file to make; it must not be there yet.", metavar="FILE")],
    store: StorePlace = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Copy the store into one file, while it is used, and verify the copy. A backup is itself a store.

    Exit codes: 0 the copy is intact, 1 it was made and what is in it is damaged, 2 no copy was made.
    """
    with Troubles(as_json=as_json):
        from console.actions.storing import backup as act  # noqa: PLC0415 imported when it runs

        raise typer.Exit(act(_settings(state), to, store=store, as_json=as_json))


@store_app.command()
def restore(
    source: Annotated[Path, typer.Argument(help="A backup, or any store's SQLite file.", metavar="FILE")],
    store: StorePlace = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Fill an empty store from a backup, of either kind of database. The stations send again what it lacks.

    Exit codes: 0 done, 2 refused or failed, and nothing was changed.
    """
    with Troubles(as_json=as_json):
        from console.actions.storing import restore as act  # noqa: PLC0415 imported when it runs

        raise typer.Exit(act(_settings(state), source, store=store, as_json=as_json))


@store_app.command()
def check(store: StorePlace = None, state: State = None, as_json: Json = False) -> None:
    """Check the database, every station's chain, and what is looked up.

    Exit codes: 0 whole, 1 damaged, 2 it could not be checked.
    """
    with Troubles(as_json=as_json):
        from console.actions.storing import check as act  # noqa: PLC0415 imported when it runs

        raise typer.Exit(act(_settings(state), store=store, as_json=as_json))


@store_app.command()
def migrate(store: StorePlace = None, state: State = None, as_json: Json = False) -> None:
    """Give an older store the tables that this version needs. Back it up first, and end its recorders.

    Exit codes: 0 done, or there was nothing to do; 2 refused or failed, and nothing was changed.
    """
    with Troubles(as_json=as_json):
        from console.actions.storing import migrate as act  # noqa: PLC0415 imported when it runs

        raise typer.Exit(act(_settings(state), store=store, as_json=as_json))


def lookback(
    lot: Annotated[str | None, typer.Option("--lot", help="Sessions that used a cartridge of this lot.")] = None,
    pen: Annotated[str | None, typer.Option("--pen", help="…with this pen: its name or its serial number.")] = None,
    operator: Annotated[str | None, typer.Option("--operator", help="…by this operator.", metavar="ID")] = None,
    since: Annotated[
        datetime | None, typer.Option("--since", formats=_TIMES, help="…open at or after this time (UTC).")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--until", formats=_TIMES, help="…open before this time (UTC); a day is whole.")
    ] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="Also write a table, a row a use.", metavar="FILE")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over the table that is there.")] = False,
    by: Annotated[str, typer.Option("--as", help="Say who was treated, to somebody of the site.", metavar="ID")] = "",
    password_file: PasswordFile = None,
    journal: Journal = None,
    store: StorePlace = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Find which sessions used a lot or a pen, or were an operator's, and what was used in them, by pseudonym.

    Exit codes: 0 some were found, 1 none. The store is asked where there is one, else this station's journal. With
    --as the patients are named, with how to reach them: at the site alone, and noted there.
    """
    with Troubles(as_json=as_json):
        from console.actions import lookback as action  # noqa: PLC0415 imported when it runs

        given = action.Given(lot, pen, operator, since, until)
        settings = _settings(state)
        names = _names(settings, by, password_file) if by else None
        raise typer.Exit(
            action.lookback(
                settings, given, csv=csv, journal=journal, store=store, as_json=as_json, names=names, force=force
            )
        )


def _names(settings: "StationSettings", by: str, password_file: Path | None) -> "Names":
    from console.actions.patients import Register  # noqa: PLC0415 imported when it runs

    return Register(settings, by, password_file, as_json=False).named
