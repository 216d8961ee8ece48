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

from simulators.endpoints.live import LivePen
from simulators.endpoints.tcp import TcpEndpoint
from simulators.errors import EndpointError
from simulators.pen import SimulatedPen
from simulators.personality import model_named

EXCHANGE_S = 0.7
"""A quick hand."""

ReadyRecord = dict[str, str | int | None]
"""What a served pen tells when it is ready: pty (path), device, tcp (host:port), usbip (host:port), bus_id, url, model,
serial, pid, seed. ``url`` is None for a pen on USB/IP alone: it has one on the host that attaches it."""


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
    usbip: str | None = None,
    model: str = "NW-1",
    serial: str | None = None,
    seed: int | None = None,
    zone: str = "cheek",
    today: date | None = None,
    on_stall: Callable[[int], None] | None = None,
    on_pen: Callable[[SimulatedPen], None] | None = None,
    log: Callable[[str], None] = lambda _sentence: None,
) -> None:
    """Serves a simulated pen on a pseudo-terminal, on TCP ("HOST:PORT"), by USB/IP (as ``tcp``), or on several of
    them, until cancelled.

    ``ready`` is called once, when hosts can open it. ``seed`` None is a new pen every time; the same seed gives
    the same boot ids, leases and noise again. ``today`` is the date its cartridge and calibration are made for,
    the system's by default. ``on_stall`` is told of milliseconds the pen did not live because this process was held up.
    ``on_pen`` is given the pen before anybody can open it: whoever breaks it or has it in hand. ``log`` is told what
    was refused to USB/IP clients.

    Raises UnknownModel, UnknownZone, or EndpointError when it cannot be served as asked.
    """
    if not pty and tcp is None and usbip is None:
        raise EndpointError("A simulated pen needs a pseudo-terminal or a TCP address to be served on. Ask for one.")
    if link is not None and not pty:
        raise EndpointError(
            "A link names a pseudo-terminal, and none was asked for. Ask for one, or leave the link out."
        )
    personality = model_named(model)
    if serial is not None:
        personality = replace(personality, serial=serial)
    day = datetime.now(tz=UTC).date() if today is None else today
    pen = SimulatedPen(personality, rng=random.Random(seed), today=day)  # noqa: S311  # noise and ids of a simulation
    pen.hold_on(zone)
    if on_pen is not None:
        on_pen(pen)
    live = LivePen(pen, on_stall=on_stall)
    record: ReadyRecord = {
        "pty": None,
        "device": None,
        "tcp": None,
        "usbip": None,
        "bus_id": None,
        "url": None,
        "model": personality.name,
        "serial": personality.serial,
        "pid": os.getpid(),
        "seed": seed,
    }
    async with AsyncExitStack() as stack:
        if tcp is not None:
            tcp_endpoint = await stack.enter_async_context(TcpEndpoint(live, *parse_address(tcp)))
            record["tcp"] = tcp_endpoint.url.removeprefix("tcp://")
            record["url"] = tcp_endpoint.url
        if pty:
            from simulators.endpoints.pty import PtyEndpoint  # noqa: PLC0415  # systems without terminals serve on TCP

            pty_endpoint = stack.enter_context(PtyEndpoint(live, link=link))
            record["pty"] = pty_endpoint.path
            record["device"] = pty_endpoint.device
            record["url"] = pty_endpoint.url
        if usbip is not None:
            from simulators.endpoints.usb import UsbEndpoint  # noqa: PLC0415  # few ask for it
            from simulators.usb.ip_server import Sparing, UsbIpServer  # noqa: PLC0415  # as above

            told = Sparing(log)
            device = UsbEndpoint(live, log=told)
            server = await stack.enter_async_context(UsbIpServer([device], *parse_address(usbip), log=told))
            record["usbip"] = server.address
            record["bus_id"] = server.bus_ids[0]
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
