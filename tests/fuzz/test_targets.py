"""The fuzz targets without the fuzzer: their seeds, random scripts, and that each of them can fail."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware_bridge.link import Link
from firmware_bridge.wire.framing import Deframer
from simulators.firmware import PenFirmware
from tests.fuzz import TARGETS, firmware, link, wire

ROOT = Path(__file__).resolve().parents[2]
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
MODULES = {name: import_module(f"tests.fuzz.{name}") for name in TARGETS}
SEEDS = [seed for module in MODULES.values() for seed in module.seeds()]
SCRIPTS = st.binary(max_size=400) | st.lists(st.sampled_from(SEEDS) | st.binary(max_size=20), max_size=6).map(b"".join)


@pytest.mark.parametrize("target", TARGETS)
@unhurried
@given(SCRIPTS)
def test_nothing_that_comes_breaks_it(target: str, data: bytes) -> None:
    MODULES[target].fuzz(data)


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_takes_its_seeds(target: str) -> None:
    for seed in MODULES[target].seeds():
        MODULES[target].fuzz(seed)


def test_a_firmware_that_ignores_stop_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PenFirmware, "_stop", lambda _self: None)
    with pytest.raises(AssertionError, match="STOP left"):
        firmware.fuzz(firmware.seeds()[0])


def test_a_link_that_breaks_on_an_answer_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(_self: Link, _message: object) -> None:
        raise KeyError("unforeseen")

    monkeypatch.setattr(Link, "_armed", breaks)
    with pytest.raises(KeyError):
        link.fuzz(link.seeds()[1])


def test_a_receiver_that_depends_on_how_bytes_come_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    feed = Deframer.feed
    monkeypatch.setattr(Deframer, "feed", lambda self, data: feed(self, data if len(data) < 60 else data[:-1]))
    with pytest.raises(AssertionError):
        wire.fuzz(wire.seeds()[len(wire.seeds()) - 2])


@pytest.mark.system
@pytest.mark.parametrize(("target", "said"), [("planted_crash", "found it"), ("planted_growth", "MB more than after")])
def test_the_fuzzer_finds_what_is_planted_and_ends_with_1(target: str, said: str) -> None:
    pytest.importorskip("atheris", reason="the coverage-guided fuzzer is for Linux")
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "--only", target, "--seconds", "12"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert said in done.stderr
    assert "1 broken" in done.stdout
