"""A record against its plan: time on skin, passes, and punctures by the needles that made them."""

from hypothesis import given
from hypothesis import strategies as st

from controller.events import (
    CartridgeAttested,
    CartridgeExchanged,
    ClockStepped,
    Event,
    Examined,
    PenArmed,
    ReadinessRow,
    SessionClosed,
    SessionSigned,
    ZoneDose,
    ZoneSnapshot,
)
from logger.record.models import LIMIT_LAYERS
from logger.record.records import session_record
from tests.logger.making import opened
from tests.logger.test_records import CALIBRATION, CARTRIDGE, MHZ, UM, Pen, journalled

PLAN = ZoneSnapshot(
    zone="cheek", soft_um=UM(750), hard_um=UM(1000), rate_max_mhz=MHZ(130_000), passes=3, dwell_ms=150_000,
    dwell_hard_ms=300_000,
)  # fmt: skip
OTHER = CARTRIDGE.model_copy(update={"serial": "", "lot": "L2", "needle_count": 36, "unused": "attested"})


def armed(cartridge: object) -> PenArmed:
    return PenArmed.model_validate(
        {
            "lease": 9, "depth_ceiling_um": 1000, "rate_ceiling_mhz": 120_000, "cartridge": cartridge,
            "calibration": CALIBRATION,
        }
    )  # fmt: skip


def stretch(pen: Pen, at_ms: int, statuses: int, **more: int) -> int:
    """The motor runs for so many statuses, then rests for one; when it rests."""
    for index in range(statuses):
        pen.status(at_ms + 50 * index, running=True, depth_um=400, **more)
    pen.status(at_ms + 50 * statuses, running=False, depth_um=0, **more)
    return at_ms + 50 * statuses


def test_punctures_are_counted_by_the_needles_of_the_cartridge_in_use() -> None:
    pen = Pen()
    ends = stretch(pen, 100, 30)
    first = pen.chunk()
    pen.strokes = 0
    stretch(pen, ends + 1000, 10)
    events: list[tuple[int, Event]] = [
        (0, opened("cheek").model_copy(update={"zone_plans": (PLAN,), "planned_zones": ("cheek", "nose")})),
        (50, armed(CARTRIDGE)),
        (ends, first),
        (ends + 100, CartridgeExchanged(source="op-2", before=CARTRIDGE)),
        (ends + 200, CartridgeAttested(source="op-2")),
        (ends + 300, armed(OTHER)),
        (ends + 9000, pen.chunk()),
    ]
    record = session_record(journalled(events))
    one, two = record.cartridges
    assert (one.strokes, two.strokes) == (145, 50)  # the first status of all counts from itself
    assert record.zones[0].punctures == 145 * 12 + 50 * 36
    assert (one.attested_by, two.attested_by) == (None, "op-2")
    assert one.exchanged_at is not None
    assert two.exchanged_at is None
    assert record.zones[0].plan == PLAN
    assert record.untreated == ("nose",)


def test_strokes_of_no_known_cartridge_make_the_punctures_unknown() -> None:
    pen = Pen()
    stretch(pen, 100, 30)
    record = session_record(journalled([(0, opened("cheek")), (9000, pen.chunk())]))
    assert record.zones[0].punctures is None


@given(st.lists(st.integers(1, 60), min_size=1, max_size=6))
def test_a_pass_is_a_second_on_skin_with_the_motor_on(stretches: list[int]) -> None:
    pen, at_ms = Pen(), 0
    for statuses in stretches:
        at_ms = stretch(pen, at_ms, statuses) + 500
    record = session_record(journalled([(0, opened("cheek")), (at_ms, pen.chunk())]))
    (zone,) = record.zones
    assert zone.passes == sum(statuses * 50 >= 1000 for statuses in stretches)
    assert zone.on_skin_ms == zone.treated_ms == sum(statuses * 50 for statuses in stretches)


def test_off_the_skin_nothing_counts_against_the_plan() -> None:
    pen = Pen()
    stretch(pen, 100, 30, on_skin=0)
    record = session_record(journalled([(0, opened("cheek")), (50, armed(CARTRIDGE)), (9000, pen.chunk())]))
    (zone,) = record.zones
    assert (zone.on_skin_ms, zone.passes, zone.punctures) == (0, 0, 0)
    assert zone.treated_ms == 1500


def test_a_resumed_session_counts_what_was_given_before() -> None:
    pen = Pen()
    stretch(pen, 100, 30)
    dose = ZoneDose(
        zone="cheek", treated_ms=61_500, strokes=6_000, punctures=None, depth_measured_max_um=None,
        depth_measured_mean_um=None, rate_measured_mean_mhz=None,
    )  # fmt: skip
    closed = SessionClosed(outcome="completed", reason="finished", doses=(dose,))
    chunk = pen.chunk()
    for resumes, counted_ms in (("s-0", 61_500), (None, 1_500)):
        begin = opened("cheek").model_copy(update={"resumes": resumes})
        record = session_record(journalled([(0, begin), (9000, chunk), (9001, closed)]))
        assert record.zones[0].counted_ms == counted_ms
        assert record.zones[0].on_skin_ms == 1_500


def test_checks_signatures_and_the_clock_are_kept_in_order() -> None:
    row = ReadinessRow(check="consent", because="consent", outcome="fails", sentence="No reference.")
    record = session_record(
        journalled(
            [
                (0, opened("cheek")),
                (1, Examined(rows=(row,), self_test_tested=1, self_test_passed=1)),
                (2, ClockStepped(by_ms=-5000)),
                (3, SessionClosed(outcome="completed", reason="finished", doses=())),
                (4, SessionSigned(by="op-2", role="aesthetician", meaning="performed")),
            ]
        )
    )
    assert [item.rows for item in record.examinations] == [(row,)]
    assert [step.by_ms for step in record.clock_steps] == [-5000]
    assert [(item.by, item.meaning) for item in record.signatures] == [("op-2", "performed")]
    assert record.outcome == "completed"


def test_the_layers_of_a_limit_are_known_by_name() -> None:
    assert {"zone_soft", "zone_hard", "operator", "calibration"} <= LIMIT_LAYERS
    assert "cartridge_used" not in LIMIT_LAYERS
