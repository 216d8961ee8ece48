"""The brokers a station or a recorder comes to: the settings' URLs with an account, its password and a CA."""

from pathlib import Path
from typing import Literal

from logger.bus.broker_url import BrokerUrl
from station.errors import SettingsError, Trouble
from station.settings import StationSettings

_LONGEST_PASSWORD = 65_535  # bytes, what MQTT can carry


def brokers_of(settings: StationSettings, part: Literal["station", "recorder"]) -> tuple[BrokerUrl, ...]:
    """The brokers in the order of the settings; empty where the embedded one is meant.

    Raises SettingsError for a password file that cannot be used.
    """
    user, file = settings.broker_user, settings.broker_password_file
    name = "broker_password_file"
    if part == "recorder" and settings.recorder_user is not None:
        user, file, name = settings.recorder_user, settings.recorder_password_file, "recorder_password_file"
    password = None if file is None or not settings.broker else _password(file, name)
    ca_file = None if settings.broker_ca_file is None else str(settings.broker_ca_file)
    return tuple(BrokerUrl.parse(url).coming_as(user, password, ca_file) for url in settings.broker)


def _password(path: Path, setting: str) -> str:
    """The first line of the file."""
    try:
        with path.open("rb") as file:
            found = file.read(_LONGEST_PASSWORD + 2).decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else "it is not text"
        raise _refused(path, setting, reason) from error
    password = found.removesuffix("\n").removesuffix("\r")
    if not password or "\n" in password or len(password.encode()) > _LONGEST_PASSWORD:
        raise _refused(path, setting, "it holds no password, or more than one line")
    return password


def _refused(path: Path, setting: str, reason: str) -> SettingsError:
    return SettingsError(
        Trouble(
            "broker_password",
            f"The broker's password cannot be read from {path}: {reason}.",
            "Without it the broker lets nobody in, and the record would stay on this machine.",
            f"Put the password, and nothing else, into that file, readable by this user alone, or correct {setting}.",
        )
    )
