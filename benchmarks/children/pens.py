"""Simulated pens, each behind a pseudo-terminal of its own, in one process. Argument: how many.

Prints one JSON line with their addresses; ends with standard input.
"""

import asyncio
import json
import random
import sys
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime

from simulators.endpoints.live import LivePen
from simulators.endpoints.pty import PtyEndpoint
from simulators.pen import SimulatedPen
from simulators.personality import NW_1


async def serve(count: int) -> None:
    """Serves until standard input ends."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, ended.set)
    today = datetime.now(UTC).date()
    with ExitStack() as stack:
        lives = [
            LivePen(SimulatedPen(replace(NW_1, serial=f"BENCH-{number}"), rng=random.Random(number), today=today))
            for number in range(count)
        ]
        urls = [stack.enter_context(PtyEndpoint(live)).url for live in lives]
        async with asyncio.TaskGroup() as tasks:
            living = [tasks.create_task(live.run(), name="pen") for live in lives]
            print(json.dumps({"urls": urls}), flush=True)
            await ended.wait()
            print(json.dumps({"stalled_ms": sum(live.stalled_ms for live in lives)}), flush=True)
            for task in living:
                task.cancel()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
