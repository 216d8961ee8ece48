"""Accounts looked after while no station runs: by the same rules, on the same file.

What is done is noted in the file, and journalled by the station that starts next.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from controller.events import Event
from logger.errors import JournalUnusable
from station.api.models import AccountStatus
from station.clock import StationClock
from station.people.accounts import Accounts, Role
from station.people.people import People
from station.settings import StationSettings
from station.site.places import load_data, open_people


class NoJournal:
    """There is none to write while no station runs; what is noted stays noted."""

    def emit(self, event: Event, *, session: str | None) -> None:
        """Takes an event to nowhere."""

    async def flush(self) -> None:
        """Says that nothing was kept."""
        raise JournalUnusable("No station runs, so nothing is journalled.")


class OfflinePerson:
    """Somebody signed in at the file itself, or nobody."""

    def __init__(self, people: People, token: str) -> None:
        self.people = people
        """Whose decisions it is under."""
        self.token = token
        """The sign-in; empty for nobody."""

    async def accounts(self) -> tuple[AccountStatus, ...]:
        """Every account."""
        return await self.people.accounts(self.token)

    async def add_account(self, account: str, role: Role, password: str) -> None:
        """A new account."""
        await self.people.add(self.token, account, role, password)

    async def set_password(self, account: str, password: str) -> None:
        """Another password."""
        await self.people.set_password(self.token, account, password)

    async def disable(self, account: str) -> None:
        """Nobody works under it any more."""
        await self.people.disable(self.token, account)

    async def unlock(self, account: str) -> None:
        """Lets it in again."""
        await self.people.unlock(self.token, account)


@asynccontextmanager
async def signed_in_offline(settings: StationSettings, by: str, password: str) -> AsyncIterator[OfflinePerson]:
    """Somebody signed in at the file; ``by`` empty is nobody. Raises AccountError, DataError, OSError."""
    settings.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    clock = StationClock()
    data = load_data(settings, clock.utc().date())
    people = open_people(settings, data, Accounts(settings.accounts_path), NoJournal(), clock)
    try:
        yield OfflinePerson(people, (await people.sign_in(by, password)).token if by else "")
    finally:
        await people.close()
