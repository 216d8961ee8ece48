"""Writes what came of each test function, for the safety case: ``pytest --results FILE``, as `make test` does.

A function counts once over all its parameters. What was there before is taken away at the start, so that a run which
did not come to its end leaves nothing that could be taken for one; with ``--results-go-on`` it is the first part of the
same run, where it is of the same sources.
"""

from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import pytest
from safety_case.evidence import EvidenceError, Outcome, Results, function_of, read_results, tree_digest


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option ``--results FILE``."""
    parser.addoption("--results", metavar="FILE", default=None, help="write the outcome of every test function here")
    parser.addoption("--results-go-on", action="store_true", help="add to the outcomes that are there")


def pytest_configure(config: pytest.Config) -> None:
    """Takes notes where they are asked for; of tests shared between processes, in the one that shares them out."""
    file = config.getoption("--results")
    if file is not None and not hasattr(config, "workerinput"):
        notes = Notes(Path(file), config.rootpath, go_on=config.getoption("--results-go-on"))
        config.pluginmanager.register(notes, "needlework-results")


class Notes:
    """What came of each test function so far."""

    def __init__(self, file: Path, root: Path, *, go_on: bool) -> None:
        self._file = file
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._tree = tree_digest(root)
        with suppress(EvidenceError):  # then this part is all there is, and the safety case says what lacks
            before = read_results(file)
            if go_on and before.tree == self._tree:
                self._counts.update({name: Counter(asdict(one)) for name, one in before.tests.items()})
        file.unlink(missing_ok=True)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One of the three parts of a test ended. A test whose cleaning up fails, fails."""
        if report.when == "call" or report.outcome != "passed":
            self._counts[function_of(report.nodeid)][report.outcome] += 1

    def pytest_sessionfinish(self) -> None:
        """Writes it, whole or not at all."""
        results = Results(self._tree, {name: Outcome(**counts) for name, counts in self._counts.items()})
        self._file.parent.mkdir(parents=True, exist_ok=True)
        beside = self._file.with_name(self._file.name + ".new")
        beside.write_text(results.dump(), encoding="utf-8")
        beside.replace(self._file)
