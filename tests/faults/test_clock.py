"""The time of day set by hours under a treatment and between two runs, on real processes; the machine's own is left."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from controller.events import ClockStepped, StationStarted
from logger.journal.entry import Entry
from logger.journal.reader import JournalReader
from logger.proof.verify import verify_journal
from logger.record.records import session_record
from logger.store.store import Store
from station.process.supervise import Supervisor
from station.settings import StationSettings
from tests.faults.house import preload
from tests.station.conftest import OPERATOR, House, short_path, simulated

__all__ = ["short_path"]

pytestmark = [pytest.mark.system, pytest.mark.timeout(90)]

HOUR_MS = 3_600_000
BACK_MS, FORWARD_MS, RESTART_MS = -3 * HOUR_MS, 5 * HOUR_MS, -21 * HOUR_MS


def events_of(entries: list[Entry], kind: type[Any]) -> list[Any]:
    return [event for event in (entry.event() for entry in entries) if isinstance(event, kind)]


def read(settings: StationSettings) -> list[Entry]:
    reader = JournalReader(settings.journal_path)
    try:
        return list(reader.entries())
    finally:
        reader.close()


async def test_a_clock_set_by_hours_is_told_and_changes_no_duration(
    short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offset = short_path / "offset"
    offset.write_text("0")
    monkeypatch.setenv("LD_PRELOAD", str(preload("clock")))
    monkeypatch.setenv("CLOCK", str(offset))
    async with simulated() as (pen, endpoint):
        settings = StationSettings.model_validate(
            {"state_dir": short_path / "state", "stop_port": 0, "pens": f"pen={endpoint.url}", "seat_presence_s": 10.0}
        )
        async with (
            Supervisor(settings, simulate=()) as supervisor,
            supervisor.client() as client,
            client.seat(OPERATOR) as seat,
        ):
            house = House(supervisor.settings, pen, endpoint, None, client, {}, None)  # type: ignore[arg-type]
            await house.until(lambda status: status.view.link == "connected", "the pen answers")
            await house.treat(seat)
            for offset_ms in (BACK_MS, FORWARD_MS):
                treated_ms = (await client.pen()).view.treated_ms
                offset.write_text(str(offset_ms))
                status = await house.until(lambda s, t=treated_ms: s.view.treated_ms > t + 1000, "treats on")
                assert status.view.phase == "treating"
                assert status.view.alarms == ()
            pen_treated_ms = (await seat.pause()).view.treated_ms
            await seat.close()
        first_run = read(settings)
        offset.write_text(str(RESTART_MS))
        async with Supervisor(settings, simulate=()) as supervisor:
            assert await supervisor.close() == 0
        entries = read(settings)

    steps = events_of(entries, ClockStepped)
    tolerance_ms = 60_000
    assert [round(step.by_ms / HOUR_MS) for step in steps] == [-3, 8, -26]
    assert all(
        abs(step.by_ms - by) < tolerance_ms
        for step, by in zip(steps, (-3 * HOUR_MS, 8 * HOUR_MS, -26 * HOUR_MS), strict=True)
    )
    told = [entry for entry in entries if entry.type == "clock_stepped"]
    assert [entry.session is None for entry in told] == [False, False, True]
    assert isinstance(entries[told[2].sequence - 2].event(), StationStarted)
    assert [entry.sequence for entry in entries] == list(range(1, len(entries) + 1))
    assert [entry.monotonic_ms for entry in entries] == sorted(entry.monotonic_ms for entry in entries)
    # The time of day in the entries goes where the clock went, and nowhere else.
    jumps = [later.utc_us - before.utc_us for before, later in pairwise(entries)]
    assert len([jump for jump in jumps if abs(jump) > 60_000_000]) == 3

    own = [entry for entry in first_run if entry.session is not None]
    record = session_record(own)
    begun = next(entry.monotonic_ms for entry in own if entry.type == "treatment_started")
    paused = next(entry.monotonic_ms for entry in own if entry.type == "treatment_paused")
    assert abs(record.treated_ms - (paused - begun)) < 700
    assert abs(record.treated_ms - pen_treated_ms) < 200
    assert len(record.clock_steps) == 2
    store = Store.open_to_read(settings.store_place)
    try:
        result = verify_journal(settings.journal_path, store=store)
    finally:
        store.close()
    assert (result.verdict, result.not_yet_stored) == ("intact", 0)
