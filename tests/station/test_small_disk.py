"""A disk that fills up under a station and its recorder, for real: a file system in memory that is made smaller.

It warns first; then no session is begun; then, with nothing left at all, the treatment is stopped in good order, and
what was emitted meanwhile is written when there is room. The recorder gives no receipt for what it cannot store.
"""

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.system, pytest.mark.timeout(90)]

SCENE = """
import asyncio, json, os, subprocess, sys
from contextlib import suppress
from pathlib import Path
from logger.journal.reader import JournalReader
from station.errors import StationRefused
from station.settings import StationSettings
from station.process.supervise import Supervisor
from tests.station.conftest import OPERATOR, House, plan, simulated
from tests.station.test_broker_lost import drained, recorded_whole_and_once

MIB = 1024 * 1024
folder = Path(sys.argv[1])

def mount(*options):
    subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", str(folder)], check=True)

async def leave_free(free):
    about = os.statvfs(folder)
    used = (about.f_blocks - about.f_bfree) * about.f_frsize
    await asyncio.to_thread(mount, "-o", f"remount,size={used + free}")

async def main():
    said = {}
    mount("-o", f"size={1600 * MIB}")
    async with simulated() as (pen, endpoint):
        settings = StationSettings(
            state_dir=folder / "state", stop_port=0, pens=f"pen={endpoint.url}", seat_presence_s=10.0
        )
        async with (
            Supervisor(settings, simulate=(), notice=print) as supervisor,
            supervisor.client() as client,
            client.seat(OPERATOR) as seat,
        ):
            house = House(supervisor.settings, pen, endpoint, None, client, {}, None)

            async def until(holds, what):
                return await house.until(holds, what, within_s=12.0)

            def alarms(status):
                return {alarm.alarm: alarm.priority for alarm in status.view.alarms}

            await leave_free(40 * MIB)
            await until(lambda status: status.view.journal_problem, "no new session")
            with suppress(StationRefused):
                try:
                    await seat.prepare(plan())
                except StationRefused as error:
                    said["prepare"] = [error.trouble.because, str(error)]
                    raise
            await leave_free(1500 * MIB)
            await until(
                lambda status: not status.view.journal_problem and not status.view.alarms
                and status.view.link == "connected" and status.view.status_age_ms is not None,
                "room again",
            )
            await house.treat(seat)
            await leave_free(170 * MIB)
            warned = await until(lambda status: alarms(status), "the warning")
            said["warned"] = [alarms(warned), warned.view.phase, warned.view.motor_on]
            await leave_free(0)
            stopped = await until(lambda status: status.view.phase == "interrupted", "the controlled stop")
            said["stopped"] = alarms(stopped)
            await house.pen_until(lambda: house.at_rest, "at rest")
            said["pen_faults"] = int(pen.truth.faults)
            await seat.stop()
            said["stop_while_full"] = True
            await leave_free(1500 * MIB)
            await until(lambda status: not status.view.journal_problem, "room again")
            await seat.clear_fault()
            await seat.close()
            await drained(house)
        recorded_whole_and_once(supervisor.settings)
    reader = JournalReader(settings.journal_path)
    said["types"] = [entry.type for entry in reader.entries()]
    reader.close()
    print("said " + json.dumps(said), file=sys.__stdout__, flush=True)

asyncio.run(main())
"""


async def test_it_warns_then_begins_no_session_then_stops_in_good_order_and_loses_nothing(short_path: Path) -> None:
    if shutil.which("unshare") is None:
        pytest.fail("unshare is not installed (package util-linux): needed to mount a small disk", pytrace=False)
    own = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
    process = await asyncio.create_subprocess_exec(
        *own,
        sys.executable,
        "-c",
        SCENE,
        str(short_path),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(80):
            out, errors = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode == 0, errors.decode()[-4000:]
    (line,) = [line for line in out.decode().splitlines() if line.startswith("said ")]
    said: dict[str, Any] = json.loads(line.removeprefix("said "))
    because, sentence = said["prepare"]
    assert because == "journal"
    assert "are kept for the record. Free space before a treatment" in sentence
    assert said["warned"] == [{"journal_nearly_full": "MEDIUM"}, "treating", True]
    assert said["stopped"]["journal_failed"] == "HIGH"
    assert said["pen_faults"] == 0, "stopped in good order, not by the dead-man"
    assert said["stop_while_full"]
    types = said["types"]
    assert types.count("session_opened") == types.count("session_closed") == 1
    assert types.count("refused") >= 1
    assert types.count("alarm_raised") >= 2, "what was emitted while the disk was full is in the journal"
