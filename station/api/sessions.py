"""The part of the local API about sessions on record: signing them off, and amending them. No decisions of its own."""

from fastapi import FastAPI, Request

from station.api.calls import body_schema, read_body
from station.api.models import Amended, AmendRecord, Signed, SignSession
from station.api.people import SIGN_IN_HEADER
from station.people.people import People
from station.record.signing_off import SignOff


def add_sessions(api: FastAPI, people: People, sign_off: SignOff) -> None:
    """Adds the calls to the application."""

    @api.post("/v1/sessions/{session}/sign", openapi_extra=body_schema(SignSession))
    async def sign(session: str, request: Request) -> Signed:
        """Signs a closed session as performed, reviewed or approved. Needs an operator or a physician."""
        asked = await read_body(request, SignSession)
        by = people.signed_in(request.headers.get(SIGN_IN_HEADER, ""), "operator", "physician")
        signed = await sign_off.sign(session, by.account, by.role, asked.meaning)
        return Signed(
            session=session,
            by=signed.by,
            role=signed.role,
            meaning=signed.meaning,
            what=f"{session} is signed as {signed.meaning} by {signed.by} ({signed.role}).",
            demo=by.demo,
        )

    @api.post("/v1/sessions/{session}/amend", openapi_extra=body_schema(AmendRecord))
    async def amend(session: str, request: Request) -> Amended:
        """Amends a closed session's record. Needs an operator or a physician; the text stays at the site."""
        asked = await read_body(request, AmendRecord)
        by = people.signed_in(request.headers.get(SIGN_IN_HEADER, ""), "operator", "physician")
        amended = await sign_off.amend(
            session, by.account, by.role, aspect=asked.aspect, reason=asked.reason, text=asked.text, entry=asked.entry
        )
        return Amended(
            session=session,
            by=amended.by,
            role=amended.role,
            aspect=amended.aspect,
            reason=amended.reason,
            amends_sequence=amended.amends_sequence,
            text_sha256=amended.text_sha256,
            what=f"The record of {session} is amended by {amended.by} ({amended.role}): {amended.aspect}. What was "
            "signed before covers it without this; have it signed again.",
            demo=by.demo,
        )
