"""Why a port did not open, in one sentence with its remedy."""

import errno
import os
from pathlib import Path

from firmware_bridge.errors import PortAbsent, PortBusy, PortForbidden, PortUnusable, TransportError
from firmware_bridge.transports.holders import port_holders

_ABSENT = {errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.ENOTDIR}
_BUSY = {errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK}
_FORBIDDEN = {errno.EACCES, errno.EPERM}


def error_number(error: BaseException) -> int | None:
    """The errno behind an error: pyserial wraps the system's errors and sometimes loses the number on the way."""
    seen: BaseException | None = error
    while seen is not None:
        number = getattr(seen, "errno", None)
        if number is None and type(seen).__module__ == "termios" and seen.args:
            number = seen.args[0]  # termios.error is no OSError
        if isinstance(number, int):
            return number
        seen = seen.__cause__ or seen.__context__
    return None


def port_refused(url: str, path: str, error: BaseException) -> TransportError:
    """The TransportError that says why the device at ``path`` did not open, and what to do about it."""
    number = error_number(error)
    if number in _ABSENT:
        return PortAbsent(
            f"{url}: there is no {path}. Plug the pen in and switch it on; `needlework pens` lists what is plugged in.",
            url=url,
        )
    if number in _BUSY:
        return port_busy(url, path)
    if number in _FORBIDDEN:
        return PortForbidden(f"{url}: this user may not open {path}. {_permission_remedy(path)}", url=url)
    reason = os.strerror(number) if number else str(error)
    return PortUnusable(
        f"{url}: {path} cannot be used as a serial line: {reason}. Check the path and the options of the URL; "
        "`needlework pens` lists the serial ports there are.",
        url=url,
    )


def port_busy(url: str, path: str) -> PortBusy:
    """The PortBusy for ``path``, naming who holds it where that can be known."""
    holders = port_holders(path)
    if not holders:
        who = "another program; `sudo fuser -v " + path + "` names it"
    elif holders[0].pid == os.getpid():
        who = "this program itself: it is open already"
    else:
        who = str(holders[0])
    return PortBusy(
        f"{url}: {path} is in use by {who}. One pen has one host: end that use, then connect again.",
        url=url,
    )


def _permission_remedy(path: str) -> str:
    group = _group(path)
    if group is None:
        return "Ask the administrator of this computer for access to it."
    return (
        f"Join its group with `sudo usermod -aG {group} $USER` and log in again, or install the udev rule from deploy/ "
        "and plug the pen in anew."
    )


def _group(path: str) -> str | None:
    """The group that owns the device; ``dialout`` when that is root, as where no rule has set another. None where a
    system has no groups."""
    try:
        group = Path(path).group()
    except NotImplementedError:
        return None
    except (OSError, KeyError):
        return "dialout"
    return "dialout" if group == "root" else group
