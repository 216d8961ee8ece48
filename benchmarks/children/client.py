"""A client that asks a pen one thing after the other and says what time that took, and what processor time of it.

Arguments: link, pen, modbus or visa, requests. ``link`` is this product's link to a responder in C, ``pen`` the same to
a simulated pen; ``modbus`` is pymodbus' client reading four registers from pymodbus' own server; ``visa`` is pyvisa-py
asking an instrument of sinstruments. Each is on one processor and its server on another.
"""

import asyncio
import json
import os
import random
import sys
import time

from benchmarks.children.exchange import ASKED, Deaf, connect
from benchmarks.children.terminal_client import ANSWER_BYTES
from benchmarks.measuring import child_command, processors_apart, running
from firmware_bridge.handshake import open_link
from firmware_bridge.link import Link

REGISTERS = 4
"""Eight bytes of data: what OUTCOME's answer comes to, within a byte or three."""


Taken = dict[str, float]
"""``cpu_s`` and ``wall_s`` of so many requests."""


class Stopwatch:
    """Both clocks from its making on."""

    def __init__(self) -> None:
        self._cpu_s, self._wall_s = time.process_time(), time.perf_counter()

    def taken(self) -> Taken:
        """What went by."""
        return {"cpu_s": time.process_time() - self._cpu_s, "wall_s": time.perf_counter() - self._wall_s}


def apart_from(pid: int) -> None:
    """This process on one processor, that one on another."""
    apart = processors_apart()
    if apart is not None:
        os.sched_setaffinity(0, {apart[0]})
        os.sched_setaffinity(pid, {apart[1]})


async def asking(pen: Link, operation_name: str, requests: int) -> Taken:
    """``requests`` of an operation, one after the other."""
    operation, arguments = ASKED[operation_name]
    for _ in range(requests // 10):
        await pen.request(operation, arguments)
    watch = Stopwatch()
    for _ in range(requests):
        await pen.request(operation, arguments)
    return watch.taken()


async def link(requests: int) -> Taken:
    """Of a responder in C."""
    pen, responder, descriptors = await connect()
    took = await asking(pen, "OUTCOME", requests)
    await pen.close()
    for descriptor in descriptors:
        os.close(descriptor)
    responder.kill()
    responder.wait()
    return took


async def simulated(requests: int) -> Taken:
    """Of a simulated pen."""
    with running(child_command("pens", 1)) as pens:
        url = pens.read()["urls"][0]
        apart_from(pens.pid)
        pen = await open_link(
            url, Deaf(), monotonic_ms=lambda: time.monotonic_ns() // 1_000_000, random=random.Random(1)
        )
        took = await asking(pen, "CALIBRATION_READ", requests)  # of no key would an OUTCOME be known
        await pen.close()
    return took


def visa(requests: int) -> Taken:
    """Of an instrument of sinstruments, through pyvisa-py."""
    import pyvisa  # noqa: PLC0415  only the process that measures it imports it

    with running(child_command("line_instruments", 1, ANSWER_BYTES)) as instruments:
        path = instruments.read()["paths"][0]
        apart_from(instruments.pid)
        manager = pyvisa.ResourceManager("@py")
        line = manager.open_resource(f"ASRL{path}::INSTR", read_termination="\n", write_termination="\n")
        for _ in range(requests // 10):
            line.query("READ:VALUE?")
        watch = Stopwatch()
        for _ in range(requests):
            line.query("READ:VALUE?")
        took = watch.taken()
        line.close()
        manager.close()
    return took


async def modbus(requests: int) -> Taken:
    """``requests`` reads of four registers."""
    from pymodbus.client import AsyncModbusSerialClient  # noqa: PLC0415  only the process that measures it imports it

    with running(child_command("modbus_server")) as server:
        apart_from(server.pid)
        client = AsyncModbusSerialClient(server.read()["path"], baudrate=115200)
        if not await client.connect():
            raise RuntimeError("pymodbus does not reach its own server")

        async def read() -> None:
            answer = await client.read_holding_registers(1, count=REGISTERS)
            if answer.isError():
                raise RuntimeError(str(answer))

        for _ in range(requests // 10):
            await read()
        watch = Stopwatch()
        for _ in range(requests):
            await read()
        took = watch.taken()
        client.close()
    return took


def main() -> None:
    """Measures and prints."""
    which, requests = sys.argv[1], int(sys.argv[2])
    if which == "visa":
        took = visa(requests)
    else:
        took = asyncio.run({"link": link, "pen": simulated, "modbus": modbus}[which](requests))
    print(json.dumps(took))


if __name__ == "__main__":
    main()
