"""A station's beginning and end, in this process: what is refused at start, and needles out before all else."""

import asyncio
import itertools
import sqlite3
from pathlib import Path

import pytest

from controller.ports import RecordUnavailable
from firmware_bridge.wire.capture import CaptureReader, messages_of
from firmware_bridge.wire.messages import Arm, Armed, Disarm, Hello, Setpoint, Status, Welcome
from logger.errors import JournalUnwritable
from logger.journal.journal import Journal
from logger.journal.reader import JournalReader
from logger.proof.verify import verify_journal
from station.errors import StationFailure, StationTaken
from station.process.exits import Exit
from station.record.seam import JournalSink
from station.service import Station
from station.settings import StationSettings
from tests.station.conftest import OPERATOR, House, OpenHouse

pytestmark = pytest.mark.system


def types_of(house: House) -> list[str]:
    reader = JournalReader(house.settings.journal_path)
    try:
        return [entry.type for entry in reader.entries()]
    finally:
        reader.close()


async def test_asked_to_end_mid_treatment_needles_are_out_first_and_the_record_is_whole(house: House) -> None:
    async with house.client.seat(OPERATOR) as seat:
        await house.treat(seat)
        house.station.end("SIGTERM")
        assert await house.task is Exit.ORDERLY
        assert house.at_rest
        assert house.pen.truth.faults == 0
    types = types_of(house)
    assert types[-2:] == ["station_stopped", "journal_checkpoint"]
    assert types.index("session_closed") < types.index("station_stopped")
    assert verify_journal(house.settings.journal_path).verdict == "intact"
    assert not house.settings.endpoint_file.exists()


async def test_nobody_steers_a_station_that_is_ending(house: House) -> None:
    async with house.client.seat(OPERATOR) as seat:
        await house.treat(seat)
        house.pen.faults.ignore_stops(100)
        async with house.raw() as http:
            house.station.end("test")
            await house.until(lambda status: status.view.phase == "stopping", "the end has begun")
            answer = await http.post("/v1/pens/pen/start", headers=seat._headers)
        assert answer.status_code == 503
        assert answer.json()["code"] == "ending"
        await house.task


async def test_needles_that_are_not_confirmed_out_are_told_in_the_exit_code(house: House) -> None:
    async with house.client.seat(OPERATOR) as seat:
        await house.treat(seat)
        await house.until(lambda status: (status.view.depth_measured_um or 0) > 300, "needles are in")
        house.pen.faults.stick_depth()
        house.station.end("test")
        assert await house.task is Exit.NOT_CONFIRMED
    assert house.motor_off
    types = types_of(house)
    assert types[-2:] == ["station_stopped", "journal_checkpoint"]
    assert types.count("session_closed") == 1


async def test_a_part_that_fails_brings_the_pens_home_before_the_station_ends(house: House) -> None:
    async def broken() -> None:
        raise RuntimeError("a fault of the software")

    async with house.client.seat(OPERATOR) as seat:
        await house.treat(seat)
        house.station._parts.start("a broken part", broken())
        assert await house.task is Exit.PART_FAILED
        assert house.at_rest
        assert house.pen.truth.faults == 0, "the pen was stopped, it did not have to stop itself"
    assert "session_closed" in types_of(house)


async def test_a_second_station_on_the_same_state_is_refused_and_leaves_the_first_alone(house: House) -> None:
    second = Station(house.settings.model_copy(update={"pens": ()}), lambda said: None)
    with pytest.raises(StationFailure) as caught:
        await second.run()
    assert caught.value.exit_code is Exit.TAKEN
    assert (await house.client.pen()).view.link == "connected"


async def test_a_stop_port_that_is_held_is_refused(house: House, short_path: Path) -> None:
    port = house.announced["stop_port"]
    second = Station(StationSettings(state_dir=short_path / "second", stop_port=port), lambda said: None)
    with pytest.raises(StationTaken, match="--stop-port"):
        await second.run()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("serial:///dev/does-not-exist", "does-not-exist"),
        ("carrier-pigeon://roof", "carrier-pigeon"),
        ("tcp://127.0.0.1:9", "127.0.0.1:9"),
    ],
)
async def test_a_pen_that_cannot_be_opened_ends_the_start_with_its_remedy(
    short_path: Path, url: str, said: str
) -> None:
    settings = StationSettings(state_dir=short_path / "state", stop_port=0, pens=f"pen={url}")
    with pytest.raises(StationFailure, match=said) as caught:
        await Station(settings, lambda announced: pytest.fail("said to be ready")).run()
    assert caught.value.exit_code is Exit.PEN
    assert verify_journal(settings.journal_path).verdict == "intact"


async def test_a_pen_that_is_waited_for_may_come_later(open_house: OpenHouse) -> None:
    async with open_house(wait_for_pens=True, pens="pen=serial:///dev/does-not-exist") as house:
        status = await house.client.pen()
        assert status.view.link == "not connected"
        assert "does-not-exist" in (status.view.link_problem or "")


async def test_state_that_cannot_be_kept_is_refused(short_path: Path) -> None:
    (short_path / "file").write_text("")
    settings = StationSettings(state_dir=short_path / "file" / "state", stop_port=0)
    with pytest.raises(StationFailure, match="--state") as caught:
        await Station(settings, lambda said: None).run()
    assert caught.value.exit_code is Exit.JOURNAL


async def test_the_disk_is_asked_once_a_second_however_often_the_loop_asks(tmp_path: Path) -> None:
    class Disk:
        asked = 0

        def problem(self) -> str | None:
            self.asked += 1
            return None

        def fill_permille(self) -> int:
            return 0

        async def flush(self) -> None:
            raise JournalUnwritable("the disk is full")

    disk, times = Disk(), itertools.count()
    sink = JournalSink(disk, lambda: next(times) / 20)  # type: ignore[arg-type]
    for _ in range(100):
        sink.problem()
    assert disk.asked == 5
    with pytest.raises(RecordUnavailable, match="the disk is full"):
        await sink.flush()


async def test_a_journal_that_was_changed_behind_our_back_is_not_written_to(open_house: OpenHouse) -> None:
    async with open_house() as house, house.client.seat(OPERATOR) as seat:
        await house.treat(seat)
    path = house.settings.journal_path
    await asyncio.to_thread(_tamper, path)
    with pytest.raises(StationFailure) as caught:
        await Station(house.settings, lambda said: None).run()
    assert caught.value.exit_code is Exit.JOURNAL


def _tamper(path: Path) -> None:
    """Takes the last entry away and changes one in the middle, as somebody would who can write the file."""
    with sqlite3.connect(path) as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type='trigger'")}
        for name in names:
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("DELETE FROM entries WHERE sequence = (SELECT max(sequence) FROM entries)")
        connection.execute(
            "UPDATE entries SET body = CAST(replace(CAST(body AS TEXT), '500', '400') AS BLOB) "
            "WHERE type = 'setpoint_changed'"
        )
    connection.close()


async def test_the_journal_is_released_for_the_next_station(open_house: OpenHouse) -> None:
    async with open_house() as house:
        pass
    journal = Journal(
        house.settings.journal_path, station=house.settings.station, utc_now=house.station._clock.utc,
        monotonic_ms=house.station._clock.monotonic_ms,
    )  # fmt: skip
    await journal.close()
    async with open_house() as again:
        assert again.announced["ready"] == "station"
        assert types_of(again).count("station_started") == 2


async def test_the_wire_of_a_pen_is_recorded_on_request(open_house: OpenHouse, short_path: Path) -> None:
    folder = short_path / "captures"
    async with open_house(captures=folder) as house, house.client.seat(OPERATOR) as seat:
        await house.treat(seat)
        house.station.end("test")
        assert await house.task is Exit.ORDERLY
    (recording,) = folder.iterdir()
    with recording.open(encoding="utf-8") as file:
        kinds = [type(one.message) for one in messages_of(CaptureReader(file))]
    assert kinds[:2] == [Hello, Welcome]
    assert {Arm, Armed, Setpoint, Status, Disarm} <= set(kinds)
    assert folder.stat().st_mode & 0o077 == 0


async def test_a_recording_that_cannot_be_made_holds_nobody_up(
    open_house: OpenHouse, short_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (short_path / "captures").write_text("a file")
    async with open_house(captures=short_path / "captures") as house, house.client.seat(OPERATOR) as seat:
        await house.treat(seat)
    assert "The wire of pen is not recorded" in capsys.readouterr().err
