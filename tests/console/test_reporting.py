"""`needlework report` and `needlework cartridge`, as people read them and as processes see them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from console.render.cartridge import cartridge_view
from console.render.overrides import overrides_view
from controller.cartridges import read_code
from controller.profiles import load_profiles
from logger.journal.entry import Entry
from logger.journal.journal import Journal
from logger.record.overrides import LimitTally, OperatorTally, OverrideReport, override_report
from logger.store.store import Store

pytestmark = pytest.mark.unhurried

Draw = Callable[..., str]
NEEDLEWORK = str(Path(sys.executable).with_name("needlework"))
CODE = "(01)09521234000129(17)270131(10)L2407A(21)C0001"
TODAY = date(2026, 6, 15)


def report(**changes: object) -> OverrideReport:
    operator = OperatorTally(
        operator="op-1", sessions=4, sessions_with_override=1, setpoint_changes=40, asked=45, refused=5, tenfold=2,
        overridden=3,
    )  # fmt: skip
    limit = LimitTally(
        limit="zone_soft", zone="periorbital", operator="op-1", refused=5, tenfold=2, overridden=3,
        reasons={"scar-tissue": 2, "thick-skin": 1},
    )  # fmt: skip
    given = {
        "since": None, "sessions": 4, "demo_sessions": 1,
        "setpoint_changes": 40, "operators": (operator,), "limits": (limit,),
        "other_refusals": {"no_pen": 2},
    }  # fmt: skip
    return OverrideReport.model_validate({**given, **changes})


def test_rates_stand_beside_what_they_are_measured_against(draw: Draw) -> None:
    lines = draw(overrides_view(report(since=date(2026, 1, 1)), "the journal"), width=120).splitlines()
    assert "since 2026-01-01: 4 sessions, 40 changes of depth or rate. From the journal." in lines[0]
    alone = draw(overrides_view(report(sessions=1, demo_sessions=0, setpoint_changes=1), "the journal"), width=120)
    assert ": 1 session, 1 change of depth or rate." in alone
    assert lines[1].startswith("Of 1 of 4 sessions: Limits signed by nobody")
    (operator,) = [line.split() for line in lines if line.startswith("op-1")]
    assert operator == ["op-1", "4", "1", "40", "5", "11.1", "%", "2", "3", "7.5", "%"]
    (limit,) = [line for line in lines if line.startswith("zone, soft limit")]
    assert "periorbital" in limit
    assert "scar-tissue 2, thick-skin 1" in limit
    assert "Refused for other reasons: no pen 2." in lines
    assert "a decimal slip" in " ".join(lines)


@pytest.mark.parametrize("width", [80, 120])
def test_it_fits_a_terminal(draw: Draw, width: int) -> None:
    assert all(len(line) <= width for line in draw(overrides_view(report(), "the journal"), width=width).splitlines())


def test_an_empty_record_and_a_record_without_a_limit_met_say_so(draw: Draw) -> None:
    assert "No session in the journal" in draw(overrides_view(override_report([]), "the journal"), width=100)
    assert "No limit was met." in draw(overrides_view(report(limits=()), "the journal"), width=100)
    quiet = draw(overrides_view(override_report([], since=TODAY), "the journal"), width=100)
    assert "No session since 2026-06-15" in quiet


def test_what_a_code_says_and_what_the_station_makes_of_it(draw: Draw) -> None:
    profiles = load_profiles()
    whole = read_code(CODE, today=TODAY)
    words = " ".join(draw(cartridge_view(whole, profiles.cartridge_of(whole.gtin), TODAY), width=100).split())
    for wanted in (
        "lot L2407A",
        "serial C0001",
        "usable until 2027-01-31",
        "NW-12: 12 needles of 1.50 mm",
        "can be found",
    ):
        assert wanted in words
    bare = read_code("(01)09521234000105(10)X(17)250131", today=TODAY)
    words = " ".join(draw(cartridge_view(bare, profiles.cartridge_of(bare.gtin), TODAY), width=100).split())
    for wanted in (
        "serial not on the code",
        "no data sheet has this",
        "cannot be found",
        "could be used until 2025-01-31",
    ):
        assert wanted in words


# As processes see it --------------------------------------------------------------------------------------------------

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs the command on a state directory of its own, as in a pipe."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("NEEDLEWORK_", "XDG_"))}
    environment |= {"NEEDLEWORK_STATE_DIR": str(tmp_path), "HOME": str(tmp_path), "COLUMNS": "120"}

    def call(*arguments: str, given: bytes = b"", **more: str) -> "subprocess.CompletedProcess[bytes]":
        done = subprocess.run(
            [NEEDLEWORK, *arguments], env=environment | more, input=given, capture_output=True, check=False, timeout=15
        )
        assert b"Traceback" not in done.stderr, done.stderr
        return done

    return call


@pytest.mark.system
def test_a_code_from_an_argument_and_from_a_scanner_is_the_same(run: Run) -> None:
    typed = json.loads(run("cartridge", "read", CODE, "--json").stdout)
    scanned = run("cartridge", "read", "-", "--json", given=b"]d201095212340001291727013110L2407A\x1d21C0001\r\n")
    read = json.loads(scanned.stdout)
    assert typed.pop("digest") != read.pop("digest")
    assert typed == read
    assert (read["cartridge"], read["serialised"], read["expiry"]) == ("NW-12", True, "2027-01-31")


@pytest.mark.system
def test_a_code_that_cannot_be_read_ends_with_1_and_what_to_do(run: Run) -> None:
    for given in (b"garbage", b"\x00\xff" * 100_000, b""):
        done = run("cartridge", "read", "-", given=given)
        assert done.returncode == 1
        assert b"Scan again; or type the code under the bars" in done.stderr
        assert done.stdout == b""
    told = json.loads(run("cartridge", "read", "x", "--json").stderr)
    assert told["code"] == "refused"


@pytest.mark.system
def test_the_setting_for_scanners_that_send_separators_is_used(run: Run) -> None:
    code = "010952123400012910L2107A"
    assert b"more than one way" in run("cartridge", "read", code).stderr
    read = run("cartridge", "read", code, "--json", NEEDLEWORK_SCANNER_SENDS_SEPARATORS="true")
    assert json.loads(read.stdout)["lot"] == "L2107A"


@pytest.mark.system
async def test_the_report_is_the_same_from_journal_and_store(run: Run, tmp_path: Path, entries: list[Entry]) -> None:
    clock = datetime(2026, 1, 1, tzinfo=UTC)
    journal = Journal(tmp_path / "journal.sqlite", station="room-1", utc_now=lambda: clock, monotonic_ms=lambda: 1_000)
    async with journal:
        for entry in entries:
            journal.emit(entry.event(), session=entry.session)
        await journal.flush()
        store = Store.open(tmp_path / "site.sqlite")
        store.append(journal.reader.read(0, 10_000), seen_utc_us=0)
        store.close()
    from_journal = run("report", "overrides", "--json")
    from_store = run("report", "overrides", "--json", "--store", str(tmp_path / "site.sqlite"), "--since", "2026-01-01")
    told = json.loads(from_journal.stdout)
    assert told["operators"][0]["overridden"] == 1
    assert told["operators"][0]["operator"] == "demo-master-aesthetician"
    assert {**told, "since": "2026-01-01"} == json.loads(from_store.stdout)
    assert b"No session since 2030-01-01" in run("report", "overrides", "--since", "2030-01-01").stdout
    assert run("report", "overrides", "--since", "soon").returncode == 2
