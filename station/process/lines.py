"""What a process tells its supervisor: one JSON line on standard output, that it is ready or why it cannot start."""

import json
import sys
from collections.abc import Callable
from typing import Any

from station.errors import Trouble

Announce = Callable[[dict[str, Any]], None]


def say_line(said: dict[str, Any]) -> None:
    """One JSON line on standard output."""
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


def failure_line(name: str, trouble: Trouble) -> dict[str, Any]:
    """What a process called ``name`` says that cannot start."""
    return {"failed": name, "code": trouble.code, "what": trouble.what, "means": trouble.means, "do": trouble.do}
