"""What is put on record of a pen at a station, by whom, and what it comes to when the pen is to be armed there."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import date
from pathlib import Path

import pytest

from controller.calibration.policy import load_policy
from controller.events import Event, SessionClosed, ZoneDose
from controller.pen_kept import Quarantined
from controller.service_events import ErrorAtDepth
from logger.certificate.folder import CertificateFolder
from logger.certificate.number import new_number
from logger.certificate.sealing import withheld
from logger.journal.journal import Journal
from logger.journal.reader import JournalReader
from logger.proof.checkpoints import announcement
from logger.proof.verify import verify_journal
from logger.record.pens import PenName, open_quarantines
from logger.store.store import Store
from station.bench.certifying import issued_event
from station.bench.paperwork import MAY_RELEASE, MAY_REPAIR, Paperwork, open_paperwork
from station.clock import StationClock
from station.errors import BenchRefused, NotAllowed, PenPaperRefused, SignInRefused, StationRefused
from station.people.accounts import Accounts
from station.record.seam import ended_in_order
from station.settings import StationSettings
from station.site.pens_file import KnownQuarantine, PensFile
from station.site.quarantine import SitePens
from tests.logger.certificates import KEY, example
from tests.logger.test_exposure import began, set_to
from tests.logger.test_pens import certificate
from tests.logger.test_pens import released as pen_released
from tests.station.conftest import OPERATOR, OpenHouse, plan
from tests.station.test_accounts import CHEAP, GOOD, NOW_S

PEN = PenName("NW-1", "NW1-000001")
NAMED = {"pen": "NW-1/NW1-000001", "serial": "NW1-000001"}
OTHER_NUMBER = new_number("calibration", date(2026, 11, 26), bytes)
ERRORS = (ErrorAtDepth(shown_um=250, error_um=20), ErrorAtDepth(shown_um=1000, error_um=120))

Open = Callable[..., AbstractAsyncContextManager[Paperwork]]


@pytest.fixture
def settings(tmp_path: Path) -> StationSettings:
    """A state directory with three people."""
    (tmp_path / "state").mkdir(mode=0o700)
    made = StationSettings(state_dir=tmp_path / "state", station="room-1", stop_port=0)
    enrol(made.accounts_path)
    return made


def enrol(path: Path) -> None:
    book = Accounts(path, hasher=CHEAP)
    for account, role in (("boss", "manager"), ("tech-kim", "technician"), ("az-1", "operator")):
        book.add(account, role, GOOD, NOW_S)  # type: ignore[arg-type]
    book.close()


@pytest.fixture
def paper_of(settings: StationSettings) -> Open:
    """Opens the record for somebody: ``async with paper_of("boss", *roles) as paper``."""

    @asynccontextmanager
    async def opened(by: str = "tech-kim", *roles: str) -> AsyncIterator[Paperwork]:
        async with open_paperwork(settings, by, GOOD, *(roles or ("technician", "manager"))) as paper:  # type: ignore[arg-type]
            yield paper

    return opened


async def journalled(settings: StationSettings, *events: tuple[str | None, Event]) -> None:
    """What a station put on record before."""
    clock = StationClock()
    journal = Journal(
        settings.journal_path, station=settings.station, utc_now=clock.utc, monotonic_ms=clock.monotonic_ms
    )
    for session, event in events:
        journal.emit(event, session=session)
    await journal.flush()
    await journal.close()


def treated(depth_um: int) -> list[tuple[str | None, Event]]:
    """A session with this pen, in which it showed this depth in one zone."""
    dose = ZoneDose(
        zone="cheek", treated_ms=1000, strokes=100, punctures=None, depth_measured_max_um=depth_um,
        depth_measured_mean_um=depth_um, rate_measured_mean_mhz=None,
    )  # fmt: skip
    closed = SessionClosed(outcome="completed", reason="finished", doses=(dose,))
    return [(f"s-{depth_um}", event) for event in (began(pen=str(PEN)), set_to(depth_um), closed)]


async def test_it_is_on_record_signed_and_the_station_starts_after_it_as_after_a_station(
    paper_of: Open, settings: StationSettings
) -> None:
    async with paper_of() as paper:
        made = await paper.quarantine(PEN, "shock")
        assert [one.event for one in open_quarantines(paper.records.told(PEN))] == [made]
    assert verify_journal(settings.journal_path).verdict == "intact"
    reader = JournalReader(settings.journal_path)
    assert ended_in_order(reader)
    assert reader.told_of_pens(PEN)[0].event == made
    reader.close()
    assert [one.quarantine for one in PensFile(settings.pens_path).open_quarantines(PEN)] == [made.quarantine]


async def test_a_certificate_that_a_crash_left_without_its_event_is_on_record_before_anything_goes_by_it(
    paper_of: Open, settings: StationSettings
) -> None:
    issued, elsewhere = example(station="room-1"), example(station="room-2", number=OTHER_NUMBER)
    for one in (issued, elsewhere):
        CertificateFolder(settings.certificates_path).keep(one)
    await journalled(settings, (None, announcement(KEY)))
    for _ in range(2):
        async with paper_of() as paper:
            told = [one.event for one in paper.records.told(types=("certificate_issued",))]
            assert told == [issued_event(issued)], "once, and none of another station's"


async def test_nobody_writes_beside_somebody_else_and_nobody_without_the_role(
    paper_of: Open, settings: StationSettings
) -> None:
    async with paper_of():
        with pytest.raises(BenchRefused, match="A station runs"):
            await paper_of("boss").__aenter__()
    with pytest.raises(NotAllowed):
        await paper_of("tech-kim", *MAY_RELEASE).__aenter__()
    with pytest.raises(NotAllowed):
        await paper_of("az-1", *MAY_REPAIR).__aenter__()
    with pytest.raises(SignInRefused):
        async with open_paperwork(settings, "tech-kim", "wrong", "technician"):
            pytest.fail("nobody may get here")


async def test_out_of_tolerance_lists_the_sessions_since_it_was_right_and_each_has_to_be_looked_at(
    paper_of: Open, settings: StationSettings
) -> None:
    await journalled(
        settings,
        *treated(900),  # before the certificate: it was right then
        (None, certificate("C-1", **NAMED)),
        *treated(500),
        *treated(950),
        (None, certificate("C-2", left=False, as_found_in_tolerance=False, **NAMED)),
    )
    async with paper_of() as paper:
        made = await paper.quarantine(PEN, "out_of_tolerance", certificate="C-2", errors=ERRORS)
    assert (made.last_in_tolerance, made.certificate, made.errors) == ("C-1", "C-2", ERRORS)
    await journalled(settings, *treated(800))  # after it was found
    async with paper_of("boss", *MAY_RELEASE) as paper:
        assert [(one.session, one.zones[0].error_um, one.over_limit) for one in paper.under_review(PEN)] == [
            ("s-500", 54, False),
            ("s-950", 114, True),
        ]
        assert await why_not(paper, reviewed=2) == "no_certificate"
    await journalled(settings, (None, certificate("C-3", **NAMED)))
    async with paper_of("boss", *MAY_RELEASE) as paper:
        assert await why_not(paper, reviewed=0) == "not_reviewed"
        released = await paper.release(PEN, reviewed=2)
        assert (released.by, released.role, released.certificate) == ("boss", "manager", "C-3")
        assert released.quarantines == (made.quarantine,)
        assert await why_not(paper, reviewed=0) == "not_in_quarantine"


async def why_not(paper: Paperwork, *, reviewed: int) -> str:
    with pytest.raises(PenPaperRefused) as caught:
        await paper.release(PEN, reviewed=reviewed)
    return caught.value.trouble.code


async def test_without_an_earlier_certificate_every_session_counts(paper_of: Open, settings: StationSettings) -> None:
    await journalled(settings, *treated(500))
    async with paper_of() as paper:
        made = await paper.quarantine(PEN, "out_of_tolerance", errors=ERRORS)
        assert (made.last_in_tolerance, made.since) == ("", None)
        assert [one.session for one in paper.under_review(PEN)] == ["s-500"]
        await paper.quarantine(PEN, "shock")  # which found no error, so it adds none
        assert len(paper.under_review(PEN)) == 1


async def test_out_of_tolerance_without_a_figure_lists_the_same_sessions_until_a_calibration_finds_one(
    paper_of: Open, settings: StationSettings
) -> None:
    await journalled(settings, *treated(900), (None, certificate("C-1", **NAMED)), *treated(500), *treated(950))
    async with paper_of() as paper:
        await paper.quarantine(PEN, "shock")
        assert paper.under_review(PEN) == []
        await paper.quarantine(PEN, "out_of_tolerance")
        assert [(one.session, one.worst_um) for one in paper.under_review(PEN)] == [("s-500", None), ("s-950", None)]
    document = withheld(example(ended_at="2999-01-01T00:00:00Z").content, "C-2").decode()  # whatever day it is
    await journalled(settings, (None, certificate("C-2", document=document, **NAMED)))
    async with paper_of("boss", *MAY_RELEASE) as paper:
        assert [(one.session, bool(one.worst_um)) for one in paper.under_review(PEN)] == [
            ("s-500", True),
            ("s-950", True),
        ]
        assert await why_not(paper, reviewed=0) == "not_reviewed"
        await paper.release(PEN, reviewed=2)


async def test_a_session_of_two_quarantines_is_listed_once_with_the_error_that_is_known(
    paper_of: Open, settings: StationSettings
) -> None:
    await journalled(settings, *treated(500))
    async with paper_of() as paper:
        for errors in ((), ERRORS, (), ERRORS[:1]):
            await paper.quarantine(PEN, "out_of_tolerance", errors=errors)
        assert [(one.session, one.worst_um) for one in paper.under_review(PEN)] == [("s-500", 54)]


async def test_a_release_needs_the_whole_site_and_a_quarantine_does_not(
    paper_of: Open, settings: StationSettings, tmp_path: Path
) -> None:
    site = str(tmp_path / "site.db")
    away = settings.model_copy(update={"ledger": site})
    async with open_paperwork(away, "tech-kim", GOOD, "technician") as paper:
        await paper.quarantine(PEN, "recall")
    async with open_paperwork(away, "boss", GOOD, "manager") as paper:
        assert await why_not(paper, reviewed=0) == "site_away"
    Store.open(site).close()
    async with open_paperwork(away, "boss", GOOD, "manager") as paper:
        await paper.release(PEN, reviewed=0)


async def test_a_program_that_died_in_between_leaves_a_pen_that_is_not_armed(
    paper_of: Open, settings: StationSettings
) -> None:
    """Noted and not journalled, or journalled and not noted: the pen stays in quarantine, and is released all the
    same."""
    file = PensFile(settings.pens_path)
    async with paper_of() as paper:
        made = await paper.quarantine(PEN, "recall")
    lost = Quarantined(quarantine="q-lost", because="recall", by="tech-kim", on="2026-01-01", station="room-1")
    file.quarantine(KnownQuarantine(PEN, lost))  # and then the program died
    await journalled(settings, (None, pen_released(made.quarantine, **NAMED)))  # and here too
    assert {one.quarantine for one in file.open_quarantines(PEN)} == {made.quarantine, "q-lost"}
    async with paper_of("boss", *MAY_RELEASE) as paper:
        released = await paper.release(PEN, reviewed=0)
        assert released.quarantines == ("q-lost",)
    assert file.open_quarantines(PEN) == []


async def test_a_file_that_was_lost_is_made_again_from_the_stations_own_journal(
    paper_of: Open, settings: StationSettings
) -> None:
    async with paper_of() as paper:
        made = await paper.quarantine(PEN, "shock")
    settings.pens_path.unlink()
    pens = SitePens(settings.pens_path, site=None, utc_now=StationClock().utc)
    assert (await pens.standing(PEN.model, PEN.serial)).quarantined is None
    pens.remember(settings.journal_path)
    found = (await pens.standing(PEN.model, PEN.serial)).quarantined
    assert found is not None
    assert (found.quarantine, found.station) == (made.quarantine, "room-1")
    pens.close()


async def test_parts_are_those_of_the_clinics_list_and_have_a_number(paper_of: Open) -> None:
    policy = load_policy()
    async with paper_of() as paper:
        for part, numbers, code in (("moter", ("L1", ""), "unknown_part"), ("motor", ("", ""), "part_without_number")):
            with pytest.raises(PenPaperRefused) as caught:
                await paper.replaced(PEN, part, policy=policy, fitted=numbers)
            assert caught.value.trouble.code == code
        made = await paper.replaced(PEN, "motor", policy=policy, removed=("L0", ""), fitted=("L1", "M-7"))
        assert (made.fitted_lot, made.fitted_serial, made.removed_lot, made.by) == ("L1", "M-7", "L0", "tech-kim")
        await paper.repaired(PEN, "opened", ends_calibration=True)
        assert [one.event.type for one in paper.records.told(PEN)] == ["part_replaced", "pen_repaired"]


@pytest.mark.system
async def test_no_station_of_the_site_arms_it_until_it_is_released(open_house: OpenHouse, short_path: Path) -> None:
    """At the station where it was done at once; at another through the site's store, calibrated anew or not."""
    state, site = short_path / "state", str(short_path / "site.db")
    state.mkdir(mode=0o700)
    enrol(state / "accounts.sqlite")
    settings = StationSettings(state_dir=state, station="room-1", ledger=site, stop_port=0)
    Store.open(site).close()
    async with open_paperwork(settings, "tech-kim", GOOD, "technician") as paper:
        made = await paper.quarantine(PEN, "recall")
    for changes in ({"station": "room-1"}, {"state_dir": short_path / "other", "station": "room-2"}):
        async with open_house(ledger=site, **changes) as house:
            async with house.client.seat(OPERATOR) as seat:
                await seat.prepare(plan())
                with pytest.raises(StationRefused) as caught:
                    await seat.arm()
            assert caught.value.trouble.because == "quarantine"
            assert "by tech-kim at room-1" in caught.value.trouble.what
        await recorded_at(site, settings)
    async with open_paperwork(settings, "boss", GOOD, "manager") as paper:
        released = await paper.release(PEN, reviewed=0)
        assert released.quarantines == (made.quarantine,)
    await recorded_at(site, settings)
    async with (
        open_house(ledger=site, state_dir=short_path / "other", station="room-2") as house,
        house.client.seat(OPERATOR) as seat,
    ):
        await seat.prepare(plan())
        await seat.arm()
        assert (await house.client.pen()).view.phase == "paused"


async def recorded_at(site: str, settings: StationSettings) -> None:
    """The recorder took over all that the station journalled."""
    reader = JournalReader(settings.journal_path)
    store = Store.open(site)
    done = store.span(settings.station).contiguous
    if fresh := list(reader.entries(done)):
        store.append(fresh, seen_utc_us=0)
    store.close()
    reader.close()
