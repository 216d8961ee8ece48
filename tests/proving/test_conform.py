"""`needlework conform`: every pen of the house passes, every planted defect of a firmware is found, and nothing moves
that may not."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from random import Random
from xml.etree.ElementTree import fromstring

import pytest

from firmware_bridge.errors import PortAbsent
from firmware_bridge.transports.memory import _LISTENERS, MemoryListener, MemoryPeer, listen
from firmware_bridge.wire.messages import Request, Setpoint
from firmware_bridge.wire.operations import SELF_TEST
from proving.conform.bench import Allowed, Hand, Hands
from proving.conform.checks import ALL
from proving.conform.clauses import CLAUSES
from proving.conform.defects import CAMPAIGN, DEFECTS, Found
from proving.conform.host import BareHost, MotionForbidden
from proving.conform.reporting import as_suite
from proving.conform.running import conform
from proving.conform.verdicts import Part, Report, Verdict
from proving.junit import document
from proving.planting import planted
from simulators.endpoints.live import LivePen
from simulators.endpoints.memory import MemoryEndpoint
from simulators.leasing import LeaseKeeper
from simulators.pacing import Pace, UsbFrames, at_baud
from simulators.pen import SimulatedPen
from simulators.personality import MODELS, NW_1, NW_2, PenModel
from tests.pens import BenchPen, bench_c, bench_pty, bench_tcp

ROOT = Path(__file__).resolve().parents[2]
VIRTUAL = pytest.mark.looptime(start=time.monotonic)
MAINTENANCE = ["M1", "M2", "M3", "M4", "M5", "M6", "M7"]
"""What only a pen for a technician's bench does."""
OF_OTHER_PENS = ("A2",)
"""Of these a part is about pens without a dead-man, and cannot be tried on one that has it."""
UNSIGNED = ("M7",)
"""Of these a part takes firmware that a pen's maker signed."""
EVERYTHING = Allowed(motion=True, writes=True)


def hand(does: Callable[[], None]) -> Hand:
    async def do() -> None:
        does()

    return do


def hands_at(pen: BenchPen) -> Hands:
    return Hands(hand(pen.press_button), hand(pen.press_pedal), hand(pen.swap_cartridge), hand(pen.reboot))


@asynccontextmanager
async def simulated(
    model: PenModel = NW_1, *, pace: Pace | None = None
) -> AsyncIterator[tuple[SimulatedPen, str, Hands]]:
    """A pen in this process, in the event loop's time, whose every part is in a hand."""
    loop = asyncio.get_running_loop()
    pen = SimulatedPen(replace(model, self_test_ms=200), rng=Random(5), today=date(2026, 1, 1))
    pen.hold_on("air", touching=False)
    live = LivePen(pen, pace=pace, clock_ns=lambda: int(loop.time() * 1e9))
    task = asyncio.create_task(live.run(), name="simulated pen")

    def swap() -> None:
        if pen.cartridge is None:
            pen.insert_cartridge()
        else:
            pen.remove_cartridge()

    def touch() -> None:
        pen.hold_on("cheek", touching=not pen.plant.touching)

    try:
        with MemoryEndpoint(live, "conform") as endpoint:
            yield pen, endpoint.url, Hands(*map(hand, (pen.press_button, pen.press_pedal, swap, pen.reboot, touch)))
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def report_on(
    model: PenModel = NW_1, allowed: Allowed = EVERYTHING, clauses: Collection[str] = tuple(CLAUSES)
) -> Report:
    async with simulated(model) as (_, url, hands):
        return await conform(url, random=Random(7), other_url=url, allowed=allowed, hands=hands, clauses=clauses)


class Silence:
    """A line that keeps what is written."""

    url = "memory://silence"
    unsent_bytes = 0

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes, *, urgent: bool = False) -> None:
        self.written += data

    async def close(self, drain_s: float = 0.2) -> None:
        """Nothing to close."""

    def abort(self) -> None:
        """As above."""


def failures(report: Report) -> list[str]:
    return [
        f"{part.clause} {part.title}: expected {part.expected}; seen {part.seen}"
        for clause in report.clauses
        for part in clause.parts
        if part.verdict is Verdict.FAIL
    ]


def not_passed(report: Report) -> list[str]:
    return [one.clause for one in report.clauses if one.verdict not in {Verdict.PASS, Verdict.IN_PART}]


def test_the_clauses_are_those_of_the_document() -> None:
    said = re.findall(
        r"^\*\*([A-Z]\d?)\*\* ", (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert said == list(CLAUSES)


def test_every_clause_has_a_check_and_no_two_checks_have_one_name() -> None:
    assert {check.clause for check in ALL} == set(CLAUSES)
    assert len({check.name for check in ALL}) == len({(check.clause, check.title) for check in ALL}) == len(ALL)


def test_every_clause_has_a_planted_defect_and_no_two_are_alike() -> None:
    assert {clause for found in DEFECTS for clause in found.clauses} == set(CLAUSES)
    assert len({found.defect.name for found in DEFECTS}) == len(DEFECTS)


@VIRTUAL
async def test_the_simulated_pen_passes_in_every_clause() -> None:
    report = await report_on()
    assert failures(report) == []
    assert report.conforms
    assert report.stopped
    assert not_passed(report) == ["S4", *MAINTENANCE]
    assert report.in_part == OF_OTHER_PENS


@VIRTUAL
async def test_the_simulated_pen_of_the_bench_passes_in_every_clause() -> None:
    report = await report_on(NW_2)
    assert failures(report) == []
    assert not_passed(report) == ["S4"]
    assert report.in_part == (*OF_OTHER_PENS, *UNSIGNED)


@VIRTUAL
@pytest.mark.parametrize("name", [name for name in MODELS if name not in {"NW-1", "NW-2", "NW-NO-DEAD-MAN"}])
async def test_every_other_model_passes(name: str) -> None:
    report = await report_on(MODELS[name])
    assert failures(report) == []
    assert report.stopped


@VIRTUAL
@pytest.mark.parametrize("pace", [at_baud(57_600), UsbFrames], ids=["57600 baud", "USB"])
async def test_a_pen_behind_a_line_as_slow_as_a_real_one_passes_too(pace: Pace) -> None:
    async with simulated(pace=pace) as (_, url, hands):
        report = await conform(url, random=Random(7), allowed=EVERYTHING, hands=hands)
    assert failures(report) == []
    assert report.conforms
    assert report.stopped


@VIRTUAL
async def test_a_pen_without_a_dead_man_is_not_armed_but_for_the_arm_it_ought_to_refuse() -> None:
    report = await report_on(MODELS["NW-NO-DEAD-MAN"])
    assert {one.clause for one in report.clauses if one.verdict is Verdict.FAIL} == {"A2"}
    assert {one.clause for one in report.clauses if one.verdict is Verdict.NOT_TRIED} >= {"D1", "S1", "S2", "S3"}
    assert report.stopped


@VIRTUAL
@pytest.mark.parametrize("found", DEFECTS, ids=lambda found: found.defect.name)
async def test_a_planted_defect_is_found(found: Found) -> None:
    with found.defect.plant():
        report = await report_on(MODELS[found.model], clauses=found.clauses)
    missed = [one.clause for one in report.clauses if one.verdict is not Verdict.FAIL]
    assert missed == []


@pytest.mark.system
@pytest.mark.timeout(90)
async def test_over_terminal_and_socket_and_on_the_pen_in_c(c_pen_program: Path) -> None:
    async with bench_pty() as pty, bench_tcp() as tcp, bench_c(c_pen_program) as c:
        reports = await asyncio.gather(
            *(
                conform(
                    pen.url,
                    random=Random(3),
                    other_url=pen.url if pen is tcp else "",
                    allowed=EVERYTHING,
                    hands=hands_at(pen),
                )
                for pen in (pty, tcp, c)
            )
        )
    for report in reports:
        assert failures(report) == []
        assert report.stopped
    assert [one.clause for one in reports[2].clauses if one.verdict is Verdict.NOT_TRIED] == ["C5", "S4", *MAINTENANCE]
    firmware = next(one for one in reports[2].clauses if one.clause == "M7")
    assert {part.why for part in firmware.parts} == {"the pen has no FIRMWARE_UPDATE"}


# What may move -------------------------------------------------------------------------------------------------------


@VIRTUAL
async def test_without_permission_nothing_moves_and_nothing_is_written() -> None:
    async with simulated() as (pen, url, _):
        calibration, cartridge = pen.memory.calibration, pen.cartridge
        report = await conform(url, random=Random(7), other_url=url)
        assert pen.driven_at_ms == -1
        assert pen.memory.calibration is calibration
        assert cartridge is not None
        assert not cartridge.used
    assert report.conforms
    why = {part.why for one in report.clauses for part in one.parts if part.verdict is Verdict.NOT_TRIED}
    assert {"needs --allow-motion", "needs --allow-writes"} <= why
    assert next(one for one in report.clauses if one.clause == "S3").verdict is Verdict.NOT_TRIED


@VIRTUAL
@pytest.mark.parametrize("found", CAMPAIGN, ids=lambda found: found.defect.name)
async def test_no_defect_makes_it_turn_a_motor_on_without_permission(found: Found) -> None:
    with found.defect.plant():
        async with simulated() as (pen, url, hands):
            await conform(url, random=Random(7), other_url=url, hands=hands, clauses=found.clauses)
            assert pen.driven_at_ms == -1


async def test_a_check_that_would_move_without_permission_is_stopped_before_it_sends() -> None:
    host = BareHost()
    host.transport = silence = Silence()
    for message in (Setpoint(1, 1, 1, 0, 0, 0), Setpoint(1, 1, 2, 0, 0, 0), Request(1, 1, SELF_TEST.number, 1, b"")):
        with pytest.raises(MotionForbidden):
            host.send(Setpoint(1, 1, 0, 0, 0, 0), message)
    assert silence.written == b""


@VIRTUAL
async def test_a_pen_that_turns_its_motor_on_by_itself_is_stopped_and_nothing_more_is_tried() -> None:
    def runs_when_armed(original: Callable[..., None]) -> Callable[..., None]:
        def begin(self: LeaseKeeper, *given: object) -> None:
            original(self, *given)
            self._plant.drive(1000.0, 100.0)

        return begin

    with planted((LeaseKeeper, "begin", runs_when_armed)):
        async with simulated() as (pen, url, _):
            report = await conform(url, random=Random(7))
            assert not pen.plant.driven
            assert pen.lived_ms - pen.driven_at_ms > 30
    assert "motor ran" in report.interrupted
    assert not report.conforms
    assert [failure.count("no motion") for failure in failures(report)] == [1]


@VIRTUAL
@pytest.mark.parametrize("after_s", [0.03, 0.4, 0.9, 1.1])
async def test_cancelled_anywhere_it_stops_the_pen(after_s: float) -> None:
    async with simulated() as (pen, url, _):
        task = asyncio.create_task(conform(url, random=Random(7), allowed=EVERYTHING, clauses=["S3", "V6", "D1"]))
        await asyncio.sleep(after_s)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0.05)
        assert (pen.firmware.lease, pen.plant.driven) == (0, False)


@VIRTUAL
async def test_a_check_of_its_own_that_breaks_stops_the_pen_too() -> None:
    def breaks(part: Part) -> None:
        raise RuntimeError(part.clause)

    async with simulated() as (pen, url, _):
        with pytest.raises(RuntimeError):
            await conform(url, random=Random(7), allowed=EVERYTHING, clauses=["S3"], heard=breaks)
        await asyncio.sleep(0.05)
        assert (pen.firmware.lease, pen.plant.driven) == (0, False)


# What is no pen ------------------------------------------------------------------------------------------------------


@VIRTUAL
async def test_what_does_not_answer_is_told_at_once_and_nothing_is_tried() -> None:
    listener = listen("conform-mute", lambda peer: setattr(peer, "on_data", lambda _data: None))
    began_s = asyncio.get_running_loop().time()
    try:
        report = await conform("memory://conform-mute", random=Random(7))
    finally:
        listener.close()
    assert asyncio.get_running_loop().time() - began_s < 3
    assert report.welcome is None
    assert not report.stopped
    assert not report.conforms
    counts = [report.count(verdict) for verdict in (Verdict.PASS, Verdict.FAIL)]
    assert counts == [0, 0]
    assert report.nothing_tried
    assert "in the wire protocol: nothing understandable came." in report.interrupted


@VIRTUAL
async def test_a_pen_asked_in_the_wrong_dialect_is_told_which_there_are() -> None:
    async with simulated() as (_, url, _hands):
        asked = await conform(f"ascii+{url}", random=Random(7))
        told = asked.interrupted
    assert (asked.count(Verdict.FAIL), asked.nothing_tried, asked.conforms) == (0, True, False)
    assert "does not answer HELLO in the dialect ascii: nothing understandable came." in told
    assert "Without ascii+ before its address it is asked in the wire protocol." in told
    answers: list[int] = []

    def of_lines(peer: MemoryPeer) -> None:
        peer.on_data = lambda _data: answers.append(peer.write(b"ERR WHAT\n"))

    listener = listen("conform-lines", of_lines)
    try:
        report = await conform("memory://conform-lines", random=Random(7))
    finally:
        listener.close()
    assert "in the wire protocol: " in report.interrupted
    assert "bytes came that are no answer, 'ERR WHAT\\nERR" in report.interrupted
    assert "there is ascii (ascii+memory://conform-lines)" in report.interrupted
    assert report.clauses[-1].parts[0].why == "The pen does not answer HELLO in the wire protocol"


@VIRTUAL
async def test_a_pen_that_goes_is_told_of_and_never_hangs() -> None:
    async with simulated() as (_, url, hands):
        gone = asyncio.Event()

        def heard(part: Part) -> None:
            if part.clause == "C2" and not gone.is_set():
                gone.set()
                endpoint_of(url).close()

        report = await conform(url, random=Random(7), hands=hands, heard=heard)
    assert not report.conforms
    assert not report.stopped
    assert "port" in failures(report)[0]


def endpoint_of(url: str) -> MemoryListener:
    return _LISTENERS[url.removeprefix("memory://")]


async def test_a_port_that_cannot_be_opened_is_an_error_not_a_verdict() -> None:
    with pytest.raises(PortAbsent):
        await conform("memory://nobody", random=Random(7))


# Telling -------------------------------------------------------------------------------------------------------------


@VIRTUAL
async def test_junit_has_a_case_a_clause_with_expected_and_seen() -> None:
    found = next(found for found in DEFECTS if found.defect.name == "STOP is a fault")
    with found.defect.plant():
        report = await report_on(allowed=Allowed(), clauses=["T1", "C1", "S3"])
    suite = fromstring(document(as_suite(report)))  # our own text
    named = [(case.attrib["name"].partition(" ")[0], case) for case in suite.iter("testcase")]
    assert [name for name, _ in named] == ["C1", "S3", "T1", "T1", "T1"]
    cases = dict(reversed(named))
    for name, untried in named[3:]:
        skip = untried.find("skipped")
        assert (name, skip is not None and skip.attrib["message"]) == ("T1", "needs --allow-motion")
    assert (suite.attrib["tests"], suite.attrib["failures"], suite.attrib["skipped"]) == ("5", "1", "3")
    failure = cases["T1"].find("failure")
    assert failure is not None
    assert "expected" in failure.attrib["message"]
    assert "INTERNAL" in failure.attrib["message"]
    skipped = cases["S3"].find("skipped")
    assert skipped is not None
    assert skipped.attrib["message"] == "needs --allow-motion"
    assert cases["C1"].find("failure") is None
