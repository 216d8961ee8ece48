"""A recorded session becomes a scenario, and is replayed to the same decisions, bit for bit; what differs is told."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from controller import closed_loop
from controller.errors import ControlRefused, DataError
from controller.events import Event, LinkAdvisory, SessionClosed, SessionSigned
from controller.inputs import SetDepth
from controller.state import MachineState
from logger.journal.entry import GENESIS, Entry
from proving.defects import defects
from proving.planting import planted
from proving.scenario.from_session import Made, from_session
from proving.scenario.loading import Loaded, load_scenario
from proving.scenario.outcomes import play
from tests.controller.house import House, open_house

SESSION = "20260101T090000-0000beef"


def entries_of(events: list[Event]) -> list[Entry]:
    """Entries as a journal has them: what the journal itself adds is there."""
    entries: list[Entry] = []
    for number, told in enumerate(events, 1):
        event = told.model_copy(update={"entries": number}) if isinstance(told, SessionClosed) else told
        entry = Entry(
            station="room-1", sequence=number, utc_us=number, monotonic_ms=number, session=SESSION, type=event.type,
            version=event.version, body=event.model_dump_json().encode(),
            previous=entries[-1].hash if entries else GENESIS, hash=b"",
        )  # fmt: skip
        entries.append(entry._replace(hash=entry.computed_hash()))
    return entries


async def treated(house: House) -> list[Event]:
    """A treatment by driver, link and pen: a refusal, a press, a jammed motor, cleared, and closed."""
    await house.treat()
    with contextlib.suppress(ControlRefused):
        await house.driver.ask(SetDepth(depth_um=5000))
    house.pen.press_button()
    await house.until(lambda h: h.driver.view().phase == "paused")
    house.pen.faults.jam_motor(True)
    house.pen.press_button()
    await house.until(lambda h: h.driver.view().phase == "interrupted")
    house.pen.faults.jam_motor(False)
    await house.driver.clear("test")
    await house.driver.close("stopped", "stall")
    await house.until(lambda h: h.driver.view().session is None)
    return [event for session, event in house.sink.kept if session]


@pytest.fixture(scope="module")
def recorded() -> list[Entry]:
    """What stands in the record of one session, with entries between that are no decisions."""

    async def make() -> list[Event]:
        async with open_house() as house:
            return await treated(house)

    events = asyncio.run(make())
    advisory = LinkAdvisory(pen="NW-1/x", sentence="A gap of 200 ms.")
    signed = SessionSigned(by="dr-a", role="physician", meaning="performed", covers_sequence=9, covers_hash="00")
    return entries_of([*events[:8], advisory, *events[8:], signed])


@pytest.fixture
def made(recorded: list[Entry]) -> Made:
    return from_session(recorded, SESSION)


def written(made: Made, folder: Path) -> Loaded:
    (folder / made.inputs_name).write_bytes(made.inputs)
    path = folder / f"{made.name}.yaml"
    path.write_text(made.text, encoding="utf-8")
    return load_scenario(path)


def test_a_session_is_replayed_to_the_same_decisions(made: Made, recorded: list[Entry], tmp_path: Path) -> None:
    outcome = play(written(made, tmp_path))
    assert outcome.held, outcome.failure
    decided = [entry for entry in recorded if entry.type not in {"input_chunk", "link_advisory", "session_signed"}]
    assert made.decisions == len(decided) == len(outcome.lines)
    assert any("refused" in line.words for line in outcome.lines)
    assert any("alarm raised (stall)" in line.words for line in outcome.lines)


def test_the_inputs_go_along_as_they_were_journalled(made: Made, recorded: list[Entry]) -> None:
    bodies = [entry.body for entry in recorded if entry.type not in {"link_advisory", "session_signed"}]
    assert made.inputs.splitlines() == bodies


def test_a_session_cut_off_in_the_middle_is_replayed_as_far_as_its_inputs_go(
    recorded: list[Entry], tmp_path: Path
) -> None:
    chunks = [number for number, entry in enumerate(recorded) if entry.type == "input_chunk"]
    last = next(number for number in range(chunks[1] + 1, len(recorded)) if recorded[number].type != "input_chunk")
    made = from_session(recorded[: last + 1], SESSION)
    assert "The session was cut off: " in made.text
    assert play(written(made, tmp_path)).held


def changed_inputs(recorded: list[Entry], was: str, becomes: str) -> list[Entry]:
    found = [entry for entry in recorded if entry.type == "input_chunk" and was in entry.body.decode()]
    assert found
    return [
        entry._replace(body=entry.body.replace(was.encode(), becomes.encode())) if entry in found else entry
        for entry in recorded
    ]


def test_a_record_that_its_inputs_do_not_come_to_makes_no_scenario(recorded: list[Entry]) -> None:
    with pytest.raises(DataError, match="decides otherwise than what was recorded, at decision"):
        from_session(changed_inputs(recorded, '\\"depth_um\\":500', '\\"depth_um\\":450'), SESSION)


def test_a_record_without_its_end_of_a_closed_session_makes_no_scenario(recorded: list[Entry]) -> None:
    last_chunk = [entry for entry in recorded if entry.type == "input_chunk"][-1]
    with pytest.raises(DataError, match="decides otherwise"):
        from_session([entry for entry in recorded if entry is not last_chunk], SESSION)


def test_a_session_without_inputs_makes_none(recorded: list[Entry]) -> None:
    with pytest.raises(DataError, match="holds no inputs"):
        from_session([entry for entry in recorded if entry.type != "input_chunk"], SESSION)


@pytest.mark.parametrize("defect", ["no soft limit", "uncertainty added", "no calibration layer", "alarm not latched"])
def test_a_version_that_decides_otherwise_is_found(defect: str, made: Made, tmp_path: Path) -> None:
    scenario = written(made, tmp_path)
    with next(one for one in defects() if one.name == defect).plant():
        failure = play(scenario).failure
    assert failure is not None
    assert failure.step is not None
    assert failure.expected != failure.seen
    assert json.loads(failure.expected)


def test_a_version_that_sends_otherwise_is_found(made: Made, tmp_path: Path) -> None:
    """Every event is as it was, and the rate that is sent is a thousandth of a hertz less."""

    def slower(original: Callable[[MachineState], tuple[bool, int, int]]) -> Callable[..., tuple[bool, int, int]]:
        def to_send(state: MachineState) -> tuple[bool, int, int]:
            motor, depth_um, rate_mhz = original(state)
            return motor, depth_um, max(rate_mhz - 1, 0)

        return to_send

    scenario = written(made, tmp_path)
    with planted((closed_loop, "to_send", slower)):
        failure = play(scenario).failure
    assert failure is not None
    assert failure.step is None
    assert failure.expected.startswith("what was to be sent to be the same")


@pytest.mark.parametrize("what", ["changed", "gone", "no event"])
def test_inputs_that_are_not_those_are_refused(what: str, made: Made, tmp_path: Path) -> None:
    scenario = written(made, tmp_path)
    inputs = tmp_path / made.inputs_name
    match what:
        case "changed":
            inputs.write_bytes(made.inputs + b"\n")
        case "gone":
            inputs.unlink()
        case _:
            scenario = written(made._replace(inputs=b"{}\n", text=rehashed(made, b"{}\n")), tmp_path)
    with pytest.raises(DataError, match=r"Nothing was replayed|Replay it with the version"):
        play(scenario)


def rehashed(made: Made, inputs: bytes) -> str:
    return made.text.replace(sha256(made.inputs).hexdigest(), sha256(inputs).hexdigest())


def test_no_path_leads_out_of_the_scenarios_folder(made: Made, tmp_path: Path) -> None:
    text = made.text.replace(f'"{made.inputs_name}"', '"../elsewhere.jsonl"')
    path = tmp_path / "away.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match="inputs"):
        load_scenario(path)
