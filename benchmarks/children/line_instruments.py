"""sinstruments' own server with instruments behind pseudo-terminals. Arguments: how many, bytes of an answer.

An instrument says the same line to whatever it is told. Prints the terminals' paths; ends with standard input.
"""

import json
import sys
import tempfile
from pathlib import Path

import gevent
from sinstruments.simulator import BaseDevice, Server


class Sayer(BaseDevice):  # type: ignore[misc]  # sinstruments has no types
    """Says one thing."""

    def handle_message(self, _message: bytes) -> bytes:
        """The answer to everything."""
        return b"7" * (int(self.props["answer_bytes"]) - 1) + b"\n"


def main() -> None:
    """Serves until standard input ends."""
    count, answer_bytes = int(sys.argv[1]), int(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / f"instrument-{number}") for number in range(count)]
        server = Server(
            [
                {
                    "class": "Sayer",
                    "package": "benchmarks.children.line_instruments",
                    "name": path,
                    "answer_bytes": answer_bytes,
                    "transports": [{"type": "serial", "url": path}],
                }
                for path in paths
            ],
        )
        server.start()
        print(json.dumps({"paths": [str(Path(path).resolve()) for path in paths]}), flush=True)
        gevent.get_hub().threadpool.apply(sys.stdin.read)
        server.stop()


if __name__ == "__main__":
    main()
