"""What a record says of its pens, told in any order: quarantine, certificates, parts; from journals and stores."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.events import Event
from controller.service_events import (
    CertificateIssued,
    HealthRead,
    PartReplaced,
    PenQuarantined,
    PenReleased,
    PenRepaired,
)
from controller.units import Micrometres
from logger.record.pens import (
    PEN_TYPES,
    Fitted,
    PenName,
    Told,
    fitted,
    last_in_tolerance,
    measured_utc_us,
    name_of,
    open_quarantines,
    recalled,
    told_of_pens,
)
from logger.record.releasing import release_problem
from logger.store.store import Store
from tests.logger.test_uses import armed, chained

PEN = PenName("NW-2", "SIM-1")
OTHER = PenName("NW-2", "SIM-2")
NAMED = {"pen": "NW-2/SIM-1", "serial": "SIM-1"}


def quarantined(name: str = "q-1", because: str = "out_of_tolerance", **changes: Any) -> PenQuarantined:
    fields: dict[str, Any] = {
        **NAMED, "quarantine": name, "because": because, "by": "tech-kim", "certificate": "", "last_in_tolerance": "",
        "since": None, "errors": (),
    }  # fmt: skip
    return PenQuarantined(**fields | changes)


def released(*names: str, **changes: Any) -> PenReleased:
    fields: dict[str, Any] = {
        **NAMED, "quarantines": names, "by": "dr-lee", "role": "physician", "certificate": "C-2",
        "sessions_reviewed": 0,
    }  # fmt: skip
    return PenReleased(**fields | changes)


def certificate(number: str, *, left: bool = True, kind: str = "calibration", **changes: Any) -> CertificateIssued:
    fields: dict[str, Any] = {
        **NAMED, "series": "s", "number": number, "kind": kind, "issued_on": datetime.now(UTC).date().isoformat(),
        "due_on": None, "as_found_in_tolerance": True, "as_left_in_tolerance": left, "as_found_depth_error_um": 0,
        "as_left_depth_error_um": 0, "depth_uncertainty_um": Micrometres(20), "rate_error_ppm": None,
        "technician": "tech-kim", "sha256": "00", "document": "{}",
    }  # fmt: skip
    return CertificateIssued(**fields | changes)


def part(name: str, lot: str, *, removed: str = "", on: str = "2026-02-01", **changes: Any) -> PartReplaced:
    fields: dict[str, Any] = {
        **NAMED, "part": name, "removed_lot": removed, "removed_serial": "", "fitted_lot": lot, "fitted_serial": "",
        "by": "tech-kim", "on": on,
    }  # fmt: skip
    return PartReplaced(**fields | changes)


def repaired(*, ends: bool) -> PenRepaired:
    return PenRepaired(**NAMED, what="opened", ends_calibration=ends, by="tech-kim", on="2026-02-01")


def told(*events: Event, station: str = "room-1", start_us: int = 0) -> list[Told]:
    return list(told_of_pens(chained([(None, event) for event in events], station, start_us)))


# In quarantine or not -------------------------------------------------------------------------------------------------


def test_a_quarantine_stands_until_somebody_names_it() -> None:
    assert [one.event for one in open_quarantines(told(quarantined()))] == [quarantined()]
    assert open_quarantines(told(quarantined(), released("q-1"))) == []
    assert len(open_quarantines(told(quarantined(), released("q-2")))) == 1
    assert len(open_quarantines(told(quarantined(), quarantined("q-2"), released("q-1")))) == 1


def test_the_order_in_which_stations_tell_it_does_not_matter() -> None:
    """Room 2, whose clock is an hour behind, releases what room 1 quarantined."""
    late, early = told(quarantined(), start_us=10**10), told(released("q-1"), station="room-2")
    assert open_quarantines([*late, *early]) == open_quarantines([*early, *late]) == []


MOTOR_L1 = {"recalled_part": "motor", "recalled_lot": "L1"}
NAMES = st.sampled_from([f"q-{number}" for number in range(5)])


@given(st.lists(st.tuples(st.booleans(), NAMES), max_size=12), st.randoms(use_true_random=False))
def test_what_is_open_is_what_was_begun_less_what_was_ended_in_any_order(
    course: list[tuple[bool, str]], random: Any
) -> None:
    events = told(*(quarantined(name) if begins else released(name) for begins, name in course))
    begun = {name for begins, name in course if begins}
    ended = {name for begins, name in course if not begins}
    shuffled = list(events)
    random.shuffle(shuffled)
    found = [one.event for one in open_quarantines(shuffled)]
    assert {event.quarantine for event in found if isinstance(event, PenQuarantined)} == begun - ended


def test_a_pen_is_the_same_however_an_event_names_it() -> None:
    assert name_of("NW-2/SIM-1", "SIM-1") == name_of("NW-2", "SIM-1") == PEN
    assert str(PEN) == "NW-2/SIM-1"


# Certificates ---------------------------------------------------------------------------------------------------------


def test_the_last_certificate_by_which_it_was_right() -> None:
    events = told(
        certificate("C-1"),
        certificate("C-2"),
        certificate("C-3", left=False),
        certificate("A-4", kind="accuracy_test"),
    )
    found = last_in_tolerance(events)
    assert found is not None
    assert found.event == certificate("C-2")
    assert last_in_tolerance(events, before_utc_us=found.utc_us) == events[0]
    assert last_in_tolerance(events[2:]) is None


def test_a_certificate_that_was_told_late_is_as_old_as_it_says() -> None:
    """After a crash, or from a backup: it says nothing of the days after it was issued."""
    events = told(certificate("C-2"), certificate("C-1", issued_on="1969-12-30"))
    found = last_in_tolerance(events)
    assert found == events[0]
    assert [measured_utc_us(one) for one in events] == [events[0].utc_us, -24 * 3600 * 10**6]


@pytest.mark.parametrize(
    ("events", "problem"),
    [
        ([certificate("C-1")], "not_in_quarantine"),
        ([quarantined()], "no_certificate"),
        ([certificate("C-1"), quarantined()], "no_certificate"),
        ([quarantined(), certificate("C-2", left=False)], "no_certificate"),
        ([quarantined(), certificate("A-2", kind="accuracy_test")], "no_certificate"),
        ([quarantined(), certificate("C-2")], None),
        ([quarantined(), certificate("C-2"), quarantined("q-2", "shock")], "no_certificate"),
        ([quarantined(), certificate("C-2"), certificate("C-3", left=False)], "no_certificate"),
        ([quarantined(), certificate("C-0", issued_on="1969-12-31")], "no_certificate"),  # an old one, told late
        ([quarantined(because="recall")], None),
        ([quarantined(because="recall"), part("motor", "L2")], "no_certificate"),
        ([quarantined(because="recall"), repaired(ends=False)], None),
        ([quarantined(because="recall"), repaired(ends=True)], "no_certificate"),
        ([quarantined(because="recall"), part("motor", "L2"), certificate("C-2")], None),
        ([part("motor", "L1"), certificate("C-2"), quarantined(because="recall", **MOTOR_L1)], "recalled_part"),
        ([part("motor", "L1"), quarantined(because="recall", **MOTOR_L1), part("motor", "L2")], "no_certificate"),
        (
            [part("motor", "L1"), quarantined(because="recall", **MOTOR_L1), part("motor", "L2"), certificate("C-2")],
            None,
        ),
        ([part("motor", "L2"), certificate("C-2"), quarantined(because="recall", **MOTOR_L1)], None),
    ],
)
def test_what_a_release_needs(events: list[Event], problem: str | None) -> None:
    known = told(*events)
    found = release_problem(known, open_quarantines(known))
    assert (found[0] if found else None) == problem


def test_a_certificate_counts_from_when_it_was_measured_not_from_when_it_was_told_of() -> None:
    def measured(at: str) -> str:
        return json.dumps({"body": {"ended_at": at}})

    before = certificate("C-1", document=measured("1970-01-01T00:00:10Z"))
    anew = certificate("C-2", document=measured("1970-01-01T00:00:10Z"))  # a name in C-1 was wrong
    known = [*told(before, start_us=11_000_000), *told(quarantined(), anew, start_us=50_000_000, station="bench")]
    problem = release_problem(known, open_quarantines(known))
    assert problem is not None
    assert problem[0] == "no_certificate"
    last = last_in_tolerance(known)
    assert last is not None
    assert isinstance(last.event, CertificateIssued)
    assert (last.event.number, measured_utc_us(last)) == ("C-2", 10_999_999)

    again = told(certificate("C-3", document=measured("1970-01-01T00:01:00Z")), start_us=99_000_000, station="bench-2")
    assert release_problem([*known, *again], open_quarantines(known)) is None
    early, late = told(certificate("C-4", document="{"), certificate("C-5", issued_on="1969-12-30"), start_us=7)
    assert (measured_utc_us(early), measured_utc_us(late)) == (early.utc_us, -24 * 3600 * 10**6)


# Parts ----------------------------------------------------------------------------------------------------------------


def test_parts_are_followed_in_and_out() -> None:
    events = told(
        part("motor", "L1", on="2026-01-01"),
        part("battery", "B1", on="2026-01-02"),
        part("motor", "L2", removed="L1", on="2026-03-01"),
        part("seal", "", removed="S0", on="2026-04-01"),
    )
    assert fitted(events) == [
        Fitted(PEN, "motor", "L1", "", "2026-01-01", "2026-03-01"),
        Fitted(PEN, "battery", "B1", "", "2026-01-02", None),
        Fitted(PEN, "motor", "L2", "", "2026-03-01", None),
        Fitted(PEN, "seal", "S0", "", "", "2026-04-01"),  # nobody noted it when it was fitted
    ]


def test_a_recall_finds_by_part_by_lot_and_by_both_those_still_in_first() -> None:
    events = told(
        part("motor", "L1", on="2026-01-01"),
        part("motor", "L2", removed="L1", on="2026-03-01"),
        part("motor", "L1", on="2026-02-01", pen="NW-2/SIM-2", serial="SIM-2"),
        part("battery", "L1", on="2026-02-02", pen="NW-2/SIM-2", serial="SIM-2"),
    )
    found = recalled(events, part="motor", lot="L1")
    assert [(one.pen, one.until) for one in found] == [(OTHER, None), (PEN, "2026-03-01")]
    assert len(recalled(events, part=None, lot="L1")) == 3
    assert len(recalled(events, part="battery", lot=None)) == 1
    assert recalled(events, part="motor", lot="L9") == []


# From stores ----------------------------------------------------------------------------------------------------------

DAY: Sequence[Event] = (
    certificate("C-1"),
    quarantined(),
    part("motor", "L2", pen="NW-2/SIM-2", serial="SIM-2"),
    released("q-1"),
)


def test_a_store_finds_by_pen_and_by_type_what_the_entries_tell(store: Store) -> None:
    entries = chained([("s-1", armed("C7")), *((None, event) for event in DAY)])
    store.append(entries[:3], seen_utc_us=0)
    store.append(entries[3:], seen_utc_us=0)
    store.append(entries, seen_utc_us=0)  # sent again, it is there once
    expected = list(told_of_pens(entries))
    assert len(expected) == len(DAY)
    assert store.told_of_pens() == expected
    assert store.told_of_pens(PEN) == [one for one in expected if one.pen == PEN]
    assert store.told_of_pens(PEN, ("pen_released",)) == expected[-1:]
    assert store.told_of_pens(PenName("NW-1", "SIM-1")) == []


def test_every_type_that_names_a_pen_is_one_of_them() -> None:
    from typing import get_args  # noqa: PLC0415 only here

    from controller.service_events import ServiceEvent  # noqa: PLC0415 only here

    naming = {kind.model_fields["type"].default for kind in get_args(ServiceEvent) if "serial" in kind.model_fields}
    assert naming - {"service_opened"} == set(PEN_TYPES)  # which is about a piece of work
    assert HealthRead.model_fields["type"].default in PEN_TYPES
