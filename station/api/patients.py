"""The part of the local API about patients by name. Every call needs a sign-in; no name is ever part of a path."""

from typing import Annotated

from fastapi import FastAPI, Path, Request

from controller.plan import Pseudonym
from station.api.calls import body_schema, read_body
from station.api.patient_models import (
    AddPatient,
    ErasePatient,
    FindPatients,
    LooksTold,
    LookTold,
    PeopleTold,
    PersonTold,
)
from station.api.people import SIGN_IN_HEADER
from station.errors import KeyMapRefused, Trouble
from station.site.keymap import Details
from station.site.patients import Patients

Which = Annotated[Pseudonym, Path()]


def add_patients(api: FastAPI, patients: Patients) -> None:
    """Adds the calls to the application."""

    @api.post("/v1/patients", openapi_extra=body_schema(AddPatient))
    async def add(request: Request) -> PersonTold:
        """Enters a patient."""
        asked = await read_body(request, AddPatient)
        return PersonTold.of(
            await patients.add(
                _token(request),
                asked.said,
                pseudonym=asked.pseudonym,
                another=asked.another,
                request=asked.request,
            )
        )

    @api.post("/v1/patients/find", openapi_extra=body_schema(FindPatients))
    async def find(request: Request) -> PeopleTold:
        """Finds patients by name, birth date or chart number."""
        asked = await read_body(request, FindPatients)
        found = await patients.find(_token(request), asked.text)
        return PeopleTold(people=tuple(PersonTold.of(one) for one in found))

    @api.get("/v1/patients/{patient}/person")
    async def person(patient: Which, request: Request) -> PersonTold:
        """Who is behind a pseudonym."""
        return PersonTold.of(await patients.show(_token(request), patient))

    @api.post("/v1/patients/{patient}/person", openapi_extra=body_schema(Details))
    async def revise(patient: Which, request: Request) -> PersonTold:
        """Corrects what is known of a patient."""
        asked = await read_body(request, Details)
        return PersonTold.of(await patients.revise(_token(request), patient, asked))

    @api.get("/v1/patients/{patient}/looks")
    async def looks(patient: Which, request: Request) -> LooksTold:
        """Who read the name of a patient. Needs a manager or physician."""
        return LooksTold(looks=tuple(LookTold.of(one) for one in await patients.looks(_token(request), patient)))

    @api.post("/v1/patients/{patient}/erase", status_code=204, openapi_extra=body_schema(ErasePatient))
    async def erase(patient: Which, request: Request) -> None:
        """Destroys who is behind a pseudonym. Needs a manager or physician."""
        asked = await read_body(request, ErasePatient)
        if asked.confirm != patient:
            raise KeyMapRefused(
                Trouble("not_confirmed", "The two pseudonyms are not the same.", "Nothing was erased.", "")
            )
        await patients.erase(_token(request), patient)


def _token(request: Request) -> str:
    return request.headers.get(SIGN_IN_HEADER, "")
