"""``docs/schemas/``: the JSON Schema of every event, message and certificate, a file for each version ever published.

A published version is a promise to whoever reads a record or listens on the bus. So the files are what new models are
held against, and this tool writes over one of them only where the promise is kept:

- An optional field, one with a default, may be added to a version.
- Nothing else may change: no field's name, type, range, permitted values or default, none may go, none may become
  required or cease to be. That wants a new version of the event, and a step in ``logger/journal/reading.py`` that reads
  the old one. The file of the old version stays.
- Words (titles and descriptions) may be put better at any time.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from controller.events import Event, EventBase, Record
from logger.bus.messages import AlarmsMessage, BatchMessage, LiveMessage, Message, ReceiptMessage, StatusMessage
from logger.certificate.document import FORMAT, Body, Private
from logger.journal.reading import UPGRADES, Upgrade

Json = dict[str, Any]
SCHEMAS = Path("docs") / "schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
MESSAGES: Mapping[str, type[Message]] = {
    "status": StatusMessage,
    "journal": BatchMessage,
    "receipt": ReceiptMessage,
    "alarms": AlarmsMessage,
    "live": LiveMessage,
}
"""The message of each topic, by the topic's last level."""

_WORDS = frozenset({"title", "description", "examples"})
_NAMES = frozenset({"properties", "$defs"})
"""Keys whose value maps names, which are no keywords, to schemas."""


def event_models() -> tuple[type[EventBase], ...]:
    """Every event the product writes, in the order of ``controller/events.py``."""
    models: tuple[type[EventBase], ...] = get_args(get_args(Event)[0])
    return models


def version_of(model: type[EventBase] | type[Message]) -> int:
    """The version a model describes."""
    version: int = model.model_fields["version"].default
    return version


def schemas() -> dict[str, Json]:
    """Every schema of today, by its path under ``docs/schemas``."""
    found = {}
    for event in event_models():
        name = event.model_fields["type"].default
        found[f"events/{name}.v{version_of(event)}.json"] = _schema(event)
    for leaf, message in MESSAGES.items():
        found[f"messages/{leaf}.v{version_of(message)}.json"] = _schema(message)
    for part, model in (("body", Body), ("private", Private)):
        found[f"certificates/{part}.v{FORMAT.rpartition('/')[2]}.json"] = _schema(model)
    return found


def _schema(model: type[Record] | type[Message]) -> Json:
    return {"$schema": DIALECT, **tidied(model.model_json_schema())}


def tidied(schema: Json) -> Json:
    """A schema without the titles that only repeat a field's name."""
    return {
        key: {name: tidied(inner) for name, inner in value.items()}
        if key in _NAMES
        else tidied(value)
        if isinstance(value, dict)
        else [tidied(one) if isinstance(one, dict) else one for one in value]
        if isinstance(value, list)
        else value
        for key, value in schema.items()
        if key != "title"
    }


def rendered(schema: Json) -> str:
    """A schema as its file's text."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def broken_promises(today: Mapping[str, Json], published: Mapping[str, Json]) -> list[str]:
    """One line for each difference between a published version and what the models make of the same version now."""
    return [
        f"{name}: {line}"
        for name, schema in sorted(published.items())
        if name in today
        for line in changes(schema, today[name])
    ]


def unreadable(
    today: Mapping[str, Json], published: Mapping[str, Json], upgrades: Mapping[tuple[str, int], Upgrade] = UPGRADES
) -> list[str]:
    """One line for each published version that nothing reads any more."""
    lines = []
    for name in sorted(set(published) - set(today)):
        folder, _, rest = name.partition("/")
        type_, version = rest.removesuffix(".json").rsplit(".v", 1)
        newer = any(other.startswith(f"{folder}/{type_}.v") for other in today)
        if not newer:
            lines.append(f"{name}: it was published and nothing of that name is there any more")
        elif folder == "events" and (type_, int(version)) not in upgrades:
            lines.append(f"{name}: logger/journal/reading.py has no step from this version to the next")
        elif folder != "events":
            lines.append(
                f"{name}: logger/bus/messages.py does not read this version any more, which stations still send"
            )
    return lines


def changes(published: Json, today: Json) -> list[str]:
    """What of ``published`` does not hold in ``today``, a line each, by the rule above; both are whole schemas."""
    return list(_changes(published, today, published, today, ""))


def _changes(before: Json, after: Json, old: Json, new: Json, where: str) -> Iterator[str]:
    """``old`` and ``new`` are the whole schemas, where references lead."""
    before, after = _resolved(before, old), _resolved(after, new)
    here = where or "the whole"
    optional_now = set(after.get("properties", {})) - set(after.get("required", ()))
    for key in sorted((set(before) | set(after)) - _WORDS - {"$defs", "properties", "required", "$schema"}):
        yield from _keyword(before.get(key), after.get(key), old, new, f"{here}: {key}")
    known, properties = before.get("properties", {}), after.get("properties", {})
    for name in known:
        if name not in properties:
            yield f"{where}.{name} is gone"
            continue
        if (name in before.get("required", ())) != (name in after.get("required", ())):
            yield f"{where}.{name} is {'no longer' if name in optional_now else 'now'} required"
        yield from _changes(known[name], properties[name], old, new, f"{where}.{name}")
    yield from (f"{where}.{name} is new and required" for name in properties if name not in {*known, *optional_now})


def _keyword(before: object, after: object, old: Json, new: Json, where: str) -> Iterator[str]:
    """The value of one keyword: a schema, a list of schemas, or plain data."""
    if isinstance(before, dict) and isinstance(after, dict) and not where.endswith(("default", "discriminator")):
        yield from _changes(before, after, old, new, where)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _keyword(one, other, old, new, f"{where}[{number}]")
    elif before != after or type(before) is not type(after):
        yield f"{where} was {json.dumps(before)} and is {json.dumps(after)}"


def _resolved(schema: Json, root: Json) -> Json:
    """A schema without its reference, which leads into ``$defs``."""
    while "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        schema = {**root["$defs"][name], **{key: value for key, value in schema.items() if key != "$ref"}}
    return schema


def read_published(root: Path) -> dict[str, Json]:
    """The schemas that were published, by path under ``docs/schemas``."""
    folder = root / SCHEMAS
    return {
        path.relative_to(folder).as_posix(): json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(folder.rglob("*.v*.json"))
    }


def make_schemas(root: Path) -> dict[str, str]:
    """The text of every schema's file, by path under ``docs/schemas``.

    Raises ValueError, with a line for each, when a published version would change or could not be read any more.
    """
    today, published = schemas(), read_published(root)
    wrong = broken_promises(today, published) + unreadable(today, published)
    if wrong:
        raise ValueError(
            "A published schema is a promise to whoever reads the record. Give the event a new version, and read the "
            "old one in logger/journal/reading.py:\n  " + "\n  ".join(wrong)
        )
    return {name: rendered(schema) for name, schema in today.items()}
