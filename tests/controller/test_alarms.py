"""The book of alarms: delays, latching, acknowledging, silence that ends, reset, history."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.alarm_table import ALARMS, MEDIUM_SIGNAL_MS
from controller.alarms import AUDIO_PAUSE_MAX_MS, HISTORY_MAX, AlarmBook
from controller.events import AlarmAcknowledged, AlarmCleared, AlarmRaised, AudioPaused, AudioPauseEnded
from controller.state import MachineState
from controller.transitions import without_session

HOT, DEVIATION, LIMIT, LIFE = "temperature_warning", "depth_deviation", "depth_over_limit", "cartridge_life"
STALL = "stall"


def observed(book: AlarmBook, names: set[str], now_ms: int) -> AlarmBook:
    return book.observe(dict.fromkeys(sorted(names), "why"), now_ms)[0]


def test_the_names_of_high_alarms_are_published_and_stay() -> None:
    high = {kind.name for kind in ALARMS.values() if kind.priority == "HIGH"}
    assert high >= {
        "depth_over_limit", "retract_failed", "stop_not_confirmed", "link_lost", "stall", "pen_stopped_itself",
        "pen_fault", "lease_ended", "journal_failed",
    }  # fmt: skip


@pytest.mark.parametrize("kind", ALARMS.values(), ids=lambda kind: kind.name)
def test_each_alarm_says_what_happened_and_what_to_do(kind) -> None:  # type: ignore[no-untyped-def]
    assert re.fullmatch(r"[A-Z].*[.;]", kind.sentence)
    assert re.fullmatch(r"\S.*\.", kind.do)
    assert kind.condition
    if kind.priority == "HIGH":
        assert kind.latching
        assert kind.delay_ms == kind.signal_delay_ms == 0, "what hurts is told at once"


def test_a_condition_counts_once_its_delay_is_over() -> None:
    book = observed(AlarmBook(), {HOT}, 1000)
    assert book.active == ()
    book = observed(book, {HOT}, 1999)
    assert book.active == ()
    book = observed(book, {HOT}, 2000)
    assert [alarm.name for alarm in book.active] == [HOT]


def test_a_condition_that_passes_within_its_delay_is_forgotten() -> None:
    book = observed(AlarmBook(), {HOT}, 1000)
    book = observed(book, set(), 1500)
    book = observed(book, {HOT}, 1900)
    assert observed(book, {HOT}, 2500).active == ()


def test_latching_ones_wait_for_a_person_and_others_go_with_their_condition() -> None:
    book = observed(AlarmBook(), {DEVIATION, LIFE}, 0)
    book = observed(book, {DEVIATION, LIFE}, 1000)
    assert {alarm.name for alarm in book.active} == {DEVIATION, LIFE}
    book, events = book.observe({}, 2000)
    assert [alarm.name for alarm in book.active] == [DEVIATION]
    assert events == (AlarmCleared(alarm=LIFE),)
    book, _ = book.acknowledge(DEVIATION, "me")
    book = observed(book, set(), 3000)
    assert book.active == ()
    assert [(was.name, was.since_ms, was.cleared_ms, was.acknowledged) for was in book.history] == [
        (LIFE, 1000, 2000, False), (DEVIATION, 0, 3000, True),
    ]  # fmt: skip


def test_an_alarm_keeps_the_words_it_was_raised_with_until_it_is_history() -> None:
    book, _ = AlarmBook().observe({LIFE: "9 000 strokes"}, 0)
    book, events = book.observe({LIFE: "9 001 strokes"}, 1000)
    assert book.active[0].detail == "9 001 strokes"
    assert book.active[0].sentence.endswith("(9 001 strokes)")
    assert [event.sentence for event in events if isinstance(event, AlarmRaised)] == [book.active[0].sentence]
    book = observed(book, set(), 2000)
    assert [was.detail for was in book.history] == ["9 001 strokes"]


def test_a_person_sees_whether_the_cause_of_an_alarm_still_holds() -> None:
    book = observed(AlarmBook(), {DEVIATION, LIMIT}, 0)
    holds = [{alarm.name: alarm.condition for alarm in book.active}]
    for at, names in ((10, {LIMIT}), (20, {LIMIT}), (30, {DEVIATION, LIMIT})):
        book = observed(book, names, at)
        holds.append({alarm.name: alarm.condition for alarm in book.active})
    assert [seen[DEVIATION] for seen in holds] == [True, False, False, True]
    assert all(seen[LIMIT] for seen in holds)


def test_an_alarm_is_acknowledged_once_and_only_when_it_is_raised() -> None:
    book = observed(AlarmBook(), {DEVIATION, LIMIT}, 0)
    assert book.acknowledge(HOT, "me") == (book, ())
    book, events = book.acknowledge(LIMIT, "me")
    assert events == (AlarmAcknowledged(alarm=LIMIT, by="me"),)
    assert book.acknowledge(LIMIT, "another") == (book, ())


def test_what_waits_for_a_person_is_told_until_it_is_acknowledged() -> None:
    book = observed(AlarmBook(), {DEVIATION, LIFE, LIMIT}, 0)
    book = observed(book, {DEVIATION, LIFE, LIMIT}, 1000)
    assert book.is_active(LIFE), "and goes with its condition, so that nobody need see it"
    assert book.unseen == ((DEVIATION, 0, "why"), (LIMIT, 0, "why"))
    book, _ = book.acknowledge(DEVIATION, "me")
    assert book.unseen == ((LIMIT, 0, "why"),)


def test_the_book_tells_which_alarms_are_raised() -> None:
    book = observed(AlarmBook(), {LIMIT, HOT}, 0)
    assert [name for name in ALARMS if book.is_active(name)] == [LIMIT], "a delay still runs for the other"


def test_only_high_alarms_block_acknowledged_or_not() -> None:
    book = observed(AlarmBook(), {DEVIATION, LIMIT}, 0)
    assert [alarm.name for alarm in book.blocking] == [LIMIT]
    book, _ = book.acknowledge(LIMIT, "me")
    assert [alarm.name for alarm in book.blocking] == [LIMIT]


def test_what_is_heard_is_the_most_urgent_after_its_signal_delay() -> None:
    book = observed(AlarmBook(), {DEVIATION}, 0)
    assert book.sounding(999) is None
    heard = book.sounding(1000)
    assert heard is not None
    assert heard.name == DEVIATION
    book = observed(book, {DEVIATION, LIMIT}, 1000)
    heard = book.sounding(1000)
    assert heard is not None
    assert heard.name == LIMIT
    book, _ = book.acknowledge(LIMIT, "me")
    book, _ = book.acknowledge(DEVIATION, "me")
    assert book.sounding(9000) is None


def test_an_alarm_is_heard_once_its_signal_delay_has_passed_since_it_was_raised() -> None:
    book = observed(AlarmBook(), {DEVIATION}, 7000)
    assert book.sounding(7000 + MEDIUM_SIGNAL_MS - 1) is None
    assert book.sounding(7000 + MEDIUM_SIGNAL_MS) is not None


def test_silence_is_bounded_and_ends_by_itself() -> None:
    book = observed(AlarmBook(), {LIMIT}, 0)
    book, events = book.pause_audio("me", 10, 10**9)
    assert events == (AudioPaused(by="me", for_ms=AUDIO_PAUSE_MAX_MS),)
    assert book.sounding(10 + AUDIO_PAUSE_MAX_MS - 1) is None
    assert book.sounding(10 + AUDIO_PAUSE_MAX_MS) is not None
    _, events = book.observe({LIMIT: "", STALL: ""}, 10 + AUDIO_PAUSE_MAX_MS)
    assert AudioPauseEnded(alarm=STALL) not in events, "it had ended by itself"


@pytest.mark.parametrize("for_ms", [0, -1, -(10**9)])
def test_silence_for_no_time_is_none(for_ms: int) -> None:
    book = observed(AlarmBook(), {LIMIT}, 0)
    book, events = book.pause_audio("me", 10, for_ms)
    assert events == (AudioPaused(by="me", for_ms=0),)
    assert book.sounding(10) is not None


def test_a_new_high_alarm_ends_silence_and_a_lesser_one_does_not() -> None:
    book, _ = AlarmBook().pause_audio("me", 0, 60_000)
    book = observed(book, {DEVIATION}, 1000)
    assert book.sounding(5000) is None
    book, events = book.observe({DEVIATION: "", LIMIT: ""}, 6000)
    assert AudioPauseEnded(alarm=LIMIT) in events
    assert book.sounding(6000) is not None


def test_silence_asked_for_in_the_moment_of_a_new_high_alarm_keeps_nothing_quiet() -> None:
    book, _ = AlarmBook().pause_audio("me", 0, 60_000)
    assert observed(book, {LIMIT}, 0).sounding(0) is not None


def test_reset_leaves_what_holds_and_lets_go_of_what_does_not() -> None:
    book = observed(AlarmBook(), {DEVIATION, LIMIT}, 0)
    book = observed(book, {LIMIT}, 10)
    book, events = book.reset("me")
    assert len(events) == 2
    book = observed(book, {LIMIT}, 20)
    assert [alarm.name for alarm in book.active] == [LIMIT]
    book = observed(book, set(), 30)
    book, events = book.observe({LIMIT: "again"}, 40)
    assert [event.alarm for event in events if isinstance(event, AlarmRaised)] == [LIMIT]


def test_history_is_bounded() -> None:
    book = AlarmBook()
    for at in range(0, 10_000, 100):
        book = observed(book, {"journal_nearly_full"}, at)
        book = observed(book, set(), at + 50)
    assert len(book.history) == HISTORY_MAX
    assert book.history[-1].cleared_ms == 9950


def test_a_look_that_changes_nothing_gives_the_same_book() -> None:
    book = observed(AlarmBook(), {LIMIT, HOT}, 0)
    assert observed(book, {LIMIT, HOT}, 1) is book


def test_standing_conditions_outlive_a_session_but_for_its_cartridge() -> None:
    state = MachineState(standing=(("journal_nearly_full", "95 % full"), ("cartridge_unfit", "used before")))
    assert without_session(state).standing == (("journal_nearly_full", "95 % full"),)


STEPS = st.lists(
    st.tuples(st.integers(1, 3000), st.sets(st.sampled_from(sorted(ALARMS))), st.sampled_from(sorted(ALARMS))),
    max_size=30,
)


@given(STEPS)
def test_what_holds_long_enough_is_raised_and_what_latches_is_never_lost(
    steps: list[tuple[int, set[str], str]],
) -> None:
    book, now_ms = AlarmBook(), 0
    since: dict[str, int] = {}
    for wait_ms, names, acknowledged in steps:
        now_ms += wait_ms
        before = {alarm.name: alarm for alarm in book.active}
        since = {name: since.get(name, now_ms) for name in names}
        book, events = book.observe(dict.fromkeys(names, ""), now_ms)
        after = {alarm.name: alarm for alarm in book.active}
        assert len(after) == len(book.active), "an alarm is raised once"
        for name in names:
            assert (name in after) == (name in before or now_ms - since[name] >= ALARMS[name].delay_ms)
        for name, alarm in before.items():
            stays = name in names or (ALARMS[name].latching and not alarm.acknowledged)
            assert (name in after) == stays
        assert {event.alarm for event in events if isinstance(event, AlarmRaised)} == after.keys() - before.keys()
        assert {event.alarm for event in events if isinstance(event, AlarmCleared)} == before.keys() - after.keys()
        assert {alarm.name for alarm in book.blocking} == {n for n in after if ALARMS[n].priority == "HIGH"}
        book, _ = book.acknowledge(acknowledged, "me")
