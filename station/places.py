"""The station's files other than the journal, opened at its start: data of the clinic, accounts, patients' history."""

import secrets
from dataclasses import dataclass
from typing import Literal

from controller.history import Approval
from controller.library import Library, load_library
from controller.operators import Operators, load_operators
from controller.profiles import Profiles, load_profiles
from logger.journal import Journal
from station.accounts import Accounts
from station.approving import approval_of, keep_approval
from station.clock import StationClock
from station.history import SiteHistory
from station.models import ApproveAsked
from station.people import People, SecurityRecord
from station.settings import StationSettings
from station.sign_ins import SignIns

TOKEN_BYTES = 24
APPROVAL_BYTES = 4


@dataclass(frozen=True, slots=True)
class ClinicData:
    """What a clinic decides, read once at the start."""

    library: Library
    operators: Operators
    profiles: Profiles
    mode: Literal["demo", "clinic"]


def new_token() -> str:
    """A token nobody guesses."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def load_data(settings: StationSettings) -> ClinicData:
    """The files the settings name, or the examples shipped. Raises DataError."""
    return ClinicData(
        library=load_library(settings.library),
        operators=load_operators(settings.operators),
        profiles=load_profiles(settings.profiles),
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
