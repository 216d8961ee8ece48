"""The station's own process, as ``python -m station`` runs it, with an ear at its ticks and at every STOP it writes.

Argument: file to write what was heard to, at the end. The first line of standard input is the station's settings; its
end ends the station in good order.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import station.process.running
import station.service
from controller.session import SessionDriver
from firmware_bridge.link import Link
from station.settings import StationSettings

_STDIN = 0


class Heard:
    """Ticks as (monotonic ns, s late); STOPs as (ns of the call, ns when all bytes had been given to the system)."""

    def __init__(self) -> None:
        self.ticks: list[tuple[int, float]] = []
        self.stops: list[tuple[int, int]] = []

    def tick(self, late_s: float) -> None:
        """A tick, so late."""
        self.ticks.append((time.monotonic_ns(), late_s))

    def listen_to_stop(self) -> None:
        """From now on every STOP of every link is timed."""
        link_stop = Link.stop
        stops = self.stops

        def stop(link: Link) -> None:
            called_ns = time.monotonic_ns()
            link_stop(link)
            if not link._transport.unsent_bytes:
                stops.append((called_ns, time.monotonic_ns()))

        setattr(Link, "stop", stop)  # noqa: B010  a method is not assigned to without a word


def main() -> int:
    """Runs the station; its exit code."""
    settings = StationSettings.model_validate_json(sys.stdin.buffer.readline())
    heard = Heard()
    heard.listen_to_stop()

    def driver(*arguments: Any, **options: Any) -> SessionDriver:
        return SessionDriver(*arguments, **options, tick_observer=heard.tick)

    station.service.SessionDriver = driver  # type: ignore[assignment, attr-defined]
    code = station.process.running.station_main(settings, leash=_STDIN)
    Path(sys.argv[1]).write_text(json.dumps({"ticks": heard.ticks, "stops": heard.stops}), encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main())
