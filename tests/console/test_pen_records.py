"""`needlework pen quarantine|release|repair|part|history|exposed` and `needlework recall`, as typed."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from console.actions.at_the_bench import Paper, issued, what_is_next
from console.cli import app
from console.questions import Questions
from controller.events import Event
from firmware_bridge.wire.operations import CALIBRATION_READ, CalibrationData
from logger.journal.journal import Journal
from station.bench.at_pen import asked_pen
from station.clock import StationClock
from station.people.accounts import Accounts
from station.settings import StationSettings
from tests.console.houses import pen_at
from tests.logger.test_pens import certificate
from tests.station.bench_work import depth_results, rate_results
from tests.station.bench_work import issued as issued_at_a_bench
from tests.station.test_accounts import CHEAP, GOOD, NOW_S
from tests.station.test_paperwork import NAMED, PEN, treated

NAME = str(PEN)
Call = Callable[..., Result]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory with a technician and a manager."""
    directory = tmp_path / "state"
    directory.mkdir(mode=0o700)
    book = Accounts(directory / "accounts.sqlite", hasher=CHEAP)
    book.add("boss", "manager", GOOD, NOW_S)
    book.add("tech-kim", "technician", GOOD, NOW_S)
    book.close()
    (tmp_path / "password").write_text(GOOD + "\n", encoding="utf-8")
    return directory


@pytest.fixture
def call(state: Path) -> Call:
    """A command on it; ``by`` signs in."""

    def called(*words: str, by: str = "", code: int = 0) -> Result:
        signed = ("--as", by, "--password-file", str(state.parent / "password")) if by else ()
        done = CliRunner().invoke(app, [*words, *signed, "--state", str(state)])
        assert done.exit_code == code, done.output
        assert GOOD not in done.output
        return done

    return called


def journalled(state: Path, *events: tuple[str | None, Event]) -> None:
    """What a station put on record before."""

    async def run() -> None:
        settings, clock = StationSettings(state_dir=state), StationClock()
        journal = Journal(
            settings.journal_path, station=settings.station, utc_now=clock.utc, monotonic_ms=clock.monotonic_ms
        )
        for session, event in events:
            journal.emit(event, session=session)
        await journal.flush()
        await journal.close()

    asyncio.run(run())


def test_a_pen_that_was_in_quarantine_before_it_was_calibrated_is_told_to_be(call: Call, state: Path) -> None:
    """Found in tolerance this time, it still is in quarantine from another."""
    settings = StationSettings(state_dir=state)
    journalled(state, (None, certificate("C-1", **NAMED)))
    assert "Nothing more is needed" in what_is_next(settings, PEN, left_good=True)[0]
    call("pen", "quarantine", NAME, "--because", "shock", by="tech-kim")
    assert what_is_next(settings, PEN, left_good=True)[0].startswith("It stays in quarantine")
    assert "not armed anywhere" in what_is_next(settings, PEN, left_good=False)[0]


def test_from_found_out_of_tolerance_to_released(call: Call, state: Path) -> None:
    journalled(state, (None, certificate("C-1", **NAMED)), *treated(500), *treated(950))
    found = ("--error", "0.25=+0.02", "--error", "1.00 = +0.12")
    said = call("pen", "quarantine", NAME, "--because", "out_of_tolerance", *found, by="tech-kim").output
    assert "is in quarantine: it was found out of tolerance" in said
    assert "still holds its calibration" in said  # it was not at hand

    told = json.loads(call("pen", "exposed", NAME, "--json", "--csv", str(state / "exposed.csv")).output)
    assert (told["sessions"], told["missing"]) == (2, [])
    assert [(row["shown_um"], row["error_um"], row["over_limit"]) for row in told["zones"]] == [
        (950, 114, True),
        (500, 54, False),
    ]
    assert len((state / "exposed.csv").read_text(encoding="utf-8").splitlines()) == 3
    shown = call("pen", "exposed", PEN.serial).output
    assert "2 sessions of 1 patient; 1 beyond a zone's limit" in shown
    assert f"needlework pen release {PEN} --reviewed 2 --as ID" in shown
    assert "cheek: 0.95 mm, +0.114 mm, 1.06 mm, limit 1.00 mm" in shown.replace("1.064 mm", "1.06 mm")

    assert "boss" not in call("pen", "release", NAME, "--reviewed", "2", by="tech-kim", code=1).output
    assert "No calibration on record" in call("pen", "release", NAME, "--reviewed", "2", by="boss", code=1).output
    journalled(state, (None, certificate("C-2", **NAMED)))
    assert "needlework pen exposed" in call("pen", "release", NAME, by="boss", code=1).output
    released = json.loads(call("pen", "release", NAME, "--reviewed", "2", "--json", by="boss").output)
    assert (released["by"], released["role"], released["certificate"]) == ("boss", "manager", "C-2")

    history = call("pen", "history", NAME).output
    assert "✓ In no quarantine." in history
    assert "released by boss (manager), by certificate C-2; 2 sessions looked through" in history
    assert "is in no quarantine" in call("pen", "exposed", NAME, code=1).output


@pytest.mark.parametrize("quarantined", [False, True])
def test_who_calibrated_a_pen_is_told_of_any_quarantine_whatever_it_was_for(
    call: Call, state: Path, capsys: pytest.CaptureFixture[str], quarantined: bool
) -> None:
    results = (depth_results(gain=1, offset_um=0), rate_results())
    made = issued_at_a_bench(state / "certificates", results=results)
    assert made.event.as_found_in_tolerance
    assert made.event.as_left_in_tolerance
    journalled(state, (None, made.event))
    pen = f"{made.event.pen}/{made.event.serial}"
    if quarantined:
        call("pen", "quarantine", pen, "--because", "shock", by="tech-kim")
    asks = Questions(as_json=False, yes=True)
    assert issued(asks, made, Paper(None, state / "out"), StationSettings(state_dir=state)) == 0
    told = capsys.readouterr().out
    assert ("stations arm it by this calibration" in told) is not quarantined
    assert (f"needlework pen release {pen}" in told) is quarantined


def test_out_of_tolerance_without_a_figure_lists_every_session_with_an_error_that_is_not_known(
    call: Call, state: Path
) -> None:
    journalled(state, *treated(800), (None, certificate("C-1", **NAMED)), *treated(500), *treated(950))
    said = call("pen", "quarantine", NAME, "--because", "out_of_tolerance", by="tech-kim").output
    assert "2 sessions held with it since it last was right to be looked through" in said
    told = json.loads(call("pen", "exposed", NAME, "--json", "--csv", str(state / "exposed.csv")).output)
    assert told["sessions"] == 2
    assert [(row["shown_um"], row["error_um"], row["true_um"], row["over_limit"]) for row in told["zones"]] == [
        (500, None, None, None),
        (950, None, None, None),
    ]
    assert "500,,,1000,," in (state / "exposed.csv").read_text(encoding="utf-8")
    shown = " ".join(call("pen", "exposed", NAME).output.split())
    assert "the depth error is not known" in shown
    assert "Of 2 nobody knows how deep the needles truly were" in shown
    assert "cheek: 0.50 mm, depth error not known, limit 1.00 mm" in shown


def test_a_part_that_is_recalled_is_found_and_its_pens_are_taken_out_of_use(call: Call, state: Path) -> None:
    journalled(state, *treated(500))
    said = call("pen", "part", NAME, "motor", "--lot", "L7", "--removed-lot", "L1", by="tech-kim").output
    assert "until it is calibrated and released" in said  # nobody could end its calibration in it
    assert "no part 'moter'" in call("pen", "part", NAME, "moter", "--lot", "L7", by="tech-kim", code=1).output
    (found,) = json.loads(call("recall", "--lot", "L7", "--json").output)
    assert (found["pen"], found["part"], found["until"], found["in_quarantine"], found["sessions"]) == (
        NAME, "motor", None, True, 1,
    )  # fmt: skip
    assert "1 pen; still in 0" in call("recall", "--part", "motor", "--lot", "L1").output
    assert "No pen has or had it" in call("recall", "--lot", "L9", code=1).output
    assert "Nothing was named" in call("recall", code=2).output
    made = CliRunner().invoke(
        app,
        [
            "recall", "--lot", "L7", "--quarantine-as", "tech-kim", "--password-file", str(state.parent / "password"),
            "--json", "--state", str(state),
        ],
    )  # fmt: skip
    assert [(event["because"], event["recalled_lot"]) for event in json.loads(made.output)] == [("recall", "L7")]
    history = json.loads(call("pen", "history", NAME, "--json").output)
    assert history["in_quarantine"]
    assert [one["lot"] for one in history["parts"] if one["until"] is None] == ["L7"]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("quarantine", NAME, "--because", "boredom"), 2, "it is one of out_of_tolerance"),
        (("quarantine", NAME, "--because", "shock", "--error", "0.5:0.1"), 2, "0.50=+0.12"),
        (("quarantine", "NW-1/NW1-000002", "--because", "shock"), 1, f"Did you mean {NAME}?"),
        (("repair", NAME, "--what", "polished"), 2, "it is one of cleaned"),
        (("quarantine", NAME, "--because", "shock", "--pen", "serial:///nowhere"), 1, "/nowhere"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_recorded(
    call: Call, state: Path, words: tuple[str, ...], code: int, says: str
) -> None:
    journalled(state, *treated(500))
    assert says in call("pen", *words, by="tech-kim", code=code).output
    assert json.loads(call("pen", "history", NAME, "--json").output)["told"] == []


@pytest.mark.system
def test_a_pen_at_hand_holds_no_calibration_from_then_on(call: Call, short_dir: Path) -> None:
    url = f"serial://{short_dir / 'pen'}"
    with pen_at(short_dir / "pen"):
        wrong = call("pen", "quarantine", "NW-9/1", "--because", "shock", "--pen", url, by="tech-kim", code=1)
        assert f"is {NAME}, and NW-9/1 was named" in wrong.output
        assert asyncio.run(held(url)).valid
        said = call("pen", "quarantine", PEN.serial, "--because", "shock", "--pen", url, by="tech-kim").output
        assert "no station arms it, whatever it knows" in said
        assert not asyncio.run(held(url)).valid
        kept = call("pen", "repair", NAME, "--what", "cleaned", by="tech-kim").output
        assert "quarantine" not in kept


async def held(url: str) -> CalibrationData:
    """What calibration the pen holds."""
    async with asked_pen(url) as (link, _):
        found: CalibrationData = await link.request(CALIBRATION_READ)
        return found
