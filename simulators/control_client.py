"""A client of the control socket (:mod:`simulators.control`), for scripts and the command line. It blocks."""

import json
import socket
from pathlib import Path
from typing import Any, Self

from simulators.errors import ControlRefused, NoControl

ANSWER_S = 10.0
"""An answer takes milliseconds; what is waited for comes on top."""

ANSWER_MAX_BYTES = 4 * 1024 * 1024


class ControlClient:
    """One connection to the control socket at ``path``. A context manager closes it. Raises NoControl."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held = b""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(ANSWER_S)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise NoControl(
                f"No simulated pen answers at {path}: {(error.strerror or str(error)).lower()}. "
                f"Serve one with needlework simulate --control {path}"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._socket.close()

    def ask(self, do: str, /, **fields: object) -> dict[str, Any]:
        """Asks for one thing and returns the answer. Raises ControlRefused, NoControl."""
        within_ms = fields.get("within_ms")
        self._socket.settimeout(ANSWER_S + (within_ms / 1000 if isinstance(within_ms, int) else 0))
        try:
            self._socket.sendall(json.dumps({"do": do, **fields}).encode() + b"\n")
            answer = json.loads(self._line())
        except (OSError, ValueError) as error:
            raise NoControl(f"{self._path} does not answer as a control socket does. Is it one?") from error
        if not isinstance(answer, dict):
            raise NoControl(f"{self._path} does not answer as a control socket does. Is it one?")
        if answer.pop("ok", False) is not True:
            refused = answer.get("error", {})
            raise ControlRefused(str(refused.get("because")), str(refused.get("sentence")), answer)
        return answer

    def _line(self) -> bytes:
        while b"\n" not in self._held:
            chunk = self._socket.recv(65_536)
            if not chunk or len(self._held) > ANSWER_MAX_BYTES:
                raise ConnectionError("no whole line")
            self._held += chunk
        line, _, self._held = self._held.partition(b"\n")
        return line
