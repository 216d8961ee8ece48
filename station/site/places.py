"""The station's files other than the journal, opened at its start: data of the clinic, accounts, patients' history."""

import secrets
from contextlib import AsyncExitStack
from datetime import date

from controller.calibration.policy import load_policy
from controller.history import Approval
from controller.operators import load_operators
from controller.profiles import load_profiles
from controller.site import ClinicData
from logger.journal.journal import Journal
from station.api.models import ApproveAsked
from station.clock import StationClock
from station.errors import StationFailure, Trouble
from station.people.accounts import Accounts
from station.people.approving import approval_of, keep_approval
from station.people.people import People, SecurityRecord
from station.people.sign_ins import SignIns
from station.process.exits import Exit
from station.settings import StationSettings
from station.site.history import SiteHistory
from station.site.ledger import SiteLedger
from station.site.libraries import clinic_library
from station.site.quarantine import SitePens

TOKEN_BYTES = 24
APPROVAL_BYTES = 4


def new_token() -> str:
    """A token nobody guesses."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def load_data(settings: StationSettings, today: date) -> ClinicData:
    """The files the settings name, or the examples shipped. Raises DataError."""
    return ClinicData(
        library=clinic_library(settings, today),
        operators=load_operators(settings.operators),
        profiles=load_profiles(settings.profiles),
        calibration=load_policy(settings.calibration),
        mode=settings.mode,
    )


def open_people(
    settings: StationSettings, data: ClinicData, accounts: Accounts, journal: SecurityRecord, clock: StationClock
) -> People:
    """The people of this station, or of its file while none runs."""
    return People(
        accounts,
        SignIns(settings.sign_in_idle_s, new_token),
        data.operators,
        journal=journal,
        clock=clock,
        mode=data.mode,
    )


async def approve(
    asked: ApproveAsked, by: str, *, data: ClinicData, journal: Journal, memory: SiteHistory, clock: StationClock
) -> Approval:
    """Checks and keeps an approval. Raises ControlRefused, QuantityError, JournalError, MemoryUnavailable."""
    approval = approval_of(
        asked,
        by,
        name=f"ap-{secrets.token_hex(APPROVAL_BYTES)}",
        today=clock.utc().date(),
        operators=data.operators,
        library=data.library,
    )
    await keep_approval(approval, journal, memory)
    return approval


def records_of_site(
    settings: StationSettings, clock: StationClock, last: AsyncExitStack
) -> tuple[SiteLedger, SitePens]:
    """What the site knows of cartridges and of pens, as this station asks it; closed with ``last``."""
    ledger = SiteLedger(settings.ledger_path, site=settings.ledger, utc_now=clock.utc)
    last.callback(ledger.close)
    pens = SitePens(settings.pens_path, site=settings.ledger, utc_now=clock.utc)
    last.callback(pens.close)
    return ledger, pens


def make_directories(settings: StationSettings) -> None:
    """Makes the places of record and sockets, for this user alone. Raises StationFailure."""
    for directory in (settings.state_dir, settings.runtime_dir):
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StationFailure(
                Trouble(
                    "directory",
                    f"The directory {directory} cannot be made: {error.strerror or error}.",
                    "The record is kept there; without it nothing is treated.",
                    "Give this user the place, or choose another with --state.",
                ),
                Exit.JOURNAL,
            ) from error
