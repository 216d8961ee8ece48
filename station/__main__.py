"""A child of `needlework run`: ``python -m station station|recorder``, its orders as the first line of standard input.

Not for people: the orders hold the broker's password, which has no place on a command line that others can read. The
end of standard input ends the process in good order, so that no child outlives its supervisor.
"""

import sys

from station.process.orders import Orders

_STDIN = 0


def main() -> int:
    """Reads the orders and carries them out; the exit code."""
    orders = Orders.model_validate_json(sys.stdin.buffer.readline())
    # Each process imports its own part alone: a recorder has no use for a web server.
    if orders.part == "station":
        from station.process.running import station_main  # noqa: PLC0415 - as said above

        return station_main(orders.settings, leash=_STDIN)
    from station.record.recorder import recorder_main  # noqa: PLC0415 - as said above

    return recorder_main(orders.settings, kept=orders.broker(), leash=_STDIN)


if __name__ == "__main__":
    sys.exit(main())
