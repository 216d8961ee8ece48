"""STOP for a person in a hurry: one call to the STOP listener, with the standard library alone.

Finds the listener as :mod:`station.settings` does; a test holds the two against each other. Whatever is unusual here
ends in None, and the caller goes the long way through :func:`station.api.stop_client.stop_now`.
"""

import http.client
import json
import os
import tomllib
from pathlib import Path
from urllib.parse import quote

STOP_HOST, STOP_PORT = "127.0.0.1", 7472
DEADLINE_S = 1.0


def _xdg(variable: str, below_home: str) -> Path:
    named = os.environ.get(variable, "")
    return Path(named) if named and Path(named).is_absolute() else Path.home() / below_home


def _setting(name: str) -> str | None:
    """A setting from the environment or the settings file, as text; None when nobody set it."""
    for variable, value in os.environ.items():
        if variable.upper() == f"NEEDLEWORK_{name.upper()}":
            return value
    named = os.environ.get("NEEDLEWORK_CONFIG")
    path = Path(named) if named else _xdg("XDG_CONFIG_HOME", ".config") / "needlework" / "station.toml"
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8")).get(name)
    except (OSError, ValueError):
        return None
    return None if found is None else str(found)


def endpoint_file(state: Path | None) -> Path:
    """Where the running station says how it is reached. ``state`` is the state directory when one was named."""
    default = _xdg("XDG_STATE_HOME", ".local/state") / "needlework"
    named = _setting("state_dir")
    state_dir = (state or (Path(named) if named else default)).expanduser().absolute()
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime and Path(runtime).is_absolute() and state_dir == default.absolute():
        return Path(runtime) / "needlework" / "station.json"
    return state_dir / "run" / "station.json"


def stop_address(state: Path | None) -> tuple[str, int]:
    """Host and port of the STOP listener: as the running station says, or else as the settings do."""
    try:
        said = json.loads(endpoint_file(state).read_text(encoding="utf-8"))
        return str(said["stop_host"]), int(said["stop_port"])
    except (OSError, ValueError, KeyError, TypeError):
        port = _setting("stop_port") or ""
        return STOP_HOST, int(port) if port.isascii() and port.isdigit() else STOP_PORT


def quick_stop(pen: str, state: Path | None) -> dict[str, object] | None:
    """STOP by the listener; its answer, or None when it gave none that makes sense."""
    host, port = stop_address(state)
    connection = http.client.HTTPConnection(host, port, timeout=DEADLINE_S)
    try:
        connection.request("POST", f"/stop/{quote(pen)}" if pen else "/stop")
        answer = connection.getresponse()
        said = json.loads(answer.read(65536))
        return said if answer.status == http.client.OK and isinstance(said, dict) and "stopped" in said else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
