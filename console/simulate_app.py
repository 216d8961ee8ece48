"""`needlework simulate`: what is asked for on the command line."""

from pathlib import Path
from typing import Annotated

import typer

from console.trouble import Troubles


def simulate(
    pty: Annotated[bool, typer.Option("--pty", help="Serve on a pseudo-terminal.")] = False,
    tcp: Annotated[
        str | None, typer.Option("--tcp", help="Serve on TCP; port 0 takes a free one.", metavar="HOST:PORT")
    ] = None,
    usbip: Annotated[
        str | None,
        typer.Option("--usbip", help="Export by USB/IP; alone, on 127.0.0.1:3240.", metavar="[HOST:PORT]"),
    ] = None,
    link: Annotated[
        Path | None, typer.Option("--link", help="A name for the pseudo-terminal that stays.", metavar="PATH")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", help="Which pen to be, else NW-1; `list` tells them all.", metavar="NAME|list"),
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="The same number gives the same pen again.")] = None,
    untruth: Annotated[
        str | None,
        typer.Option(
            "--untruth",
            help="How far it is from the truth: gain, offset_mm, bend_mm, hysteresis_mm, noise_mm, drift_mm_per_h, "
            "rate_gain.",
            metavar="gain=1.04,…",
        ),
    ] = None,
    zone: Annotated[str, typer.Option("--zone", help="The skin it is held on; `air` is a bench.")] = "cheek",
    control: Annotated[
        Path | None, typer.Option("--control", help="Make a socket for `needlework simulator` here.", metavar="PATH")
    ] = None,
    pens: Annotated[
        int | None, typer.Option("--pens", help="So many pens in one process, each on media of its own.", min=1)
    ] = None,
    baud: Annotated[
        int | None, typer.Option("--baud", help="Bytes take as long as on a serial line of so many bits a second.")
    ] = None,
    usb_frames: Annotated[
        bool, typer.Option("--usb-frames", help="Bytes come in packets, once a millisecond, as over USB.")
    ] = False,
    dialect: Annotated[str | None, typer.Option("--dialect", help="Speak another protocol: `ascii`.")] = None,
    gauge: Annotated[
        bool, typer.Option("--gauge", help="An indicator at it, on a terminal of its own: it reads the true depth.")
    ] = False,
    tachometer: Annotated[
        bool, typer.Option("--tachometer", help="A tachometer at it, on a terminal of its own: the true rate.")
    ] = False,
    leash: Annotated[
        bool, typer.Option("--leash", help="End when standard input does, too: whoever started it is gone.")
    ] = False,
) -> None:
    """Serve a simulated pen, as a real one would be plugged in. Prints one line of JSON when it is ready.

    Runs until Ctrl-C, SIGTERM or SIGHUP; standard input is not read without --leash. SIGUSR1 takes its cartridge off
    and puts a new one in. Without --pty, --tcp or --usbip it serves on a pseudo-terminal. With --pens the line
    names them all.
    """
    with Troubles():
        from console.actions import simulated as act  # noqa: PLC0415 imported when it runs

        if model == "list":
            raise typer.Exit(act.list_models())
        one = {"--usbip": usbip, "--dialect": dialect, "--gauge": gauge, "--tachometer": tachometer}
        if pens is not None and (named := [name for name, value in one.items() if value]):
            raise typer.BadParameter(f"{named[0]} is for one pen; name it or --pens, not both")
        if dialect is not None and model is not None:
            raise typer.BadParameter("a dialect comes with a pen of its own; name --dialect or --model, not both")
        if baud is not None and usb_frames:
            raise typer.BadParameter("a line is a serial one or USB; name --baud or --usb-frames, not both")
        asked: act.Asked = {
            "pty": pty or (tcp is None and usbip is None),
            "tcp": tcp,
            "link": link,
            "model": model or "NW-1",
            "seed": seed,
            "zone": zone,
            "untruth": None if untruth is None else act.untruth_of(untruth),
            "control": control,
        }
        instruments: act.Instruments = {"gauge": gauge, "tachometer": tachometer}
        pace = act.pace_of(baud, usb_frames=usb_frames)
        if baud is not None and dialect is None:
            act.warn_of_slow(baud, asked["model"])
        raise typer.Exit(
            act.simulate(asked, instruments, usbip=usbip, pens=pens, pace=pace, dialect=dialect, leash=leash)
        )
