"""Findings about this machine, each with its remedy.

Pure: what was seen comes in as facts (:mod:`station.monitoring.probes` gathers them), findings go out. A check is a
function of the facts it reads, so every sentence here can be tested without the trouble it speaks of.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from station.monitoring.doctor_clock import ClockFacts, check_clock
from station.monitoring.doctor_ports import PortFacts, check_busybodies, check_ports
from station.monitoring.findings import Finding, Level

WANTED_NICE = -10
"""A 20 Hz tick beside busy programs came up to 149 ms late at nice 0, and 5 ms at −10."""
DISK_LOW_BYTES = 200_000_000
DISK_FULL_BYTES = 20_000_000
"""About a year of sessions, and about a month."""
FSYNC_SLOW_MS = 50.0
"""A safety row is on disk before it counts as done; slower than a tick, and a start is felt to hesitate."""


@dataclass(frozen=True, slots=True)
class BrokerFacts:
    """An MQTT broker. ``url`` carries no password."""

    url: str
    connect_ms: float | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class DiskFacts:
    """Where the record is written. ``fsync_ms`` is the median of some, ``fsync_worst_ms`` the slowest."""

    path: str
    writable: bool
    free_bytes: int = 0
    fsync_ms: float = 0.0
    fsync_worst_ms: float = 0.0
    error: str = ""


@dataclass(frozen=True, slots=True)
class PriorityFacts:
    """Whether this user may have ``WANTED_NICE``; ``error`` is the system's refusal."""

    allowed: bool
    error: str = ""


@dataclass(frozen=True, slots=True)
class SoftwareFacts:
    """Versions. A package with version None is missing."""

    python: tuple[int, int, int]
    packages: dict[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StationFacts:
    """What runs here already, and its ``broker``. ``stop_port_holder`` is who has the STOP port and is no station."""

    running_pid: int | None = None
    stop_port: int = 0
    stop_port_holder: str = ""
    broker: str = ""


@dataclass(frozen=True, slots=True)
class DataFacts:
    """The clinic's data files. ``problems`` are those a station would not start with; ``library`` is the name of one
    that can be used, ``signed_by`` its physician, empty for nobody."""

    problems: tuple[str, ...] = ()
    library: str = ""
    signed_by: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the checks read."""

    software: SoftwareFacts
    ports: tuple[PortFacts, ...]
    busybodies: tuple[str, ...]
    """Running programs known to open serial ports that are not theirs."""
    brokers: tuple[BrokerFacts, ...]
    """The brokers of the settings, in their order; none means the embedded one."""
    disk: DiskFacts
    clock: ClockFacts
    priority: PriorityFacts
    station: StationFacts
    data: DataFacts


def examine(facts: Facts) -> tuple[Finding, ...]:
    """All findings, in the order of the checks."""
    return tuple(
        finding
        for part in (
            check_software(facts.software),
            check_ports(facts.ports),
            check_busybodies(facts.busybodies, facts.ports),
            check_brokers(facts.brokers),
            check_disk(facts.disk),
            check_clock(facts.clock),
            check_priority(facts.priority),
            check_station(facts.station),
            check_data(facts.data),
        )
        for finding in part
    )


def check_software(facts: SoftwareFacts) -> Iterable[Finding]:
    """Python and the packages the station needs."""
    version = ".".join(str(part) for part in facts.python)
    if facts.python < (3, 11, 0):
        yield Finding(
            check="software",
            level=Level.PROBLEM,
            what=f"This is Python {version}; Needlework needs 3.11 or newer.",
            means="Deadlines on the wire rest on what 3.11 brought.",
            remedy="Install Needlework into an environment with a newer Python (pipx, uv tool, or venv).",
        )
    missing = sorted(name for name, found in facts.packages.items() if found is None)
    if missing:
        yield Finding(
            check="software",
            level=Level.PROBLEM,
            what=f"Missing packages: {', '.join(missing)}.",
            means="Parts of the station cannot start.",
            remedy="Install again: pip install --force-reinstall needlework.",
        )
    elif facts.python >= (3, 11, 0):
        shown = ", ".join(f"{name} {found}" for name, found in sorted(facts.packages.items()))
        yield Finding(check="software", level=Level.FINE, what=f"Python {version}; {shown}.")


def check_brokers(brokers: Sequence[BrokerFacts]) -> Iterable[Finding]:
    """The brokers answer."""
    if not brokers:
        said = "These settings name no broker: a station started with them has its own, and nothing is to be reached."
        yield Finding(check="broker", level=Level.FINE, what=said)
    for facts in brokers:
        yield _check_broker(facts)


def _check_broker(facts: BrokerFacts) -> Finding:
    if facts.error:
        return Finding(
            check="broker",
            level=Level.WARNING,
            what=facts.error,
            means="Treatment goes on without it.",
            remedy=f"Until then nothing goes over {facts.url}; docs/brokers.md has a table of refusals.",
        )
    return Finding(
        check="broker", level=Level.FINE, what=f"The broker {facts.url} lets us in, in {facts.connect_ms or 0:.0f} ms."
    )


def check_disk(facts: DiskFacts) -> Iterable[Finding]:
    """The disk under the journal: writable, roomy, quick to confirm."""
    if not facts.writable:
        yield Finding(
            check="disk",
            level=Level.PROBLEM,
            what=f"{facts.path} cannot be written: {facts.error or 'permission denied'}.",
            means="Without a journal nothing is treated.",
            remedy="Give this user the directory, or choose another with --state.",
        )
        return
    free = f"{facts.free_bytes / 1e9:.1f} GB free"
    quick = f"in {facts.fsync_ms:.1f} ms (at worst {facts.fsync_worst_ms:.1f})"
    if facts.free_bytes < DISK_LOW_BYTES:
        full = facts.free_bytes < DISK_FULL_BYTES
        yield Finding(
            check="disk",
            level=Level.PROBLEM if full else Level.WARNING,
            what=f"{facts.path}: {facts.free_bytes / 1e6:.0f} MB free.",
            means="A full disk stops a treatment, in an orderly way." if full else "Room for some weeks of sessions.",
            remedy="Free some space before the next session.",
        )
    if facts.fsync_ms > FSYNC_SLOW_MS:
        yield Finding(
            check="disk",
            level=Level.WARNING,
            what=f"{facts.path}: the disk confirms a write {quick}.",
            means="Arming and starting wait for the disk; they will feel slow.",
            remedy="Keep the state directory on a local disk, better an SSD, not on a network share.",
        )
    elif facts.free_bytes >= DISK_LOW_BYTES:
        yield Finding(
            check="disk",
            level=Level.FINE,
            what=f"{facts.path}: {free}, a write is confirmed {quick}.",
        )


def check_priority(facts: PriorityFacts) -> Iterable[Finding]:
    """The station may go before other programs."""
    if facts.allowed:
        yield Finding(check="priority", level=Level.FINE, what=f"The station may run at nice {WANTED_NICE}.")
    else:
        yield Finding(
            check="priority",
            level=Level.WARNING,
            what=f"The station may not run at nice {WANTED_NICE}: {facts.error or 'not permitted'}.",
            means="A busy computer can make it late; the pen then stops by itself, and a person has to arm it again.",
            remedy="Use the systemd unit in deploy/, or let this user: `USER - nice -10` in /etc/security/limits.conf.",
        )


def check_station(facts: StationFacts) -> Iterable[Finding]:
    """Whether a station runs, and the port STOP needs."""
    if facts.running_pid is not None:
        at = f" with the broker {facts.broker}" if facts.broker else ""
        yield Finding(
            check="station",
            level=Level.FINE,
            what=f"A station runs{at} (process {facts.running_pid}); STOP listens on port {facts.stop_port}.",
        )
    elif facts.stop_port_holder:
        yield Finding(
            check="station",
            level=Level.PROBLEM,
            what=f"Port {facts.stop_port}, where STOP listens, is held by {facts.stop_port_holder}.",
            means="The station does not start without its STOP listener.",
            remedy="End that program, or choose another port: --stop-port, or NEEDLEWORK_STOP_PORT.",
        )
    else:
        yield Finding(check="station", level=Level.FINE, what=f"No station runs; port {facts.stop_port} is free.")


def check_data(facts: DataFacts) -> Iterable[Finding]:
    """Library, operators and data sheets: whether a station starts with them, and whether it is a demonstration."""
    for problem in facts.problems:
        yield Finding(
            check="data files",
            level=Level.PROBLEM,
            what=problem,
            means="The station does not start with it.",
            remedy="Put the right file in its place; `needlework library check FILE` looks at a library.",
        )
    if facts.library and not facts.signed_by:
        yield Finding(
            check="data files",
            level=Level.NOTE,
            what=f"{facts.library}: its limits are signed by nobody, for demonstration only. Not for use on people.",
            remedy="The responsible physician signs one: `needlework library sign`.",
        )
    elif facts.library:
        signed = f"{facts.library}, signed by {facts.signed_by}."
        yield Finding(check="data files", level=Level.FINE, what=signed)
