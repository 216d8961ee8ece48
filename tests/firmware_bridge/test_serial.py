"""What only a serial line has: the terminal's settings, its holder, its permissions, its hang-up."""

import asyncio
import ctypes
import fcntl
import os
import signal
import stat
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
import serial

from firmware_bridge.errors import PortBusy, PortForbidden, PortUnusable, TransportLost, UnknownUrl
from firmware_bridge.transports import open_transport, parse_url, serial_url, terminal
from firmware_bridge.transports.holders import port_holders
from firmware_bridge.transports.serial import serial_device
from tests.conftest import open_descriptors
from tests.firmware_bridge.lines import PtyLine, Recorder, opened

HOLDER = """
import serial, sys
port = serial.Serial(sys.argv[1], exclusive=True)
print("held", flush=True)
sys.stdin.read()
"""

PEN_PROCESS = """
import os, sys
master, near = os.openpty()
print(os.ttyname(near), flush=True)
os.read(master, 1)
os.write(master, b"alive")
sys.stdin.read()
"""


@pytest.fixture
def line() -> Iterator[PtyLine]:
    made = PtyLine()
    yield made
    made.vanish()


@pytest.fixture
def other_user(line: PtyLine) -> Iterator[None]:
    """Takes the right to open the line away, for this thread and those it starts, in a way the kernel means."""
    Path(line.device).chmod(0)
    import_module("grp")  # lazily imported otherwise, from where the other user may not be able to read
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None)
    libc.setfsuid(65534)
    try:
        yield
    finally:
        libc.setfsuid(0)


async def test_the_line_is_raw_and_runs_at_the_speed_asked_for(line: PtyLine) -> None:
    line.url += "?baud=9600&dtr=off&rts=off"
    async with opened(line):
        near = os.open(line.device, os.O_RDWR | os.O_NOCTTY)
        try:
            iflag, oflag, cflag, lflag, ispeed, ospeed, special = termios.tcgetattr(near)
        finally:
            os.close(near)
    assert (ispeed, ospeed) == (termios.B9600, termios.B9600)
    assert not lflag & (termios.ICANON | termios.ECHO | termios.ISIG)
    assert not iflag & (termios.IXON | termios.IXOFF | termios.ICRNL | termios.INLCR | termios.ISTRIP)
    assert not oflag & termios.OPOST
    assert cflag & termios.CSIZE == termios.CS8
    assert not cflag & (termios.PARENB | termios.CSTOPB | termios.CRTSCTS)
    assert special[termios.VMIN] in (1, b"\1"), "with 0, a line with nothing to read looks like one that hung up"


async def test_one_descriptor_a_line(line: PtyLine) -> None:
    before = open_descriptors().keys()
    async with opened(line):
        assert len(open_descriptors().keys() - before) == 1


async def test_a_second_open_in_this_program_is_busy(line: PtyLine) -> None:
    async with opened(line) as (transport, recorder):
        before = open_descriptors()
        with pytest.raises(PortBusy, match="in use by this program itself"):
            await open_transport(line.url, Recorder())
        assert open_descriptors() == before
        transport.write(b"undisturbed")
        assert await line.read_exactly(11) == b"undisturbed"
        assert recorder.losses == []


async def test_a_port_held_by_another_program_is_busy_and_names_it(line: PtyLine) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, line.device], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(PortBusy) as raised:
            await open_transport(line.url, Recorder())
        holder.kill()
    assert f"process {holder.pid} " in str(raised.value)
    assert sys.executable[:20] in str(raised.value)
    async with opened(line):
        pass  # the holder was killed, and nothing of its hold outlived it


async def test_others_cannot_lock_a_line_that_is_open(line: PtyLine) -> None:
    async with opened(line):
        with pytest.raises(serial.SerialException, match="exclusively lock"):
            serial.Serial(line.device, exclusive=True)


async def test_exclusive_off_lets_a_monitor_in(line: PtyLine) -> None:
    line.url += "?exclusive=off"
    async with opened(line):
        serial.Serial(line.device, exclusive=True).close()


async def test_real_hardware_is_put_into_exclusive_mode_while_open(
    line: PtyLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "_PTY_MAJORS", range(0))  # takes this pseudo-terminal for hardware
    near = os.open(line.device, os.O_RDWR | os.O_NOCTTY)
    try:
        async with opened(line):
            assert _exclusive(near)
        assert not _exclusive(near), "the mode outlived the transport"
        fcntl.ioctl(near, termios.TIOCEXCL)
        with pytest.raises(PortBusy):
            await open_transport(line.url, Recorder())
        assert _exclusive(near), "somebody else's mode was taken away"
    finally:
        fcntl.ioctl(near, termios.TIOCNXCL)
        os.close(near)


async def test_a_pseudo_terminal_is_not(line: PtyLine) -> None:
    near = os.open(line.device, os.O_RDWR | os.O_NOCTTY)
    try:
        async with opened(line):
            assert not _exclusive(near), "it would outlive a killed process and lock out its successor"
    finally:
        os.close(near)


def _exclusive(fd: int) -> bool:
    return bool(struct.unpack("i", fcntl.ioctl(fd, 0x80045440, bytes(4)))[0])


@pytest.mark.usefixtures("other_user")
async def test_a_port_of_another_user_is_forbidden_and_says_how_to_be_let_in(line: PtyLine) -> None:
    before = open_descriptors()
    with pytest.raises(PortForbidden) as raised:
        await open_transport(line.url, Recorder())
    assert "usermod -aG" in str(raised.value)
    assert "udev" in str(raised.value)
    assert open_descriptors() == before


def test_the_fixture_for_that_really_takes_the_right_away(line: PtyLine, other_user: None) -> None:
    assert stat.S_IMODE(Path(line.device).stat().st_mode) == 0
    with pytest.raises(PermissionError):
        os.close(os.open(line.device, os.O_RDWR))


@pytest.mark.parametrize("path", ["/dev/null", "/tmp", __file__])
async def test_what_is_no_serial_line_is_unusable(path: str) -> None:
    before = open_descriptors()
    with pytest.raises(PortUnusable, match="cannot be used as a serial line"):
        await open_transport(serial_url(path), Recorder())
    assert open_descriptors() == before


@pytest.mark.parametrize("option", ["baud=fast", "baud=-1", "baud=0", "baud=99999999999999", "dtr=maybe", "exclusive="])
async def test_a_value_that_is_none_is_unusable(line: PtyLine, option: str) -> None:
    with pytest.raises(PortUnusable, match=option.split("=", maxsplit=1)[0]):
        await open_transport(f"{line.url}?{option}", Recorder())


@pytest.mark.parametrize("url", ["serial://dev/ttyACM0", "serial://", "serial:///"])
async def test_a_missing_slash_is_told(url: str) -> None:
    with pytest.raises(UnknownUrl, match="serial:///dev/ttyACM0"):
        await open_transport(url, Recorder())


@pytest.mark.parametrize(
    ("url", "option"),
    [
        ("serial:///dev/ttyACM0?baud=9600&baud=115200", "baud"),
        ("usb://1209:0001?serial=X&serial=Y", "serial"),
        ("tcp://127.0.0.1:7070?a=1&b=2&a=1", "a"),
    ],
)
async def test_an_option_that_is_there_twice_is_refused(url: str, option: str) -> None:
    with pytest.raises(UnknownUrl, match=f"'{option}' is there more than once"):
        await open_transport(url, Recorder())


@pytest.mark.parametrize("device", ["/dev/ttyACM0", "/dev/serial/by-id/usb-A_%41 B?#-if00", "COM3"])
def test_a_device_survives_its_url(device: str) -> None:
    assert serial_device(parse_url(serial_url(device) + "?baud=9600")) == device


async def test_a_pen_whose_process_is_killed_is_lost_at_once() -> None:
    pen = subprocess.Popen(
        [sys.executable, "-c", PEN_PROCESS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    recorder = Recorder()
    with pen:
        assert pen.stdout is not None
        url = serial_url(pen.stdout.readline().strip())
        transport = await open_transport(url, recorder)
        transport.write(b"?")
        assert await recorder.received(5) == b"alive"
        before = asyncio.get_running_loop().time()
        pen.send_signal(signal.SIGKILL)
        cause = await recorder.lost()
        assert asyncio.get_running_loop().time() - before < 1.0
    assert isinstance(cause, TransportLost)
    assert url in str(cause)
    assert "hung up" in str(cause)
    await transport.close()
    assert len(recorder.losses) == 1


def test_nobody_holds_what_is_not_there() -> None:
    assert port_holders("/dev/ttyAbsent0") == []


def test_the_locker_is_named_before_those_who_only_have_it_open(line: PtyLine) -> None:
    assert [holder.pid for holder in port_holders(line.device)] == [os.getpid()]
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, line.device], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        found = port_holders(line.device)
        holder.kill()
    assert [one.pid for one in found] == [holder.pid, os.getpid()]
