"""Request–answer over a pseudo-terminal, through the full stack: link, codec, framing, transport, event loop.

The floor is a bare blocking loop of read and write on the very same descriptor. The peer is pymodbus' serial client on
a pseudo-terminal of its own, by the processor time its process spends on a request.
"""

import statistics
from collections.abc import Sequence

from benchmarks.children.exchange import EXCHANGES
from benchmarks.measuring import Effort, alternated, asked, built, child_command, median_ratio
from benchmarks.results import Row, at_least, at_most

SUBJECT = "round_trip"
TIMEOUT_S = 120.0


def measure(effort: Effort) -> list[Row]:
    """Ratios of time, medians over blocks or runs."""
    built("responder")
    rows = []
    blocks = effort.pick(20, 120)
    for loop, goal in (("asyncio", 0.60), ("uvloop", 0.75)):
        taken = asked(child_command("exchange", loop, "OUTCOME", blocks), TIMEOUT_S)
        raw, bare, stack = taken["raw"], taken["bare"], taken["stack"]
        rows += [
            Row(SUBJECT, f"request–answer, full stack on {loop}", median_ratio(raw, stack), "× its speed",
                "a bare blocking loop on the same descriptor", at_least(goal)),
            Row(SUBJECT, f"the same on {loop}", median_ratio(bare, stack), "× its speed",
                f"a bare future and reader on {loop}, no frames, no deadline"),
            Row(SUBJECT, f"one request–answer on {loop}", _each_us(stack), "µs",
                f"bare blocking loop {_each_us(raw):.0f} µs"),
        ]  # fmt: skip
    rounds = effort.pick(1, 7)
    requests = effort.pick(300, 1500)
    ours, theirs = alternated(rounds, [lambda: _client_s("link", requests), lambda: _client_s("modbus", requests)])
    rows.append(
        Row(SUBJECT, "processor time of the client", median_ratio(ours, theirs), "×",
            "pymodbus' asynchronous serial client, its own server", at_most(0.4))
    )  # fmt: skip
    rows.append(Row(SUBJECT, "processor time of a request", statistics.median(ours) * 1e6, "µs",
                    f"pymodbus {statistics.median(theirs) * 1e6:.0f} µs"))  # fmt: skip
    return rows


def _each_us(blocks: Sequence[float]) -> float:
    return statistics.median(blocks) / EXCHANGES * 1e6


def _client_s(which: str, requests: int) -> float:
    """Processor seconds of a client process for one request."""
    taken: float = asked(child_command("client", which, requests), TIMEOUT_S)["cpu_s"]
    return taken / requests
