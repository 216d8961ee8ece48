"""A recorded session as a scenario: its inputs from the record, replayed by this code to the same decisions.

What the machine took in, with its times, is in the record whole, and so is every event it made of it: those are
compared bit for bit. What it sent to the pen is not in the record. It follows from the same step as the events; its
digest is taken when the scenario is made and compared whenever it is replayed, so a later version that sends anything
else is found, while the version that recorded is taken at its word.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from controller.errors import DataError
from controller.events import EVENT_ADAPTER, Event, InputChunk, SessionClosed, SessionOpened
from controller.inputs import LinkUp, Prepare
from controller.machine import step
from controller.recording import replayed
from controller.state import MachineState, Send, SendDisarm, SendSetpoint, SendStop
from logger.journal.entry import Entry
from proving.scenario.course import Failure, Line
from proving.scenario.model import FORMAT, Replay

NOT_DECIDED = frozenset({
    "input_chunk", "station_started", "station_stopped", "session_signed", "record_amended", "station_key",
    "journal_checkpoint", "cartridge_reconciled", "approved_ahead", "security_event", "patient_erased", "link_advisory",
})  # fmt: skip
"""What stands in a record and is no decision of the machine: who writes it is a station's other parts."""

INPUTS_MAX_BYTES = 64_000_000
"""A day of treating is some 20 MB; more is no session."""


class Made(NamedTuple):
    """A scenario made of a session: its file's text, and the bytes of the file of inputs that goes with it."""

    name: str
    text: str
    inputs_name: str
    inputs: bytes
    decisions: int


@dataclass(slots=True)
class Again:
    """A session decided once more: events from its opening on, with their times, and how often what was sent."""

    events: list[tuple[int, Event]] = field(default_factory=list)
    sends: int = 0
    first_ms: int = 0
    last_ms: int = 0
    _sent: bytearray = field(default_factory=bytearray)

    @property
    def sends_sha256(self) -> str:
        """The digest of everything that was to be sent, each with its time."""
        return sha256(self._sent).hexdigest()

    def take(self, send: Send, now_ms: int) -> None:
        """Something is to be sent."""
        self.sends += 1
        match send:
            case SendSetpoint():
                said = f"setpoint {int(send.motor)} {send.depth_um} {send.rate_mhz} {send.seen_pen_time_ms}"
            case SendDisarm():
                said = f"disarm {send.lease}"
            case SendStop():
                said = "stop"
        self._sent += f"{now_ms} {said}\n".encode()


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of a replay."""

    lines: tuple[Line, ...]
    failure: Failure | None
    story_ms: int


def decided_again(chunks: Iterable[InputChunk]) -> Again:
    """Takes the inputs of a session once more."""
    again, state, opened = Again(), MachineState(), False
    for given, now_ms in replayed(chunks):
        made = step(state, given, now_ms)
        state = made.state
        if not opened and any(isinstance(event, SessionOpened) for event in made.events):
            opened, again.first_ms = True, now_ms
        if opened:  # what comes before tells the machine what was known of the pen; its events are in no session
            again.events.extend((now_ms, event) for event in made.events)
            if made.send is not None:
                again.take(made.send, now_ms)
        again.last_ms = now_ms
    return again


def from_session(entries: Iterable[Entry], session: str) -> Made:
    """The scenario of a session, from its entries in the order of the record.

    Raises DataError: no such inputs, or the inputs do not come to what was recorded.
    """
    bodies = [entry.body for entry in entries if _goes_along(entry.type)]
    inputs = b"".join(body + b"\n" for body in bodies)
    events, chunks = _read(inputs, f"session {session}")
    if not chunks:
        raise DataError(f"session {session}: its record holds no inputs, so there is nothing to replay.")
    again = decided_again(chunks)
    differs = _difference(events, again)
    if differs is not None:
        raise DataError(
            f"session {session}: this version decides otherwise than what was recorded, at decision "
            f"{(differs.step or 0) + 1}: recorded {differs.expected}; now {differs.seen}. No scenario was made."
        )
    digest = sha256(inputs).hexdigest()
    name = f"session-{session.lower()}"[:48].rstrip("-")
    replay = Replay(
        session=session, inputs=f"{name}.inputs.jsonl", inputs_sha256=digest, decisions=len(again.events),
        sends=again.sends, sends_sha256=again.sends_sha256,
    )  # fmt: skip
    text = _text(name, session, replay, chunks, len(events) - len(again.events))
    return Made(name, text, replay.inputs, inputs, len(again.events))


def replay(asked: Replay, folder: Path) -> Replayed:
    """Replays a recorded session whose inputs lie in ``folder``. Raises DataError where they cannot be read."""
    place = folder / asked.inputs
    try:
        if place.stat().st_size > INPUTS_MAX_BYTES:
            raise DataError(f"{place}: more than {INPUTS_MAX_BYTES} bytes. Nothing was replayed.")
        inputs = place.read_bytes()
    except OSError as error:
        raise DataError(
            f"{place}: cannot be read: {(error.strerror or 'unknown').lower()}. The inputs of a recorded session lie "
            "beside its scenario; move them together. Nothing was replayed."
        ) from error
    found = sha256(inputs).hexdigest()
    if found != asked.inputs_sha256:
        raise DataError(
            f"{place}: not the inputs that the scenario was made with: SHA-256 {found}. Nothing was replayed."
        )
    events, chunks = _read(inputs, str(place))
    again = decided_again(chunks)
    lines = tuple(
        Line(at_ms - again.first_ms, number, f"decided as recorded: {_words(event)}")
        for number, (at_ms, event) in enumerate(again.events)
    )
    failure = _difference(events, again) or _sends_differ(asked, again)
    if failure is not None and failure.step is not None:
        lines = lines[: failure.step]
    return Replayed(lines, failure, again.last_ms - again.first_ms)


def _goes_along(type_: str) -> bool:
    return type_ == "input_chunk" or type_ not in NOT_DECIDED


def _read(inputs: bytes, name: str) -> tuple[list[Event], list[InputChunk]]:
    """Decisions and inputs. Raises DataError."""
    events: list[Event] = []
    chunks: list[InputChunk] = []
    for number, line in enumerate(inputs.splitlines(), 1):
        try:
            event = EVENT_ADAPTER.validate_json(line)
        except ValidationError as error:
            raise DataError(
                f"{name}:{number}: no event that this version reads as it was written. Replay it with the version that "
                "recorded it."
            ) from error
        if isinstance(event, InputChunk):
            chunks.append(event)
        else:
            events.append(event)
    return events, chunks


def _difference(recorded: list[Event], again: Again) -> Failure | None:
    """The first decision that is not as it was recorded."""
    for number, (was, (at_ms, now)) in enumerate(zip(recorded, again.events, strict=False)):
        if _bytes(was) != _bytes(now):
            return Failure(number, at_ms - again.first_ms, _bytes(was), _bytes(now))
    more = len(again.events) - len(recorded)
    at_ms = again.last_ms - again.first_ms
    if more > 0:
        return Failure(len(recorded), at_ms, "no more decisions", _bytes(again.events[len(recorded)][1]))
    ended = any(isinstance(event, SessionClosed) for event in recorded)
    if more < 0 and ended:
        return Failure(len(again.events), at_ms, _bytes(recorded[len(again.events)]), "no more decisions")
    return None


def _sends_differ(asked: Replay, again: Again) -> Failure | None:
    if (asked.sends, asked.sends_sha256) == (again.sends, again.sends_sha256):
        return None
    return Failure(
        None, again.last_ms - again.first_ms,
        f"what was to be sent to be the same: {asked.sends} messages, SHA-256 {asked.sends_sha256}",
        f"{again.sends} messages, SHA-256 {again.sends_sha256}",
    )  # fmt: skip


def _bytes(event: Event) -> str:
    """An event as it is journalled, but for what the journal itself writes into it."""
    if isinstance(event, SessionClosed):
        event = event.model_copy(update={"entries": None})
    return event.model_dump_json()


def _words(event: Event) -> str:
    details = [
        str(getattr(event, name)) for name in ("zone", "source", "alarm", "because", "outcome") if hasattr(event, name)
    ]
    return event.type.replace("_", " ") + (f" ({', '.join(details)})" if details else "")


def _facts(chunks: list[InputChunk]) -> Iterator[str]:
    for given, _ in replayed(chunks[:1]):
        if isinstance(given, LinkUp):
            yield f"pen {given.facts.model}, firmware {given.facts.firmware}"
        if isinstance(given, Prepare):
            yield f"{given.plan.operator}, {given.plan.protocol}, skin {given.plan.skin}"


def _text(name: str, session: str, replay: Replay, chunks: list[InputChunk], without: int) -> str:
    inputs = sum(len(chunk.kinds) for chunk in chunks)
    lines = [
        "# A recorded session. Its inputs lie in the file beside this one; every decision is made of them once more",
        "# and compared with the record, bit for bit. What was sent to the pen is not in a record: its digest is of",
        "# when this file was made.",
        f"# {'; '.join(_facts(chunks))}; {inputs} inputs.",
    ]
    if without > 0:
        lines.append(f"# The session was cut off: {without} decisions at its end have no inputs and are not replayed.")
    lines += [
        f"format: {FORMAT}",
        f"name: {name}",
        f"title: {json.dumps(f'The recorded session {session}, decided once more')}",
        "hazards: []",
        "replay:",
    ]
    lines += [f"  {key}: {json.dumps(value)}" for key, value in replay.model_dump().items()]
    return "\n".join(lines) + "\n"
