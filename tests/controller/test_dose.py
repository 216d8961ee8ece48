"""Doses: they only grow, do not care how telemetry is cut or repeated, and lose no stroke; and their budget."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.dose import U32, DoseTally, add_to_zone, dwell_level
from controller.errors import ControlRefused
from controller.events import AlarmRaised, DoseWarning, SessionClosed, TreatmentPaused
from controller.inputs import Close, DeclareZone, FaultsCleared, LinkDown, Pause, Prepare, SetDepth, SetRate, Start
from controller.loop import DWELL_HARD, DWELL_NEARLY, DWELL_OVER
from controller.plan import ResolvedPlan, ZonePlan
from controller.state import Phase
from firmware_bridge.snapshot import PenSnapshot
from firmware_bridge.wire.messages import Fault, Interlock, PenState
from proving.rig import Rig
from tests.controller.conftest import resolved

Treat = Callable[..., Rig]
ZONE = ZonePlan(soft_um=500, hard_um=1000, rate_max_mhz=130_000, source="x", dwell_ms=10_000, dwell_hard_ms=20_000)


def snapshot(**changes: object) -> PenSnapshot:
    made = PenSnapshot(
        pen_time_ms=0, boot_id=1, lease=5, tick=1, refusal=0, state=PenState.RUNNING, faults=Fault(0),
        interlocks=Interlock(1), depth_set_um=500, depth_measured_um=500, rate_set_mhz=100_000,
        rate_measured_mhz=100_000, motor_current_ma=100, battery_permille=900, temperature_dc=250, on_skin=True,
        strokes=0, button_presses=0, pedal_presses=0,
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


STATUS = st.fixed_dictionaries(
    {
        "wait": st.sampled_from([0, 20, 20, 20, 40, 100, 499, 500, 501, 3000]),
        "strokes": st.one_of(st.integers(0, 50), st.just("new cartridge")),
        "reboot": st.sampled_from([False] * 9 + [True]),
        "state": st.sampled_from([PenState.RUNNING] * 4 + [PenState.ARMED, PenState.FAULT]),
        "on_skin": st.sampled_from([True, True, False, None]),
        "depth": st.one_of(st.none(), st.integers(-300, 2500)),
        "rate": st.one_of(st.none(), st.integers(0, 150_000)),
    }
)


def telemetry(rows: list[dict[str, object]], begin_ms: int) -> list[PenSnapshot]:
    made, at_ms, strokes, boot = [], begin_ms, 0, 1
    for row in rows:
        at_ms = (at_ms + int(str(row["wait"]))) % U32
        strokes = 0 if row["strokes"] == "new cartridge" else strokes + int(str(row["strokes"]))
        if row["reboot"]:
            boot, at_ms = boot + 1, 0
        made.append(
            snapshot(
                pen_time_ms=at_ms, strokes=strokes, boot_id=boot, state=row["state"], on_skin=row["on_skin"],
                depth_measured_um=row["depth"], rate_measured_mhz=row["rate"],
            )
        )  # fmt: skip
    return made


def folded(statuses: list[PenSnapshot], tally: DoseTally | None = None) -> DoseTally:
    tally = tally or DoseTally("cheek")
    for before, after in pairwise(statuses):
        tally = tally.add(before, after, 12)
    return tally


SUMS = ("treated_ms", "strokes", "depth_ms", "depth_sum_um_ms", "rate_ms", "rate_sum_mhz_ms", "turned_mhz_ms")
GROWS = ("treated_ms", "strokes", "depth_ms", "rate_ms", "rate_sum_mhz_ms", "turned_mhz_ms", "passes")
TELEMETRY = st.builds(telemetry, st.lists(STATUS, max_size=30), st.sampled_from([0, U32 - 100]))


@given(TELEMETRY)
def test_a_dose_only_grows(statuses: list[PenSnapshot]) -> None:
    tally = DoseTally("cheek")
    for before, after in pairwise(statuses):
        more = tally.add(before, after, 12)
        for name in GROWS:
            assert getattr(more, name) >= getattr(tally, name)
        tally = more


@given(TELEMETRY, st.integers(0, 30))
def test_it_does_not_matter_where_telemetry_is_cut(statuses: list[PenSnapshot], at: int) -> None:
    whole = folded(statuses)
    first, rest = statuses[: at + 1], statuses[at:]
    assert folded(rest, folded(first)) == whole
    for name in SUMS:
        assert getattr(folded(first), name) + getattr(folded(rest), name) == getattr(whole, name)


@given(TELEMETRY, st.lists(st.integers(1, 3), min_size=30, max_size=30))
def test_what_is_told_twice_counts_once(statuses: list[PenSnapshot], times: list[int]) -> None:
    repeated = [one for one, often in zip(statuses, times, strict=False) for _ in range(often)]
    assert folded(repeated) == folded(statuses)


@given(st.lists(st.integers(0, 50), min_size=2, max_size=40))
def test_no_stroke_is_lost_while_it_runs_on_skin_whatever_is_not_heard(strokes: list[int]) -> None:
    counted, statuses = 0, []
    for index, more in enumerate(strokes):
        counted += more
        statuses.append(snapshot(pen_time_ms=index * 20, strokes=counted))
    heard = [statuses[0], *statuses[1:-1:7], statuses[-1]]
    assert folded(heard).strokes == counted - strokes[0]


def test_strokes_over_the_end_of_a_stretch_a_gap_a_new_cartridge_and_a_reboot() -> None:
    running, stopped = snapshot(strokes=100), snapshot(pen_time_ms=20, strokes=103, state=PenState.ARMED, on_skin=False)
    assert folded([running, stopped]).strokes == 3
    assert folded([running, snapshot(pen_time_ms=3000, strokes=180)]).strokes == 80
    assert folded([running, snapshot(pen_time_ms=20, strokes=2)]).strokes == 2
    assert folded([running, snapshot(pen_time_ms=5, strokes=110, boot_id=2)]).strokes == 10
    assert folded([running, snapshot(pen_time_ms=5, strokes=0, boot_id=2)]).strokes == 0
    in_air = snapshot(pen_time_ms=20, strokes=200, on_skin=False)
    assert folded([in_air, replace(in_air, pen_time_ms=40, strokes=220)]).strokes == 0


def test_where_the_counter_stands_still_punctures_are_rate_times_needles_times_contact() -> None:
    tally = folded([snapshot(pen_time_ms=at) for at in range(0, 10_001, 20)])
    assert tally.dose(12).punctures == 100 * 10 * 12
    unsensed = folded([snapshot(pen_time_ms=at, rate_measured_mhz=None) for at in range(0, 10_001, 20)])
    assert unsensed.dose(12).punctures == 100 * 10 * 12
    assert unsensed.dose(None).punctures is None


def test_a_pass_is_a_stretch_of_a_second_on_skin() -> None:
    at_ms, statuses = 0, []
    for length_ms in (2000, 400, 1200):
        for _ in range(0, length_ms, 20):
            at_ms += 20
            statuses.append(snapshot(pen_time_ms=at_ms))
        at_ms += 20
        statuses.append(snapshot(pen_time_ms=at_ms, state=PenState.ARMED))
    assert folded(statuses).passes == 2


def test_zones_are_kept_apart() -> None:
    doses = add_to_zone((), "nose", snapshot(), snapshot(pen_time_ms=20), 12)
    doses = add_to_zone(doses, "cheek", snapshot(), snapshot(pen_time_ms=40), 12)
    doses = add_to_zone(doses, "nose", snapshot(), snapshot(pen_time_ms=20), 12)
    assert [(tally.zone, tally.treated_ms) for tally in doses] == [("nose", 40), ("cheek", 40)]
    assert add_to_zone(doses, "chin", snapshot(), snapshot(), 12) is doses


# The budget -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("time_ms", "level"),
    [
        (0, 0), (7_999, 0), (8_000, DWELL_NEARLY), (9_999, DWELL_NEARLY), (10_000, DWELL_NEARLY | DWELL_OVER),
        (19_999, DWELL_NEARLY | DWELL_OVER), (20_000, DWELL_NEARLY | DWELL_OVER | DWELL_HARD),
    ],
)  # fmt: skip
def test_levels(time_ms: int, level: int) -> None:
    assert dwell_level(time_ms, ZONE) == level
    assert dwell_level(time_ms, ZONE.model_copy(update={"dwell_ms": None, "dwell_hard_ms": None})) == 0


def budgeted(zone: str, dwell_ms: int, dwell_hard_ms: int) -> ResolvedPlan:
    plan = resolved(zone=zone)
    changed = plan.zones[zone].model_copy(update={"dwell_ms": dwell_ms, "dwell_hard_ms": dwell_hard_ms})
    return plan.model_copy(update={"zones": plan.zones | {zone: changed}})


def treating(make_rig: Treat, plan: ResolvedPlan) -> Rig:
    rig = make_rig()
    rig.command(Close(outcome="completed", reason="another plan"))
    rig.events.clear()
    rig.command(Prepare(session="s2", plan=plan))
    rig.arm()
    rig.command(SetDepth(depth_um=500))
    rig.command(SetRate(rate_mhz=100_000))
    rig.command(Start(source="x"))
    return rig


def test_a_budget_warns_alarms_pauses_and_refuses_a_start_in_that_zone(make_rig: Treat) -> None:
    rig = treating(make_rig, budgeted("cheek", 2_000, 4_000))
    rig.advance(1_500)
    assert rig.state.alarms.active == ()
    rig.advance(200)
    assert [alarm.name for alarm in rig.state.alarms.active] == ["dwell_nearly_used"]
    rig.advance(400)
    assert [alarm.name for alarm in rig.state.alarms.active] == ["over_treatment"]
    assert rig.state.phase is Phase.TREATING
    rig.advance(2_000)
    assert rig.state.phase is Phase.PAUSED
    assert not rig.pen.truth.motor_driven
    assert [e.source for e in rig.events if isinstance(e, TreatmentPaused)] == [
        "dose: cheek has had all its time on skin"
    ]
    with pytest.raises(ControlRefused) as caught:
        rig.command(Start(source="x"))
    assert caught.value.because == "dwell_budget"
    rig.pen.press_button()
    rig.advance(200)
    assert not rig.pen.truth.motor_driven
    rig.command(DeclareZone(zone="nose"))
    rig.command(Start(source="x"))
    rig.advance(1_000)
    assert rig.pen.truth.motor_driven
    assert not next(alarm for alarm in rig.state.alarms.active if alarm.name == "over_treatment").condition
    rig.command(Pause(source="x"))
    rig.command(DeclareZone(zone="cheek"))
    with pytest.raises(ControlRefused):
        rig.command(Start(source="x"))
    assert [event.level for event in rig.events if isinstance(event, DoseWarning)] == ["nearly", "budget", "hard"]
    assert [event.priority for event in rig.events if isinstance(event, AlarmRaised)] == ["LOW", "MEDIUM"]


def test_a_zone_that_has_had_all_its_time_is_not_gone_on_in_when_it_is_declared(make_rig: Treat) -> None:
    rig = treating(make_rig, budgeted("nose", 500, 1_000))
    rig.advance(1_500)
    assert rig.state.phase is Phase.PAUSED
    rig.command(DeclareZone(zone="cheek"))
    rig.command(SetDepth(depth_um=500))
    rig.command(Start(source="x"))
    rig.advance(500)
    rig.command(DeclareZone(zone="nose"))
    assert rig.state.phase is Phase.PAUSED
    rig.advance(5)
    assert not rig.pen.truth.motor_driven


def test_strokes_made_while_nobody_listened_are_counted_when_the_pen_is_back(treat: Treat) -> None:
    rig = treat()
    rig.advance(1000)
    rig.line.to_host.dropping = True
    rig.advance(200)
    rig.line.to_host.dropping = False
    rig.advance(100)
    heard = rig.state.doses[0].strokes
    assert heard == pytest.approx(rig.pen.truth.strokes, abs=4)
    rig.line.to_pen.dropping = rig.line.to_host.dropping = True
    rig.give(LinkDown(cause="unplugged"))
    rig.advance(600)
    made = rig.pen.truth.strokes
    assert made > heard + 10
    rig.line.to_pen.dropping = rig.line.to_host.dropping = False
    rig.connect()
    rig.clear_pen_faults()
    rig.command(FaultsCleared(by="me", faults=("DEAD_MAN",)))
    rig.command(Close(outcome="interrupted", reason="x"))
    (closed,) = [event for event in rig.events if isinstance(event, SessionClosed)]
    assert closed.doses[0].strokes == pytest.approx(made, abs=4)
