"""What leaves with a pen that is sent in: sums by pen and day, and nothing that leads to a session."""

import re
from datetime import date

from logger.journal.entry import Entry
from logger.record.service_record import service_record
from tests.console.conftest import journalled, made_events

DAY_US = 86_400_000_000


def days(entries: list[Entry], later: int, session: str) -> list[Entry]:
    return [
        one._replace(utc_us=one.utc_us + later * DAY_US, session=session if one.session is not None else None)
        for one in entries
    ]


def test_sums_by_day_are_those_of_the_sessions() -> None:
    one = journalled(made_events())
    record = service_record([*one, *days(one, 0, "s-2"), *days(one, 3, "s-3")])
    (pen,) = record.pens
    assert pen.pen == "NW-1/NW1-000001"
    assert [(day.on, day.treated_ms, day.strokes) for day in pen.days] == [
        (date(2026, 1, 1), 1900, 228),
        (date(2026, 1, 4), 950, 114),
    ]
    assert (pen.treated_ms, pen.strokes) == (2850, 342)
    assert [day.alarms for day in pen.days] == [{"stall": 2}, {"stall": 1}]
    (calibration,) = pen.calibrations
    assert (calibration.first_on, calibration.due_on) == (date(2026, 1, 1), "2027-12-01")


def test_nothing_leads_to_a_session_a_person_or_an_hour() -> None:
    entries = journalled(made_events())
    text = service_record(entries).model_dump_json()
    for planted in ("p-7f3a21", "demo-master", "20260101T", entries[0].session or "", "scar-tissue", "cheek", "L2407A"):
        assert planted not in text
    assert not re.search(r"\d\d:\d\d", text)
    assert not re.search(r"\d{13,}", text), "no time in µs or ms"


def test_a_record_without_anything_has_no_pen() -> None:
    assert service_record([]).pens == ()
