"""`needlework simulator …`: breaks and handles a pen that `needlework simulate --control` serves, declared here."""

from pathlib import Path
from typing import Annotated

import typer

from console.trouble import Troubles

simulator_app = typer.Typer(
    help="A simulated pen from outside: list its `faults`, `inject` and `clear` them, read the `truth`, `wait` for it, "
    "lend a `hand`.",
    no_args_is_help=False,
)

Control = Annotated[Path, typer.Option("--control", help="The pen's control socket.", metavar="PATH")]
Json = Annotated[bool, typer.Option("--json", help="Print data as JSON.")]


@simulator_app.callback(invoke_without_command=True)
def _simulator(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@simulator_app.command()
def faults(
    layer: Annotated[
        str | None, typer.Option("--layer", help="Only one layer: line, usb, firmware, plant, host.", metavar="LAYER")
    ] = None,
    control: Annotated[
        Path | None, typer.Option("--control", help="A pen's control socket: also what is active.", metavar="PATH")
    ] = None,
    as_json: Json = False,
) -> None:
    """Print the catalogue of faults; with a pen's control socket also which of them it can have, and which it has."""
    with Troubles(as_json=as_json):
        from console.actions.simulator import faults as act  # noqa: PLC0415 imported when it runs

        raise typer.Exit(act(control, layer, as_json=as_json))


@simulator_app.command()
def inject(
    fault: Annotated[str, typer.Argument(help="The fault, by its name in the catalogue.", metavar="FAULT")],
    control: Control,
    parameters: Annotated[
        list[str] | None, typer.Argument(help="What differs from the defaults.", metavar="[NAME=VALUE]...")
    ] = None,
    for_ms: Annotated[
        int, typer.Option("--for", help="Clear it after so many ms; 0: it lasts.", metavar="MS", min=0)
    ] = 0,
    as_json: Json = False,
) -> None:
    """Break something. Nothing of it goes over the wire, and the pen's firmware is not told.

    Exit code 1: refused, with the nearest name. 3: no pen answers there.
    """
    with Troubles(as_json=as_json):
        from console.actions.simulator import inject as act  # noqa: PLC0415 as above

        raise typer.Exit(act(control, fault, parameters or [], for_ms, as_json=as_json))


@simulator_app.command()
def clear(
    control: Control,
    fault: Annotated[str | None, typer.Argument(help="The fault; none: all of them.", metavar="[FAULT]")] = None,
    as_json: Json = False,
) -> None:
    """Mend what was broken: one fault, or all of them. What the pen has latched stays latched, as on a real one."""
    with Troubles(as_json=as_json):
        from console.actions.simulator import clear as act  # noqa: PLC0415 as above

        raise typer.Exit(act(control, fault, as_json=as_json))


@simulator_app.command()
def truth(control: Control, as_json: Json = False) -> None:
    """Print what is really so, whatever the pen says."""
    with Troubles(as_json=as_json):
        from console.actions.simulator import truth as act  # noqa: PLC0415 as above

        raise typer.Exit(act(control, as_json=as_json))


@simulator_app.command()
def wait(
    conditions: Annotated[
        list[str], typer.Argument(help="Such as motor_driven=true, protrusion_um>400, state=RUNNING, faults=STALL.")
    ],
    control: Control,
    within_ms: Annotated[int, typer.Option("--within", help="Deadline.", metavar="MS", min=1)] = 5000,
    as_json: Json = False,
) -> None:
    """Wait until all conditions hold of what is really so.

    Exit code 1: they did not within the deadline. 3: no pen answers there.
    """
    with Troubles(as_json=as_json):
        from console.actions.simulator import wait as act  # noqa: PLC0415 as above

        raise typer.Exit(act(control, conditions, within_ms, as_json=as_json))


@simulator_app.command()
def hand(
    action: Annotated[
        str,
        typer.Argument(
            help="on_skin, off_skin, treat (on skin while it runs), button, pedal, cartridge_out, cartridge_in, "
            "power_off, power_on, charge, age (hours pass at once), and those for instruments at it: docs/faults.md."
        ),
    ],
    control: Control,
    zone: Annotated[str | None, typer.Option("--zone", help="Where it is held.", metavar="ZONE")] = None,
    held_ms: Annotated[
        int | None, typer.Option("--held", help="How long button or pedal is held.", metavar="MS", min=1)
    ] = None,
    hours: Annotated[int | None, typer.Option("--hours", help="Of `age`: hours of strokes; 1.", min=0)] = None,
    cycles: Annotated[int | None, typer.Option("--cycles", help="Of `age`: charges of the battery; 0.", min=0)] = None,
    as_json: Json = False,
) -> None:
    """Do what a hand or foot does with a pen."""
    with Troubles(as_json=as_json):
        from console.actions.simulator import hand as act  # noqa: PLC0415 as above

        fields = {"zone": zone, "held_ms": held_ms, "hours": hours, "cycles": cycles}
        raise typer.Exit(act(control, action, fields, as_json=as_json))


@simulator_app.command()
def image(
    version: Annotated[str, typer.Option("--version", help="As the pen will say it.", metavar="TEXT")],
    number: Annotated[int, typer.Option("--number", help="Counts versions up.", min=1)],
    into: Annotated[Path, typer.Option("--into", help="Where the file goes.", metavar="FILE")],
    model: Annotated[str, typer.Option("--model", help="For which simulated pens.", metavar="NAME")] = "NW-2",
    hangs: Annotated[bool, typer.Option("--hangs", help="It does not come up, and the pen goes back.")] = False,
    as_json: Json = False,
) -> None:
    """Make a file of firmware for simulated pens, signed by their maker, to try `needlework pen firmware` with."""
    with Troubles(as_json=as_json):
        from console.actions.simulator import image as act  # noqa: PLC0415 as above

        raise typer.Exit(act((model, version, number), into, hangs=hangs, as_json=as_json))
