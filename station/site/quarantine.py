"""Whether a pen is in quarantine, at any station of the site: asked of the site's store, and remembered here.

The store may be slow or away: it is asked in a thread of its own with a deadline. What this station heard of the whole
site before then stands for a while; what it did itself stands for good.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

from controller.pen_kept import Quarantined, Standing
from controller.ports import MemoryUnavailable
from controller.service_events import PenQuarantined, PenReleased
from logger.errors import JournalError, StoreError
from logger.journal.reader import JournalReader
from logger.record.pens import STANDING_TYPES, PenName, Told, name_of
from station.process.lane import Lane
from station.site.ledger import OWN_DEADLINE_S, SITE_DEADLINE_S, without_password
from station.site.pens_file import KnownQuarantine, PensFile

HEARD_FOR = timedelta(days=7)
"""How long what the site said is gone by while it cannot be asked. A quarantined pen holds no calibration, so that no
station arms it anyway; what would be missed is a pen that was calibrated and not released, and that takes days."""

ASKED_EVERY_S = 300.0
"""So that what is remembered is fresh when the store goes away; asking costs the site a few milliseconds."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_T = TypeVar("_T")


class _Away(Exception):
    """Nobody could be asked; the message is for people. Never leaves this module."""


class SitePens:
    """What :class:`controller.ports.PenRegister` asks for. Close it at the end."""

    def __init__(self, path: Path, *, site: str | None, utc_now: Callable[[], datetime]) -> None:
        """``path`` is this station's file, made when first needed; ``site`` the recorder's store, a path or an
        SQLAlchemy URL, or None where this station is the only one."""
        self._file = PensFile(path)
        self._site = site
        self._shown = "" if site is None else without_password(site)
        self._utc_now = utc_now
        self._own, self._far = Lane("pens"), Lane("site-pens")

    def close(self) -> None:
        """Lets the threads go. Safe to call twice."""
        self._own.close()
        self._far.close()

    async def standing(self, model: str, serial: str) -> Standing:
        """Whether a pen is in quarantine, here or at the site; answers in a few seconds at most and raises nothing."""
        problem = await self.hear()
        try:
            found = await self._here(partial(self._file.open_quarantines, PenName(model, serial)))
            heard_utc_us = await self._here(self._file.heard_utc_us)
        except _Away as away:
            return Standing(problem=str(away), known=False)
        quarantined = found[0] if found else None
        if not problem:
            return Standing(quarantined=quarantined)
        heard = None if heard_utc_us is None else _EPOCH + heard_utc_us * _MICROSECOND
        return Standing(
            quarantined=quarantined,
            problem=problem,
            heard_on=heard.date().isoformat() if heard is not None else "",
            known=heard is not None and abs(self._utc_now() - heard) <= HEARD_FOR,
        )

    async def hear(self) -> str:
        """Takes what the site says of all its pens; why it could not be asked, empty where it was or there is none."""
        if self._site is None:
            return ""
        try:
            told = await self._far.do(partial(_look_up, self._site), SITE_DEADLINE_S)
            now_us = (self._utc_now() - _EPOCH) // _MICROSECOND
            await self._here(partial(self._file.take, *known_of(told), now_us))
        except TimeoutError:
            return f"The site's store {self._shown} did not answer within {SITE_DEADLINE_S:g} s."
        except (StoreError, _Away) as error:
            return str(error)
        return ""

    async def quarantine(self, known: KnownQuarantine) -> None:
        """Notes one that was made here; on the disk on return. Raises MemoryUnavailable."""
        try:
            await self._here(partial(self._file.quarantine, known))
        except _Away as away:
            raise MemoryUnavailable(
                f"{away} The pen is not in quarantine. Put it away, and have the disk looked at."
            ) from away

    def remember(self, journal: Path) -> None:
        """Takes what this station's own journal says, for a file that was lost or restored from before; reads all of
        it, in whichever thread asks. Raises JournalError, sqlite3.Error."""
        with closing(JournalReader(journal)) as reader:
            self._file.take(*known_of(reader.told_of_pens(types=STANDING_TYPES)))

    async def _here(self, work: Callable[[], _T]) -> _T:
        """What this station's file says. Raises _Away."""
        try:
            return await self._own.do(work, OWN_DEADLINE_S)
        except TimeoutError as error:
            raise _Away(f"This station's file of pens {self._file.path} does not answer: its disk is stuck.") from error
        except (sqlite3.Error, ValueError, OSError) as error:
            raise _Away(f"This station's file of pens {self._file.path} cannot be used: {error}.") from error


async def hear_regularly(pens: SitePens, journal: Path) -> None:
    """Reads this station's journal once, then hears the site every ``ASKED_EVERY_S``, until it is cancelled. A part of
    the station."""
    with suppress(JournalError, sqlite3.Error, OSError):  # who is asked about a pen meets the same trouble, and says it
        await asyncio.to_thread(pens.remember, journal)
    while True:
        await pens.hear()
        await asyncio.sleep(ASKED_EVERY_S)


def known_of(told: list[Told]) -> tuple[list[KnownQuarantine], list[str]]:
    """What a record tells of quarantines: those there are, and the ids of those that were ended."""
    known: list[KnownQuarantine] = []
    released: list[str] = []
    for one in told:
        match one.event:
            case PenQuarantined() as event:
                known.append(KnownQuarantine(one.pen, quarantined_of(event, one.at, one.station)))
            case PenReleased() as event:
                released += event.quarantines
            case _:
                continue
    return known, released


def quarantined_of(event: PenQuarantined, at: datetime, station: str) -> Quarantined:
    """A quarantine as the machine judges it."""
    return Quarantined(
        quarantine=event.quarantine, because=event.because, by=event.by, on=at.date().isoformat(), station=station
    )


def of_pen(event: PenQuarantined | PenReleased) -> PenName:
    """The pen that an event is about."""
    return name_of(event.pen, event.serial)


def _look_up(site: str) -> list[Told]:
    """What the site's store tells of quarantines. Raises StoreError."""
    from logger.store.store import Store  # noqa: PLC0415 loaded when the first place was asked to be shown

    store = Store.open_to_read(site)  # for each question: a connection kept would miss a store that was restored
    try:
        return store.told_of_pens(types=STANDING_TYPES)
    finally:
        store.close()
