"""`needlework pen firmware …`, declared here."""

from pathlib import Path
from typing import Annotated

import typer

from console.pen_app import Json, PasswordFile, PenUrl, State, Technician, settings_of
from console.trouble import Troubles

firmware_app = typer.Typer(
    help="A pen's firmware: its `status`, an `update`; `show` and `sign` a file of it.", no_args_is_help=False
)

File = Annotated[Path, typer.Argument(help="The firmware, as its maker hands it out.", metavar="FILE")]


@firmware_app.callback(invoke_without_command=True)
def _firmware(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@firmware_app.command()
def status(
    pen: PenUrl, technician: Technician, password_file: PasswordFile = None, state: State = None, as_json: Json = False
) -> None:
    """Print what runs on the pen, what a restart goes back to, what was received, and what the clinic allows."""
    with Troubles(as_json=as_json):
        from console.actions import benching, firmware  # noqa: PLC0415 imported when it runs

        seat = benching.Seat(settings_of(state), pen, technician, password_file, False, as_json)
        raise typer.Exit(firmware.status(seat))


@firmware_app.command()
def update(
    file: File,
    pen: PenUrl,
    technician: Technician,
    password_file: PasswordFile = None,
    older: Annotated[bool, typer.Option("--older", help="Go back to an older version, on purpose.")] = False,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Give the pen this firmware, and stay until it runs and is confirmed. The pen restarts; nothing moves.

    One that was broken off, at whatever point, goes on where it was when the same command is given again. It is on
    record what came of it. Exit code 1: the pen does not run it, and why.
    """
    with Troubles(as_json=as_json):
        from console.actions import benching, firmware  # noqa: PLC0415 as above

        seat = benching.Seat(settings_of(state), pen, technician, password_file, False, as_json)
        raise typer.Exit(firmware.update(seat, file, older=older))


@firmware_app.command()
def show(
    file: File,
    maker: Annotated[
        Path | None, typer.Option("--maker", help="The maker's public key (PEM): checks the signature.", metavar="KEY")
    ] = None,
    as_json: Json = False,
) -> None:
    """Print what a file of firmware says of itself. Needs no pen.

    Exit code 1: it is broken, or not signed by that maker.
    """
    with Troubles(as_json=as_json):
        from console.actions.firmware import show as act  # noqa: PLC0415 as above

        raise typer.Exit(act(file, maker, as_json=as_json))


@firmware_app.command()
def sign(
    image: Annotated[Path, typer.Argument(help="What the pen's processor runs.", metavar="IMAGE")],
    key: Annotated[
        Path, typer.Option("--key", help="The maker's private key: Ed25519 in PEM, its owner's alone.", metavar="KEY")
    ],
    model: Annotated[str, typer.Option("--model", help="Which pens it is for, as they say it.", metavar="NAME")],
    version: Annotated[str, typer.Option("--version", help="Its version, as such a pen will say it.", metavar="TEXT")],
    number: Annotated[int, typer.Option("--number", help="Counts versions up: more than any before.", min=1)],
    into: Annotated[Path, typer.Option("--into", help="Where the file goes.", metavar="FILE")],
    as_json: Json = False,
) -> None:
    """Make a file of firmware, for makers of pens."""
    with Troubles(as_json=as_json):
        from console.actions.firmware import sign as act  # noqa: PLC0415 as above

        raise typer.Exit(act(image, key, (model, version, number), into, as_json=as_json))
