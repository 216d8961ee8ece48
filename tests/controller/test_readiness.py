"""One table decides about arming: what passes, what does not and why; nothing else does, and nothing is assumed."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from controller.errors import ControlRefused
from controller.events import Examined, ReadinessRow
from controller.inputs import ArmAsked, Attest, Inspected, SelfTest, Stop
from controller.library import load_library
from controller.operators import load_operators
from controller.readiness import SELF_TEST_GOOD_MS, first_failure, readiness
from controller.state import Phase
from firmware_bridge.wire.messages import Capability, Fault
from proving.rig import Rig
from tests.controller.conftest import TODAY, resolved

Treat = Callable[..., Rig]
RETRACT_FAILED = SelfTest(tested=0x3F, passed=0x3E)


def rows(rig: Rig) -> dict[str, ReadinessRow]:
    return {row.check: row for row in readiness(rig.state, rig.now_ms)}


def because(rig: Rig) -> str:
    with pytest.raises(ControlRefused) as caught:
        rig.arm()
    return caught.value.because


def read(rig: Rig, **changes: object) -> None:
    """What was read from the pen was something else."""
    assert rig.state.inspection is not None
    rig.state = replace(rig.state, inspection=rig.state.inspection.model_copy(update=changes))


def test_a_well_prepared_pen_passes_every_check_and_says_how(make_rig: Treat) -> None:
    rig = make_rig()
    table = rows(rig)
    assert list(table) == [
        "pen", "fluid ingress", "quarantine", "firmware", "self-test", "battery", "cartridge", "calibration", "clock",
        "limits", "contraindications", "checklist", "consent", "course", "library", "operator", "journal",
    ]  # fmt: skip
    assert {row.outcome for row in table.values()} == {"passes", "note"}
    assert table["library"].outcome == "note"  # an example that nobody signed says so everywhere
    assert "needles proved in" in table["self-test"].sentence
    assert "± 0.05 mm" in table["calibration"].sentence
    rig.arm()
    assert rig.armed
    examined = [event for event in rig.events if isinstance(event, Examined)]
    assert len(examined) == 2  # once when prepared, once when armed
    assert {row.outcome for row in examined[-1].rows} == {"passes", "note"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"checklist": {}}, "checklist"),
        ({"answers": {}}, "screening"),
        ({"answers": {"isotretinoin": False}}, "screening"),
        ({"consent": ""}, "consent"),
        ({"consent": "   "}, "consent"),
    ],
)
def test_what_is_missing_on_paper_stands_in_the_way(make_rig: Treat, change: dict[str, object], expected: str) -> None:
    rig = make_rig(**change)
    assert because(rig) == expected
    assert rig.state.phase is Phase.PREPARED


def test_what_was_not_read_from_the_pen_is_open_and_never_arms(make_rig: Treat) -> None:
    rig = make_rig()
    rig.state = replace(rig.state, inspection=None)
    table = rows(rig)
    assert {check for check, row in table.items() if row.outcome == "open"} == {
        "quarantine", "firmware", "self-test", "cartridge", "calibration",
    }  # fmt: skip
    rig.command(ArmAsked(source="x"))
    with pytest.raises(ControlRefused) as caught:  # a pen that tests itself is not armed untested
        rig.command(
            Inspected(
                today=TODAY.isoformat(),
                cartridge=None,
                cartridge_used=False,
                cartridge_problem="",
                calibration=None,
                kept=rig.kept,
            )
        )
    assert caught.value.because == "self_test"


def test_a_failed_self_test_names_the_part_and_is_not_forgotten_by_arming_again(make_rig: Treat) -> None:
    rig = make_rig()
    read(rig, self_test=RETRACT_FAILED)
    assert because(rig) == "self_test"
    assert "retract" in rows(rig)["self-test"].sentence
    read(rig, self_test=SelfTest(tested=0x3F, passed=0x3F & ~0x10))
    assert "battery" in rows(rig)["self-test"].sentence


def test_a_self_test_without_the_retract_part_proves_nothing(make_rig: Treat) -> None:
    rig = make_rig()
    read(rig, self_test=SelfTest(tested=0x3E, passed=0x3E))
    assert because(rig) == "self_test"


def test_a_self_test_is_made_anew_after_half_an_hour_and_on_another_connection(make_rig: Treat) -> None:
    rig = make_rig()
    rig.state = replace(rig.state, inspected_at_ms=rig.now_ms - SELF_TEST_GOOD_MS - 1)
    assert rows(rig)["self-test"].outcome == "open"
    again = make_rig()
    again.pen.reboot()
    again.advance(100)
    again.connect()
    assert again.state.inspection is None


def test_a_pen_without_a_self_test_proves_its_needles_by_its_home_switch(make_rig: Treat) -> None:
    rig = make_rig()
    assert rig.state.pen is not None
    rig.state = replace(
        rig.state,
        pen=rig.state.pen.model_copy(update={"capabilities": rig.state.pen.capabilities & ~int(Capability.SELF_TEST)}),
    )
    assert rows(rig)["self-test"].outcome == "note"
    assert rig.state.seen is not None
    rig.state = replace(rig.state, seen=replace(rig.state.seen, interlocks=rig.state.seen.interlocks & 1))
    assert rows(rig)["pen"].because == "needles"


YESTERDAY, TOMORROW = TODAY - timedelta(days=1), TODAY + timedelta(days=1)


@pytest.mark.parametrize(
    ("field", "expected"),
    [("library_until", "library_expired"), ("operator_until", "operator_not_qualified"), ("zones", "approval_expired")],
)
def test_what_ends_at_midnight_ends_for_a_session_that_is_open_over_it(
    make_rig: Treat, field: str, expected: str
) -> None:
    rig = make_rig()
    plan = rig.state.plan
    assert plan is not None
    value: object = TODAY.isoformat()
    if field == "zones":
        chin = plan.zones["chin"].model_copy(update={"approved_cap_um": 900, "approved_until": value})
        value = plan.zones | {"chin": chin}
    rig.state = replace(rig.state, plan=plan.model_copy(update={field: value}))
    rig.arm()
    rig.command(Stop(source="x"))
    rig.advance(500)
    rig.today = TOMORROW
    assert because(rig) == expected


def test_a_plan_knows_the_last_days_of_what_it_was_made_from() -> None:
    plan, operator = resolved(), load_operators().operators["demo-physician"]
    assert plan.prepared_on == TODAY.isoformat()
    assert plan.library_until == load_library().valid_until.isoformat()
    assert plan.operator_until == operator.qualified_until.isoformat()


def test_a_clock_set_back_before_the_day_of_preparing_arms_nothing(make_rig: Treat) -> None:
    rig = make_rig()
    rig.today = YESTERDAY
    assert because(rig) == "clock"


def test_a_pen_that_still_holds_a_lease_is_not_armed_over_it(make_rig: Treat) -> None:
    rig = make_rig()
    assert rig.state.seen is not None
    rig.state = replace(rig.state, seen=replace(rig.state.seen, lease=7))
    assert rows(rig)["pen"].because == "lease_alive"


def test_fluid_behind_the_membrane_takes_the_pen_out_of_use(make_rig: Treat) -> None:
    rig = make_rig()
    rig.pen.faults.wet()
    rig.advance(100)
    assert because(rig) == "ingress"


def test_a_battery_that_does_not_last_for_the_plan_is_refused_before_the_patient_lies_down(make_rig: Treat) -> None:
    zones = tuple(sorted(resolved().zones))
    rig = make_rig(zones=zones)
    assert rig.state.plan is not None
    assert rows(rig)["battery"].outcome == "passes"
    rig.pen.faults.drain_battery(0.15)
    rig.advance(100)
    assert because(rig) == "battery"
    assert "planned" in rows(rig)["battery"].sentence


def test_reuse_that_cannot_be_checked_needs_the_operators_word(make_rig: Treat) -> None:
    rig = make_rig()
    read(rig, attest="the ledger does not answer.")
    row = rows(rig)["cartridge"]
    assert (row.outcome, row.because) == ("fails", "cartridge_attest")
    rig.command(Attest(source="x"))
    assert rows(rig)["cartridge"].outcome == "passes"


def test_a_cartridge_that_is_taken_off_again_is_missed_at_once(make_rig: Treat) -> None:
    rig = make_rig()
    rig.pen.remove_cartridge()
    rig.advance(100)
    assert rows(rig)["cartridge"].because == "cartridge_missing"


def test_dates_before_the_calibration_make_no_sense(make_rig: Treat) -> None:
    rig = make_rig()
    read(rig, today=(TODAY - timedelta(days=60)).isoformat())
    assert rows(rig)["clock"].because == "clock"
    read(rig, today=(TODAY + timedelta(days=700)).isoformat())
    assert rows(rig)["calibration"].because == "calibration_due"


def test_a_silent_pen_is_the_first_thing_to_mend(make_rig: Treat) -> None:
    rig = make_rig(consent="")
    rig.line.to_host.dropping = True
    rig.advance(400)
    problem = first_failure(readiness(rig.state, rig.now_ms), open_counts=True)
    assert problem is not None
    assert problem.because == "no_pen"
    assert rows(rig)["consent"].outcome == "fails"  # what is on paper is shown all the same


def test_a_fault_and_an_interruption_stand_in_the_way_until_a_person_clears_them(treat: Treat) -> None:
    rig = treat()
    rig.pen.faults.latch_internal()
    rig.advance(400)
    assert rig.state.phase is Phase.INTERRUPTED
    assert rows(rig)["pen"].because == "pen_fault"
    assert rows(rig)["interruption"].outcome == "fails"
    assert rig.state.seen is not None
    assert rig.state.seen.faults & Fault.INTERNAL
