"""Gathers what :mod:`station.monitoring.doctor` judges. Reads and tries; changes nothing that lasts."""

import asyncio
import importlib.metadata
import os
import secrets
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from serial.tools import list_ports

from controller.calibration.policy import load_policy
from controller.errors import DataError
from controller.operators import load_operators
from controller.profiles import load_profiles
from firmware_bridge.discovery import FoundUsbPen, list_usb_pens
from firmware_bridge.errors import TransportError
from firmware_bridge.transports import parse_url
from firmware_bridge.transports.usb import usb_address
from logger.bus.broker_url import BrokerUrl
from logger.bus.mqtt import connect
from logger.errors import BusError
from station.api.client import StationClient
from station.api.endpoint import read_endpoint
from station.errors import SettingsError, StationError
from station.monitoring.doctor import (
    WANTED_NICE,
    BrokerFacts,
    DataFacts,
    DiskFacts,
    Facts,
    PriorityFacts,
    SoftwareFacts,
    StationFacts,
)
from station.monitoring.doctor_ports import PortFacts
from station.monitoring.probe_clock import probe_clock
from station.monitoring.probe_usb import usb_facts
from station.record.brokers import brokers_of
from station.settings import StationSettings
from station.site.libraries import clinic_library

BROKER_DEADLINE_S = 2.0
FSYNC_SAMPLES = 12
_PACKAGES = ("needlework", "aiomqtt", "amqtt", "cobs", "fastapi", "pydantic", "pyserial", "pyusb", "uvicorn")
_BUSYBODIES = ("ModemManager", "brltty")


def probe(settings: StationSettings) -> Facts:
    """All facts; takes a few seconds at most (the broker has ``BROKER_DEADLINE_S``)."""
    return Facts(
        software=probe_software(),
        ports=probe_ports(settings),
        busybodies=probe_busybodies(),
        brokers=probe_brokers(settings),
        disk=probe_disk(settings.state_dir),
        clock=probe_clock(settings.journal_path),
        priority=probe_priority(),
        station=probe_station(settings),
        data=probe_data(settings),
    )


def probe_software() -> SoftwareFacts:
    """Versions of Python and of the packages that matter."""
    found: dict[str, str | None] = {}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return SoftwareFacts(sys.version_info[:3], found)


def usb_pens() -> list[FoundUsbPen]:
    """The pens libusb reaches; none where there is no libusb, which only a pen named by usb:// would need."""
    try:
        return list_usb_pens()
    except TransportError:
        return []


def probe_usb_pens(settings: StationSettings) -> Iterator[PortFacts]:
    """The pens the settings reach over USB; others plugged in are reached by their serial lines, and not looked at."""
    urls = [pen.url for pen in settings.pens if urlsplit(pen.url).scheme == "usb"]
    plugged_in = usb_pens() if urls else []  # libusb, once loaded, stays for as long as the process
    for url in urls:
        meant = next((found for found in plugged_in if _is_meant(url, found)), None)
        yield PortFacts(url, "", exists=False) if meant is None else port_facts(meant.device, url)


def _is_meant(url: str, found: FoundUsbPen) -> bool:
    try:
        usb_id, serial_number = usb_address(parse_url(url))
    except TransportError:
        return False  # opening it says what is wrong with it
    return found.usb_id == usb_id and serial_number in (None, found.serial_number)


def probe_ports(settings: StationSettings) -> tuple[PortFacts, ...]:
    """Serial ports the system lists (built-in ones without hardware aside), and the pens the settings name."""
    listed = {port.device: port.description for port in list_ports.comports() if port.vid is not None}
    for pen in settings.pens:
        parts = urlsplit(pen.url)
        if parts.scheme == "serial" and parts.path:
            listed.setdefault(parts.path, "")
    ports = [port_facts(device, description) for device, description in sorted(listed.items())]
    return (*ports, *probe_usb_pens(settings))


def port_facts(device: str, description: str = "") -> PortFacts:
    """What is to be known of one port, without opening it."""
    path = Path(device)
    if os.name == "nt":
        return PortFacts(device, description, holders=None)
    if not path.exists():
        return PortFacts(device, description, exists=False)
    group = ""
    with suppress(KeyError, OSError):
        group = path.group().replace("root", "")  # nobody is told to join that one
    allowed = os.access(path, os.R_OK | os.W_OK)
    return PortFacts(device, description, allowed=allowed, group=group, holders=holders_of(path), usb=usb_facts(device))


def holders_of(path: Path) -> tuple[str, ...] | None:
    """The programs that have ``path`` open, as "name (pid)"; None where the system does not show them.

    Reads ``/proc``. Other users' programs are only visible to root: when there are such and none of our own holds the
    port, the answer is None, not "nobody".
    """
    if not Path("/proc/self/fd").is_dir():
        return None
    target = str(path.resolve())
    found: list[str] = []
    hidden = False
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        try:
            opened = {str(entry.readlink()) for entry in (process / "fd").iterdir()}
        except PermissionError:
            hidden = True
            continue
        except OSError:
            continue  # it ended while we looked
        if target in opened:
            found.append(f"{_program(int(process.name))} ({process.name})")
    return tuple(found) if found or not hidden else None


def _program(pid: int) -> str:
    try:
        return psutil.Process(pid).name()
    except psutil.Error:
        return "a program"


def probe_busybodies() -> tuple[str, ...]:
    """Which of the known meddlers with serial ports are running."""
    names = {process.info["name"] for process in psutil.process_iter(["name"])}
    return tuple(name for name in _BUSYBODIES if name in names)


def probe_brokers(settings: StationSettings) -> tuple[BrokerFacts, ...]:
    """Each broker of the settings, come to as the station comes to it."""
    try:
        return tuple(map(probe_broker, brokers_of(settings, "station")))
    except SettingsError as error:
        return (BrokerFacts(", ".join(str(BrokerUrl.parse(url)) for url in settings.broker), error=str(error)),)


def probe_broker(url: BrokerUrl) -> BrokerFacts:
    """Whether the broker lets us in; on an event loop of its own."""

    async def come_in() -> None:
        async with connect(
            url, client_id=f"needlework-doctor-{secrets.token_hex(8)}", deadline_s=BROKER_DEADLINE_S, keepalive_s=15
        ):
            return

    began = time.perf_counter()
    try:
        asyncio.run(come_in())
    except BusError as error:
        return BrokerFacts(str(url), error=str(error))
    return BrokerFacts(str(url), connect_ms=(time.perf_counter() - began) * 1000)


def probe_disk(state_dir: Path) -> DiskFacts:
    """Room, permission, and how long the disk takes to confirm a small write, beside the journal."""
    place = state_dir
    while not place.exists() and place != place.parent:
        place = place.parent
    taken: list[float] = []
    try:
        with tempfile.TemporaryFile(dir=place) as scratch:
            for _ in range(FSYNC_SAMPLES):
                scratch.write(b"\0" * 4096)
                scratch.flush()
                began = time.perf_counter()
                os.fsync(scratch.fileno())
                taken.append((time.perf_counter() - began) * 1000)
        free = psutil.disk_usage(str(place)).free
    except OSError as error:
        return DiskFacts(str(state_dir), writable=False, error=error.strerror or str(error))
    return DiskFacts(
        str(state_dir), writable=True, free_bytes=free, fsync_ms=statistics.median(taken), fsync_worst_ms=max(taken)
    )


def probe_priority() -> PriorityFacts:
    """Whether nice ``WANTED_NICE`` would be granted: taken, and given back at once, which is always allowed."""
    if sys.platform == "win32":
        return PriorityFacts(allowed=True)
    before = os.getpriority(os.PRIO_PROCESS, 0)
    if before <= WANTED_NICE:
        return PriorityFacts(allowed=True)
    try:
        os.setpriority(os.PRIO_PROCESS, 0, WANTED_NICE)
    except OSError as error:
        return PriorityFacts(allowed=False, error=error.strerror or str(error))
    os.setpriority(os.PRIO_PROCESS, 0, before)
    return PriorityFacts(allowed=True)


def probe_station(settings: StationSettings) -> StationFacts:
    """The station that runs on this state directory, or who else is on its STOP port."""
    endpoint = read_endpoint(settings)
    if endpoint is not None and psutil.pid_exists(endpoint.pid):
        return StationFacts(endpoint.pid, endpoint.stop_port, broker=asyncio.run(broker_of_running(settings)))
    return StationFacts(None, settings.stop_port, port_holder(settings.stop_port))


async def broker_of_running(settings: StationSettings) -> str:
    """The broker that the running station is at, whatever these settings say; empty while it does not answer."""
    try:
        async with asyncio.timeout(BROKER_DEADLINE_S), StationClient.of(settings) as station:
            return (await station.status()).bus.url
    except (StationError, TimeoutError):
        return ""


def probe_data(settings: StationSettings) -> DataFacts:
    """Library, operators and data sheets, read as a station reads them when it starts."""
    problems: list[str] = []
    for load, path in (
        (load_operators, settings.operators),
        (load_profiles, settings.profiles),
        (load_policy, settings.calibration),
    ):
        try:
            load(path)
        except DataError as error:
            problems.append(str(error))
    try:
        library = clinic_library(settings, datetime.now(UTC).date())
    except DataError as error:
        return DataFacts((str(error), *problems))
    return DataFacts(tuple(problems), library.title, library.signed_by or "")


def port_holder(port: int) -> str:
    """The program that listens on loopback TCP ``port``; empty when it is free or is to be chosen."""
    if port == 0:
        return ""
    try:
        listening = [
            item
            for item in psutil.net_connections("tcp")
            if item.status == psutil.CONN_LISTEN and item.laddr and item.laddr.port == port
        ]
    except psutil.AccessDenied:
        listening = []
    if listening:
        pid = listening[0].pid
        return f"{_program(pid)} ({pid})" if pid is not None else "a program of another user"
    with socket.socket() as trial:
        if os.name == "posix":
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except OSError:
            return "a program of another user"
    return ""
