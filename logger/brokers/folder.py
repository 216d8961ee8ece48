"""The folder that `needlework broker config` writes, and adds to: a Mosquitto's files, and what each client is handed.

    broker/   mosquitto.conf passwords access server.crt server.key data/    all that the broker reads
    ca/       ca.crt ca.key          the site's own authority, where no certificate was given; to be kept elsewhere
    for/      station-room-1/ …      what goes to a client's machine: password, CA, settings.toml
    site.json                        what the folder was written for

Nothing in it is readable by others. A password stands in clear in ``for/`` alone, until that was handed over and taken
away; the broker keeps a hash of it, which a later run leaves as it is.
"""

import json
import os
import re
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from logger.brokers import certificates, mosquitto
from logger.bus.broker_url import DEFAULT_TLS_PORT
from logger.bus.topics import check_name
from logger.errors import BrokerFolderError
from logger.whole_file import replace_whole

_PASSWORD_BYTES = 24
_RENEW_BEFORE = timedelta(days=60)
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]+")


@dataclass(frozen=True, slots=True)
class OwnCertificate:
    """Files of a certificate the site has already; ``ca`` vouches for it."""

    certificate: Path
    key: Path
    ca: Path


@dataclass(frozen=True, slots=True)
class Asked:
    """What the folder is to hold. None, or empty: as it is, or as usual.

    ``hosts`` are the names and addresses by which clients reach the broker. ``handed_to`` is where the files of a
    client will lie on its machine. ``runs_as`` needs root, who gives that user the broker's files; where neither it nor
    an earlier run names a user, ``usually_as`` is the one.
    """

    site: str | None
    stations: Sequence[str]
    renew: Sequence[str]
    hosts: Sequence[str]
    port: int | None
    own: OwnCertificate | None
    handed_to: Path
    runs_as: str | None
    usually_as: str | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """What is there now. ``handed`` maps each account that has a new password to the folder that goes to it.
    ``runs_as`` is whose the broker's files are, None for this user's.
    """

    configuration: Path
    site: str
    stations: tuple[str, ...]
    hosts: tuple[str, ...]
    port: int
    handed: dict[str, Path]
    certificate_ends: datetime
    runs_as: str | None


def write_broker(folder: Path, asked: Asked, now: datetime) -> Written:
    """Writes the folder, or adds to it. Raises BrokerFolderError, TopicError; what was there before is then unchanged
    but for files that carry no decision.
    """
    try:
        return _Folder(folder, asked, now).write()
    except OSError as error:
        raise BrokerFolderError(
            f"{error.filename or folder} cannot be read or written: {error.strerror or error}. The broker's files are "
            "not complete. Give this user the place, and run the command again."
        ) from error
    except LookupError as error:
        raise BrokerFolderError(
            f"The user {asked.runs_as or 'of site.json'!r} is none of this machine, so the broker could not read its "
            "files. Nothing was changed. Install Mosquitto first, or leave --runs-as out."
        ) from error


class _Kept(BaseModel):
    """``site.json``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    site: str
    hosts: tuple[str, ...] = ()
    port: Annotated[int, Field(ge=1, le=65535)] = DEFAULT_TLS_PORT
    runs_as: str | None = None


class _Folder:
    def __init__(self, folder: Path, asked: Asked, now: datetime) -> None:
        self._root = folder.expanduser().absolute()
        self._asked = asked
        self._now = now
        self._broker = self._root / "broker"
        self._ca = self._root / "ca"
        self._for = self._root / "for"
        if any(character.isspace() for character in str(self._root)):
            raise BrokerFolderError(
                f"The folder {self._root} has a space in its path, which Mosquitto's configuration cannot name. "
                "Choose another."
            )

    def write(self) -> Written:
        asked = self._asked
        kept = self._kept()
        site = check_name("site", asked.site or kept.site)
        if kept.site not in ("", site):
            raise BrokerFolderError(
                f"{self._root} is the broker of the site {kept.site}, not of {site}. Its passwords would open the "
                "wrong topics. Choose another folder, or name its site."
            )
        hosts = tuple(asked.hosts) or kept.hosts
        port = asked.port or kept.port
        runs_as = asked.runs_as or kept.runs_as or asked.usually_as
        self._check_hosts(hosts)
        if runs_as is not None:
            _check_user(runs_as)
        passwords = self._passwords()
        known = [user.removeprefix(mosquitto.STATION_PREFIX) for user in passwords if user not in _ONCE]
        stations = tuple(dict.fromkeys([*known, *(check_name("station", name) for name in asked.stations)]))
        users = [*_ONCE, *map(mosquitto.station_user, stations)]
        renewed = [name if name in _ONCE else mosquitto.station_user(name) for name in asked.renew]
        for user in renewed:
            if user not in users:
                raise BrokerFolderError(
                    f"There is no account {user} in {self._root}, so it has no password to be renewed. Accounts are: "
                    f"{', '.join(users)}."
                )
        fresh = {
            user: secrets.token_urlsafe(_PASSWORD_BYTES) for user in users if user not in passwords or user in renewed
        }
        for user, password in fresh.items():
            passwords[user] = mosquitto.hashed(password, secrets.token_bytes(mosquitto.SALT_BYTES))
        rules = mosquitto.access_rules(site, stations)

        for place, mode in (
            (self._root, 0o711),
            (self._broker, 0o700),
            (self._broker / "data", 0o700),
            (self._for, 0o700),
        ):
            place.mkdir(parents=True, exist_ok=True)
            place.chmod(mode)
        ends = self._certificate(site, hosts)
        _write(
            self._root / "site.json",
            _Kept(site=site, hosts=hosts, port=port, runs_as=runs_as).model_dump_json(indent=2) + "\n",
        )
        _write(self._broker / "access", rules)
        configuration = self._broker / "mosquitto.conf"
        _write(configuration, mosquitto.configuration(self._broker, port=port, runs_as=runs_as))
        # Clients first: a password whose hash alone is left would have to be made again.
        handed = {user: self._hand(user, fresh[user], site, f"mqtts://{_url_host(hosts[0])}:{port}") for user in fresh}
        _write(self._broker / "passwords", "".join(f"{user}:{digest}\n" for user, digest in passwords.items()))
        if runs_as is not None:
            for path in (self._broker, *self._broker.rglob("*")):
                shutil.chown(path, runs_as)
        return Written(configuration, site, stations, hosts, port, handed, ends, runs_as)

    def _kept(self) -> "_Kept":
        path = self._root / "site.json"
        if not path.exists():
            if self._asked.site is None:
                raise BrokerFolderError(
                    f"{self._root} is new, and no site is named, which stands in every topic of the rules. "
                    "Name it with --site, as the stations' settings do."
                )
            return _Kept(site="")
        try:
            return _Kept.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise BrokerFolderError(
                f"{path} cannot be read: {error.errors()[0]['msg']}. Nothing was changed. Put it right, or begin in "
                "another folder."
            ) from error

    def _check_hosts(self, hosts: Sequence[str]) -> None:
        if not hosts:
            raise BrokerFolderError(
                "No host is named by which stations reach the broker; its certificate is good for that name alone. "
                "Name it with --host, again for each further name or address."
            )
        for host in hosts:
            if not _HOST.fullmatch(host):
                raise BrokerFolderError(
                    f"{host!r} is no host's name or address. Name the broker as stations reach it, without mqtts:// "
                    "and port."
                )

    def _passwords(self) -> dict[str, str]:
        """Account → hash, as the broker has them."""
        path = self._broker / "passwords"
        if not path.exists():
            return {}
        found: dict[str, str] = {}
        for number, line in enumerate(path.read_text().splitlines(), 1):
            user, colon, digest = line.partition(":")
            if not colon or (user not in _ONCE and not user.startswith(mosquitto.STATION_PREFIX)):
                raise BrokerFolderError(
                    f"{path}, line {number} is no account of this command. Nothing was changed, because its password "
                    "would be lost. Take the line out, or begin in another folder."
                )
            found[user] = digest
        return found

    def _certificate(self, site: str, hosts: Sequence[str]) -> datetime:
        """Sees that the broker has a certificate for its hosts; until when it is good."""
        certificate, key = self._broker / "server.crt", self._broker / "server.key"
        own = self._asked.own
        if own is not None:
            given = {name: getattr(own, name).read_bytes() for name in ("certificate", "key", "ca")}
            try:
                ends, _hosts = certificates.ends_and_hosts(given["certificate"])
                certificates.ends_and_hosts(given["ca"])
                fits = certificates.belong_together(given["certificate"], given["key"])
            except ValueError as error:
                raise BrokerFolderError(
                    f"The certificate given cannot be used: {error}. Give PEM files: --certificate, --key and --ca."
                ) from error
            if not fits:
                raise BrokerFolderError(
                    f"The key {own.key} is not the key of {own.certificate}. Give the two that belong."
                )
            _write(certificate, given["certificate"])
            _write(key, given["key"])
            _write(self._broker / "ca.crt", given["ca"])
            return ends
        if (self._broker / "ca.crt").exists() and not (self._ca / "ca.key").exists():
            # Another's certificate, or an authority that was taken away: nothing here could sign a new one.
            return certificates.ends_and_hosts(certificate.read_bytes())[0]
        ca = self._authority(site)
        if certificate.exists():
            ends, known = certificates.ends_and_hosts(certificate.read_bytes())
            if set(hosts) <= set(known) and ends - self._now > _RENEW_BEFORE:
                return ends
        try:
            made = certificates.of_broker(ca, hosts, self._now)
        except ValueError as error:
            raise BrokerFolderError(
                f"No certificate can be made with {self._ca}: {error}. Put the authority's files back as they were."
            ) from error
        _write(key, made.key)
        _write(certificate, made.certificate)
        return certificates.ends_and_hosts(made.certificate)[0]

    def _authority(self, site: str) -> certificates.Signed:
        certificate, key = self._ca / "ca.crt", self._ca / "ca.key"
        if not key.exists():
            made = certificates.authority(site, self._now)
            self._ca.mkdir(exist_ok=True)
            self._ca.chmod(0o700)
            _write(certificate, made.certificate)
            _write(key, made.key)
        found = certificates.Signed(certificate.read_bytes(), key.read_bytes())
        _write(self._broker / "ca.crt", found.certificate)
        return found

    def _hand(self, user: str, password: str, site: str, url: str) -> Path:
        """What goes to the machine of ``user``: its password, who vouches for the broker, its settings."""
        place = self._for / user
        place.mkdir(exist_ok=True)
        place.chmod(0o700)
        _write(place / password_file(user), f"{password}\n")
        _write(place / "ca.crt", (self._broker / "ca.crt").read_bytes())
        _write(place / "settings.toml", settings_text(user, site, url, self._asked.handed_to))
        return place


_ONCE = (mosquitto.RECORDER, mosquitto.WATCHER)


def settings_text(user: str, site: str, url: str, place: Path) -> str:
    """The lines of a client's settings file; its password and CA lie in ``place`` on its machine."""
    lines = [f"site = {json.dumps(site)}"]
    if user.startswith(mosquitto.STATION_PREFIX):
        lines.append(f"station = {json.dumps(user.removeprefix(mosquitto.STATION_PREFIX))}")
    prefix = "recorder" if user == mosquitto.RECORDER else "broker"
    lines += [
        f"broker = [{json.dumps(url)}]",
        f"{prefix}_user = {json.dumps(user)}",
        f"{prefix}_password_file = {json.dumps(str(place / password_file(user)))}",
        f"broker_ca_file = {json.dumps(str(place / 'ca.crt'))}",
    ]
    if user.startswith(mosquitto.STATION_PREFIX):
        lines.append("record = false  # the site's recorder runs elsewhere, with an account of its own")
    return "\n".join(lines) + "\n"


def password_file(user: str) -> str:
    """The name of the file with its password; a recorder's may lie beside a station's."""
    return "recorder-password" if user == mosquitto.RECORDER else "broker-password"


def _url_host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _check_user(name: str) -> None:
    """Before anything is written: a broker that runs would find files that it may not read. Raises LookupError."""
    import pwd  # noqa: PLC0415 there is none on Windows, where --runs-as has no meaning

    if os.geteuid() not in (0, pwd.getpwnam(name).pw_uid):
        raise BrokerFolderError(
            f"Only root can give the broker's files to the user {name}. Nothing was changed. Run the command as root, "
            "or leave --runs-as out where the broker runs as you."
        )


def _write(path: Path, content: str | bytes) -> None:
    replace_whole(path, content.encode() if isinstance(content, str) else content)
