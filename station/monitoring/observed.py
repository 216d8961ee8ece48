"""A station as seen from outside: its metrics served, its events logged, where the settings ask for it."""

import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from logger.bus.messages import AlarmItem
from logger.bus.publisher import Publisher
from logger.journal.journal import Journal
from station.clock import StationClock
from station.monitoring.event_log import EventLog, tell_changes
from station.monitoring.metrics import of_station, served
from station.settings import StationSettings


@asynccontextmanager
async def observed(
    settings: StationSettings,
    clock: StationClock,
    software: str,
    journal: Journal,
    publisher: Publisher | None,
    alarms: Callable[[], Sequence[AlarmItem]],
) -> AsyncIterator[dict[str, Callable[[], Coroutine[Any, Any, None]]]]:
    """For the block; the parts that have to run meanwhile, by name. Raises SettingsError."""
    log = EventLog(settings.log, "station", sys.stderr, clock.utc)
    async with served(settings.metrics_address, partial(of_station, journal, publisher, alarms)):
        log.say("started", software=software, pid=os.getpid())
        try:
            yield {"log": partial(tell_changes, log, alarms, publisher)} if log.on else {}
        finally:
            log.say("ended", depth=journal.committed - journal.acknowledged)
