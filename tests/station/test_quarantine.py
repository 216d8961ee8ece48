"""Quarantine across the stations of a site: heard from its store, remembered while that is away, ended by its id."""

import asyncio
import stat
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import station.site.quarantine
from controller.events import Event
from controller.pen_kept import Quarantined, Standing
from controller.ports import PenRegister
from logger.record.pens import PenName, Told
from logger.store.store import Store
from station.site.pens_file import KnownQuarantine, PensFile
from station.site.quarantine import HEARD_FOR, SitePens, hear_regularly
from tests.logger.test_pens import quarantined, released
from tests.logger.test_uses import chained

START = datetime(2026, 6, 15, 9, tzinfo=UTC)
PEN = ("NW-2", "SIM-1")
OTHER = ("NW-2", "SIM-2")


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = START

    def utc(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.system)])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The recorder's store of the site, empty, in each kind of database in turn."""
    place = str(tmp_path / "site.db") if request.param == "sqlite" else request.getfixturevalue("postgres_place")
    Store.open(place).close()
    return str(place)


Open = Callable[..., SitePens]


@pytest.fixture
def pens_of(tmp_path: Path, clock: Clock) -> Iterator[Open]:
    """Opens what a station knows of pens, by the station's name."""
    made: list[SitePens] = []

    def opened(name: str = "room-1", site: str | None = None) -> SitePens:
        made.append(SitePens(tmp_path / f"{name}.sqlite", site=site, utc_now=clock.utc))
        return made[-1]

    yield opened
    for pens in made:
        pens.close()


def recorded(site: str, station: str, *events: Event) -> None:
    """What the recorder stores of a station."""
    store = Store.open(site)
    store.append(chained([(None, event) for event in events], station, int(START.timestamp()) * 10**6), seen_utc_us=0)
    store.close()


def noted(tmp_path: Path, name: str = "room-1") -> PensFile:
    """What a station did itself."""
    file = PensFile(tmp_path / f"{name}.sqlite")
    found = Quarantined(quarantine="q-7", because="shock", by="tech-kim", on="2026-06-15", station=name)
    file.quarantine(KnownQuarantine(PenName(*PEN), found))
    return file


async def test_the_only_station_goes_by_what_it_did_itself(pens_of: Open, tmp_path: Path) -> None:
    pens: PenRegister = pens_of()
    assert await pens.standing(*PEN) == Standing()
    file = noted(tmp_path)
    found = (await pens.standing(*PEN)).quarantined
    assert found is not None
    assert (found.quarantine, found.because, found.station) == ("q-7", "shock", "room-1")
    assert await pens.standing(*OTHER) == Standing()
    assert await pens.standing("NW-1", PEN[1]) == Standing()  # another maker's number 1
    file.release(["q-7"])
    assert await pens.standing(*PEN) == Standing()
    assert stat.S_IMODE((tmp_path / "room-1.sqlite").stat().st_mode) == 0o600


async def test_every_station_hears_of_it_and_of_its_end(pens_of: Open, site: str) -> None:
    first, second = pens_of("room-1", site), pens_of("room-2", site)
    assert await second.standing(*PEN) == Standing()
    recorded(site, "room-1", quarantined())
    for pens in (first, second):
        found = (await pens.standing(*PEN)).quarantined
        assert found is not None
        assert (found.by, found.on, found.station) == ("tech-kim", "2026-06-15", "room-1")
    recorded(site, "room-3", released("q-1"))
    for pens in (first, second):
        assert await pens.standing(*PEN) == Standing()


async def test_what_was_done_here_counts_before_the_site_has_it_and_ends_where_it_is_ended(
    pens_of: Open, site: str, tmp_path: Path
) -> None:
    noted(tmp_path)
    pens = pens_of("room-1", site)
    assert (await pens.standing(*PEN)).quarantined is not None
    recorded(site, "room-2", released("q-7"))
    assert (await pens.standing(*PEN)).quarantined is None


async def test_a_site_never_heard_is_not_taken_for_one_without_quarantines(pens_of: Open, tmp_path: Path) -> None:
    found = await pens_of("room-1", str(tmp_path / "nowhere.db")).standing(*PEN)
    assert (found.quarantined, found.known, found.heard_on) == (None, False, "")
    assert found.problem


async def test_what_the_site_said_holds_for_a_while_when_it_is_away(
    pens_of: Open, tmp_path: Path, clock: Clock
) -> None:
    site, hidden = tmp_path / "site.db", tmp_path / "away.db"
    recorded(str(site), "room-2", quarantined())
    pens = pens_of("room-1", str(site))
    assert (await pens.standing(*OTHER)).known
    site.rename(hidden)
    clock.now += HEARD_FOR
    other = await pens.standing(*OTHER)
    assert (other.known, other.heard_on, other.quarantined) == (True, "2026-06-15", None)
    assert (await pens.standing(*PEN)).quarantined is not None
    clock.now += timedelta(seconds=1)
    assert not (await pens.standing(*OTHER)).known
    clock.now = START - HEARD_FOR - timedelta(seconds=1)  # a clock set back makes nothing fresh
    assert not (await pens.standing(*OTHER)).known
    hidden.rename(site)
    assert await pens.standing(*OTHER) == Standing()


async def test_a_site_that_hangs_costs_one_deadline(
    pens_of: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = str(tmp_path / "site.db")
    Store.open(site).close()
    monkeypatch.setattr(station.site.quarantine, "SITE_DEADLINE_S", 0.05)
    stuck = threading.Event()

    def hanging(_site: str) -> list[Told]:
        stuck.wait(10)
        return []

    monkeypatch.setattr(station.site.quarantine, "_look_up", hanging)
    pens = pens_of("room-1", site)
    found = await pens.standing(*PEN)
    assert not found.known
    assert "did not answer within 0.05 s" in found.problem
    stuck.set()


async def test_a_ruined_file_is_no_answer(pens_of: Open, tmp_path: Path) -> None:
    (tmp_path / "room-1.sqlite").write_bytes(b"no database at all " * 100)
    found = await pens_of().standing(*PEN)
    assert (found.known, found.quarantined) == (False, None)
    assert "not a database" in found.problem


async def test_it_is_heard_regularly_without_being_asked(
    pens_of: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(station.site.quarantine, "ASKED_EVERY_S", 0.01)
    site = tmp_path / "site.db"
    recorded(str(site), "room-2", quarantined())
    pens = pens_of("room-1", str(site))
    hearing = asyncio.create_task(hear_regularly(pens, tmp_path / "no-journal.sqlite"))
    file = PensFile(tmp_path / "room-1.sqlite")
    async with asyncio.timeout(5):
        while not await asyncio.to_thread(file.open_quarantines, PenName(*PEN)):
            await asyncio.sleep(0.005)
    hearing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hearing
