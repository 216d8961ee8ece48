"""The machine of the test: QEMU without hardware virtualisation, so it runs wherever CI does, and never for ever.

Its time is counted in instructions while it is busy and goes on by itself while it is idle. So a host that has little
time for it makes the test slow, and nothing in it late: dead-man times and deadlines hold whatever else runs here.
"""

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from os import killpg
from pathlib import Path

from kernel import Kernel, PrerequisiteMissing

QEMU = "qemu-system-x86_64"
MEMORY_MIB = 1024
NS_PER_INSTRUCTION_LOG2 = 0


def require_qemu() -> None:
    """Raises PrerequisiteMissing where there is no QEMU for this processor."""
    if shutil.which(QEMU) is None:
        raise PrerequisiteMissing(f"{QEMU} is not here. As root: apt-get install qemu-system-x86")


@asynccontextmanager
async def running(
    kernel: Kernel, initramfs: Path, command: str, *, console: Path, at_most_s: int
) -> AsyncIterator[asyncio.StreamReader]:
    """A machine that runs ``command`` on the host's own files, read only. Its second serial port is what can be read;
    what its console says goes to a file.

    It is killed when the block is left, and by a watchdog of its own after ``at_most_s``, whatever became of us.
    """
    watchdog = ("timeout", "--signal=KILL", str(at_most_s))
    machine = (
        QEMU, "-M", "q35", "-accel", "tcg", "-cpu", "max", "-m", str(MEMORY_MIB),
        "-icount", f"shift={NS_PER_INSTRUCTION_LOG2},sleep=on",
        "-nodefaults", "-display", "none", "-no-reboot", "-serial", f"file:{console}", "-serial", "stdio",
        "-kernel", str(kernel.image), "-initrd", str(initramfs),
        "-append", f'console=ttyS0 quiet panic=-1 GUEST="{command}"',
        "-fsdev", "local,id=host,path=/,security_model=none,readonly=on,multidevs=remap",
        "-device", "virtio-9p-pci,fsdev=host,mount_tag=host",
    )  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        *watchdog, *machine,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield process.stdout
    finally:
        with suppress(ProcessLookupError):
            killpg(process.pid, signal.SIGKILL)
        await process.wait()
