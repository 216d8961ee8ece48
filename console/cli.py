"""The command `needlework`. Commands are declared here and done in :mod:`console.actions`, imported when one runs."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.bare_option import BareOptionsCommand
from console.broker_app import Broker, broker_app
from console.cartridge_app import cartridge_app
from console.certificate_app import certificate_app
from console.conform_app import conform
from console.exits import Code
from console.export_app import export_app, sbom
from console.firmware_app import firmware_app
from console.gauge_app import gauge_app
from console.health_app import pen_health, pens_health
from console.library_app import library_app
from console.pen_app import pen_app
from console.pen_record_app import add_to, recall
from console.people_app import account_app, approve
from console.record_app import amend, patients_app, sessions_sign
from console.report_app import report_app
from console.scenario_app import scenario_app
from console.service_app import export_service
from console.simulate_app import simulate
from console.simulator_app import simulator_app
from console.site_app import site_app
from console.store_app import lookback, store_app
from console.store_option import StorePlace
from console.support_app import support
from console.treat_app import treat
from console.trouble import Told, Troubles, show, usage_sentence
from console.verify_app import verify
from console.wire_app import wire_app

if TYPE_CHECKING:
    from station.settings import StationSettings

app = typer.Typer(
    name="needlework",
    help="Drives a microneedling pen inside limits that can be explained, and records what it did.\n\n"
    "Not a cleared medical device: do not use it on people.",
    no_args_is_help=False,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
sessions_app = typer.Typer(help="Sessions on record: `list` them, `show` one, `sign` one.", no_args_is_help=False)
app.add_typer(sessions_app, name="sessions")
sessions_app.command("sign")(sessions_sign)
app.add_typer(patients_app, name="patients")
app.add_typer(site_app, name="site")
export_app.command("service")(export_service)
app.add_typer(report_app, name="report")
app.add_typer(broker_app, name="broker")
app.add_typer(export_app, name="export")
app.add_typer(cartridge_app, name="cartridge")
app.add_typer(certificate_app, name="certificate")
app.add_typer(library_app, name="library")
app.add_typer(scenario_app, name="scenario")
app.add_typer(account_app, name="account")
app.add_typer(wire_app, name="wire")
add_to(pen_app)
app.add_typer(gauge_app, name="gauge")
pen_app.add_typer(firmware_app, name="firmware")
app.add_typer(pen_app, name="pen")
app.command()(recall)
pen_app.command("health")(pen_health)
pens_app = typer.Typer(help="What is plugged in here, and how the clinic's pens do.", no_args_is_help=False)
app.add_typer(pens_app, name="pens")
pens_app.command("health")(pens_health)
app.command()(amend)
app.command()(approve)
app.command()(conform)
app.command()(treat)
app.add_typer(store_app, name="store")
app.command()(lookback)
app.command()(sbom)
app.add_typer(simulator_app, name="simulator")
app.command(cls=BareOptionsCommand)(simulate)
app.command()(verify)
app.command()(support)

State = Annotated[Path | None, typer.Option("--state", help="State directory: journal, store, sockets.", metavar="DIR")]
Json = Annotated[bool, typer.Option("--json", help="Print data as JSON.")]
Journal = Annotated[Path | None, typer.Option("--journal", help="A journal other than the station's.", metavar="PATH")]
Log = Annotated[str | None, typer.Option("--log", help="`json`: a line of JSON an event, to standard error.")]
PenName = Annotated[str, typer.Argument(help="The pen's name; may be left out where there is one.", metavar="[PEN]")]


def _settings(**given: object) -> "StationSettings":
    from station.settings import load_settings  # noqa: PLC0415 pydantic takes a while; `--help` and STOP do without

    return load_settings(**given)


@app.callback(invoke_without_command=True)
def _top(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed  # noqa: PLC0415 as above

        with Troubles():
            typer.echo(f"needlework {installed('needlework')}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


@sessions_app.callback(invoke_without_command=True)
def _sessions(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


# Treating -------------------------------------------------------------------------------------------------------------


@app.command()
def run(
    pen: Annotated[
        list[str] | None,
        typer.Option(
            "--pen", help="A pen's URL, or name=URL; may be given again. None: a simulated pen.", metavar="URL"
        ),
    ] = None,
    broker: Broker = None,
    state: State = None,
    stop_port: Annotated[
        int | None, typer.Option("--stop-port", help="Loopback port of the STOP listener; 0 takes a free one.")
    ] = None,
    log: Log = None,
    live: Annotated[bool, typer.Option("--live/--no-live", help="Show the live view when on a terminal.")] = True,
    as_json: Json = False,
) -> None:
    """Run a station with its recorder (and a simulated pen where none is named) until Ctrl-C or SIGTERM.

    Motor off and needles out come first at its end. Exit codes: 0 orderly, 2 settings, 3 already running or a port
    is taken, 4 journal, 5 pen cannot be used, 6 a part failed, 7 a pen did not confirm needles out.
    """
    with Troubles(as_json=as_json):
        settings = _settings(pens=pen or None, broker=broker or None, state_dir=state, stop_port=stop_port, log=log)
        from console.actions.running import run as act  # noqa: PLC0415 imported when it runs

        raise typer.Exit(act(settings, live=live, as_json=as_json))


@app.command()
def status(state: State = None, as_json: Json = False) -> None:
    """Print what the station and its pens are doing. Exit code 3: no station answers."""
    with Troubles(as_json=as_json):
        settings = _settings(state_dir=state)
        from console.actions.watching import status as act  # noqa: PLC0415 imported when it runs

        raise typer.Exit(act(settings, as_json=as_json))


@app.command()
def live(
    pen: PenName = "",
    picture: Annotated[
        Path | None,
        typer.Option(
            "--picture", help="Treat with a simulated pen and save a picture of the view.", metavar="FILE.svg"
        ),
    ] = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Watch a treatment: set and measured depth and rate, zone, time, alarms, link. Ctrl-C ends the view alone."""
    with Troubles(as_json=as_json):
        if picture is not None:
            from console.actions.picture import take  # noqa: PLC0415 imported when it runs

            raise typer.Exit(take(picture))
        settings = _settings(state_dir=state)
        from console.actions.watching import live as act  # noqa: PLC0415 imported when it runs

        raise typer.Exit(act(settings, pen, as_json=as_json))


@app.command()
def stop(pen: PenName = "", state: State = None, as_json: Json = False) -> None:
    """STOP: motor off, needles out. All pens, or the one that is named. Works whatever else hangs.

    Exit code 0: every pen confirmed. 1: a pen has not confirmed, or there is none. 3: nobody answers.
    """
    with Troubles(as_json=as_json):
        from console.actions.stopping import stop as act  # noqa: PLC0415 imported when it runs

        raise typer.Exit(act(pen, state, as_json=as_json))


@app.command()
def demo(
    pen: Annotated[
        str | None, typer.Option("--pen", help="Treat through this pen instead of a simulated one.", metavar="URL")
    ] = None,
    pen_program: Annotated[
        Path | None,
        typer.Option("--pen-program", help="Treat through the pen this program serves.", metavar="PATH"),
    ] = None,
    story: Annotated[
        str, typer.Option("--story", help="`treatment`, or `limits`: every kind of limit is met.", metavar="NAME")
    ] = "treatment",
    report: Annotated[
        Path | None, typer.Option("--report", help="Write the session's report there, as PDF.", metavar="FILE.pdf")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a report that is there already.")] = False,
    state: State = None,
) -> None:
    """Play a treatment from end to end on a simulated pen, print its record, and verify it.

    Exit code 0: the treatment went as planned and its record is intact.
    """
    with Troubles():
        from console.demo import demo as act  # noqa: PLC0415 imported when it runs

        raise typer.Exit(act(story=story, pen=pen, pen_program=pen_program, report=report, force=force, state=state))


# The record -----------------------------------------------------------------------------------------------------------


@sessions_app.command("list")
def sessions_list(
    state: State = None, journal: Journal = None, store: StorePlace = None, as_json: Json = False
) -> None:
    """List the sessions on record, oldest first."""
    with Troubles(as_json=as_json):
        settings = _settings(state_dir=state)
        from console.actions.history import list_sessions as act  # noqa: PLC0415 imported when it runs

        raise typer.Exit(act(settings, journal=journal, store=store, as_json=as_json))


@sessions_app.command("show")
def sessions_show(
    session: Annotated[str, typer.Argument(help="The session's id, its beginning, or `last`.", metavar="ID")] = "last",
    state: State = None,
    journal: Journal = None,
    store: StorePlace = None,
    as_json: Json = False,
) -> None:
    """Show the record of one session."""
    with Troubles(as_json=as_json):
        settings = _settings(state_dir=state)
        from console.actions.history import show_session as act  # noqa: PLC0415 imported when it runs

        raise typer.Exit(act(settings, session, journal=journal, store=store, as_json=as_json))


@app.command()
def record(
    broker: Broker = None,
    store: StorePlace = None,
    site: Annotated[str | None, typer.Option("--site", help="The site whose stations are recorded.")] = None,
    state: State = None,
    log: Log = None,
    as_json: Json = False,
) -> None:
    """Run a recorder alone: from a broker into a store, until Ctrl-C or SIGTERM."""
    with Troubles(as_json=as_json):
        settings = _settings(broker=broker or None, store=store, site=site, state_dir=state, log=log)
        from console.actions.running import record as act  # noqa: PLC0415 imported when it runs

        raise typer.Exit(act(settings, as_json=as_json))


# The machine ----------------------------------------------------------------------------------------------------------


@pens_app.callback(invoke_without_command=True)
def pens(
    context: typer.Context,
    watch: Annotated[bool, typer.Option("--watch", help="Go on and tell what comes and goes, until Ctrl-C.")] = False,
    as_json: Json = False,
) -> None:
    """List what is plugged in, likely pens first, by vendor, product and serial number. Opens no port.

    `needlework pens health` is a page over all pens of the record.
    """
    if context.invoked_subcommand is not None:
        return
    with Troubles(as_json=as_json):
        from console.actions import machine  # noqa: PLC0415 imported when it runs

        raise typer.Exit((machine.watch_pens if watch else machine.pens)(as_json=as_json))


@app.command()
def doctor(
    pen: Annotated[list[str] | None, typer.Option("--pen", help="Look at this pen's port too.", metavar="URL")] = None,
    soak: Annotated[
        float | None,
        typer.Option("--soak", help="Listen to each pen for so long, and judge its line.", metavar="SECONDS", min=1),
    ] = None,
    broker: Broker = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Look at ports, permissions, power saving, broker, disk, clock and priority; each finding with its remedy.

    With --soak it listens to each pen that is named here or in the settings: damaged frames, a histogram of how long
    answers take, gaps, the pen's clock. Nothing moves. Exit code 1: a finding prevents treating.
    """
    with Troubles(as_json=as_json):
        settings = _settings(pens=pen or None, broker=broker or None, state_dir=state)
        from console.actions.machine import doctor as act  # noqa: PLC0415 imported when it runs

        raise typer.Exit(act(settings, soak_s=soak, as_json=as_json))


@app.command()
def campaign(
    hours: Annotated[float, typer.Option("--hours", help="Simulated hours.", min=0.001)] = 1.0,
    seed: Annotated[int, typer.Option("--seed", help="The same seed is the same campaign.")] = 1,
    jobs: Annotated[int, typer.Option("--jobs", help="Processes that share it.", min=1)] = 1,
    story: Annotated[int | None, typer.Option("--story", help="Play this story of the seed again, alone.")] = None,
    replay: Annotated[Path | None, typer.Option("--replay", help="Play a saved story again.", metavar="FILE")] = None,
    save: Annotated[
        Path | None, typer.Option("--save", help="Where a story that breaks an invariant is kept.", metavar="DIR")
    ] = None,
    defects: Annotated[bool, typer.Option("--defects", help="Plant known defects; each has to be caught.")] = False,
    as_json: Json = False,
) -> None:
    """Try the safety invariants on simulated pens, lines, faults and operators, far faster than life.

    Exit code 1: an invariant does not hold, or a planted defect was not caught.
    """
    with Troubles(as_json=as_json):
        from console.actions import proving as act  # noqa: PLC0415 imported when it runs

        if defects:
            raise typer.Exit(act.try_defects(seed, as_json=as_json))
        if story is not None or replay is not None:
            raise typer.Exit(act.replay(replay, seed, story, save=save, as_json=as_json))
        raise typer.Exit(act.campaign(seed, hours, jobs=jobs, save=save, as_json=as_json))


def main() -> int:
    """Runs the command line; its exit code. Usage errors have the one form of every trouble."""
    # Standard streams that were closed lead nowhere, in their order: each takes the lowest number, which is its own.
    sys.stdin = sys.stdin or Path(os.devnull).open()  # noqa: SIM115 open as long as the process
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115 as above
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115 as above
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that cannot show µ still shows the rest
    try:
        code = app(prog_name="needlework", standalone_mode=False)
    except typer.TyperException as error:
        where = getattr(error, "ctx", None)
        command = where.command_path if where is not None and where.info_name else "needlework"
        help_line = f"`{command} --help` lists what there is."
        show(Told("usage", usage_sentence(error.format_message()), "", help_line))
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return Code.INTERRUPTED
    return code if isinstance(code, int) else Code.DONE


if __name__ == "__main__":
    sys.exit(main())
