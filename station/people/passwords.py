"""What a password has to be, how it is hashed, and how failures lock an account. Pure, but for the hash's time."""

import unicodedata
from dataclasses import dataclass

from argon2 import PasswordHasher

from station.errors import AccountRefused, Trouble

PASSWORD_CHARS_MIN = 10
PASSWORD_CHARS_MAX = 200
"""Argon2 takes any length; a bound keeps a call small."""

# OWASP's least parameters for Argon2id: 34 ms here, and 19 MiB while it runs.
_TIME_COST = 2
_MEMORY_KIB = 19456
_PARALLELISM = 1


@dataclass(frozen=True, slots=True)
class LockOut:
    """How failures lock an account: ``free`` of them cost nothing, then each doubles the wait from ``first_s`` up to
    ``longest_s``; after ``absolute`` a manager has to unlock it."""

    free: int = 3
    first_s: int = 5
    longest_s: int = 900
    absolute: int = 10

    def wait_s(self, failures: int) -> int:
        """How long nobody may try after so many failures in a row."""
        beyond = failures - self.free
        return 0 if beyond < 0 else min(self.longest_s, self.first_s << min(beyond, 20))


def usual_hasher() -> PasswordHasher:
    """Argon2id as this product uses it."""
    return PasswordHasher(time_cost=_TIME_COST, memory_cost=_MEMORY_KIB, parallelism=_PARALLELISM)


def normal(password: str) -> str:
    """One form for what keyboards write in several."""
    return unicodedata.normalize("NFKC", password)


def check_password(account: str, password: str) -> None:
    """Raises AccountRefused. Length makes a password hard to guess; rules about characters make it hard to remember."""
    said = ""
    if len(password) < PASSWORD_CHARS_MIN:
        said = f"A password has at least {PASSWORD_CHARS_MIN} characters; this one has {len(password)}."
    elif len(password) > PASSWORD_CHARS_MAX:
        said = f"A password has at most {PASSWORD_CHARS_MAX} characters; this one has {len(password)}."
    elif account in password.lower() or len(set(password)) < 4:
        said = "A password is not made of the account's id or of one character."
    if said:
        raise AccountRefused(Trouble("password", said, "Nothing was changed.", "Several words in a row do well."))
