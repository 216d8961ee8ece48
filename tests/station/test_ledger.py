"""Single use across the pens and stations of a site; a person's word where nobody can be asked, and the check later."""

import asyncio
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import station.site.ledger
from controller.cartridges import CartridgeUse, NotSerialised, Unreachable, Unused, UsedBy
from controller.errors import ControlRefused
from controller.events import CartridgeReconciled, CartridgeSnapshot, Event
from controller.ports import RecordUnavailable, UseLedger
from logger.store.store import Store
from station.process.lane import Lane
from station.site.ledger import COMPARED_FOR, SiteLedger, compare_regularly
from tests.fixtures_postgres import PostgresServer
from tests.logger.test_uses import armed, chained

START = datetime(2026, 6, 15, 9, tzinfo=UTC)


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = START

    def utc(self) -> datetime:
        return self.now


class Sink:
    """Takes events, unless its disk is full."""

    def __init__(self) -> None:
        self.events: list[tuple[Event, str | None]] = []
        self.full = False

    def emit(self, event: Event, *, session: str | None) -> None:
        self.events.append((event, session))

    async def flush(self) -> None:
        if self.full:
            raise RecordUnavailable("The disk is full.")

    def problem(self) -> str | None:
        return None


def cartridge(serial: str = "C7", *, lot: str = "L2407A", attested: bool = False) -> CartridgeSnapshot:
    return armed(serial, lot, "attested" if attested else "verified").cartridge


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.system)])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The recorder's store of the site, empty, in each kind of database in turn."""
    place = str(tmp_path / "site.db") if request.param == "sqlite" else request.getfixturevalue("postgres_place")
    Store.open(place).close()
    return str(place)


Open = Callable[..., SiteLedger]


@pytest.fixture
def ledger_of(tmp_path: Path, clock: Clock) -> Iterator[Open]:
    """Opens the ledger of a station by its name."""
    ledgers: list[SiteLedger] = []

    def opened(name: str = "room-1", site: str | None = None) -> SiteLedger:
        ledger = SiteLedger(tmp_path / f"{name}.sqlite", site=site, utc_now=clock.utc)
        ledgers.append(ledger)
        return ledger

    yield opened
    for ledger in ledgers:
        ledger.close()


def recorded(site: str, station: str, session: str, used: CartridgeSnapshot, at: datetime = START) -> None:
    """What the recorder stores of a session of another station."""
    start_us = int(at.timestamp()) * 1_000_000 - 1_000_000
    event = armed(used.serial, used.lot, used.unused)
    store = Store.open(site)
    store.append(chained([(session, event)], station, start_us), seen_utc_us=0)
    store.close()


async def test_a_cartridge_is_for_one_session_whichever_pen_it_is_in(ledger_of: Open) -> None:
    ledger: UseLedger = ledger_of()
    assert await ledger.cartridge(cartridge()) == Unused()
    await ledger.claim(cartridge(), "s-1")
    await ledger.claim(cartridge(), "s-1")  # arming again in the same session
    assert await ledger.cartridge(cartridge()) == UsedBy(session="s-1", on="2026-06-15", unused="verified")
    with pytest.raises(ControlRefused, match="used on 2026-06-15, in session s-1") as refused:
        await ledger.claim(cartridge(), "s-2")
    assert refused.value.because == "cartridge_used"
    await ledger.claim(cartridge("C8"), "s-2")


async def test_it_is_remembered_after_a_restart_in_a_file_of_its_owners_alone(ledger_of: Open, tmp_path: Path) -> None:
    await ledger_of().claim(cartridge(), "s-1")
    assert isinstance(await ledger_of().cartridge(cartridge()), UsedBy)
    assert stat.S_IMODE((tmp_path / "room-1.sqlite").stat().st_mode) == 0o600


async def test_two_stations_of_a_site_know_of_each_other_through_the_recorders_store(
    ledger_of: Open, site: str
) -> None:
    first, second = ledger_of("room-1", site), ledger_of("room-2", site)
    assert await second.cartridge(cartridge()) == Unused()
    await first.claim(cartridge(), "s-1")
    recorded(site, "room-1", "s-1", cartridge())
    assert await second.cartridge(cartridge()) == UsedBy(session="s-1", on="2026-06-15")
    assert await second.cartridge(cartridge(lot="L9999")) == Unused()  # another maker's number 7
    assert isinstance(await second.cartridge(cartridge(lot="")), UsedBy)  # a code without lot leaves a doubt


async def test_of_a_lot_nobody_can_tell(ledger_of: Open, site: str) -> None:
    ledger = ledger_of("room-1", site)
    assert await ledger.cartridge(cartridge("")) == NotSerialised()
    await ledger.claim(cartridge("", attested=True), "s-1")
    await ledger.claim(cartridge("", attested=True), "s-2")  # another one of the lot, or so somebody said
    assert await ledger.cartridge(cartridge("")) == NotSerialised()


def is_unreachable(answer: CartridgeUse, says: str) -> bool:
    return isinstance(answer, Unreachable) and says in answer.problem


async def test_a_site_that_cannot_be_asked_is_no_answer_but_own_uses_are_known(ledger_of: Open, tmp_path: Path) -> None:
    ledger = ledger_of("room-1", str(tmp_path / "nowhere.db"))
    assert is_unreachable(await ledger.cartridge(cartridge()), "cannot be read")
    await ledger.claim(cartridge(attested=True), "s-1")
    assert isinstance(await ledger.cartridge(cartridge()), UsedBy)


async def test_no_password_is_told(ledger_of: Open) -> None:
    answer = await ledger_of("room-1", "postgresql://clinic:secret@127.0.0.1:1/ledger").cartridge(cartridge())
    assert is_unreachable(answer, "clinic:***@127.0.0.1")
    assert "secret" not in str(answer)


@pytest.mark.parametrize(
    ("place", "says"), [("postgresql", "driver is not installed"), ("oracle+cx_oracle", "no kind of store")]
)
async def test_a_database_nobody_can_speak_to_is_no_answer(
    ledger_of: Open, monkeypatch: pytest.MonkeyPatch, place: str, says: str
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    answer = await ledger_of("room-1", f"{place}://clinic:secret@nowhere.invalid/x").cartridge(cartridge())
    assert is_unreachable(answer, says)
    assert "secret" not in str(answer)


@pytest.mark.system
async def test_a_server_that_is_locked_or_goes_is_no_answer_and_one_that_is_back_is_asked_again(
    ledger_of: Open, own_postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(station.site.ledger, "SITE_DEADLINE_S", 0.3)
    site = own_postgres.url()
    recorded(site, "room-1", "s-1", cartridge())
    ledger = ledger_of("room-2", site)
    with own_postgres.connect() as other, other.transaction():
        other.execute("LOCK TABLE cartridge_uses IN ACCESS EXCLUSIVE MODE")
        assert is_unreachable(await ledger.cartridge(cartridge()), "did not answer within 0.3 s")
    for change, expected in ((own_postgres.stop, Unreachable), (own_postgres.start, UsedBy)):
        change()
        async with asyncio.timeout(10):
            while not isinstance(await ledger.cartridge(cartridge()), expected):
                await asyncio.sleep(0.02)


async def test_a_site_that_hangs_costs_one_deadline_and_then_none_until_it_is_back(
    ledger_of: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = str(tmp_path / "site.db")  # a server's answer may take longer than this test's deadline
    Store.open(site).close()
    monkeypatch.setattr(station.site.ledger, "SITE_DEADLINE_S", 0.05)
    really, stuck, asked = station.site.ledger._look_up, threading.Event(), []

    def hanging(place: str, serial: str) -> list[tuple[str, str, str, int]]:
        asked.append(serial)
        stuck.wait(10)
        return really(place, serial)

    monkeypatch.setattr(station.site.ledger, "_look_up", hanging)
    ledger = ledger_of("room-1", site)
    assert is_unreachable(await ledger.cartridge(cartridge()), "did not answer within 0.05 s")
    assert is_unreachable(await ledger.cartridge(cartridge("C8")), "did not answer")
    assert asked == ["C7"]  # nothing piles up behind what hangs
    await ledger.claim(cartridge(), "s-1")  # this station's own file has another thread
    stuck.set()
    async with asyncio.timeout(5):
        while not isinstance(await ledger.cartridge(cartridge("C9")), Unused):
            await asyncio.sleep(0.001)


async def test_a_ruined_file_is_no_answer_and_no_claim(ledger_of: Open, tmp_path: Path) -> None:
    (tmp_path / "room-1.sqlite").write_bytes(b"no database at all " * 100)
    ledger = ledger_of()
    assert is_unreachable(await ledger.cartridge(cartridge()), "not a database")
    with pytest.raises(ControlRefused, match="nobody would find out") as refused:
        await ledger.claim(cartridge(), "s-1")
    assert refused.value.because == "ledger"


# Afterwards -----------------------------------------------------------------------------------------------------------


async def test_an_attested_cartridge_is_compared_once_the_site_is_back(
    ledger_of: Open, tmp_path: Path, clock: Clock
) -> None:
    site, hidden = tmp_path / "site.db", tmp_path / "away.db"
    Store.open(hidden).close()
    ledger, sink = ledger_of("room-2", str(site)), Sink()
    recorded(str(hidden), "room-1", "s-1", cartridge("C7"))
    for serial, session in (("C7", "s-2"), ("C8", "s-3"), ("", "s-4")):
        clock.now += timedelta(hours=1)
        await ledger.claim(cartridge(serial, attested=True), session)
    assert await ledger.reconcile(sink) == ()
    hidden.rename(site)
    told = await ledger.reconcile(sink)
    assert [(event.session, event.result, event.other_session) for event in told] == [
        ("s-2", "reused", "s-1"),
        ("s-3", "unused", None),
        ("s-4", "not_serialised", None),
    ]
    assert sink.events == [(event, None) for event in told]
    assert all("C7" not in event.model_dump_json() for event in told)
    assert await ledger.reconcile(sink) == ()  # told once


async def test_a_verified_cartridge_is_compared_too_because_records_arrive_late(
    ledger_of: Open, site: str, clock: Clock
) -> None:
    ledger, sink = ledger_of("room-2", site), Sink()
    await ledger.claim(cartridge(), "s-2")
    assert await ledger.reconcile(sink) == ()  # as verified: nothing new
    recorded(site, "room-1", "s-9", cartridge(), START + timedelta(hours=2))
    (told,) = await ledger.reconcile(sink)
    assert (told.session, told.result, told.other_session) == ("s-2", "used_again", "s-9")


async def test_comparing_ends(ledger_of: Open, site: str, clock: Clock) -> None:
    ledger, sink = ledger_of("room-2", site), Sink()
    await ledger.claim(cartridge(), "s-2")
    clock.now += COMPARED_FOR + timedelta(seconds=1)
    await ledger.reconcile(sink)
    recorded(site, "room-1", "s-9", cartridge(), clock.now)
    assert await ledger.reconcile(sink) == ()


async def test_a_finding_the_journal_did_not_take_is_found_again(ledger_of: Open, site: str) -> None:
    ledger, sink = ledger_of("room-2", site), Sink()
    await ledger.claim(cartridge(attested=True), "s-2")
    sink.full = True
    with pytest.raises(RecordUnavailable):
        await ledger.reconcile(sink)
    sink.full = False
    (told,) = await ledger.reconcile(sink)
    assert isinstance(told, CartridgeReconciled)


async def test_comparing_goes_on_when_the_journal_takes_nothing(
    ledger_of: Open, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(station.site.ledger, "COMPARED_EVERY_S", 0.01)
    ledger, sink = ledger_of("room-2", site), Sink()
    sink.full = True
    await ledger.claim(cartridge(attested=True), "s-2")
    comparing = asyncio.create_task(compare_regularly(ledger, sink))
    async with asyncio.timeout(5):
        while not sink.events:
            await asyncio.sleep(0.001)
        sink.full, before = False, len(sink.events)
        while len(sink.events) == before:
            await asyncio.sleep(0.001)
    comparing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await comparing
    assert await ledger.reconcile(sink) == ()


def test_a_station_without_a_sites_ledger_does_not_load_the_store() -> None:
    program = (
        "import sys, pathlib, station.site.ledger\n"
        "station.site.ledger.SiteLedger(pathlib.Path('x'), site=None, utc_now=None)\n"
        "print('sqlalchemy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


async def test_whoever_waits_for_a_lane_may_be_cancelled_and_what_it_does_raises_where_it_is_awaited() -> None:
    lane, gate = Lane("test lane"), threading.Event()
    try:
        waiting = asyncio.create_task(lane.do(lambda: gate.wait(10), 5))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        gate.set()
        with pytest.raises(ZeroDivisionError):
            await lane.do(lambda: 1 // 0, 5)
    finally:
        lane.close()
