"""The pens' own process in the guest: exported by USB/IP, and a line on which the story asks what is really so.

Prints one JSON object when it is ready: ``{"usbip": port, "line": port}``. On the line, one JSON object each way:
``{"ask": "truth", "pen": "1-1"}`` is answered with what is really so of that pen, ``{"ask": "pull", "pen": "1-1"}``
pulls its cable and is answered with how long it took until motor and needles were home. It ends with its parent.
"""

import asyncio
import json
import random
import time
from contextlib import AsyncExitStack, closing, suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

from simulators.endpoints.live import LivePen
from simulators.endpoints.usb import UsbEndpoint
from simulators.pen import SimulatedPen
from simulators.personality import NW_1
from simulators.usb.ip_server import Sparing, UsbIpServer

SERIALS = ("USB-A", "USB-B")
AT_REST_S = 3.0


class PenSide:
    """What answers on the line."""

    def __init__(self, server: UsbIpServer, pens: dict[str, SimulatedPen]) -> None:
        self._server = server
        self._pens = pens

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One story, until it hangs up."""
        with closing(writer), suppress(ConnectionError):
            while line := await reader.readline():
                asked = json.loads(line)
                answer = await self._pull(asked["pen"]) if asked["ask"] == "pull" else self._truth(asked["pen"])
                writer.write(json.dumps(answer).encode() + b"\n")

    def _truth(self, pen: str) -> dict[str, Any]:
        truth = self._pens[pen].truth
        return {**asdict(truth), "state": truth.state.name, "faults": int(truth.faults)}

    async def _pull(self, pen: str) -> dict[str, Any]:
        pulled_s = time.monotonic()
        self._server.pull(pen)
        took: dict[str, Any] = {"motor_off_ms": None, "needles_out_ms": None}
        while time.monotonic() - pulled_s < AT_REST_S and None in took.values():
            await asyncio.sleep(0.005)
            truth, passed_ms = self._pens[pen].truth, round((time.monotonic() - pulled_s) * 1000)
            if not truth.motor_driven and took["motor_off_ms"] is None:
                took["motor_off_ms"] = passed_ms
            if truth.needles_out and not truth.motor_driven:
                took["needles_out_ms"] = passed_ms
        return took


async def main() -> None:
    """Serves until it is ended."""
    told = Sparing(lambda sentence: print(sentence, flush=True))
    today = datetime.now(UTC).date()
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        lives, endpoints = [], []
        for seed, serial in enumerate(SERIALS, 1):
            live = LivePen(SimulatedPen(replace(NW_1, serial=serial), rng=random.Random(seed), today=today))
            tasks.create_task(live.run(), name=f"pen {serial}")
            lives.append(live)
            endpoints.append(UsbEndpoint(live, log=told))
        server = await stack.enter_async_context(UsbIpServer(endpoints, port=0, log=told))
        side = PenSide(server, {bus: live.pen for bus, live in zip(server.bus_ids, lives, strict=True)})
        line = await asyncio.start_server(side.converse, "127.0.0.1", 0)
        print(json.dumps({"usbip": server.port, "line": line.sockets[0].getsockname()[1]}), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
