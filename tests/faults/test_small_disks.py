"""A full disk under each part that keeps something: it says so, loses nothing, and goes on when there is room.

The journal's own disk has its tests in ``tests/logger/test_disk_full.py``.
"""

import asyncio
import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.faults.house import ROOT
from tests.station.conftest import short_path

__all__ = ["short_path"]

pytestmark = [pytest.mark.system, pytest.mark.timeout(90)]


async def on_a_small_disk(what: str, folder: Path) -> Any:
    if shutil.which("unshare") is None:
        pytest.fail("unshare is not installed (package util-linux): needed to mount a small disk", pytrace=False)
    own = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
    process = await asyncio.create_subprocess_exec(
        *own, sys.executable, "-m", "tests.faults.small_disk", what, str(folder),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return json.loads(out)


def nothing_lost(said: dict[str, Any]) -> None:
    assert said["durable"] > 0
    assert (said["lost"], said["duplicated"], said["verdict"]) == (0, 0, "intact")


async def test_a_store_that_is_full_confirms_nothing_and_catches_up(tmp_path: Path) -> None:
    said = await on_a_small_disk("store", tmp_path)
    journalled, confirmed, stored = said["full"]
    assert confirmed <= stored < journalled
    assert said["later"][2] == stored, "it took nothing while it was full, restarted or not"
    assert "database or disk is full. Nothing of this batch was stored and no receipt is given" in said["said"]
    nothing_lost(said)


async def test_a_broker_that_is_full_is_not_needed_for_the_record(tmp_path: Path) -> None:
    said = await on_a_small_disk("broker", tmp_path)
    assert "No space left on device" in said["said"]
    nothing_lost(said)


async def test_private_databases_that_are_full_let_no_session_begin_and_forget_none(short_path: Path) -> None:
    said = await on_a_small_disk("private", short_path)
    assert "database or disk is full" in said["arm"], said
    assert "not armed" in said["arm"].lower(), said
    assert said["closed"] == ""
    assert "not in the patients' history yet" in said["next"]
    assert "No session was opened" in said["next"]
    assert not said["motor"]
    assert [visit["outcome"] for visit in said["visits"]["visits"]] == ["completed"]
    assert said["verdict"] == "intact"


async def test_a_folder_for_files_that_is_full_gets_no_half_a_file(short_path: Path) -> None:
    said = await on_a_small_disk("files", short_path)
    for name, full in said["full"].items():
        assert full["code"] != 0, name
        assert re.search("no space left|disk is full", full["said"], re.IGNORECASE), full
        assert "Traceback" not in full["said"]
        assert "room" in full["said"], "it says what to do"
    assert said["left"] == []
    assert {name: again["code"] for name, again in said["again"].items()} == dict.fromkeys(said["full"], 0)
