"""Who is behind a pseudonym, for the people of a site: who may ask, what is noted of it, and what erasing takes away.

Names are read by whoever is signed in, and each reading is noted here, at the site. Erasing takes a physician or a
manager. While the key map does not answer nobody is named, erased or newly treated; what runs goes on.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import TypeVar

from controller.errors import ControlRefused
from controller.events import PatientErased
from logger.errors import RecordError
from station.clock import StationClock
from station.errors import KeyMapRefused, KeyMapUnusable, Trouble
from station.people.accounts import Role
from station.people.people import People, SecurityRecord
from station.process.worker import Worker, WorkerBusy
from station.site.amendments import erase_texts
from station.site.history import SiteHistory
from station.site.keymap import Details, Person, matches
from station.site.keymap_file import KeyMapFile, Look
from station.site.retention import Retention, check_erasure, record_unread

DEADLINE_S = 5.0
"""Looking through ten thousand patients takes a second or so: each is decrypted."""
WAITING_MAX = 8
READERS: tuple[Role, ...] = ("operator", "physician", "manager")
DECIDERS: tuple[Role, ...] = ("physician", "manager")
_MICROSECONDS = 1_000_000

Result = TypeVar("Result")


class Patients:
    """The patients of a site, by name."""

    def __init__(
        self,
        file: KeyMapFile,
        people: People,
        memory: SiteHistory,
        retention: Retention,
        *,
        amendments: Path,
        in_record: Callable[[str], date | None],
        journal: SecurityRecord,
        clock: StationClock,
    ) -> None:
        """``in_record`` says when a pseudonym was treated last, at any station, as far as the record knows."""
        self._file = file
        self._people = people
        self._memory = memory
        self._retention = retention
        self._amendments = amendments
        self._in_record = in_record
        self._journal = journal
        self._clock = clock
        self.being_treated: Callable[[], Iterable[str]] = tuple
        """The pseudonyms with an open session, as somebody else knows them."""
        self._worker = Worker("key map", deadline_s=DEADLINE_S, waiting_max=WAITING_MAX)

    async def begin(self) -> None:
        """Brings erasures to their end: those another station of the site brought, and those not in the record yet.

        Raises KeyMapUnusable, MemoryUnavailable.
        """
        for pseudonym in await self._do(self._file.tombstones):
            await self._forget(pseudonym)
        await self._tell()

    async def close(self) -> None:
        """Ends the thread, then releases the file."""
        await self._worker.close()
        self._file.close()

    # Before treating --------------------------------------------------------------------------------------------------

    async def check(self, pseudonym: str) -> None:
        """Raises ControlRefused for somebody who was erased, and, where the site has a key map, for nobody it knows:
        a pseudonym that was mistyped would begin another person's history, and a name is no pseudonym at all."""
        try:
            standing, empty = await self._do(lambda: (self._file.standing(pseudonym), self._file.empty))
        except KeyMapUnusable as error:
            raise ControlRefused("key_map", str(error)) from error
        if standing == "erased":
            raise ControlRefused(
                "patient_erased",
                "What was known of this patient was erased. Whoever comes again is entered anew, with another "
                "pseudonym. Nothing changed.",
            )
        if standing == "unknown" and not empty:
            raise ControlRefused(
                "unknown_patient",
                "This pseudonym stands for nobody at this site. Look the patient up by name; `needlework patients add` "
                "enters somebody new. Nothing changed.",
            )

    # By name ----------------------------------------------------------------------------------------------------------

    async def add(
        self, token: str, said: Details, *, pseudonym: str | None, another: bool, request: str | None = None
    ) -> Person:
        """Enters somebody; with a ``request``, once however often it is asked. Raises SignInRefused, NotAllowed,
        KeyMapError."""
        by = await self._reader(token)
        made = await self._do(
            lambda: self._file.add(said, by, self._now_us(), pseudonym=pseudonym, another=another, request=request)
        )
        return await self._do(lambda: self._file.person(made))

    async def find(self, token: str, text: str, command: str = "find") -> tuple[Person, ...]:
        """Everybody who is meant by parts of a name, a birth date or a chart number; an empty text means everybody.

        Raises as :meth:`add`.
        """
        by = await self._reader(token)
        found = await self._do(
            lambda: tuple(one for one in self._file.people() if not text.strip() or matches(one, text))
        )
        await self._looked(by, command, (one.pseudonym for one in found))
        return found

    async def show(self, token: str, pseudonym: str) -> Person:
        """Who it is. Raises as :meth:`add`."""
        by = await self._reader(token)
        found = await self._do(lambda: self._file.person(pseudonym))
        await self._looked(by, "show", (pseudonym,))
        return found

    async def revise(self, token: str, pseudonym: str, said: Details) -> Person:
        """Corrects what is known of somebody; a hold takes a physician or manager. Raises as :meth:`add`."""
        by = await self._reader(token)
        if said.hold is not None:
            self._people.signed_in(token, *DECIDERS)
            if said.hold and said.hold not in self._retention.hold_reasons:
                known = ", ".join(self._retention.hold_reasons)
                what = f"That is no reason of the retention file to hold a patient; there are {known}."
                raise KeyMapRefused(Trouble("hold_reason", what, "Nothing was changed.", ""))
        await self._do(lambda: self._file.revise(pseudonym, said, by, self._now_us()))
        await self._looked(by, "rename", (pseudonym,))
        return await self._do(lambda: self._file.person(pseudonym))

    async def looks(self, token: str, pseudonym: str) -> tuple[Look, ...]:
        """Who read names; for a manager or physician. Raises as :meth:`add`."""
        await self._reader(token)
        self._people.signed_in(token, *DECIDERS)
        return await self._do(lambda: self._file.looks(pseudonym))

    # Erasing ----------------------------------------------------------------------------------------------------------

    async def erase(self, token: str, pseudonym: str) -> None:
        """Destroys who is behind a pseudonym, and everything else of that person in the site's private files.

        May be repeated after a failure. Raises as :meth:`add`, and MemoryUnavailable.
        """
        by = await self._reader(token)
        self._people.signed_in(token, *DECIDERS)
        if pseudonym in self.being_treated():
            what = f"A session of {pseudonym} is open."
            raise KeyMapRefused(Trouble("session_open", what, "Nothing was erased.", "Close it first."))
        person = await self._do(lambda: self._file.person(pseudonym))
        last = await self._last_visit(pseudonym)
        check_erasure(self._retention, person, last, self._clock.utc().date(), demo=self._people.demo)
        # The rest first: were it to fail, the entry would still be there to be erased again.
        await self._forget(pseudonym)
        await self._do(lambda: self._file.erase(pseudonym, by, self._now_us()))
        await self._tell()

    async def _tell(self) -> None:
        """Journals erasures, then lets the file forget them. What the disk refuses stays noted for the next start."""
        noted = await self._do(self._file.erasures)
        if not noted:
            return
        for one in noted:
            self._journal.emit(PatientErased(patient=one.pseudonym, by=one.by), session=None)
        with suppress(RecordError):
            await self._journal.flush()
            await self._do(lambda: self._file.told(noted[-1].number))

    # Inside -----------------------------------------------------------------------------------------------------------

    async def _forget(self, pseudonym: str) -> None:
        """The texts first: which sessions were this person's is known from the history alone."""
        sessions = await self._memory.sessions_of(pseudonym)
        await self._do(lambda: erase_texts(self._amendments, sessions))
        await self._memory.forget(pseudonym)

    async def _last_visit(self, pseudonym: str) -> date | None:
        days = (await self._memory.last_day(pseudonym), await self._do(lambda: self._file.visited(pseudonym)))
        known = [date.fromisoformat(day) for day in days if day is not None]
        try:
            recorded = await self._do(lambda: self._in_record(pseudonym))
        except RecordError as error:
            raise KeyMapRefused(record_unread(pseudonym, error)) from error
        return max([*known, *([] if recorded is None else [recorded])], default=None)

    async def _reader(self, token: str) -> str:
        return await self._people.names_for(token, READERS)

    async def _looked(self, who: str, what: str, pseudonyms: Iterable[str]) -> None:
        read = tuple(pseudonyms)
        await self._do(lambda: self._file.looked(who, what, read, self._now_us()))

    async def _do(self, call: Callable[[], Result]) -> Result:
        try:
            return await self._worker.do(call)
        except WorkerBusy as busy:
            raise KeyMapUnusable(
                Trouble(
                    "key_map_busy",
                    f"The key map does not answer just now: {busy}.",
                    "Nothing is known to have changed. STOP works all the same.",
                    "Try again in a moment.",
                )
            ) from busy

    def _now_us(self) -> int:
        return int(self._clock.utc().timestamp() * _MICROSECONDS)
