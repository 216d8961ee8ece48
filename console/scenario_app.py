"""`needlework scenario …`: the scenarios' commands, done in :mod:`console.actions.scenarios`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.store_option import StorePlace
from console.trouble import Troubles

if TYPE_CHECKING:
    from station.settings import StationSettings

scenario_app = typer.Typer(
    help="Stories in YAML of what is done, what goes wrong and what has to come of it: `run`, `list`, `check` them, "
    "make one `from-session`.",
    no_args_is_help=False,
)

Json = Annotated[bool, typer.Option("--json", help="Print data as JSON.")]
Files = Annotated[
    list[Path] | None,
    typer.Argument(help="Files, or names that `list` shows; default: all shipped.", metavar="[FILE|NAME]..."),
]


class Speed(StrEnum):
    """How fast a scenario is played."""

    MAX = "max"
    REAL = "real"


def _settings(state: Path | None) -> "StationSettings":
    from station.settings import load_settings  # noqa: PLC0415 pydantic takes a while; `--help` does without

    return load_settings(state_dir=state)


@scenario_app.callback(invoke_without_command=True)
def _scenario(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@scenario_app.command()
def run(
    files: Files = None,
    speed: Annotated[
        Speed,
        typer.Option("--speed", help="`max`: core, codec and pen stepped directly. `real`: a station in real time."),
    ] = Speed.MAX,
    junit: Annotated[
        Path | None, typer.Option("--junit", help="Write the outcomes there, as CI servers read them.", metavar="FILE")
    ] = None,
    tell: Annotated[bool, typer.Option("--tell", help="Tell every scenario, not only those that fail.")] = False,
    as_json: Json = False,
) -> None:
    """Play scenarios on simulated pens. Exit code 1: something did not come as it had to. 2: a file is no scenario.

    At real speed those are left out, and said, that need a computer that stalls or a clock that jumps.
    """
    with Troubles(as_json=as_json):
        from console.actions.scenarios import run as act  # noqa: PLC0415 imported when it runs

        raise typer.Exit(act(files or [], real=speed is Speed.REAL, junit=junit, tell=tell, as_json=as_json))


@scenario_app.command("list")
def list_scenarios(as_json: Json = False) -> None:
    """List the scenarios shipped, with the hazards of the safety case that each serves."""
    with Troubles(as_json=as_json):
        from console.actions.scenarios import list_scenarios as act  # noqa: PLC0415 imported when it runs

        raise typer.Exit(act(as_json=as_json))


@scenario_app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="Files, or names that `list` shows.", metavar="FILE|NAME...")],
    as_json: Json = False,
) -> None:
    """Read scenarios without playing them. Exit code 1: one has a mistake; the line and the nearest name are said.

    A story that expects nothing, and one that mends what nothing has broken, is a mistake, too.
    """
    with Troubles(as_json=as_json):
        from console.actions.scenarios import check as act  # noqa: PLC0415 imported when it runs

        raise typer.Exit(act(files, as_json=as_json))


@scenario_app.command("from-session")
def from_session(
    session: Annotated[str, typer.Argument(help="The session's id, its beginning, or `last`.", metavar="ID")] = "last",
    to: Annotated[
        Path | None, typer.Option("--to", help="The folder it is written to; default: this one.", metavar="DIR")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over files that are there already.")] = False,
    state: Annotated[
        Path | None, typer.Option("--state", help="State directory: journal, store, sockets.", metavar="DIR")
    ] = None,
    journal: Annotated[
        Path | None, typer.Option("--journal", help="A journal other than the station's.", metavar="PATH")
    ] = None,
    store: StorePlace = None,
    as_json: Json = False,
) -> None:
    """Turn a recorded session into a scenario that is replayed to the same decisions, bit for bit.

    Exit code 1: this version decides otherwise than what was recorded, or there is no such session.
    """
    with Troubles(as_json=as_json):
        settings = _settings(state)
        from console.actions.scenarios import from_session as act  # noqa: PLC0415 imported when it runs

        raise typer.Exit(act(settings, session, to=to, force=force, journal=journal, store=store, as_json=as_json))
