"""What happens in the course of a session besides treating: cartridges exchanged, approvals at the chair, the clock
set, a session taken up where it broke off."""

from collections.abc import Callable

import pytest

from controller.cartridges import read_code
from controller.errors import ControlRefused
from controller.events import (
    ApprovalGiven,
    ApprovalUsed,
    CartridgeExchanged,
    ClockStepped,
    PenArmed,
    SessionClosed,
    SessionOpened,
    ZoneDose,
)
from controller.inputs import (
    Approved,
    Attest,
    ClockJumped,
    Close,
    DeclareZone,
    ExchangeCartridge,
    FaultsCleared,
    Pause,
    Prepare,
    SetDepth,
    SetRate,
    Start,
)
from controller.readiness import readiness
from controller.state import Phase
from proving.rig import Rig
from tests.controller.conftest import TODAY, resolved

Treat = Callable[..., Rig]


def events(rig: Rig, kind: type) -> list:  # type: ignore[type-arg]
    return [event for event in rig.events if isinstance(event, kind)]


def because(rig: Rig, given: object) -> str:
    with pytest.raises(ControlRefused) as caught:
        rig.command(given)  # type: ignore[arg-type]
    return caught.value.because


# Cartridges -----------------------------------------------------------------------------------------------------------


def test_a_cartridge_is_replaced_in_mid_session_and_the_dose_is_kept(treat: Treat) -> None:
    rig = treat()
    rig.advance(3000)
    rig.command(Pause(source="x"))
    first = rig.state.cartridge
    before = rig.state.doses[0]
    rig.command(ExchangeCartridge(source="x"))
    assert rig.until(lambda: rig.state.phase is Phase.PREPARED, 600)
    assert not rig.pen.truth.lease
    rig.pen.remove_cartridge()
    rig.advance(200)
    fresh = rig.pen.insert_cartridge()
    rig.advance(200)
    rig.arm()
    assert rig.state.cartridge is not None
    assert first is not None
    assert (rig.state.cartridge.tag, first.tag) == (fresh.tag, events(rig, CartridgeExchanged)[0].before.tag)
    for given in (SetDepth(depth_um=500), SetRate(rate_mhz=100_000), Start(source="x")):
        rig.command(given)
    rig.advance(2000)
    after = rig.state.doses[0]
    assert after.treated_ms > before.treated_ms
    assert after.strokes > before.strokes
    assert [armed.cartridge.tag for armed in events(rig, PenArmed)] == [first.tag, fresh.tag]
    rig.command(Close(outcome="completed", reason="x"))
    rig.advance(600)
    assert events(rig, SessionClosed)[0].doses[0].strokes >= after.strokes


def test_the_old_cartridge_put_on_again_is_found_out(treat: Treat) -> None:
    rig = treat()
    rig.command(Pause(source="x"))
    rig.command(ExchangeCartridge(source="x"))
    rig.advance(600)
    with pytest.raises(ControlRefused) as caught:
        rig.arm()
    assert caught.value.because == "cartridge_used"


def test_what_was_attested_was_of_the_old_cartridge(make_rig: Treat) -> None:
    rig = make_rig()
    rig.command(Attest(source="x"))
    assert rig.state.plan is not None
    assert rig.state.plan.cartridge_attested
    rig.command(ExchangeCartridge(source="x"))
    assert not rig.state.plan.cartridge_attested
    assert next(row for row in readiness(rig.state, rig.now_ms) if row.check == "cartridge").outcome == "fails"


def test_a_cartridge_is_not_exchanged_under_a_running_motor(treat: Treat) -> None:
    assert because(treat(), ExchangeCartridge(source="x")) == "phase_treating"


# A cartridge that nobody can tell from another ------------------------------------------------------------------------


def plain(make_rig: Treat) -> Rig:
    """A pen that does not identify cartridges; the operator attests that the one named is new."""
    rig: Rig = make_rig("NW-PLAIN", cartridge="NW-12", cartridge_new=True)
    return rig


def replace_in_silence(rig: Rig) -> None:
    rig.pen.remove_cartridge()
    rig.advance(300)
    rig.pen.insert_cartridge()
    rig.advance(300)


def armed_because(rig: Rig) -> str:
    with pytest.raises(ControlRefused) as caught:
        rig.arm()
    return caught.value.because


def test_a_word_is_good_for_the_cartridge_it_was_given_for_before_arming(make_rig: Treat) -> None:
    rig = plain(make_rig)
    replace_in_silence(rig)
    assert armed_because(rig) == "cartridge_attest"
    rig.command(Attest(source="x"))
    rig.arm()
    assert rig.armed


def test_a_cartridge_taken_off_in_mid_treatment_takes_the_word_with_it(make_rig: Treat) -> None:
    rig = plain(make_rig)
    rig.arm()
    for given in (SetDepth(depth_um=500), SetRate(rate_mhz=100_000), Start(source="x")):
        rig.command(given)
    rig.advance(1000)
    replace_in_silence(rig)
    assert rig.state.phase is Phase.INTERRUPTED
    rig.clear_pen_faults()
    rig.command(FaultsCleared(by="x", faults=()))
    assert armed_because(rig) == "cartridge_attest"


def test_an_exchanged_cartridge_has_the_needles_of_its_own_code(make_rig: Treat) -> None:
    rig = plain(make_rig)
    rig.command(ExchangeCartridge(source="x", scan=read_code("01095212340001671728123110L2\x1d21S2", today=TODAY)))
    rig.command(Attest(source="x"))
    rig.arm()
    cartridge = rig.state.cartridge
    assert cartridge is not None
    assert (cartridge.name, cartridge.needle_count, cartridge.needle_length_um) == ("NW-16", 16, 2000)


def test_what_was_done_to_a_pen_while_it_was_unplugged_nobody_knows(make_rig: Treat) -> None:
    rig = plain(make_rig)
    rig.disconnect("unplugged")
    rig.connect()
    assert armed_because(rig) == "cartridge_attest"


# Approval at the chair ------------------------------------------------------------------------------------------------

AT_THE_CHAIR = Approved(approval="a-7", by="dr-lee", zones=("cheek",), depth_max_um=900)


def test_an_approval_at_the_chair_widens_the_scope_after_the_pen_was_armed_anew(treat: Treat) -> None:
    rig = treat(operator="demo-aesthetician", depth_um=500)
    assert because(rig, SetDepth(depth_um=900)) == "operator"
    assert because(rig, AT_THE_CHAIR) == "phase_treating"
    rig.command(Pause(source="x"))
    rig.command(AT_THE_CHAIR)
    assert rig.until(lambda: rig.state.phase is Phase.PREPARED, 600)  # the pen holds the old ceiling by itself
    rig.arm()
    rig.command(SetDepth(depth_um=900))
    used = events(rig, ApprovalUsed)
    assert [(event.approval, event.zone, event.scope_um) for event in used] == [("a-7", "cheek", 500)]
    rig.command(SetDepth(depth_um=850))
    assert len(events(rig, ApprovalUsed)) == 1
    assert events(rig, ApprovalGiven)[0].by == "dr-lee"
    rig.command(SetRate(rate_mhz=100_000))
    rig.command(Start(source="x"))
    rig.advance(800)
    assert rig.state.phase is Phase.TREATING
    assert 800 < rig.pen.truth.protrusion_um <= 900


def test_an_approval_names_zones_that_there_are(make_rig: Treat) -> None:
    rig = make_rig(operator="demo-aesthetician")
    assert because(rig, AT_THE_CHAIR.model_copy(update={"zones": ("cheeks",)})) == "unknown_zone"
    assert not events(rig, ApprovalGiven)


def test_an_approval_never_goes_beyond_the_zones_hard_limit(make_rig: Treat) -> None:
    rig = make_rig(operator="demo-aesthetician")
    rig.command(AT_THE_CHAIR.model_copy(update={"depth_max_um": 2500}))
    rig.arm()
    assert because(rig, SetDepth(depth_um=1600, override="scar-tissue")) in {"zone_hard", "calibration", "cartridge"}


def test_each_approval_counts_wherever_the_depth_came_from(make_rig: Treat) -> None:
    rig = make_rig(operator="demo-aesthetician")
    for number, zone in enumerate(("cheek", "chin")):
        rig.command(Approved(approval=f"a-{number}", by="dr-lee", zones=(zone,), depth_max_um=900))
    rig.arm()
    rig.command(SetDepth(depth_um=900))
    rig.command(DeclareZone(zone="chin"))  # brought there, and never set
    assert rig.state.depth_commanded_um == 900
    rig.command(DeclareZone(zone="cheek"))
    assert [(event.approval, event.zone) for event in events(rig, ApprovalUsed)] == [("a-0", "cheek"), ("a-1", "chin")]


def test_within_the_own_scope_no_approval_is_used(treat: Treat) -> None:
    assert not events(treat(operator="demo-aesthetician", depth_um=500), ApprovalUsed)


# Slips, clock, resuming -----------------------------------------------------------------------------------------------


def test_a_slipped_decimal_point_is_asked_about(treat: Treat) -> None:
    rig = treat(operator="demo-aesthetician", depth_um=500)
    with pytest.raises(ControlRefused, match=r"Did you mean 0\.50 mm\?"):
        rig.command(SetDepth(depth_um=5000))
    with pytest.raises(ControlRefused) as caught:
        rig.command(SetDepth(depth_um=700))
    assert "Did you mean" not in caught.value.sentence


@pytest.mark.parametrize("by_ms", [-86_400_000, 86_400_000])
def test_a_clock_that_is_set_changes_nothing_about_the_treatment_and_is_in_the_record(treat: Treat, by_ms: int) -> None:
    rig = treat()
    rig.command(ClockJumped(by_ms=by_ms))
    rig.advance(500)
    assert rig.state.phase is Phase.TREATING
    assert [event.by_ms for event in events(rig, ClockStepped)] == [by_ms]
    rig.command(Pause(source="x"))
    row = next(row for row in readiness(rig.state, rig.now_ms) if row.check == "clock")
    assert "set while" in row.sentence


def test_a_session_is_taken_up_with_its_dose(make_rig: Treat) -> None:
    dose = ZoneDose(
        zone="cheek", treated_ms=60_000, strokes=6000, punctures=72_000, depth_measured_max_um=800,
        depth_measured_mean_um=750, rate_measured_mean_mhz=100_000, passes=2,
    )  # fmt: skip
    rig = make_rig()
    rig.command(Close(outcome="stopped", reason="x"))
    plan = resolved().model_copy(update={"resumes": "s-9", "resumed_doses": (dose,)})
    rig.command(Prepare(session="s-10", plan=plan))
    assert events(rig, SessionOpened)[-1].resumes == "s-9"
    rig.examine()
    rig.arm()
    for given in (SetDepth(depth_um=500), SetRate(rate_mhz=100_000), Start(source="x")):
        rig.command(given)
    rig.advance(1500)
    tally = rig.state.doses[0]
    assert tally.treated_ms > 60_000
    assert tally.strokes > 6000
    assert tally.depth_max_um == 800
    rig.command(Close(outcome="completed", reason="x"))
    rig.advance(600)
    mean_um = events(rig, SessionClosed)[-1].doses[0].depth_measured_mean_um
    assert 740 <= mean_um <= 751
    dose = events(rig, SessionClosed)[-1].doses[0]
    assert dose.passes == 3
    assert dose.punctures == 72_000 + 12 * (dose.strokes - 6000)
