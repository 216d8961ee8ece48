"""`make fuzz`: every target under the coverage-guided fuzzer, the time shared among them; a table at the end.

    python -m tests.fuzz --seconds 120 --jobs 2
    python -m tests.fuzz --again firmware build/fuzz/found/firmware-crash-…    one input once more, with its traceback

Inputs that reach something new are kept in ``build/fuzz/corpus`` and begun with the next time. Exit code 1: a target
broke, hung or grew; what broke it is kept in ``build/fuzz/found``.
"""

import argparse
import hashlib
import importlib
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz import TARGETS

ROOT = Path(__file__).resolve().parents[2]
PLACE = ROOT / "build" / "fuzz"
HANG_S = 5
"""An input takes milliseconds; whatever takes so long on a busy machine hangs."""

INPUT_MAX_BYTES = 2048
MEMORY_MAX_MB = 768
START_S = 60
"""Instrumenting and the corpus of earlier runs, on a busy machine."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a target's run ended."""

    target: str
    code: int
    runs: int
    coverage: int
    peak_mb: int
    seconds: float
    said: str


def run(target: str, seconds: int) -> Ended:
    """Fuzzes one target for so many seconds."""
    corpus, found = PLACE / "corpus" / target, PLACE / "found"
    corpus.mkdir(parents=True, exist_ok=True)
    found.mkdir(parents=True, exist_ok=True)
    for seed in importlib.import_module(f"tests.fuzz.{target}").seeds():
        (corpus / hashlib.sha1(seed).hexdigest()).write_bytes(seed)
    began_s = time.monotonic()
    command = [
        sys.executable, "-m", "tests.fuzz.child", target, f"-max_total_time={seconds}", f"-timeout={HANG_S}",
        f"-rss_limit_mb={MEMORY_MAX_MB}", f"-max_len={INPUT_MAX_BYTES}", f"-artifact_prefix={found / target}-",
        "-print_final_stats=1", str(corpus),
    ]  # fmt: skip
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False, timeout=seconds + START_S
        )
        code, said = done.returncode, done.stdout + done.stderr
    except subprocess.TimeoutExpired as late:
        code, said = -1, f"{late}; libFuzzer did not end by itself: a target that cannot be interrupted"
    (PLACE / f"{target}.log").write_text(said, encoding="utf-8")
    return Ended(
        target,
        code,
        _number(r"stat::number_of_executed_units:\s*(\d+)", said),
        _number(r"cov: (\d+) ft: \d+ corp: (?!.*cov: )", said),
        _number(r"stat::peak_rss_mb:\s*(\d+)", said),
        time.monotonic() - began_s,
        said,
    )


def _number(pattern: str, text: str) -> int:
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


def again(target: str, path: Path) -> None:
    """One input once more, without the fuzzer."""
    importlib.import_module(f"tests.fuzz.{target}").fuzz(path.read_bytes())


def main() -> int:
    """Runs what is asked for; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--seconds", type=int, default=120, help="how long all of it takes")
    parser.add_argument("--jobs", type=int, default=2, help="targets at a time")
    parser.add_argument("--again", nargs=2, metavar=("TARGET", "FILE"), help="one input once more")
    parser.add_argument("--only", action="append", metavar="TARGET", help="this target alone; may be given again")
    given = parser.parse_args()
    targets = given.only or TARGETS
    if given.again:
        again(given.again[0], Path(given.again[1]))
        print("nothing broke")
        return 0
    rounds = -(-len(targets) // given.jobs)
    each_s = max(1, given.seconds // rounds)
    with ThreadPoolExecutor(given.jobs) as pool:
        ended = list(pool.map(lambda target: run(target, each_s), targets))
    print(f"{'target':10} {'seconds':>8} {'inputs':>9} {'a second':>9} {'edges':>6} {'peak MB':>8}")
    for one in ended:
        rate = one.runs / max(one.seconds, 1)
        print(f"{one.target:10} {one.seconds:8.0f} {one.runs:9d} {rate:9.0f} {one.coverage:6d} {one.peak_mb:8d}")
    broken = [one for one in ended if one.code or not one.runs]
    for one in broken:
        print(f"\n{one.target} ended with {one.code}:\n{one.said[-4000:]}", file=sys.stderr)
    print("no crash, no hang, no growth" if not broken else f"{len(broken)} broken: see {PLACE / 'found'}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
