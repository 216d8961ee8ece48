"""Taking a pen out of use: what goes on record of it, and how a running station does it at once.

It is noted in this station's file before it is journalled: from then on the pen is armed nowhere here, whatever happens
to the record. While it is noted nobody arms the pen; one that is armed is stopped first, by a person who sees it.
"""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from controller.errors import ControlRefused
from controller.service_events import Because, CertificateIssued, ErrorAtDepth, PenQuarantined
from firmware_bridge.errors import WireError
from logger.errors import RecordError
from logger.journal.journal import Journal
from logger.record.pens import PenName, Told, last_in_tolerance, measured_utc_us, moment
from station.clock import StationClock
from station.errors import PenUnknown, Trouble
from station.people.accounts import Role
from station.process.lane import Lane
from station.settings import StationSettings
from station.site.pen_records import open_pen_records
from station.site.pens_file import KnownQuarantine
from station.site.quarantine import SitePens, quarantined_of

QUARANTINE_BYTES = 6
"""Chance in a quarantine's id: told apart at every station of a site without anybody handing out numbers."""
READ_DEADLINE_S: Final = 3.0
"""How long the site's record may take to say when a pen was last right; the station's own journal says it else."""

MAY_QUARANTINE: Final[tuple[Role, ...]] = ("technician", "manager", "physician", "operator")
"""Whoever sees that a pen is not right takes it out of use."""
Result = TypeVar("Result")


class AtHand(Protocol):
    """A pen of this station: :class:`station.pens.StationPen`."""

    name: str

    @property
    def connected(self) -> PenName | None:
        """Which pen it is; None while none is connected."""

    async def unarmed(self, work: Callable[[], Awaitable[Result]]) -> Result:
        """Does ``work`` while nobody can arm the pen. Raises ControlRefused while it is armed."""

    async def end_calibration(self) -> bool:
        """Ends the calibration in the pen. Raises ControlRefused, WireError."""


@dataclass(frozen=True, slots=True)
class TakenOut:
    """A pen that was taken out of use. ``ended``: its calibration in its own memory too; ``problem``: why not."""

    event: PenQuarantined
    ended: bool
    problem: str


class Quarantining:
    """What a running station offers to whoever doubts a pen. Close it at the end."""

    def __init__(
        self,
        settings: StationSettings,
        kept: SitePens,
        journal: Journal,
        clock: StationClock,
        *,
        pens: Callable[[], Sequence[AtHand]],
        added: Callable[[], None],
    ) -> None:
        """``pens`` are those of this station; ``added`` is called when the event is on the disk."""
        self._settings = settings
        self._kept = kept
        self._journal = journal
        self._clock = clock
        self._pens = pens
        self._added = added
        self._lane = Lane("pens-on-record")

    def close(self) -> None:
        """Lets the thread go. Safe to call twice."""
        self._lane.close()

    async def quarantine(
        self, name: str, because: Because, by: str, *, errors: tuple[ErrorAtDepth, ...] = ()
    ) -> TakenOut:
        """Takes a pen out of use at every station: by its name here, as MODEL/SERIAL, or by its serial number.

        Raises ControlRefused (a treatment is under way with it), PenUnknown, MemoryUnavailable, RecordError.
        """
        for pen in self._pens():
            there = pen.connected
            if there is not None and name in (pen.name, str(there), there.serial):
                return await pen.unarmed(lambda: self._take_out(there, because, by, errors, pen))  # noqa: B023 awaited here
        try:
            meant = await self._lane.do(lambda: _named(self._settings, name), READ_DEADLINE_S)
        except TimeoutError as error:
            raise PenUnknown(
                Trouble(
                    "site_slow",
                    f"No pen {name!r} is connected here, and the record of the site did not answer within "
                    f"{READ_DEADLINE_S:g} s.",
                    "Nothing was recorded.",
                    "Connect the pen, or try again.",
                )
            ) from error
        return await self._take_out(meant, because, by, errors, None)

    async def _take_out(
        self, pen: PenName, because: Because, by: str, errors: tuple[ErrorAtDepth, ...], at_hand: AtHand | None
    ) -> TakenOut:
        event = quarantine_of(await self._told(pen), pen, because, by=by, errors=errors)
        await self._kept.quarantine(
            KnownQuarantine(pen, quarantined_of(event, self._clock.utc(), self._settings.station))
        )
        self._journal.emit(event, session=None)
        await self._journal.flush()
        self._added()
        if at_hand is None or at_hand.connected != pen:  # nor is another one's ended that was plugged in meanwhile
            return TakenOut(event, ended=False, problem="")
        try:
            return TakenOut(event, ended=await at_hand.end_calibration(), problem="")
        except (WireError, ControlRefused) as error:
            return TakenOut(event, ended=False, problem=str(error))  # it is out of use at this site all the same

    async def _told(self, pen: PenName) -> list[Told]:
        """What the site knows of it; what this station knows, where the site is slow or away."""
        try:
            return await self._lane.do(lambda: _told(self._settings, pen), READ_DEADLINE_S)
        except (TimeoutError, RecordError):
            return self._journal.reader.told_of_pens(pen, ("certificate_issued",))


def quarantine_of(
    told: Sequence[Told],
    pen: PenName,
    because: Because,
    *,
    by: str,
    certificate: str = "",
    errors: tuple[ErrorAtDepth, ...] = (),
    recalled: tuple[str, str] = ("", ""),
) -> PenQuarantined:
    """The event by which a pen goes into quarantine: with what is known of when it last was right.

    ``recalled`` is the part and the lot that a recall names.
    """
    right = [one for one in told if not (isinstance(one.event, CertificateIssued) and one.event.number == certificate)]
    last = last_in_tolerance(right)
    number = last.event.number if last is not None and isinstance(last.event, CertificateIssued) else ""
    return PenQuarantined(
        quarantine=f"q-{secrets.token_hex(QUARANTINE_BYTES)}",
        pen=str(pen),
        serial=pen.serial,
        because=because,
        by=by,
        certificate=certificate,
        last_in_tolerance=number,
        since=moment(measured_utc_us(last)).date().isoformat() if last is not None else None,
        errors=errors,
        recalled_part=recalled[0],
        recalled_lot=recalled[1],
    )


def _named(settings: StationSettings, name: str) -> PenName:
    with open_pen_records(settings) as records:
        return records.named(name)


def _told(settings: StationSettings, pen: PenName) -> list[Told]:
    with open_pen_records(settings) as records:
        return records.told(pen, ("certificate_issued",))
