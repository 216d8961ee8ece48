"""Signing in, seats, accounts and approvals over the real API of a real station, and what the record has of it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from controller.events import ApprovedAhead, SecurityEvent
from logger.journal.reader import JournalReader
from logger.proof.verify import verify_journal
from station.api.models import ApproveAsked
from station.errors import AccountsUnusable, StationRefused
from station.people import accounts as accounts_module
from station.people.accounts import Accounts
from station.site.history_file import HistoryFile
from tests.station.conftest import OPERATOR, House, OpenHouse
from tests.station.test_accounts import CHEAP, GOOD, NOW_S

pytestmark = pytest.mark.system


def operator(role: str, licence: str, cap_mm: str, until: str = "2099-12-31") -> str:
    return (
        f'{{role: {role}, licence: {licence}, depth_cap_mm: {cap_mm}, scope: "{role}, as confirmed by this clinic", '
        f"confirmed: {{by: boss, on: 2020-01-15}}, qualified_until: {until}}}"
    )


OPERATORS = f"""\
format: needlework-operators/2
operators:
  az-1: {operator("aesthetician", "AZ-0001", "0.50")}
  dr-lee: {operator("physician", "MD-0001", "1.50")}
  no-licence: {operator("aesthetician", "null", "0.50")}
  expired: {operator("aesthetician", "AZ-0002", "0.50", "2020-12-31")}
"""
PEOPLE = {
    "az-1": "operator",
    "dr-lee": "physician",
    "no-licence": "operator",
    "expired": "operator",
    "stranger": "operator",
}
UNTIL = date.today() + timedelta(days=200)  # noqa: DTZ011 half a year from now, to a day


def approval(**changes: Any) -> ApproveAsked:
    fields = {
        "patient": "P-4711",
        "zones": ("cheek",),
        "depth_max_mm": "1.25",
        "sessions": 4,
        "until": UNTIL,
        **changes,
    }
    return ApproveAsked.model_validate(fields)


@pytest.fixture
def open_clinic(open_house: OpenHouse, short_path: Path) -> OpenHouse:
    """A station in clinic mode, with accounts made before it started: ``async with open_clinic() as house``."""
    source = Path(accounts_module.__file__).parents[2] / "controller" / "data" / "example_library.yaml"
    (short_path / "library.yaml").write_bytes(source.read_bytes())
    (short_path / "operators.yaml").write_text(OPERATORS, encoding="utf-8")
    (short_path / "state").mkdir(mode=0o700)
    book = Accounts(short_path / "state" / "accounts.sqlite", hasher=CHEAP)
    book.add("boss", "manager", GOOD, NOW_S)
    for account, role in PEOPLE.items():
        book.add(account, role, GOOD, NOW_S)  # type: ignore[arg-type]
    book.close()

    @asynccontextmanager
    async def open_(**changes: Any) -> AsyncIterator[House]:
        files = {"library": short_path / "library.yaml", "operators": short_path / "operators.yaml"}
        async with open_house(**files, **changes) as house:
            yield house

    return open_


@pytest.fixture
async def clinic(open_clinic: OpenHouse) -> AsyncIterator[House]:
    async with open_clinic() as house:
        yield house


async def refused(call: Any) -> StationRefused:
    async def tried() -> None:
        if hasattr(call, "__aenter__"):
            async with call:
                return
        await call

    with pytest.raises(StationRefused) as caught:
        await tried()
    return caught.value


async def recorded(house: House, last: tuple[str, str]) -> list[tuple[str, str]]:
    """The security events journalled, once the last one is."""
    async with asyncio.timeout(2):
        while True:
            reader = JournalReader(house.settings.journal_path)
            events = [entry.event() for entry in reader.entries() if entry.type == "security_event"]
            reader.close()
            found = [(event.what, event.account) for event in events if isinstance(event, SecurityEvent)]
            if found[-1:] == [last]:
                return found
            await asyncio.sleep(0.02)


# Signing in -----------------------------------------------------------------------------------------------------------


async def test_in_a_clinic_a_seat_is_for_who_signed_in(clinic: House) -> None:
    assert (await refused(clinic.client.seat("az-1"))).status == 401
    assert (await refused(clinic.client.seat(OPERATOR))).status == 401  # the examples, too
    async with clinic.client.signed_in("az-1", GOOD) as person:
        assert person.told is not None
        assert (person.told.role, person.told.demo) == ("operator", False)
        other = await refused(clinic.client.seat("dr-lee", person=person))
        assert (other.status, other.trouble.code) == (403, "other_account")
        async with clinic.client.seat("az-1", person=person) as seat:
            assert (await clinic.client.pen()).seat == "az-1"
            assert seat.operator == "az-1"
    assert (await refused(clinic.client.seat("az-1", person=person))).trouble.code == "not_signed_in"
    assert (await recorded(clinic, ("signed_out", "az-1")))[-2:] == [("signed_in", "az-1"), ("signed_out", "az-1")]


async def test_stop_asks_nobody(clinic: House) -> None:
    assert (await clinic.client.stop()).stopped == ("pen",)
    async with clinic.raw() as http:
        answer = await http.post("/v1/stop")
    assert answer.status_code == 200
    assert answer.headers["Needlework-Mode"] == "clinic"


async def test_a_demonstration_needs_no_password_and_says_what_it_is(house: House) -> None:
    async with house.raw() as http:
        for path in ("/v1/status", "/v1/nowhere"):
            assert (await http.get(path)).headers["Needlework-Mode"] == "demo"
        granted = await http.post("/v1/seats", json={"operator": OPERATOR})
        assert granted.json()["demo"] is True
    async with house.client.signed_in("demo-physician", "") as person:
        assert person.told is not None
        assert (person.told.role, person.told.demo) == ("physician", True)
        assert (await person.approve(approval())).demo is True
    assert (await refused(house.client.seat("demo-nobody"))).status == 401
    assert (await refused(house.client.signed_in("demo-nobody", ""))).status == 401


@pytest.mark.parametrize(
    ("account", "because"),
    [
        ("no-licence", "operator_without_licence"),
        ("expired", "operator_not_qualified"),
        ("stranger", "unknown_operator"),
    ],
)
async def test_who_may_not_treat_gets_no_seat(clinic: House, account: str, because: str) -> None:
    async with clinic.client.signed_in(account, GOOD) as person:
        told = await refused(clinic.client.seat(account, person=person))
    assert (told.status, told.trouble.because) == (409, because)
    assert (await clinic.client.pen()).seat is None


async def test_a_manager_looks_after_accounts_and_sits_nowhere(clinic: House) -> None:
    async with clinic.client.signed_in("boss", GOOD) as boss:
        assert (await refused(clinic.client.seat("boss", person=boss))).trouble.code == "not_allowed"


async def test_wrong_passwords_lock_and_a_manager_unlocks(clinic: House) -> None:
    for _ in range(3):
        told = await refused(clinic.client.signed_in("az-1", "wrong"))
        assert (told.status, told.trouble.code) == (401, "sign_in_refused")
    assert (await refused(clinic.client.signed_in("az-1", GOOD))).trouble.code == "locked_out"
    assert (await refused(clinic.client.signed_in("who ever", GOOD))).trouble.code == "sign_in_refused"
    async with clinic.client.signed_in("boss", GOOD) as boss:
        states = {one.account: one.state for one in await boss.accounts()}
        assert (states["az-1"], states["boss"]) == ("locked", "open")
        await boss.unlock("az-1")
    async with clinic.client.signed_in("az-1", GOOD):
        pass
    events = await recorded(clinic, ("signed_out", "az-1"))
    assert [event for event in events if event[0] != "account_added"] == [
        ("sign_in_refused", "az-1"),
        ("sign_in_refused", "az-1"),
        ("sign_in_refused", "az-1"),
        ("locked_out", "az-1"),
        ("sign_in_refused", ""),
        ("signed_in", "boss"),
        ("account_unlocked", "az-1"),
        ("signed_out", "boss"),
        ("signed_in", "az-1"),
        ("signed_out", "az-1"),
    ]
    assert b"who ever" not in clinic.settings.journal_path.read_bytes()


async def test_a_password_compared_makes_no_tick_late(clinic: House) -> None:
    """Eight are compared, one after the other, in a thread: the loop goes on meanwhile."""
    slowest, running = 0.0, True

    async def watch() -> None:
        nonlocal slowest
        while running:
            before = time.monotonic()
            await asyncio.sleep(0.002)
            slowest = max(slowest, time.monotonic() - before)

    watching = asyncio.create_task(watch())
    began = time.monotonic()
    await asyncio.gather(*(refused(clinic.client.signed_in(f"nobody-{number}", "wrong")) for number in range(8)))
    took = time.monotonic() - began
    running = False
    await watching
    assert took > 8 * 0.005  # they were really compared
    assert slowest < max(0.1, took / 2)


async def test_more_sign_ins_than_can_wait_are_sent_away(clinic: House) -> None:
    told = await asyncio.gather(*(refused(clinic.client.signed_in(f"nobody-{n}", "wrong")) for n in range(30)))
    codes = {one.trouble.code for one in told}
    assert codes == {"sign_in_refused", "accounts_busy"}
    async with clinic.client.signed_in("az-1", GOOD):
        pass


# Two people on one id -------------------------------------------------------------------------------------------------


async def test_two_people_on_one_id(open_clinic: OpenHouse, short_path: Path) -> None:
    async with AsyncExitStack() as stack:
        first = f"serial://{short_path / 'pen'}"
        clinic = await stack.enter_async_context(
            open_clinic(pens=f"left={first},right=tcp://127.0.0.1:1", wait_for_pens=True)
        )
        one = await stack.enter_async_context(clinic.client.signed_in("az-1", GOOD))
        seat = await stack.enter_async_context(clinic.client.seat("az-1", "left", person=one))
        two = await stack.enter_async_context(clinic.client.signed_in("az-1", GOOD))
        told = await refused(clinic.client.seat("az-1", "right", person=two))
        assert (told.status, told.trouble.code) == (409, "seated_elsewhere")
        assert "az-1 operates left already" in str(told)
        again = await refused(clinic.client.seat("az-1", "left", person=two))
        assert again.trouble.code == "seated_elsewhere"
        events = await recorded(clinic, ("seat_refused", "az-1"))
        assert ("seat_refused", "az-1") in events
        assert (await clinic.client.pen(seat.pen)).seat == "az-1"


async def test_a_disabled_account_loses_its_seat_at_once(clinic: House) -> None:
    async with clinic.client.signed_in("boss", GOOD) as boss, clinic.client.signed_in("az-1", GOOD) as person:
        async with clinic.client.seat("az-1", person=person) as seat:
            await boss.disable("az-1")
            assert (await clinic.client.pen()).seat is None
            assert (await refused(seat.pause())).trouble.code in ("seat_lost", "no_seat", "seat_missing")
            assert (await refused(clinic.client.seat("az-1", person=person))).trouble.code == "not_signed_in"
        assert (await refused(clinic.client.signed_in("az-1", GOOD))).trouble.code == "account_disabled"
        assert (await refused(boss.disable("boss"))).trouble.code == "own_account"


async def test_signing_out_gives_the_seat_back_and_another_sign_in_keeps_it(clinic: House) -> None:
    async with clinic.client.signed_in("az-1", GOOD) as person, clinic.client.seat("az-1", person=person):
        async with clinic.client.signed_in("az-1", GOOD):
            pass
        assert (await clinic.client.pen()).seat == "az-1"
        await clinic.client.call("POST", "/v1/sign-out", headers=person.headers)
        assert (await clinic.client.pen()).seat is None


async def test_a_demonstration_that_signs_out_somewhere_stops_nobody_elsewhere(house: House) -> None:
    async with house.client.seat(OPERATOR):
        async with house.client.signed_in(OPERATOR, "") as person:
            assert (await refused(house.client.seat(OPERATOR, person=person))).trouble.code == "seat_taken"
        assert (await house.client.pen()).seat == OPERATOR


# Accounts -------------------------------------------------------------------------------------------------------------


async def test_the_first_account_needs_nobody_and_the_second_a_manager(house: House) -> None:
    assert await house.client.nobody().accounts() == ()
    assert "manager" in str(await refused(house.client.nobody().add_account("az-1", "operator", GOOD)))
    await house.client.nobody().add_account("boss", "manager", GOOD)
    assert (await refused(house.client.nobody().add_account("az-1", "operator", GOOD))).status == 401
    async with house.client.signed_in("boss", GOOD) as boss:
        await boss.add_account("az-1", "operator", GOOD)
        assert [one.account for one in await boss.accounts()] == ["az-1", "boss"]
        assert (await refused(boss.add_account("az-1", "manager", GOOD))).trouble.code == "account_exists"
    async with house.client.signed_in("az-1", GOOD) as person:
        for call in (person.accounts(), person.add_account("x-1", "manager", GOOD), person.unlock("boss")):
            assert (await refused(call)).trouble.code == "not_allowed"
        assert (await refused(person.set_password("boss", GOOD + "!"))).trouble.code == "not_allowed"
        await person.set_password("az-1", GOOD + "!")
        assert (await refused(person.accounts())).status == 401  # a new password ends what began with the old one
    assert (await refused(house.client.signed_in("az-1", GOOD))).status == 401


async def test_what_was_done_while_no_station_ran_is_journalled_when_one_does(clinic: House) -> None:
    added = [("account_added", account) for account in ("boss", *PEOPLE)]
    assert await recorded(clinic, added[-1]) == added


async def test_a_damaged_accounts_file_stops_the_start_and_is_left_as_it_was(
    open_house: OpenHouse, short_path: Path
) -> None:
    state = short_path / "state"
    state.mkdir(mode=0o700)
    (state / "accounts.sqlite").write_bytes(b"this was an accounts file once, and somebody edited it as a text" * 40)
    before = (state / "accounts.sqlite").read_bytes()
    with pytest.raises(AccountsUnusable, match="left as it was"):
        async with open_house():
            pytest.fail("started")
    assert (state / "accounts.sqlite").read_bytes() == before
    assert verify_journal(state / "journal.sqlite").verdict == "intact"


# Approvals ------------------------------------------------------------------------------------------------------------


async def approved(clinic: House, **changes: Any) -> Any:
    async with clinic.client.signed_in("dr-lee", GOOD) as doctor:
        return await doctor.approve(approval(**changes))


async def test_a_physician_approves_ahead_for_a_course(clinic: House) -> None:
    told = await approved(clinic, zones=("cheek", "chin"))
    words = f"approved by dr-lee for this course until {UNTIL}, 4 of 4 sessions left."
    assert told.what == f"1.25 mm for cheek, chin: {words}"
    reader = JournalReader(clinic.settings.journal_path)
    (event,) = [entry.event() for entry in reader.entries() if entry.type == "approved_ahead"]
    reader.close()
    assert isinstance(event, ApprovedAhead)
    assert (event.approval, event.patient, event.by) == (told.approval.id, "P-4711", "dr-lee")
    assert (event.depth_max_um, event.zones, event.expires) == (1250, ("cheek", "chin"), UNTIL.isoformat())


@pytest.mark.parametrize(
    ("changes", "because"),
    [
        ({"depth_max_mm": "12.5"}, "beyond_own_scope"),  # a slipped decimal point
        ({"depth_max_mm": "1.25", "zones": ("nose",)}, "zone_hard"),
        ({"depth_max_mm": "0"}, "approval_empty"),
        ({"depth_max_mm": "deep"}, "number"),
        ({"depth_max_mm": "NaN"}, "number"),
        ({"zones": ("cheak",)}, "unknown_zone"),
        ({"protocol": "facial"}, "unknown_protocol"),
        ({"until": date(2020, 1, 1)}, "approval_expired"),
    ],
)
async def test_approvals_that_are_not_given(clinic: House, changes: dict[str, Any], because: str) -> None:
    with pytest.raises(StationRefused) as caught:
        await approved(clinic, **changes)
    assert caught.value.trouble.because == because
    reader = JournalReader(clinic.settings.journal_path)
    assert [entry for entry in reader.entries() if entry.type == "approved_ahead"] == []
    reader.close()


async def test_who_is_no_physician_approves_nothing(clinic: House) -> None:
    for account in ("az-1", "boss"):
        async with clinic.client.signed_in(account, GOOD) as person:
            assert (await refused(person.approve(approval()))).trouble.code == "not_allowed"
    async with clinic.client.signed_in("boss", GOOD) as boss:
        await boss.add_account("expired-2", "physician", GOOD)
    async with clinic.client.signed_in("expired-2", GOOD) as person:
        assert (await refused(person.approve(approval()))).trouble.because == "unknown_operator"


async def test_an_approval_is_there_after_a_start(open_clinic: OpenHouse, short_path: Path) -> None:
    async with open_clinic() as clinic:
        told = await approved(clinic)
    file = HistoryFile(short_path / "state" / "history.sqlite")
    (kept,) = file.patient("P-4711").approvals
    file.close()
    assert kept == told.approval
