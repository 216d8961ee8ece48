"""A pen's line listened to, in virtual time: a good one, ones that lose, damage and hold up, and one that goes."""

import asyncio
import time
from itertools import count
from random import Random

import pytest

from controller.health.policy import load_health_policy
from firmware_bridge.errors import WireError
from firmware_bridge.wire.messages import Request, Status
from station.monitoring.doctor_line import check_line
from station.monitoring.findings import Finding, Level, worst
from station.monitoring.soak import Soak, soak
from tests.pens import KIND, BadLine, BenchPen

pytestmark = pytest.mark.looptime(start=time.monotonic)
LINE = load_health_policy().line
SECONDS = 8.0


def now_s() -> float:
    return asyncio.get_running_loop().time()


async def heard(url: str, seconds: float = SECONDS) -> Soak:
    return await soak(url, seconds, monotonic_s=now_s, random=Random(1))


def judged(found: Soak) -> list[Finding]:
    return list(check_line(found, LINE))


def graver(found: Soak) -> list[str]:
    return [finding.check for finding in judged(found) if finding.level > Level.NOTE]


async def test_a_good_line_is_told_as_good_and_for_how_long_it_was_heard(memory_pen: BenchPen) -> None:
    done: list[float] = []
    found = await soak(memory_pen.url, SECONDS, monotonic_s=now_s, random=Random(1), progress=done.append)
    assert found.pen == "NW-1/NW1-000001"
    assert found.frames == pytest.approx(SECONDS * 1000 / found.status_period_ms + found.asked, rel=0.05)
    assert (found.damaged, found.lost, found.unanswered, found.ended) == (0, 0, 0, "")
    assert len(found.round_trips_ms) == found.asked == pytest.approx(SECONDS / 0.05, rel=0.1)
    assert done == sorted(done)
    assert found.clock_ppm == pytest.approx(0, abs=150)
    assert graver(found) == []
    assert "takes about" in " ".join(one.what for one in judged(found)), "a short soak says what it cannot tell"


async def test_damage_is_counted_and_told_with_its_remedy(memory_pen: BenchPen) -> None:
    line, frames = BadLine(memory_pen.url), count(1)

    def loses(_kind: int) -> bool:
        bad = next(frames) % 100 == 0
        if bad:
            line.to_host.deliver(b"\x05noise\0")
        return bad

    line.to_host.loses = loses
    found = await heard(line.url)
    assert found.damaged == pytest.approx(found.frames / 99, abs=3)
    (told,) = [one for one in judged(found) if one.level is Level.WARNING and "damaged" in one.what]
    assert "cable" in told.remedy
    assert worst(judged(found)) is Level.WARNING


async def test_what_does_not_reach_the_pen_shows_in_answers_that_stay_out(memory_pen: BenchPen) -> None:
    line, asked = BadLine(memory_pen.url), count(1)
    line.to_pen.loses = lambda kind: kind == KIND[Request] and next(asked) % 10 == 0
    found = await heard(line.url)
    assert 0 < found.unanswered < found.asked / 5
    assert len(found.round_trips_ms) + found.unanswered == found.asked
    assert any("no answer the first time" in one.what for one in judged(found))


async def test_gaps_over_the_dead_man_time_would_have_ended_a_treatment(memory_pen: BenchPen) -> None:
    line, frames = BadLine(memory_pen.url), count(1)
    line.to_host.loses = lambda kind: kind == KIND[Status] and next(frames) % 150 > 130
    found = await heard(line.url)
    assert found.longest_gap_ms > found.dead_man_ms
    gap = next(one for one in judged(found) if "longest gap" in one.what)
    assert (gap.level, "would have ended" in gap.means) == (Level.PROBLEM, True)


async def test_a_pen_that_goes_ends_it_and_a_silent_one_is_a_problem(memory_pen: BenchPen) -> None:
    asyncio.get_running_loop().call_later(3.0, memory_pen.unplug)
    found = await heard(memory_pen.url)
    assert found.seconds == pytest.approx(3.0, abs=0.2)
    assert found.ended
    assert worst(judged(found)) is Level.PROBLEM
    line = BadLine(memory_pen.url)
    line.to_host.loses = lambda kind: kind == KIND[Status]
    silent = await heard(line.url)
    assert "no STATUS for" in silent.ended


async def test_no_pen_is_an_error_of_the_wire() -> None:
    with pytest.raises(WireError):
        await heard("memory://nobody")


@pytest.mark.parametrize(
    ("ppm", "doubt", "level"), [(150, 10, Level.FINE), (900, 40, Level.WARNING), (900, 800, Level.FINE)]
)
def test_a_clock_off_by_more_than_crystals_are_is_told(ppm: float, doubt: float, level: Level) -> None:
    found = Soak(
        "u", "NW-2/1", 9, 9, 300, 20, 600, 0, 0, 1, 0, (1.0,), (0, 600), 21, clock_ppm=ppm, clock_doubt_ppm=doubt
    )  # fmt: skip
    (told,) = [one for one in judged(found) if one.check == "pen's clock"]
    assert told.level is level


@pytest.mark.parametrize(
    ("damaged", "words"),
    [(0, "takes about"), (1, "Listen for longer"), (40, "in a million")],
    ids=["none", "one", "bad"],
)
def test_how_long_to_listen_is_told_only_where_it_can_be_reckoned(damaged: int, words: str) -> None:
    found = Soak("u", "NW-2/1", 9, 9, 300, 20, 6_000, damaged, 0, 1, 0, (1.0,), (0, 600), 21, None, None)
    (told,) = [one for one in judged(found) if "came damaged" in one.what]
    assert words in told.what
    assert told.level is (Level.WARNING if damaged == 40 else Level.FINE)


def test_a_pace_that_cannot_be_told_from_right_is_neither_fast_nor_slow() -> None:
    found = Soak("u", "NW-2/1", 9, 9, 300, 20, 600, 0, 0, 1, 0, (1.0,), (0, 600), 21, 821.0, 957.0)
    (told,) = [one for one in judged(found) if one.check == "pen's clock"]
    assert "as far as can be told (± 957 ppm)" in told.what
