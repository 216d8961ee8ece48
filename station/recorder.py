"""The recorder's process: journal batches from the bus into the store, and the embedded broker where there is no other.

It may die at any time: the station's journal waits for its receipts and sends again what was not confirmed.
"""

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from logger.broker import Account, embedded_broker, recorder_account, station_account
from logger.errors import EmbeddedBrokerError, RecordError
from logger.mqtt import BrokerUrl
from logger.recorder import run_recorder
from logger.store import Store
from logger.topics import Topics
from station.brokers import brokers_of
from station.clock import StationClock
from station.errors import SettingsError, Trouble
from station.exits import Exit
from station.lines import Announce, failure_line, say_line
from station.settings import StationSettings
from station.signals import on_ending_signals, on_leash

STATION_USER, RECORDER_USER = "station", "recorder"


@asynccontextmanager
async def _brokers(
    settings: StationSettings, kept: BrokerUrl | None
) -> AsyncIterator[tuple[tuple[BrokerUrl, ...], str]]:
    """The brokers as the recorder comes to them, and what is announced: with a password for the embedded one alone,
    which the station has from nowhere else."""
    named = brokers_of(settings, "recorder")
    if named:
        yield named, ", ".join(map(str, named))
        return
    station = station_account(Topics(settings.site, settings.station))
    if kept is not None and kept.password is not None:
        station = replace(station, password=kept.password)
    accounts: dict[str, Account] = {
        STATION_USER: station,
        RECORDER_USER: recorder_account(settings.site, [settings.station]),
    }
    async with embedded_broker(accounts, port=kept.port if kept is not None else 0) as broker:
        yield (broker.url(RECORDER_USER),), broker.url(STATION_USER).secret_text()


def recorder_main(
    settings: StationSettings,
    *,
    kept: BrokerUrl | None = None,
    leash: int | None = None,
    announce: Announce = say_line,
) -> int:
    """Records the settings' site into its store until a signal, or the end of ``leash``, asks it to end. Its exit code.

    ``kept`` is the address an embedded broker had before, as the station knows it; one that comes back is found there.
    """

    async def main() -> Exit:
        asked = asyncio.Event()
        store = Store.open(settings.store_place)
        try:
            with on_ending_signals(lambda _: asked.set()):
                if leash is not None:
                    on_leash(leash, lambda _: asked.set())
                async with _brokers(settings, kept) as (own, announced):
                    recording = asyncio.create_task(_record(own, store), name="recorder")
                    announce({"ready": "recorder", "broker": announced, "store": settings.store_place})
                    asking = asyncio.create_task(asked.wait(), name="asked to end")
                    await asyncio.wait({recording, asking}, return_when=asyncio.FIRST_COMPLETED)
                    for task in (recording, asking):
                        task.cancel()
                    await asyncio.wait({recording, asking})
                    if not recording.cancelled():
                        recording.result()
        finally:
            store.close()
        return Exit.ORDERLY

    async def _record(own: tuple[BrokerUrl, ...], store: Store) -> None:
        await run_recorder(
            broker=own,
            site=settings.site,
            store=store,
            utc_now=StationClock().utc,
            random=random.SystemRandom(),
            on_problem=lambda sentence: print(sentence, file=sys.stderr, flush=True),
        )

    try:
        settings.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        return asyncio.run(main())
    except SettingsError as error:
        trouble, code = error.trouble, Exit.SETTINGS
    except EmbeddedBrokerError as error:
        trouble, code = Trouble("broker", str(error), "", ""), Exit.TAKEN
    except (RecordError, OSError) as error:
        trouble, code = Trouble("recorder", str(error), "", ""), Exit.JOURNAL
    announce(failure_line("recorder", trouble))
    sys.stderr.write(f"{trouble}\n")
    return code
