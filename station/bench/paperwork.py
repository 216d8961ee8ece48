"""What is put on record of a pen without moving it: quarantine and release, repairs, parts.

Raised from any station of the site, and known to all of them once it reached the site's store; to this one at once. A
quarantine is noted in this station's file before it is journalled, its end after: a program that dies in between leaves
a pen that is not armed.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final, Literal

from controller.calibration.policy import CalibrationPolicy
from controller.datafile import nearest
from controller.ports import Clock
from controller.service_events import (
    Because,
    ErrorAtDepth,
    PartReplaced,
    PenQuarantined,
    PenReleased,
    PenRepaired,
)
from logger.record.exposure import SessionExposed
from logger.record.pens import PenName, open_quarantines
from logger.record.releasing import certificate_of, release_problem
from station.bench.bench import TechnicianBench
from station.bench.record import open_record
from station.clock import StationClock
from station.errors import PenPaperRefused, Trouble
from station.people.accounts import Role
from station.settings import StationSettings
from station.site.pen_records import PenRecords, open_pen_records
from station.site.pens_file import KnownQuarantine, PensFile
from station.site.quarantine import of_pen, quarantined_of
from station.site.quarantining import quarantine_of
from station.site.reviewing import reviews, to_look_at

MAY_RELEASE: Final[tuple[Role, ...]] = ("manager", "physician")
"""Those who answer for patients; never whoever mended the pen alone."""
MAY_REPAIR: Final[tuple[Role, ...]] = ("technician", "manager")

Add = Callable[..., Awaitable[None]]
"""Puts events on record; they are on the disk on return."""
Work = Literal["cleaned", "opened", "dropped", "lubricated", "sealed", "inspected", "other"]


class Paperwork:
    """The record of this station's pens, open for somebody who signed in. Made by :func:`open_paperwork`."""

    def __init__(
        self, settings: StationSettings, records: PenRecords, *, account: str, role: Role, add: Add, clock: Clock
    ) -> None:
        self.records = records
        """What is on record already, at this site."""
        self._settings = settings
        self._account = account
        self._role = role
        self._add = add
        self._clock = clock
        self._file = PensFile(settings.pens_path)

    async def quarantine(
        self,
        pen: PenName,
        because: Because,
        *,
        certificate: str = "",
        errors: tuple[ErrorAtDepth, ...] = (),
        recalled: tuple[str, str] = ("", ""),
    ) -> PenQuarantined:
        """Takes a pen out of use at every station; ``errors`` are those found as found, by ``certificate``.

        First this, then the calibration that mends it: only a certificate issued after the quarantine counts for its
        end. A pen at hand also loses its calibration (:func:`controller.calibration.ending.end_calibration`).
        Raises RecordUnavailable, and sqlite3.Error when it cannot be noted here.
        """
        event = quarantine_of(
            self.records.told(pen),
            pen,
            because,
            by=self._account,
            certificate=certificate,
            errors=errors,
            recalled=recalled,
        )
        found = quarantined_of(event, self._clock.utc(), self._settings.station)
        await asyncio.to_thread(self._file.quarantine, KnownQuarantine(of_pen(event), found))
        await self._add(event)
        return event

    def under_review(self, pen: PenName) -> list[SessionExposed]:
        """The sessions of a pen's open quarantines that were held with it while it was not known to be right.

        Raises RecordError.
        """
        return to_look_at(reviews(self.records, pen))

    async def release(self, pen: PenName, *, reviewed: int) -> PenReleased:
        """Ends every quarantine of a pen, signed by whoever is signed in.

        ``reviewed``: how many sessions with a depth error that person looked through; it has to be all of them. Raises
        PenPaperRefused, RecordUnavailable, RecordError.
        """
        if self.records.missing:
            raise PenPaperRefused(
                Trouble(
                    "site_away",
                    f"The record of the whole site cannot be read: {' '.join(self.records.missing)}",
                    "What other stations know of this pen, and the sessions held with it there, would be "
                    "overlooked; it stays in quarantine.",
                    "Have the connection mended, then release it.",
                )
            )
        told = self.records.told(pen)
        begun = open_quarantines(told)
        known = {one.quarantine: one for one in await asyncio.to_thread(self._file.open_quarantines, pen)}
        on_record = {one.event.quarantine for one in begun if isinstance(one.event, PenQuarantined)}
        ended = {name for one in told if isinstance(one.event, PenReleased) for name in one.event.quarantines}
        await asyncio.to_thread(self._file.release, ended & set(known))
        left = sorted(on_record | (set(known) - ended))
        problem = release_problem(told, begun) if on_record or not left else None
        sessions = self.under_review(pen)
        if problem is None and len(sessions) != reviewed:
            problem = (
                "not_reviewed",
                f"Sessions held with this pen while its depth was not known to be right: {len(sessions)}; looked "
                f"through: {reviewed}. It stays in quarantine.",
            )
        if problem is not None:
            raise PenPaperRefused(Trouble(problem[0], problem[1], "", _HELP[problem[0]]))
        event = PenReleased(
            quarantines=tuple(left),
            pen=str(pen),
            serial=pen.serial,
            by=self._account,
            role=self._role,
            certificate=certificate_of(told),
            sessions_reviewed=reviewed,
        )
        await self._add(event)
        await asyncio.to_thread(self._file.release, left)
        return event

    async def repaired(self, pen: PenName, what: Work, *, ends_calibration: bool) -> PenRepaired:
        """Notes that something was done to a pen. Raises RecordUnavailable."""
        event = PenRepaired(
            pen=str(pen),
            serial=pen.serial,
            what=what,
            ends_calibration=ends_calibration,
            by=self._account,
            on=self._today(),
        )
        await self._add(event)
        return event

    async def replaced(
        self,
        pen: PenName,
        part: str,
        *,
        policy: CalibrationPolicy,
        removed: tuple[str, str] = ("", ""),
        fitted: tuple[str, str] = ("", ""),
    ) -> PartReplaced:
        """Notes that a part was replaced; lot and serial number of the one taken out and of the one put in.

        Raises PenPaperRefused for a part that is not in the clinic's list, RecordUnavailable.
        """
        known = list(policy.models[pen.model].parts if pen.model in policy.models else policy.parts)
        if part not in known:
            raise PenPaperRefused(
                Trouble(
                    "unknown_part",
                    f"A pen {pen.model} has no part {part!r} in the clinic's list. {nearest(part, known)}",
                    "Nothing was recorded.",
                    f"Name one of {', '.join(known)}; the list is in the calibration policy.",
                )
            )
        if not any((*removed, *fitted)):
            raise PenPaperRefused(
                Trouble(
                    "part_without_number",
                    f"Neither a lot nor a serial number of the {part} was given.",
                    "Nothing was recorded: a recall could not find it.",
                    "Give --lot or --serial as they stand on the part.",
                )
            )
        event = PartReplaced(
            pen=str(pen),
            serial=pen.serial,
            part=part,
            removed_lot=removed[0],
            removed_serial=removed[1],
            fitted_lot=fitted[0],
            fitted_serial=fitted[1],
            by=self._account,
            on=self._today(),
        )
        await self._add(event)
        return event

    def _today(self) -> str:
        return self._clock.utc().date().isoformat()


_HELP: Final = {
    "not_in_quarantine": "`needlework pen history` tells what is on record of it.",
    "no_certificate": "",
    "recalled_part": "",
    "not_reviewed": "`needlework pen exposed` lists them; then release with --reviewed.",
}


@asynccontextmanager
async def open_paperwork(
    settings: StationSettings,
    account: str,
    password: str,
    *roles: Role,
    clock: StationClock | None = None,
) -> AsyncIterator[Paperwork]:
    """The record of this station's pens for the length of a block, for somebody of one of these roles.

    Raises BenchRefused (a station runs on this state directory), SignInRefused, NotAllowed, StationFailure,
    RecordError.
    """
    clock = clock or StationClock()
    async with open_record(
        settings, account, password, *roles, reason="the record of a pen was added to", clock=clock
    ) as record:
        with open_pen_records(settings) as records:
            yield Paperwork(settings, records, account=record.account, role=record.role, add=record.add, clock=clock)


@contextmanager
def paperwork_at(bench: TechnicianBench, settings: StationSettings) -> Iterator[Paperwork]:
    """The same on a bench that is open, for the technician at it. Raises RecordError."""
    with open_pen_records(settings) as records:
        yield Paperwork(
            settings, records, account=bench.technician, role="technician", add=bench.record, clock=bench.clock
        )
