"""The live view: what is known and what is not, at every size, and never an old number as a live one."""

import io
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from console.live import live_line, live_view, rows
from console.picture import TRAIL_POINTS, TRAIL_S, LivePicture, Trail
from console.watching import TreatDisplay
from controller.view import STALE_MS, AlarmView, PenView
from station.api.models import BusStatus, PenStatus, RecordStatus, StationStatus

SIZES = [(40, 16), (60, 20), (80, 24), (100, 30), (132, 43), (200, 60)]
"""Screens a pen is treated in front of, the smallest a split of a small terminal."""


def shown(status: PenStatus, **changes: object) -> LivePicture:
    """A picture of a pen just heard of."""
    return replace(LivePicture(status, 30.0), **changes)  # type: ignore[arg-type]  # the fields of a picture


def test_set_and_measured_stand_side_by_side(status: Callable[..., PenStatus], draw: Callable[..., str]) -> None:
    text = draw(live_view(shown(status()), width=60, height=20), width=60)
    (depth,) = [line.split() for line in text.splitlines() if line.startswith("depth")]
    (rate,) = [line.split() for line in text.splitlines() if line.startswith("rate")]
    assert depth == ["depth", "0.49", "mm", "0.50", "mm"]
    assert rate == ["rate", "119.6", "Hz", "120.0", "Hz"]


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_zone_time_alarms_link_and_the_next_step_are_always_there(
    status: Callable[..., PenStatus],
    alarm: Callable[[], AlarmView],
    draw: Callable[..., str],
    width: int,
    height: int,
) -> None:
    text = draw(live_view(shown(status(alarms=(alarm(),))), width=width, height=height), width=width)
    for wanted in ("TREATING", "cheek", "0:18 treated", "HIGH", "Link lost", "connected", "Treating. Pause, or STOP."):
        assert wanted in text, wanted


LONG_ALARM = (
    "The connection to the pen went while it was armed. The pen stops by itself. Lift it off, check the cable, then "
    "clear the fault and arm again. (serial:///dev/ttyACM0: the line hung up: unplugged, or the pen was switched off. "
    "A running pen stops by itself within its dead-man time. Plug it in or start it again, then connect again.)"
)


@pytest.mark.parametrize(("width", "height"), [(60, 20), *SIZES[2:]])
def test_the_view_fits_the_screen_with_an_alarm_steps_and_a_line_to_type_in(
    status: Callable[..., PenStatus],
    alarm: Callable[[], AlarmView],
    draw: Callable[..., str],
    width: int,
    height: int,
) -> None:
    steps = (Text("a step"), Text("another"), Text("a third"))
    for changes in (
        {},
        {"alarms": (alarm().model_copy(update={"sentence": LONG_ALARM}),), "link_problem": "The port went away. " * 6},
    ):
        picture = shown(status(**changes), log=steps, typing="typed", footer="Ctrl-C")
        drawn = live_view(picture, width=width, height=height)
        assert rows(drawn, width) <= height
        text = draw(drawn, width=width)
        for wanted in ("Treating. Pause, or STOP.", "> typed", "Ctrl-C", *(["HIGH", "Link lost."] if changes else [])):
            assert wanted in text, wanted


REFUSAL = (
    "✗ 1.90 mm was refused and nothing changed. 0.75 mm: limited by the zone's soft limit for thin skin of the cheek "
    "(example-shallow v1). Stay within it, or name a reason of the library to go beyond it, such as scar-tissue."
)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (120, 40)])
def test_a_refusal_is_read_to_its_end(
    status: Callable[..., PenStatus], draw: Callable[..., str], width: int, height: int
) -> None:
    steps = (Text("· arm: paused"), Text("· depth: paused"), Text(REFUSAL))
    drawn = live_view(shown(status(), log=steps, typing="", footer="Ctrl-C"), width=width, height=height)
    assert rows(drawn, width) <= height
    words = " ".join(draw(drawn, width=width).split())
    assert REFUSAL in words
    assert "limits signed by nobody" in words


@pytest.mark.parametrize(("width", "height"), [*SIZES, (30, 12)])
@pytest.mark.parametrize("phase", ["prepared", "treating", "interrupted"])
def test_limits_signed_by_nobody_are_marked_on_every_screen(
    status: Callable[..., PenStatus], draw: Callable[..., str], width: int, height: int, phase: str
) -> None:
    text = draw(live_view(shown(status(phase=phase)), width=width, height=height), width=width)
    assert "DEMO" in text
    signed = draw(live_view(shown(status(phase=phase, demo=False)), width=width, height=height), width=width)
    assert "DEMO" not in signed
    assert "DEMO" in live_line(shown(status(phase=phase)))
    assert "DEMO" not in live_line(shown(status(phase=phase, demo=False)))


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (132, 43)])
def test_before_arming_the_checks_are_the_view(
    status: Callable[..., PenStatus], draw: Callable[..., str], width: int, height: int
) -> None:
    from tests.console.conftest import NOT_READY  # noqa: PLC0415 the rows, not a fixture

    prepared = status(phase="prepared", readiness=NOT_READY, next_step="Insert a new one.")
    text = " ".join(draw(live_view(shown(prepared), width=width, height=height), width=width).split())
    for wanted in ("✓ pen NW-1/NW1-000001 answers.", "! library", "✗ cartridge This cartridge was used before.",
                   "next Insert a new one."):  # fmt: skip
        assert wanted in text, wanted
    many = status(phase="prepared", readiness=NOT_READY * 6)
    short = draw(live_view(shown(many), width=width, height=22), width=width)
    assert "12 of 24 checks pass." in " ".join(short.split())


@pytest.mark.parametrize(("width", "height"), SIZES[2:])
def test_each_zone_stands_beside_its_plan(
    status: Callable[..., PenStatus], draw: Callable[..., str], width: int, height: int
) -> None:
    text = draw(live_view(shown(status()), width=width, height=height), width=width)
    assert "80 % of 0:10" in text
    assert "6 % of 2:30" in text
    assert "session 3 of 4" in text


def test_the_limit_is_told_in_its_whole_sentence(status: Callable[..., PenStatus], draw: Callable[..., str]) -> None:
    text = draw(live_view(shown(status()), width=100, height=30), width=100)
    assert "0.75 mm: limited by the zone's soft limit (cheek); the calibration would allow 0.95 mm." in text


def test_an_audio_pause_is_shown_and_the_alarm_with_it(
    status: Callable[..., PenStatus], alarm: Callable[[], AlarmView], draw: Callable[..., str]
) -> None:
    text = draw(live_view(shown(status(alarms=(alarm(),), audio_paused_ms=95_000)), width=80, height=24), width=80)
    assert "Alarms are silent for another 1:35." in text
    assert "Link lost." in text


def test_what_is_stale_reads_dashes_and_no_number_that_was_measured(
    status: Callable[..., PenStatus], draw: Callable[..., str]
) -> None:
    """Whatever an age over the limit comes with: the fields of the view may still hold numbers."""
    stale = status(status_age_ms=STALE_MS + 1, depth_measured_um=333)
    for width in (60, 80, 132):
        text = draw(live_view(shown(stale), width=width, height=40), width=width)
        assert "--" in text or width > 60  # large digits are drawn, not written
        for number in ("0.33", "119.6", "98 %", "31.2", "on skin"):
            assert number not in text, (width, number)
    line = live_line(shown(stale))
    assert "measured --" in line
    assert "0.33" not in line


def test_a_silent_station_makes_everything_measured_unknown(
    status: Callable[..., PenStatus], draw: Callable[..., str]
) -> None:
    text = draw(live_view(shown(status(), silent_s=3.2), width=80, height=24), width=80)
    assert "NO WORD FROM THE STATION FOR 3 s" in text
    assert "TREATING" not in text
    assert "98 %" not in text
    assert "no word from the station for 3 s" in live_line(shown(status(), silent_s=3.2))


def test_not_measured_is_not_unknown(status: Callable[..., PenStatus], draw: Callable[..., str]) -> None:
    """A pen without a depth sensor calls for nothing; a pen that fell silent does."""
    blind = shown(status(depth_measured_um=None))
    assert "not measured" in draw(live_view(blind, width=80, height=24), width=80)
    assert "measured not measured" in live_line(blind)


def test_a_pen_that_was_never_heard_of(status: Callable[..., PenStatus], draw: Callable[..., str]) -> None:
    never = status(
        pen=None, phase="no_session", session=None, status_age_ms=None, depth_measured_um=None, link="not connected",
        link_problem="There is no /dev/ttyACM0.", depth_limit=None, rate_limit=None, next_step="Connect the pen.",
        depth_commanded_um=0, rate_commanded_mhz=0, operator=None, patient=None, zone=None, doses=(),
    )  # fmt: skip
    text = draw(live_view(shown(never), width=80, height=24), width=80)
    assert "There is no /dev/ttyACM0." in text
    assert "not connected" in text
    assert "Connect the pen." in text


def test_the_record_and_the_broker_are_shown_when_there_is_room(
    status: Callable[..., PenStatus], draw: Callable[..., str]
) -> None:
    station = StationStatus(
        site="site", station="room-1", software="needlework 0", pid=1, started_utc="2026-01-01T00:00:00+00:00",
        mode="demo", stop_port=7472, pens=(), record=RecordStatus(committed=1200, acknowledged=1158, problem=""),
        bus=BusStatus(url="mqtt://broker:1883", connected=False, problem="Nothing answers."), caveats=(), notices=(),
        start_of_day=(),
    )  # fmt: skip
    text = draw(live_view(shown(status(), station=station), width=100, height=40), width=100)
    words = " ".join(text.split())
    assert "42 not yet confirmed by the recorder" in words
    assert "Nothing answers." in words


def test_the_trail_forgets(view: Callable[..., PenView]) -> None:
    trail, now = Trail(), view()
    for tick in range(2_000):
        trail = trail.add(tick * 0.1, now)
    assert len(trail.points) <= TRAIL_POINTS + 1
    assert trail.points[0].at_s > trail.points[-1].at_s - TRAIL_S


def test_a_resting_motor_leaves_no_mark_on_the_trail(view: Callable[..., PenView]) -> None:
    (point,) = Trail().add(1.0, view(motor_on=False)).points
    assert point.depth_measured_um is None
    assert point.rate_measured_mhz is None


@settings(max_examples=40)
@given(
    width=st.integers(20, 220),
    height=st.integers(5, 80),
    depth_um=st.none() | st.integers(-32_767, 32_767),
    rate_mhz=st.none() | st.integers(0, 2**32 - 2),
    age_ms=st.none() | st.integers(0, 100_000),
    silent_s=st.floats(0, 1e6),
    phase=st.sampled_from(["no_session", "prepared", "arming", "paused", "treating", "stopping", "interrupted", "new"]),
)
def test_any_view_is_drawn_at_any_size(
    width: int,
    height: int,
    depth_um: int | None,
    rate_mhz: int | None,
    age_ms: int | None,
    silent_s: float,
    phase: str,
) -> None:
    from tests.console.conftest import drawn, made_status  # noqa: PLC0415 fixtures and hypothesis do not mix

    picture = LivePicture(
        made_status(depth_measured_um=depth_um, rate_measured_mhz=rate_mhz, status_age_ms=age_ms, phase=phase),
        1.0,
        silent_s=silent_s,
    )
    text = drawn(live_view(picture, width=width, height=height), width=width, height=height)
    assert all(len(line) <= width for line in text.splitlines())
    assert live_line(picture)


@pytest.mark.parametrize("asked_here", [True, False])
def test_a_stop_from_elsewhere_is_a_step_of_its_own(status: Callable[..., PenStatus], *, asked_here: bool) -> None:
    written = io.StringIO()
    console = Console(width=100, height=40, file=written, force_terminal=True, legacy_windows=False)
    with TreatDisplay(console, "Ctrl-C", lambda: None) as display:
        display.draw(shown(status()))
        if asked_here:
            display.ending()
        display.draw(shown(status()))
        display.draw(shown(status(phase="stopping")))
        display.draw(shown(status(phase="prepared")))
    assert ("Stopped, not from here" in written.getvalue()) is not asked_here


def test_a_session_that_went_is_told_once_and_what_it_was_is_kept(status: Callable[..., PenStatus]) -> None:
    console = Console(width=100, height=40, file=io.StringIO(), force_terminal=True, legacy_windows=False)
    told: list[str] = []
    with TreatDisplay(console, "Ctrl-C", lambda: told.append("gone")) as display:
        display.draw(shown(status(phase="no_session", session=None)))
        assert (told, display.last) == ([], None)
        open_one = status()
        display.draw(shown(open_one))
        display.draw(shown(open_one, silent_s=3.0))
        assert told == []
        for _ in range(2):
            display.draw(shown(status(phase="no_session", session=None)))
    assert told == ["gone"]
    assert display.last == open_one.view
