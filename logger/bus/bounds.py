"""What the MQTT client library is kept from: holding more in memory than any message of ours can need.

MQTT allows packets of 256 MB, and 3.1.1 has no way to tell a broker that a client takes less. What is longer than our
own longest message is taken off the wire, acknowledged, and thrown away but for its beginning: cutting the connection
instead would let one retained message keep a recorder out for ever.
"""

import asyncio

import aiomqtt

from logger.bus.messages import MAX_PAYLOAD_BYTES

MAX_PACKET_BYTES = MAX_PAYLOAD_BYTES + 65_535 + 4  # with the longest topic, its length, and the packet's number
MAX_QUEUED_BYTES = 32 * 1024 * 1024  # some twenty stations with all that they send without a receipt
_CHUNK_BYTES = 64 * 1024


class BoundedQueue(asyncio.Queue[aiomqtt.Message]):
    """Messages that came in and were not looked at; full by their number or by their bytes.

    What finds it full is dropped by the library. Its sender gets no receipt and sends it again.
    """

    def _init(self, maxsize: int) -> None:
        super()._init(maxsize)
        self._bytes = 0

    def full(self) -> bool:
        """No room for one more."""
        return self._bytes >= MAX_QUEUED_BYTES or super().full()

    def _put(self, item: aiomqtt.Message) -> None:
        self._bytes += _length(item)
        super()._put(item)

    def _get(self) -> aiomqtt.Message:
        item = super()._get()
        self._bytes -= _length(item)
        return item


def bound_packets(connection: aiomqtt.Client) -> None:
    """From now on ``connection`` keeps no more than the beginning of a packet beyond ``MAX_PACKET_BYTES``.

    What is left of it is still too long for a message of ours, and refused as such.
    """
    client = connection._client  # noqa: SLF001 - no public way
    receive = client._sock_recv  # noqa: SLF001 - as above

    def bounded(size: int) -> bytes:
        data = receive(min(size, _CHUNK_BYTES))
        packet = client._in_packet["packet"]  # noqa: SLF001 - as above
        del packet[MAX_PACKET_BYTES:]
        return data

    client._sock_recv = bounded  # type: ignore[method-assign,assignment] # noqa: SLF001 - as above


def _length(message: aiomqtt.Message) -> int:
    return len(message.payload) if isinstance(message.payload, bytes | bytearray | str) else 0


__all__ = ["MAX_PACKET_BYTES", "MAX_QUEUED_BYTES", "BoundedQueue", "bound_packets"]
