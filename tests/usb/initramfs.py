"""The first file system of the guest: busybox, a few modules, and a script that goes over to the host's own files."""

import gzip
import stat
from collections.abc import Iterable
from pathlib import Path

from kernel import PrerequisiteMissing

BUSYBOX = Path("/bin/busybox")

INIT = """\
#!/bin/busybox sh
# The host's files, read only, are the guest's; what has to be written goes to memory. Then the guest's part is run.
B=/bin/busybox
$B mkdir -p /proc /sys /dev /host
$B mount -t proc proc /proc
$B mount -t sysfs sysfs /sys
$B mount -t devtmpfs devtmpfs /dev
while read module; do $B insmod /modules/$module || echo "guest: insmod $module failed"; done < /modules/order
$B mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=512000 host /host || echo "guest: no host files"
for folder in proc sys dev; do $B mount --move /$folder /host/$folder; done
$B mount -t tmpfs tmpfs /host/run
$B mkdir -p /host/run/tmp /host/run/home /host/dev/pts /host/dev/shm
$B mount -t devpts devpts /host/dev/pts
$B mount -t tmpfs tmpfs /host/dev/shm
$B ip link set lo up
export TMPDIR=/run/tmp HOME=/run/home PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
exec $B switch_root -c /dev/console /host /bin/sh -c "$GUEST"
"""


def write_initramfs(target: Path, modules: Iterable[Path]) -> None:
    """Writes a compressed archive the kernel starts from. Raises PrerequisiteMissing where busybox is not."""
    if not BUSYBOX.exists():
        raise PrerequisiteMissing("busybox is not here. As root: apt-get install busybox-static")
    archive = bytearray()
    for folder in ("bin", "modules"):
        archive += _entry(folder, stat.S_IFDIR | 0o755, b"")
    archive += _entry("bin/busybox", stat.S_IFREG | 0o755, BUSYBOX.read_bytes())
    archive += _entry("init", stat.S_IFREG | 0o755, INIT.encode())
    names = []
    for module in modules:
        archive += _entry(f"modules/{module.name}", stat.S_IFREG | 0o644, module.read_bytes())
        names.append(module.name)
    archive += _entry("modules/order", stat.S_IFREG | 0o644, "".join(f"{name}\n" for name in names).encode())
    archive += _entry("TRAILER!!!", 0, b"")
    target.write_bytes(gzip.compress(bytes(archive), compresslevel=1))


def _entry(name: str, mode: int, content: bytes) -> bytes:
    """One file in the "newc" format: a header of eight-digit hexadecimal numbers, each part filled up to four bytes."""
    links, size = 1, len(content)
    numbers = (0, mode, 0, 0, links, 0, size, 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % number for number in numbers) + name.encode() + b"\0"
    return _filled(head) + _filled(content)


def _filled(part: bytes) -> bytes:
    return part + bytes(-len(part) % 4)
