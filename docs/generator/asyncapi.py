"""``docs/asyncapi.json``: what is on the bus, as an AsyncAPI 3 document, made from the tables of topics and models."""

import json
from importlib.metadata import version as installed
from typing import Any

from generator.contract import MESSAGES, event_models, tidied, version_of
from logger.bus.messages import MAX_BATCH_ENTRIES, MAX_PAYLOAD_BYTES
from logger.bus.topics import ROOT, TOPIC_TABLE, TopicRow

Json = dict[str, Any]
JSON_SCHEMA = "application/schema+json;version=draft-07"
"""What AsyncAPI validates payloads as; the schemas here keep to what draft 7 and 2020-12 have in common."""

_ABOUT = (
    "What a Needlework station and its recorder say to each other over MQTT, and to whoever listens. There are no "
    "command topics: nothing received over MQTT can move a motor. Patients are random pseudonyms. Readers ignore "
    "fields they do not know, and keep entries of versions they do not know."
)


def document() -> Json:
    """The document."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Needlework on the bus",
            "version": installed("needlework"),
            "description": _ABOUT,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "clinic": {
                "host": "broker.example:8883",
                "protocol": "secure-mqtt",
                "protocolVersion": "3.1.1",
                "description": "The clinic's broker, by TLS, each station with a password of its own.",
                "security": [{"$ref": "#/components/securitySchemes/password"}],
            },
            "oneMachine": {
                "host": "127.0.0.1:1883",
                "protocol": "mqtt",
                "protocolVersion": "3.1.1",
                "description": "The embedded broker, for this machine alone.",
                "security": [{"$ref": "#/components/securitySchemes/password"}],
            },
        },
        "channels": {row.leaf: _channel(row) for row in TOPIC_TABLE},
        "operations": dict(_operation(row, action) for row in TOPIC_TABLE for action in ("send", "receive")),
        "components": {
            "messages": {row.leaf: _message(row) for row in TOPIC_TABLE},
            "schemas": _schemas(),
            "securitySchemes": {"password": {"type": "userPassword"}},
        },
    }


def _channel(row: TopicRow) -> Json:
    named = "becomes a level of the topic: letters, digits, dots, dashes and underscores, at most 63."
    return {
        "address": f"{ROOT}/{{site}}/{{station}}/{row.leaf}",
        "description": f"Published by the {row.sender}; QoS {row.qos}{', retained' if row.retain else ''}.",
        "messages": {row.leaf: {"$ref": f"#/components/messages/{row.leaf}"}},
        "parameters": {
            "site": {"description": f"The site's name; it {named}"},
            "station": {"description": f"The station's name; it {named}"},
        },
    }


def _operation(row: TopicRow, action: str) -> tuple[str, Json]:
    """``send`` is done by the row's sender, ``receive`` by everybody else."""
    name = f"{action}{row.leaf.capitalize()}"
    binding = {"qos": row.qos, "bindingVersion": "0.2.0"} | ({"retain": row.retain} if action == "send" else {})
    who = f"The {row.sender} sends" if action == "send" else "Others receive"
    return name, {
        "action": action,
        "channel": {"$ref": f"#/channels/{row.leaf}"},
        "summary": f"{who} `{row.leaf}`.",
        "messages": [{"$ref": f"#/channels/{row.leaf}/messages/{row.leaf}"}],
        "bindings": {"mqtt": binding},
    }


def _message(row: TopicRow) -> Json:
    model = MESSAGES[row.leaf]
    return {
        "name": model.__name__,
        "title": f"{model.__name__}, version {version_of(model)}",
        "summary": row.carries,
        "contentType": "application/json",
        "payload": {
            "schemaFormat": JSON_SCHEMA,
            "schema": {"$ref": f"#/components/schemas/{model.__name__}"},
        },
    }


def _schemas() -> Json:
    """The messages' schemas with their parts, and those of the events that entries of a batch carry as text."""
    found: Json = {}
    for model in (*MESSAGES.values(), *event_models()):
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        for name, part in schema.pop("$defs", {}).items():
            found[name] = tidied(part)
        found[model.__name__] = tidied(schema)
    body = found["EntryMessage"]["properties"]["body"]
    body |= {
        "contentMediaType": "application/json",
        "description": "The event's JSON, byte for byte as it was journalled: one of the schema `Event`.",
    }
    found["BatchMessage"]["description"] += f"\n\nAt most {MAX_BATCH_ENTRIES} entries and {MAX_PAYLOAD_BYTES} bytes."
    found["Event"] = {
        "description": "What an entry's `body` holds, told apart by `type`.",
        "oneOf": [{"$ref": f"#/components/schemas/{model.__name__}"} for model in event_models()],
    }
    return dict(sorted(found.items()))


def make_asyncapi() -> str:
    """The text of ``docs/asyncapi.json``."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"
