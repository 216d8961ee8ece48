"""The station's process: pens, journal, publisher, API and STOP listener, wired together, begun and ended in order.

The order of ending is what matters most here: motor off and needles out first, then everything else.
"""

import asyncio
import os
import random
import sys
import traceback
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, closing, suppress
from functools import partial
from importlib.metadata import version
from typing import Any

from controller.events import StationStopped
from controller.session import SessionDriver
from controller.site import ClinicData, Site
from logger.bus.messages import AlarmItem
from logger.bus.publisher import Publisher
from logger.bus.topics import Topics
from logger.errors import JournalBusy, RecordError
from logger.journal.journal import Journal
from station.api.app import build_api
from station.api.endpoint import Endpoint, remove_endpoint, write_endpoint
from station.api.models import BusStatus, RecordStatus, StationStatus
from station.api.serving import ApiServer, bind_api
from station.captures import Captures
from station.clock import StationClock
from station.desk import Desk
from station.errors import StationFailure, Trouble
from station.monitoring.observed import observed
from station.pens import StationPen
from station.people.accounts import Accounts
from station.people.people import People
from station.people.seats import Seats
from station.process.awake import SleepInhibitor
from station.process.exits import Exit
from station.process.lines import Announce
from station.process.parts import Parts
from station.record.brokers import brokers_of
from station.record.checkpointing import Checkpoints
from station.record.seam import JournalSink, begin_record, ended_in_order
from station.record.signing_off import SignOff
from station.settings import StationSettings
from station.site import last_visits
from station.site.amendments import Amendments
from station.site.history import HistoryKeeper, SiteHistory, keep_what_is_recorded
from station.site.history_file import HistoryFile
from station.site.keymap_file import KeyMapFile
from station.site.ledger import compare_regularly
from station.site.patients import Patients
from station.site.places import approve, load_data, make_directories, new_token, open_people, records_of_site
from station.site.quarantine import hear_regularly
from station.site.quarantining import Quarantining
from station.site.retention import load_retention
from station.start_of_day import before_the_first_patient
from station.stop import StopListener

DRAIN_S = 2.0
"""How long an ending station lets the recorder catch up. What it has not confirmed stays in the journal."""
LOOK_S = 0.2
"""How often alarms are compared, and open sessions looked for."""


class Station:
    """One station, from its first event to its last. :meth:`run` is called once."""

    def __init__(self, settings: StationSettings, announce: Announce, caveats: tuple[str, ...] = ()) -> None:
        self._settings = settings
        self._announce = announce
        self._clock = StationClock()
        self._random = random.SystemRandom()
        self._software = f"needlework {version('needlework')}"
        self._started = self._clock.utc()
        self._parts = Parts()
        self._of_pens: list[asyncio.Task[None]] = []
        self._asked = asyncio.Event()
        self._reason = ""
        self._awake = SleepInhibitor()
        self._caveats = caveats

    def end(self, reason: str) -> None:
        """Asks the station to end, in good order. The first reason counts."""
        self._reason = self._reason or reason
        self._asked.set()

    async def run(self) -> Exit:
        """Runs until asked to end, or until a part fails. Raises StationFailure when it cannot start."""
        make_directories(self._settings)
        async with AsyncExitStack() as last:
            journal = await self._open_journal()
            last.push_async_callback(journal.close)
            if not await asyncio.to_thread(ended_in_order, journal.reader):
                await self._verify()
            checkpoints = await asyncio.to_thread(Checkpoints.of, journal, self._settings.station_key_path)
            data = load_data(self._settings, self._clock.utc().date())
            accounts = await asyncio.to_thread(Accounts, self._settings.accounts_path)
            people = open_people(self._settings, data, accounts, journal, self._clock)
            last.push_async_callback(people.close)
            history = await asyncio.to_thread(HistoryFile, self._settings.history_path)
            memory = SiteHistory(history)
            last.push_async_callback(memory.close)
            keeper = HistoryKeeper(memory, journal)
            patients = await self._open_patients(people, memory, journal)
            last.push_async_callback(patients.close)
            amendments = Amendments(self._settings.amendments_path)
            last.push_async_callback(amendments.close)
            ledger, pens_kept = records_of_site(self._settings, self._clock, last)
            site = Site(data, memory, ledger, pens_kept, self._settings.scanner_sends_separators)
            pens = self._make_pens(journal, site, keeper, checkpoints, last)
            beside: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
                "history": keeper.run,
                "checkpoints": checkpoints.run,
                "quarantines": partial(hear_regularly, pens_kept, self._settings.journal_path),
                "cartridges": partial(compare_regularly, ledger, JournalSink(journal, self._clock.monotonic_s)),
            }
            desk = Desk(
                pens,
                Seats(self._settings.seat_presence_s, new_token),
                self._clock,
                lambda operator, _pen: people.note("seat_refused", operator),
            )
            doubted = Quarantining(
                self._settings, pens_kept, journal, self._clock, pens=lambda: desk.pens, added=checkpoints.soon
            )
            listener = StopListener(desk.stop, lambda: tuple(pen.name for pen in desk.pens))
            address = await listener.listen(self._settings.stop_port)
            last.push_async_callback(listener.close)
            now, site_name = self._clock.utc(), self._settings.site
            for session in await begin_record(journal, self._software, now, site=site_name):
                desk.note(
                    "", f"The session {session} was left open by a station that ended; it is closed as interrupted."
                )
            await checkpoints.begin()
            await people.begin()
            await asyncio.to_thread(keep_what_is_recorded, history, journal.reader)
            patients.being_treated = lambda: tuple(pen.patient for pen in desk.pens if pen.patient)
            await patients.begin()
            publisher = self._make_publisher(journal, desk)
            beside |= await last.enter_async_context(
                observed(self._settings, self._clock, self._software, journal, publisher, desk.alarms)
            )
            key = "" if self._settings.api == "unix" else new_token()
            listening, api_address = bind_api(self._settings)
            endpoint = Endpoint(
                pid=os.getpid(), api=api_address, api_key=key, stop_host=address.host, stop_port=address.port
            )
            server = ApiServer(
                build_api(
                    desk,
                    people,
                    patients,
                    partial(approve, data=data, journal=journal, memory=memory, clock=self._clock),
                    SignOff(journal, data.operators, amendments, utc_now=self._clock.utc, added=checkpoints.soon),
                    last.enter_context(closing(doubted)),
                    lambda: self._status(journal, publisher, desk, endpoint, data),
                    software=self._software,
                    live_hz=self._settings.live_hz,
                    key=key,
                ),
                listening,
            )
            try:
                failures = await self._go(desk, server, publisher, endpoint, beside)
            finally:
                confirmed = await self._finish(desk, server, publisher, journal, checkpoints)
        for name, error in failures.items():
            sys.stderr.write(f"The part {name!r} of the station ended by itself.\n")
            traceback.print_exception(error)
        if not confirmed:
            return Exit.NOT_CONFIRMED
        return Exit.PART_FAILED if failures else Exit.ORDERLY

    # Beginning --------------------------------------------------------------------------------------------------------

    async def _go(
        self,
        desk: Desk,
        server: ApiServer,
        publisher: Publisher | None,
        endpoint: Endpoint,
        beside: Mapping[str, Callable[[], Coroutine[Any, Any, None]]],
    ) -> dict[str, BaseException | None]:
        """Starts the parts, says that the station is ready, and waits until it is to end; the parts that failed."""
        for pen in desk.pens:
            for what, running in pen.parts().items():
                self._of_pens.append(self._parts.start(f"{what} {pen.name}", running))
        if not self._settings.wait_for_pens:
            await self._pens_answer(desk)
        self._parts.start("api", server.run())
        for name, run in beside.items():
            self._parts.start(name, run())
        self._parts.start("presence", desk.watch_presence())
        self._parts.start("sleep", self._stay_awake(desk))
        if publisher is not None:
            self._parts.start("publisher", publisher.run())
            self._parts.start("alarms", self._tell_alarms(desk, publisher))
        await server.started()
        write_endpoint(self._settings, endpoint)
        self._announce({"ready": "station", **endpoint.model_dump(exclude={"api_key"})})
        waiting = [
            asyncio.create_task(event.wait(), name=name)
            for name, event in (("asked to end", self._asked), ("a part ended", self._parts.ended))
        ]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.wait(waiting)
        return self._parts.failures()

    async def _pens_answer(self, desk: Desk) -> None:
        """Every pen was reached once. Raises StationFailure with what the first one says that was not."""
        for pen in desk.pens:
            asked = asyncio.create_task(self._asked.wait(), name="asked to end")
            tried = asyncio.create_task(pen.first_try(), name=f"first try of {pen.name}")
            await asyncio.wait({asked, tried}, return_when=asyncio.FIRST_COMPLETED)
            for task in (asked, tried):
                task.cancel()
            await asyncio.wait({asked, tried})
            error = tried.result() if not tried.cancelled() else None
            if error is not None:
                raise StationFailure(Trouble("pen", str(error), "", "", type(error).__name__), Exit.PEN)

    async def _open_journal(self) -> Journal:
        settings = self._settings
        try:
            return Journal(
                settings.journal_path,
                station=settings.station,
                utc_now=self._clock.utc,
                monotonic_ms=self._clock.monotonic_ms,
            )
        except JournalBusy as error:
            raise StationFailure(Trouble("already_running", str(error), "", ""), Exit.TAKEN) from error
        except RecordError as error:
            raise StationFailure(Trouble("journal", str(error), "", ""), Exit.JOURNAL) from error

    async def _verify(self) -> None:
        """What a station left that did not end in order is looked at before anything is added to it."""
        from logger.proof.verify import verify_journal  # noqa: PLC0415  with it comes the store: 0.2 s that few starts need

        result = await asyncio.to_thread(verify_journal, self._settings.journal_path)
        if result.verdict != "intact":
            raise StationFailure(
                Trouble(
                    "journal_damaged",
                    result.sentence(),
                    "Nothing is added to a journal that does not verify: what is in it is evidence.",
                    f"Keep {self._settings.journal_path} as it is, and start with another state directory (--state).",
                ),
                Exit.JOURNAL,
            )

    async def _open_patients(self, people: People, memory: SiteHistory, journal: Journal) -> Patients:
        settings = self._settings
        return Patients(
            await asyncio.to_thread(KeyMapFile, settings.key_map_path, settings.site_key_path),
            people,
            memory,
            load_retention(settings.retention),
            amendments=settings.amendments_path,
            in_record=lambda pseudonym: last_visits.in_record(settings, pseudonym),
            journal=journal,
            clock=self._clock,
        )

    def _make_pens(
        self, journal: Journal, site: Site, keeper: HistoryKeeper, checkpoints: Checkpoints, last: AsyncExitStack
    ) -> tuple[StationPen, ...]:
        def closed(session: str) -> None:
            keeper.closed(session)
            checkpoints.soon()

        captures = last.enter_context(Captures(self._settings.captures, self._clock.utc, sys.stderr.write))
        pens = []
        for setting in self._settings.pens:
            sink = JournalSink(journal, self._clock.monotonic_s, closed)
            driver = SessionDriver(setting.url, sink=sink, clock=self._clock, random=self._random, site=site)
            tap, now_ms = captures.tap(setting.name, setting.url), self._clock.monotonic_ms
            pens.append(StationPen(setting, driver, sink, monotonic_ms=now_ms, random=self._random, tap=tap))
        return tuple(pens)

    def _make_publisher(self, journal: Journal, desk: Desk) -> Publisher | None:
        brokers = brokers_of(self._settings, "station")
        if not brokers:
            return None
        return Publisher(
            journal=journal,
            topics=Topics(self._settings.site, self._settings.station),
            broker=brokers,
            software=self._software,
            utc_now=self._clock.utc,
            random=self._random,
            alarms=desk.alarms,
            live=lambda: tuple(pen.live() for pen in desk.pens),
            on_notice=lambda sentence: desk.note("", sentence),
        )

    # Running ----------------------------------------------------------------------------------------------------------

    async def _tell_alarms(self, desk: Desk, publisher: Publisher) -> None:
        """Tells the bus when alarms change."""
        told: tuple[AlarmItem, ...] = ()
        while True:
            alarms = desk.alarms()
            if alarms != told:
                publisher.alarms_changed()
            told = alarms
            await asyncio.sleep(LOOK_S)

    async def _stay_awake(self, desk: Desk) -> None:
        """Keeps the computer awake while a session is open."""
        wanted = False
        while True:
            was, wanted = wanted, any(pen.session_open for pen in desk.pens)
            if wanted and not was:
                await self._awake.hold()
            elif was and not wanted:
                await self._awake.release()
            await asyncio.sleep(LOOK_S)

    def _status(
        self, journal: Journal, publisher: Publisher | None, desk: Desk, endpoint: Endpoint, data: ClinicData
    ) -> StationStatus:
        settings = self._settings
        bus = publisher.state() if publisher is not None else None
        return StationStatus(
            site=settings.site,
            station=settings.station,
            software=self._software,
            pid=os.getpid(),
            started_utc=self._started.isoformat(timespec="seconds"),
            mode=settings.mode,
            stop_port=endpoint.stop_port,
            pens=tuple(desk.status(pen) for pen in desk.pens),
            record=RecordStatus(
                committed=journal.committed, acknowledged=journal.acknowledged, problem=journal.problem() or ""
            ),
            bus=BusStatus(
                url=str(bus.broker) if bus is not None else "",
                connected=bool(bus and bus.connected),
                problem=(bus.problem or "") if bus is not None else "",
            ),
            caveats=tuple(caveat for caveat in (*self._caveats, self._awake.caveat) if caveat),
            notices=desk.notices,
            start_of_day=before_the_first_patient(
                data.library, desk.pens, bus, journal.committed - journal.acknowledged, self._clock.utc().date()
            ),
        )

    # Ending -----------------------------------------------------------------------------------------------------------

    async def _finish(
        self,
        desk: Desk,
        server: ApiServer,
        publisher: Publisher | None,
        journal: Journal,
        checkpoints: Checkpoints,
    ) -> bool:
        """Needles out first, then the rest. Whether every pen confirmed that its needles are out."""
        reason = self._reason or "a part of the station failed"
        confirmed = False
        desk.end()
        async with AsyncExitStack() as then:  # each step is taken, whatever becomes of those before it
            then.push_async_callback(self._parts.close)
            then.push_async_callback(self._awake.release)
            then.push_async_callback(self._finish_record, publisher, journal, checkpoints, reason)
            then.push_async_callback(server.close)
            then.callback(desk.close)
            then.callback(remove_endpoint, self._settings)
            await asyncio.gather(*(pen.shutdown(reason) for pen in desk.pens))
            confirmed = all(pen.known_out for pen in desk.pens)
            if self._of_pens:
                await self._parts.close(*self._of_pens)
            for pen in desk.pens:
                pen.close_unconfirmed(reason)
        return confirmed

    async def _finish_record(
        self, publisher: Publisher | None, journal: Journal, checkpoints: Checkpoints, reason: str
    ) -> None:
        journal.emit(StationStopped(reason=reason), session=None)
        await journal.flush()
        with suppress(RecordError):  # the record is on the disk; unsigned, its last entries are told as such
            await checkpoints.now()
        if publisher is not None and publisher.state().connected:
            with suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_S):
                    await publisher.drained()
