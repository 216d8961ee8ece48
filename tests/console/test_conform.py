"""`needlework conform` as people and CI run it: a process of its own, on pens served by this one."""

import asyncio
import io
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from random import Random
from xml.etree.ElementTree import fromstring

import pytest
from rich.console import Console

from console.actions.conforming import _print
from proving.conform.clauses import CLAUSES
from proving.conform.defects import DEFECTS
from proving.conform.verdicts import Part, Report, Verdict, by_clause
from simulators.endpoints.live import LivePen
from simulators.endpoints.tcp import TcpEndpoint
from simulators.pen import SimulatedPen
from tests.fixtures_brokers import free_port

pytestmark = [pytest.mark.system, pytest.mark.timeout(40)]

SOME = ("W3", "C5", "A3", "S3", "R4", "V3")


@asynccontextmanager
async def served() -> AsyncIterator[tuple[SimulatedPen, str]]:
    pen = SimulatedPen(rng=Random(5), today=date(2026, 1, 1))
    live = LivePen(pen)
    task = asyncio.create_task(live.run(), name="simulated pen")
    try:
        async with TcpEndpoint(live) as endpoint:
            yield pen, endpoint.url
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def started(*words: str, stdin: int = asyncio.subprocess.DEVNULL) -> Process:
    program = str(Path(sys.executable).with_name("needlework"))
    environment = os.environ | {"COLUMNS": "160"}
    return await asyncio.create_subprocess_exec(
        program, "conform", *words, stdin=stdin, stdout=PIPE, stderr=PIPE, env=environment
    )


async def done(*words: str) -> tuple[int | None, str, str]:
    process = await started(*words)
    said, told = await process.communicate()
    return process.returncode, said.decode(), told.decode()


async def test_a_good_pen_is_code_0_with_a_verdict_a_clause_and_a_junit_file(tmp_path: Path) -> None:
    junit = tmp_path / "made" / "for it" / "pen.xml"
    async with served() as (pen, url):
        words = [word for clause in SOME for word in ("--only", clause)]
        code, said, told = await done("--pen", url, "--other-medium", url, "--junit", str(junit), *words)
        assert pen.driven_at_ms == -1
    assert (code, told) == (0, "")
    for clause in SOME:
        assert f" {clause} " in said
    assert "STOP confirmed at the end." in said
    assert "needs --allow-motion" in said
    suite = fromstring(junit.read_text(encoding="utf-8"))  # our own text
    named = [case.attrib["name"].partition(" ")[0] for case in suite.iter("testcase") if case.find("skipped") is None]
    assert (named, suite.attrib["failures"]) == ([name for name in SOME if name != "S3"], "0")


async def test_a_second_way_that_leads_nowhere_is_code_2() -> None:
    async with served() as (_, url):
        code, said, told = await done("--pen", url, "--other-medium", "tcp://127.0.0.1:1", "--only", "C4")
    assert (code, "pass" in said) == (2, False)
    assert "127.0.0.1:1" in told


async def test_a_bad_pen_is_code_1_and_told_what_was_expected_and_seen() -> None:
    found = next(found for found in DEFECTS if found.defect.name == "STOP is a fault")
    with found.defect.plant():
        async with served() as (_, url):
            code, said, _ = await done("--pen", url, "--only", "T1,C1")
    assert code == 1
    assert "FAIL      T1 " in said
    assert "expected tick 0 and no fault after STOP" in said
    assert "INTERNAL" in said
    assert "1 pass, 1 FAIL, 0 not tried." in said


async def test_a_clause_whose_motor_part_was_not_tried_passes_in_part_alone(tmp_path: Path) -> None:
    junit = tmp_path / "pen.xml"
    words = ["--only", "D1", "--only", "T1", "--only", "C1"]
    async with served() as (_, url):
        code, said, _ = await done("--pen", url, *words, "--junit", str(junit))
        _, as_json, _ = await done("--pen", url, *words, "--json")
    assert code == 0
    assert "in part   T1 " in said
    assert "3 pass (of which 2 in part: D1, T1), 0 FAIL, 0 not tried." in said
    report = json.loads(as_json.splitlines()[-1])
    assert (report["pass"], set(report["in_part"]), report["conforms"]) == (3, {"D1", "T1"}, True)
    assert {one["clause"]: one["verdict"] for one in report["clauses"]} == {
        "C1": "pass", "D1": "in part", "T1": "in part",
    }  # fmt: skip
    suite = fromstring(junit.read_text(encoding="utf-8"))  # our own text
    skipped = [case.attrib["name"][:2] for case in suite.iter("testcase") if case.find("skipped") is not None]
    assert set(skipped) == {"D1", "T1"}
    assert suite.attrib["skipped"] == str(len(skipped))


async def test_json_has_a_line_a_part_and_the_report_last() -> None:
    async with served() as (_, url):
        code, said, _ = await done("--pen", url, "--only", "R4", "--json")
    lines = [json.loads(line) for line in said.splitlines()]
    assert code == 0
    assert [line["event"] for line in lines] == ["part", "report"]
    assert (lines[-1]["pen"]["model"], lines[-1]["conforms"], lines[-1]["stopped"]) == ("NW-1", True, True)
    assert lines[-1]["clauses"][0]["verdict"] == "pass"


async def test_motion_comes_after_a_warning_and_only_when_asked_for() -> None:
    async with served() as (pen, url):
        code, _, told = await done("--pen", url, "--only", "S3", "--allow-motion")
        assert pen.driven_at_ms > 0
        assert not pen.plant.driven
        assert pen.plant.needles_home
    assert code == 0
    assert "motor will run" in told
    assert "Keep it away from people" in told


@pytest.mark.parametrize("ends_by", [signal.SIGINT, signal.SIGTERM])
async def test_interrupted_while_the_motor_runs_it_stops_the_pen(ends_by: signal.Signals) -> None:
    async with served() as (pen, url):
        process = await started("--pen", url, "--only", "V6", "--only", "V2", "--allow-motion")
        async with asyncio.timeout(15):
            while not pen.plant.driven:
                await asyncio.sleep(0.005)
        process.send_signal(ends_by)
        _, told = await process.communicate()
        assert not pen.plant.driven
        assert pen.firmware.lease == 0
        assert not pen.firmware.faults
    assert process.returncode == 130
    assert "STOP and DISARM were sent" in told.decode()


async def test_on_a_terminal_a_person_has_to_say_yes() -> None:
    ours, theirs = os.openpty()
    try:
        async with served() as (pen, url):
            process = await started("--pen", url, "--only", "S3", "--allow-motion", stdin=theirs)
            os.write(ours, b"no\n")
            await process.communicate()
            assert pen.firmware.nonce == 0
            assert pen.driven_at_ms == -1
        assert process.returncode == 130
    finally:
        os.close(ours)
        os.close(theirs)


async def test_a_hand_is_asked_for_what_only_a_hand_can_do() -> None:
    ours, theirs = os.openpty()
    try:
        async with served() as (pen, url):
            process = await started("--pen", url, "--only", "T2", "--hands", stdin=theirs)
            assert process.stderr is not None
            asked = (await process.stderr.readuntil(b"press Enter.")).decode()
            pen.press_button()
            os.write(ours, b"\n")
            asked += (await process.stderr.readuntil(b"press Enter.")).decode()
            pen.press_pedal()
            os.write(ours, b"\n")
            said, _ = await process.communicate()
    finally:
        os.close(ours)
        os.close(theirs)
    assert "Press the pen's button once" in asked
    assert "Press the foot pedal once" in asked
    assert process.returncode == 0, said.decode()
    assert "in part   T2 " in said.decode()
    assert "needs --allow-motion" in said.decode()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--pen", "tcp://127.0.0.1:{port}"], "nothing answers"),
        (["--pen", "pen"], "not a pen's address"),
        (["--pen", "memory://x", "--only", "C1, T9"], "has no clause T9"),
        (["--pen", "memory://x", "--junit", "/"], "/ is a folder"),
        (["--pen", "memory://x", "--hands"], "standard input is no terminal"),
        ([], "Missing option"),
    ],
)
async def test_what_cannot_be_tried_is_code_2_and_says_why(words: list[str], sentence: str) -> None:
    code, _, told = await done(*(word.replace("{port}", str(free_port())) for word in words))
    assert code == 2
    assert sentence in told
    assert "Traceback" not in told


def test_a_pen_that_speaks_something_else_is_one_sentence_and_no_list_of_clauses() -> None:
    untried = [Part(name, CLAUSES[name], Verdict.NOT_TRIED, why="It does not answer") for name in ("W1", "C1")]
    report = Report("ascii+tcp://pen:1", None, by_clause(untried, ("W1", "C1")), False, "It does not answer: ask.")
    said = io.StringIO()
    _print(report, Console(file=said, width=160))
    assert [line.partition(":")[0] for line in said.getvalue().splitlines()][1:] == [
        "It does not answer",
        "0 pass, 0 FAIL, 2 not tried. STOP sent at the end; the pen did not confirm it.",
    ]
