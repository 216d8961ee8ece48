"""Who may do what at this station: sign-ins, seats, accounts, approvals. Every decision about it is made here.

In a demonstration the example operators (``demo-…``) work without a password, and every answer says that it is one.
STOP asks nobody here.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

from controller.datafile import nearest
from controller.errors import ControlRefused
from controller.events import Event, SecurityEvent
from controller.operators import Operators, operator_problem
from logger.errors import RecordError
from station.api.models import AccountStatus
from station.clock import StationClock
from station.errors import AccountRefused, AccountsUnusable, NotAllowed, Trouble
from station.people.accounts import DEMO, Account, Accounts, Role
from station.people.sign_ins import SignIn, SignIns
from station.process.worker import Worker, WorkerBusy

DEADLINE_S = 10.0
"""A password takes a tenth of this to compare on a slow machine."""
WAITING_MAX = 8
"""Sign-ins that wait at a time; whoever tries passwords by the thousand gets no more than this."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Entitled:
    """Who takes a seat, by which sign-in: ``demo`` without one, and then perhaps on several pens at once."""

    operator: str
    demo: bool
    sign_in: str


class SecurityRecord(Protocol):
    """Where security events go: the journal, while a station runs."""

    def emit(self, event: Event, *, session: str | None) -> None:
        """Takes an event, at once."""

    async def flush(self) -> None:
        """Returns when it is on the disk. Raises RecordError."""


class People:
    """The people of one station."""

    def __init__(
        self,
        accounts: Accounts,
        sign_ins: SignIns,
        operators: Operators,
        *,
        journal: SecurityRecord,
        clock: StationClock,
        mode: Literal["demo", "clinic"],
    ) -> None:
        self._accounts = accounts
        self._sign_ins = sign_ins
        self._operators = operators
        self._journal = journal
        self._clock = clock
        self._mode = mode
        self._worker = Worker("accounts", deadline_s=DEADLINE_S, waiting_max=WAITING_MAX)
        self._telling = asyncio.Lock()
        self._told = 0

    async def begin(self) -> None:
        """Journals what happened to accounts while no station ran. Raises AccountsUnusable."""
        await self._tell()

    async def close(self) -> None:
        """Ends the thread, then releases the file."""
        await self._worker.close()
        self._accounts.close()

    @property
    def demo(self) -> bool:
        """Whether this is a demonstration."""
        return self._mode == "demo"

    # Signing in -------------------------------------------------------------------------------------------------------

    @property
    def idle_s(self) -> float:
        """How long a sign-in lasts without being used."""
        return self._sign_ins.idle_s

    async def sign_in(self, account: str, password: str) -> SignIn:
        """Raises SignInRefused, AccountsUnusable."""
        if self._is_example(account):
            role: Role = "physician" if self._operators.operators[account].role == "physician" else "operator"
            return self._sign_ins.begin(account, role, self._clock.monotonic_s(), demo=True)
        try:
            role = await self._do(lambda: self._accounts.sign_in(account, password, self._now_s()))
        finally:
            await self._tell()
        return self._sign_ins.begin(account, role, self._clock.monotonic_s())

    def sign_out(self, token: str) -> None:
        """Ends a sign-in; what has ended is no error."""
        ended = self._sign_ins.end(token)
        if ended is not None and not ended.demo:
            self.note("signed_out", ended.account)

    def signed_in(self, token: str, *roles: Role) -> SignIn:
        """Whose token this is, somebody of these roles. Raises SignInRefused, NotAllowed."""
        return self._sign_ins.entitled(token, roles, self._clock.monotonic_s())

    async def names_for(self, token: str, roles: tuple[Role, ...]) -> str:
        """The account of somebody who may read patients' names: signed in, of one of these roles.

        The examples of a demonstration have no password; so they may only where the site has no account yet.
        Raises SignInRefused, NotAllowed, AccountsUnusable.
        """
        found = self.signed_in(token, *roles)
        if found.demo and await self._all():
            raise NotAllowed(
                Trouble(
                    "demo_account",
                    f"{found.account} is an example without a password, and this site has accounts.",
                    "Patients' names are read by people of the site alone. Nothing was changed.",
                    "Sign in with an account of your own: `--as ID`.",
                    because=found.account,
                )
            )
        return found.account

    def seat_for(self, operator: str, token: str) -> Entitled:
        """Whether ``operator`` may sit at a pen with this sign-in.

        Raises SignInRefused, NotAllowed, and ControlRefused for somebody who may not treat at all.
        """
        if self._is_example(operator):
            return Entitled(operator, demo=True, sign_in=token)
        found = self.signed_in(token, "operator", "physician")
        if found.account != operator:
            raise NotAllowed(
                Trouble(
                    "other_account",
                    f"{found.account} is signed in, and the seat is asked for {operator}.",
                    "The record says who treated, so nobody sits in another's name. Nothing was changed.",
                    f"Let {operator} sign in.",
                    because=found.account,
                )
            )
        self.may_treat(operator)
        return Entitled(operator, demo=False, sign_in=token)

    def may_treat(self, operator: str) -> None:
        """Raises ControlRefused for somebody who is not in the operators file, or may not treat today."""
        known = self._operators.operators
        if operator not in known:
            raise ControlRefused(
                "unknown_operator",
                f"There is no operator {operator!r} in the clinic's operators file. {nearest(operator, list(known))} "
                "Nothing changed.",
            )
        problem = operator_problem(operator, known[operator], self._clock.utc().date())
        if problem is not None:
            raise ControlRefused(*problem)

    def _is_example(self, account: str) -> bool:
        return self.demo and account.startswith(DEMO) and account in self._operators.operators

    # Looking after accounts -------------------------------------------------------------------------------------------

    async def accounts(self, token: str) -> tuple[AccountStatus, ...]:
        """Every account, for a manager; that there is none, for anybody.

        Raises SignInRefused, NotAllowed, AccountsUnusable.
        """
        found = await self._all()
        if token or found:
            self.signed_in(token, "manager")
        return tuple(account_status(one, self._now_s()) for one in found)

    async def add(self, token: str, account: str, role: Role, password: str) -> None:
        """A new account, by a manager; the first one by whoever holds the machine.

        Raises SignInRefused, NotAllowed, AccountRefused, AccountsUnusable.
        """
        if token or await self._all():
            self.signed_in(token, "manager")
        await self._change(lambda: self._accounts.add(account, role, password, self._now_s()))

    async def set_password(self, token: str, account: str, password: str) -> None:
        """Another password, by its owner or a manager; its sign-ins end. Raises as :meth:`add`."""
        by = self.signed_in(token, "operator", "physician", "manager", "technician")
        if by.account != account:
            self.signed_in(token, "manager")
        await self._change(lambda: self._accounts.set_password(account, password, self._now_s()))
        self._sign_ins.end_account(account)

    async def disable(self, token: str, account: str) -> None:
        """Nobody works under it any more, from now on. Raises as :meth:`add`."""
        by = self.signed_in(token, "manager")
        if by.account == account:
            raise AccountRefused(
                Trouble(
                    "own_account",
                    "Nobody disables their own account.",
                    "The last manager could lock everybody out that way. Nothing was changed.",
                    "Let another manager do it.",
                )
            )
        await self._change(lambda: self._accounts.disable(account, self._now_s()))
        self._sign_ins.end_account(account)

    async def unlock(self, token: str, account: str) -> None:
        """Lets a locked or disabled account in again. Raises as :meth:`add`."""
        self.signed_in(token, "manager")
        await self._change(lambda: self._accounts.unlock(account, self._now_s()))

    # What goes into the record ----------------------------------------------------------------------------------------

    def note(self, what: Literal["signed_out", "seat_refused"], account: str) -> None:
        """Journals something that no file changed for."""
        self._journal.emit(SecurityEvent(what=what, account=account), session=None)

    async def _tell(self) -> None:
        """Journals what the accounts file noted, then lets it forget. What the disk refuses stays noted."""
        async with self._telling:
            noted = await self._do(self._accounts.noted)
            for one in noted:
                if one.number > self._told:
                    event = SecurityEvent.model_validate({"what": one.what, "account": one.account})
                    self._journal.emit(event, session=None)
                    self._told = one.number
            if noted:
                with suppress(RecordError):
                    await self._journal.flush()
                    await self._do(lambda: self._accounts.forget(noted[-1].number))

    # The file, in its thread ------------------------------------------------------------------------------------------

    async def _all(self) -> tuple[Account, ...]:
        return await self._do(lambda: self._accounts.all(self._now_s()))

    async def _change(self, call: Callable[[], None]) -> None:
        await self._do(call)
        await self._tell()

    async def _do(self, call: Callable[[], Result]) -> Result:
        try:
            return await self._worker.do(call)
        except WorkerBusy as busy:
            raise AccountsUnusable(
                Trouble(
                    "accounts_busy",
                    f"The accounts cannot be asked just now: {busy}.",
                    "Nobody was signed in and nothing is known to have changed. STOP works all the same.",
                    "Try again in a moment.",
                )
            ) from busy

    def _now_s(self) -> int:
        return int(self._clock.utc().timestamp())


def account_status(account: Account, now_s: int) -> AccountStatus:
    """An account as it is shown."""
    state: Literal["open", "disabled", "locked", "locked until a manager unlocks it"] = "open"
    if account.disabled:
        state = "disabled"
    elif account.for_good:
        state = "locked until a manager unlocks it"
    elif account.locked_until_s is not None:
        state = "locked"
    return AccountStatus(
        account=account.account,
        role=account.role,
        state=state,
        failures=account.failures,
        locked_for_s=account.locked_until_s - now_s if state == "locked" and account.locked_until_s else None,
    )
