"""A station as a process: its loop, its signals, its exit code."""

import asyncio
import gc
import sys
from typing import Any

from controller.errors import DataError
from controller.ports import MemoryUnavailable, RecordUnavailable
from logger.errors import JournalError
from station.errors import AccountsUnusable, SettingsError, StationFailure, StationTaken, Trouble
from station.process.awake import take_priority
from station.process.exits import Exit
from station.process.lines import Announce, failure_line, say_line
from station.process.signals import on_ending_signals, on_leash
from station.service import Station
from station.settings import StationSettings


def tune_collector() -> None:
    """Keeps the garbage collector from holding up a tick.

    What was imported and built at start, some 90 000 objects, lives as long as the process. Looking at all of it takes
    22 ms here, nearly as long as a tick may be late; frozen, it is not looked at again.
    """
    gc.collect()
    gc.freeze()


def station_main(settings: StationSettings, *, leash: int | None = None, announce: Announce = say_line) -> int:
    """Runs a station until a signal, or the end of the file descriptor ``leash``, asks it to end. Its exit code.

    A trouble is announced, and written to standard error in words.
    """

    def ready(said: dict[str, Any]) -> None:
        tune_collector()
        announce(said)

    async def main() -> Exit:
        station = Station(settings, ready, take_priority())
        with on_ending_signals(station.end):
            if leash is not None:
                on_leash(leash, station.end)
            return await station.run()

    try:
        return asyncio.run(main())
    except StationFailure as error:
        trouble, code = error.trouble, error.exit_code
    except StationTaken as error:
        trouble, code = error.trouble, Exit.TAKEN
    except SettingsError as error:
        trouble, code = error.trouble, Exit.SETTINGS
    except DataError as error:
        trouble, code = Trouble("data", str(error), "", ""), Exit.SETTINGS
    except AccountsUnusable as error:
        trouble, code = error.trouble, Exit.JOURNAL
    except MemoryUnavailable as error:
        trouble, code = Trouble("history", str(error), "", ""), Exit.JOURNAL
    except (JournalError, RecordUnavailable) as error:
        trouble, code = Trouble("journal", str(error), "", ""), Exit.JOURNAL
    announce(failure_line("station", trouble))
    sys.stderr.write(f"{trouble}\n")
    return code
