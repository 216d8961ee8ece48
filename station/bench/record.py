"""The record of a state directory that no station holds, opened to be added to by somebody who signs in.

It is a process of its own and no station: whoever holds the journal treats or works on pens, never both. Nothing here
opens a file in which a patient is named.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Final

from controller.events import Event, StationStopped
from controller.operators import load_operators
from controller.service_events import CertificateIssued
from logger.certificate.folder import CertificateFolder
from logger.errors import JournalBusy, RecordError
from logger.journal.journal import Journal
from station.bench.certifying import untold
from station.clock import StationClock
from station.errors import BenchRefused, Trouble
from station.people.accounts import Accounts, Role
from station.people.people import People
from station.people.sign_ins import SignIns
from station.record.checkpointing import Checkpoints
from station.record.seam import JournalSink, begin_record, ended_in_order
from station.settings import StationSettings
from station.site.places import make_directories, new_token

MAY_AUTHORISE: Final[tuple[Role, ...]] = ("technician", "manager")
"""Those who answer for what a bench measured."""


@dataclass(frozen=True, slots=True)
class SigningIn:
    """An account and its password, as given."""

    account: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class BenchRecord:
    """A record that is open, and who is signed in; ``authorised_by`` answers for certificates, the same account where
    nobody else signed in for that."""

    journal: Journal
    sink: JournalSink
    account: str
    role: Role
    authorised_by: str

    async def add(self, *events: Event) -> None:
        """Puts events on record; they are on the disk on return. Raises RecordUnavailable."""
        for event in events:
            self.sink.emit(event, session=None)
        await self.sink.flush()


@asynccontextmanager
async def open_record(
    settings: StationSettings,
    account: str,
    password: str,
    *roles: Role,
    reason: str,
    clock: StationClock,
    authorises: SigningIn | None = None,
) -> AsyncIterator[BenchRecord]:
    """The record for the length of a block, for somebody of one of these roles; signed and closed behind it.

    ``reason`` is why it is closed again, for the record. ``authorises`` signs in as well, to answer for certificates:
    nobody's name stands under one by being typed. Raises BenchRefused (a station runs on this state directory),
    SignInRefused, NotAllowed, StationFailure, RecordError.
    """
    make_directories(settings)
    async with AsyncExitStack() as last:
        journal = _journal(settings, clock)
        last.push_async_callback(journal.close)
        await _verified(settings, journal)
        checkpoints = await asyncio.to_thread(Checkpoints.of, journal, settings.station_key_path)
        await begin_record(journal, f"needlework {version('needlework')}", clock.utc(), site=settings.site)
        last.push_async_callback(_end_record, journal, checkpoints, reason)
        await checkpoints.begin()
        people = await _people(settings, journal, clock)
        last.push_async_callback(people.close)
        await people.begin()
        who = people.signed_in((await people.sign_in(account, password)).token, *roles)
        answers = who
        if authorises is not None:
            answers = people.signed_in(
                (await people.sign_in(authorises.account, authorises.password)).token, *MAY_AUTHORISE
            )
        record = BenchRecord(journal, JournalSink(journal, clock.monotonic_s), who.account, who.role, answers.account)
        await record.add(*await asyncio.to_thread(_untold, settings, journal))
        yield record


def _journal(settings: StationSettings, clock: StationClock) -> Journal:
    try:
        return Journal(
            settings.journal_path, station=settings.station, utc_now=clock.utc, monotonic_ms=clock.monotonic_ms
        )
    except JournalBusy as error:
        raise BenchRefused(
            Trouble(
                "station_runs",
                f"A station runs on {settings.state_dir}, or another bench does.",
                "Whoever holds the record treats or services, never both; nothing moved.",
                "End the station (Ctrl-C, or `systemctl stop needlework`), then try again. It goes on where it was.",
            )
        ) from error


def _untold(settings: StationSettings, journal: Journal) -> list[CertificateIssued]:
    """Certificates that a crash left without their event: on record before anything is done that goes by them."""
    try:
        return untold(CertificateFolder(settings.certificates_path), journal.reader)
    except OSError:
        return []  # whoever reads certificates is told of that disk; a pen is taken out of use all the same


async def _people(settings: StationSettings, journal: Journal, clock: StationClock) -> People:
    operators = load_operators(settings.operators)
    return People(
        await asyncio.to_thread(Accounts, settings.accounts_path),
        SignIns(settings.sign_in_idle_s, new_token),
        operators,
        journal=journal,
        clock=clock,
        mode=settings.mode,
    )


async def _verified(settings: StationSettings, journal: Journal) -> None:
    """What was not ended in order is looked at before anything is added to it."""
    if await asyncio.to_thread(ended_in_order, journal.reader):
        return
    from logger.proof.verify import verify_journal  # noqa: PLC0415  with it comes the store: 0.2 s that few need

    result = await asyncio.to_thread(verify_journal, settings.journal_path)
    if result.verdict != "intact":
        raise BenchRefused(
            Trouble(
                "journal_damaged",
                result.sentence(),
                "Nothing is added to a journal that does not verify: what is in it is evidence.",
                f"Keep {settings.journal_path} as it is, and use another state directory (--state).",
            )
        )


async def _end_record(journal: Journal, checkpoints: Checkpoints, reason: str) -> None:
    journal.emit(StationStopped(reason=reason), session=None)
    await journal.flush()
    with suppress(RecordError):  # the record is on the disk; unsigned, its last entries are told as such
        await checkpoints.now()
