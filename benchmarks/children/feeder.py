"""A station's publisher over a journal that is full: hands everything over to whoever gives receipts.

The journal's path is its argument; the broker's URL and the word to begin come by standard input. Prints a JSON line
when it is connected, and the seconds from then until everything is receipted.
"""

import asyncio
import json
import random
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from logger.bus.mqtt import BrokerUrl
from logger.bus.publisher import Publisher
from logger.bus.topics import Topics
from logger.journal.journal import Journal

SITE, STATION = "bench", "room-1"


async def feed(path: Path, broker: BrokerUrl) -> float:
    """Seconds until all of the journal is receipted."""
    async with Journal(
        path, station=STATION, utc_now=lambda: datetime.now(UTC), monotonic_ms=lambda: time.monotonic_ns() // 1_000_000
    ) as journal:
        publisher = Publisher(
            journal=journal, topics=Topics(SITE, STATION), broker=broker, software="needlework bench",
            utc_now=lambda: datetime.now(UTC), random=random.Random(1), alarms=lambda: (), live=lambda: (),
        )  # fmt: skip
        began = time.perf_counter()
        running = asyncio.create_task(publisher.run(), name="publisher")
        await publisher.drained()
        took = time.perf_counter() - began
        running.cancel()
        await asyncio.wait({running})
        return took


if __name__ == "__main__":
    url = BrokerUrl.parse(sys.stdin.readline().strip())
    print(json.dumps({"took_s": asyncio.run(feed(Path(sys.argv[1]), url))}), flush=True)
