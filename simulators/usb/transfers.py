"""Transfers of one importing host: which wait for the device, which are answered, which are taken back.

Pure: requests of the host in, answers in bytes out. What waits is bounded in number and in bytes.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from simulators.usb.device import Handshake, UsbDevice
from simulators.usb.ip_protocol import (
    Errno,
    Submit,
    TooLong,
    Unlink,
    submit_done,
    submit_failed,
    submit_taken,
    unlink_done,
)

WAITING_MAX = 256
"""Transfers that wait on all endpoints together; Linux' serial driver keeps 16 reads, libusb hosts rarely more."""

WAITING_MAX_BYTES = 1_048_576
"""Bytes of writes that wait because the device takes none just now."""

_IN = 0x80


@dataclass(slots=True)
class _Waiting:
    submit: Submit
    taken: int = 0


class Transfers:
    """Puts transfers to ``device`` in their order, endpoint by endpoint; ``answer`` gets what goes back.

    Whoever owns it calls :meth:`go_on` on the device's news, and sets ``held`` while answers cannot leave: nothing is
    fetched from the device then.
    """

    def __init__(self, device: UsbDevice, answer: Callable[[bytes], None]) -> None:
        self.held = False
        self._device = device
        self._answer = answer
        self._waiting: dict[int, deque[_Waiting]] = {}
        self._waiting_count = 0
        self._waiting_bytes = 0
        self._going_on = False
        self._news = False

    @property
    def waiting(self) -> int:
        """How many transfers wait."""
        return self._waiting_count

    def submit(self, submit: Submit) -> None:
        """A transfer of the host: answered at once, or as soon as the device lets it."""
        if self._waiting_count >= WAITING_MAX or self._waiting_bytes + len(submit.data) > WAITING_MAX_BYTES:
            self._answer(submit_failed(submit.sequence, Errno.NO_MEMORY))
            return
        address = submit.endpoint | (_IN if submit.inward and submit.endpoint else 0)
        self._waiting.setdefault(address, deque()).append(_Waiting(submit))
        self._waiting_count += 1
        self._waiting_bytes += len(submit.data)
        self.go_on()

    def too_long(self, request: TooLong) -> None:
        """A transfer that was not even read: failed, and the next one is welcome."""
        self._answer(submit_failed(request.sequence, Errno.MESSAGE_SIZE))

    def unlink(self, unlink: Unlink) -> None:
        """Takes a waiting transfer back. One that was answered already stays answered, and the host is told so."""
        for queue in self._waiting.values():
            for waiting in queue:
                if waiting.submit.sequence == unlink.unlinked:
                    queue.remove(waiting)
                    self._gone(waiting)
                    self._answer(unlink_done(unlink.sequence, in_time=True))
                    self.go_on()
                    return
        self._answer(unlink_done(unlink.sequence, in_time=False))

    def go_on(self) -> None:
        """Puts what waits to the device, as far as it goes. News that come meanwhile, from within, are heard too."""
        self._news = True
        if self._going_on:
            return
        self._going_on = True
        try:
            while self._news and not self.held:
                self._news = False
                for address, queue in list(self._waiting.items()):
                    while queue and not self.held and self._put(address, queue[0]):
                        self._gone(queue.popleft())
        finally:
            self._going_on = False

    def _gone(self, waiting: _Waiting) -> None:
        self._waiting_count -= 1
        self._waiting_bytes -= len(waiting.submit.data)

    def _put(self, address: int, waiting: _Waiting) -> bool:
        """Whether the transfer is done with; if so, it has been answered."""
        submit = waiting.submit
        if submit.endpoint == 0:
            outcome = self._control(submit)
        elif submit.inward:
            read = self._device.bulk_in(address, submit.length)
            outcome = read if isinstance(read, Handshake) else submit_done(submit.sequence, read)
        else:
            outcome = self._write(address, waiting)
        if outcome is Handshake.NAK:
            return False
        if isinstance(outcome, Handshake):
            outcome = submit_failed(submit.sequence, Errno.PIPE if outcome is Handshake.STALL else Errno.SHUT_DOWN)
        self._answer(outcome)
        return True

    def _control(self, submit: Submit) -> bytes | Handshake:
        read = self._device.control(submit.setup, submit.data)
        if isinstance(read, Handshake):
            return read
        if submit.inward:
            return submit_done(submit.sequence, read[: submit.length])
        return submit_taken(submit.sequence, len(submit.data))

    def _write(self, address: int, waiting: _Waiting) -> bytes | Handshake:
        data = waiting.submit.data
        while True:
            taken = self._device.bulk_out(address, data[waiting.taken :])
            if isinstance(taken, Handshake):
                return taken
            waiting.taken += taken
            if waiting.taken >= len(data):
                return submit_taken(waiting.submit.sequence, len(data))
