"""`needlework verify`: whether a record is what was journalled, declared here."""

from pathlib import Path
from typing import Annotated

import typer

from console.store_option import StorePlace, no_password
from console.trouble import Troubles


def verify(
    place: Annotated[
        str | None,
        typer.Argument(
            help="An exported record, a journal or a store; none: the station's.",
            metavar="[FILE]",
            callback=no_password,
        ),
    ] = None,
    journal: Annotated[
        Path | None, typer.Option("--journal", help="A journal other than the station's.", metavar="PATH")
    ] = None,
    store: StorePlace = None,
    anchor: Annotated[
        list[str] | None,
        typer.Option(
            "--anchor", help="A report's verification code, or SEQUENCE:HASH; may be given again.", metavar="CODE"
        ),
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option("--key", help="Id of a key that alone may have signed; may be given again.", metavar="ID"),
    ] = None,
    state: Annotated[
        Path | None, typer.Option("--state", help="State directory: journal, store, sockets.", metavar="DIR")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print data as JSON.")] = False,
) -> None:
    """Read the whole record and say whether it is what was journalled, by whose key, and against which anchor.

    Exit code 0: intact. 1: damaged. 2: could not be checked.
    """
    with Troubles(as_json=as_json):
        from station.settings import load_settings  # noqa: PLC0415 pydantic takes a while; `--help` does without

        settings = load_settings(state_dir=state)
        from console.actions.verifying import verify as act  # noqa: PLC0415 imported when it runs

        raise typer.Exit(
            act(settings, place, journal=journal, store=store, anchors=anchor or (), keys=key or (), as_json=as_json)
        )
