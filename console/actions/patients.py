"""`needlework patients`: what a site knows of its patients, by pseudonym, and, for people signed in, by name."""

import asyncio
import secrets
import sys
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError
from rich.table import Table
from rich.text import Text

from console.actions.asked import check_patient
from console.exits import Code
from console.passwords import password_for
from console.render.marks import DEMO_RECORD
from console.render.patient import patient_view
from console.screen import out, print_json, say
from console.trouble import ConsoleError, Told
from station.api.client import StationClient
from station.api.models import PatientTold
from station.api.patient_client import PatientRegister, patient_register
from station.api.patient_models import AddPatient, PersonTold
from station.errors import KeyMapRefused, KeyMapUnusable, StationRefused
from station.settings import StationSettings
from station.site.keymap import Details
from station.site.pseudonyms import read_pseudonym

_MICROSECONDS = 1_000_000
_ASKED_MAX = 3
"""A slow disk gets three deadlines to enter somebody in."""

Result = TypeVar("Result")


def show(settings: StationSettings, patient: str, by: str, password_file: Path | None, *, as_json: bool) -> int:
    """Prints course, visits and approvals; the name too, for somebody signed in. Raises StationError, ConsoleError."""
    if by:
        return Register(settings, by, password_file, as_json).show(patient)
    patient = as_written(patient)

    async def ask() -> tuple[PatientTold, bool]:
        async with StationClient.of(settings) as station:
            return await station.patient(patient), (await station.status()).mode == "demo"

    told, demo = asyncio.run(ask())
    if as_json:
        print_json(told.model_dump(mode="json", exclude={"last_answers"}))
    else:
        say(out(), patient_view(told))
        if demo:
            out().print(Text(DEMO_RECORD, style="yellow"))
    return Code.DONE


def as_written(typed: str) -> str:
    """A pseudonym as it is written, one of ours in whatever case it was typed. Raises ConsoleError for what is none."""
    check_patient(typed)
    found = read_pseudonym(typed)
    if found is None and typed.upper().startswith("P-") and typed.count("-") == _HYPHENS_OF_OURS:
        raise ConsoleError(
            Told(
                "mistyped",
                "This pseudonym does not check out: a character in it is wrong, or two changed places.",
                "Nothing was sent; it could have been another patient's.",
                "Look at it again, or find the patient by name: `needlework patients find`.",
            ),
            Code.USAGE,
        )
    return found or typed


_HYPHENS_OF_OURS = 3


def details(
    name: str | None, born: str | None, contact: str | None, chart: str | None, photos: list[str] | None
) -> Details:
    """What is said on the command line. Raises ConsoleError, which does not repeat it."""
    day = None if born is None else _day(born)
    try:
        return Details(
            name=name, born=day, contact=contact, chart=chart, photos=None if photos is None else tuple(photos)
        )
    except ValidationError as error:
        raise _unreadable(str(error.errors()[0]["loc"][0])) from None


def _day(born: str) -> date:
    try:
        day = date.fromisoformat(born)
    except ValueError:
        raise _unreadable("born") from None
    if day > datetime.now(UTC).date():
        raise _unreadable("born")
    return day


def _unreadable(option: str) -> ConsoleError:
    what = f"--{option} cannot be read: a line of at most 200 characters; a birth date as 1990-02-03, in the past."
    return ConsoleError(Told("usage", what, "Nothing was changed.", f"Give --{option} anew in this form."), Code.USAGE)


@dataclass(frozen=True, slots=True)
class Register:
    """The patients by name, for one person of the site. Every call raises StationError, ConsoleError."""

    settings: StationSettings
    by: str
    password_file: Path | None
    as_json: bool

    def asked(self, words: str) -> str:
        """A line from the terminal, or from what is fed in. Raises ConsoleError."""
        try:
            return input(f"{words}: " if sys.stdin.isatty() else "")
        except EOFError as error:
            do = "Type it when it is asked for, feed it in as a line, or give it on the command line."
            told = Told("nothing_said", f"{words}: nothing was said.", "Nothing was changed.", do)
            raise ConsoleError(told, Code.USAGE) from error

    def add(self, said: Details, pseudonym: str, *, another: bool) -> int:
        """Enters somebody and prints the pseudonym."""
        check_patient(pseudonym)
        request = secrets.token_hex(16)  # asked again, it enters nobody twice
        asked = AddPatient(said=said, pseudonym=pseudonym or None, another=another, request=request)
        told = self._do(lambda register: entered(register, asked))
        if self.as_json:
            print_json({"pseudonym": told.pseudonym})
        else:
            out().print(Text(told.pseudonym))
        return Code.DONE

    def find(self, text: str) -> int:
        """Prints whom it finds, a line each."""
        found = self._do(lambda register: register.find(text), to_read=True)
        if self.as_json:
            print_json([one.model_dump(mode="json") for one in found])
        elif found:
            say(out(), _table(found))
        else:
            out().print(Text("Nobody."))
        return Code.DONE if found else Code.NO

    def named(self, pseudonyms: Collection[str]) -> dict[str, str | None]:
        """Name, birth date and how to reach them, of each pseudonym; None for whoever is not, or no longer, known."""

        async def name(register: PatientRegister, pseudonym: str) -> str | None:
            try:
                told = await register.show(pseudonym)
            except KeyMapRefused:
                return None
            except StationRefused as refused:
                if refused.trouble.code not in ("patient_unknown", "patient_erased"):
                    raise
                return None
            return ", ".join(part for part in (told.name, str(told.born or ""), told.contact) if part)

        async def all_of(register: PatientRegister) -> dict[str, str | None]:
            return {pseudonym: await name(register, pseudonym) for pseudonym in sorted(pseudonyms)}

        return self._do(all_of)

    def show(self, patient: str) -> int:
        """Prints who somebody is."""
        return self._told(self._do(lambda register: register.show(as_written(patient)), to_read=True))

    def revise(self, patient: str, said: Details) -> int:
        """Corrects what is known."""
        return self._told(self._do(lambda register: register.revise(as_written(patient), said)))

    def hold(self, patient: str, reason: str, *, release: bool) -> int:
        """Sets or lifts a hold."""
        if release == bool(reason):
            told = Told("usage", "Give --reason, or --release to lift it.", "Nothing was changed.")
            raise ConsoleError(told, Code.USAGE)
        return self._told(self._do(lambda register: register.revise(as_written(patient), Details(hold=reason))))

    def looks(self, patient: str) -> int:
        """Prints who read the name."""
        found = self._do(lambda register: register.looks(as_written(patient)), to_read=True)
        if self.as_json:
            print_json([one.model_dump(mode="json") for one in found])
            return Code.DONE
        for one in found:
            when = datetime.fromtimestamp(one.at_us / _MICROSECONDS, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
            out().print(Text(f"{when}  {one.who}  {one.what}  {one.pseudonym}"))
        return Code.DONE

    def erase(self, patient: str, confirm: str) -> int:
        """Destroys who somebody is."""
        patient = as_written(patient)
        if as_written(confirm) != patient:
            told = Told("not_confirmed", "The two pseudonyms are not the same.", "Nothing was erased.")
            raise ConsoleError(told)
        self._do(lambda register: register.erase(patient))
        if self.as_json:
            print_json({"erased": patient})
        else:
            out().print(
                Text(
                    f"{patient} was erased: who it was, answers, consent references, approvals. The record keeps its "
                    "sessions, which lead to nobody now. Backups and other stations forget it when they are restored "
                    "or joined; photos and paper are the clinic's to destroy."
                )
            )
        return Code.DONE

    def _told(self, told: PersonTold) -> int:
        if self.as_json:
            print_json(told.model_dump(mode="json"))
        else:
            say(out(), _table((told,)))
        return Code.DONE

    def _do(self, call: Callable[[PatientRegister], Awaitable[Result]], *, to_read: bool = False) -> Result:
        password = password_for(self.by, self.settings.mode, self.password_file)

        async def do() -> Result:
            async with patient_register(self.settings, self.by, password, to_read=to_read) as register:
                return await call(register)

        return asyncio.run(do())


async def entered(register: PatientRegister, asked: AddPatient) -> PersonTold:
    """Enters somebody; asks again where the key map did not answer in time, since it may have done it all the same.

    ``asked`` has the id of a request. Raises StationError.
    """
    for _ in range(_ASKED_MAX - 1):
        try:
            return await register.add(asked)
        except (KeyMapUnusable, StationRefused) as error:
            if error.trouble.code != "key_map_busy":
                raise
    return await register.add(asked)


def _table(people: tuple[PersonTold, ...]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("pseudonym", "name", "born", "contact", "chart", "photos", "hold"):
        table.add_column(name)
    for one in people:
        born = "" if one.born is None else one.born.isoformat()
        cells = (one.pseudonym, one.name, born, one.contact, one.chart, str(len(one.photos) or ""), one.hold)
        table.add_row(*(Text(cell) for cell in cells))
    return table
