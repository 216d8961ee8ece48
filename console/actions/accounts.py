"""`needlework account`: through the station when one runs, on the accounts file itself when none does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, get_args

from rich.table import Table
from rich.text import Text

from console.exits import Code
from console.passwords import ask, ask_new
from console.screen import out, print_json, say
from console.trouble import ConsoleError, Told
from station.api.client import StationClient
from station.api.models import AccountStatus
from station.errors import StationUnreachable
from station.people.accounts import Role
from station.people.offline import signed_in_offline
from station.settings import StationSettings


class Person(Protocol):
    """What somebody signed in can do with accounts, through a station or without one."""

    async def accounts(self) -> tuple[AccountStatus, ...]: ...
    async def add_account(self, account: str, role: Role, password: str) -> None: ...
    async def set_password(self, account: str, password: str) -> None: ...
    async def disable(self, account: str) -> None: ...
    async def unlock(self, account: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Change:
    """What is asked for: on which account, by whom (empty for nobody), with that person's password from where."""

    settings: StationSettings
    account: str
    by: str
    password_file: Path | None
    as_json: bool


def add(change: Change, role: str, new_password_file: Path | None) -> int:
    """Makes an account. Raises StationError, ConsoleError."""
    found = next((one for one in get_args(Role) if one == role), None)
    if found is None:
        known = ", ".join(get_args(Role))
        raise ConsoleError(Told("usage", f"There is no role {role!r}; there are {known}.", "Nothing was changed."), 2)
    mine = _own_password(change)
    if not change.by:
        asyncio.run(
            _accounts(change, mine)
        )  # without a manager only the first is made: said before a password is asked
    password = ask_new(change.account, new_password_file)
    return _done(change, mine, "added", lambda person: person.add_account(change.account, found, password))


def set_password(change: Change, new_password_file: Path | None) -> int:
    """Sets another password. Raises StationError, ConsoleError."""
    mine = _own_password(change)
    password = ask_new(change.account, new_password_file)
    return _done(change, mine, "has a new password", lambda person: person.set_password(change.account, password))


def disable(change: Change) -> int:
    """Lets nobody work under an account any more. Raises StationError, ConsoleError."""
    return _done(change, _own_password(change), "disabled", lambda person: person.disable(change.account))


def unlock(change: Change) -> int:
    """Lets an account in again. Raises StationError, ConsoleError."""
    return _done(change, _own_password(change), "unlocked", lambda person: person.unlock(change.account))


def list_accounts(change: Change) -> int:
    """Prints the accounts. Raises StationError, ConsoleError."""
    found = asyncio.run(_accounts(change, _own_password(change)))
    if change.as_json:
        print_json([one.model_dump(mode="json") for one in found])
    elif not found:
        out().print(Text("No accounts yet: `needlework account add ID --role manager` makes the first."))
    else:
        say(out(), _table(found))
    return Code.DONE


async def _accounts(change: Change, password: str) -> tuple[AccountStatus, ...]:
    async with _person(change, password) as person:
        return await person.accounts()


def _table(accounts: tuple[AccountStatus, ...]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("account", "role", "state"):
        table.add_column(name)
    for one in accounts:
        wait = "" if one.locked_for_s is None else f" for {one.locked_for_s} s"
        table.add_row(one.account, one.role, one.state + wait)
    return table


def _own_password(change: Change) -> str:
    return ask(f"Password of {change.by}", change.password_file, option="--password-file") if change.by else ""


def _done(change: Change, password: str, what: str, call: Callable[[Person], Awaitable[None]]) -> int:
    async def do() -> None:
        async with _person(change, password) as person:
            await call(person)

    asyncio.run(do())
    if change.as_json:
        print_json({"account": change.account, "done": what})
    else:
        out().print(Text(f"{change.account}: {what}."))
    return Code.DONE


@asynccontextmanager
async def _person(change: Change, password: str) -> AsyncIterator[Person]:
    """Whoever does it, through the station that runs or at the file."""
    try:
        station = StationClient.of(change.settings)
        await station.status()
    except StationUnreachable:
        async with signed_in_offline(change.settings, change.by, password) as person:
            yield person
        return
    async with station:
        if not change.by:
            yield station.nobody()
            return
        async with station.signed_in(change.by, password) as person:
            yield person
