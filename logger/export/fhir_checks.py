"""Rules of FHIR R4 that models of single elements cannot hold: across a bundle, and between elements.

The names are the specification's own (bdl, ref, obs, per, qty). Pure.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from uuid import UUID

from logger.export.fhir_codes import Json

URN: Final = "urn:uuid:"
CODES: Final[Mapping[tuple[str, str], frozenset[str]]] = {
    ("Bundle.entry.request", "method"): frozenset({"POST", "PUT"}),
    ("Procedure", "status"): frozenset(
        {
            "preparation",
            "in-progress",
            "not-done",
            "on-hold",
            "stopped",
            "completed",
            "entered-in-error",
            "unknown",
        }
    ),
    ("Observation", "status"): frozenset({"registered", "preliminary", "final", "amended", "corrected", "cancelled"}),
    ("Device.deviceName", "type"): frozenset(
        {"udi-label-name", "user-friendly-name", "patient-reported-name", "manufacturer-name", "model-name", "other"}
    ),
    ("Device.udiCarrier", "entryType"): frozenset({"barcode", "rfid", "manual", "card", "self-reported", "unknown"}),
    ("DeviceMetric", "category"): frozenset({"measurement", "setting", "calculation", "unspecified"}),
    ("DeviceMetric.calibration", "type"): frozenset({"unspecified", "offset", "gain", "two-point"}),
    ("DeviceMetric.calibration", "state"): frozenset(
        {"not-calibrated", "calibration-required", "calibrated", "unspecified"}
    ),
    ("Provenance.entity", "role"): frozenset({"derivation", "revision", "quotation", "source", "removal"}),
    ("AuditEvent", "action"): frozenset("CRUDE"),
    ("AuditEvent", "outcome"): frozenset({"0", "4", "8", "12"}),
}
"""Where R4 binds an element that is used to codes and permits no other: fhir.resources lets any word pass."""


def problems(bundle: Json) -> list[str]:
    """A line for each rule that does not hold; empty when all do."""
    return [
        *_bundle(bundle),
        *_references(bundle),
        *_elements(bundle, "Bundle"),
        *_observations(bundle),
        *_bound(bundle),
    ]


def _bundle(bundle: Json) -> Iterator[str]:
    entries = bundle.get("entry", [])
    urls = [entry.get("fullUrl", "") for entry in entries]
    if bundle.get("type") != "transaction" or not entries:
        yield "Bundle is no transaction with something in it"
    if "total" in bundle:
        yield "bdl-1: a transaction has no total"
    for number, entry in enumerate(entries):
        if "search" in entry:
            yield f"bdl-2: entry {number} of a transaction has a search"
        if "request" not in entry:
            yield f"bdl-3: entry {number} of a transaction has no request"
        elif entry["request"].get("url", "").partition("?")[0] != entry.get("resource", {}).get("resourceType"):
            yield f"entry {number} is sent to {entry['request'].get('url')} and is none"
        if "response" in entry:
            yield f"bdl-4: entry {number} of a transaction has a response"
        if "resource" not in entry:
            yield f"bdl-5: entry {number} has no resource"
        if not _is_urn(urls[number]):
            yield f"bdl-8: entry {number} has no urn:uuid as its full URL"
    if len(set(urls)) != len(urls):
        yield "bdl-7: two entries have one full URL"


def _is_urn(url: str) -> bool:
    try:
        return url == f"{URN}{UUID(url.removeprefix(URN))}"
    except ValueError:
        return False


def _references(bundle: Json) -> Iterator[str]:
    kinds = {entry.get("fullUrl"): entry.get("resource", {}).get("resourceType") for entry in bundle.get("entry", [])}
    for where, node in _nodes(bundle, "Bundle"):
        if isinstance(target := node.get("reference"), str):
            if target not in kinds:
                yield f"ref: {where} leads to {target}, which is not in the bundle"
            elif node.get("type") not in {None, kinds[target]}:
                yield f"ref: {where} says {node['type']} and leads to a {kinds[target]}"


def _elements(bundle: Json, top: str) -> Iterator[str]:
    for where, node in _nodes(bundle, top):
        if not node:
            yield f"ele-1: {where} is empty"
        for key, value in node.items():
            if value is None or value in ("", []) or (isinstance(value, str) and value != value.strip()):
                yield f"ele-1: {where}.{key} has no value, or blanks around it"
        if "start" in node and "end" in node and node["start"] > node["end"]:
            yield f"per-1: {where} ends before it starts"
        if "code" in node and "value" in node and "system" not in node:
            yield f"qty-3: {where} has a code of no system"


def _observations(bundle: Json) -> Iterator[str]:
    for where, node in _nodes(bundle, "Bundle"):
        has_value = any(key.startswith("value") for key in node)
        if "dataAbsentReason" in node and has_value:
            yield f"obs-6: {where} has a value and a reason why it has none"
        if node.get("resourceType") == "Observation" and has_value:
            code = node.get("code")
            if any(part.get("code") == code for part in node.get("component", [])):
                yield f"obs-7: {where} has a component with its own code, and a value"


def _bound(bundle: Json) -> Iterator[str]:
    for where, node in _nodes(bundle, "Bundle"):
        place = _of_resource(where, bundle)
        for (path, key), permitted in CODES.items():
            if path == place and key in node and node[key] not in permitted:
                yield f"{where}.{key} is {node[key]!r}, which is none of R4's codes"


def _of_resource(where: str, bundle: Json) -> str:
    """A place as the specification names it: from its resource on, without numbers."""
    plain = re.sub(r"\[\d+\]", "", where)
    found = re.match(r"Bundle\.entry\[(\d+)\]\.resource", where)
    if found is None:
        return plain
    kind = bundle["entry"][int(found[1])]["resource"].get("resourceType", "")
    return plain.replace("Bundle.entry.resource", kind, 1)


def _nodes(node: Any, where: str) -> Iterator[tuple[str, Json]]:
    """Every object in a bundle, with where it is."""
    if isinstance(node, dict):
        yield where, node
        for key, value in node.items():
            yield from _nodes(value, f"{where}.{key}")
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from _nodes(value, f"{where}[{number}]")
