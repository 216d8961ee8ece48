"""The contract with whoever reads the record or listens on the bus: described by the official rules, and kept."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any, Literal

import pytest
from generator.asyncapi import document
from generator.contract import (
    broken_promises,
    changes,
    event_models,
    make_schemas,
    read_published,
    rendered,
    schemas,
    tidied,
    unreadable,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator, Draft202012Validator
from jsonschema.validators import validator_for
from pydantic import create_model

from controller.events import EventBase, Refused, SessionSigned, Stopped
from logger.bus.messages import BatchMessage, LiveMessage, LivePen
from logger.journal.reading import UPGRADES
from tests.logger.making import chain

ROOT = Path(__file__).resolve().parents[2]
SPECS = ROOT / "build" / "official" / "node_modules" / "@asyncapi" / "specs"
REFUSED, SIGNED = "events/refused.v1.json", "events/session_signed.v2.json"

Json = dict[str, Any]


@pytest.fixture(scope="module")
def official() -> Draft7Validator:
    """AsyncAPI's own schema of its version 3.0.0, as its makers publish it."""
    path = SPECS / "schemas" / "3.0.0-without-$id.json"
    assert path.is_file(), "AsyncAPI's schema is not here: `make setup` fetches it"
    schema = json.loads(path.read_text(encoding="utf-8"))
    assert validator_for(schema) is Draft7Validator
    return Draft7Validator(schema)


def told(validator: Draft7Validator, instance: Json) -> list[str]:
    return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(instance)]


def test_the_document_is_what_asyncapi_asks_for(official: Draft7Validator) -> None:
    assert told(official, json.loads((ROOT / "docs" / "asyncapi.json").read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda made: made.pop("info"),
        lambda made: made["operations"]["sendLive"].update(action="publish"),
        lambda made: made["channels"]["live"].update(adress="needlework"),
        lambda made: made["operations"]["sendLive"]["bindings"]["mqtt"].update(qos=3),
        lambda made: made["components"]["schemas"]["StatusMessage"].update(type="text"),
    ],
)
def test_the_official_schema_refuses_a_spoiled_document(official: Draft7Validator, spoil: Any) -> None:
    made = document()
    spoil(made)
    assert told(official, made)


def test_every_reference_of_the_document_leads_somewhere() -> None:
    made = document()
    found = 0

    def walk(node: object) -> None:
        nonlocal found
        if isinstance(node, dict):
            if isinstance(reference := node.get("$ref"), str):
                found += 1
                place: Any = made
                for name in reference.removeprefix("#/").split("/"):
                    place = place[name]
            for inner in node.values():
                walk(inner)
        elif isinstance(node, list):
            for inner in node:
                walk(inner)

    walk(made)
    assert found > 60


def test_what_is_sent_is_what_the_schemas_say() -> None:
    """Payloads and a body as the product makes them, by the published schemas; and one that is not."""
    published = read_published(ROOT)
    entries = chain(3)
    batch = json.loads(BatchMessage.of(entries).payload())
    by = {name: Draft202012Validator(schema) for name, schema in published.items()}
    by["messages/journal.v1.json"].validate(batch)
    by[REFUSED].validate(json.loads(batch["entries"][0]["body"]))
    none = dict.fromkeys(name for name in LivePen.model_fields if name not in {"pen", "state", "alarms"})
    live = LiveMessage(utc_us=1, pens=(LivePen(pen="pen-1", state="idle", alarms=0, **none),))
    by["messages/live.v1.json"].validate(json.loads(live.payload()))
    del batch["entries"][0]["hash"]
    assert not by["messages/journal.v1.json"].is_valid(batch)


@pytest.mark.parametrize("model", event_models(), ids=lambda model: model.model_fields["type"].default)
@settings(max_examples=5)
@given(data=st.data())
def test_whatever_is_journalled_is_as_its_schema_says(model: type[EventBase], data: st.DataObject) -> None:
    """Events with any values, by the published schema; and by the same, without their type, refused."""
    event = json.loads(data.draw(st.builds(model)).model_dump_json())
    name = f"events/{event['type']}.v{event['version']}.json"
    validator = Draft202012Validator(json.loads((ROOT / "docs" / "schemas" / name).read_text(encoding="utf-8")))
    validator.validate(event)
    assert not validator.is_valid({**event, "type": "hologram"})
    assert not validator.is_valid({**event, "name": "somebody"})


def test_all_schemas_are_schemas_and_published() -> None:
    published = read_published(ROOT)
    assert set(schemas()) <= set(published)
    assert len(published) >= len(event_models()) + 5
    for schema in published.values():
        Draft202012Validator.check_schema(schema)


def of(model: type[EventBase]) -> Json:
    return tidied(model.model_json_schema())


def derived(base: type[EventBase], **fields: Any) -> Json:
    """The schema of a model that is ``base`` but for some fields: the same model, changed in memory."""
    return of(create_model(base.__name__, __base__=base, __doc__=base.__doc__, **fields))


def test_a_published_field_that_changes_is_named() -> None:
    published = {REFUSED: of(Refused)}
    changed = {REFUSED: derived(Refused, because=(int, ...))}
    assert broken_promises(published, published) == []
    assert broken_promises(changed, published) == [f'{REFUSED}: .because: type was "string" and is "integer"']


def test_what_else_may_not_change() -> None:
    before = of(Refused)
    assert changes(before, derived(Refused, heard=(str, ...))) == [".heard is new and required"]
    assert changes(before, derived(Refused, sentence=(str, ""))) == [
        ".sentence is no longer required",
        '.sentence: default was null and is ""',
    ]
    gone = deepcopy(before)
    del gone["properties"]["asked"]
    gone["required"].remove("asked")
    assert changes(before, gone) == [".asked is gone"]
    wider = derived(SessionSigned, meaning=(Literal["performed", "reviewed", "approved", "witnessed"], ...))
    (line,) = changes(of(SessionSigned), wider)
    assert line.startswith(".meaning: enum was")


def test_a_change_inside_a_part_is_found_where_it_is_used() -> None:
    before = next(schema for name, schema in schemas().items() if name.startswith("events/pen_armed."))
    after = deepcopy(before)
    after["$defs"]["CartridgeSnapshot"]["properties"]["lot"] = {"type": "integer"}
    assert changes(before, after) == ['.cartridge.lot: type was "string" and is "integer"']


def test_an_optional_field_may_come_and_words_may_be_put_better() -> None:
    assert changes(of(Stopped), derived(Stopped, hand=(str, "not told"))) == []
    reworded = {**of(Stopped), "description": "Better said."}
    assert changes(of(Stopped), reworded) == []


def test_a_new_version_needs_a_reader_of_the_old_one() -> None:
    today = schemas()
    today["events/refused.v2.json"] = today.pop(REFUSED)
    published = read_published(ROOT)
    (line,) = unreadable(today, published, UPGRADES)
    assert line == f"{REFUSED}: logger/journal/reading.py has no step from this version to the next"
    assert unreadable(today, published, {**UPGRADES, ("refused", 1): dict}) == []
    del today["events/refused.v2.json"]
    assert "nothing of that name" in unreadable(today, published)[0]


def test_a_broken_promise_stops_the_generator_before_it_writes(tmp_path: Path) -> None:
    """The golden file is the published schema itself; it is held against the models, never silently written over."""
    for name, schema in read_published(ROOT).items():
        path = tmp_path / "docs" / "schemas" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(rendered(schema), encoding="utf-8")
    assert make_schemas(tmp_path)
    signed = tmp_path / "docs" / "schemas" / SIGNED
    signed.write_text(signed.read_text(encoding="utf-8").replace('"by"', '"signed_by"'), encoding="utf-8")
    with pytest.raises(ValueError, match=r"session_signed\.v2\.json: \.signed_by is gone"):
        make_schemas(tmp_path)
