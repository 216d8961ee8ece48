"""What was journalled replays to the same decisions, bit for bit."""

from collections.abc import Callable

from controller.events import EVENT_ADAPTER, Event, InputChunk
from controller.inputs import Close, DeclareZone, LinkUp, SetDepth, Stop
from controller.machine import step
from controller.recording import InputRecorder, replayed
from controller.state import MachineState
from proving.rig import Rig


def test_a_session_replays_to_the_same_events_and_state(treat: Callable[..., Rig]) -> None:
    rig = treat(depth_um=500)
    rig.pen.press_button()
    rig.advance(700)
    rig.pen.press_button()
    rig.advance(700)
    rig.command(DeclareZone(zone="nose"))
    rig.give(SetDepth(depth_um=900))  # refused
    rig.pen.faults.jam_motor(True)
    rig.advance(800)
    rig.command(Stop(source="test"))
    rig.advance(300)
    rig.give(Close(outcome="stopped", reason="stall"))
    recorder = InputRecorder("rig://")
    chunks: list[InputChunk] = []
    for given, now_ms in rig.inputs:
        chunk = recorder.add(given, now_ms)
        if chunk is not None:
            chunks.append(chunk)
    last = recorder.take()
    assert last is not None
    chunks.append(last)
    assert len(chunks) >= 3
    stored = [EVENT_ADAPTER.validate_json(chunk.model_dump_json()) for chunk in chunks]
    state, events = MachineState(), list[Event]()
    for given, now_ms in replayed(chunk for chunk in stored if isinstance(chunk, InputChunk)):
        made = step(state, given, now_ms)
        state, _ = made.state, events.extend(made.events)
    assert events == rig.events
    assert state == rig.state


def test_a_recorder_begins_with_what_was_known_of_the_pen(treat: Callable[..., Rig]) -> None:
    rig = treat()
    link_up = next(given for given, _ in rig.inputs if isinstance(given, LinkUp))
    recorder = InputRecorder("rig://")
    recorder.begin(link_up, rig.state.seen, 5)
    chunk = recorder.take()
    assert chunk is not None
    assert chunk.kinds == "LS"
    given = [item for item, _ in replayed([chunk])]
    assert given[0] == link_up
    assert recorder.take() is None
