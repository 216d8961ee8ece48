"""Every setting of the station, in one place: arguments, then environment, then the settings file, then defaults.

Environment variables are called ``NEEDLEWORK_`` and the setting's name; the file is ``needlework/station.toml`` in the
user's configuration directory (``$XDG_CONFIG_HOME``), or the one ``NEEDLEWORK_CONFIG`` names.
"""

import os
import platform
import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from logger.bus.broker_url import BrokerUrl
from logger.errors import BrokerUrlError
from station.errors import SettingsError, Trouble

STOP_PORT = 7472
"""Where STOP listens unless told otherwise: unassigned by IANA, below the range systems hand out by themselves."""
SOCKET_PATH_MAX_BYTES = 103
"""Longest path of a Unix socket on the systems we know: 104 bytes with its end on macOS, 108 on Linux."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$")]
"""A site, station or pen: it stands in topics, file names and URLs, so it keeps to what is safe in all of them."""


class PenSetting(BaseModel):
    """A pen this station drives: its name here, and the URL it is opened by."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    url: str = Field(min_length=1)


def _pens(value: object) -> object:
    """Pens from text: ``url`` or ``name=url``, several separated by commas or in a list."""
    if isinstance(value, str):
        value = [piece for piece in value.split(",") if piece.strip()]
    if not isinstance(value, Iterable):
        return value
    found: list[object] = []
    for number, pen in enumerate(value, 1):
        if not isinstance(pen, str):
            found.append(pen)
            continue
        name, mark, url = pen.strip().partition("=")
        if not mark or not re.fullmatch(r"[A-Za-z0-9._-]+", name):
            name, url = "pen" if number == 1 else f"pen{number}", pen.strip()
        found.append({"name": name, "url": url})
    return tuple(found)


def _brokers(value: object) -> object:
    """Brokers from text: URLs, several separated by commas or in a list. A comma inside a password separates nothing,
    for no URL begins behind it."""
    if isinstance(value, str):
        return tuple(piece.strip() for piece in re.split(r",(?=\s*\w+://)", value) if piece.strip())
    return value


def _config_file() -> Path:
    named = os.environ.get("NEEDLEWORK_CONFIG")
    return Path(named) if named else _xdg("XDG_CONFIG_HOME", ".config") / "needlework" / "station.toml"


def _xdg(variable: str, below_home: str) -> Path:
    """A directory of the XDG base directory specification; a relative value counts as unset, as it says."""
    named = os.environ.get(variable, "")
    return Path(named) if named and Path(named).is_absolute() else Path.home() / below_home


def _default_state_dir() -> Path:
    return _xdg("XDG_STATE_HOME", ".local/state") / "needlework"


def _default_station() -> str:
    host = re.sub(r"[^A-Za-z0-9._-]", "-", platform.node().split(".")[0]).strip("-._")[:32]
    return host or "station"


class StationSettings(BaseSettings):
    """The settings of one station. Times are seconds where the name ends in ``_s``."""

    model_config = SettingsConfigDict(env_prefix="NEEDLEWORK_", extra="forbid", frozen=True, validate_default=True)

    site: Name = "site"
    """The clinic, or the part of it that shares one record. Stands in every topic."""
    station: Name = Field(default_factory=_default_station)
    """This station's name at its site; unique there. Default: the computer's name."""
    state_dir: Path = Field(default_factory=_default_state_dir)
    """Journal, store and everything that has to survive a restart. One station at a time runs on it."""
    pens: Annotated[tuple[PenSetting, ...], NoDecode, BeforeValidator(_pens)] = ()
    """Pens to drive; none means that `needlework run` starts a simulated one."""
    broker: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_brokers)] = ()
    """``mqtt[s]://[user@]host[:port]``, several separated by commas or in a list, the first tried first; none means the
    embedded broker."""
    broker_user: str | None = Field(default=None, min_length=1)
    """This station's account at every broker whose URL names none."""
    broker_password_file: Path | None = None
    """A file with that account's password and nothing else. The password itself is no setting: settings are shown."""
    broker_ca_file: Path | None = None
    """Who vouches for the brokers' certificates (PEM); none means the system's authorities. For mqtts:// only."""
    recorder_user: str | None = Field(default=None, min_length=1)
    """The recorder's account, where a recorder runs here; none means the station's."""
    recorder_password_file: Path | None = None
    """As ``broker_password_file``, for the recorder's account."""
    record: bool = True
    """`needlework run` starts a recorder beside the station. Off where the site's recorder runs elsewhere."""
    store: str | None = None
    """Path or SQLAlchemy URL of the recorder's store; none means an SQLite file in the state directory."""
    library: Path | None = None
    """The clinic's signed protocol library; none means the unsigned example shipped, marked so in every record."""
    trusted_physicians: Path | None = None
    """Public keys of the physicians whose signature under a library is accepted; none means that no signature is."""
    operators: Path | None = None
    """Who may operate, and how deep; none means the examples shipped."""
    profiles: Path | None = None
    """Data sheets of pens and cartridges; none means those shipped."""
    calibration: Path | None = None
    """When pens are due, which firmware they may run, how they are calibrated; none means the example shipped."""
    laboratory: Path | None = None
    """Who answers for certificates: the laboratory's name and address as they are printed; none names nobody."""
    health: Path | None = None
    """From when on a pen's wear is worth a word; none means the example shipped."""
    retention: Path | None = None
    """How long the clinic keeps what it knows of its patients; none means the example, by which nothing is erased."""
    site_key: Path | None = None
    """The keys of the site; none means a file in the state directory. Another place keeps them from its copies."""
    ledger: str | None = None
    """Path or SQLAlchemy URL of the site's use ledger: the store of the recorder that records every station. None
    where this station is the site's only one: its own ledger knows every cartridge then."""
    scanner_sends_separators: bool = False
    """A technician has seen (`needlework cartridge read`) that the scanners here send FNC1 between fields, so that a
    code that could also be read as one without separators is read as it stands."""
    fhir_namespace: str = "https://needlework.example/fhir"
    """Where the identifiers and codes of FHIR exports stand: a URI of the clinic's own."""
    fhir_procedure: str | None = None
    """The clinic's code for the procedure in FHIR exports, ``system|code|display``; none means the product's own."""
    stop_port: int = Field(default=STOP_PORT, ge=0, le=65535)
    """Loopback port of the STOP listener; 0 takes any free one."""
    api: Literal["unix", "tcp"] = "tcp" if sys.platform == "win32" else "unix"
    """How the local API is reached: a Unix socket, or loopback TCP where there are none."""
    seat_presence_s: float = Field(default=3.0, ge=0.5, le=30.0)
    """An operator's seat not heard of for this long is lost, and a treatment pauses."""
    sign_in_idle_s: float = Field(default=900.0, ge=60.0, le=43200.0)
    """A sign-in not used for this long has ended. A seat that is held is kept by presence, not by this."""
    live_hz: float = Field(default=10.0, gt=0.0, le=20.0)
    """Most pictures a second that a live view gets."""
    metrics: str | None = None
    """``[host:]port`` where Prometheus' metrics are served, on loopback unless a host is named; none means nowhere. A
    recorder beside the station serves its own at the next port. Needs the extra `metrics`."""
    log: Literal["text", "json"] = "text"
    """``json``: one line of JSON an event on standard error, without names, for a log collector."""
    paper: Literal["a4", "letter"] = "a4"
    """What reports are laid out for."""
    captures: Path | None = None
    """A folder for recordings of what goes over each pen's wire (`needlework wire show`), one from each start of the
    station; none means that nothing is recorded. For finding faults: half a megabyte a minute and pen."""
    wait_for_pens: bool = False
    """A pen that cannot be opened at start is waited for, instead of ending the station. For a station that starts
    with the computer, and for one restarted after a failure."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, _config_file())

    @field_validator("broker")
    @classmethod
    def _brokers_are_urls(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        try:
            places = [(url.host, url.port) for url in map(BrokerUrl.parse, value)]
        except BrokerUrlError as error:
            raise ValueError(str(error)) from error
        twice = next((place for place in places if places.count(place) > 1), None)
        if twice is not None:
            raise ValueError(f"the broker at {twice[0]}:{twice[1]} is named twice; the next one is for when it is gone")
        return value

    @field_validator("ledger")
    @classmethod
    def _ledger_is_a_place(cls, value: str | None) -> str | None:
        if value is not None and "://" in value:
            from sqlalchemy import make_url  # noqa: PLC0415 takes a while; most stations have no URL here
            from sqlalchemy.exc import ArgumentError  # noqa: PLC0415 as above

            try:
                make_url(value)
            except ArgumentError as error:
                raise ValueError("it is neither a path nor a database's URL") from error
        return value

    @field_validator("metrics", mode="before")
    @classmethod
    def _metrics_is_an_address(cls, value: object) -> object:
        text = str(value) if isinstance(value, int) else value
        if not isinstance(text, str):
            return value
        host, _, port = text.rpartition(":")
        if not (port.isdecimal() and port.isascii() and int(port) < 65535) or " " in host:
            raise ValueError("it is a port below 65535, or host:port")
        return text

    @field_validator("broker_password_file", "broker_ca_file", "recorder_password_file")
    @classmethod
    def _broker_files_are_absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().absolute()

    @field_validator("captures")
    @classmethod
    def _captures_are_absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().absolute()

    @field_validator("state_dir")
    @classmethod
    def _state_dir_is_absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @model_validator(mode="after")
    def _pens_differ(self) -> Self:
        names = [pen.name for pen in self.pens]
        urls = [pen.url for pen in self.pens]
        for what, values in (("called", names), ("at", urls)):
            twice = next((value for value in values if values.count(value) > 1), None)
            if twice is not None:
                raise ValueError(f"two pens are {what} {twice!r}; each pen is named once, with a name of its own")
        return self

    @property
    def mode(self) -> Literal["demo", "clinic"]:
        """A demo works with the example library; with a library of its own a clinic has one that is signed."""
        return "demo" if self.library is None else "clinic"

    @property
    def metrics_address(self) -> tuple[str, int] | None:
        """Where metrics are served."""
        if self.metrics is None:
            return None
        host, _, port = self.metrics.rpartition(":")
        return host.strip("[]") or "127.0.0.1", int(port)

    def of_recorder_beside(self) -> Self:
        """The settings of a recorder on the same machine: one port further on."""
        if self.metrics_address is None:
            return self
        host, _, port = self.metrics.rpartition(":") if self.metrics else ("", "", "0")
        return self.model_copy(update={"metrics": f"{host}:{int(port) + 1 if int(port) else 0}".removeprefix(":")})

    @property
    def runtime_dir(self) -> Path:
        """Sockets and what names the running station: gone at restart of the computer where the system has such a
        place, otherwise below the state directory."""
        runtime = os.environ.get("XDG_RUNTIME_DIR", "")
        if runtime and Path(runtime).is_absolute() and self.state_dir == _default_state_dir().absolute():
            return Path(runtime) / "needlework"
        return self.state_dir / "run"

    @property
    def api_socket(self) -> Path:
        """The API's Unix socket."""
        return self.runtime_dir / "api.sock"

    @property
    def endpoint_file(self) -> Path:
        """Names the running station's process, API and STOP port, for clients."""
        return self.runtime_dir / "station.json"

    @property
    def journal_path(self) -> Path:
        """The station's journal."""
        return self.state_dir / "journal.sqlite"

    @property
    def ledger_path(self) -> Path:
        """This station's own use ledger."""
        return self.state_dir / "ledger.sqlite"

    @property
    def pens_path(self) -> Path:
        """Which pens are in quarantine, as far as this station knows."""
        return self.state_dir / "pens.sqlite"

    @property
    def accounts_path(self) -> Path:
        """Who may sign in. Apart from the journal, for this user alone."""
        return self.state_dir / "accounts.sqlite"

    @property
    def station_key_path(self) -> Path:
        """The key by which this station signs its journal; see `station.record.station_key`."""
        return self.state_dir / "station.key"

    @property
    def certificates_path(self) -> Path:
        """The certificates this station issued, names of customers among them; see `logger.certificate.folder`."""
        return self.state_dir / "certificates"

    @property
    def amendments_path(self) -> Path:
        """The texts of amendments, which stay at the site; see `station.site.amendments`."""
        return self.state_dir / "amendments.sqlite"

    @property
    def history_path(self) -> Path:
        """What stays at the site: visits, answers, consent references, approvals."""
        return self.state_dir / "history.sqlite"

    @property
    def key_map_path(self) -> Path:
        """Who is behind which pseudonym, encrypted. Apart from the journal, for this user alone."""
        return self.state_dir / "keymap.sqlite"

    @property
    def site_key_path(self) -> Path:
        """The keys of the site."""
        return self.site_key or self.state_dir / "site.key"

    @property
    def store_place(self) -> str:
        """The recorder's store: a path or an SQLAlchemy URL."""
        return self.store or str(self.state_dir / "store.sqlite")

    def check_paths(self) -> None:
        """Raises SettingsError where the API's socket would have a path no system takes."""
        length = len(os.fsencode(self.api_socket))
        if self.api == "unix" and length > SOCKET_PATH_MAX_BYTES:
            raise SettingsError(
                Trouble(
                    "socket_path_too_long",
                    f"The path of the station's socket, {self.api_socket}, has {length} bytes.",
                    f"Systems take {SOCKET_PATH_MAX_BYTES} at most, so no client could reach the station.",
                    "Choose a state directory with a shorter path (--state).",
                )
            )


def load_settings(**arguments: Any) -> StationSettings:
    """The settings from arguments, environment and file; arguments that are None count as not given.

    Raises SettingsError, whose sentence names the setting and where it may have come from.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    path = _config_file()
    try:
        settings = StationSettings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or "settings"
        reason = first["msg"].removeprefix("Value error, ")
        raise SettingsError(
            Trouble(
                "settings",
                f"The setting {name} cannot be used: {reason}.",
                "The station does not start on settings it would have to guess.",
                f"Correct it on the command line, in NEEDLEWORK_{name.split('.')[0].upper()}, or in {path}.",
            )
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(
            Trouble(
                "settings_file",
                f"The settings file {path} cannot be read: {error}.",
                "The station does not start on settings it would have to guess.",
                "Correct that line, or move the file away to start with defaults.",
            )
        ) from error
    settings.check_paths()
    return settings


__all__ = ["Name", "PenSetting", "StationSettings", "load_settings"]
