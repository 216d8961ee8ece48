"""The report of a session of an hour, from its store to the PDF: time and memory, in a new process and in one that has
made one before.

The record is a real one: a treatment of an hour at virtual time, through the core, both codecs and a simulated pen. Two
such sessions are made, so that what is warm is the process and not the session. Beside the reading stands the least it
could be: each entry's JSON by the standard library's parser, and nothing done with it.
"""

import json
import shutil
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median

from benchmarks.measuring import BUILD, Effort, alternated, asked, child_command, median_ratio
from benchmarks.results import Row
from logger.journal.entry import Entry
from logger.report import read_session
from logger.store.store import Store
from proving.recorded import treatment

SUBJECT = "report"
SESSIONS = ("20260101T090000-00000001", "20260102T090000-00000002")
OF_HARD_PERCENT = 75
WITHIN_S = 60
MIB = 1 << 20


def _treated(minutes: int, number: int) -> list[Entry]:
    return treatment(minutes, session=SESSIONS[number], seed=number + 1, of_hard_percent=OF_HARD_PERCENT)


def _kept(folder: Path, minutes: int) -> tuple[list[Path], list[Entry]]:
    """A store with each session, made side by side; and the entries of the first."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        sessions = list(pool.map(_treated, [minutes] * len(SESSIONS), range(len(SESSIONS))))
    places = []
    for number, entries in enumerate(sessions):
        places.append(folder / f"store-{number}.sqlite")
        store = Store.open(places[-1])
        store.append(entries, seen_utc_us=0)
        store.close()
    return places, sessions[0]


def _reading_s(entries: Sequence[Entry]) -> float:
    began = time.perf_counter()
    read_session(entries)
    return time.perf_counter() - began


def _least_s(entries: Sequence[Entry]) -> float:
    began = time.perf_counter()
    for entry in entries:
        json.loads(entry.body)
    return time.perf_counter() - began


def measure(effort: Effort) -> list[Row]:
    """Seconds, MiB and kB; the reading as a ratio. For information: none of these has a goal."""
    minutes, rounds = effort.pick(5, 60), effort.pick(2, 5)
    BUILD.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="report-", dir=BUILD))
    try:
        places, entries = _kept(folder, minutes)
        runs = [
            asked(child_command("report", *places[:: 1 if number % 2 else -1]), WITHIN_S) for number in range(rounds)
        ]
        bare = [asked(child_command("report"), WITHIN_S) for _ in range(rounds)]
    finally:
        shutil.rmtree(folder)
    reading, least = alternated(rounds, [lambda: _reading_s(entries), lambda: _least_s(entries)])
    of = f"of a session of {minutes} min, {sum(len(entry.body) for entry in entries) / MIB:.0f} MiB of events"
    empty = f"an empty page of the same typesetter {median(run['cold_s'] for run in bare):.2f} s"
    idle_mib = median(run["memory_kib"] for run in bare) / 1024
    return [
        Row(SUBJECT, "report, cold: a new process, imports and all", median(run["cold_s"] for run in runs), "s",
            f"{of}; {empty}"),
        Row(SUBJECT, "report, warm: another one in the same process", median(run["warm_s"] for run in runs), "s", of),
        Row(SUBJECT, "report, reading alone", median_ratio(reading, least), "× the time",
            f"json.loads of the same entries, {median(least):.2f} s"),
        Row(SUBJECT, "report, most memory", median(run["memory_kib"] for run in runs) / 1024, "MiB",
            f"{of}; an empty page {idle_mib:.0f} MiB"),
        Row(SUBJECT, "report, size of the PDF", median(run["bytes"] for run in runs) / 1000, "kB", of),
    ]  # fmt: skip
