"""Near misses and overrides are counted for whom and at what they were, and against what was done."""

from datetime import UTC, date, datetime

from hypothesis import given
from hypothesis import strategies as st

from controller.envelope import Denied, check_depth, check_rate
from controller.events import Event, LimitLayer, Refused, SetpointChanged, SoftLimitOverridden, ZoneChanged
from controller.units import Micrometres, Millihertz, format_mm
from logger.journal.entry import GENESIS, Entry
from logger.record.overrides import LAYERS, LimitTally, override_report
from tests.console.conftest import sources
from tests.logger.making import opened

DAY_US = 86_400_000_000
START = datetime(2026, 3, 1, tzinfo=UTC)


def entries(*happened: tuple[str | None, Event], day: int = 0) -> list[Entry]:
    """Entries of a day, counted from the first of March."""
    utc_us = int(START.timestamp()) * 1_000_000 + day * DAY_US
    return [
        Entry(
            "room-1",
            number,
            utc_us + number,
            number,
            session,
            event.type,
            1,
            event.model_dump_json().encode(),
            GENESIS,
            GENESIS,
        )
        for number, (session, event) in enumerate(happened, 1)
    ]


def by(operator: str, zone: str = "cheek") -> Event:
    return opened(zone).model_copy(update={"operator": operator})


def setpoint(depth_um: int, rate_mhz: int) -> SetpointChanged:
    return SetpointChanged(depth_commanded_um=Micrometres(depth_um), rate_commanded_mhz=Millihertz(rate_mhz))


def refused(because: str = "zone_hard", sentence: str = "It was refused.") -> Refused:
    return Refused(asked="set depth", because=because, sentence=sentence)


def overridden(zone: str = "cheek", reason: str = "scar-tissue") -> SoftLimitOverridden:
    return SoftLimitOverridden(zone=zone, quantity="depth_um", soft_limit=500, wanted=600, reason=reason)


def test_nothing_is_an_empty_report() -> None:
    report = override_report([])
    assert (report.sessions, report.operators, report.limits, report.other_refusals) == (0, (), (), {})


def test_counts_belong_to_the_operator_of_the_session_and_to_the_zone_declared() -> None:
    report = override_report(
        entries(
            ("s-1", by("op-1")),
            ("s-2", by("op-2", "nose")),
            ("s-1", setpoint(500, 100_000)),
            ("s-1", refused()),
            ("s-2", refused("operator")),
            ("s-1", ZoneChanged(zone="chin")),
            ("s-1", refused()),
            ("s-1", overridden("chin")),
            ("s-1", setpoint(600, 100_000)),
            ("s-1", refused("phase_paused")),
            (None, refused("library_unsigned")),
        )
    )
    first, second = report.operators
    assert (first.operator, first.sessions, first.sessions_with_override) == ("op-1", 1, 1)
    assert (first.setpoint_changes, first.asked, first.refused, first.overridden) == (2, 4, 2, 1)
    assert (first.refused_permille, first.overridden_permille) == (500, 500)
    assert (second.operator, second.refused, second.overridden) == ("op-2", 1, 0)
    assert (second.refused_permille, second.overridden_permille) == (1000, None)
    assert [(row.limit, row.zone, row.operator, row.refused, row.overridden) for row in report.limits] == [
        ("operator", "nose", "op-2", 1, 0),
        ("zone_hard", "cheek", "op-1", 1, 0),
        ("zone_hard", "chin", "op-1", 1, 0),
        ("zone_soft", "chin", "op-1", 0, 1),
    ]
    assert report.limits[-1].reasons == {"scar-tissue": 1}
    assert report.other_refusals == {"phase_paused": 1, "library_unsigned": 1}


def slip(asked_um: int, then_um: int) -> LimitTally:
    """What is counted when the real limits refuse a depth and another is set then."""
    denied = check_depth(sources(), asked_um, 100_000)
    assert isinstance(denied, Denied)
    (row,) = override_report(
        entries(
            ("s-1", by("op-1")), ("s-1", refused(denied.layer, denied.sentence)), ("s-1", setpoint(then_um, 100_000))
        )
    ).limits
    return row


def test_a_decimal_slip_is_a_refusal_followed_by_a_tenth_of_it() -> None:
    assert (slip(5000, 500).refused, slip(5000, 500).tenfold) == (1, 1)
    assert slip(5000, 750).tenfold == 0
    denied = check_rate(sources(), 900_000, 500)
    assert isinstance(denied, Denied)
    (row,) = override_report(
        entries(("s-1", by("op-1")), ("s-1", refused(denied.layer, denied.sentence)), ("s-1", setpoint(0, 90_000)))
    ).limits
    assert row.tenfold == 1


def test_only_sessions_since_a_day_count_and_those_whole() -> None:
    early = entries(("s-1", by("op-1")), ("s-1", overridden()))
    late = entries(("s-1", overridden()), (None, refused("no_pen")), ("s-2", by("op-2")), ("s-2", overridden()), day=2)
    report = override_report(early + late, since=date(2026, 3, 3))
    assert [(row.operator, row.overridden) for row in report.operators] == [("op-2", 1)]
    assert report.other_refusals == {"no_pen": 1}
    assert override_report(early + late).operators[0].overridden == 2


def test_every_layer_of_a_limit_is_known() -> None:
    for name in LAYERS:
        LimitLayer(layer=name, value=1, source="", reason="")  # type: ignore[arg-type] # the names are what is tested


happenings = st.lists(
    st.tuples(
        st.sampled_from(["s-1", "s-2", "s-3", None]),
        st.sampled_from([
            by("op-1"), by("op-2"), refused(), refused("zone_soft", f"{format_mm(5000)} was refused"), refused("seat"),
            overridden(), overridden("nose", "other"), setpoint(500, 100_000), ZoneChanged(zone="chin"),
        ]),
    ),
    max_size=40,
)  # fmt: skip


@given(happenings)
def test_the_two_tables_and_the_totals_agree(happened: list[tuple[str | None, Event]]) -> None:
    report = override_report(entries(*happened))
    assert sum(row.refused for row in report.operators) == sum(row.refused for row in report.limits)
    assert sum(row.overridden for row in report.operators) == sum(row.overridden for row in report.limits)
    assert sum(row.sessions for row in report.operators) == report.sessions
    assert sum(row.setpoint_changes for row in report.operators) == report.setpoint_changes
    assert all(row.tenfold <= row.refused for row in report.limits)
    assert all(sum(row.reasons.values()) == row.overridden for row in report.limits)
    assert all(row.sessions_with_override <= row.sessions for row in report.operators)
