"""Hosts that treat with many pens at once, from one process. Arguments: seconds; the URLs come as a JSON line.

Prints how late each STATUS was: against the best of its pen's, by the pen's own time. Ends by itself.
"""

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from random import Random

from benchmarks.measuring import percentile
from controller.hosting import TICK_S
from firmware_bridge.errors import WireError
from firmware_bridge.handshake import open_link
from firmware_bridge.link import Link
from firmware_bridge.snapshot import PenSnapshot
from firmware_bridge.wire.operations import CARTRIDGE_READ

DEPTH_UM, RATE_MHZ = 500, 100_000
SETTLE_S = 2.0


def now_ms() -> int:
    return time.monotonic_ns() // 1_000_000


@dataclass
class Ears:
    """What is heard of one pen."""

    offsets_ms: list[float] = field(default_factory=list)
    latest: PenSnapshot | None = None
    listening: bool = False
    faults: int = 0
    lost: int = 0

    def status_seen(self, seen: PenSnapshot, sent_at_ms: int) -> None:
        self.latest = seen
        self.faults |= int(seen.faults)
        if self.listening:
            self.offsets_ms.append(time.monotonic_ns() / 1e6 - seen.pen_time_ms)

    def line_advisory(self, sentence: str) -> None:
        pass

    def link_lost(self, cause: WireError | None) -> None:
        self.lost += cause is not None


async def treat(link: Link, ears: Ears) -> None:
    while ears.latest is None:
        await asyncio.sleep(0.01)
    tag = (await link.request(CARTRIDGE_READ)).tag
    await link.arm(depth_ceiling_um=DEPTH_UM, rate_ceiling_mhz=RATE_MHZ, cartridge_tag=tag)
    loop = asyncio.get_running_loop()
    due_s = loop.time()
    while True:
        link.send_setpoint(motor=True, depth_um=DEPTH_UM, rate_mhz=RATE_MHZ, seen_pen_time_ms=ears.latest.pen_time_ms)
        due_s += TICK_S
        await asyncio.sleep(due_s - loop.time())


async def main() -> None:
    seconds, urls = float(sys.argv[1]), json.loads(sys.stdin.readline())
    heard = [Ears() for _ in urls]
    links = []
    for number, (url, ears) in enumerate(zip(urls, heard, strict=True)):
        links.append(await open_link(url, ears, monotonic_ms=now_ms, random=Random(number)))
    tasks = []
    for link, ears in zip(links, heard, strict=True):
        tasks.append(asyncio.create_task(treat(link, ears)))
        await asyncio.sleep(TICK_S / len(links))  # as pens are, that were not switched on in one moment
    await asyncio.sleep(SETTLE_S)
    print(json.dumps({"ready": "hosts"}), flush=True)
    for ears in heard:
        ears.listening = True
    await asyncio.sleep(seconds)
    leases = sum(link.lease != 0 for link in links)
    for ears in heard:
        ears.listening = False
    for task in tasks:
        task.cancel()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    broke = [repr(end) for end in ends if isinstance(end, Exception)]
    for link in links:
        link.stop()
        await link.close()
    late_ms = [offset - min(ears.offsets_ms) for ears in heard for offset in ears.offsets_ms]
    print(
        json.dumps(
            {
                "status": len(late_ms),
                "p50_ms": percentile(late_ms, 0.5),
                "p999_ms": percentile(late_ms, 0.999),
                "worst_ms": max(late_ms),
                "stopped": len(links) - leases,
                "faulted": sum(ears.faults != 0 for ears in heard),
                "lost": sum(ears.lost for ears in heard),
                "broke": broke[:3],
            }
        ),
        flush=True,
    )


if __name__ == "__main__":
    asyncio.run(main())
