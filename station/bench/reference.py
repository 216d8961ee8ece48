"""Where a reference reading comes from: an instrument on a port, or a person who types what it shows."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Protocol

from controller.calibration.reading_file import typed_reading
from controller.calibration.readings import Quantity, ReadingRefused
from controller.calibration.series import Read, Source
from firmware_bridge.gauges.base import Gauge
from firmware_bridge.gauges.opening import open_gauge

Typed = Callable[[Read, str], Awaitable[str]]
"""Asks a person for one reading; what they typed, as they typed it. The words say what was wrong with what they typed
before, empty for the first time."""

TO_TYPE_MS = 30_000
"""A point is held for so long at least while somebody reads and types; who takes longer finds it gone to again."""
TO_READ_MS = 3_000
"""The same for an instrument on a line, which answers or fails within it."""


class Reference(Protocol):
    """Something that is read once when told to."""

    source: Source
    hold_ms: int
    """How long the needles have to stay where they are for one reading."""

    async def read(self, due: Read) -> int:
        """One reading, in whole µm or mHz. Raises GaugeError, ReadingRefused."""


class TypedReference:
    """A person who reads the instrument."""

    source: Source = "typed"
    hold_ms = TO_TYPE_MS

    def __init__(self, quantity: Quantity, ask: Typed) -> None:
        self._quantity = quantity
        self._ask = ask

    async def read(self, due: Read) -> int:
        """What was typed, asked for until it is a reading."""
        problem = ""
        while True:
            try:
                return typed_reading(await self._ask(due, problem), self._quantity, due.line)
            except ReadingRefused as refused:
                problem = refused.sentence


class InstrumentReference:
    """An instrument on a port, opened anew after it was lost."""

    source: Source = "gauge"
    hold_ms = TO_READ_MS

    def __init__(self, url: str) -> None:
        self.url = url
        self._gauge: Gauge | None = None

    async def read(self, due: Read) -> int:
        """One reading. Raises GaugeError; the instrument is opened anew for the next one."""
        if self._gauge is None:
            self._gauge = await open_gauge(self.url)
        try:
            return (await self._gauge.read()).value
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Lets go of its line. Harmless twice."""
        gauge, self._gauge = self._gauge, None
        if gauge is not None:
            await gauge.close()


@asynccontextmanager
async def reference(url: str | None, quantity: Quantity, ask: Typed) -> AsyncIterator[Reference]:
    """The instrument at ``url`` for the length of a block, or a person where there is none."""
    if url is None:
        yield TypedReference(quantity, ask)
        return
    instrument = InstrumentReference(url)
    try:
        yield instrument
    finally:
        await instrument.close()
