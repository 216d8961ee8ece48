"""What every network connection to a pen is set to, so that a small frame leaves when it is sent."""

import socket

SEND_BUFFER_BYTES = 8192
"""What the system may hold for a peer that does not read, instead of megabytes: STOP passes what waits in the outbox,
not what waits in the system. Linux doubles the number and counts its own overhead in, hundreds of bytes a frame."""


def make_prompt(connection: socket.socket) -> None:
    """No waiting for the acknowledgement of the frame before (some 40 ms), and a small send buffer. Raises OSError."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
