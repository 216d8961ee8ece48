"""`needlework pen health` and `needlework pens health`, declared here."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.store_option import StorePlace
from console.trouble import Troubles

if TYPE_CHECKING:
    from station.settings import StationSettings

State = Annotated[Path | None, typer.Option("--state", help="State directory: journal, store, sockets.", metavar="DIR")]
Journal = Annotated[Path | None, typer.Option("--journal", help="A journal other than the station's.", metavar="PATH")]
Json = Annotated[bool, typer.Option("--json", help="Print data as JSON.")]


def _settings(state: Path | None) -> "StationSettings":
    from station.settings import load_settings  # noqa: PLC0415 pydantic takes a while; `--help` does without

    return load_settings(state_dir=state)


def pen_health(
    pen: Annotated[
        str,
        typer.Argument(
            help="Model and serial number, or either; may be left out where there is one pen.", metavar="[PEN]"
        ),
    ] = "",
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw it there: .svg, .png or .pdf.", metavar="FILE")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a drawing that is there already.")] = False,
    journal: Journal = None,
    store: StorePlace = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Show how a pen does: what it counted, its trends, when it will leave a limit and how sure that is.

    Reads the record; the pen itself is not asked. Exit code 1: it needs somebody now.
    """
    with Troubles(as_json=as_json):
        settings = _settings(state)
        from console.actions.health import one_pen as act  # noqa: PLC0415 imported when it runs

        raise typer.Exit(act(settings, pen, plot=plot, force=force, journal=journal, store=store, as_json=as_json))


def pens_health(
    watch: Annotated[bool, typer.Option("--watch", help="Keep the page up to date, until Ctrl-C.")] = False,
    journal: Journal = None,
    store: StorePlace = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Show every pen of the clinic on one page: what needs somebody first, and why.

    Exit code 1: a pen needs somebody now.
    """
    with Troubles(as_json=as_json):
        settings = _settings(state)
        from console.actions import health as act  # noqa: PLC0415 imported when it runs

        if watch:
            raise typer.Exit(act.watch_pens(settings, journal=journal, store=store, as_json=as_json))
        raise typer.Exit(act.all_pens(settings, journal=journal, store=store, as_json=as_json))
