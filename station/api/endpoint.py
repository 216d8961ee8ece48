"""Where the running station is reached: a small file the station writes and its clients read."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from logger.whole_file import replace_whole
from station.settings import StationSettings


class Endpoint(BaseModel):
    """The station's process, its API and its STOP listener. ``api`` is ``unix:PATH`` or ``http://127.0.0.1:PORT``.

    ``api_key`` is asked for where the API is on TCP, which has no file permissions to keep other users out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pid: int
    api: str
    api_key: str
    stop_host: str
    stop_port: int


def write_endpoint(settings: StationSettings, endpoint: Endpoint) -> None:
    """Puts the file in place at once and whole, readable by this user alone. Raises OSError."""
    replace_whole(settings.endpoint_file, endpoint.model_dump_json().encode())


def read_endpoint(settings: StationSettings) -> Endpoint | None:
    """The endpoint of the station that runs, or ran last, on this state directory; None where there is none."""
    try:
        text = Path(settings.endpoint_file).read_text(encoding="utf-8")
        return Endpoint.model_validate_json(text)
    except (OSError, ValidationError):
        return None


def remove_endpoint(settings: StationSettings) -> None:
    """Takes the file away, at the station's end."""
    settings.endpoint_file.unlink(missing_ok=True)
