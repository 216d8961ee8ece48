"""One link to one pen and the STOP listener on an event loop that has nothing else to do. Argument: the pen's URL.

Prints a JSON line with the listener's port, and at the end of standard input another with every STOP as (ns of the
call, ns when all its bytes had been given to the system).
"""

import asyncio
import json
import random
import sys
import time

from benchmarks.children.exchange import Deaf
from firmware_bridge.handshake import open_link
from station.stop import StopListener


async def serve(url: str) -> list[tuple[int, int]]:
    """Serves until standard input ends."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, ended.set)
    link = await open_link(url, Deaf(), monotonic_ms=lambda: time.monotonic_ns() // 1_000_000, random=random.Random(1))
    stops: list[tuple[int, int]] = []

    def stop(_pen: str, _source: str) -> tuple[str, ...]:
        called_ns = time.monotonic_ns()
        link.stop()
        if not link._transport.unsent_bytes:
            stops.append((called_ns, time.monotonic_ns()))
        return ("idle",)

    listener = StopListener(stop, lambda: ("idle",))
    address = await listener.listen(0)
    print(json.dumps({"port": address.port}), flush=True)
    await ended.wait()
    await listener.close()
    await link.close()
    return stops


if __name__ == "__main__":
    print(json.dumps({"stops": asyncio.run(serve(sys.argv[1]))}), flush=True)
