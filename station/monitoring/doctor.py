"""Findings about this machine, each with its remedy.

Pure: what was seen comes in as facts (:mod:`station.monitoring.probes` gathers them), findings go out. A check is a
function of the facts it reads, so every sentence here can be tested without the trouble it speaks of.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum

from pydantic import BaseModel, ConfigDict

WANTED_NICE = -10
"""A 20 Hz tick beside busy programs came up to 149 ms late at nice 0, and 5 ms at −10."""
DISK_LOW_BYTES = 200_000_000
DISK_FULL_BYTES = 20_000_000
"""About a year of sessions, and about a month."""
FSYNC_SLOW_MS = 50.0
"""A safety row is on disk before it counts as done; slower than a tick, and a start is felt to hesitate."""
OLDEST_SANE_CLOCK = datetime(2025, 1, 1, tzinfo=UTC)
"""A clock before the software was written is a clock that was never set."""


class Level(IntEnum):
    """How much a finding matters."""

    FINE = 0
    NOTE = 1
    WARNING = 2
    PROBLEM = 3


class Finding(BaseModel):
    """One finding: what is so, what it means for a treatment or its record, and what to do; empty where nothing is."""

    model_config = ConfigDict(frozen=True)

    check: str
    level: Level
    what: str
    means: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class PortFacts:
    """A port, serial or USB. ``holders`` are "name (pid)" of programs that have it open, None where unseen."""

    device: str
    description: str
    exists: bool = True
    allowed: bool = True
    group: str = ""
    holders: tuple[str, ...] | None = ()


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
class ClockFacts:
    """The wall clock. ``synchronised`` is None where the system does not say."""

    now: datetime
    synchronised: bool | None = None


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
            check_busybodies(facts.busybodies),
            check_brokers(facts.brokers),
            check_disk(facts.disk),
            check_clock(facts.clock),
            check_priority(facts.priority),
            check_station(facts.station),
            check_data(facts.data),
        )
        for finding in part
    )


def worst(findings: Iterable[Finding]) -> Level:
    """The gravest level among ``findings``."""
    return max((finding.level for finding in findings), default=Level.FINE)


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


def check_ports(ports: tuple[PortFacts, ...]) -> Iterable[Finding]:
    """Each serial port: there, allowed, free."""
    if not ports:
        yield Finding(
            check="ports",
            level=Level.NOTE,
            what="No serial port on USB is to be seen; those built into the machine are listed by `needlework pens`.",
            means="A pen on USB shows up as one as soon as it is plugged in and switched on.",
            remedy="Check cable and switch; `needlework simulate --pty` gives a simulated pen to try with.",
        )
    for port in ports:
        yield _port(port)


def _port(port: PortFacts) -> Finding:
    name = f"{port.device} ({port.description})" if port.description else port.device
    if not port.exists:
        return Finding(
            check="ports",
            level=Level.PROBLEM,
            what=f"{port.device} is named as a pen's port, and is not there.",
            means="The pen is unplugged or off, or the system gave it another name.",
            remedy="Plug it in; `needlework pens` lists what is there. The udev rule in deploy/ keeps names stable.",
        )
    if not port.allowed:
        to_group = f"sudo usermod -aG {port.group} $USER, then sign in again" if port.group else "ask the administrator"
        return Finding(
            check="ports",
            level=Level.PROBLEM,
            what=f"{name}: this user may not open it.",
            means="No pen on this port can be driven.",
            remedy=f"Install the udev rule in deploy/, or: {to_group}.",
        )
    if port.holders is None:
        return Finding(
            check="ports",
            level=Level.NOTE,
            what=f"{name}: ready; whether another program holds it cannot be seen by this user.",
        )
    if port.holders:
        return Finding(
            check="ports",
            level=Level.WARNING,
            what=f"{name}: held by {', '.join(port.holders)}.",
            means="One program drives a pen; a second one on the port would garble both.",
            remedy="End that program, unless it is the station that is meant to drive this pen.",
        )
    return Finding(check="ports", level=Level.FINE, what=f"{name}: ready.")


_BUSYBODY_REMEDY = {
    "ModemManager": "The udev rule in deploy/ tells it to leave pens alone; or: systemctl disable --now ModemManager.",
    "brltty": "It takes USB serial adapters for Braille displays: sudo apt remove brltty, if nobody here uses one.",
}


def check_busybodies(running: tuple[str, ...]) -> Iterable[Finding]:
    """Programs that talk to serial ports that are not theirs."""
    for program in running:
        yield Finding(
            check="other programs",
            level=Level.WARNING,
            what=f"{program} is running; it opens serial ports to see what is on them.",
            means="A pen may be busy for half a minute after it was plugged in, or lose its port.",
            remedy=_BUSYBODY_REMEDY.get(program, f"Keep {program} away from pens."),
        )


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


def check_clock(facts: ClockFacts) -> Iterable[Finding]:
    """The wall clock is set, and kept."""
    shown = facts.now.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    if facts.now < OLDEST_SANE_CLOCK:
        yield Finding(
            check="clock",
            level=Level.PROBLEM,
            what=f"The clock reads {shown}.",
            means="Cartridges and calibrations would look valid that are long past their date.",
            remedy="Set the clock: sudo timedatectl set-ntp true.",
        )
    elif facts.synchronised is False:
        yield Finding(
            check="clock",
            level=Level.WARNING,
            what=f"The clock reads {shown} and is not kept in time by anything.",
            means="Times in the record may be off; limits and deadlines are not, they use another clock.",
            remedy="sudo timedatectl set-ntp true, or run chrony.",
        )
    else:
        kept = "kept in time" if facts.synchronised else "whether it is kept in time is not known"
        yield Finding(check="clock", level=Level.FINE, what=f"The clock reads {shown}; {kept}.")


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
            remedy="End that program, or choose another port with --stop-port.",
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
