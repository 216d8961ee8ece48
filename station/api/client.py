"""The client of the station's API: what the command line, the demo, the pages and the tests use.

Every method returns a model or raises a :class:`station.errors.ClientError`, whose text is for a person.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any, Literal, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from controller.events import Meaning
from controller.plan import SessionPlan
from station.api.endpoint import Endpoint, read_endpoint
from station.api.models import (
    AccountStatus,
    AccountsTold,
    Amended,
    AmendRecord,
    ApproveAsked,
    Approved,
    PatientTold,
    PenStatus,
    QuarantineAsked,
    QuarantineTold,
    SeatGranted,
    Signed,
    SignedIn,
    StationStatus,
    StopAnswer,
    TroubleBody,
)
from station.errors import StationRefused, StationUnreachable, Trouble
from station.people.accounts import Role
from station.settings import StationSettings

# They log the address of every call, and where a pseudonym belongs somebody may have typed a name.
logging.getLogger("httpx").setLevel(logging.CRITICAL)
logging.getLogger("httpcore").setLevel(logging.CRITICAL)

CALL_DEADLINE_S = 15.0
"""Arming asks the pen half a dozen things, each with a deadline of its own; the sum stays under this."""
STOP_DEADLINE_S = 1.0
"""STOP takes milliseconds; a listener that has not answered in this time is given up for the next way."""
HEARTBEATS_A_PRESENCE = 4
"""Three heartbeats may be lost before a seat is."""

ACCOUNTS = "/v1/accounts"

Answer = TypeVar("Answer", bound=BaseModel)


class StationClient:
    """A connection to a station. Use it as ``async with``; calls may overlap."""

    def __init__(self, endpoint: Endpoint) -> None:
        unix = endpoint.api.startswith("unix:")
        self._endpoint = endpoint
        self._http = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=endpoint.api.removeprefix("unix:")) if unix else None,
            base_url="http://station" if unix else endpoint.api,
            headers={"Needlework-Key": endpoint.api_key},
            timeout=CALL_DEADLINE_S,
            trust_env=False,  # a proxy has no business between a person and a pen
        )

    @classmethod
    def of(cls, settings: StationSettings) -> Self:
        """A client of the station that runs with these settings. Raises StationUnreachable when none does."""
        endpoint = read_endpoint(settings)
        if endpoint is None:
            raise StationUnreachable(no_station(settings))
        return cls(endpoint)

    @property
    def endpoint(self) -> Endpoint:
        """Where the station is reached."""
        return self._endpoint

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def status(self) -> StationStatus:
        """Everything about the station now."""
        return await self._call(StationStatus, "GET", "/v1/status")

    async def pen(self, pen: str = "") -> PenStatus:
        """One pen now; an empty name is the only pen."""
        return await self._call(PenStatus, "GET", f"/v1/pens/{await self.name_of(pen)}")

    def nobody(self) -> "PersonClient":
        """Who is not signed in: the first account of a station is made that way, the rest is refused."""
        return PersonClient(self, None)

    async def patient(self, patient: str, *, headers: dict[str, str] | None = None) -> PatientTold:
        """What the site knows of a patient; the answers of the last visit only with a seat's ``headers``."""
        return read_answer(
            PatientTold, await self.call("GET", f"/v1/patients/{quote(patient, safe='')}", headers=headers)
        )

    async def stop(self, pen: str = "") -> StopAnswer:
        """STOP for a pen, or for all of them. Needs no seat."""
        return await self._call(StopAnswer, "POST", f"/v1/pens/{pen}/stop" if pen else "/v1/stop")

    async def live(self, pen: str = "", hz: float = 5.0) -> AsyncIterator[PenStatus]:
        """The pen's status ``hz`` times a second, until the caller leaves or the station ends.

        Raises StationUnreachable when nothing comes for longer than a second and five pictures.
        """
        name = await self.name_of(pen)
        silence_s = 1.0 + 5.0 / hz
        timeout = httpx.Timeout(CALL_DEADLINE_S, read=silence_s)
        try:
            async with self._http.stream("GET", f"/v1/pens/{name}/live", params={"hz": hz}, timeout=timeout) as answer:
                if answer.status_code != httpx.codes.OK:
                    await answer.aread()
                    raise _refusal(answer)
                async for line in answer.aiter_lines():
                    yield PenStatus.model_validate_json(line)
        except httpx.TransportError as error:
            raise StationUnreachable(lost(error)) from error

    @asynccontextmanager
    async def signed_in(self, account: str, password: str) -> AsyncIterator["PersonClient"]:
        """Somebody signed in, and out again at the end. Raises StationRefused."""
        body = {"account": account, "password": password}
        told = await self._call(SignedIn, "POST", "/v1/sign-in", body=body)
        person = PersonClient(self, told)
        try:
            yield person
        finally:
            with suppress(StationUnreachable):  # a station that is gone knows nobody
                await self.call("POST", "/v1/sign-out", headers=person.headers)

    @asynccontextmanager
    async def seat(
        self, operator: str, pen: str = "", *, person: "PersonClient | None" = None
    ) -> AsyncIterator["SeatClient"]:
        """The operating seat of a pen, kept by heartbeats and given back at the end.

        ``person`` is the operator, signed in; only a demonstration's examples do without. Raises StationRefused while
        somebody else holds it.
        """
        body = {"pen": pen, "operator": operator}
        signed = person.headers if person is not None else None
        granted = read_answer(SeatGranted, await self.call("POST", "/v1/seats", body=body, headers=signed))
        headers = {"Needlework-Seat": granted.token}
        beating = asyncio.create_task(self._beat(granted, headers), name=f"heartbeat of the seat of {granted.pen}")
        try:
            yield SeatClient(self, granted, headers)
        finally:
            beating.cancel()
            await asyncio.wait({beating})
            with suppress(StationUnreachable):  # a station that is gone holds no seats
                await self.call("DELETE", "/v1/seats", headers=headers)

    async def _beat(self, granted: SeatGranted, headers: dict[str, str]) -> None:
        """Shows presence until cancelled. A station out of reach for a moment is tried again; a lost seat is lost."""
        while True:
            await asyncio.sleep(granted.presence_s / HEARTBEATS_A_PRESENCE)
            try:
                async with asyncio.timeout(granted.presence_s):
                    await self.call("POST", "/v1/seats/heartbeat", headers=headers)
            except (StationUnreachable, TimeoutError):
                continue
            except StationRefused:
                return

    async def name_of(self, pen: str) -> str:
        """The pen's name; an empty one stands for the only pen. Raises StationRefused when there are several."""
        if pen:
            return pen
        names = [item.name for item in (await self.status()).pens]
        if len(names) != 1:
            what = f"There are several pens here: {', '.join(names)}." if names else "This station has no pen."
            raise StationRefused(Trouble("unknown_pen", what, "", "Name one."), httpx.codes.NOT_FOUND)
        return names[0]

    async def call(
        self, method: str, path: str, *, body: dict[str, Any] | None = None, headers: dict[str, str] | None = None
    ) -> bytes:
        """One call; the answer's body. Raises StationUnreachable, StationRefused."""
        content = None if body is None else json.dumps(body).encode()
        try:
            answer = await self._http.request(method, path, content=content, headers=headers)
        except httpx.TransportError as error:
            raise StationUnreachable(lost(error)) from error
        if not answer.is_success:
            raise _refusal(answer)
        return answer.content

    async def _call(self, model: type[Answer], method: str, path: str, *, body: dict[str, Any] | None = None) -> Answer:
        return read_answer(model, await self.call(method, path, body=body))


class PersonClient:
    """The calls of somebody signed in. Each raises StationRefused."""

    def __init__(self, station: StationClient, told: SignedIn | None) -> None:
        self._station = station
        self.told = told
        """Who it is; None for nobody."""
        self.headers = {"Needlework-Sign-In": told.token} if told else {}
        """What shows it."""

    async def accounts(self) -> tuple[AccountStatus, ...]:
        """Every account."""
        return read_answer(AccountsTold, await self._station.call("GET", ACCOUNTS, headers=self.headers)).accounts

    async def add_account(self, account: str, role: Role, password: str) -> None:
        """A new account."""
        body = {"account": account, "role": role, "password": password}
        await self._station.call("POST", ACCOUNTS, body=body, headers=self.headers)

    async def set_password(self, account: str, password: str) -> None:
        """Another password."""
        path = f"{ACCOUNTS}/{account}/password"
        await self._station.call("POST", path, body={"password": password}, headers=self.headers)

    async def disable(self, account: str) -> None:
        """Nobody works under it any more."""
        await self._station.call("POST", f"{ACCOUNTS}/{account}/disable", headers=self.headers)

    async def unlock(self, account: str) -> None:
        """Lets it in again."""
        await self._station.call("POST", f"{ACCOUNTS}/{account}/unlock", headers=self.headers)

    async def approve(self, asked: ApproveAsked) -> Approved:
        """A physician's approval."""
        body = asked.model_dump(mode="json")
        return read_answer(Approved, await self._station.call("POST", "/v1/approvals", body=body, headers=self.headers))

    async def quarantine(self, asked: QuarantineAsked) -> QuarantineTold:
        """Takes a pen out of use."""
        body = asked.model_dump(mode="json")
        return read_answer(
            QuarantineTold, await self._station.call("POST", "/v1/quarantine", body=body, headers=self.headers)
        )

    async def sign(self, session: str, meaning: Meaning) -> Signed:
        """Signs a closed session."""
        path = f"/v1/sessions/{quote(session, safe='')}/sign"
        return read_answer(
            Signed, await self._station.call("POST", path, body={"meaning": meaning}, headers=self.headers)
        )

    async def amend(self, session: str, asked: AmendRecord) -> Amended:
        """Amends a closed session's record."""
        path = f"/v1/sessions/{quote(session, safe='')}/amend"
        body = asked.model_dump(mode="json")
        return read_answer(Amended, await self._station.call("POST", path, body=body, headers=self.headers))


class SeatClient:
    """The calls that steer a pen. Each returns the pen's status after it, or raises StationRefused."""

    def __init__(self, station: StationClient, granted: SeatGranted, headers: dict[str, str]) -> None:
        self._station = station
        self._headers = headers
        self.pen = granted.pen
        """The pen this seat operates."""
        self.operator = granted.operator
        """Who operates it."""

    async def patient(self, patient: str) -> PatientTold:
        """What the site knows of a patient, the answers of the last visit with it."""
        return await self._station.patient(patient, headers=self._headers)

    async def prepare(self, plan: SessionPlan) -> PenStatus:
        """Opens a session."""
        return await self._steer("prepare", plan.model_dump(mode="json"))

    async def arm(self) -> PenStatus:
        """Checks cartridge and calibration, and takes a lease."""
        return await self._steer("arm")

    async def start(self) -> PenStatus:
        """Motor on."""
        return await self._steer("start")

    async def pause(self) -> PenStatus:
        """Motor off; the pen stays armed."""
        return await self._steer("pause")

    async def set_depth(self, depth_mm: str | float, override: str = "") -> PenStatus:
        """Sets the needle depth in mm; ``override`` names a reason to go beyond a soft limit."""
        return await self._steer("depth", {"depth_mm": depth_mm, "override": override})

    async def set_rate(self, rate_hz: str | float) -> PenStatus:
        """Sets the puncture rate in Hz."""
        return await self._steer("rate", {"rate_hz": rate_hz})

    async def confirm(self, *items: str) -> PenStatus:
        """Confirms points of the checklist that were open when the session was prepared."""
        return await self._steer("confirm", {"items": items})

    async def attest(self) -> PenStatus:
        """Says that the cartridge is new and was opened now, where reuse cannot be checked."""
        return await self._steer("attest")

    async def examine(self) -> PenStatus:
        """Reads the pen again, self-test included, for the table of what arming needs."""
        return await self._steer("examine")

    async def exchange_cartridge(self, code: str = "") -> PenStatus:
        """Another cartridge in this session, by its scanned ``code`` where it has one; the dose so far stays."""
        return await self._steer("cartridge", {"code": code})

    async def pause_audio(self, for_s: int = 120) -> PenStatus:
        """Keeps alarms quiet for a while; they are shown all the same."""
        return await self._steer("audio-pause", {"for_s": for_s})

    async def declare_zone(self, zone: str) -> PenStatus:
        """Declares the zone treated from now on."""
        return await self._steer("zone", {"zone": zone})

    async def acknowledge(self, alarm: str) -> PenStatus:
        """Acknowledges an alarm."""
        return await self._steer("acknowledge", {"alarm": alarm})

    async def clear_fault(self) -> PenStatus:
        """Clears what interrupted the treatment; arming comes after it."""
        return await self._steer("clear-fault")

    async def close(
        self, reason: str = "finished", outcome: Literal["completed", "stopped"] = "completed"
    ) -> PenStatus:
        """Closes the session; needles out first. One that was interrupted closes as that, whatever is asked."""
        return await self._steer("close", {"outcome": outcome, "reason": reason})

    async def stop(self) -> StopAnswer:
        """STOP."""
        return await self._station.stop(self.pen)

    async def _steer(self, name: str, body: dict[str, Any] | None = None) -> PenStatus:
        path = f"/v1/pens/{self.pen}/{name}"
        content = await self._station.call("POST", path, body=body or {}, headers=self._headers)
        return read_answer(PenStatus, content)


def read_answer(model: type[Answer], content: bytes) -> Answer:
    """An answer's body as its model. Raises StationRefused when station and client are of different versions."""
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        raise StationRefused(
            Trouble(
                "other_version",
                "The station's answer is not one this client knows.",
                "Station and client are of different versions.",
                "Restart the station after an update.",
            ),
            httpx.codes.OK,
        ) from error


def _refusal(answer: httpx.Response) -> StationRefused:
    try:
        body = TroubleBody.model_validate_json(answer.content)
    except ValidationError:
        what = f"The station answered with status {answer.status_code}."
        return StationRefused(Trouble("http", what, "", "See the station's log."), answer.status_code)
    return StationRefused(Trouble(body.code, body.what, body.means, body.do, body.because), answer.status_code)


def no_station(settings: StationSettings) -> Trouble:
    """For a call that nobody is there for."""
    return Trouble(
        "no_station",
        f"No station runs on {settings.state_dir}.",
        "A pen that was running without its station stops by itself.",
        "Start one with `needlework run`, or name its directory with --state.",
    )


def lost(error: Exception) -> Trouble:
    """For a call that got no answer."""
    return Trouble(
        "station_unreachable",
        f"The station does not answer ({type(error).__name__}{f': {error}' if str(error) else ''}).",
        "If it ended, its pens have stopped by themselves; if it only is out of reach, they may still be running.",
        "Look at the pen; STOP it by its own button if in doubt. `needlework status` shows whether it is back.",
    )
