"""The processes of a house that is killed: ``python -m tests.faults.child PART DEFECT``, orders on standard input.

``load`` is a station's journal and publisher with a stream of events in place of pens; ``recorder`` is the product's
own recorder, with a defect planted. Without one the product's own command runs it.
"""

import asyncio
import json
import os
import random
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

from logger.bus.broker_url import BrokerUrl
from logger.bus.publisher import Publisher, PublisherSettings
from logger.bus.reconnect import BackoffSettings
from logger.bus.topics import Topics
from logger.journal.journal import Journal
from logger.journal.writer import JournalLimits
from station.clock import StationClock
from tests.fixtures_brokers import SITE, STATION
from tests.logger.making import grouped, safety

BURST_MAX = 40
EVERY_S = 0.04
"""About five hundred entries a second: what twenty pens and more come to."""


async def _load(path: Path, broker: str, first: int, seed: int) -> None:
    """Journals and publishes numbered events until it is killed; says each number that the journal called durable,
    and how many milliseconds that took."""
    chance, clock, number = random.Random(seed), StationClock(), first
    journal = Journal(
        path,
        station=STATION,
        utc_now=clock.utc,
        monotonic_ms=clock.monotonic_ms,
        limits=JournalLimits(min_free_bytes=0, retry_ms=50),
    )
    publisher = Publisher(
        journal=journal,
        topics=Topics(SITE, STATION),
        broker=BrokerUrl.parse(broker),
        software="needlework test",
        utc_now=lambda: datetime.now(UTC),
        random=random.Random(seed),
        alarms=lambda: (),
        live=lambda: (),
        settings=PublisherSettings(
            receipt_timeout_s=0.5, receipt_timeout_max_s=1.0, backoff=BackoffSettings(first_s=0.05, max_s=0.2)
        ),
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(publisher.run(), name="publisher")
        sys.stdout.write("ready\n")
        while True:
            for _ in range(chance.randrange(BURST_MAX)):
                journal.emit(grouped(number), session="s-1")
                number += 1
            # One that waits for company is made durable by the flush alone.
            journal.emit(safety(number) if chance.random() < 0.5 else grouped(number), session="s-1")
            asked_s = clock.monotonic_s()
            await journal.flush()
            sys.stdout.write(f"{number} {(clock.monotonic_s() - asked_s) * 1000:.1f}\n")
            sys.stdout.flush()
            number += 1
            await asyncio.sleep(chance.uniform(0, 2 * EVERY_S))


def _leash() -> None:
    """Ends the process with whoever started it: a load that nobody watches would fill the disk."""
    sys.stdin.read()
    os._exit(0)


def main() -> int:
    """Runs one part; its exit code."""
    part, defect = sys.argv[1:3]
    if defect:
        from tests.faults.defects import plant  # noqa: PLC0415 - a child without one imports less and starts sooner

        plant(defect)
    if part == "recorder":
        from station.__main__ import main as recorder  # noqa: PLC0415 - as above

        return recorder()
    given = json.loads(sys.stdin.readline())
    threading.Thread(target=_leash, name="leash", daemon=True).start()
    asyncio.run(_load(Path(given["journal"]), given["broker"], given["first"], given["seed"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
