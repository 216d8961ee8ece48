"""Patients by name at a station that runs: who may, what is noted, what is refused, and what an erasure leaves."""

import json
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import date
from typing import Any

import httpx
import pytest
from pydantic import BaseModel, ValidationError

from console.actions.patients import entered
from controller.events import PatientErased
from controller.plan import SessionPlan
from controller.ports import MemoryUnavailable
from logger.journal.reader import JournalReader
from logger.proof.verify import verify_journal
from station.api import models, patient_models
from station.api.patient_client import PatientRegister, patient_register
from station.api.patient_models import AddPatient
from station.errors import KeyMapRefused, NotAllowed, StationRefused
from station.settings import StationSettings
from station.site import last_visits, patients
from station.site.history_file import HistoryFile
from station.site.keymap import Details, KeyMap, Tombstone
from station.site.keymap_file import KeyMapFile
from tests.station.conftest import OPERATOR, House, OpenHouse, plan

pytestmark = pytest.mark.system

MARIA = Details(name="Maria Muster", born=date(1990, 2, 3), contact="0100")
PHYSICIAN = "demo-physician"
PASSWORD = "three words in a row"


@asynccontextmanager
async def register(
    settings: StationSettings, by: str = PHYSICIAN, password: str = ""
) -> AsyncIterator[PatientRegister]:
    async with patient_register(settings, by, password) as opened:
        yield opened


def erased(settings: StationSettings) -> list[str]:
    reader = JournalReader(settings.journal_path)
    try:
        events = [entry.event() for entry in reader.entries() if entry.type == "patient_erased"]
    finally:
        reader.close()
    return [event.patient for event in events if isinstance(event, PatientErased)]


async def test_a_patient_is_entered_found_and_named_to_people_of_the_site(house: House) -> None:
    async with register(house.settings) as people:
        told = await people.add(AddPatient(said=MARIA))
    async with register(house.settings, OPERATOR) as people:
        assert [one.pseudonym for one in await people.find("muster 1990-02-03")] == [told.pseudonym]
        assert (await people.show(told.pseudonym)).contact == "0100"
        assert (await people.revise(told.pseudonym, Details(contact="0200"))).contact == "0200"
        assert await people.find("nobody") == ()
        with pytest.raises(StationRefused, match="no physician"):
            await people.looks(told.pseudonym)
        with pytest.raises(StationRefused, match="no physician"):
            await people.erase(told.pseudonym)
        with pytest.raises(StationRefused, match="no physician"):
            await people.revise(told.pseudonym, Details(hold="lawsuit"))
    async with register(house.settings) as people:
        looks = await people.looks(told.pseudonym)
    assert [(look.who, look.what) for look in looks] == [(OPERATOR, what) for what in ("find", "show", "rename")]


async def test_nobody_who_is_not_signed_in_reads_a_name(house: House) -> None:
    async with register(house.settings) as people:
        told = await people.add(AddPatient(said=MARIA))
    http: httpx.AsyncClient = house.client._http
    for method, path in (
        ("POST", "/v1/patients"),
        ("POST", "/v1/patients/find"),
        ("GET", f"/v1/patients/{told.pseudonym}/person"),
        ("POST", f"/v1/patients/{told.pseudonym}/person"),
        ("GET", f"/v1/patients/{told.pseudonym}/looks"),
        ("POST", f"/v1/patients/{told.pseudonym}/erase"),
    ):
        body = {"said": {"name": "x"}} if path == "/v1/patients" else {}
        body = {"confirm": told.pseudonym} if path.endswith("erase") else body
        answer = await http.request(method, path, content=json.dumps(body).encode())
        assert answer.status_code == 401, (path, answer.text)
        assert "Maria" not in answer.text


async def test_the_examples_without_a_password_read_no_names_once_the_site_has_accounts(house: House) -> None:
    async with register(house.settings) as people:
        await people.add(AddPatient(said=MARIA))
    await house.client.nobody().add_account("boss", "manager", PASSWORD)
    async with register(house.settings) as people:
        with pytest.raises(StationRefused, match="example without a password"):
            await people.find("Maria")
    async with register(house.settings, "boss", PASSWORD) as people:
        assert len(await people.find("Maria")) == 1


async def test_a_pseudonym_that_stands_for_nobody_is_not_treated_where_there_is_a_key_map(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house.client.seat(OPERATOR) as seat:
        await seat.prepare(plan())  # none yet: any pseudonym does
        await seat.close()
        async with register(house.settings) as people:
            told = await people.add(AddPatient(said=MARIA))
        with pytest.raises(StationRefused, match="stands for nobody"):
            await seat.prepare(plan())
        await seat.prepare(plan(patient=told.pseudonym))
        async with register(house.settings) as people:
            with pytest.raises(StationRefused, match="is open"):
                await people.erase(told.pseudonym)
        await seat.close()
        async with register(house.settings) as people:
            with pytest.raises(StationRefused, match="is kept until"):
                await people.erase(told.pseudonym)
        with closing(sqlite3.connect(house.settings.history_path)) as history, history:
            history.execute("UPDATE visits SET on_day = '2010-01-01'")
        async with register(house.settings) as people:
            with pytest.raises(StationRefused, match="is kept until"):
                await people.erase(told.pseudonym)  # the record knows better
        monkeypatch.setattr(last_visits, "in_record", lambda *_: date(2010, 1, 1))  # years went by
        async with register(house.settings) as people:
            await people.erase(told.pseudonym)
        with pytest.raises(StationRefused, match="was erased"):
            await seat.prepare(plan(patient=told.pseudonym))
    assert erased(house.settings) == [told.pseudonym]
    content = house.settings.history_path.read_bytes()
    assert told.pseudonym.encode() not in content
    house.station.end("the test is over")
    await house.task
    assert verify_journal(house.settings.journal_path).verdict == "intact"


async def test_what_was_erased_while_no_station_ran_is_in_the_record_once_when_one_starts(
    open_house: OpenHouse,
) -> None:
    async with open_house() as house:
        settings = house.settings
    async with register(settings) as people:
        told = await people.add(AddPatient(said=MARIA))
        await people.erase(told.pseudonym)
        with pytest.raises(KeyMapRefused, match="was erased"):
            await people.erase(told.pseudonym)
    assert erased(settings) == []
    async with open_house():
        pass
    assert erased(settings) == [told.pseudonym]
    async with open_house():
        pass
    assert erased(settings) == [told.pseudonym]
    with closing(KeyMapFile(settings.key_map_path, settings.site_key_path)) as file:
        assert file.erasures() == ()


async def test_an_erasure_that_fails_half_way_leaves_the_entry_to_be_erased_again(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_house() as house:
        settings = house.settings

    def full(*_: object) -> None:
        raise MemoryUnavailable("The disk is full.")

    async with register(settings) as people:
        told = await people.add(AddPatient(said=MARIA))
        with monkeypatch.context() as patch:
            patch.setattr(HistoryFile, "forget", full)
            with pytest.raises(MemoryUnavailable):
                await people.erase(told.pseudonym)
        assert (await people.show(told.pseudonym)).name == "Maria Muster"
        await people.erase(told.pseudonym)
        assert await people.find("") == ()


async def test_an_erasure_that_was_brought_and_not_finished_is_finished_when_a_station_starts(
    open_house: OpenHouse,
) -> None:
    async with open_house() as house, house.client.seat(OPERATOR) as seat:
        settings = house.settings
        await seat.prepare(plan())
        await seat.close()
    with closing(KeyMapFile(settings.key_map_path, settings.site_key_path)) as file:
        file.take(KeyMap(tombstones={plan().patient: Tombstone(1, "boss")}), (), 1)
    assert plan().patient.encode() in settings.history_path.read_bytes()
    async with open_house():
        pass
    assert plan().patient.encode() not in settings.history_path.read_bytes()


async def test_a_request_that_is_made_again_because_the_disk_was_slow_enters_nobody_twice(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_house() as house:
        settings = house.settings
    real, slow = KeyMapFile.add, iter([0.6])

    def add(*given: Any, **named: Any) -> str:
        made = real(*given, **named)
        time.sleep(next(slow, 0.0))  # it is done, and says so too late
        return made

    monkeypatch.setattr(KeyMapFile, "add", add)
    monkeypatch.setattr(patients, "DEADLINE_S", 0.5)
    asked = AddPatient(said=Details(name="Maria Muster"), request="0f" * 16)  # no birth date to find her by
    async with register(settings) as people:
        told = await entered(people, asked)
        assert await people.find("Maria") == (told,)
        assert await people.add(asked) == told
        with pytest.raises(KeyMapRefused, match="used for something else"):
            await people.add(AddPatient(said=Details(name="Otto Normal"), request="0f" * 16))
        assert await people.add(AddPatient(said=Details(name="Maria Muster"))) != told


async def test_at_the_files_the_same_people_may_the_same(open_house: OpenHouse) -> None:
    async with open_house() as house:
        settings = house.settings
    async with register(settings) as people:
        told = await people.add(AddPatient(said=MARIA))
    async with register(settings, OPERATOR) as people:
        assert [one.name for one in await people.find("")] == ["Maria Muster"]
        with pytest.raises(NotAllowed):
            await people.erase(told.pseudonym)
        with pytest.raises(KeyMapRefused, match="no reason of the retention file"):
            async with register(settings) as physician:
                await physician.revise(told.pseudonym, Details(hold="because"))


INCOMING: list[type[BaseModel]] = [
    SessionPlan,
    Details,
    *(
        found
        for module in (models, patient_models)
        for found in vars(module).values()
        if isinstance(found, type) and issubclass(found, models.Asked) and found is not models.Asked
    ),
]


@pytest.mark.parametrize("model", INCOMING, ids=lambda model: model.__name__)
def test_what_is_wrong_with_a_call_is_said_without_repeating_it(model: type[BaseModel]) -> None:
    wrong: dict[str, object] = {name: ["Quastenflosser"] for name in model.model_fields}
    for body in ({**wrong, "more": "Quastenflosser"}, {"more": "Quastenflosser"}):
        with pytest.raises(ValidationError) as refused:
            model.model_validate_json(json.dumps(body))
        assert "Quastenflosser" not in str(refused.value)
