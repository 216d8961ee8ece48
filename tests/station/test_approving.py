"""Approvals at the chair, over the real API of a real station: for this patient's session, its protocol, its zones."""

from datetime import date, timedelta
from random import Random
from typing import Any

import pytest

from controller.events import ApprovalGiven, ApprovalUsed
from controller.history import Approval
from controller.session import SessionDriver
from controller.site import Site
from controller.state import MachineState, Phase
from logger.journal.reader import JournalReader
from station.api.models import ApproveAsked
from station.errors import StationRefused
from station.pens import StationPen
from station.settings import PenSetting
from station.site.history_file import HistoryFile
from tests.controller.conftest import TODAY, resolved
from tests.controller.house import MemorySink, WallClock
from tests.site import Ledger, Memory, Pens, clinic
from tests.station.conftest import OPERATOR, House, plan

pytestmark = pytest.mark.system


async def approve(house: House, **changes: Any) -> Any:
    fields = {
        "patient": "P-4711",
        "zones": ("cheek",),
        "depth_max_mm": "0.75",
        "sessions": 1,
        "until": date.today() + timedelta(days=1),  # noqa: DTZ011 tomorrow, wherever this runs
        **changes,
    }
    async with house.client.signed_in("demo-physician", "") as physician:
        return await physician.approve(ApproveAsked.model_validate(fields))


def events(house: House, kind: type) -> list[Any]:
    reader = JournalReader(house.settings.journal_path)
    found = [event for entry in reader.entries() if isinstance(event := entry.event(), kind)]
    reader.close()
    return found


async def test_what_a_physician_approves_at_the_chair_is_used_and_counted(house: House) -> None:
    async with house.client.seat(OPERATOR) as seat:
        await seat.prepare(plan())
        await seat.arm()
        with pytest.raises(StationRefused) as caught:
            await seat.set_depth("0.75")
        assert caught.value.trouble.because == "operator"
        told = await approve(house)
        await house.until(lambda status: status.view.phase == "prepared", "disarmed, for the pen holds the old limits")
        await seat.arm()
        await seat.set_depth("0.75")
        await seat.set_rate(100)
        await seat.start()
        await house.until(lambda status: bool(status.view.strokes), "needles move")
        await seat.pause()
        await seat.close("finished")
    house.station.end("test")
    await house.task
    assert [event.approval for event in events(house, ApprovalUsed)] == [told.approval.id]
    file = HistoryFile(house.settings.history_path)
    (kept,) = file.patient("P-4711").approvals
    file.close()
    assert (kept.used, kept.sessions) == (1, 1)


async def test_an_approval_of_another_patient_widens_nothing_here(house: House) -> None:
    async with house.client.seat(OPERATOR) as seat:
        await seat.prepare(plan())
        await approve(house, patient="P-4712")
        await seat.arm()
        with pytest.raises(StationRefused) as caught:
            await seat.set_depth("0.75")
        assert caught.value.trouble.because == "operator"
        await seat.close("finished")
    assert events(house, ApprovalGiven) == []


@pytest.mark.parametrize(("protocol", "cap_um"), [("", 750), ("facial-rejuvenation", 750), ("scar-treatment", None)])
async def test_an_approval_counts_for_its_protocol_alone(protocol: str, cap_um: int | None) -> None:
    site = Site(clinic(), memory=Memory(), ledger=Ledger(), pens=Pens())
    sink = MemorySink()
    driver = SessionDriver("memory://", sink=sink, clock=WallClock(), random=Random(1), site=site)
    driver.state = MachineState(phase=Phase.PREPARED, session="s", plan=resolved(operator=OPERATOR))
    setting = PenSetting(name="pen", url="memory://")
    pen = StationPen(setting, driver, sink, monotonic_ms=WallClock().monotonic_ms, random=Random(1))  # type: ignore[arg-type]
    await pen.approved(
        Approval(
            id="a-1", patient="p-0001", zones=("cheek",), depth_max_um=750, sessions=1, used=0, expires=TODAY,
            by="dr-lee", given_on=TODAY, protocol=protocol,
        )
    )  # fmt: skip
    assert driver.state.plan is not None
    assert driver.state.plan.zones["cheek"].approved_cap_um == cap_um


async def test_limits_are_not_widened_while_the_pen_is_interrupted(house: House) -> None:
    async with house.client.seat(OPERATOR) as seat:
        await house.treat(seat)
        with pytest.raises(StationRefused) as caught:
            await approve(house)
        assert caught.value.trouble.because == "phase_treating"
        house.endpoint.unplug()
        await house.until(lambda status: status.view.phase == "interrupted", "interrupted")
        with pytest.raises(StationRefused) as caught:
            await approve(house)
        assert caught.value.trouble.because == "phase"
    house.station.end("test")
    await house.task
    file = HistoryFile(house.settings.history_path)
    assert file.patient("P-4711").approvals == ()
    file.close()
