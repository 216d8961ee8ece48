"""`needlework simulate`: the one command that knows a simulated pen."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from console.exits import Code
from console.trouble import Troubles


def simulate(
    pty: Annotated[bool, typer.Option("--pty", help="Serve on a pseudo-terminal.")] = False,
    tcp: Annotated[
        str | None, typer.Option("--tcp", help="Serve on TCP; port 0 takes a free one.", metavar="HOST:PORT")
    ] = None,
    link: Annotated[
        Path | None, typer.Option("--link", help="A name for the pseudo-terminal that stays.", metavar="PATH")
    ] = None,
    model: Annotated[
        str, typer.Option("--model", help="Which pen to be; `list` tells which there are.", metavar="NAME|list")
    ] = "NW-1",
    seed: Annotated[int | None, typer.Option("--seed", help="The same number gives the same pen again.")] = None,
    zone: Annotated[str, typer.Option("--zone", help="The skin it is held on.")] = "cheek",
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
    leash: Annotated[
        bool, typer.Option("--leash", help="End when standard input does, too: whoever started it is gone.")
    ] = False,
) -> None:
    """Serve a simulated pen, as a real one would be plugged in. Prints one line of JSON when it is ready.

    Runs until Ctrl-C, SIGTERM or SIGHUP; standard input is not read without --leash. SIGUSR1 takes its cartridge off
    and puts a new one in. Without --pty or --tcp it serves on a pseudo-terminal. With --pens the line names them all.
    """
    with Troubles():
        if model == "list":
            from console.actions.simulated import list_models  # noqa: PLC0415 as elsewhere: `--help` does without
            from simulators.personality import MODELS  # noqa: PLC0415 as below

            raise typer.Exit(list_models((pen.name, pen.about, pen.source) for pen in MODELS.values()))
        if baud is not None and usb_frames:
            raise typer.BadParameter("a line is a serial one or USB; name --baud or --usb-frames, not both")
        if dialect is not None and pens is not None:
            raise typer.BadParameter("a fleet speaks the wire protocol; name --dialect or --pens, not both")
        asked = {"pty": pty or tcp is None, "tcp": tcp, "link": link, "model": model, "seed": seed, "zone": zone,
                 "control": control}  # fmt: skip
        if dialect is not None:
            asked["dialect"] = dialect
        raise typer.Exit(_simulate(asked, pens=pens, baud=baud, usb_frames=usb_frames, leash=leash))


def _simulate(asked: dict[str, Any], *, pens: int | None, baud: int | None, usb_frames: bool, leash: bool) -> int:
    import asyncio  # noqa: PLC0415 as elsewhere: `--help` does without
    import json  # noqa: PLC0415 as above
    import signal  # noqa: PLC0415 as above

    from simulators.fleet import serve_fleet  # noqa: PLC0415 the one place of the product that knows a simulated pen
    from simulators.pacing import UsbFrames, at_baud  # noqa: PLC0415 as above
    from simulators.serve import exchange_on_signal, serve  # noqa: PLC0415 as above
    from station.process.signals import on_ending_signals, on_leash  # noqa: PLC0415 as above

    asked["pace"] = UsbFrames if usb_frames else None if baud is None else at_baud(baud)

    def say(kind: str, **told: object) -> None:
        print(json.dumps({"ready": kind, **told}), flush=True)

    async def until_asked() -> None:
        asked_to_end = asyncio.Event()
        with on_ending_signals(lambda _: asked_to_end.set()):
            if leash:
                on_leash(sys.stdin.fileno(), lambda _: asked_to_end.set())
            serving = asyncio.create_task(
                serve(
                    lambda told: say("pen", **told),
                    on_pen=lambda pen: exchange_on_signal([pen], signal.SIGUSR1),
                    **asked,
                )
                if pens is None
                else serve_fleet(
                    lambda told: say("fleet", pid=os.getpid(), pens=told),
                    pens=pens,
                    on_pens=lambda all_pens: exchange_on_signal(all_pens, signal.SIGUSR1),
                    **asked,
                ),
                name="simulated pen",
            )
            ending = asyncio.create_task(asked_to_end.wait(), name="asked to end")
            await asyncio.wait({serving, ending}, return_when=asyncio.FIRST_COMPLETED)
            for task in (serving, ending):
                task.cancel()
            await asyncio.wait({serving, ending})
        if not serving.cancelled():
            serving.result()

    asyncio.run(until_asked())
    return Code.DONE
