"""Where a broker is, as whom we come, and whether by TLS."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self
from urllib.parse import quote, unquote, urlsplit

from logger.errors import BrokerUrlError

DEFAULT_PORT = 1883
DEFAULT_TLS_PORT = 8883
_EXAMPLE = "Write it as mqtt://host:1883, mqtts://host:8883, or with a user as mqtts://user@host:8883."


@dataclass(frozen=True, slots=True)
class BrokerUrl:
    """Where a broker is, and as whom we come.

    With ``tls`` its certificate has to be good for ``host`` by ``ca_file`` (PEM), or by the system's authorities where
    that is None.
    """

    host: str
    port: int = DEFAULT_PORT
    username: str | None = None
    password: str | None = None
    tls: bool = False
    ca_file: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads ``mqtt[s]://[user[:password]@]host[:port]``; the port is 1883, with TLS 8883, unless given.

        Raises BrokerUrlError, whose sentence repeats neither user nor password.
        """
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError as error:
            raise BrokerUrlError(f"That is not a broker's URL: its port or host cannot be read. {_EXAMPLE}") from error
        if parts.scheme not in ("mqtt", "mqtts"):
            raise BrokerUrlError(
                f"A broker's URL begins with mqtt:// or mqtts://, this one with {parts.scheme or 'no scheme'!r}. "
                f"{_EXAMPLE}"
            )
        if not parts.hostname or port == 0:
            raise BrokerUrlError(f"The broker's URL names no host, or port 0. {_EXAMPLE}")
        if parts.path.strip("/") or parts.query or parts.fragment:
            raise BrokerUrlError(f"The broker's URL has something behind the port. {_EXAMPLE}")
        if parts.password is not None and not parts.username:
            raise BrokerUrlError(f"The broker's URL has a password and no user. {_EXAMPLE}")
        tls = parts.scheme == "mqtts"
        return cls(
            parts.hostname,
            port if port is not None else DEFAULT_TLS_PORT if tls else DEFAULT_PORT,
            unquote(parts.username) if parts.username else None,
            unquote(parts.password) if parts.password is not None else None,
            tls,
        )

    def coming_as(self, username: str | None, password: str | None, ca_file: str | None) -> Self:
        """The same broker with an account and a CA from elsewhere; a user that the URL names itself stays."""
        named = self.username is not None
        return replace(
            self,
            username=self.username if named else username,
            password=self.password if self.password is not None else password,
            ca_file=ca_file if self.tls else None,
        )

    def __str__(self) -> str:
        """The URL without its password, for people and logs."""
        user = f"{self.username}@" if self.username else ""
        return self._text(user)

    def __repr__(self) -> str:
        return f"BrokerUrl({str(self)!r})"

    def secret_text(self) -> str:
        """The URL with its password, as :meth:`parse` reads it. For handing it to another process, never for a log."""
        password = "" if self.password is None else f":{quote(self.password, safe='')}"
        return self._text(f"{quote(self.username, safe='')}{password}@" if self.username else "")

    def _text(self, user: str) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{user}{host}:{self.port}"


def in_order(brokers: BrokerUrl | Sequence[BrokerUrl]) -> tuple[BrokerUrl, ...]:
    """One broker or several, as a tuple. Raises ValueError for none."""
    found = (brokers,) if isinstance(brokers, BrokerUrl) else tuple(brokers)
    if not found:
        raise ValueError("no broker is named")
    return found


__all__ = ["DEFAULT_PORT", "DEFAULT_TLS_PORT", "BrokerUrl", "in_order"]
