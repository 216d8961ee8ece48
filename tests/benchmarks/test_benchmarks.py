"""The measurements run and say what they should in the form they should. Whether they are fast is not asked here."""

import asyncio
import json
from pathlib import Path

import pytest

from benchmarks.__main__ import SUBJECTS, main
from benchmarks.children.terminal_client import ANSWER_BYTES
from benchmarks.measuring import Effort, alternated, asked, built, child_command, median_ratio, percentile, running
from benchmarks.results import Row, at_least, at_most, keep, under
from benchmarks.simulator import simulate
from benchmarks.stop import stops

ROOT = Path(__file__).parent.parent.parent
ROW_KEYS = {"subject", "name", "value", "unit", "goal", "against", "met"}


@pytest.mark.parametrize("subject", ["decode", "journal"])
def test_a_quick_run_prints_a_table_and_keeps_it(
    subject: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--quick", "--only", subject, "--into", str(tmp_path)]) == 0
    kept = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert {"date", "python", "cpus", "mode", "rows"} <= set(kept)
    assert kept["mode"] == "quick"
    printed, page = capsys.readouterr().out, (tmp_path / "results.md").read_text(encoding="utf-8")
    for row in kept["rows"]:
        assert set(row) == ROW_KEYS
        assert row["subject"] == subject
        assert row["value"] > 0
        assert (row["met"] is None) == (row["goal"] is None)
        assert row["name"] in page
    goals = [row for row in kept["rows"] if row["goal"]]
    assert goals
    missed = [row["name"] for row in goals if not row["met"]]
    flat = " ".join(printed.split())
    assert ("Every goal is met." in flat) == (not missed)
    assert all(name in flat for name in missed)


def test_the_full_stack_exchanges_with_a_pen_in_c_beside_a_bare_loop() -> None:
    built("responder")
    taken = asked(child_command("exchange", "asyncio", "CALIBRATION_READ", 3), 15)
    assert {side: len(blocks) for side, blocks in taken.items()} == {"raw": 3, "bare": 3, "stack": 3}
    assert all(seconds > 0 for blocks in taken.values() for seconds in blocks)


@pytest.mark.system
def test_stop_is_timed_at_a_real_station_and_on_an_idle_loop() -> None:
    busy, idle = asyncio.run(stops(treated=1, count=5))
    assert len(busy) == len(idle) == 5
    for asked_ns, called_ns, written_ns in (*busy, *idle):
        assert asked_ns < called_ns < written_ns


def test_the_kept_table_is_whole_and_names_nothing_of_the_machine_it_was_made_on() -> None:
    """`make bench` writes it; a hurried run or a part of it never does."""
    text = (ROOT / "benchmarks" / "results.json").read_text(encoding="utf-8")
    kept = json.loads(text)
    assert kept["mode"] in {"full", "soak"}
    assert {row["subject"] for row in kept["rows"]} == set(SUBJECTS)
    page = (ROOT / "benchmarks" / "results.md").read_text(encoding="utf-8")
    for telling in ("/" + "home/", "/" + "root/", "/tmp/", "/dev/"):
        assert telling not in text
        assert telling not in page
    verdicts = {row["name"]: row["met"] for row in kept["rows"]}
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0] in verdicts:
            assert cells[3] == {True: "met", False: "**missed**", None: ""}[verdicts[cells[0]]], line


def test_a_goal_that_is_missed_is_called_missed(tmp_path: Path) -> None:
    rows = [
        Row("decode", "quick enough", 1.3, "×", "the floor", at_most(1.3)),
        Row("decode", "too slow", 0.59, "×", "the floor", at_least(0.6)),
        Row("decode", "on the edge", 50.0, "ms", "a clock", under(50)),
        Row("decode", "told", 7.0, "µs", "nothing"),
    ]
    assert [row.met for row in rows] == [True, False, False, None]
    keep(rows, Effort().name, tmp_path)
    page = (tmp_path / "results.md").read_text(encoding="utf-8")
    assert "1 of 3 goals met" in page
    assert "| too slow | 0.590 × | ≥ 0.6 | **missed** | the floor |" in page
    kept = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert [(row["goal"], row["met"]) for row in kept["rows"]] == [
        ("≤ 1.3", True), ("≥ 0.6", False), ("< 50", False), (None, None),
    ]  # fmt: skip


def test_sides_take_turns_at_going_first() -> None:
    order: list[str] = []

    def side(name: str, value: float) -> float:
        order.append(name)
        return value

    taken = alternated(3, [lambda: side("a", 1.0), lambda: side("b", 2.0)])
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert taken == [[1.0] * 3, [2.0] * 3]
    assert median_ratio(*taken) == 0.5


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(value) for value in range(1, 1001)]
    assert percentile(values, 0.5) == 500
    assert percentile(values, 0.999) == 999
    assert percentile(values, 1.0) == 1000
    assert percentile([3.0], 0.999) == 3


def test_a_step_of_the_pen_stands_beside_a_cycle_of_lewis_and_a_bare_method() -> None:
    taken = asked(child_command("device_steps", 3), 15)
    assert {side: len(blocks) for side, blocks in taken.items()} == {"pen": 3, "lewis": 3, "bare": 3}
    pen, lewis, bare = (sorted(taken[side])[1] for side in ("pen", "lewis", "bare"))
    assert bare < pen < lewis


@pytest.mark.system
@pytest.mark.parametrize("which", ["pen", "modbus", "visa"])
def test_each_host_asks_a_simulator_of_its_own(which: str) -> None:
    taken = asked(child_command("client", which, 20), 15)
    assert 0 < taken["cpu_s"] <= taken["wall_s"] * 1.2


@pytest.mark.system
def test_one_client_asks_a_pen_and_an_instrument_by_turns() -> None:
    with running(simulate()) as pen, running(child_command("line_instruments", 1, ANSWER_BYTES)) as instrument:
        paths = pen.read()["device"], instrument.read()["paths"][0]
        taken = asked(child_command("terminal_client", *paths, 3), 15)
    assert {side: [len(block) for block in blocks] for side, blocks in taken.items()} == {
        "pen": [100] * 3,
        "instrument": [100] * 3,
    }
