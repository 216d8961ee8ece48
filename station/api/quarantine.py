"""The part of the local API by which somebody takes a pen out of use. No decisions of its own."""

from typing import Protocol

from fastapi import FastAPI, Request

from controller.service_events import Because, ErrorAtDepth
from station.api.calls import body_schema, read_body
from station.api.models import QuarantineAsked, QuarantineTold
from station.api.people import SIGN_IN_HEADER
from station.people.people import People
from station.site.quarantining import MAY_QUARANTINE, TakenOut


class TakesOut(Protocol):
    """:class:`station.site.quarantining.Quarantining`."""

    async def quarantine(
        self, name: str, because: Because, by: str, *, errors: tuple[ErrorAtDepth, ...] = ()
    ) -> TakenOut:
        """Takes a pen out of use."""


def add_quarantine(api: FastAPI, people: People, pens: TakesOut) -> None:
    """Adds the call to the application."""

    @api.post("/v1/quarantine", openapi_extra=body_schema(QuarantineAsked))
    async def quarantine(request: Request) -> QuarantineTold:
        """Takes a pen out of use at every station of the site. Needs somebody signed in, and the pen not armed."""
        asked = await read_body(request, QuarantineAsked)
        by = people.signed_in(request.headers.get(SIGN_IN_HEADER, ""), *MAY_QUARANTINE)
        done = await pens.quarantine(asked.pen, asked.because, by.account, errors=asked.errors)
        return QuarantineTold(event=done.event, calibration_ended=done.ended, problem=done.problem)
