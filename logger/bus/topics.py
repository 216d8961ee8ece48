"""Every topic of the product: where it lies, how it is sent, who sends it. There are no command topics.

Topics are ``needlework/v1/{site}/{station}/{leaf}``. Nothing received over MQTT can move a motor: the one thing a
station listens to is `receipt`, which moves the outbox's cursor.
"""

import re
from dataclasses import dataclass
from typing import Literal

from logger.errors import TopicError

ROOT = "needlework/v1"

Leaf = Literal["status", "journal", "receipt", "alarms", "live"]


@dataclass(frozen=True, slots=True)
class TopicRow:
    """One row of the table. ``sender`` is who publishes it."""

    leaf: Leaf
    qos: int
    retain: bool
    sender: Literal["station", "recorder"]
    carries: str


TOPIC_TABLE: tuple[TopicRow, ...] = (
    TopicRow("status", 1, True, "station", "StatusMessage: birth, and as the station's last will, death"),
    TopicRow("journal", 1, False, "station", "BatchMessage: journal entries in order"),
    TopicRow("receipt", 1, False, "recorder", "ReceiptMessage: what is durably stored of this station's journal"),
    TopicRow("alarms", 1, True, "station", "AlarmsMessage: every alarm that is active or latched"),
    TopicRow("live", 0, False, "station", "LiveMessage: set and measured values for watching, five times a second"),
)
"""The table.

QoS 1 everywhere but for `live`, whose next message replaces it; the record relies on receipts, not on QoS.
"""

_ROWS = {row.leaf: row for row in TOPIC_TABLE}

# Letters, digits, dot, dash and underscore: no level separator, no wildcard, no leading `$`, and fit for a file name
# too.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def check_name(what: Literal["site", "station"], name: str) -> str:
    """Returns ``name`` when it can stand in a topic. Raises TopicError."""
    if not _NAME.fullmatch(name):
        raise TopicError(
            f"{name!r} cannot be the name of a {what}: it becomes a level of an MQTT topic. Use 1 to 63 letters, "
            "digits, dots, dashes and underscores, beginning with a letter or digit."
        )
    return name


def row(leaf: Leaf) -> TopicRow:
    """How ``leaf`` is sent."""
    return _ROWS[leaf]


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one station."""

    site: str
    station: str

    def __post_init__(self) -> None:
        """Raises TopicError for names that cannot stand in a topic."""
        check_name("site", self.site)
        check_name("station", self.station)

    def topic(self, leaf: Leaf) -> str:
        """The full topic of ``leaf``."""
        return f"{ROOT}/{self.site}/{self.station}/{leaf}"


def filter_of(site: str, leaf: Leaf) -> str:
    """The subscription filter for ``leaf`` of every station of ``site``. Raises TopicError."""
    return f"{ROOT}/{check_name('site', site)}/+/{leaf}"


def parse(topic: str) -> tuple[Topics, Leaf]:
    """Whose topic this is, and which. Raises TopicError."""
    match topic.split("/"):
        case ["needlework", "v1", site, station, leaf] if leaf in _ROWS:
            return Topics(site, station), leaf
    raise TopicError(f"{topic!r} is no topic of this product")
