"""Who takes a station's batches: the recorder with a store, or somebody who gives receipts and discards everything.

The store's place, or ``discard``, and the broker's URL come as a line each. Prints a JSON line when it is subscribed.
"""

import asyncio
import json
import random
import re
import sys
from contextlib import suppress
from datetime import UTC, datetime

from benchmarks.children.feeder import SITE, STATION
from logger.bus.messages import ReceiptMessage
from logger.bus.mqtt import BrokerUrl, connect
from logger.bus.recorder import run_recorder
from logger.bus.topics import Topics, filter_of, row
from logger.store.store import Store

_END_OF_BATCH = re.compile(rb'.*"sequence":(\d+),.*"hash":"([0-9a-f]{64})"', re.DOTALL)


def ready() -> None:
    """Tells that batches may come."""
    print(json.dumps({"ready": "taker"}), flush=True)


async def discard(broker: BrokerUrl) -> None:
    """Reads of each batch where it ends, confirms that, and forgets it: what the bus alone lets through."""
    topic, how = Topics(SITE, STATION).topic("receipt"), row("receipt")
    async with connect(broker, client_id="needlework-recorder-bench", deadline_s=5, keepalive_s=15) as bus:
        await bus.subscribe(filter_of(SITE, "journal"), qos=1)
        ready()
        number = 0
        async for message in bus.messages():
            found = _END_OF_BATCH.match(message.payload)
            if found is None:
                continue
            number += 1
            receipt = ReceiptMessage(
                station=STATION, recorder="discarding", number=number, contiguous=int(found[1]), hash=found[2].decode()
            )
            await bus.publish(topic, receipt.payload(), qos=how.qos, retain=how.retain)


async def main() -> None:
    """Takes until standard input ends."""
    place, broker = sys.stdin.readline().strip(), BrokerUrl.parse(sys.stdin.readline().strip())
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, ended.set)
    if place == "discard":
        await until(ended, discard(broker))
        return
    store = Store.open(place)
    recording = run_recorder(
        broker=broker, site=SITE, store=store, utc_now=lambda: datetime.now(UTC), random=random.Random(), on_ready=ready
    )
    await until(ended, recording)
    store.close()


async def until(ended: asyncio.Event, work: "asyncio.Future[None] | object") -> None:
    """Does it until the event."""
    task = asyncio.ensure_future(work)  # type: ignore[arg-type]
    await ended.wait()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


if __name__ == "__main__":
    asyncio.run(main())
