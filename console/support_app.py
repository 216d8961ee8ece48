"""`needlework support`, declared here."""

from pathlib import Path
from typing import Annotated

import typer

from console.store_option import StorePlace
from console.trouble import Troubles


def support(
    output: Annotated[Path, typer.Option("-o", "--output", help="The file to make, a .zip.", metavar="FILE")],
    pen: Annotated[list[str] | None, typer.Option("--pen", help="Look at this pen's port too.", metavar="URL")] = None,
    soak: Annotated[
        float | None,
        typer.Option("--soak", help="Listen to each pen for so long, and tell of its line.", metavar="SECONDS", min=1),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there already.")] = False,
    journal: Annotated[
        Path | None, typer.Option("--journal", help="A journal other than the station's.", metavar="PATH")
    ] = None,
    store: StorePlace = None,
    state: Annotated[
        Path | None, typer.Option("--state", help="State directory: journal, store, sockets.", metavar="DIR")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print data as JSON.")] = False,
) -> None:
    """Put what somebody needs to help with this station and its pens into one file, without anything of a patient.

    The doctor's findings, versions, how pens do, what happened to their lines. Exit code 1: it could not be made.
    """
    with Troubles(as_json=as_json):
        from console.actions.supporting import support as act  # noqa: PLC0415 imported when it runs
        from station.settings import load_settings  # noqa: PLC0415 pydantic takes a while; `--help` does without

        settings = load_settings(pens=pen or None, state_dir=state)
        raise typer.Exit(act(settings, output, soak_s=soak, force=force, journal=journal, store=store, as_json=as_json))
