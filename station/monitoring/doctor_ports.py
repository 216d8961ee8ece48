"""Findings about ports: there, allowed, free; and what the system and other programs do to them. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from station.monitoring.findings import Finding, Level

LATENCY_TIMER_MOST_MS = 4
"""FTDI's driver hands received bytes on when its timer runs out, 16 ms unless told: nearly a period of STATUS."""


@dataclass(frozen=True, slots=True)
class UsbFacts:
    """A port's USB device as Linux shows it. ``folder`` is its place in /sys. None is *not told*.

    ``may_sleep``: the system suspends it when idle. ``modem_ignored``: udev tells ModemManager to leave it alone.
    ``ruled``: the udev rule that comes with this product was applied. ``braille_rule`` names a rules file by which
    brltty takes it for a Braille display.
    """

    usb_id: str
    folder: str
    is_pen: bool = False
    may_sleep: bool | None = None
    latency_timer_ms: int | None = None
    modem_ignored: bool | None = None
    ruled: bool | None = None
    braille_rule: str = ""


@dataclass(frozen=True, slots=True)
class PortFacts:
    """A port, serial or USB. ``holders`` are "name (pid)" of programs that have it open, None where unseen."""

    device: str
    description: str
    exists: bool = True
    allowed: bool = True
    group: str = ""
    holders: tuple[str, ...] | None = ()
    usb: UsbFacts | None = None


def check_ports(ports: tuple[PortFacts, ...]) -> Iterable[Finding]:
    """Each port: there, allowed, free; awake, prompt, and taken by nobody else's rule."""
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
        if port.exists and port.usb is not None:
            yield from _usb(port.device, port.usb)


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


def _usb(device: str, usb: UsbFacts) -> Iterable[Finding]:
    if usb.may_sleep:
        yield Finding(
            check="power saving",
            level=Level.WARNING,
            what=f"{device}: the system puts it to sleep when it is idle.",
            means="A port that is woken answers late, and a late answer stops a treatment.",
            remedy=f"Install the udev rule in deploy/; for now: `echo on | sudo tee {usb.folder}/power/control`.",
        )
    if usb.latency_timer_ms is not None and usb.latency_timer_ms > LATENCY_TIMER_MOST_MS:
        yield Finding(
            check="adapter",
            level=Level.WARNING,
            what=f"{device}: its adapter holds what it receives for {usb.latency_timer_ms} ms.",
            means="Every word of the pen comes that much later; limits are kept all the same.",
            remedy=f"echo 1 | sudo tee /sys/class/tty/{device.rpartition('/')[2]}/device/latency_timer",
        )
    if usb.braille_rule:
        yield Finding(
            check="brltty",
            level=Level.WARNING,
            what=f"{device}: by {usb.braille_rule}, brltty takes adapters like it ({usb.usb_id}) for Braille displays.",
            means="Where brltty is started by that rule, the port disappears seconds after it was plugged in.",
            remedy="sudo apt remove brltty, if nobody here uses a Braille display.",
        )
    if usb.is_pen and usb.ruled is False:
        yield Finding(
            check="udev",
            level=Level.NOTE,
            what=f"{device}: a pen, without the udev rule of this product.",
            means="Rights, its name and its power saving are left to what the system does by itself.",
            remedy="sudo cp deploy/70-needlework.rules /etc/udev/rules.d/, then plug the pen in again.",
        )


_BUSYBODY_REMEDY = {
    "ModemManager": "The udev rule in deploy/ tells it to leave pens alone; or: systemctl disable --now ModemManager.",
    "brltty": "It takes USB serial adapters for Braille displays: sudo apt remove brltty, if nobody here uses one.",
}


def check_busybodies(running: tuple[str, ...], ports: tuple[PortFacts, ...] = ()) -> Iterable[Finding]:
    """Programs that talk to serial ports that are not theirs, unless every port is known to be kept from them."""
    for program in running:
        open_to_it = [port.device for port in ports if port.usb is None or not port.usb.modem_ignored]
        if program == "ModemManager" and ports and not open_to_it:
            kept = "It runs, and udev keeps it from every port listed here."
            yield Finding(check="other programs", level=Level.FINE, what=f"ModemManager: {kept}")
            continue
        at = f" Nothing keeps it from {', '.join(open_to_it)}." if program == "ModemManager" and open_to_it else ""
        yield Finding(
            check="other programs",
            level=Level.WARNING,
            what=f"{program} is running; it opens serial ports to see what is on them.{at}",
            means="A pen may be busy for half a minute after it was plugged in, or lose its port.",
            remedy=_BUSYBODY_REMEDY.get(program, f"Keep {program} away from pens."),
        )
