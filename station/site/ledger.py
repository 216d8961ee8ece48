"""The use ledger: which session used which cartridge, at this station and at the site.

Asked first is this station's own ledger, a file that is written at once; then, where one is configured, the site's
database, which is the recorder's store and so knows what the other stations journalled. That may be slow or away: it is
asked in a thread of its own with a deadline, and the answer is then that nobody could be asked. A person's word is
taken for such a cartridge, and :meth:`SiteLedger.reconcile` asks again later.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Literal, TypeVar

from controller.cartridges import CartridgeUse, NotSerialised, Unreachable, Unused, UsedBy, same_cartridge, used_problem
from controller.errors import ControlRefused
from controller.events import CartridgeReconciled, CartridgeSnapshot
from controller.ports import EventSink, RecordUnavailable
from logger.errors import StoreError
from station.process.lane import Lane
from station.site.ledger_file import LedgerFile, NotedUse

SITE_DEADLINE_S = 1.0
"""How long arming waits for the site's database: far longer than a healthy one takes, short for somebody who waits."""
OWN_DEADLINE_S = 2.0
"""How long it waits for this station's disk: as long as for the journal."""
COMPARED_FOR = timedelta(days=7)
"""How long a use is compared with the site's: the record of a station whose broker was away arrives late."""

COMPARED_EVERY_S = 300.0
"""A record that was held up is there minutes later; asking costs the site a few milliseconds for each use."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_T = TypeVar("_T")


class _Away(Exception):
    """A ledger could not be asked; the message is for people. Never leaves this module."""


class SiteLedger:
    """What :class:`controller.ports.UseLedger` asks for, and the comparison afterwards. Close it at the end."""

    def __init__(self, path: Path, *, site: str | None, utc_now: Callable[[], datetime]) -> None:
        """``path`` is this station's ledger, made when first needed; ``site`` the recorder's store, a path or an
        SQLAlchemy URL, or None where this station is the only one."""
        self._file = LedgerFile(path)
        self._site = site
        self._shown = "" if site is None else without_password(site)
        self._utc_now = utc_now
        self._own, self._far = Lane("ledger"), Lane("site-ledger")

    def close(self) -> None:
        """Lets the threads go. Safe to call twice."""
        self._own.close()
        self._far.close()

    async def cartridge(self, cartridge: CartridgeSnapshot) -> CartridgeUse:
        """Whether a cartridge was used, here or at the site; answers in about a second at most and raises nothing."""
        if not cartridge.serial:
            return NotSerialised()
        try:
            used = await self._here(partial(self._file.used, cartridge.lot, cartridge.serial))
            if used is not None:
                unused: Literal["verified", "attested"] = "verified" if used.unused == "verified" else "attested"
                return UsedBy(session=used.session, on=_day(used.utc_us), unused=unused)
            elsewhere = await self._at_site(cartridge.lot, cartridge.serial)
        except _Away as away:
            return Unreachable(problem=str(away))
        return UsedBy(session=elsewhere[0][0], on=_day(elsewhere[0][1])) if elsewhere else Unused()

    async def claim(self, cartridge: CartridgeSnapshot, session: str) -> None:
        """Notes that ``session`` uses the cartridge; on the disk on return. The same session may say so again.

        Raises ControlRefused when another session of this station has it, or when it cannot be noted.
        """
        use = NotedUse(session, cartridge.lot, cartridge.serial, cartridge.unused, self._now_us())
        try:
            other = await self._here(partial(self._file.note, use))
        except _Away as away:
            raise ControlRefused(
                "ledger",
                f"{away} The use of this cartridge could not be noted, so nobody would find out if it came back. The "
                "pen is not armed. Check the disk's free space and the permissions of the state directory.",
            ) from away
        if other is not None:
            problem = used_problem(UsedBy(session=other.session, on=_day(other.utc_us)), session)
            if problem is not None:
                raise ControlRefused(*problem)

    async def reconcile(self, sink: EventSink) -> tuple[CartridgeReconciled, ...]:
        """Compares this station's uses with the site's once more; journals and returns what became known by it.

        Of an attested use every finding is told, of a verified one only that another session used the cartridge too.
        Ends early, to be called again, while a ledger cannot be asked. Raises RecordUnavailable when the journal does
        not take a finding; it is found again the next time.
        """
        told: list[CartridgeReconciled] = []
        with suppress(_Away):
            for use in await self._here(self._file.unsettled):
                finding = await self._compared(use)
                if finding.result != use.result and (use.unused == "attested" or finding.other_session is not None):
                    sink.emit(finding, session=None)  # the session's own record ended when it was closed
                    await sink.flush()
                    told.append(finding)
                over = self._now_us() - use.utc_us > COMPARED_FOR // _MICROSECOND
                settled = over or finding.result != "unused" or self._site is None
                await self._here(partial(self._file.compared, use, finding.result, settled=settled))
        return tuple(told)

    async def _compared(self, use: NotedUse) -> CartridgeReconciled:
        others = [other for other in await self._at_site(use.lot, use.serial) if other[0] != use.session]
        result: Literal["unused", "reused", "used_again", "not_serialised"] = "unused"
        if not use.serial:
            result = "not_serialised"
        elif others:
            result = "reused" if others[0][1] <= use.utc_us else "used_again"
        return CartridgeReconciled(
            session=use.session,
            lot=use.lot,
            serial_sha256=sha256(use.serial.encode()).hexdigest() if use.serial else "",
            result=result,
            other_session=others[0][0] if others else None,
        )

    def _now_us(self) -> int:
        return (self._utc_now() - _EPOCH) // _MICROSECOND

    async def _here(self, work: Callable[[], _T]) -> _T:
        """What this station's file says. Raises _Away."""
        try:
            return await self._own.do(work, OWN_DEADLINE_S)
        except TimeoutError as error:
            raise _Away(f"This station's use ledger {self._file.path} does not answer: its disk is stuck.") from error
        except sqlite3.Error as error:
            raise _Away(f"This station's use ledger {self._file.path} cannot be used: {error}.") from error

    async def _at_site(self, lot: str, serial: str) -> list[tuple[str, int]]:
        """Sessions of the site that used a cartridge, and when (µs), oldest first. Raises _Away."""
        site = self._site
        if site is None or not serial:
            return []
        try:
            found = await self._far.do(partial(_look_up, site, serial), SITE_DEADLINE_S)
        except TimeoutError as error:
            raise _Away(f"The site's use ledger {self._shown} did not answer within {SITE_DEADLINE_S:g} s.") from error
        except StoreError as error:
            raise _Away(str(error)) from error
        return [(used, utc_us) for its_lot, its, used, utc_us in found if same_cartridge(lot, serial, its_lot, its)]


async def compare_regularly(ledger: SiteLedger, sink: EventSink) -> None:
    """Compares uses with the site's every ``COMPARED_EVERY_S``, until it is cancelled. A part of the station."""
    while True:
        with suppress(RecordUnavailable):  # the journal says so itself, and what it did not take is found again
            await ledger.reconcile(sink)
        await asyncio.sleep(COMPARED_EVERY_S)


def without_password(site: str) -> str:
    """A place as people may read it. Loads what asking the site takes: at the start, not while somebody waits."""
    from logger.store.place import engine_to_read, shown, url_of  # noqa: PLC0415 as above
    from logger.store.store import Store  # noqa: F401, PLC0415 0.2 s that a station without a site's ledger does not need

    with suppress(StoreError):  # it says so again when it is asked
        engine_to_read(url_of(site)).dispose()
    return shown(site)


def _look_up(site: str, serial: str) -> list[tuple[str, str, str, int]]:
    """Lot, serial, session and time of what the site's store has under a serial number. Raises StoreError."""
    from logger.store.store import Store  # noqa: PLC0415 loaded when the ledger was made

    store = Store.open_to_read(site)  # for each question: a connection kept would miss a store that was restored
    try:
        return [(used.lot, used.serial, used.session, used.utc_us) for used in store.uses(serial)]
    finally:
        store.close()


def _day(utc_us: int) -> str:
    return (_EPOCH + timedelta(microseconds=utc_us)).date().isoformat()
