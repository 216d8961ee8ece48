"""`needlework pen …`: a technician at one pen. Declared here; each command is done in :mod:`console.actions`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.trouble import Troubles

if TYPE_CHECKING:
    from station.settings import StationSettings

pen_app = typer.Typer(
    help="A technician's bench: service a pen, off skin, while no station runs.", no_args_is_help=False
)
service_mode_app = typer.Typer(help="Raw moves in service mode, each on record.", no_args_is_help=False)
pen_app.add_typer(service_mode_app, name="service")

PenUrl = Annotated[str, typer.Option("--pen", help="The pen's URL.", metavar="URL")]
Technician = Annotated[str, typer.Option("--as", help="The technician who does it.", metavar="ID")]
PasswordFile = Annotated[
    Path | None,
    typer.Option("--password-file", help="Its first line is the password; /dev/fd/3 works too.", metavar="FILE"),
]
OffSkin = Annotated[
    bool, typer.Option("--off-skin", help="Your word that the pen touches nobody; for a pen that does not sense skin.")
]
State = Annotated[Path | None, typer.Option("--state", help="State directory: journal, store, sockets.", metavar="DIR")]
Json = Annotated[bool, typer.Option("--json", help="Print data as JSON.")]


def settings_of(state: Path | None) -> "StationSettings":
    """The station's settings."""
    from station.settings import load_settings  # noqa: PLC0415 pydantic takes a while; `--help` does without

    return load_settings(state_dir=state)


@pen_app.callback(invoke_without_command=True)
def _pen(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@service_mode_app.callback(invoke_without_command=True)
def _service(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@service_mode_app.command("move")
def service_move(
    pen: PenUrl,
    technician: Technician,
    depth: Annotated[str, typer.Option("--depth", help="Needle depth in mm.", metavar="MM")],
    rate: Annotated[str, typer.Option("--rate", help="Puncture rate in Hz.", metavar="HZ")],
    seconds: Annotated[float, typer.Option("--for", help="How long, in s, once settled.", min=0.0, max=600.0)] = 1.0,
    password_file: PasswordFile = None,
    off_skin: OffSkin = False,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Run the motor at one depth and rate, off skin, and tell what the pen's sensors say; then off again.

    The pen need not be calibrated. Ctrl-C and `needlework stop` stop it.
    """
    with Troubles(as_json=as_json):
        from console.actions import benching  # noqa: PLC0415 imported when it runs

        seat = benching.Seat(settings_of(state), pen, technician, password_file, off_skin, as_json)
        raise typer.Exit(benching.move(seat, depth, rate, seconds))


@service_mode_app.command("read")
def service_read(
    pen: PenUrl,
    technician: Technician,
    password_file: PasswordFile = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Tell what the pen's sensors say before any adjustment. Nothing moves."""
    with Troubles(as_json=as_json):
        from console.actions import benching  # noqa: PLC0415 imported when it runs

        seat = benching.Seat(settings_of(state), pen, technician, password_file, False, as_json)
        raise typer.Exit(benching.read(seat))


@pen_app.command("self-test")
def self_test(
    pen: PenUrl,
    technician: Technician,
    password_file: PasswordFile = None,
    off_skin: OffSkin = False,
    hands: Annotated[bool, typer.Option("--hands", help="Ask a person to press the button and the pedal.")] = False,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Test a pen by its parts: needles out, end stops, encoder, current, battery, dead-man, button, pedal, log.

    The motor runs, off skin, with the needles touching nothing; the dead-man is tried by falling silent. What it came
    to is on record. Exit codes: 0 nothing failed, 1 something did, 130 interrupted.
    """
    with Troubles(as_json=as_json):
        from console.actions import self_testing  # noqa: PLC0415 imported when it runs
        from console.actions.benching import Seat  # noqa: PLC0415 as above

        seat = Seat(settings_of(state), pen, technician, password_file, off_skin, as_json)
        raise typer.Exit(self_testing.self_test(seat, hands=hands))
