"""What runs in the guest: pens in a process of their own, attached as the documents say, and treated through."""

import asyncio
import gc
import json
import re
import sys
import time
import traceback
from asyncio.subprocess import PIPE, Process
from pathlib import Path

from telling import Failed, PenLine, step, tell_host

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "usbip.md"
LOOPBACK = "127.0.0.1"


def attach_as_documented(port: int, bus_id: str) -> None:
    """Runs the program that the page gives for computers without the `usbip` command. Raises Failed."""
    [program] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    argv, sys.argv = sys.argv, ["attach", LOOPBACK, str(port), bus_id]
    try:
        exec(compile(program, str(PAGE), "exec"), {"__name__": "__main__"})
    except SystemExit as refused:
        raise Failed(str(refused)) from refused
    finally:
        sys.argv = argv


async def appears(path: str, within_s: float = 10.0) -> None:
    """Waits for a device node. Raises Failed."""
    for _ in range(int(within_s / 0.02)):
        if Path(path).exists():
            return
        await asyncio.sleep(0.02)
    raise Failed(f"{path} did not appear in {within_s:.0f} s")


async def story(pens: Process) -> None:
    """The whole test, step by step."""
    async with step("pens are exported by USB/IP") as seen:
        assert pens.stdout is not None
        ready = json.loads(await pens.stdout.readline())
        line = PenLine(*await asyncio.open_connection(LOOPBACK, ready["line"]))
        seen.append(f"{LOOPBACK}:{ready['usbip']}")

    async def attach(bus_id: str) -> None:
        await asyncio.to_thread(attach_as_documented, ready["usbip"], bus_id)

    async with step("the kernel attaches both; cdc-acm makes serial ports of them") as seen:
        began_s = time.monotonic()
        for index, bus_id in enumerate(("1-1", "1-2")):
            await attach(bus_id)
            await appears(f"/dev/ttyACM{index}")
        seen.append(f"{time.monotonic() - began_s:.1f} s")
    async with step("the product is loaded") as seen:
        gc.disable()  # a fifth of the time, on a processor that is slow enough
        from found import found_pens  # noqa: PLC0415 a step of its own
        from treatment import treat_through  # noqa: PLC0415 as above

        gc.enable()
    async with step("discovery and libusb find them by what they call themselves") as seen:
        seen.extend(await asyncio.to_thread(found_pens, ["USB-A", "USB-B"]))
    await treat_through(line, "1-1", "serial:///dev/ttyACM0", "usb://1209:0001?serial=USB-A", attach)
    await treat_through(line, "1-2", "usb://1209:0001?serial=USB-B", "serial:///dev/ttyACM1", attach)
    line.close()


async def main() -> None:
    """Tells the story to the host."""
    sys.path.append(str(ROOT))  # for what the guest shares with other tests
    pens = await asyncio.create_subprocess_exec(
        sys.executable, "-B", str(Path(__file__).with_name("pens.py")), stdout=PIPE
    )
    try:
        await story(pens)
    except Exception:  # noqa: BLE001 told as a failed step, if it came in one; the console has the rest
        traceback.print_exc()
    pens.kill()
    await pens.wait()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    finally:
        tell_host(finished=True)
        Path("/proc/sysrq-trigger").write_text("o")
        time.sleep(5)  # the first process may not end before the machine is off
