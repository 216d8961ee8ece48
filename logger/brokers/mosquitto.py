"""A Mosquitto 2 for a clinic, as text: configuration, access rules, password hashes. Reads and writes no file.

Who may do what follows from the table of topics: a station publishes what it sends and reads its receipts and its own
status; a recorder reads journals and gives receipts; a watcher reads what screens show, and publishes nothing.
"""

import base64
import hashlib
from collections.abc import Iterable
from pathlib import Path

from logger.bus.bounds import MAX_PACKET_BYTES
from logger.bus.messages import MAX_PAYLOAD_BYTES
from logger.bus.mqtt import MAX_IN_FLIGHT
from logger.bus.topics import TOPIC_TABLE, Topics, filter_of

RECORDER, WATCHER = "recorder", "watcher"
"""Accounts that a site has once. A station's has a prefix, so that none of them is called like these."""
STATION_PREFIX = "station-"

SALT_BYTES = 12  # what Mosquitto 2.0 accepts, no more and no less
_HASH_ROUNDS = 101  # Mosquitto's own; a random password of 192 bits needs none
_SESSION_BYTES = 64 * 1024 * 1024


def station_user(station: str) -> str:
    """The account of a station."""
    return STATION_PREFIX + station


def hashed(password: str, salt: bytes) -> str:
    """A password as Mosquitto keeps it: PBKDF2 with SHA-512. ``salt`` has ``SALT_BYTES`` random bytes."""
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _HASH_ROUNDS)
    return f"$7${_HASH_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def access_rules(site: str, stations: Iterable[str]) -> str:
    """The access file. Raises TopicError for names that cannot stand in a topic."""
    lines = ["# Written by `needlework broker config`, and written anew by it.", ""]
    for station in stations:
        topics = Topics(site, station)
        lines.append(f"user {station_user(station)}")
        lines += [f"topic write {topics.topic(row.leaf)}" for row in TOPIC_TABLE if row.sender == "station"]
        lines += [f"topic read {topics.topic('receipt')}", f"topic read {topics.topic('status')}", ""]
    lines += [f"user {RECORDER}", f"topic read {filter_of(site, 'journal')}"]
    lines += [f"topic write {filter_of(site, row.leaf)}" for row in TOPIC_TABLE if row.sender == "recorder"]
    lines += ["", f"user {WATCHER}"]
    lines += [f"topic read {filter_of(site, leaf)}" for leaf in ("status", "alarms", "live")]
    return "\n".join(lines) + "\n"


def configuration(folder: Path, *, port: int, runs_as: str | None) -> str:
    """``mosquitto.conf`` for files that lie in ``folder``; ``runs_as`` is the user a broker started by root becomes."""
    user = f"user {runs_as}\n" if runs_as else ""
    return f"""\
# Mosquitto 2 for Needlework. Written by `needlework broker config`, and written anew by it: change nothing here.
{user}per_listener_settings false

# TLS only, on every address of this machine.
listener {port}
protocol mqtt
certfile {folder / "server.crt"}
keyfile {folder / "server.key"}
tls_version tlsv1.2

# Nobody without a password, and everybody on topics of their own.
allow_anonymous false
password_file {folder / "passwords"}
acl_file {folder / "access"}

# The longest message a station sends is far below this. A client that sends more is cut off before it is read.
message_size_limit {MAX_PAYLOAD_BYTES}
max_packet_size {MAX_PACKET_BYTES}
max_inflight_messages {MAX_IN_FLIGHT}
max_queued_messages 1000
max_queued_bytes {_SESSION_BYTES}
max_keepalive 120

# Retained status and alarms outlive a restart. The record does not depend on it: receipts say what is stored.
persistence true
persistence_location {folder / "data"}/
autosave_interval 60

set_tcp_nodelay true
log_dest stderr
log_type error
log_type warning
log_type notice
log_type information
connection_messages true
"""


__all__ = [
    "RECORDER",
    "SALT_BYTES",
    "STATION_PREFIX",
    "WATCHER",
    "access_rules",
    "configuration",
    "hashed",
    "station_user",
]
