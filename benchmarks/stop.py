"""STOP while the station is busy, beside the same STOP on an event loop that has nothing else to do.

Sixteen pens are under treatment, their journal is written and published, two live views are open. STOP comes to a
seventeenth pen, through the STOP listener, at irregular times, by turns with STOPs to the idle loop. Every instant is
read from the system's monotonic clock, which all processes share: when the client begins to connect, when the link is
called, and when the system has taken the last byte for the wire.
"""

import asyncio
import http.client
import random
import statistics
import time
from bisect import bisect_left
from collections.abc import Sequence

from benchmarks.house import SPARE, house
from benchmarks.measuring import Effort, as_the_station, child_command, percentile, running
from benchmarks.results import Row, at_most, under
from station.api.endpoint import read_endpoint

SUBJECT = "stop"
TREATED = 16
PAUSE_S = 0.012
"""Mean time between STOPs, so irregular that they keep no step with the ticks."""


def _ask(port: int, path: str) -> tuple[int, int]:
    """Sends STOP over HTTP; when it began and when the answer was there, in ns."""
    began_ns = time.monotonic_ns()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("POST", path)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    if answer.status != 200:
        raise RuntimeError(f"STOP was answered with {answer.status}")
    return began_ns, time.monotonic_ns()


def _by_turns(ports: Sequence[tuple[int, str]], count: int) -> list[list[tuple[int, int]]]:
    """``count`` STOPs to each address, order alternated."""
    chance = random.Random(1)
    sent: list[list[tuple[int, int]]] = [[] for _ in ports]
    for number in range(count):
        for place in range(len(ports)) if number % 2 else reversed(range(len(ports))):
            time.sleep(chance.uniform(0, 2 * PAUSE_S))
            sent[place].append(_ask(*ports[place]))
    return sent


def _matched(sent: Sequence[tuple[int, int]], stops: Sequence[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """(asked, called, written) of each STOP sent. Raises RuntimeError for one that reached no wire.

    A link repeats STOP every tick until the pen confirms; the first one after the asking is the one asked for.
    """
    called = [stop[0] for stop in stops]
    found = []
    for asked_ns, answered_ns in sent:
        place = bisect_left(called, asked_ns)
        if place == len(stops) or stops[place][1] > answered_ns:
            raise RuntimeError("a STOP was answered and did not reach the wire before")
        found.append((asked_ns, *stops[place]))
    return found


async def stops(treated: int, count: int) -> tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]]:
    """(asked, called, written) in ns of ``count`` STOPs at a station that treats so many pens, and on the idle loop."""
    with (
        running(child_command("pens", 1)) as pen,
        running(child_command("idle_stop", pen.read()["urls"][0]), preexec_fn=as_the_station) as idle,
    ):
        idle_port: int = idle.read()["port"]
        async with house(treated) as busy:
            endpoint = read_endpoint(busy.settings)
            if endpoint is None:
                raise RuntimeError("the station does not say where STOP listens")
            ports = [(endpoint.stop_port, f"/stop/{SPARE}"), (idle_port, "/stop")]
            sent = await asyncio.to_thread(_by_turns, ports, count)
        idle.finish()
        return _matched(sent[0], busy.heard["stops"]), _matched(sent[1], idle.read()["stops"])


def measure(effort: Effort) -> list[Row]:
    """The ratio of the write itself, and the absolute figure that safety is stated in."""
    busy, idle = asyncio.run(stops(TREATED, effort.pick(100, 500)))
    write_busy, write_idle = ([(done - called) / 1e3 for _, called, done in taken] for taken in (busy, idle))
    wire_busy, wire_idle = ([(done - asked) / 1e6 for asked, _, done in taken] for taken in (busy, idle))
    return [
        Row(SUBJECT, f"STOP, call to bytes written, {TREATED} pens treating",
            statistics.median(write_busy) / statistics.median(write_idle), "×", "the same on an idle loop", at_most(2)),
        Row(SUBJECT, "STOP over HTTP to bytes written, p99", percentile(wire_busy, 0.99), "ms",
            f"idle loop {percentile(wire_idle, 0.99):.2f} ms", under(50)),
        Row(SUBJECT, "STOP over HTTP to bytes written, median", statistics.median(wire_busy), "ms",
            f"idle loop {statistics.median(wire_idle):.2f} ms"),
        Row(SUBJECT, "STOP, call to bytes written, median", statistics.median(write_busy), "µs",
            f"idle loop {statistics.median(write_idle):.0f} µs"),
    ]  # fmt: skip
