"""A publisher's sizes and times, how it stands, and what it counted."""

from dataclasses import dataclass, field

from logger.bus.broker_url import BrokerUrl
from logger.bus.mqtt import MAX_IN_FLIGHT
from logger.bus.reconnect import BackoffSettings


@dataclass(frozen=True, slots=True)
class PublisherSettings:
    """Sizes and times; the defaults suit a clinic's network."""

    batch_entries: int = 200
    batch_bytes: int = 48 * 1024  # encoding that much holds the interpreter for well under a millisecond
    window_batches: int = 16  # sent without a receipt; bounds what a recorder has to queue
    receipt_timeout_s: float = 5.0
    receipt_timeout_max_s: float = 60.0  # with no recorder there, one batch a minute is tried
    deadline_s: float = 5.0
    keepalive_s: int = 15
    live_period_s: float = 0.2
    backoff: BackoffSettings = field(default_factory=BackoffSettings)

    def __post_init__(self) -> None:
        """Raises ValueError for a window beyond what brokers take in flight."""
        if not 1 <= self.window_batches <= MAX_IN_FLIGHT:
            raise ValueError(f"window_batches must be from 1 to {MAX_IN_FLIGHT}")


@dataclass(frozen=True, slots=True)
class PublisherState:
    """For people: connected or not, how many entries wait for a receipt, and what is wrong, if anything.

    ``broker`` is the one connected to, or tried last.
    """

    connected: bool
    backlog: int
    problem: str | None
    run: str
    broker: BrokerUrl


@dataclass(slots=True)
class PublisherCounts:
    """What went out and came back since the start. Times in seconds, from a batch's sending to its receipt."""

    connections: int = 0
    batches: int = 0
    entries: int = 0
    bytes: int = 0
    receipts: int = 0
    receipted_batches: int = 0
    receipt_lag_s: float = 0.0
    """The sum over ``receipted_batches``."""
