"""Patients by name, through a station that runs or at its files: the same calls either way."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol
from urllib.parse import quote

from station.api.client import PersonClient, StationClient, read_answer
from station.api.patient_models import (
    AddPatient,
    ErasePatient,
    FindPatients,
    LooksTold,
    LookTold,
    PeopleTold,
    PersonTold,
)
from station.clock import StationClock
from station.errors import KeyMapRefused, StationUnreachable, Trouble
from station.people.offline import NoJournal, signed_in_offline
from station.settings import StationSettings
from station.site import last_visits
from station.site.history import SiteHistory
from station.site.history_file import HistoryFile
from station.site.keymap import Details
from station.site.keymap_file import KeyMapFile
from station.site.patients import Patients
from station.site.retention import load_retention


class PatientRegister(Protocol):
    """What somebody signed in can do with patients by name."""

    async def add(self, asked: AddPatient) -> PersonTold: ...
    async def find(self, text: str) -> tuple[PersonTold, ...]: ...
    async def show(self, pseudonym: str) -> PersonTold: ...
    async def revise(self, pseudonym: str, said: Details) -> PersonTold: ...
    async def looks(self, pseudonym: str) -> tuple[LookTold, ...]: ...
    async def erase(self, pseudonym: str) -> None: ...


class RegisterAtStation:
    """Through a station's API. Every call raises StationRefused, StationUnreachable."""

    def __init__(self, station: StationClient, person: PersonClient) -> None:
        self._station = station
        self._headers = person.headers

    async def add(self, asked: AddPatient) -> PersonTold:
        """Enters somebody."""
        body = asked.model_dump(mode="json")
        return read_answer(PersonTold, await self._call("POST", "", body))

    async def find(self, text: str) -> tuple[PersonTold, ...]:
        """Finds by name, birth date or chart number; everybody by an empty text."""
        body = FindPatients(text=text).model_dump(mode="json")
        return read_answer(PeopleTold, await self._call("POST", "/find", body)).people

    async def show(self, pseudonym: str) -> PersonTold:
        """Who it is."""
        return read_answer(PersonTold, await self._call("GET", f"/{quote(pseudonym, safe='')}/person"))

    async def revise(self, pseudonym: str, said: Details) -> PersonTold:
        """Corrects what is known."""
        path = f"/{quote(pseudonym, safe='')}/person"
        return read_answer(PersonTold, await self._call("POST", path, said.model_dump(mode="json")))

    async def looks(self, pseudonym: str) -> tuple[LookTold, ...]:
        """Who read the name."""
        return read_answer(LooksTold, await self._call("GET", f"/{quote(pseudonym, safe='')}/looks")).looks

    async def erase(self, pseudonym: str) -> None:
        """Destroys who it is."""
        body = ErasePatient(confirm=pseudonym).model_dump(mode="json")
        await self._call("POST", f"/{quote(pseudonym, safe='')}/erase", body)

    async def _call(self, method: str, path: str, body: dict[str, object] | None = None) -> bytes:
        return await self._station.call(method, f"/v1/patients{path}", body=body, headers=self._headers)


class RegisterAtFiles:
    """At the site's files, while no station runs. Every call raises StationError."""

    def __init__(self, patients: Patients, token: str) -> None:
        self._patients = patients
        self._token = token

    async def add(self, asked: AddPatient) -> PersonTold:
        """Enters somebody."""
        return PersonTold.of(
            await self._patients.add(
                self._token,
                asked.said,
                pseudonym=asked.pseudonym,
                another=asked.another,
                request=asked.request,
            )
        )

    async def find(self, text: str) -> tuple[PersonTold, ...]:
        """Finds by name, birth date or chart number; everybody by an empty text."""
        return tuple(PersonTold.of(one) for one in await self._patients.find(self._token, text))

    async def show(self, pseudonym: str) -> PersonTold:
        """Who it is."""
        return PersonTold.of(await self._patients.show(self._token, pseudonym))

    async def revise(self, pseudonym: str, said: Details) -> PersonTold:
        """Corrects what is known."""
        return PersonTold.of(await self._patients.revise(self._token, pseudonym, said))

    async def looks(self, pseudonym: str) -> tuple[LookTold, ...]:
        """Who read the name."""
        return tuple(LookTold.of(one) for one in await self._patients.looks(self._token, pseudonym))

    async def erase(self, pseudonym: str) -> None:
        """Destroys who it is."""
        await self._patients.erase(self._token, pseudonym)


@asynccontextmanager
async def patient_register(
    settings: StationSettings, by: str, password: str, *, to_read: bool = False
) -> AsyncIterator[PatientRegister]:
    """Somebody signed in, through the station that runs or at its files; ``to_read`` makes none where there are none.

    Raises StationError, DataError.
    """
    async with AsyncExitStack() as undo:
        try:
            station = await undo.enter_async_context(StationClient.of(settings))
            await station.status()
        except StationUnreachable:
            if to_read and not settings.key_map_path.exists():
                raise KeyMapRefused(_nobody_here(settings)) from None
            yield await _at_files(settings, by, password, undo)
            return
        person = await undo.enter_async_context(station.signed_in(by, password))
        yield RegisterAtStation(station, person)


def _nobody_here(settings: StationSettings) -> Trouble:
    return Trouble(
        "no_key_map",
        f"There is no key map in {settings.state_dir}: nobody was ever entered here.",
        "Nothing was made, so a backup can be restored here.",
        "Name the station's state directory with --state, or enter somebody with `needlework patients add`.",
    )


async def _at_files(settings: StationSettings, by: str, password: str, undo: AsyncExitStack) -> RegisterAtFiles:
    person = await undo.enter_async_context(signed_in_offline(settings, by, password))
    retention = load_retention(settings.retention)
    memory = SiteHistory(HistoryFile(settings.history_path))
    undo.push_async_callback(memory.close)
    patients = Patients(
        KeyMapFile(settings.key_map_path, settings.site_key_path),
        person.people,
        memory,
        retention,
        amendments=settings.amendments_path,
        in_record=lambda pseudonym: last_visits.in_record(settings, pseudonym),
        journal=NoJournal(),
        clock=StationClock(),
    )
    undo.push_async_callback(patients.close)
    return RegisterAtFiles(patients, person.token)
