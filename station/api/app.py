"""The local API: HTTP over a Unix socket that only this user may open, over loopback TCP where there are none.

A layer over :class:`station.desk.Desk` without decisions of its own. Every answer that is no success has one shape,
:class:`station.api.models.TroubleBody`. Nothing here runs in a thread: a handler and the control loop never overlap.
"""

import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, Path, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from controller import inputs
from controller.errors import ControlRefused
from controller.plan import Pseudonym, SessionPlan
from controller.ports import MemoryUnavailable
from controller.units import QuantityError, micrometres_from_mm, millihertz_from_hz
from firmware_bridge.errors import WireError
from logger.errors import RecordError
from station.api.calls import Marked, body_schema, read_body
from station.api.models import (
    AcknowledgeAlarm,
    CloseSession,
    ConfirmPoints,
    DeclareZone,
    ExchangeCartridge,
    Nothing,
    PatientTold,
    PauseAudio,
    PenStatus,
    SeatGranted,
    SetDepth,
    SetRate,
    StationStatus,
    StopAnswer,
    TakeSeat,
    TroubleBody,
)
from station.api.patients import add_patients
from station.api.people import SIGN_IN_HEADER, Approve, add_people
from station.api.quarantine import TakesOut, add_quarantine
from station.api.sessions import add_sessions
from station.desk import Desk, StationEnding, TooManyViews
from station.errors import (
    AccountRefused,
    AccountsUnusable,
    KeyMapRefused,
    KeyMapUnusable,
    NotAllowed,
    PenUnknown,
    SeatMissing,
    SeatTaken,
    SignInRefused,
    StationError,
    Trouble,
    UnknownPen,
)
from station.pens import StationPen
from station.people.people import People
from station.people.seats import Seat
from station.record.signing_off import SignOff
from station.site.patients import Patients

SEAT_HEADER = "Needlework-Seat"
KEY_HEADER = "Needlework-Key"


@dataclass(frozen=True, slots=True)
class Steering:
    """One call that steers a pen: its last path segment, its body, what it does."""

    name: str
    body: type[BaseModel]
    doc: str
    call: Callable[[StationPen, Any, Seat], Awaitable[None]]


STEERING: tuple[Steering, ...] = (
    Steering(
        "prepare",
        SessionPlan,
        "Opens a session on this pen.",
        lambda pen, body, seat: pen.prepare(body, seat.operator),
    ),
    Steering(
        "confirm",
        ConfirmPoints,
        "Confirms points of the checklist.",
        lambda pen, body, seat: pen.ask(inputs.Confirm(items=body.items, source=f"api: {seat.operator}")),
    ),
    Steering(
        "attest",
        Nothing,
        "Says that the cartridge is new and was opened now, where reuse cannot be checked.",
        lambda pen, _b, seat: pen.ask(inputs.Attest(source=f"api: {seat.operator}")),
    ),
    Steering(
        "cartridge",
        ExchangeCartridge,
        "Replaces the cartridge of this session; the dose so far stays.",
        lambda pen, body, seat: pen.exchange_cartridge(body.code, f"api: {seat.operator}"),
    ),
    Steering(
        "examine",
        Nothing,
        "Reads the pen again, self-test included, for the table of what arming needs.",
        lambda pen, _b, _s: pen.examine(),
    ),
    Steering(
        "arm",
        Nothing,
        "Checks cartridge and calibration and takes a lease.",
        lambda pen, _b, seat: pen.arm(f"api: {seat.operator}"),
    ),
    Steering(
        "start", Nothing, "Motor on.", lambda pen, _b, seat: pen.ask(inputs.Start(source=f"api: {seat.operator}"))
    ),
    Steering(
        "pause",
        Nothing,
        "Motor off; the pen stays armed.",
        lambda pen, _b, seat: pen.ask(inputs.Pause(source=f"api: {seat.operator}")),
    ),
    Steering(
        "depth",
        SetDepth,
        "Sets the needle depth, in mm.",
        lambda pen, body, _s: pen.ask(
            inputs.SetDepth(depth_um=micrometres_from_mm(body.depth_mm), override=body.override)
        ),
    ),
    Steering(
        "rate",
        SetRate,
        "Sets the puncture rate, in Hz.",
        lambda pen, body, _s: pen.ask(inputs.SetRate(rate_mhz=millihertz_from_hz(body.rate_hz))),
    ),
    Steering(
        "zone",
        DeclareZone,
        "Declares the zone treated from now on.",
        lambda pen, body, _s: pen.ask(inputs.DeclareZone(zone=body.zone)),
    ),
    Steering(
        "acknowledge",
        AcknowledgeAlarm,
        "Acknowledges an alarm.",
        lambda pen, body, seat: pen.ask(inputs.Acknowledge(alarm=body.alarm, by=seat.operator)),
    ),
    Steering(
        "audio-pause",
        PauseAudio,
        "Keeps alarms quiet for a while; they are shown all the same, and a new HIGH one is heard.",
        lambda pen, body, seat: pen.ask(inputs.PauseAudio(by=seat.operator, for_ms=body.for_s * 1000)),
    ),
    Steering(
        "clear-fault",
        Nothing,
        "Clears what interrupted the treatment.",
        lambda pen, _b, seat: pen.clear_fault(seat.operator),
    ),
    Steering(
        "close",
        CloseSession,
        "Closes the session; needles out first.",
        lambda pen, body, _s: pen.close(body.outcome, body.reason),
    ),
)


def build_api(
    desk: Desk,
    people: People,
    patients: Patients,
    approve: Approve,
    sign_off: SignOff,
    quarantining: TakesOut,
    status: Callable[[], StationStatus],
    *,
    software: str,
    live_hz: float,
    key: str,
) -> FastAPI:
    """The application. ``key`` is asked for in the header ``Needlework-Key``; empty on a socket with permissions."""

    async def ask_key(given: Annotated[str, Header(alias=KEY_HEADER)] = "") -> None:
        if key and not hmac.compare_digest(given.encode(), key.encode()):
            raise HTTPException(401, "This call came without the station's key, which its client sends by itself.")

    api = FastAPI(
        title="Needlework station", version=software, docs_url=None, redoc_url=None, dependencies=[Depends(ask_key)]
    )
    api.add_middleware(Marked, mode="demo" if people.demo else "clinic")
    _troubles(api)
    add_people(api, desk, people, patients, approve)
    add_patients(api, patients)
    add_sessions(api, people, sign_off)
    add_quarantine(api, people, quarantining)

    @api.get("/v1/status")
    async def station_status() -> StationStatus:
        """Everything about this station now."""
        return status()

    @api.get("/v1/pens/{pen}")
    async def pen_status(pen: str) -> PenStatus:
        """One pen now."""
        return desk.status(desk.pen(pen))

    @api.get("/v1/pens/{pen}/live")
    async def live(pen: str, hz: float = 5.0) -> StreamingResponse:
        """The pen's status again and again, one JSON object a line, until the reader leaves."""
        found = desk.pen(pen)
        if not 0 < hz <= live_hz:
            raise QuantityError(f"{hz} pictures a second cannot be had; more than 0 and at most {live_hz:g} can")
        frames = desk.live(found, hz)
        first = await anext(frames)  # what is refused is refused before the answer has begun
        return StreamingResponse(_lines(first, frames), media_type="application/x-ndjson")

    @api.get("/v1/patients/{patient}")
    async def patient(patient: Annotated[Pseudonym, Path()], request: Request) -> PatientTold:
        """What this site knows of a patient; the answers of the last visit only to whoever holds a seat."""
        return await desk.patient(patient, request.headers.get(SEAT_HEADER, ""))

    @api.post("/v1/seats", openapi_extra=body_schema(TakeSeat))
    async def take_seat(request: Request) -> SeatGranted:
        """Takes a pen's operating seat."""
        asked = await read_body(request, TakeSeat)
        who = people.seat_for(asked.operator, request.headers.get(SIGN_IN_HEADER, ""))
        seat = desk.take_seat(asked.pen, who)
        return SeatGranted(
            token=seat.token, pen=seat.pen, operator=seat.operator, presence_s=desk.presence_s, demo=who.demo
        )

    @api.post("/v1/seats/heartbeat", status_code=204)
    async def heartbeat(request: Request) -> None:
        """Shows presence."""
        desk.heard(request.headers.get(SEAT_HEADER, ""))

    @api.delete("/v1/seats", status_code=204)
    async def release_seat(request: Request) -> None:
        """Gives the seat back."""
        await desk.release_seat(request.headers.get(SEAT_HEADER, ""))

    @api.post("/v1/stop")
    async def stop_all() -> StopAnswer:
        """STOP, every pen. Needs no seat."""
        return _stopped(desk.stop("", "api"))

    @api.post("/v1/pens/{pen}/stop")
    async def stop_one(pen: str) -> StopAnswer:
        """STOP, one pen; every pen when there is none of this name. Needs no seat."""
        return _stopped(desk.stop(pen, "api"))

    for row in STEERING:
        _add_steering(api, desk, patients, row)
    return api


def _add_steering(api: FastAPI, desk: Desk, patients: Patients, row: Steering) -> None:
    async def steer(pen: str, request: Request) -> PenStatus:
        found = desk.pen(pen)
        token = request.headers.get(SEAT_HEADER, "")
        desk.steering(token, found)
        body = await read_body(request, row.body)
        if isinstance(body, SessionPlan):
            await patients.check(body.patient)
        seat = desk.steering(token, found)  # a body may be long in coming, and the seat lost meanwhile
        found.take_note()
        with desk.preparing(found, body.patient) if isinstance(body, SessionPlan) else nullcontext():
            await row.call(found, body, seat)
        return desk.status(found).model_copy(update={"said": found.take_note()})

    api.post(
        f"/v1/pens/{{pen}}/{row.name}",
        name=row.name,
        description=f"{row.doc} Needs the pen's seat.",
        openapi_extra=body_schema(row.body),
        response_model=PenStatus,
    )(steer)


def _stopped(names: tuple[str, ...]) -> StopAnswer:
    what = f"STOP was sent to {', '.join(names)}." if names else "No pen is connected here."
    return StopAnswer(stopped=names, what=what)


async def _lines(first: PenStatus, rest: AsyncIterator[PenStatus]) -> AsyncIterator[bytes]:
    yield first.model_dump_json().encode() + b"\n"
    async for frame in rest:
        yield frame.model_dump_json().encode() + b"\n"


# Troubles -------------------------------------------------------------------------------------------------------------

_UNCHANGED = "Nothing was changed."


def _troubles(api: FastAPI) -> None:
    """One handler for each kind of error, all answering with the same shape."""

    def on(kind: type[Exception], make: Callable[[Any], tuple[int, Trouble]]) -> None:
        async def handle(request: Request, error: Exception) -> JSONResponse:
            return _answer(*make(error))

        api.add_exception_handler(kind, handle)

    on(ControlRefused, lambda error: (409, Trouble("refused", error.sentence, "", "", error.because)))
    on(QuantityError, lambda error: (422, Trouble("not_a_quantity", f"{error}.", _UNCHANGED, "", "number")))
    on(ValidationError, lambda error: (422, _not_understood(error)))
    on(RequestValidationError, lambda error: (422, _not_understood(error)))
    on(PenUnknown, lambda error: (404, error.trouble))
    on(UnknownPen, lambda error: (404, error.trouble))
    on(SeatTaken, lambda error: (409, error.trouble))
    on(SeatMissing, lambda error: (403, error.trouble))
    on(SignInRefused, lambda error: (401, error.trouble))
    on(NotAllowed, lambda error: (403, error.trouble))
    on(AccountRefused, lambda error: (409, error.trouble))
    on(AccountsUnusable, lambda error: (503, error.trouble))
    on(KeyMapRefused, lambda error: (409, error.trouble))
    on(KeyMapUnusable, lambda error: (503, error.trouble))
    on(MemoryUnavailable, lambda error: (503, Trouble("history", str(error), "", "")))
    on(TooManyViews, lambda error: (503, error.trouble))
    on(StationEnding, lambda error: (503, error.trouble))
    on(StationError, lambda error: (500, error.trouble))
    on(WireError, lambda error: (503, Trouble("pen", str(error), "", "")))
    on(RecordError, lambda error: (503, Trouble("record", str(error), "", "")))
    on(HTTPException, lambda error: (error.status_code, Trouble("http", str(error.detail), _UNCHANGED, "")))


def _answer(status: int, trouble: Trouble) -> JSONResponse:
    body = TroubleBody(
        code=trouble.code, what=trouble.what, means=trouble.means, do=trouble.do, because=trouble.because
    )
    return JSONResponse(body.model_dump(), status_code=status)


def _not_understood(error: ValidationError | RequestValidationError) -> Trouble:
    """The first thing wrong with a call, without repeating what came in."""
    first = error.errors()[0]
    # Which member of "str | int | float" did not fit is our affair, not the caller's.
    place = ".".join(str(part) for part in first["loc"] if part not in ("body", "str", "int", "float"))
    what = str(first["msg"]).removeprefix("Value error, ")
    if first["type"] in ("string_type", "int_type", "float_type", "int_from_float"):
        what = "a number is needed, or a number as text"
    return Trouble("not_understood", f"{place or 'The call'}: {what}.", _UNCHANGED, "", place)
