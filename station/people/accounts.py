"""Who may sign in: accounts of this station, their passwords and lock-outs, in an SQLite file of their own.

Apart from the journal, because what is in here never leaves the machine, and read by nobody but its owner. An account's
id is the operator's in the clinic's operators file; ids that begin with ``demo-`` belong to the examples and cannot be
taken. Time comes in as a parameter, seconds since 1970 UTC.

Every change leaves a row in ``noted`` in the same transaction, for the station to journal: also what is done while no
station runs, and what one did not get to journal before it died.
"""

import re
import sqlite3
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from controller.operators import NAME
from station.errors import AccountRefused, AccountsUnusable, SignInRefused, Trouble
from station.people.passwords import LockOut, check_password, normal, usual_hasher
from station.site.private_database import PrivateDatabase

Role = Literal["operator", "physician", "manager", "technician"]
"""operator: takes seats; physician: takes seats, approves; manager: looks after accounts;
technician: services pens, and treats nobody."""

DEMO = "demo-"
STRANGERS_KEPT = 256
"""Names without an account whose failures are counted: as many as there are typing mistakes in a day, and more."""

_APPLICATION_ID = 0x4E574143  # "NWAC": a file of another kind is told apart
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS accounts (account TEXT PRIMARY KEY, role TEXT NOT NULL, hash TEXT NOT NULL, "
    "disabled INTEGER NOT NULL DEFAULT 0, failures INTEGER NOT NULL DEFAULT 0, "
    "locked_until_s INTEGER NOT NULL DEFAULT 0, created_s INTEGER NOT NULL, changed_s INTEGER NOT NULL) STRICT;"
    "CREATE TABLE IF NOT EXISTS noted (number INTEGER PRIMARY KEY AUTOINCREMENT, what TEXT NOT NULL, "
    "account TEXT NOT NULL) STRICT;"
)


@dataclass(frozen=True, slots=True)
class Account:
    """An account as it may be shown. ``locked`` says until when (seconds since 1970), None for not; ``for_good`` needs
    a manager."""

    account: str
    role: Role
    disabled: bool
    failures: int
    locked_until_s: int | None
    for_good: bool


@dataclass(frozen=True, slots=True)
class Noted:
    """Something to be journalled."""

    number: int
    what: str
    account: str


class Accounts:
    """The accounts in one file. Every call may take as long as a password's hash does: keep it off event loops."""

    def __init__(self, path: Path, *, hasher: PasswordHasher | None = None, lock_out: LockOut | None = None) -> None:
        """Opens ``path``, made where absent. Raises AccountsUnusable, and leaves a damaged file as it is."""
        self._path = path
        self._hasher = hasher or usual_hasher()
        self._lock_out = lock_out or LockOut()
        self._strangers: OrderedDict[str, tuple[int, int]] = OrderedDict()
        # Verified against where there is no account, so that an unknown name takes as long as a known one.
        self._nobody = self._hasher.hash("nobody's password, whatever is typed")
        self._database = PrivateDatabase(path, _APPLICATION_ID, _SCHEMA, self._trouble)

    def close(self) -> None:
        """Releases the file. Safe to call twice."""
        self._database.close()

    # Signing in -------------------------------------------------------------------------------------------------------

    def sign_in(self, account: str, password: str, now_s: int) -> Role:
        """The role of whoever signs in. Raises SignInRefused, AccountsUnusable.

        A name that has no account fails as one that has, after the same time and with the same waits.
        """
        with self._database.reading():
            row = self._database.execute(
                "SELECT role, hash, disabled, failures, locked_until_s FROM accounts WHERE account = ?", (account,)
            ).fetchone()
            if row is None:
                failures, locked_until_s = self._strangers.get(account, (0, 0))
                role, hashed, disabled = "operator", self._nobody, False
            else:
                role, hashed, disabled, failures, locked_until_s = row
            self._not_locked(failures, locked_until_s, now_s)
            if not self._verified(hashed, password) or row is None:
                self._failed(account, failures + 1, now_s, known=row is not None)
                self._not_empty()
                raise SignInRefused(_wrong(self._lock_out.wait_s(failures + 1)))
            if disabled:
                with self._database.change():
                    self._note("sign_in_refused", account)
                raise SignInRefused(
                    Trouble(
                        "account_disabled",
                        f"The account {account} is disabled.",
                        "Nobody works under it.",
                        "A manager lets it in again with `needlework account unlock`.",
                    )
                )
            with self._database.change():
                if self._hasher.check_needs_rehash(hashed):
                    hashed = self._hasher.hash(normal(password))
                self._database.execute(
                    "UPDATE accounts SET failures = 0, locked_until_s = 0, hash = ? WHERE account = ?",
                    (hashed, account),
                )
                self._note("signed_in", account)
            return _role(role)

    def _not_empty(self) -> None:
        with self._database.reading():
            if self._database.execute("SELECT 1 FROM accounts LIMIT 1").fetchone():
                return
        raise SignInRefused(
            Trouble(
                "sign_in_refused",
                "There is no account at this station yet.",
                "Nobody was signed in.",
                "Make the first one, a manager's, and let it make the others: `needlework account add ID --role "
                "manager`. If there were accounts, this is another state directory (--state).",
            )
        )

    def _not_locked(self, failures: int, locked_until_s: int, now_s: int) -> None:
        if failures >= self._lock_out.absolute:
            raise SignInRefused(
                Trouble(
                    "locked_out",
                    f"After {self._lock_out.absolute} failures this account is locked.",
                    "No password opens it any more. STOP needs none.",
                    "A manager lets it in again with `needlework account unlock`.",
                )
            )
        if now_s < locked_until_s:
            raise SignInRefused(
                Trouble(
                    "locked_out",
                    "After several failures this account is locked for a while.",
                    "Until then no password opens it. STOP needs none.",
                    f"Wait {locked_until_s - now_s} s, or let a manager unlock it.",
                )
            )

    def _verified(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, normal(password))
        except (VerificationError, InvalidHashError):
            return False

    def _failed(self, account: str, failures: int, now_s: int, *, known: bool) -> None:
        wait_s = self._lock_out.wait_s(failures)
        locked = wait_s > 0 or failures >= self._lock_out.absolute
        with self._database.change():
            if known:
                self._database.execute(
                    "UPDATE accounts SET failures = ?, locked_until_s = ? WHERE account = ?",
                    (failures, now_s + wait_s, account),
                )
            else:
                self._strangers[account] = (failures, now_s + wait_s)
                self._strangers.move_to_end(account)
                while len(self._strangers) > STRANGERS_KEPT:
                    self._strangers.popitem(last=False)
            self._note("sign_in_refused", account if known else "")
            if locked and known:
                self._note("locked_out", account)

    # Looking after accounts -------------------------------------------------------------------------------------------

    def all(self, now_s: int) -> tuple[Account, ...]:
        """Every account, by name. Raises AccountsUnusable."""
        with self._database.reading():
            rows = self._database.execute(
                "SELECT account, role, disabled, failures, locked_until_s FROM accounts ORDER BY account"
            ).fetchall()
        return tuple(
            Account(
                account=account,
                role=_role(role),
                disabled=bool(disabled),
                failures=failures,
                locked_until_s=locked_until_s if locked_until_s > now_s else None,
                for_good=failures >= self._lock_out.absolute,
            )
            for account, role, disabled, failures, locked_until_s in rows
        )

    def add(self, account: str, role: Role, password: str, now_s: int) -> None:
        """A new account; the first of a station is a manager's. Raises AccountRefused, AccountsUnusable."""
        if not re.fullmatch(NAME, account) or account.startswith(DEMO):
            raise AccountRefused(
                Trouble(
                    "not_an_id",
                    f"{account!r} cannot be an account's id.",
                    "It stands in every record, so it has 2 to 32 small letters, digits and hyphens, and is no name of "
                    f"a person; `{DEMO}` belongs to the examples.",
                    "Choose another, the one in the operators file for somebody who treats.",
                )
            )
        check_password(account, password)
        hashed = self._hasher.hash(normal(password))
        with self._database.change():
            if role != "manager" and not self._database.execute("SELECT 1 FROM accounts LIMIT 1").fetchone():
                raise AccountRefused(
                    Trouble(
                        "manager_first",
                        "The first account of a station is a manager's.",
                        "Without one nobody could unlock or disable the others.",
                        "`needlework account add ID --role manager`",
                    )
                )
            try:
                self._database.execute(
                    "INSERT INTO accounts (account, role, hash, created_s, changed_s) VALUES (?, ?, ?, ?, ?)",
                    (account, role, hashed, now_s, now_s),
                )
            except sqlite3.IntegrityError as error:
                raise AccountRefused(
                    Trouble(
                        "account_exists",
                        f"There is an account {account} already.",
                        "Two people never share one id: the record could not tell them apart. Nothing was changed.",
                        "Choose another id, or set its password anew with `needlework account password`.",
                    )
                ) from error
            self._note("account_added", account)

    def set_password(self, account: str, password: str, now_s: int) -> None:
        """Another password. It lifts no lock-out. Raises AccountRefused, AccountsUnusable."""
        check_password(account, password)
        hashed = self._hasher.hash(normal(password))
        self._update(account, "hash = ?, changed_s = ?", (hashed, now_s), "password_changed")

    def disable(self, account: str, now_s: int) -> None:
        """Nobody signs in under it any more; its past stays. Raises AccountRefused, AccountsUnusable."""
        self._update(account, "disabled = 1, changed_s = ?", (now_s,), "account_disabled")

    def unlock(self, account: str, now_s: int) -> None:
        """Lets an account in again that was locked or disabled. Raises AccountRefused, AccountsUnusable."""
        change = "disabled = 0, failures = 0, locked_until_s = 0, changed_s = ?"
        self._update(account, change, (now_s,), "account_unlocked")

    def _update(self, account: str, change: str, values: tuple[object, ...], what: str) -> None:
        with self._database.change():
            done = self._database.execute(
                f"UPDATE accounts SET {change} WHERE account = ?",  # noqa: S608 our own columns
                (*values, account),
            )
            if not done.rowcount:
                raise AccountRefused(
                    Trouble(
                        "unknown_account",
                        f"There is no account {account}.",
                        "Nothing was changed.",
                        "`needlework account list` names those there are.",
                    )
                )
            self._note(what, account)

    # What is to be journalled -----------------------------------------------------------------------------------------

    def noted(self) -> tuple[Noted, ...]:
        """What happened and was not forgotten yet, oldest first. Raises AccountsUnusable."""
        with self._database.reading():
            rows = self._database.execute("SELECT number, what, account FROM noted ORDER BY number").fetchall()
        return tuple(Noted(*row) for row in rows)

    def forget(self, number: int) -> None:
        """What was noted up to this number is in the journal. Raises AccountsUnusable."""
        with self._database.change():
            self._database.execute("DELETE FROM noted WHERE number <= ?", (number,))

    def _note(self, what: str, account: str) -> None:
        self._database.execute("INSERT INTO noted (what, account) VALUES (?, ?)", (what, account))

    def _trouble(self, error: Exception) -> AccountsUnusable:
        return AccountsUnusable(
            Trouble(
                "accounts_file",
                f"The accounts file {self._path} cannot be used: {error}.",
                "Nobody can sign in, so nobody can treat; STOP works all the same. The file was left as it was.",
                "Check the disk and the file's permissions; a damaged file is replaced from a backup while no station "
                "runs. Records and patients' histories are in other files and are not touched by this.",
            )
        )


def _wrong(wait_s: int) -> Trouble:
    return Trouble(
        "sign_in_refused",
        "Account and password do not fit.",
        "Nobody was signed in.",
        f"Try again in {wait_s} s." if wait_s else "Try again.",
    )


def _role(text: str) -> Role:
    for role in get_args(Role):
        if role == text:
            return role  # type: ignore[no-any-return] # one of the literals
    raise ValueError(f"it knows a role {text!r} that this version does not")
