"""STOP over the station's API, for whoever has no event loop: the slow way, when STOP's own listener gave no answer."""

import http.client
import socket
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from station.api.client import lost, no_station
from station.api.endpoint import Endpoint, read_endpoint
from station.api.models import (
    StopAnswer,
)
from station.errors import StationUnreachable
from station.settings import StationSettings

CALL_DEADLINE_S = 15.0
"""Arming asks the pen half a dozen things, each with a deadline of its own; the sum stays under this."""
STOP_DEADLINE_S = 1.0
"""STOP takes milliseconds; a listener that has not answered in this time is given up for the next way."""
HEARTBEATS_A_PRESENCE = 4
"""Three heartbeats may be lost before a seat is."""

ACCOUNTS = "/v1/accounts"

Answer = TypeVar("Answer", bound=BaseModel)


def stop_now(settings: StationSettings, pen: str = "") -> StopAnswer:
    """STOP without an event loop, by every way there is: the STOP listener, then the API. For a person in a hurry.

    Raises StationUnreachable when neither answers.
    """
    endpoint = read_endpoint(settings)
    host, port = ("127.0.0.1", settings.stop_port) if endpoint is None else (endpoint.stop_host, endpoint.stop_port)
    try:
        return _stop_over(http.client.HTTPConnection(host, port, timeout=STOP_DEADLINE_S), f"/stop/{pen}", "")
    except (OSError, http.client.HTTPException, ValidationError) as error:
        if endpoint is None:
            raise StationUnreachable(no_station(settings)) from error
    try:
        path = f"/v1/pens/{pen}/stop" if pen else "/v1/stop"
        return _stop_over(_ApiConnection(endpoint), path, endpoint.api_key)
    except (OSError, http.client.HTTPException, ValidationError) as error:
        raise StationUnreachable(lost(error)) from error


def _stop_over(connection: http.client.HTTPConnection, path: str, key: str) -> StopAnswer:
    try:
        connection.request("POST", path, headers={"Needlework-Key": key} if key else {})
        return StopAnswer.model_validate_json(connection.getresponse().read())
    finally:
        connection.close()


class _ApiConnection(http.client.HTTPConnection):
    """The standard library's client over the API's Unix socket, or its loopback port."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._path = endpoint.api.removeprefix("unix:") if endpoint.api.startswith("unix:") else ""
        super().__init__("localhost" if self._path else endpoint.api.removeprefix("http://"), timeout=STOP_DEADLINE_S)

    def connect(self) -> None:
        """Connects."""
        if not self._path:
            super().connect()
            return
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(STOP_DEADLINE_S)
        self.sock.connect(self._path)
