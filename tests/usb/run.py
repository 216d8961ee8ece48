"""`make test-usb`: the product on a real USB bus, in a machine without hardware.

Debian's kernel runs in QEMU; its vhci-hcd attaches simulated pens over USB/IP, its cdc-acm makes serial ports of them,
libusb opens their bulk endpoints, and the product, from this working copy, treats through both. Exit codes: 0 all
passed, 1 a step failed or did not come, 77 something this needs is not here (1 where the environment has ``CI``).
"""

import asyncio
import compileall
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

from initramfs import write_initramfs
from kernel import Kernel, PrerequisiteMissing, kernel_in
from machine import require_qemu, running
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "usb"
MODULES = ("virtio_pci", "9p", "9pnet_virtio", "vhci-hcd", "cdc-acm")
PACKAGES = ("firmware_bridge", "controller", "logger", "station", "simulators")
AT_MOST_S, AT_MOST_IN_CI_S = 420, 165
"""The watchdog: no guest lives longer. A computer with nothing else to do, as in CI, takes a third of the latter."""
SKIPPED = 77


def main() -> int:
    """Prepares, runs, tells."""
    began_s = time.monotonic()
    try:
        kernel, initramfs = _prepare()
    except PrerequisiteMissing as missing:
        print(f"test-usb cannot run here: {missing}", file=sys.stderr)
        if os.environ.get("CI"):
            print("In CI that is a failure: nothing was tested.", file=sys.stderr)
            return 1
        print("Skipped: nothing was tested, and nothing is wrong.", file=sys.stderr)
        return SKIPPED
    print(f"Debian's kernel {kernel.release} in QEMU, without hardware virtualisation:", flush=True)
    return asyncio.run(_run(kernel, initramfs, began_s))


def _prepare() -> tuple[Kernel, Path]:
    if platform.machine() != "x86_64" or platform.system() != "Linux":
        raise PrerequisiteMissing("the guest runs this computer's own Python, so it has to be Linux on x86-64.")
    require_qemu()
    BUILD.mkdir(parents=True, exist_ok=True)
    kernel = kernel_in(BUILD)
    initramfs = BUILD / "initramfs.gz"
    write_initramfs(initramfs, kernel.module_files(*MODULES))
    for package in PACKAGES:
        compileall.compile_dir(ROOT / package, quiet=2)  # the guest cannot write, and is slow at compiling
    return kernel, initramfs


async def _run(kernel: Kernel, initramfs: Path, began_s: float) -> int:
    console = BUILD / "console.log"
    at_most_s = AT_MOST_IN_CI_S if os.environ.get("CI") else AT_MOST_S
    steps: list[dict[str, Any]] = []
    finished = False
    command = f"{sys.executable} -B {Path(__file__).with_name('guest.py')}"
    async with running(kernel, initramfs, command, console=console, at_most_s=at_most_s) as said:
        while not finished and (line := await said.readline()):
            told = json.loads(line)
            finished = "finished" in told
            if not finished:
                steps.append(told)
                print(f"{time.monotonic() - began_s:6.0f} s  {_result(told)}  {told['step']}", flush=True)
    return _tell(steps, finished, console, time.monotonic() - began_s)


def _tell(steps: list[dict[str, Any]], finished: bool, console: Path, took_s: float) -> int:
    table = Table("step", "result", "seen", title=f"The product on a USB bus, with simulated pens; {took_s:.0f} s")
    for told in steps:
        table.add_row(told["step"], _result(told), told["seen"])
    Console(width=150).print(table)
    failed = sum(not told["ok"] for told in steps)
    if failed or not finished:
        what = f"{failed} of {len(steps)} steps failed" if failed else "The guest did not come to its end"
        print(f"{what}. Its console, {console}, ends with:", file=sys.stderr)
        print("\n".join(console.read_text(errors="replace").splitlines()[-25:]), file=sys.stderr)
    return 1 if failed or not finished else 0


def _result(told: dict[str, Any]) -> str:
    return "pass" if told["ok"] else "FAIL"


if __name__ == "__main__":
    sys.exit(main())
