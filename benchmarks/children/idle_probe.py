"""A 50 ms tick and nothing else, on a bare event loop: what the machine alone makes late.

Prints a JSON line when it ticks, and at the end of standard input another with every tick as (monotonic ns, s late).
"""

import asyncio
import json
import sys
import time

from controller.hosting import TICK_S


async def tick() -> list[tuple[int, float]]:
    """Ticks as the session driver does until standard input ends."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(sys.stdin, ended.set)
    ticks: list[tuple[int, float]] = []
    print(json.dumps({"ready": "probe"}), flush=True)
    due = loop.time()
    while not ended.is_set():
        due = max(due + TICK_S, loop.time() - TICK_S)
        await asyncio.sleep(max(0.0, due - loop.time()))
        ticks.append((time.monotonic_ns(), loop.time() - due))
    return ticks


if __name__ == "__main__":
    print(json.dumps({"ticks": asyncio.run(tick())}), flush=True)
