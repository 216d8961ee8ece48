"""One JSON line an event, for a clinic's log collector: on request (the setting ``log``), on standard error.

A line has a time, the part it is of, an event's name, and numbers or codes. A station's sentences are left out: they
are for people, and some name a session.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Literal, Protocol, TextIO

from logger.bus.messages import AlarmItem
from logger.bus.publishing import PublisherState

LOOK_S = 0.2
Value = str | int | float | bool | None


class Bus(Protocol):
    """What is looked at of a publisher."""

    def state(self) -> PublisherState:
        """How it stands."""

    def suspicions(self) -> Mapping[str, int]:
        """What was refused as none of ours."""


class EventLog:
    """Writes lines, or with ``form`` text nothing: what is written for people is written by others."""

    def __init__(
        self, form: Literal["text", "json"], part: str, stream: TextIO, utc_now: Callable[[], datetime]
    ) -> None:
        self.on = form == "json"
        self._part = part
        self._stream = stream
        self._utc_now = utc_now

    def say(self, event: str, **values: Value) -> None:
        """One line. A stream that is gone or full takes nothing away from the treatment."""
        if not self.on:
            return
        utc = self._utc_now().isoformat(timespec="milliseconds")
        try:
            self._stream.write(json.dumps({"utc": utc, "part": self._part, "event": event, **values}) + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            return


async def tell_changes(log: EventLog, alarms: Callable[[], Sequence[AlarmItem]], bus: Bus | None) -> None:
    """Tells what changes about alarms and the bus, until cancelled."""
    raised: set[tuple[str, str, str]] = set()
    connected, problem = False, False
    refused: dict[str, int] = {}
    while True:
        now: set[tuple[str, str, str]] = {(alarm.pen, alarm.alarm, alarm.priority) for alarm in alarms()}
        for event, found in (("alarm_raised", now - raised), ("alarm_over", raised - now)):
            for pen, alarm, priority in sorted(found):
                log.say(event, pen=pen, alarm=alarm, priority=priority)
        raised = now
        if bus is not None:
            state = bus.state()
            if state.connected != connected:
                connected = state.connected
                log.say("bus_connected" if connected else "bus_lost", broker=str(state.broker), depth=state.backlog)
            if (state.problem is not None) != problem:
                problem = state.problem is not None
                log.say("bus_problem" if problem else "bus_well", broker=str(state.broker), depth=state.backlog)
            for kind, count in bus.suspicions().items():
                if count > refused.get(kind, 0):
                    log.say("bus_refused", kind=kind, count=count)
                    refused[kind] = count
        await asyncio.sleep(LOOK_S)
