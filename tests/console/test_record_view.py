"""A session's record as a terminal shows it: everything that was recorded is found in it."""

from collections.abc import Callable

import pytest

from console.render.record import record_view
from console.render.sessions import SessionLine, sessions_view
from console.render.verify import verify_view
from console.trace import buckets, moments
from logger.journal.entry import Entry
from logger.proof.verify import Finding, VerifyResult
from logger.record.records import session_record
from tests.logger.making import closed
from tests.logger.test_lookback import begun
from tests.logger.test_uses import chained

Draw = Callable[..., str]


def drawn_record(entries: list[Entry], draw: Draw, width: int) -> str:
    return draw(record_view(session_record(entries), moments(entries), width=width), width=width)


@pytest.mark.parametrize("width", [80, 100, 160])
def test_the_record_says_who_what_and_why(entries: list[Entry], draw: Draw, width: int) -> None:
    text = drawn_record(entries, draw, width)
    words = " ".join(text.split())
    for wanted in (
        "20260101T090000-0000abcd",
        "STOPPED",
        "Limits signed by nobody: demonstration only.",
        "signed by nobody: demonstration only",
        "3f" * 32,
        "session 2 of 4; the one before on 2025-12-01",
        "1 soft limit gone beyond, 1 refused at a hard limit",
        "planned, not treated",
        "20 of 20 questions about contraindications answered; 1 treated all the same, with a reason",
        "✓ self-test Passed: retract; needles proved in.",
        "cartridge: This cartridge was used before.",
        "BY APPROVAL 0.90 mm beyond the operator's own 0.50 mm; approval ap-1, given ahead",
        "The computer's clock was set by -3600.0 s.",
        "performed by demo-master-aesthetician (aesthetician), 2026-01-01 09:00 UTC",
        "reviewed not signed yet; by a physician who did not treat",
        "patient p-7f3a21, treated by demo-master-aesthetician",
        "NW-1/NW1-000001",
        "consent signed, skin disinfected",
        "limited by the zone's soft limit",
        "REFUSED hard limit: 1.20 mm was refused and nothing changed.",
        "OVERRIDDEN soft limit: 0.90 mm instead of 0.75 mm; reason given: scar-tissue",
        "HIGH stall: The motor did not turn. Acknowledged +0:01.6 by demo-master-aesthetician.",
        "12 needles of 1.50 mm, lot L2407A, serial C1A2B3C4D, usable until 2027-05-01; verified unused; 114 strokes",
        "attested as new and opened now, not verified (by api: demo-master-aesthetician); 0 strokes on skin",
        "Alarms kept quiet for 2:00 min by demo-master-aesthetician, ended by link lost; shown all the same.",
        "time on skin cheek has had 80 % of its time",
        "certificate FACTORY-0001",
        "stop confirmed",
        "after 84 ms",
        "stopped: finished early",
    ):
        assert wanted in words, wanted
    assert all(len(line) <= width for line in text.splitlines())
    assert "…" not in text


def rows_of(text: str, zone: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line.startswith(f"{zone} ")]


def test_what_matters_comes_first(entries: list[Entry], draw: Draw) -> None:
    text = drawn_record(entries, draw, 100)
    order = ("Limits signed by nobody", "against its plan", "Limits met", "Alarms", "Signed", "The session", "In order")
    places = [text.index(words) for words in order]
    assert places == sorted(places)


def test_set_and_measured_stand_in_their_own_columns(entries: list[Entry], draw: Draw) -> None:
    plan, measured = rows_of(drawn_record(entries, draw, 100), "cheek")
    #               zone  on skin        bar        of     its time   passes  strokes punctures
    assert plan == ["cheek", "0:00", "━╌╌╌╌╌╌╌╌╌", "0", "%", "of", "2:30", "0", "of", "3", "114", "1", "368"]
    #                    zone     set     mean    p95     max     set    mean
    assert measured == ["cheek", "0.50", "0.47", "0.49", "0.49", "120", "119.0"]


def test_what_a_pen_does_not_measure_is_said_so_and_never_the_setpoint(blind_entries: list[Entry], draw: Draw) -> None:
    _, measured = rows_of(drawn_record(blind_entries, draw, 100), "cheek")
    assert measured.count("n/m") == 3
    assert "not measured" in drawn_record(blind_entries, draw, 100)


def test_a_session_without_treatment(entries: list[Entry], draw: Draw) -> None:
    text = drawn_record([entries[0]], draw, 80)
    assert "The motor never ran." in text
    assert "OPEN" in text
    assert "not closed" in text
    assert "None was met." in text
    assert "None was raised." in text
    assert "The pen was not read." in text


def test_a_treatment_whose_telemetry_is_not_yet_on_disk_did_run(entries: list[Entry], draw: Draw) -> None:
    started = [entry for entry in entries if entry.type in ("session_opened", "treatment_started")]
    text = drawn_record(started, draw, 80)
    assert "No telemetry is on disk yet." in text
    assert "never ran" not in text


def test_the_trace_is_what_the_pen_said(entries: list[Entry]) -> None:
    found = moments(entries)
    assert len(found) == 20
    assert [moment.running for moment in found] == [True] * 19 + [False]
    slots, first_ms, last_ms = buckets(found, 10)
    assert len(slots) == 10
    assert (first_ms, last_ms) == (400, 850)
    assert max(slot.depth_measured_um or 0 for slot in slots) == 440 + 3 * 18
    assert buckets([], 10) == ([], 0, 0)


def test_the_list_of_sessions(entries: list[Entry], draw: Draw) -> None:
    line = SessionLine.of(session_record(entries))
    text = draw(sessions_view([line], "the journal x"), width=80)
    for wanted in (line.session, "stopped", "p-7f3a21", "cheek", "0.9 s", "the journal x"):
        assert wanted in text
    assert "No session yet" in draw(sessions_view([], "the journal x"), width=80)
    assert line.as_data()["strokes_on_skin"] == 114


def test_a_session_in_which_the_motor_never_ran_is_not_called_completed(draw: Draw) -> None:
    prepared = session_record(chained([begun("s-1"), ("s-1", closed())]))
    line = SessionLine.of(prepared)
    assert (line.outcome, line.treated_ms) == ("completed", 0)
    for text in (
        draw(sessions_view([line], "the journal x"), width=100),
        draw(record_view(prepared, [], width=100), width=100),
    ):
        assert "not treated" in text.lower()
        assert "COMPLETED" not in text
    assert "completed" not in draw(sessions_view([line], "the journal x"), width=100)


def test_a_damaged_record_is_named_entry_by_entry(draw: Draw) -> None:
    result = VerifyResult(
        station="room-1", verdict="damaged", count=9, sessions=1, first=1, last=9, last_hash="ab" * 32,
        anchor="the recorder's store", not_yet_stored=0, findings_total=3,
        findings=(Finding(4, "changed", "Entry 4 is not what was journalled."), Finding(None, "file", "Not whole.")),
    )  # fmt: skip
    text = draw(verify_view(result), width=120)
    assert text.startswith("verify: damaged: ")
    assert "entry 4" in text
    assert "and 1 more" in text
    assert "ab" * 32 in text
