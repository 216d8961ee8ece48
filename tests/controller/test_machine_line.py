"""The machine to the word: what it makes of a line that comes and goes, of the record's room, and of what was read."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from controller.events import (
    CartridgeSnapshot,
    PenConnected,
    PenDisarmed,
    PenLost,
)
from controller.inputs import (
    ArmAsked,
    Close,
    Inspected,
    JournalState,
    LinkDown,
    LinkUp,
    OperationUncertain,
    PenFacts,
    StatusSeen,
)
from controller.machine import step
from controller.state import (
    MachineState,
    Phase,
    SendStop,
    Step,
)
from firmware_bridge.wire.messages import Capability, PenState
from proving.rig import Rig

Treat = Callable[..., Rig]


def took(rig: Rig, made: Step) -> Step:
    rig.state = made.state
    return made


def latched(made: Step) -> list[tuple[str, str]]:
    return list(made.state.latched)


# The line -------------------------------------------------------------------------------------------------------------


def test_the_record_is_told_what_was_connected(facts: PenFacts) -> None:
    known = facts.model_copy(update={"capabilities": int(Capability.DEPTH_SET | Capability.DEPTH_SENSED)})
    assert step(MachineState(), LinkUp(url="sim://1", facts=known), 7).events == (
        PenConnected(
            pen="NW-1/T1", url="sim://1", model="NW-1", serial="T1", firmware="1", boot_id=1,
            capabilities=("DEPTH_SET", "DEPTH_SENSED"), depth_max_um=2500, depth_step_um=50, rate_max_mhz=150_000,
            rate_step_mhz=1000, dead_man_ms=300, retract_ms=120,
        ),
    )  # fmt: skip


def test_of_another_pen_nothing_is_known_yet(make_rig: Treat, facts: PenFacts) -> None:
    rig = make_rig()
    before = rig.state
    assert before.calibration is not None or before.inspection is not None
    made = step(replace(before, motor_off_since_ms=3), LinkUp(url="sim://1", facts=facts), rig.now_ms + 7)
    after = made.state
    assert (after.seen, after.calibration, after.inspection, after.unheard) == (None, None, None, None)
    assert after.pen == facts
    assert after.seen_at_ms == after.motor_off_since_ms == rig.now_ms + 7
    assert made.send is None
    assert step(before, LinkUp(url="sim://1", facts=facts), rig.now_ms).state.motor_off_since_ms is None


def test_a_line_that_goes_is_recorded_with_its_pen_and_cause(treat: Treat) -> None:
    rig = treat()
    pen, zone, seen = rig.state.session_pen, rig.state.zone, rig.state.seen
    made = took(rig, step(rig.state, LinkDown(cause="unplugged"), rig.now_ms))
    assert made.events[:2] == (
        PenLost(pen=pen, cause="unplugged"), PenDisarmed(reason="connection lost: unplugged"),
    )  # fmt: skip
    assert latched(made) == [("link_lost", "unplugged")]
    assert made.state.interruption == "connection lost: unplugged"
    assert (made.state.pen, made.state.seen, made.state.unheard) == (None, None, (zone, seen))
    assert made.send is None, "there is no line to send anything on"
    made = step(rig.state, LinkDown(cause="again"), rig.now_ms)
    assert (made.events, made.state.unheard) == ((), (zone, seen))


@pytest.mark.parametrize("asked", [False, True])
def test_a_line_that_goes_before_arming_interrupts_nothing(make_rig: Treat, asked: bool) -> None:
    rig = make_rig()
    if asked:
        rig.command(ArmAsked(source="x"))
        assert rig.state.phase is Phase.ARMING
    seen = rig.state.seen
    made = step(rig.state, LinkDown(cause="unplugged"), rig.now_ms)
    assert made.events == (PenLost(pen=rig.state.session_pen, cause="unplugged"),)
    assert (made.state.phase, made.state.pen, made.state.seen) == (Phase.PREPARED, None, None)
    assert made.state.unheard == (rig.state.zone, seen)
    assert made.send is None


def test_without_a_session_nobodys_strokes_go_on_counting(make_rig: Treat) -> None:
    rig = make_rig()
    rig.command(Close(outcome="completed", reason="x"))
    made = step(rig.state, LinkDown(cause="unplugged"), rig.now_ms)
    assert made.state.unheard is None
    assert made.state.phase is Phase.NO_SESSION


def test_strokes_made_while_nothing_was_heard_count_in_the_zone_they_began_in(treat: Treat) -> None:
    rig = treat()
    rig.advance(200)
    known, counted = rig.state, rig.state.doses[0].strokes
    assert known.seen is not None
    assert known.pen is not None
    took(rig, step(known, LinkDown(cause="unplugged"), rig.now_ms))
    took(rig, step(rig.state, LinkUp(url="sim://1", facts=known.pen), rig.now_ms + 100))
    assert rig.state.unheard == (known.zone, known.seen)
    rest = replace(
        known.seen,
        strokes=known.seen.strokes + 30,
        pen_time_ms=known.seen.pen_time_ms + 200,
        lease=0,
        state=PenState.IDLE,
    )
    took(rig, step(rig.state, StatusSeen(rest, rig.now_ms + 200), rig.now_ms + 200))
    (dose,) = rig.state.doses
    assert (dose.zone, dose.strokes) == (known.zone, counted + 30)
    assert dose.pierced == dose.strokes * 12
    assert rig.state.unheard is None


# The record's room ----------------------------------------------------------------------------------------------------


def test_a_record_that_fills_is_told_from_ninety_percent_until_eighty_five() -> None:
    state, said = MachineState(), []
    for permille in (0, 899, 900, 956, 850, 849, 899, 1000):
        state = step(state, JournalState(problem="", fill_permille=permille), 1).state
        said.append(dict(state.standing).get("journal_nearly_full"))
    assert said == [None, None, "90 % full", "96 % full", "85 % full", None, None, "100 % full"]


def test_a_record_that_does_not_accept_stops_an_armed_pen_with_its_reason(treat: Treat, make_rig: Treat) -> None:
    rig = treat()
    made = step(rig.state, JournalState(problem="disk full"), rig.now_ms)
    assert latched(made) == [("journal_failed", "disk full")]
    assert made.state.journal_problem == made.state.interruption == "disk full"
    assert made.send == SendStop()
    resting = make_rig()
    made = step(resting.state, JournalState(problem="disk full"), resting.now_ms)
    assert (made.send, made.state.phase, made.state.journal_problem) == (None, Phase.PREPARED, "disk full")


# What was read --------------------------------------------------------------------------------------------------------


def read(used: bool = False, tag: int = 7, expiry: str | None = None, has: bool = True) -> Inspected:
    cartridge = CartridgeSnapshot(
        name="C", tag=tag, needle_count=12, needle_length_um=1500, lot="L", serial="S", expiry=expiry,
        unused="verified",
    )  # fmt: skip
    return Inspected(
        today="2026-01-01", cartridge=cartridge if has else None, cartridge_used=used, cartridge_problem="",
        calibration=None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given", "unfit"),
    [
        (read(), None),
        (read(expiry="2026-01-01"), None),
        (read(expiry="2025-12-31"), "could be used until 2025-12-31"),
        (read(used=True), "used before"),
        (read(used=True, expiry="2025-12-31"), "used before"),
        (read(used=True, tag=8), None),  # this session's own
        (read(used=True, tag=8, expiry="2025-12-31"), "could be used until 2025-12-31"),
        (read(used=True, tag=0), "used before"),
        (read(used=True, has=False), None),
    ],
)
def test_a_cartridge_that_must_not_be_used_is_told_while_it_is_there(
    make_rig: Treat, given: Inspected, unfit: str | None
) -> None:
    rig = make_rig()
    stood = (("cartridge_unfit", "of before"), ("uncertain_command", "CARTRIDGE_CONSUME"))
    own = 0 if given.cartridge is None or given.cartridge.tag == 0 else 8  # what says 0 cannot be known again
    state = replace(rig.state, consumed_tag=own, standing=stood)
    after = step(state, given, rig.now_ms).state
    assert dict(after.standing) == ({} if unfit is None else {"cartridge_unfit": unfit})


def test_an_operation_whose_outcome_nobody_knows_is_told_until_it_is_read_anew(make_rig: Treat) -> None:
    rig = make_rig()
    made = took(rig, step(rig.state, OperationUncertain(operation="CARTRIDGE_CONSUME"), rig.now_ms))
    assert dict(made.state.standing) == {"uncertain_command": "CARTRIDGE_CONSUME"}
    assert made.send is None
    assert [alarm.name for alarm in made.state.alarms.active] == ["uncertain_command"]
    assert dict(step(rig.state, read(), rig.now_ms).state.standing) == {}


def test_another_pen_has_neither_the_calibration_nor_the_strokes_of_the_one_that_went(
    treat: Treat, facts: PenFacts
) -> None:
    rig = treat()
    lost = step(rig.state, LinkDown(cause="unplugged"), rig.now_ms).state
    lost = replace(lost, unheard=lost.unheard or (lost.zone, rig.state.seen), calibration=rig.state.calibration)
    assert lost.calibration is not None
    found = step(lost, LinkUp(url="sim://2", facts=facts), rig.now_ms).state
    assert (found.unheard, found.calibration) == (None, None)
