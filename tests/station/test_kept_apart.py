"""What a whole day at a real station leaves in its record: no answer, no reference, no name; and all of it replays."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.events import Event, InputChunk
from controller.library import load_library
from controller.machine import step
from controller.recording import replayed
from controller.state import MachineState
from logger.journal.reader import JournalReader
from station.errors import StationRefused
from tests.station.conftest import OPERATOR, House, as_decided, plan

pytestmark = pytest.mark.system

CONSENT = "drawer 7, Maria Muster"
STAYS = {"history.sqlite", "accounts.sqlite"}
"""Where answers and references are kept, and who may sign in: neither goes to the recorder."""


def written(state_dir: Path) -> Iterator[tuple[str, bytes]]:
    """Every file of a station but those that stay at the site, with what is in it."""
    for path in sorted(state_dir.rglob("*")):
        if path.is_file() and not path.name.startswith(tuple(STAYS)):
            yield path.name, path.read_bytes()


async def a_day(house: House) -> None:
    """A contraindicated person, one treated for a reason, an exchange, a STOP, a lost line, a seat left and taken."""
    library = load_library()
    no = dict.fromkeys(library.questions, False)
    hard = next(name for name, asked in library.questions.items() if asked.severity == "hard")
    soft = next(name for name, asked in library.questions.items() if asked.severity == "soft")
    reason = next(iter(library.override_reasons))
    with pytest.raises(StationRefused):
        async with house.client.signed_in("Maria Muster", "Maria Muster"):
            pass
    async with house.client.seat(OPERATOR) as seat:
        with pytest.raises(StationRefused, match="is not treated"):
            await seat.prepare(plan(answers=no | {hard: True}, consent=CONSENT))
        await seat.prepare(plan(answers=no | {soft: True}, accepted={soft: reason}, consent=CONSENT))
        await seat.arm()
        await seat.set_depth("0.50")
        await seat.set_rate(100)
        with pytest.raises(StationRefused):
            await seat.set_depth("5.0")
        await seat.start()
        await house.until(lambda status: bool(status.view.strokes), "needles move")
        await seat.stop()
        await house.until(lambda status: status.view.phase == "prepared", "stopped")
        await seat.arm()
    async with house.client.seat(OPERATOR) as seat:
        await seat.declare_zone("nose")
        house.endpoint.unplug()
        await house.until(lambda status: status.view.phase == "interrupted", "interrupted")
    house.station.end("the day is over")
    await house.task


async def test_no_answer_reference_or_name_is_in_anything_that_may_leave(house: House) -> None:
    await a_day(house)
    files = dict(written(house.settings.state_dir))
    assert any(b"session_opened" in content for content in files.values())
    kept = (house.settings.history_path).read_bytes()
    assert b"Maria" in kept, "the reference is kept, and this test can find it"
    for planted in ("Maria", "Muster", "drawer 7", *load_library().questions):
        found = [name for name, content in files.items() if planted.encode() in content]
        assert found == [], f"{planted!r} is in {found}"


async def test_every_session_of_a_day_replays_to_the_events_that_were_journalled(house: House) -> None:
    await a_day(house)
    reader = JournalReader(house.settings.journal_path)
    sessions = [span.session for span in reader.sessions()]
    assert sessions
    for session in sessions:
        events = [entry.event() for entry in reader.session_entries(session)]
        state, again = MachineState(), list[Event]()
        for given, now_ms in replayed(event for event in events if isinstance(event, InputChunk)):
            made = step(state, given, now_ms)
            state = made.state
            again.extend(made.events)
        told = [
            as_decided(event) for event in events if not isinstance(event, InputChunk) and event.type != "link_advisory"
        ]
        assert again[1:] == told, "the first is the pen that was connected before"
    reader.close()
