"""Puts what is no simulated pen where a pen would be: on a pseudo-terminal, on TCP, or on both."""

import os
from contextlib import AsyncExitStack
from pathlib import Path

from simulators.endpoints.served import Medium, Served
from simulators.endpoints.tcp import TcpEndpoint
from simulators.errors import EndpointError
from simulators.serve import parse_address

Place = dict[str, str | int | None]
"""Where it can be opened: pty (path), device, tcp (host:port), url, pid; as a simulated pen tells it."""


def check_places(*, pty: bool, link: Path | None, tcp: str | None) -> None:
    """Raises EndpointError for what nothing can be offered on."""
    if link is not None and not pty:
        raise EndpointError("A link names a pseudo-terminal, and none was asked for. Add --pty, or leave the link out.")
    if tcp is not None:
        parse_address(tcp)


async def offer(
    served: Served[Medium], within: AsyncExitStack, *, pty: bool, link: Path | None, tcp: str | None
) -> Place:
    """Makes ``served`` openable until ``within`` ends; returns where. Raises EndpointError."""
    place: Place = {"pty": None, "device": None, "tcp": None, "url": None, "pid": os.getpid()}
    if tcp is not None:
        socket = await within.enter_async_context(TcpEndpoint(served, *parse_address(tcp)))
        place["tcp"] = socket.url.removeprefix("tcp://")
        place["url"] = socket.url
    if pty:
        from simulators.endpoints.pty import PtyEndpoint  # noqa: PLC0415  # systems without terminals offer TCP

        terminal = within.enter_context(PtyEndpoint(served, link=link))
        place["pty"] = terminal.path
        place["device"] = terminal.device
        place["url"] = terminal.url
    return place
