"""Defects of the second pen, written in C: `needlework conform` finds them on a pen of which it shares no line.

Each is a change of the pen's sources, made in a copy and built; a change whose place is gone fails the test.
"""

import shutil
import subprocess
from pathlib import Path
from random import Random

import pytest

from firmware_bridge.wire.messages import Fault, Interlock, PenState
from proving.conform.bench import Allowed
from proving.conform.running import conform
from proving.conform.verdicts import Verdict
from tests.hosts import connected
from tests.pens import ROOT, bench_c

C_SOURCES = ROOT / "tests" / "c"

DEFECTS = {
    "silence ends nothing": (
        "pen_body.c", "if (pen.lease != 0 && reached(pen.now_ms, pen.deadline_ms)) {", "if (0) {", "D1",
    ),
    "freshness by arrival": (
        "pen_frames.c", "uint32_t fresh_until_ms = wish->seen_pen_time_ms", "uint32_t fresh_until_ms = pen.now_ms",
        "S2",
    ),
    "age unchecked": ("pen_frames.c", "if (seen_age_ms >= DEAD_MAN_MS) {", "if (0) {", "S1"),
    "ticks unchecked": ("pen_frames.c", "if (wish->tick <= pen.tick) {", "if (0) {", "S1"),
    "ceilings unchecked": ("pen_frames.c", "if (wish->depth_um > pen.depth_ceiling_um) {", "if (0) {", "S1"),
    "deaf to STOP under a lease": (
        "pen_frames.c", "if (frame->kind == NW_KIND_STOP) { /* [T1] */\n        end_lease(BY_STOP);",
        "if (frame->kind == NW_KIND_STOP) { /* [T1] */", "T1",
    ),
    "a HELLO leaves the lease": ("pen_frames.c", "    end_lease(BY_HELLO);\n", "", "C4"),
    "another version connects": (
        "pen_frames.c", "pen.connected = hello->version == NW_PROTOCOL_VERSION;", "pen.connected = true;", "C3",
    ),
    "one lease for ever": ("pen_frames.c", "pen.lease = random_u32();", "pen.lease = 77;", "A1"),
    "keys are not looked up": (
        "pen_requests.c", "const struct nw_outcome_data *outcome = kept_outcome(request->key);",
        "const struct nw_outcome_data *outcome = NULL;", "R3",
    ),
    "faults cleared unnamed": (
        "pen_requests.c", "uint16_t meant = kept.faults & mask;", "(void)mask; uint16_t meant = kept.faults;", "F1",
    ),
    "the rate is the setpoint": (
        "pen_frames.c", ".rate_measured_mhz = (uint32_t)kept.rate_mhz,", ".rate_measured_mhz = pen.rate_set_mhz,", "V1",
    ),
    "a status for two": (
        "pen.c", "pen.status_due_ms += STATUS_PERIOD_MS;", "pen.status_due_ms += 2 * STATUS_PERIOD_MS;", "C2",
    ),
}  # fmt: skip


def changed(tmp_path: Path, file: str, sound: str, wrong: str) -> Path:
    """The program of the pen, built with this change."""
    sources = tmp_path / "tests" / "c"
    shutil.copytree(C_SOURCES, sources)
    shutil.copytree(ROOT / "docs" / "c", tmp_path / "docs" / "c")
    text = (sources / file).read_text(encoding="utf-8")
    assert text.count(sound) == 1
    (sources / file).write_text(text.replace(sound, wrong), encoding="utf-8")
    made = subprocess.run(
        ["make", "-s", "-C", str(sources), "CFLAGS=-std=c99 -D_GNU_SOURCE", f"BUILD={tmp_path}", "pen"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    return tmp_path / "pen"


@pytest.mark.system
@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", DEFECTS)
async def test_a_defect_of_the_pen_in_c_is_found(name: str, tmp_path: Path) -> None:
    file, sound, wrong, clause = DEFECTS[name]
    program = changed(tmp_path, file, sound, wrong)
    async with bench_c(program) as pen:
        report = await conform(pen.url, random=Random(1), allowed=Allowed(motion=clause == "V1"), clauses=[clause])
    assert [one.clause for one in report.clauses if one.verdict is Verdict.FAIL] == [clause]


@pytest.mark.system
@pytest.mark.timeout(60)
async def test_needles_that_stick_show_retracting_and_not_fault(tmp_path: Path) -> None:
    """A fault is latched then, but FAULT would say that the needles are out."""
    moves = "kept.depth_um += (depth_target - kept.depth_um) / DEPTH_LAG_MS;"
    program = changed(tmp_path, "pen_body.c", moves, f"if (depth_target > kept.depth_um) {{ {moves} }}")
    async with bench_c(program) as pen, connected(pen.url) as host:
        await host.arm()
        async with host.driving(motor=True):
            await host.until(lambda seen: (seen.depth_measured_um or 0) > 200)
        stuck = await host.until(lambda seen: bool(seen.faults & Fault.RETRACT_FAILED))
        assert stuck.state is PenState.RETRACTING
        assert not stuck.interlocks & Interlock.NEEDLES_OUT
