"""pymodbus' own server at the master's end of a pseudo-terminal. Prints the slave's path; ends with standard input.

pymodbus opens ports by name through pyserial. A pseudo-terminal's master has no name, and a second terminal with a
relay between would be a slower line than the other side gets; so pyserial's opener is given this object instead.
"""

import asyncio
import json
import os
import sys
import threading
import tty

import serial
from pymodbus.server import StartAsyncSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice


class MasterEnd:
    """As much of a serial port as the server uses."""

    timeout = write_timeout = 0
    in_waiting = 0

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def fileno(self) -> int:
        """The descriptor."""
        return self._fd

    def read(self, size: int = 1024) -> bytes:
        """What is there."""
        try:
            return os.read(self._fd, size)
        except OSError:
            return b""

    def write(self, data: bytes) -> int:
        """Sends."""
        return os.write(self._fd, data)

    def close(self) -> None:
        """Ends with the process."""


def main() -> None:
    """Serves until standard input ends."""
    master, slave = os.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    setattr(serial, "serial_for_url", lambda *_arguments, **_options: MasterEnd(master))  # noqa: B010  as above
    registers = SimData(0, values=17, count=100, datatype=DataType.REGISTERS)
    print(json.dumps({"path": os.ttyname(slave)}), flush=True)
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    asyncio.run(StartAsyncSerialServer(SimDevice(id=1, simdata=[registers]), port="master", baudrate=115200))


if __name__ == "__main__":
    main()
