"""`needlework export incident`: everything of one session in a file that proves itself, declared here."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.store_option import StorePlace
from console.trouble import Troubles

if TYPE_CHECKING:
    from station.settings import StationSettings


def _settings(state: Path | None) -> "StationSettings":
    from station.settings import load_settings  # noqa: PLC0415 pydantic takes a while; `--help` does without

    return load_settings(state_dir=state)


def export_incident(
    session: Annotated[str, typer.Argument(help="The session's id, its beginning, or `last`.", metavar="ID")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The file to make.", metavar="FILE")],
    journal: Annotated[
        Path | None, typer.Option("--journal", help="A journal other than the station's.", metavar="PATH")
    ] = None,
    store: StorePlace = None,
    state: Annotated[
        Path | None, typer.Option("--state", help="State directory: journal, store, sockets.", metavar="DIR")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print data as JSON.")] = False,
) -> None:
    """Put everything of a session, and its proof, into one file that `needlework verify` checks on any machine.

    No names are in it, and nothing of other patients. Exit code 1: it could not be made.
    """
    with Troubles(as_json=as_json):
        from console.actions.incident import export as act  # noqa: PLC0415 imported when it runs

        raise typer.Exit(act(_settings(state), session, output, journal=journal, store=store, as_json=as_json))
