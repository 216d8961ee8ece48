"""Serves one simulated pen to other processes, until cancelled. What ``needlework simulate`` runs."""

import asyncio
import os
import random
import signal
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

from simulators.control import ControlSocket
from simulators.controlled import Cable, ControlledPen, Hand
from simulators.dialects.base import DialectFirmware, DialectPen
from simulators.dialects.names import dialect_named
from simulators.endpoints.live import LivePen
from simulators.endpoints.tcp import TcpEndpoint, TcpPlug
from simulators.errors import EndpointError
from simulators.faults.injector import Injector
from simulators.faults.parts import Parts, PlugPart, UsbPart
from simulators.pacing import Pace
from simulators.pen import SimulatedPen
from simulators.personality import PenModel, model_named
from simulators.untruth import Untruth

EXCHANGE_S = 0.7
"""A quick hand."""

ReadyRecord = dict[str, str | int | None]
"""What a served pen tells when it is ready: pty (path), device, tcp (host:port), usbip (host:port), bus_id, url, model,
serial, pid, seed, control (path of its control socket), gauge and tachometer (paths of the instruments' terminals),
gauge_url and tachometer_url (their addresses). ``url`` is None for a pen on USB/IP alone: it has one on the
host that attaches it."""


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of "HOST:PORT" or ":PORT" (loopback). Raises EndpointError."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 0xFFFF:
        raise EndpointError(f"{text!r} is no address to listen on. Example: 127.0.0.1:7070, or :0 for any free port.")
    return host.strip("[]") or "127.0.0.1", int(port)


@dataclass(frozen=True, slots=True)
class Media:
    """On what a pen is served: a pseudo-terminal with a name at ``link``, TCP, USB/IP ("HOST:PORT" each).

    ``gauge`` and ``tachometer``: instruments at it, each on a pseudo-terminal of its own.
    Raises EndpointError where nothing, or nothing for the link, was asked for.
    """

    pty: bool
    link: Path | None
    tcp: str | None
    usbip: str | None = None
    gauge: bool = False
    tachometer: bool = False

    def __post_init__(self) -> None:
        if not self.pty and self.tcp is None and self.usbip is None:
            raise EndpointError(
                "A simulated pen needs a pseudo-terminal or an address (TCP, USB/IP) to be served on. Ask for one."
            )
        if self.link is not None and not self.pty:
            raise EndpointError(
                "A link names a pseudo-terminal, and none was asked for. Ask for one, or leave the link out."
            )


def made(
    personality: PenModel,
    *,
    seed: int | None,
    zone: str,
    today: date | None,
    speaks: type[DialectFirmware] | None = None,
    untruth: Untruth | None = None,
) -> SimulatedPen:
    """A pen held on ``zone``, and off all skin where that is air; with another firmware where it ``speaks`` a dialect.

    Raises UnknownZone, BadUntruth, or EndpointError for a dialect's pen that is to be untrue.
    """
    if speaks is not None and untruth is not None:
        raise EndpointError("A pen that speaks a dialect is true. Leave the untruth out, or the dialect.")
    day = datetime.now(tz=UTC).date() if today is None else today
    rng = random.Random(seed)  # noqa: S311  # noise and ids of a simulation
    pen = (
        SimulatedPen(personality, rng=rng, today=day, untruth=untruth)
        if speaks is None
        else DialectPen(speaks, personality, rng=rng, today=day)
    )
    pen.hold_on(zone, touching=False if zone == "air" else None)
    return pen


async def offer(
    live: LivePen,
    within: AsyncExitStack,
    media: Media,
    *,
    seed: int | None,
    control: Path | None,
    log: Callable[[str], None] = lambda _sentence: None,
) -> ReadyRecord:
    """Makes ``live`` openable, and its control socket, until ``within`` ends; returns where. Raises EndpointError."""
    record: ReadyRecord = {
        "pty": None,
        "device": None,
        "tcp": None,
        "usbip": None,
        "bus_id": None,
        "url": None,
        "model": live.pen.model.name,
        "serial": live.pen.model.serial,
        "pid": os.getpid(),
        "seed": seed,
        "control": None if control is None else str(control),
        "gauge": None,
        "gauge_url": None,
        "tachometer": None,
        "tachometer_url": None,
    }
    plugs: list[PlugPart] = []
    usb: UsbPart | None = None
    if media.tcp is not None:
        tcp_endpoint = await within.enter_async_context(TcpEndpoint(live, *parse_address(media.tcp)))
        plugs.append(TcpPlug(tcp_endpoint))
        record["tcp"] = tcp_endpoint.url.removeprefix("tcp://")
        record["url"] = tcp_endpoint.url
    if media.pty:
        from simulators.endpoints.pty import PtyEndpoint  # noqa: PLC0415  # systems without terminals serve on TCP

        pty_endpoint = within.enter_context(PtyEndpoint(live, link=media.link))
        plugs.append(pty_endpoint)
        record["pty"] = pty_endpoint.path
        record["device"] = pty_endpoint.device
        record["url"] = pty_endpoint.url
    if media.usbip is not None:
        from simulators.endpoints.usb import UsbEndpoint  # noqa: PLC0415  # few ask for it
        from simulators.usb.ip_server import Sparing, UsbIpPlug, UsbIpServer  # noqa: PLC0415  # as above

        told = Sparing(log)
        usb = UsbEndpoint(live, log=told)
        server = await within.enter_async_context(UsbIpServer([usb], *parse_address(media.usbip), log=told))
        plugs.append(UsbIpPlug(server, server.bus_ids[0]))
        record["usbip"] = server.address
        record["bus_id"] = server.bus_ids[0]
    hands: dict[str, Hand] = {}
    if media.gauge or media.tachometer:
        from simulators.gauges.stand import GaugeStand  # noqa: PLC0415  as for a pen's own terminal

        stand = within.enter_context(
            GaugeStand(live.pen, gauge=media.gauge, tachometer=media.tachometer, seed=seed, link=media.link)
        )
        record |= stand.record
        hands = stand.hands
    if control is not None:
        injector = Injector(Parts(live.pen, lines=live.lines, plug=Cable(plugs), usb=usb), seed=seed or 0)
        await within.enter_async_context(ControlSocket(control, ControlledPen(live.pen, injector, hands)))
    return record


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
    pace: Pace | None = None,
    dialect: str | None = None,
    untruth: Untruth | None = None,
    on_stall: Callable[[int], None] | None = None,
    on_pen: Callable[[SimulatedPen], None] | None = None,
    control: Path | None = None,
    gauge: bool = False,
    tachometer: bool = False,
    log: Callable[[str], None] = lambda _sentence: None,
) -> None:
    """Serves a simulated pen on a pseudo-terminal, on TCP ("HOST:PORT"), by USB/IP (as ``tcp``), or on several of
    them, until cancelled.

    ``ready`` is called once, when hosts can open it. ``seed`` None is a new pen every time; the same seed gives
    the same boot ids, leases and noise again. ``today`` is the date its cartridge and calibration are made for,
    the system's by default. ``pace``: bytes take as long as on a real line. ``on_stall`` is told of milliseconds the
    pen did not live because this process was held up. ``on_pen`` is given the pen before anybody can open it: whoever
    breaks it or has it in hand. ``control`` is where its control socket is made. ``dialect`` makes it speak another
    protocol, with a model of its own; ``untruth`` makes it untrue. ``gauge`` and ``tachometer`` put instruments at it,
    which see what it truly does, each on a pseudo-terminal of its own. ``log`` is told what was refused to USB/IP
    clients.

    Raises UnknownModel, UnknownZone, BadUntruth, or EndpointError when it cannot be served as asked.
    """
    media = Media(pty=pty, link=link, tcp=tcp, usbip=usbip, gauge=gauge, tachometer=tachometer)
    speaks, personality = (None, model_named(model)) if dialect is None else dialect_named(dialect)
    if serial is not None:
        personality = replace(personality, serial=serial)
    pen = made(personality, seed=seed, zone=zone, today=today, speaks=speaks, untruth=untruth)
    if on_pen is not None:
        on_pen(pen)
    live = LivePen(pen, on_stall=on_stall, pace=pace)
    async with AsyncExitStack() as stack:
        record = await offer(live, stack, media, seed=seed, control=control, log=log)
        if dialect is not None and record["url"] is not None:
            record["url"] = f"{dialect}+{record['url']}"
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(live.run(), name=f"simulated pen {personality.serial}")
            ready(record)


def exchange_on_signal(pens: Sequence[SimulatedPen], number: signal.Signals) -> None:
    """From now on this signal of the process is a hand: each cartridge comes off, a moment later a new one goes on.

    For the main thread of a process with a running event loop.
    """
    loop = asyncio.get_running_loop()

    def exchange() -> None:
        for pen in pens:
            pen.remove_cartridge()
            loop.call_later(EXCHANGE_S, pen.insert_cartridge)

    loop.add_signal_handler(number, exchange)
