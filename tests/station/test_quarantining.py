"""A doubtful pen is taken out of use while its station runs: at once, by whoever signs in, never under a treatment."""

import asyncio
import json
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from console.cli import app
from controller.service_events import PenQuarantined
from logger.journal.reader import JournalReader
from logger.record.pens import PenName
from station.api.models import QuarantineAsked, QuarantineTold
from station.errors import StationRefused
from station.settings import StationSettings
from station.site.pens_file import PensFile
from tests.station.conftest import OPERATOR, House, OpenHouse, plan

pytestmark = pytest.mark.system
PEN = PenName("NW-1", "NW1-000001")


async def take_out(house: House, pen: str = "pen", because: str = "shock") -> QuarantineTold:
    asked = QuarantineAsked.model_validate({"pen": pen, "because": because})
    async with house.client.signed_in(OPERATOR, "") as person:
        return await person.quarantine(asked)


def on_record(settings: StationSettings) -> list[PenQuarantined]:
    with closing(JournalReader(settings.journal_path)) as reader:
        told = reader.told_of_pens(PEN, ("pen_quarantined",))
    return [one.event for one in told if isinstance(one.event, PenQuarantined)]


async def test_it_is_out_of_use_at_once_and_its_calibration_ended(house: House) -> None:
    async with house.client.seat(OPERATOR) as seat:
        await seat.prepare(plan())
        told = await take_out(house)
        assert (told.event.pen, told.event.by, told.calibration_ended, told.problem) == (str(PEN), OPERATOR, True, "")
        assert on_record(house.settings) == [told.event]
        assert not house.pen.memory.calibration.valid
        with pytest.raises(StationRefused) as caught:
            await seat.arm()
        assert caught.value.trouble.because == "quarantine"
        while (first := (await house.client.status()).start_of_day[0]).about != "quarantine":
            await asyncio.sleep(0.05)
        assert first.stops
        assert "knocked or dropped" in first.sentence


async def test_under_a_treatment_it_is_refused_and_after_stop_it_is_done(house: House) -> None:
    async with house.client.seat(OPERATOR) as seat:
        await house.treat(seat)
        for phase in ("treating", "paused"):
            if phase == "paused":
                await seat.pause()
            with pytest.raises(StationRefused) as caught:
                await take_out(house, PEN.serial)
            assert "STOP first" in caught.value.trouble.what
            assert caught.value.trouble.because == f"phase_{phase}"
            assert on_record(house.settings) == []
            assert PensFile(house.settings.pens_path).open_quarantines(PEN) == []
        await house.client.stop()
        await house.until(lambda status: status.view.phase not in {"paused", "stopping"}, "stopped")
        await take_out(house, str(PEN))
        assert len(PensFile(house.settings.pens_path).open_quarantines(PEN)) == 1


async def test_a_pen_that_is_not_here_is_known_from_the_record_or_not_at_all(open_house: OpenHouse) -> None:
    async with open_house() as house:
        with pytest.raises(StationRefused) as caught:
            await take_out(house, "NW-9/X")
        assert (caught.value.status, caught.value.trouble.code) == (404, "unknown_pen")
        async with house.client.seat(OPERATOR) as seat:
            await seat.prepare(plan())
            await seat.close("finished")
        house.endpoint.unplug()
        await house.until(lambda status: status.view.link != "connected", "unplugged")
        told = await take_out(house, PEN.serial)
        assert (told.event.pen, told.calibration_ended) == (str(PEN), False)


async def test_the_command_finds_the_station_that_runs(house: House, tmp_path: Path) -> None:
    words = ("pen", "quarantine", str(PEN), "--because", "out_of_tolerance", "--state", str(house.settings.state_dir))

    def call(*more: str) -> str:
        done = CliRunner().invoke(app, [*words, *more])
        assert done.exit_code == 0, done.output
        return done.output

    said = await asyncio.to_thread(call, "--as", OPERATOR)
    assert "is in quarantine: it was found out of tolerance" in said
    assert "is ended: no station arms it" in said
    told = json.loads(await asyncio.to_thread(call, "--as", "demo-physician", "--json"))
    assert [event.by for event in on_record(house.settings)] == [OPERATOR, "demo-physician"]
    assert told["quarantine"] == on_record(house.settings)[1].quarantine
