"""The part of the local API about people: signing in, accounts, approvals. No decisions of its own.

A sign-in's token goes into the header ``Needlework-Sign-In``; passwords come in the body, are compared in a thread of
their own, and are never part of an answer.
"""

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request

from controller.errors import ControlRefused
from controller.history import Approval, approval_sentence
from controller.units import format_mm
from station.api.calls import body_schema, read_body
from station.api.models import (
    AccountsTold,
    AddAccount,
    ApproveAsked,
    Approved,
    NewPassword,
    SignedIn,
    SignInAsked,
)
from station.desk import Desk
from station.people.people import People
from station.site.patients import Patients

SIGN_IN_HEADER = "Needlework-Sign-In"

Approve = Callable[[ApproveAsked, str], Awaitable[Approval]]
"""Checks and keeps an approval of the physician named; raises what is wrong with it."""


def add_people(api: FastAPI, desk: Desk, people: People, patients: Patients, approve: Approve) -> None:
    """Adds the calls to the application."""

    @api.post("/v1/sign-in", openapi_extra=body_schema(SignInAsked))
    async def sign_in(request: Request) -> SignedIn:
        """Signs in. In a demonstration the example operators need no password."""
        asked = await read_body(request, SignInAsked)
        found = await people.sign_in(asked.account, asked.password)
        return SignedIn(
            token=found.token, account=found.account, role=found.role, idle_s=people.idle_s, demo=found.demo
        )

    @api.post("/v1/sign-out", status_code=204)
    async def sign_out(request: Request) -> None:
        """Ends a sign-in; the seat that was taken by it is given back."""
        people.sign_out(_token(request))
        desk.signed_out(_token(request))

    @api.get("/v1/accounts")
    async def accounts(request: Request) -> AccountsTold:
        """Every account. Needs a manager."""
        return AccountsTold(accounts=await people.accounts(_token(request)))

    @api.post("/v1/accounts", status_code=204, openapi_extra=body_schema(AddAccount))
    async def add(request: Request) -> None:
        """A new account. Needs a manager, once there is any account."""
        asked = await read_body(request, AddAccount)
        await people.add(_token(request), asked.account, asked.role, asked.password)

    @api.post("/v1/accounts/{account}/password", status_code=204, openapi_extra=body_schema(NewPassword))
    async def password(account: str, request: Request) -> None:
        """Another password. Needs its owner or a manager."""
        asked = await read_body(request, NewPassword)
        await people.set_password(_token(request), account, asked.password)

    @api.post("/v1/accounts/{account}/disable", status_code=204)
    async def disable(account: str, request: Request) -> None:
        """Nobody works under this account any more. Needs a manager."""
        await people.disable(_token(request), account)
        desk.unseat(account, "account was disabled")

    @api.post("/v1/accounts/{account}/unlock", status_code=204)
    async def unlock(account: str, request: Request) -> None:
        """Lets a locked or disabled account in again. Needs a manager."""
        await people.unlock(_token(request), account)

    @api.post("/v1/approvals", openapi_extra=body_schema(ApproveAsked))
    async def approvals(request: Request) -> Approved:
        """A physician approves going beyond an operator's scope. Needs a physician."""
        asked = await read_body(request, ApproveAsked)
        by = people.signed_in(_token(request), "physician")
        people.may_treat(by.account)
        await patients.check(asked.patient)
        chair = desk.treated(asked.patient)
        if chair is not None and chair.treating:
            raise ControlRefused(
                "phase_treating",
                f"This patient is being treated on {chair.name}, and limits are not widened under a running motor. "
                "Pause, then approve. Nothing changed.",
            )
        if chair is not None and chair.phase_in_the_way:
            raise ControlRefused(
                "phase",
                f"This patient's session is open on {chair.name}, and {chair.phase_in_the_way}. Approve when that is "
                "over. Nothing changed.",
            )
        approval = await approve(asked, by.account)
        what = f"{format_mm(approval.depth_max_um)} for {', '.join(approval.zones)}: {approval_sentence(approval)}."
        if chair is not None:
            try:
                await chair.approved(approval)
            except (
                ControlRefused
            ):  # what was asked in that moment came first; the approval is in the record all the same
                what += (
                    f" It is kept for sessions prepared from now on; the one open on {chair.name} goes on without it."
                )
        return Approved(approval=approval, what=what, demo=by.demo)


def _token(request: Request) -> str:
    return request.headers.get(SIGN_IN_HEADER, "")
