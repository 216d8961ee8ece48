"""Events of older versions are read as today's; those of newer ones are named, and stay as they came."""

import json
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from controller.events import EventBase, SessionSigned, StopConfirmed, Stopped
from logger.journal.entry import Entry
from logger.journal.reader import JournalReader
from logger.journal.reading import READER, UPGRADES, EventReader, known_versions
from logger.record.records import session_record
from tests.logger.conftest import OpenJournal
from tests.logger.making import closed, opened


class Confirmed3(EventBase):
    """What `stop_confirmed` might be in its third version: where it was seen, and microseconds."""

    durable: ClassVar[bool] = True
    version: Literal[3] = 3  # type: ignore[assignment] # a version replaces the one before it
    type: Literal["stop_confirmed"] = "stop_confirmed"
    after_us: int
    seen_by: Literal["status", "button"]


def seen_by(event: dict[str, Any]) -> dict[str, Any]:
    """From 1 to 2: where it was seen. The first version knew of the status alone."""
    return {**event, "seen_by": "status"}


def in_us(event: dict[str, Any]) -> dict[str, Any]:
    """From 2 to 3: microseconds."""
    after_us = event.pop("after_ms") * 1000
    return {**event, "after_us": after_us}


STEPS = {("stop_confirmed", 1): seen_by, ("stop_confirmed", 2): in_us}
LATER: EventReader = EventReader(
    TypeAdapter(Annotated[Confirmed3 | Stopped, Field(discriminator="type")]),  # type: ignore[arg-type] # a later union
    STEPS,
)


@pytest.fixture
async def journalled(open_journal: OpenJournal, journal_path: Path) -> list[Entry]:
    """A session as today's product journals it, read back from the file."""
    journal = open_journal()
    for event in (opened(), StopConfirmed(after_ms=41), Stopped(source="pen"), closed()):
        journal.emit(event, session="s-1")
    await journal.close()
    reader = JournalReader(journal_path)
    try:
        return list(reader.entries())
    finally:
        reader.close()


def test_an_entry_of_the_first_version_is_read_as_the_third(journalled: list[Entry]) -> None:
    entry = journalled[1]
    assert entry.version == 1
    event = LATER.read(entry.type, entry.version, entry.body)
    assert event == Confirmed3(after_us=41_000, seen_by="status")
    assert entry.computed_hash() == entry.hash  # what was journalled is as it was


def test_an_entry_between_takes_the_steps_that_are_left() -> None:
    body = json.dumps({"type": "stop_confirmed", "version": 2, "after_ms": 7, "seen_by": "button"}).encode()
    assert LATER.read("stop_confirmed", 2, body) == Confirmed3(after_us=7000, seen_by="button")


def test_a_version_of_today_takes_no_step(journalled: list[Entry]) -> None:
    entry = journalled[2]
    assert LATER.read(entry.type, entry.version, entry.body) == Stopped(source="pen")
    assert READER.read(entry.type, entry.version, entry.body) == Stopped(source="pen")


@pytest.mark.parametrize("body", [b"{", b"[]", b"7", b'{"type":"stop_confirmed","version":1}'])
def test_what_is_not_as_its_version_says_is_refused(body: bytes) -> None:
    with pytest.raises(ValidationError):
        LATER.read("stop_confirmed", 1, body)


def test_a_newer_version_is_named_in_the_record_and_stays(journalled: list[Entry]) -> None:
    newer = Confirmed3(after_us=41_000, seen_by="status").model_dump_json().encode()
    changed = journalled[1]._replace(version=3, body=newer)
    record = session_record([journalled[0], changed, *journalled[2:]])
    assert record.unread == 1
    assert record.entries == 4
    (item,) = (item for item in record.timeline if item.what == "not read")
    assert item.detail == "stop_confirmed, version 3: kept as it was journalled"


async def test_a_signature_of_the_first_version_is_read_from_a_journal(
    open_journal: OpenJournal, journal_path: Path
) -> None:
    """As it was published and journalled before signatures said what they cover."""
    journal = open_journal()
    journal.emit(opened(), session="s-1")
    journal.emit(SessionSigned(by="op-2", role="physician", meaning="reviewed"), session="s-1")
    await journal.close()
    reader = JournalReader(journal_path)
    try:
        first, today = reader.entries()
    finally:
        reader.close()
    assert today.version == known_versions()["session_signed"] > 1
    body = b'{"version":1,"type":"session_signed","by":"op-2","role":"physician","meaning":"reviewed"}'
    older = today._replace(version=1, body=body)
    record = session_record([first, older])
    (signature,) = record.signatures
    assert (signature.by, signature.meaning, signature.covers) == ("op-2", "reviewed", "unknown")
    assert record.unread == 0


def test_every_step_leads_towards_what_is_written_today() -> None:
    known = known_versions()
    assert len(known) > 30
    for type_, version in UPGRADES:
        assert version < known[type_]
