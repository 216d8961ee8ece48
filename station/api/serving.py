"""Serves the API inside the station's own loop, on a socket of ours, with signals left alone."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

from station.errors import StationTaken, Trouble
from station.settings import StationSettings

END_S = 1
"""How long calls under way may take to end when the station does."""
GRACE_S = 2
"""Beyond it, for the server's own ending."""


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: they end the process, and raise the signal again, before needles are out."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class ApiServer:
    """The API on its socket: bound when made, served by :meth:`run`, ended by :meth:`close`."""

    def __init__(self, api: FastAPI, listening: socket.socket) -> None:
        self._socket = listening
        self._ended = asyncio.Event()
        self._ended.set()
        self._server = _Server(
            uvicorn.Config(
                api,
                lifespan="off",
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=False,
                timeout_graceful_shutdown=END_S,
            )
        )

    async def run(self) -> None:
        """Serves until :meth:`close`."""
        self._ended.clear()
        try:
            await self._server.serve(sockets=[self._socket])
        finally:
            self._ended.set()

    async def started(self) -> None:
        """Returns when calls are answered."""
        while not self._server.started:
            await asyncio.sleep(0.005)

    async def close(self) -> None:
        """Lets calls under way end, and returns when :meth:`run` has ended, or was never begun."""
        self._server.should_exit = True
        async with asyncio.timeout(END_S + GRACE_S):
            await self._ended.wait()
        self._socket.close()


def bind_api(settings: StationSettings) -> tuple[socket.socket, str]:
    """A socket for the API, and its address for the endpoint file.

    A Unix socket left over is taken away: this process owns the journal, so whoever made it is gone. Raises
    StationTaken.
    """
    try:
        if settings.api == "unix":
            return _bind_unix(settings), f"unix:{settings.api_socket}"
        listening = socket.create_server(("127.0.0.1", 0))
        return listening, f"http://127.0.0.1:{listening.getsockname()[1]}"
    except OSError as error:
        raise StationTaken(
            Trouble(
                "api_socket",
                f"The station's socket {settings.api_socket} cannot be made: {error.strerror or error}.",
                "Without it nobody could operate the station.",
                "Give this user the directory, or choose another with --state.",
            )
        ) from error


def _bind_unix(settings: StationSettings) -> socket.socket:
    path = settings.api_socket
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(str(path))
        path.chmod(0o600)  # before it listens: nobody else ever gets in
        listening.listen(64)
    except BaseException:
        listening.close()
        raise
    return listening
