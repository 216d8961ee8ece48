"""The recorder's process: journal batches from the bus into the store, and the embedded broker where there is no other.

It may die at any time: the station's journal waits for its receipts and sends again what was not confirmed.
"""

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from importlib.metadata import version

from logger.brokers.embedded import Account, embedded_broker, recorder_account, station_account
from logger.bus.broker_url import BrokerUrl
from logger.bus.recorder import Recorder
from logger.bus.topics import Topics
from logger.errors import EmbeddedBrokerError, RecordError
from logger.store.place import shown
from logger.store.store import Store
from station.clock import StationClock
from station.errors import SettingsError, Trouble
from station.monitoring.event_log import EventLog
from station.monitoring.metrics import of_recorder, served
from station.process.exits import Exit
from station.process.lines import Announce, failure_line, say_line
from station.process.signals import on_ending_signals, on_leash
from station.record.brokers import brokers_of
from station.settings import StationSettings

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


@asynccontextmanager
async def _observed(settings: StationSettings, brokers: tuple[BrokerUrl, ...], store: Store) -> AsyncIterator[Recorder]:
    """A recorder, its metrics served and its events logged where the settings ask for it."""
    clock = StationClock()
    log = EventLog(settings.log, "recorder", sys.stderr, clock.utc)

    def problem(sentence: str) -> None:
        if log.on:
            log.say("problem", what=sentence, **asdict(recorder.counts))
        else:
            print(sentence, file=sys.stderr, flush=True)

    recorder = Recorder(
        broker=brokers,
        site=settings.site,
        store=store,
        utc_now=clock.utc,
        random=random.SystemRandom(),
        on_ready=lambda: log.say("subscribed", connections=recorder.counts.connections),
        on_problem=problem,
    )
    async with served(settings.metrics_address, lambda: of_recorder(recorder.counts)):
        log.say("started", software=f"needlework {version('needlework')}")
        try:
            yield recorder
        finally:
            log.say("ended", **asdict(recorder.counts))


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
                async with _brokers(settings, kept) as (own, announced), _observed(settings, own, store) as recorder:
                    recording = asyncio.create_task(recorder.run(), name="recorder")
                    announce({"ready": "recorder", "broker": announced, "store": shown(settings.store_place)})
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
