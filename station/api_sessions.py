"""The part of the local API about sessions on record: signing them off. No decisions of its own."""

from fastapi import FastAPI, Request

from station.api_people import SIGN_IN_HEADER
from station.calls import body_schema, read_body
from station.models import Signed, SignSession
from station.people import People
from station.signing_off import SignOff


def add_sessions(api: FastAPI, people: People, sign_off: SignOff) -> None:
    """Adds the calls to the application."""

    @api.post("/v1/sessions/{session}/sign", openapi_extra=body_schema(SignSession))
    async def sign(session: str, request: Request) -> Signed:
        """Signs a closed session as performed or reviewed. Needs an operator or a physician."""
        asked = await read_body(request, SignSession)
        by = people.signed_in(request.headers.get(SIGN_IN_HEADER, ""), "operator", "physician")
        signed = await sign_off.sign(session, by.account, asked.meaning)
        return Signed(
            session=session,
            by=signed.by,
            role=signed.role,
            meaning=signed.meaning,
            what=f"{session} is signed as {signed.meaning} by {signed.by} ({signed.role}).",
            demo=by.demo,
        )
