"""Serves many simulated pens from one process and one event loop. What ``needlework simulate --pens`` runs."""

import asyncio
import re
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import date
from pathlib import Path

from simulators.endpoints.live import LivePen, live_together
from simulators.errors import EndpointError
from simulators.pacing import Pace
from simulators.pen import SimulatedPen
from simulators.personality import PenModel, model_named
from simulators.serve import Media, ReadyRecord, made, offer, parse_address
from simulators.untruth import Untruth

FLEET_MAX = 1000
"""More than a process has descriptors for, two a pen."""

_NUMBER_AT_END = re.compile(r"[0-9]+$")


def numbered(personality: PenModel, number: int) -> PenModel:
    """The model with the ``number``-th serial number from its own on: NW1-000001, NW1-000002, …"""
    found = _NUMBER_AT_END.search(personality.serial)
    if found is None:
        return replace(personality, serial=f"{personality.serial}-{number}")
    digits = f"{int(found[0]) + number - 1:0{len(found[0])}d}"
    return replace(personality, serial=personality.serial[: found.start()] + digits)


def addressed(tcp: str | None, number: int) -> str | None:
    """Where the ``number``-th pen listens: ports in a row from the first one on; 0 is any free one for each.

    Raises EndpointError for what is no address, or past the last port.
    """
    if tcp is None:
        return None
    host, port = parse_address(tcp)
    if port + number - 1 > 0xFFFF:
        raise EndpointError(f"There is no port {port + number - 1} for pen {number}. Begin at a lower one, or at :0.")
    return f"{host}:{port + number - 1 if port else 0}"


def counted(path: Path | None, number: int) -> Path | None:
    """The ``number``-th pen's own path."""
    return None if path is None else path.with_name(f"{path.name}-{number}")


async def serve_fleet(
    ready: Callable[[list[ReadyRecord]], None],
    *,
    pens: int,
    pty: bool = True,
    link: Path | None = None,
    tcp: str | None = None,
    model: str = "NW-1",
    seed: int | None = None,
    zone: str = "cheek",
    today: date | None = None,
    pace: Pace | None = None,
    untruth: Untruth | None = None,
    on_stall: Callable[[int], None] | None = None,
    on_pens: Callable[[list[SimulatedPen]], None] | None = None,
    control: Path | None = None,
) -> None:
    """Serves ``pens`` simulated pens, each on media of its own, until cancelled.

    As :func:`simulators.serve.serve`, for each: serial numbers count up from the model's, seeds from ``seed``, TCP
    ports from the one named; ``link`` and ``control`` get ``-1``, ``-2``, … behind them. ``ready`` is called once,
    with all.

    Raises UnknownModel, UnknownZone, BadUntruth, or EndpointError when one cannot be served as asked; then none is.
    """
    Media(pty=pty, link=link, tcp=tcp)
    if not 1 <= pens <= FLEET_MAX:
        raise EndpointError(f"A process serves 1 to {FLEET_MAX} pens, not {pens}. Start a second one for more.")
    personality = model_named(model)
    lives = []
    for number in range(1, pens + 1):
        own_seed = None if seed is None else seed + number - 1
        pen = made(numbered(personality, number), seed=own_seed, zone=zone, today=today, untruth=untruth)
        lives.append(LivePen(pen, on_stall=on_stall, pace=pace))
    if on_pens is not None:
        on_pens([live.pen for live in lives])
    async with AsyncExitStack() as stack:
        records = [
            await offer(
                live,
                stack,
                Media(pty=pty, link=counted(link, number), tcp=addressed(tcp, number)),
                control=counted(control, number),
                seed=None if seed is None else seed + number - 1,
            )
            for number, live in enumerate(lives, start=1)
        ]
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(live_together(lives), name=f"{pens} simulated pens")
            ready(records)
