"""A simulated pen for pyusb code, in time that passes only where that code waits: a second in milliseconds.

    plugged = SteppedUsbPen(SimulatedPen(rng=random.Random(1), today=date(2026, 1, 1)))
    device = usb.core.find(idVendor=0x1209, backend=plugged.backend)

For hosts of one thread; a pen that has to answer several threads is served by
:class:`simulators.endpoints.virtual_usb.VirtualUsbEndpoint`.
"""

from collections.abc import Callable

from simulators.pen import SimulatedPen
from simulators.usb.backend import VirtualBackend
from simulators.usb.bus import VirtualBus, stepped
from simulators.usb.descriptors import UsbIdentity
from simulators.usb.device import UsbDevice, UsbWay

MEDIUM_OF_WAY = {UsbWay.CDC: 1, UsbWay.BULK: 2}


class SteppedUsbPen:
    """``pen`` plugged into a bus of its own. ``log`` gets a sentence for each request that was stalled."""

    def __init__(self, pen: SimulatedPen, *, log: Callable[[str], None] = lambda _sentence: None) -> None:
        self.pen = pen
        identity = UsbIdentity(f"{pen.model.name} (simulated pen)", pen.model.serial)
        self.device = UsbDevice(identity, self._to_pen, log=log)
        self.bus = VirtualBus(let_pass=stepped(self.step_1ms))
        self.backend = VirtualBackend(self.bus)
        self.dropped_bytes = 0
        self.bus.plug(self.device)

    def step_1ms(self) -> None:
        """One millisecond passes for pen and bus."""
        self.pen.advance(1)
        self.device.frames(1)
        self._fetch()

    def _to_pen(self, way: UsbWay, data: bytes) -> int:
        self.pen.receive(MEDIUM_OF_WAY[way], data)
        self._fetch()
        return len(data)

    def _fetch(self) -> None:
        for way, medium in MEDIUM_OF_WAY.items():
            if said := self.pen.take(medium):
                self.dropped_bytes += len(said) - self.device.say(way, said)
