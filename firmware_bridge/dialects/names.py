"""The dialects there are, and the schemes they are opened by."""

import secrets
from collections.abc import Callable

from firmware_bridge.dialects.ascii import AsciiDialect
from firmware_bridge.dialects.base import Dialect
from firmware_bridge.dialects.transport import opener
from firmware_bridge.transports.base import register

LINES = ("memory", "serial", "tcp")
"""Schemes of the lines that carry a dialect: ``ascii+serial://…``."""


def _ascii() -> Dialect:
    return AsciiDialect(boot_id=secrets.randbits(32))


DIALECTS: dict[str, Callable[[], Dialect]] = {AsciiDialect.name: _ascii}


def dialect_of(url: str) -> Dialect | None:
    """The dialect a URL asks for, None for one of the wire protocol itself."""
    name, plus, _ = url.partition("://")[0].partition("+")
    make = DIALECTS.get(name) if plus else None
    return None if make is None else make()


def register_dialects() -> None:
    """Makes the URLs of every dialect openable. Called once, by the transports' package."""
    for name, make in DIALECTS.items():
        for line in LINES:
            register(f"{name}+{line}", opener(make))
