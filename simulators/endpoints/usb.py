"""A simulated pen as a USB device, living on the event loop: what a bus (USB/IP, the virtual back end) serves.

Plugging makes two media of the pen, the serial line and the bulk pair; unplugging ends both. The pen runs on its own
battery: it goes on either way.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from simulators.endpoints.live import TICK_S, LivePen, Port
from simulators.usb.descriptors import UsbIdentity
from simulators.usb.device import UsbDevice, UsbWay


class UsbEndpoint:
    """``live`` behind a USB device, plugged in by :meth:`plug`. A context manager plugs and unplugs.

    Everything belongs to the event loop's thread, the device's methods too. ``log`` gets a sentence for each request
    that was stalled. What a hand or a faulty cable does to the device is done here and not on the device itself, so
    that it holds on every bus.
    """

    def __init__(self, live: LivePen, *, log: Callable[[str], None]) -> None:
        model = live.pen.model
        identity = UsbIdentity(product=f"{model.name} (simulated pen)", serial=model.serial)
        self.device = UsbDevice(identity, self._to_pen, log=log)
        self.dropped_bytes = 0
        self._live = live
        self._ports: dict[UsbWay, Port] = {}
        self._bytes_per_ms: int | None = None
        self._slow_timer: asyncio.TimerHandle | None = None
        self._guard: AbstractContextManager[object] = nullcontext()

    @property
    def plugged(self) -> bool:
        """The cable is in."""
        return bool(self._ports)

    def port(self, way: UsbWay) -> Port:
        """The medium of one way in; its ``line`` can be made bad. Raises KeyError when unplugged."""
        return self._ports[way]

    def plug(self) -> None:
        """The cable goes in. A second time does nothing."""
        if not self._ports:
            for way in UsbWay:
                self._ports[way] = self._live.attach(self._sender(way))
            self._plug_device()
            self._pace()

    def unplug(self) -> None:
        """The cable comes out. A second time does nothing."""
        if self._ports:
            self._unpace()
            self._unplug_device()
            for port in self._ports.values():
                port.detach()
            self._ports.clear()

    def halt(self, endpoint: int) -> None:
        """The endpoint stalls until the host clears it. Raises ValueError for an endpoint there is not."""
        with self._guard:
            self.device.halt(endpoint)

    def suspend(self) -> None:
        """The bus goes to sleep: nothing moves until :meth:`resume`."""
        with self._guard:
            self.device.suspend()

    def resume(self) -> None:
        """The bus wakes up."""
        with self._guard:
            self.device.resume()

    def slow_to(self, bytes_per_ms: int | None) -> None:
        """The device moves no more than so many bytes a millisecond, 0 none; None is as fast as it is asked. Whoever
        plugs it in meets it so."""
        self._unpace()
        self._bytes_per_ms = bytes_per_ms
        with self._guard:
            self.device.slow_to(bytes_per_ms)
        self._pace()

    def __enter__(self) -> "UsbEndpoint":
        self.plug()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.unplug()

    def _plug_device(self) -> None:
        self.device.plug()

    def _unplug_device(self) -> None:
        self.device.unplug()

    def _pace(self) -> None:
        if self._bytes_per_ms and self._ports:
            with self._guard:
                self.device.frames(round(TICK_S * 1000))
            self._slow_timer = asyncio.get_running_loop().call_later(TICK_S, self._pace)

    def _unpace(self) -> None:
        if self._slow_timer is not None:
            self._slow_timer.cancel()
            self._slow_timer = None

    def _to_pen(self, way: UsbWay, data: bytes) -> int:
        port = self._ports.get(way)
        if port is not None:
            port.received(data)
        return len(data)

    def _sender(self, way: UsbWay) -> Callable[[bytes], None]:
        def send(data: bytes) -> None:
            with self._guard:
                self.dropped_bytes += len(data) - self.device.say(way, data)

        return send
