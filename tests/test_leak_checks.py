"""Each leak check catches its leak, and lets a clean test pass: a check that checks nothing is worse than none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(90),
    pytest.mark.unhurried,
]  # a suite of its own in a process of its own

ROOT = Path(__file__).parents[1]
IMPORTED_FROM = (str(ROOT), str(ROOT / "docs" / "safety"))  # as pytest's settings say for this suite itself

LEAKS = """
import asyncio
import os
import threading

import pytest

KEPT = []
END = threading.Event()


def test_descriptor():
    KEPT.append(os.open(os.devnull, os.O_RDONLY))


def test_descriptor_exchanged_for_another():
    kept = os.dup(KEPT[0])
    os.close(KEPT.pop())
    os.pipe()
    os.close(kept)


def test_thread():
    threading.Thread(target=END.wait, name="forgotten", daemon=True).start()


def test_thread_on_its_way_out():
    threading.Timer(0.2, lambda: None).start()


async def test_task():
    KEPT.append(asyncio.create_task(asyncio.sleep(3600), name="abandoned"))


async def test_task_begun_by_a_fixture(begun):
    pass


async def test_task_ended():
    task = asyncio.create_task(asyncio.sleep(3600))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_default_executor():
    assert await asyncio.to_thread(lambda: 1) == 1


@pytest.fixture
async def begun():
    task = asyncio.create_task(asyncio.sleep(3600), name="begun-by-fixture")
    yield
    KEPT.append(task)


def test_clean(tmp_path):
    with (tmp_path / "file").open("w") as file:
        file.write("closed")
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest says of a suite that leaks, run in a process of its own under this suite's conftest."""
    folder = tmp_path_factory.mktemp("leaking")
    (folder / "conftest.py").write_text(Path(__file__).with_name("conftest.py").read_text())
    (folder / "test_leaks.py").write_text(LEAKS)
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-rA", "-p", "no:randomly", "-p", "no:cacheprovider", "-c", "pytest.ini"],
        cwd=folder,
        env=environment | {"COLUMNS": "400", "PYTHONPATH": os.pathsep.join(IMPORTED_FROM)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return run.stdout


@pytest.mark.parametrize(
    ("test", "named"),
    [
        ("test_descriptor", "/dev/null"),
        ("test_descriptor_exchanged_for_another", "pipe:"),
        ("test_thread", "forgotten"),
        ("test_task", "abandoned"),
        ("test_task_begun_by_a_fixture", "begun-by-fixture"),
    ],
)
def test_a_leak_is_an_error_that_names_it(report: str, test: str, named: str) -> None:
    errors = [line for line in report.splitlines() if line.startswith(f"ERROR test_leaks.py::{test} ")]
    assert len(errors) == 1, report
    assert "left behind" in errors[0]
    assert named in errors[0]


@pytest.mark.parametrize(
    "test", ["test_clean", "test_task_ended", "test_default_executor", "test_thread_on_its_way_out"]
)
def test_what_cleans_up_after_itself_passes(report: str, test: str) -> None:
    lines = [line for line in report.splitlines() if line.endswith(f"test_leaks.py::{test}")]
    assert lines == [f"PASSED test_leaks.py::{test}"], report
