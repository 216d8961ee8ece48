"""A client that asks a pen one thing after the other and says what processor time that took of it.

Arguments: link or modbus, requests. ``link`` is this product's link to a responder in C; ``modbus`` is pymodbus' client
reading four registers from pymodbus' own server. Each is on one processor and its server on another.
"""

import asyncio
import json
import os
import sys
import time

from benchmarks.children.exchange import ASKED, connect
from benchmarks.measuring import child_command, processors_apart, running

REGISTERS = 4
"""Eight bytes of data: what OUTCOME's answer comes to, within a byte or three."""


async def link(requests: int) -> float:
    """Processor seconds for ``requests`` of OUTCOME."""
    pen, responder, descriptors = await connect()
    operation, arguments = ASKED["OUTCOME"]
    for _ in range(requests // 10):
        await pen.request(operation, arguments)
    began = time.process_time()
    for _ in range(requests):
        await pen.request(operation, arguments)
    took = time.process_time() - began
    await pen.close()
    for descriptor in descriptors:
        os.close(descriptor)
    responder.kill()
    responder.wait()
    return took


async def modbus(requests: int) -> float:
    """Processor seconds for ``requests`` reads of four registers."""
    from pymodbus.client import AsyncModbusSerialClient  # noqa: PLC0415  only the process that measures it imports it

    with running(child_command("modbus_server")) as server:
        apart = processors_apart()
        if apart is not None:
            os.sched_setaffinity(0, {apart[0]})
            os.sched_setaffinity(server.pid, {apart[1]})
        client = AsyncModbusSerialClient(server.read()["path"], baudrate=115200)
        if not await client.connect():
            raise RuntimeError("pymodbus does not reach its own server")

        async def read() -> None:
            answer = await client.read_holding_registers(1, count=REGISTERS)
            if answer.isError():
                raise RuntimeError(str(answer))

        for _ in range(requests // 10):
            await read()
        began = time.process_time()
        for _ in range(requests):
            await read()
        took = time.process_time() - began
        client.close()
    return took


def main() -> None:
    """Measures and prints."""
    which, requests = sys.argv[1], int(sys.argv[2])
    took = asyncio.run(link(requests) if which == "link" else modbus(requests))
    print(json.dumps({"cpu_s": took}))


if __name__ == "__main__":
    main()
