"""A stranger's repository: pen software of their own, in folders called as this product's are, and its tests."""

import re
import textwrap
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "ci.md"


def block_of_the_page(name: str) -> str:
    """The file of this name that the page tells people to write."""
    (text,) = re.findall(rf"```\w+\n# {re.escape(name)}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return str(text)


TESTS = """
    import os
    import socket

    import pytest

    import controller, logger, simulators
    from controller.driver import hello

    seen = set()


    def test_the_folders_are_mine():
        assert controller.MINE and logger.MINE and simulators.MINE


    def test_a_pen_answers(needlework_pen):
        assert hello(needlework_pen.pty) == needlework_pen.serial
        assert needlework_pen.control.truth()["connected"] is True


    def test_it_listens_on_tcp_too(needlework_pen):
        with socket.create_connection(needlework_pen.tcp, timeout=5):
            pass


    @pytest.mark.parametrize("round", range(3))
    def test_every_test_has_a_new_pen(needlework_pen, round):
        assert needlework_pen.pid not in seen
        seen.add(needlework_pen.pid)
        assert needlework_pen.control.truth()["injected"] == []
        needlework_pen.control.inject("motor_stall")


    @pytest.mark.needlework(faults="line_silence")
    def test_a_pen_that_is_broken_from_the_start(needlework_pen):
        with pytest.raises(TimeoutError):
            hello(needlework_pen.pty, 0.4)
        assert needlework_pen.control.clear() == ["line_silence"]
        assert hello(needlework_pen.pty) == needlework_pen.serial


    @pytest.mark.needlework(model="NW-DIAL", seed=5)
    class TestAnotherModel:
        def test_the_class_says_which(self, needlework_pen):
            assert (needlework_pen.model, needlework_pen.seed) == ("NW-DIAL", 5)

        @pytest.mark.needlework(seed=6, faults=["battery_low", ("warm", {"temperature_c": 51})])
        def test_the_nearest_marker_wins(self, needlework_pen):
            assert (needlework_pen.model, needlework_pen.seed) == ("NW-DIAL", 6)
            assert set(needlework_pen.control.truth()["injected"]) == {"battery_low", "warm"}


    def test_hands_and_waiting(needlework_pen):
        control = needlework_pen.control
        assert control.hand("cartridge_out")["cartridge_in"] is False
        control.inject("battery_flat")
        assert "battery_flat" in control.truth()["injected"]
        control.wait("cartridge_in=false", "powered=true")
        control.inject("line_garbage", for_ms=50, share_permille=100)
        planned = control.schedule(seed=3, count=4, length_ms=100)
        assert len(planned) == 4
        assert any(fault["name"] == "motor_stall" for fault in control.faults())
        with pytest.raises(Exception, match="did not come to") as caught:
            control.wait("powered=false", within_ms=100)
        assert caught.value.because == "deadline"
        with pytest.raises(Exception, match="motor_stall"):
            control.inject("motor_stal")


    @pytest.mark.needlework(pens=3)
    def test_one_pen_beside_a_fleet(needlework_pen, needlework_fleet):
        assert len({needlework_pen.pid, *(pen.pid for pen in needlework_fleet)}) == 2
        assert len(needlework_fleet) == 3


    @pytest.mark.needlework(pens=5)
    def test_a_fleet(needlework_fleet):
        assert len({pen.tcp for pen in needlework_fleet}) == 5
        assert {pen.pid for pen in needlework_fleet} == {needlework_fleet[0].pid}
        assert [hello(pen.pty) for pen in needlework_fleet] == [pen.serial for pen in needlework_fleet]
        needlework_fleet[3].control.inject("warm")
        assert [pen.control.truth()["injected"] for pen in needlework_fleet] == [[], [], [], ["warm"], []]


    @pytest.fixture(scope="module")
    def lasting(needlework_command):
        with needlework_command.pens(baud=115200) as (pen,):
            yield pen


    def test_a_pen_for_a_whole_module(lasting):
        assert hello(lasting.pty) == lasting.serial


    def test_a_pen_for_a_whole_module_again(lasting):
        assert hello(lasting.pty) == lasting.serial


    @pytest.mark.needlework_scenario("holds.yaml")
    def test_a_scenario_that_holds(needlework_outcomes):
        assert [outcome["holds"] for outcome in needlework_outcomes] == [True]
"""

WRONG = """
    import os
    import signal
    import time

    import pytest


    @pytest.mark.needlework_scenario("fails.yaml")
    def test_a_scenario_that_fails():
        raise AssertionError("the body does not run")


    @pytest.mark.needlework_scenario("mistyped.yaml")
    def test_a_scenario_with_a_mistake():
        raise AssertionError("the body does not run")


    @pytest.mark.needlework(sed=7)
    def test_a_setting_mistyped(needlework_pen):
        raise AssertionError("the body does not run")


    @pytest.mark.needlework(faults="motor_stal")
    def test_a_fault_mistyped(needlework_pen):
        raise AssertionError("the body does not run")


    @pytest.mark.needlework(model="NW-9")
    def test_a_model_nobody_makes(needlework_pen):
        raise AssertionError("the body does not run")


    @pytest.mark.needlework(pens=0)
    def test_a_fleet_of_none(needlework_fleet):
        raise AssertionError("the body does not run")


    @pytest.mark.needlework(pens=3)
    def test_a_fleet_of_which_one_is_taken(needlework_pen):
        raise AssertionError("the body does not run")


    @pytest.mark.needlework(faults={"line_delay": 3})
    def test_a_fault_without_names_for_its_numbers(needlework_pen):
        raise AssertionError("the body does not run")


    def test_the_pen_is_killed_as_the_last_act(needlework_pen):
        os.kill(needlework_pen.pid, signal.SIGKILL)


    def test_the_pen_is_killed(needlework_pen):
        os.kill(needlework_pen.pid, signal.SIGKILL)
        with pytest.raises(Exception, match="does not answer"):
            for _ in range(1000):
                needlework_pen.control.truth()
        time.sleep(0.5)  # its sockets are closed before the process has ended
"""

HOLDS = """
    format: needlework-scenario/1
    name: stranger
    title: The motor runs
    hazards: [H18]
    steps:
      - do: prepare
      - do: arm
      - do: set
        depth_mm: 0.50
        rate_hz: 110
      - do: start
      - expect: {motor: "on"}
        within_s: 1
"""


def settle(folder: Path) -> Path:
    """Writes the repository into ``folder``; its tests that have to pass are test_pens.py, the others test_wrong.py."""
    for name in ("simulators", "controller", "logger"):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text("MINE = True\n")
    holds = textwrap.dedent(HOLDS).lstrip()
    files = {
        "pyproject.toml": '[tool.pytest.ini_options]\naddopts = ["--strict-markers"]\n',
        "controller/driver.py": block_of_the_page("pen.py"),
        "test_pens.py": textwrap.dedent(TESTS),
        "test_wrong.py": textwrap.dedent(WRONG),
        "holds.yaml": holds,
        "fails.yaml": holds.replace('motor: "on"', "alarm: stall").replace("name: stranger", "name: stranger-fails"),
        "mistyped.yaml": holds.replace("rate_hz", "rate_hs"),
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder
