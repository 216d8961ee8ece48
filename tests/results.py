"""Writes what came of each test function, for the safety case: ``pytest --results FILE``, as `make test` does.

A function counts once over all its parameters. What was there before is taken away at the start, so that a run which
did not come to its end leaves nothing that could be taken for one.
"""

from collections import Counter, defaultdict
from pathlib import Path

import pytest
from safety_case.evidence import Outcome, Results, function_of, tree_digest


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option ``--results FILE``."""
    parser.addoption("--results", metavar="FILE", default=None, help="write the outcome of every test function here")


def pytest_configure(config: pytest.Config) -> None:
    """Takes notes where they are asked for."""
    file = config.getoption("--results")
    if file is not None:
        config.pluginmanager.register(Notes(Path(file), config.rootpath), "needlework-results")


class Notes:
    """What came of each test function so far."""

    def __init__(self, file: Path, root: Path) -> None:
        self._file = file
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._tree = tree_digest(root)
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
