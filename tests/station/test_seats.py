"""Seats: one operates, presence decides."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.errors import SeatMissing, SeatTaken
from station.people.seats import Seats

PRESENCE_S = 3.0


def seats() -> Seats:
    numbers = itertools.count(1)
    return Seats(PRESENCE_S, lambda: f"token-{next(numbers)}")


def test_one_operates_and_the_next_is_told_who() -> None:
    book = seats()
    book.take("left", "dr-a", 0.0)
    with pytest.raises(SeatTaken) as caught:
        book.take("left", "dr-b", 2.9)
    assert "dr-a" in str(caught.value)
    assert book.take("right", "dr-b", 2.9).pen == "right"


def test_a_seat_is_free_after_silence_and_its_old_token_is_worth_nothing() -> None:
    book = seats()
    old = book.take("left", "dr-a", 0.0)
    new = book.take("left", "dr-b", PRESENCE_S)
    assert book.holder("left", PRESENCE_S) == new
    with pytest.raises(SeatMissing):
        book.heard(old.token, PRESENCE_S)


def test_a_lost_seat_is_not_revived_by_a_late_heartbeat() -> None:
    book = seats()
    seat = book.take("left", "dr-a", 0.0)
    with pytest.raises(SeatMissing) as caught:
        book.steering(seat.token, "left", PRESENCE_S)
    assert "dr-a" in str(caught.value)
    assert [lost.operator for lost in book.lost(PRESENCE_S)] == ["dr-a"]
    assert book.lost(PRESENCE_S) == ()


def test_steering_needs_a_seat_of_this_very_pen() -> None:
    book = seats()
    seat = book.take("left", "dr-a", 0.0)
    for token in ("", "token-99", seat.token + "x"):
        with pytest.raises(SeatMissing):
            book.steering(token, "left", 0.1)
    with pytest.raises(SeatMissing, match="operates left, not right"):
        book.steering(seat.token, "right", 0.1)
    assert book.steering(seat.token, "left", 0.1).operator == "dr-a"


def test_a_seat_is_given_back_once_and_giving_back_nothing_is_no_error() -> None:
    book = seats()
    seat = book.take("left", "dr-a", 0.0)
    assert book.release(seat.token) == seat
    assert book.release(seat.token) is None
    assert book.take("left", "dr-b", 0.1).operator == "dr-b"


@given(
    st.lists(
        st.tuples(st.sampled_from(["take", "heard", "lost", "release"]), st.integers(0, 1), st.floats(0.0, 2.5)),
        max_size=40,
    )
)
def test_never_two_good_tokens_for_one_pen(steps: list[tuple[str, int, float]]) -> None:
    book, now, given_out = seats(), 0.0, [""]
    for what, which, wait in steps:
        now += wait
        token = given_out[-1 - which % len(given_out)] if given_out else ""
        try:
            match what:
                case "take":
                    given_out.append(book.take("left", f"operator {len(given_out)}", now).token)
                case "heard":
                    book.heard(token, now)
                case "lost":
                    assert all(now - seat.heard_s >= PRESENCE_S for seat in book.lost(now))
                case _:
                    book.release(token)
        except (SeatTaken, SeatMissing):
            pass
        good = []
        for each in given_out:
            holder = book.holder("left", now)
            if holder is not None and holder.token == each:
                good.append(each)
        assert len(good) <= 1
