"""Service mode, stepped: how it opens, what ends it, and its invariants over any course."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.inputs import JournalState, LinkDown, LinkUp, PenFacts, StatusSeen, Tick
from controller.service.state import (
    AskLease,
    Close,
    FallSilent,
    GiveBack,
    GrantLease,
    LeaseRefused,
    MotorOff,
    Move,
    Open,
    Phase,
    Settled,
    Stop,
    TakeAgain,
    Touch,
)
from controller.service_events import ServiceClosed, ServiceMove, ServiceOpened
from controller.state import SendDisarm, SendSetpoint, SendStop
from firmware_bridge.wire.messages import Capability, Fault, Interlock, PenState
from tests.controller.service.invariants import Course
from tests.controller.service.statuses import FACTS, LIMITS, UNSENSED, closed, status

LEASE = 4711
OPEN = Open(series="s1", technician="tech-1", purpose="inspection")
OUT = Interlock.NEEDLES_OUT


def beginning(facts: PenFacts = FACTS) -> Course:
    """A pen connected and off skin for long enough."""
    course = Course(closed())
    course.take(LinkUp(url="memory://x", facts=facts))
    for _ in range(0, LIMITS.off_skin_ms + 100, 100):
        say(course, after_ms=100)
    return course


def say(course: Course, after_ms: int = 20, **changes: Any) -> Any:
    """The pen says how it is; by itself what it was told."""
    state = course.state
    lease = state.lease
    running = state.motor_commanded
    usual = {
        "lease": lease,
        "state": PenState.RUNNING if running else PenState.ARMED if lease else PenState.IDLE,
        "interlocks": Interlock(0) if running else OUT,
    }
    seen = status(course.now_ms + after_ms, **(usual | changes))
    return course.take(StatusSeen(seen, course.now_ms + after_ms), after_ms)


def opened(facts: PenFacts = FACTS, **changes: Any) -> Course:
    course = beginning(facts)
    made = course.take(OPEN.model_copy(update=changes))
    assert made.refusal is None
    return course


def armed(facts: PenFacts = FACTS, **changes: Any) -> Course:
    course = opened(facts, **changes)
    assert course.take(AskLease()).refusal is None
    assert course.take(GrantLease(lease=LEASE)).refusal is None
    say(course)
    return course


def moving(facts: PenFacts = FACTS, **changes: Any) -> Course:
    course = armed(facts, **changes)
    assert course.take(Move(depth_um=500, rate_mhz=60_000)).refusal is None
    say(course)
    return course


def because(course: Course) -> list[str]:
    return [event.because for event in course.events if isinstance(event, ServiceClosed)]


def test_a_move_is_sent_whole_with_every_tick_and_put_on_record_once_it_settled() -> None:
    course = moving()
    made = course.take(Tick(), 20)
    assert made.send == SendSetpoint(True, 500, 60_000, course.state.seen.pen_time_ms)
    course.take(Settled(depth_measured_um=498, rate_measured_mhz=59_900, motor_current_ma=120, temperature_dc=260))
    made = course.take(MotorOff())
    assert made.send == SendSetpoint(False, 0, 0, course.state.seen.pen_time_ms)
    assert [type(event) for event in course.events] == [ServiceOpened, ServiceMove]
    assert course.events[1].depth_measured_um == 498


def test_service_opens_on_record_with_how_off_skin_is_known_and_its_ceilings() -> None:
    sensed, attested = opened().events[0], opened(UNSENSED, attested=True).events[0]
    assert (sensed.off_skin, attested.off_skin) == ("sensed", "attested")
    assert (sensed.depth_ceiling_um, sensed.rate_ceiling_mhz) == (2500, 150_000)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"on_skin": True}, "on_skin"),
        ({"on_skin": None}, "on_skin"),
        ({"faults": Fault.STALL, "state": PenState.FAULT}, "pen_fault"),
        ({"lease": 9}, "needles"),
        ({"interlocks": Interlock(0)}, "needles"),
    ],
)
def test_service_does_not_open_on(changes: dict[str, Any], code: str) -> None:
    course = beginning()
    say(course, **changes)
    made = course.take(OPEN)
    assert made.refusal is not None
    assert made.refusal[0] == code
    assert course.state.phase is Phase.CLOSED
    assert not course.events


@pytest.mark.parametrize(
    ("without", "code"), [(Capability.SERVICE, "no_service_mode"), (Capability.DEAD_MAN, "no_dead_man"),
                          (Capability.DEPTH_SET | Capability.DEPTH_SENSED, "no_depth")]
)  # fmt: skip
def test_service_does_not_open_on_a_pen_without(without: Capability, code: str) -> None:
    course = beginning(FACTS.model_copy(update={"capabilities": FACTS.capabilities & ~int(without)}))
    assert course.take(OPEN).refusal[0] == code


def test_a_pen_that_does_not_sense_skin_needs_the_technicians_word() -> None:
    course = beginning(UNSENSED)
    assert course.take(OPEN).refusal[0] == "off_skin_word"
    assert course.take(OPEN.model_copy(update={"attested": True})).refusal is None


def test_off_skin_is_proven_by_time_without_a_break() -> None:
    course = beginning()
    say(course, on_skin=True)
    for _ in range(0, LIMITS.off_skin_ms - 100, 100):
        say(course, after_ms=100)
    assert course.take(OPEN).refusal[0] == "off_skin_proof"
    say(course, after_ms=100)
    say(course, after_ms=100)
    assert course.take(OPEN).refusal is None


def test_silence_of_the_pen_breaks_the_proof() -> None:
    course = beginning()
    say(course, after_ms=FACTS.dead_man_ms + 50)
    assert course.take(OPEN).refusal[0] == "off_skin_proof"


def test_skin_stops_the_pen_at_once_and_closes_service() -> None:
    course = moving()
    made = say(course, on_skin=True)
    assert isinstance(made.send, SendStop)
    assert because(course) == ["on_skin"]
    assert course.take(Move(depth_um=500, rate_mhz=60_000)).refusal[0] == "no_lease"


def test_a_contact_that_is_not_known_counts_as_skin() -> None:
    course = moving()
    assert isinstance(say(course, on_skin=None).send, SendStop)


def test_nobody_there_for_the_idle_time_ends_it_in_good_order() -> None:
    course = armed()
    for _ in range(0, LIMITS.idle_time_out_ms + 1000, 250):
        say(course, after_ms=250)
        if course.state.phase is Phase.OPEN:
            course.take(Tick())
            continue
        made = course.take(Tick())
        if isinstance(made.send, SendDisarm):
            say(course, lease=0, state=PenState.IDLE)
    assert because(course) == ["time_out"]
    assert course.state.phase is Phase.CLOSED


def test_a_lease_ends_before_the_pen_would_end_it_and_service_stays_open() -> None:
    course = moving()
    while course.state.phase is Phase.MOVING:
        say(course, after_ms=100)
        course.take(Touch())
        made = course.take(Tick())
    assert made.send == SendDisarm(LEASE)
    assert course.now_ms < course.state.lease_until_ms
    say(course, lease=0, state=PenState.IDLE)
    assert course.state.phase is Phase.OPEN
    assert not because(course)
    assert [event.motor for event in course.events if isinstance(event, ServiceMove)] == [True]


def test_stop_works_from_every_phase_and_is_repeated_until_confirmed() -> None:
    for course in (beginning(), opened(), armed(), moving()):
        made = course.take(Stop(source="somebody"))
        assert isinstance(made.send, SendStop)
        assert isinstance(course.take(Tick(), 50).send, SendStop)
        say(course, lease=0, state=PenState.RETRACTING, interlocks=Interlock(0))
        assert isinstance(course.take(Tick(), 50).send, SendStop)
        say(course, lease=0, state=PenState.IDLE, interlocks=OUT)
        assert course.state.phase is Phase.CLOSED


def test_a_press_on_a_running_pen_turns_it_off_and_none_ever_starts_it() -> None:
    course = moving()
    made = say(course, button_presses=1)
    assert made.send == SendSetpoint(False, 0, 0, course.state.seen.pen_time_ms)
    assert course.state.phase is Phase.ARMED
    made = say(course, button_presses=2)
    assert made.send is None
    assert course.state.phase is Phase.ARMED


def test_the_pen_ended_its_lease() -> None:
    course = moving()
    made = say(course, lease=0, state=PenState.RETRACTING)
    assert isinstance(made.send, SendStop)
    assert because(course) == ["stopped"]


@pytest.mark.parametrize(
    "changes",
    [
        {"faults": Fault.STALL, "lease": 0, "state": PenState.FAULT},
        {"depth_measured_um": 2500 + LIMITS.depth_slack_um + 1},
        {"rate_measured_mhz": 150_000 * (100 + LIMITS.rate_slack_percent) // 100 + 1000},
    ],
)
def test_a_fault_or_a_measurement_beyond_the_ceilings_stops_it(changes: dict[str, Any]) -> None:
    course = moving()
    assert isinstance(say(course, **changes).send, SendStop)
    assert because(course) == ["fault"]


def test_a_dial_that_nobody_can_read_any_more_stops_it() -> None:
    dial = FACTS.model_copy(update={"capabilities": FACTS.capabilities & ~int(Capability.DEPTH_SET)})
    course = armed(dial)
    assert course.take(Move(depth_um=500, rate_mhz=60_000)).refusal[0] == "dial"
    assert course.take(Move(depth_um=0, rate_mhz=60_000)).refusal is None
    say(course, depth_measured_um=700)
    assert course.state.phase is Phase.MOVING
    assert isinstance(say(course, depth_measured_um=None).send, SendStop)
    assert because(course) == ["fault"]


def test_a_pen_whose_host_fell_silent_says_what_that_means() -> None:
    """As a bench leaves it that was killed: the name of the fault alone tells a person nothing."""
    course = beginning()
    say(course, faults=Fault.DEAD_MAN)
    because_of, sentence = course.take(OPEN).refusal
    assert because_of == "pen_fault"
    assert "DEAD_MAN: whoever drove it fell silent while its motor was on" in sentence
    say(course, faults=Fault(2))
    assert "silent" not in course.take(OPEN).refusal[1]


def test_silence_on_purpose_sends_nothing_and_ends_when_the_pen_stopped_itself() -> None:
    course = moving()
    course.take(FallSilent())
    for _ in range(5):
        assert course.take(Tick(), 50).send is None
        say(course)
    say(course, lease=0, state=PenState.RETRACTING, faults=Fault.DEAD_MAN)
    assert course.state.phase is Phase.OPEN
    assert not because(course)
    assert isinstance(course.events[-1], ServiceMove)


def test_a_pen_that_does_not_stop_by_itself_is_told_to() -> None:
    course = moving()
    course.take(FallSilent())
    sent = None
    while sent is None:
        say(course, after_ms=50)
        sent = course.take(Tick()).send
    assert isinstance(sent, SendStop)
    assert because(course) == ["fault"]
    assert course.now_ms - course.state.stopping.since_ms <= 50


def test_another_pen_is_never_taken_for_the_first_and_a_restarted_one_only_when_told() -> None:
    course = opened()
    course.take(Close())
    for facts, code in (
        (FACTS.model_copy(update={"serial": "NW2-000002"}), "pen_swapped"),
        (FACTS.model_copy(update={"boot_id": 8}), "pen_restarted"),
    ):
        course.take(LinkDown(cause="unplugged"))
        course.take(LinkUp(url="memory://x", facts=facts))
        for _ in range(0, LIMITS.off_skin_ms + 100, 100):
            say(course, after_ms=100)
        assert course.take(OPEN).refusal[0] == code
        taken = course.take(TakeAgain()).refusal
        assert (taken is None) is (code == "pen_restarted")
    assert course.take(OPEN).refusal is None


def test_a_record_that_accepts_nothing_ends_it() -> None:
    course = moving()
    assert isinstance(course.take(JournalState(problem="disk full", fill_permille=1000)).send, SendStop)
    assert course.state.ended == "fault"


def test_no_word_from_the_pen_for_its_dead_man_time_stops_it() -> None:
    course = moving()
    assert isinstance(course.take(Tick(), FACTS.dead_man_ms).send, SendSetpoint)
    assert isinstance(course.take(Tick(), 1).send, SendStop)
    assert because(course) == ["pen_lost"]


def test_a_move_that_never_settled_is_on_record_as_it_stood() -> None:
    course = moving()
    say(course, depth_measured_um=310)
    course.take(Move(depth_um=1000, rate_mhz=60_000))
    course.take(Stop(source="somebody"))
    told = [event for event in course.events if isinstance(event, ServiceMove)]
    assert [(event.depth_commanded_um, event.depth_measured_um) for event in told] == [(500, 310), (1000, 310)]


def test_a_lease_granted_too_late_is_stopped() -> None:
    course = opened()
    course.take(AskLease())
    course.take(Stop(source="somebody"))
    made = course.take(GrantLease(lease=LEASE))
    assert isinstance(made.send, SendStop)
    assert not course.state.leased


@pytest.mark.parametrize(
    ("depth_um", "rate_mhz", "code"),
    [(2550, 60_000, "service_depth"), (525, 60_000, "pen_range"), (500, 151_000, "service_rate"),
     (500, 19_000, "pen_range"), (500, 60_500, "pen_range")],
)  # fmt: skip
def test_a_move_out_of_range_is_refused_whole(depth_um: int, rate_mhz: int, code: str) -> None:
    course = armed()
    assert course.take(Move(depth_um=depth_um, rate_mhz=rate_mhz)).refusal[0] == code
    assert course.state.phase is Phase.ARMED
    assert not course.moves


def test_a_pen_that_runs_though_nobody_said_so_is_stopped() -> None:
    course = beginning()
    made = None
    for _ in range(40):
        made = say(course, state=PenState.RUNNING, interlocks=Interlock(0))
        if isinstance(made.send, SendStop):
            break
    assert isinstance(made.send, SendStop)


# Any course -----------------------------------------------------------------------------------------------------------

FAULTS = st.sampled_from([Fault(0), Fault(0), Fault(0), Fault.STALL, Fault.DEAD_MAN, Fault.RETRACT_FAILED])
SAID = st.fixed_dictionaries(
    {},
    optional={
        "on_skin": st.sampled_from([False, False, True, None]),
        "faults": FAULTS,
        "lease": st.sampled_from([0, LEASE, 9]),
        "state": st.sampled_from(list(PenState)),
        "interlocks": st.sampled_from([Interlock(0), OUT]),
        "depth_measured_um": st.sampled_from([None, 0, 500, 2700]),
        "rate_measured_mhz": st.sampled_from([None, 60_000, 200_000]),
        "button_presses": st.integers(0, 2),
    },
)
ASKED = st.sampled_from(
    [
        OPEN, OPEN.model_copy(update={"attested": True}), AskLease(), GrantLease(lease=LEASE), LeaseRefused(),
        GiveBack(), Move(depth_um=500, rate_mhz=60_000), Move(depth_um=2500, rate_mhz=150_000),
        Move(depth_um=3000, rate_mhz=60_000), MotorOff(), FallSilent(), Touch(), TakeAgain(), Close(),
        Stop(source="x"), JournalState(problem="full", fill_permille=1000), JournalState(problem="", fill_permille=0),
        Settled(depth_measured_um=1, rate_measured_mhz=1, motor_current_ma=1, temperature_dc=1),
        LinkDown(cause="x"), LinkUp(url="x", facts=FACTS), LinkUp(url="x", facts=UNSENSED),
        LinkUp(url="x", facts=FACTS.model_copy(update={"boot_id": 8})),
    ]
)  # fmt: skip
ACTS = st.one_of(
    st.tuples(st.just("well"), st.just({}), st.sampled_from([20, 200])),
    st.tuples(st.just("said"), st.sampled_from([{"on_skin": True}, {"on_skin": None}]), st.just(20)),
    st.tuples(st.just("asked"), st.sampled_from([Move(depth_um=500, rate_mhz=60_000), Touch()]), st.just(0)),
    st.tuples(st.just("said"), SAID, st.sampled_from([20, 20, 20, 400])),
    st.tuples(st.just("well"), st.just({}), st.just(20)),
    st.tuples(st.just("tick"), st.just({}), st.sampled_from([0, 50, 400, 61_000])),
    st.tuples(st.just("asked"), ASKED, st.just(0)),
)


@given(
    start=st.sampled_from([beginning, opened, armed, moving]),
    facts=st.sampled_from([FACTS, UNSENSED]),
    acts=st.lists(ACTS, max_size=40),
)
@settings(max_examples=300)
def test_whatever_comes_the_motor_runs_only_where_it_may_and_every_move_gets_on_record(
    start: Any, facts: PenFacts, acts: list[Any]
) -> None:
    course = start(facts) if start is beginning else start(facts, attested=True)
    for kind, what, after_ms in acts:
        if kind in ("said", "well"):
            say(course, after_ms, **what)
        elif kind == "tick":
            course.take(Tick(), after_ms)
        else:
            course.take(what, after_ms)
        course.take(Tick(), 10)
    course.take(Stop(source="the end"))
    for _ in range(30):
        say(course, lease=0, state=PenState.IDLE, interlocks=OUT)
        made = course.take(Tick(), 50)
        assert not isinstance(made.send, SendSetpoint)
    told = [event for event in course.events if isinstance(event, ServiceMove) and event.motor]
    assert len(told) == len(course.moves)
    assert sum(isinstance(event, ServiceOpened) for event in course.events) == len(because(course))
