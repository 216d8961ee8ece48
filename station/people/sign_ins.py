"""Who is signed in: a random token for each sign-in, good until it has not been used for a while.

Pure: time comes in as a parameter (seconds of any monotonic clock), tokens from ``new_token``. Tokens are in memory
alone: a station that starts anew knows nobody.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace

from station.errors import NotAllowed, SignInRefused, Trouble
from station.people.accounts import Role

SIGN_INS_MAX = 256
"""Sign-ins kept at a time; beyond it the one longest unused ends."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """One sign-in. ``demo`` is one without a password, as a demonstration has them."""

    token: str
    account: str
    role: Role
    demo: bool
    used_s: float


class SignIns:
    """The sign-ins of a station."""

    def __init__(self, idle_s: float, new_token: Callable[[], str]) -> None:
        self._idle_s = idle_s
        self._new_token = new_token
        self._held: dict[str, SignIn] = {}

    @property
    def idle_s(self) -> float:
        """How long a sign-in lasts without being used."""
        return self._idle_s

    def begin(self, account: str, role: Role, now_s: float, *, demo: bool = False) -> SignIn:
        """A new sign-in."""
        self._held = {token: held for token, held in self._held.items() if now_s - held.used_s < self._idle_s}
        while len(self._held) >= SIGN_INS_MAX:
            del self._held[min(self._held.values(), key=lambda held: held.used_s).token]
        sign_in = SignIn(self._new_token(), account, role, demo, now_s)
        self._held[sign_in.token] = sign_in
        return sign_in

    def of(self, token: str, now_s: float) -> SignIn:
        """Whose token this is; asking counts as use. Raises SignInRefused."""
        found = self._find(token)
        if found is None or now_s - found.used_s >= self._idle_s:
            if found is not None:
                del self._held[found.token]
            raise SignInRefused(
                Trouble(
                    "sign_in_ended" if found else "not_signed_in",
                    "This sign-in has ended." if found else "Nobody is signed in here.",
                    "Nothing was changed. STOP works without it.",
                    "Sign in, then try again; a command does with `--as ID`.",
                )
            )
        used = replace(found, used_s=now_s)
        self._held[found.token] = used
        return used

    def entitled(self, token: str, roles: tuple[Role, ...], now_s: float) -> SignIn:
        """As :meth:`of`, for somebody of one of these roles. Raises NotAllowed too."""
        found = self.of(token, now_s)
        if found.role not in roles:
            raise NotAllowed(
                Trouble(
                    "not_allowed",
                    f"{found.account} is no {' and no '.join(roles)}.",
                    "Nothing was changed.",
                    f"Somebody with the role {' or '.join(roles)} does this.",
                    because=found.role,
                )
            )
        return found

    def end(self, token: str) -> SignIn | None:
        """Ends one; what has ended is no error."""
        found = self._find(token)
        if found is not None:
            del self._held[found.token]
        return found

    def end_account(self, account: str) -> None:
        """Ends every sign-in of an account."""
        self._held = {token: held for token, held in self._held.items() if held.account != account}

    def _find(self, token: str) -> SignIn | None:
        wanted = token.encode()
        return next((held for held in self._held.values() if hmac.compare_digest(held.token.encode(), wanted)), None)
