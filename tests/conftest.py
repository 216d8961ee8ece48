"""Foundations of the whole suite: leak checks around every test, and the pen named on the command line.

A test that leaves a task, a thread or an open descriptor behind is reported as an error, even when it passed: what
leaks in a test leaks in a treatment room. `tests/test_leak_checks.py` shows that each check catches its leak.
"""

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import pytest
import uvloop
from hypothesis import settings
from pytest_asyncio import is_async_test

pytest_plugins = [
    "tests.fixtures_brokers",  # brokers, for the record's tests and the station's
    "tests.fixtures_network",  # a network that delays, loses and breaks
    "tests.fixtures_postgres",  # a PostgreSQL, for the tests of the store
    "tests.results",  # what came of each test, for the safety case
    "tests.pens",  # simulated pens and the second pen, for the link's tests and the station's
]

if "PYTEST_XDIST_WORKER" in os.environ:  # what shares tests between processes sets a width, for its own lines
    for _width in ("COLUMNS", "LINES"):
        os.environ.pop(_width, None)

settings.register_profile("needlework", deadline=None)  # how long an example takes says how busy the machine is
settings.load_profile("needlework")

THREAD_GRACE_S = 2.0
"""For threads that were told to end and are on their way; one that ignores it is a leak."""

PERMITTED_THREADS: dict[str, str] = {}
"""Beginnings of names of threads that may stay, each with the reason why nothing can end them."""

PERMITTED_DESCRIPTORS: dict[str, str] = {}
"""Beginnings of targets (as in /proc/self/fd) that may stay open, each with the reason why nothing can close them."""

_DESCRIPTORS = Path("/proc/self/fd") if Path("/proc/self/fd").exists() else Path("/dev/fd")


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--pen URL``: run the transport and link suites against a pen that is really there, too."""
    parser.addoption(
        "--pen",
        metavar="URL",
        default=None,
        help="URL of a real pen (serial:///dev/ttyACM0) for the suites that can treat with one; "
        "never name one that is in use on a person",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Registers the suite's own marker."""
    config.addinivalue_line("markers", "every_loop: runs on asyncio's own event loop and again on uvloop")


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """asyncio's own loop for every test, and uvloop too for those marked ``every_loop``."""
    if item.get_closest_marker("every_loop"):
        return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop}


@pytest.fixture
def pen_url(request: pytest.FixtureRequest) -> str | None:
    """The URL given with ``--pen``, or None."""
    url: str | None = request.config.getoption("--pen")
    return url


@pytest.fixture(scope="session", autouse=True)
def _no_loop_by_accident() -> None:
    """Tells asyncio that there is no current loop: otherwise it makes one for looptime, which looks for one around
    every synchronous test, and nobody ever closes it. libuv's first loop opens a pair of pipes for the whole process;
    it is made here, so that no test seems to leak them."""
    asyncio.set_event_loop(None)
    uvloop.new_event_loop().close()


def open_descriptors() -> dict[int, str]:
    """Every open descriptor of this process and what it leads to."""
    found = {}
    for name in os.listdir(_DESCRIPTORS):  # noqa: PTH208 - the one descriptor it needs is closed when it returns
        try:
            found[int(name)] = os.readlink(_DESCRIPTORS / name)  # noqa: PTH115
        except OSError:
            continue  # the listing's own
    return found


def _surviving_threads(before: set[threading.Thread]) -> list[threading.Thread]:
    patience = time.monotonic() + THREAD_GRACE_S
    survivors = []
    for thread in set(threading.enumerate()) - before:
        if not thread.name.startswith(tuple(PERMITTED_THREADS)):
            thread.join(max(0.0, patience - time.monotonic()))
            if thread.is_alive():
                survivors.append(thread)
    return survivors


@pytest.fixture(autouse=True)
def _no_leaked_handles() -> Iterator[None]:
    """No thread and no descriptor outlives the test, its fixtures and its event loop."""
    threads = set(threading.enumerate())
    descriptors = open_descriptors()
    yield
    survivors = _surviving_threads(threads)
    leaked = {
        number: target
        for number, target in open_descriptors().items()
        if descriptors.get(number) != target and not target.startswith(tuple(PERMITTED_DESCRIPTORS))
    }
    problems = []
    if survivors:
        problems.append("threads: " + ", ".join(sorted(thread.name for thread in survivors)))
    if leaked:
        problems.append(
            "descriptors: " + ", ".join(f"{number} → {target}" for number, target in sorted(leaked.items()))
        )
    if problems:
        pytest.fail("the test left behind " + "; ".join(problems), pytrace=False)


@pytest.fixture(autouse=True)
def _no_leaked_tasks(_no_leaked_handles: None, request: pytest.FixtureRequest) -> None:
    """Puts the check of the event loop's tasks around every asynchronous test; others have no loop to look at."""
    if is_async_test(request.node):
        request.getfixturevalue("_tasks_at_the_end")


@pytest.fixture
async def _tasks_at_the_end() -> AsyncIterator[None]:
    """No task outlives the test and its fixtures."""
    before = asyncio.all_tasks()
    yield
    leaked = asyncio.all_tasks() - before - {asyncio.current_task()}
    if leaked:
        names = ", ".join(sorted(f"{task.get_name()} ({task.get_coro()!r})" for task in leaked))
        pytest.fail(f"the test left behind tasks: {names}", pytrace=False)
