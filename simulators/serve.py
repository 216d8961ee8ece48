"""Serves one simulated pen to other processes, until cancelled. What ``needlework simulate`` runs."""

import asyncio
import os
import random
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

from simulators.bench import Bench, Cable
from simulators.control import ControlSocket
from simulators.dialects.base import DialectPen
from simulators.dialects.names import dialect_named
from simulators.endpoints.live import LivePen
from simulators.endpoints.tcp import TcpEndpoint, TcpPlug
from simulators.errors import EndpointError
from simulators.faults.injector import Injector
from simulators.faults.parts import Parts, PlugPart
from simulators.pen import SimulatedPen
from simulators.personality import model_named

EXCHANGE_S = 0.7
"""A quick hand."""

ReadyRecord = dict[str, str | int | None]
"""What a served pen tells when it is ready: pty (path), device, tcp (host:port), url, model, serial, pid, seed, control
(path of its control socket)."""


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of "HOST:PORT" or ":PORT" (loopback). Raises EndpointError."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 0xFFFF:
        raise EndpointError(f"{text!r} is no address to listen on. Example: 127.0.0.1:7070, or :0 for any free port.")
    return host.strip("[]") or "127.0.0.1", int(port)


async def serve(
    ready: Callable[[ReadyRecord], None],
    *,
    pty: bool = True,
    link: Path | None = None,
    tcp: str | None = None,
    model: str = "NW-1",
    serial: str | None = None,
    seed: int | None = None,
    zone: str = "cheek",
    today: date | None = None,
    dialect: str | None = None,
    on_stall: Callable[[int], None] | None = None,
    on_pen: Callable[[SimulatedPen], None] | None = None,
    control: Path | None = None,
) -> None:
    """Serves a simulated pen on a pseudo-terminal, on TCP ("HOST:PORT"), or on both, until cancelled.

    ``ready`` is called once, when hosts can open it. ``seed`` None is a new pen every time; the same seed gives
    the same boot ids, leases and noise again. ``today`` is the date its cartridge and calibration are made for,
    the system's by default. ``dialect`` makes it speak another protocol, with a model of its own.
    ``on_stall`` is told of milliseconds the pen did not live because this process was held up.
    ``on_pen`` is given the pen before anybody can open it: whoever breaks it or has it in hand. ``control`` is where
    its control socket is made.

    Raises UnknownModel, UnknownZone, or EndpointError when it cannot be served as asked.
    """
    if not pty and tcp is None:
        raise EndpointError("A simulated pen needs a pseudo-terminal or a TCP address to be served on. Ask for one.")
    if link is not None and not pty:
        raise EndpointError(
            "A link names a pseudo-terminal, and none was asked for. Ask for one, or leave the link out."
        )
    speaks, personality = (None, model_named(model)) if dialect is None else dialect_named(dialect)
    if serial is not None:
        personality = replace(personality, serial=serial)
    day = datetime.now(tz=UTC).date() if today is None else today
    rng = random.Random(seed)  # noqa: S311  # noise and ids of a simulation
    pen = SimulatedPen(personality, rng=rng, today=day)
    if speaks is not None:
        pen = DialectPen(speaks, personality, rng=rng, today=day)
    pen.hold_on(zone)
    if on_pen is not None:
        on_pen(pen)
    live = LivePen(pen, on_stall=on_stall)
    record: ReadyRecord = {
        "pty": None,
        "device": None,
        "tcp": None,
        "url": None,
        "model": personality.name,
        "serial": personality.serial,
        "pid": os.getpid(),
        "seed": seed,
        "control": None if control is None else str(control),
    }
    plugs: list[PlugPart] = []
    async with AsyncExitStack() as stack:
        if tcp is not None:
            tcp_endpoint = await stack.enter_async_context(TcpEndpoint(live, *parse_address(tcp)))
            plugs.append(TcpPlug(tcp_endpoint))
            record["tcp"] = tcp_endpoint.url.removeprefix("tcp://")
            record["url"] = tcp_endpoint.url
        if pty:
            from simulators.endpoints.pty import PtyEndpoint  # noqa: PLC0415  # systems without terminals serve on TCP

            pty_endpoint = stack.enter_context(PtyEndpoint(live, link=link))
            plugs.append(pty_endpoint)
            record["pty"] = pty_endpoint.path
            record["device"] = pty_endpoint.device
            record["url"] = pty_endpoint.url
        if control is not None:
            injector = Injector(Parts(pen, lines=live.lines, plug=Cable(plugs)), seed=seed or 0)
            await stack.enter_async_context(ControlSocket(control, Bench(pen, injector)))
        if dialect is not None:
            record["url"] = f"{dialect}+{record['url']}"
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(live.run(), name=f"simulated pen {personality.serial}")
            ready(record)


def exchange_on_signal(pen: SimulatedPen, number: signal.Signals) -> None:
    """From now on this signal of the process is a hand: the cartridge comes off, a moment later a new one goes on.

    For the main thread of a process with a running event loop.
    """
    loop = asyncio.get_running_loop()

    def exchange() -> None:
        pen.remove_cartridge()
        loop.call_later(EXCHANGE_S, pen.insert_cartridge)

    loop.add_signal_handler(number, exchange)
