"""A live simulated pen plugged into a virtual bus: hosts reach it from their own threads, the pen lives on the loop."""

import asyncio
from collections.abc import Callable

from simulators.endpoints.live import LivePen, Port
from simulators.endpoints.usb import UsbEndpoint
from simulators.usb.bus import VirtualBus
from simulators.usb.device import HELD_BYTES, UsbWay


class VirtualUsbEndpoint(UsbEndpoint):
    """``live`` on ``bus``. Made and used on the event loop's thread; a context manager plugs and unplugs.

    What a host's thread writes reaches the pen in the loop's next turn; as long as more than the pen can hold is on its
    way there, the host waits.
    """

    def __init__(
        self, live: LivePen, bus: VirtualBus, *, log: Callable[[str], None] = lambda _sentence: None,
        forbidden: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(live, log=log)
        self.bus = bus
        self.forbidden = forbidden
        self._guard = bus.changed
        self._loop = asyncio.get_running_loop()
        self._under_way = dict.fromkeys(UsbWay, 0)

    def re_enumerate(self) -> None:
        """The device drops off the bus and comes back with another address; both media of the pen are new ones."""
        self.unplug()
        self.plug()

    def reset(self) -> None:
        """A host resets the bus; the kernel configures the device again, and who has it open keeps it."""
        self.bus.reset(self.bus.place(self.device))

    def _plug_device(self) -> None:
        self.bus.plug(self.device, forbidden=self.forbidden)

    def _unplug_device(self) -> None:
        self.bus.unplug(self.device)

    def _to_pen(self, way: UsbWay, data: bytes) -> int:
        """In a host's thread, with the bus held."""
        port = self._ports.get(way)
        taken = data[: max(0, HELD_BYTES - self._under_way[way])]
        if taken and port is not None:
            self._under_way[way] += len(taken)
            self._loop.call_soon_threadsafe(self._arrived, way, port, taken)
        return len(taken)

    def _arrived(self, way: UsbWay, port: Port, data: bytes) -> None:
        with self.bus.changed:
            self._under_way[way] -= len(data)
            self.bus.changed.notify_all()
        port.received(data)
