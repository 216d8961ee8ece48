"""Figures for a clinic's monitoring, in Prometheus' format, on loopback unless a host is named. Off by default.

What is counted is told, never whose it is: labels are kinds from our own lists. The server runs in threads of its own
and asks the event loop for the figures, so that a scrape costs the control loop less than a millisecond and a loop that
hangs shows as a scrape that fails.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

from logger.bus.messages import AlarmItem
from logger.bus.publisher import Publisher
from logger.bus.publishing import PublisherCounts, PublisherState
from logger.bus.recorder import RecorderCounts
from logger.journal.journal import Journal
from station.errors import SettingsError, Trouble

_LOOP_ANSWERS_S = 2.0
_PRIORITIES = ("HIGH", "MEDIUM", "LOW")


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric. ``name`` has its unit at its end; ``by`` names the label of values that are told apart.

    A `summary` has two values under the keys ``count`` and ``sum``.
    """

    name: str
    kind: Literal["gauge", "counter", "summary"]
    about: str
    values: dict[str, float]
    by: str = ""


def one(name: str, kind: Literal["gauge", "counter"], about: str, value: float) -> Figure:
    """A metric without labels."""
    return Figure(name, kind, about, {"": value})


def summary(name: str, about: str, count: float, total: float) -> Figure:
    """A metric of many measured values: how many, and their sum."""
    return Figure(name, "summary", about, {"count": count, "sum": total})


def of_bus(state: PublisherState, counts: PublisherCounts, oldest_wait_s: float) -> tuple[Figure, ...]:
    """A station's way to the store."""
    return (
        one("needlework_journal_depth_entries", "gauge", "Entries journalled and not yet receipted.", state.backlog),
        one("needlework_bus_connected", "gauge", "1 while connected to a broker.", int(state.connected)),
        one(
            "needlework_bus_problem", "gauge", "1 while the way is not as it should be.", int(state.problem is not None)
        ),
        one("needlework_bus_reconnects", "counter", "Connections after the first.", max(0, counts.connections - 1)),
        summary("needlework_batch_entries", "Entries in the batches sent.", counts.batches, counts.entries),
        summary("needlework_batch_bytes", "Bytes in the batches sent.", counts.batches, counts.bytes),
        summary(
            "needlework_receipt_lag_seconds",
            "From a batch's sending to its receipt.",
            counts.receipted_batches,
            counts.receipt_lag_s,
        ),
        one("needlework_receipt_wait_seconds", "gauge", "How long the oldest batch sent waits.", oldest_wait_s),
    )


def of_alarms(alarms: Sequence[AlarmItem]) -> Figure:
    """How many are raised, by priority."""
    values = {priority: float(sum(alarm.priority == priority for alarm in alarms)) for priority in _PRIORITIES}
    return Figure("needlework_alarms", "gauge", "Alarms raised now.", values, "priority")


def of_suspicions(counts: Iterable[tuple[str, int]]) -> Figure:
    """What came over the bus that nobody of ours sends."""
    return Figure(
        "needlework_bus_suspicious",
        "counter",
        "Messages refused as none of ours, and receipts that took others back.",
        dict(counts),
        "kind",
    )


def of_station(
    journal: Journal, publisher: Publisher | None, alarms: Callable[[], Sequence[AlarmItem]]
) -> tuple[Figure, ...]:
    """A station's figures of now."""
    own = (
        one("needlework_journal_entries", "counter", "Entries on the disk.", journal.committed),
        one("needlework_journal_lost_entries", "counter", "Entries that could not be kept.", journal.lost),
        one(
            "needlework_journal_disk_fill_ratio",
            "gauge",
            "1: only the reserve is left.",
            journal.fill_permille() / 1000,
        ),
        of_alarms(alarms()),
    )
    if publisher is None:
        return own
    way = of_bus(publisher.state(), publisher.counts, publisher.oldest_wait_s())
    return (*own, *way, of_suspicions(publisher.suspicions().items()))


def of_recorder(counts: RecorderCounts) -> tuple[Figure, ...]:
    """A recorder's counts since its start."""

    def counted(name: str, about: str, value: int) -> Figure:
        return one(f"needlework_recorder_{name}", "counter", about, value)

    return (
        counted("batches", "Batches that came in.", counts.batches),
        counted("entries", "Entries stored.", counts.entries),
        counted("duplicate_entries", "Entries that were stored already.", counts.duplicates),
        counted("gaps", "Batches that began beyond what is stored.", counts.gaps),
        counted("conflicts", "Entries refused because the store has another.", counts.conflicts),
        counted("ignored", "Messages refused as no batch.", counts.ignored),
        counted("unwritable", "Batches the store could not write.", counts.unwritable),
        counted("connections", "Connections to brokers.", counts.connections),
    )


@asynccontextmanager
async def served(address: tuple[str, int] | None, figures: Callable[[], Sequence[Figure]]) -> AsyncIterator[int | None]:
    """Serves ``/metrics`` at an address for the block, where there is one; the port. Raises SettingsError.

    ``figures`` is called on the event loop.
    """
    if address is None:
        yield None
        return
    try:
        import prometheus_client  # noqa: PLC0415 an extra
    except ImportError as error:
        raise SettingsError(
            Trouble(
                "no_metrics",
                "Metrics are asked for, and the package that serves them is not installed.",
                "Nothing would be told to the clinic's monitoring.",
                "Install it: pip install 'needlework[metrics]', or leave the setting metrics out.",
            )
        ) from error
    loop = asyncio.get_running_loop()
    registry = prometheus_client.CollectorRegistry(auto_describe=False)
    registry.register(_Collector(loop, figures))
    host, port = address
    try:
        server, thread = prometheus_client.start_http_server(port, host, registry)
    except OSError as error:
        raise SettingsError(
            Trouble(
                "metrics_port",
                f"Metrics cannot be served at {host}:{port}: {error.strerror or error}.",
                "The clinic's monitoring would see nothing of this process.",
                "End what uses that port, or choose another in the setting metrics.",
            )
        ) from error
    try:
        yield int(server.server_port)
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()
        await asyncio.to_thread(thread.join)


class _Collector:
    """What Prometheus' library asks in its own thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, figures: Callable[[], Sequence[Figure]]) -> None:
        self._loop = loop
        self._figures = figures

    def collect(self) -> Iterable[Any]:
        """The figures of now, in the library's form."""
        return list(map(_family, asyncio.run_coroutine_threadsafe(self._ask(), self._loop).result(_LOOP_ANSWERS_S)))

    async def _ask(self) -> Sequence[Figure]:
        return self._figures()


def _family(figure: Figure) -> Any:
    from prometheus_client import metrics_core  # noqa: PLC0415 an extra

    if figure.kind == "summary":
        return metrics_core.SummaryMetricFamily(
            figure.name, figure.about, count_value=int(figure.values["count"]), sum_value=figure.values["sum"]
        )
    made = metrics_core.GaugeMetricFamily if figure.kind == "gauge" else metrics_core.CounterMetricFamily
    family = made(figure.name, figure.about, labels=[figure.by] if figure.by else [])
    for label, value in figure.values.items():
        family.add_metric([label] if figure.by else [], value)
    return family
