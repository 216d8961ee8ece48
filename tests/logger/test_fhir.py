"""A session as a FHIR bundle: valid by models that are not ours, whole by rules they do not know, always the same."""

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.codesystem import CodeSystem
from jsonschema import Draft6Validator
from pydantic import ValidationError

from controller.events import (
    ApprovalGiven,
    ApprovalUsed,
    CartridgeSnapshot,
    ClockStepped,
    Event,
    PenArmed,
    RecordAmended,
    SessionClosed,
    SessionSigned,
)
from logger.errors import ExportError, RecordNotFound
from logger.export.fhir import session_bundle
from logger.export.fhir_checks import problems
from logger.export.fhir_codes import CODES, Coded, Coding, code_system
from logger.export.fhir_file import check, rendered, write_bundle
from logger.journal.entry import Entry
from tests.logger.test_records import CALIBRATION, CARTRIDGE, MHZ, UM, journalled, treatment

ROOT = Path(__file__).resolve().parents[2]
Json = dict[str, Any]
OURS = Coded("https://clinic.example/needlework")


def full() -> list[tuple[int, Event]]:
    """A treatment in which everything a bundle can hold happens."""
    events = treatment()
    scanned = CartridgeSnapshot.model_validate(
        {**CARTRIDGE.model_dump(), "gtin": "09521234000129", "scanned": True, "serial": "C0001", "lot": "L2407A"}
    )
    armed = PenArmed(
        lease=10, depth_ceiling_um=UM(1000), rate_ceiling_mhz=MHZ(120_000), cartridge=scanned, calibration=CALIBRATION
    )
    return [
        *events[:-1],
        (1760, armed),
        (1761, ApprovalGiven(approval="a-1", by="dr-1", zones=("cheek",), depth_max_um=UM(1500))),
        (
            1762,
            ApprovalUsed(approval="a-1", zone="cheek", scope_um=UM(500), depth_commanded_um=UM(1200)),
        ),
        (1763, ClockStepped(by_ms=-60_000)),
        (1800, SessionClosed(outcome="completed", reason="finished", doses=())),
        (1900, SessionSigned(by="op-2", role="aesthetician", meaning="performed")),
        (2000, SessionSigned(by="dr-1", role="physician", meaning="reviewed")),
        (
            2100,
            RecordAmended(
                session="s-1",
                aspect="aftercare",
                reason="left_out",
                amends_sequence=1,
                amends_hash="00" * 32,
                by="dr-1",
                role="physician",
                text_sha256="ab" * 32,
            ),
        ),
        (2200, SessionSigned(by="dr-1", role="physician", meaning="approved")),
    ]


@pytest.fixture
def bundle() -> Json:
    return session_bundle(journalled(full()), OURS)


def of(bundle: Json, kind: str) -> list[Json]:
    return [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind]


def test_it_is_valid_and_complete(bundle: Json) -> None:
    check(bundle)
    assert Counter(entry["resource"]["resourceType"] for entry in bundle["entry"]) == {
        "Patient": 1,
        "Practitioner": 2,
        "Device": 4,
        "DeviceMetric": 2,
        "Procedure": 1,
        "Observation": 2,
        "Provenance": 4,
        "AuditEvent": 10,
    }


@pytest.fixture(scope="module")
def official() -> Draft6Validator:
    """HL7's own schema of FHIR R4, 4.0."""
    path = (
        ROOT / "build" / "official" / "node_modules" / "@asymmetrik" / "fhir-json-schema-validator" / "fhir.schema.json"
    )
    assert path.is_file(), "HL7's schema is not here: `make setup` fetches it"
    schema = json.loads(path.read_text(encoding="utf-8"))
    assert schema["id"] == "http://hl7.org/fhir/json-schema/4.0"
    return Draft6Validator({"$ref": "#/definitions/Bundle", "definitions": schema["definitions"]})


def by_hl7(official: Draft6Validator, bundle: Json) -> list[str]:
    """What HL7's schema has against a bundle and each resource in it, by the resource's own definition."""
    found = [error.message for error in official.iter_errors({**bundle, "entry": []})]
    for entry in bundle["entry"]:
        kind = entry["resource"]["resourceType"]
        one = official.evolve(schema={"$ref": f"#/definitions/{kind}", "definitions": official.schema["definitions"]})
        found += [f"{kind}{error.json_path}: {error.message}" for error in one.iter_errors(entry["resource"])]
    return found


def test_it_is_r4_by_hl7s_own_schema(official: Draft6Validator, bundle: Json) -> None:
    assert by_hl7(official, bundle) == []
    assert official.is_valid(bundle)
    of(bundle, "Procedure")[0]["performed"] = "today"  # R4 says performedPeriod, performedDateTime …
    of(bundle, "Device")[0]["status"] = 7
    assert {line.partition("$")[0] for line in by_hl7(official, bundle)} == {"Procedure", "Device"}


def test_the_code_system_is_r4_too(official: Draft6Validator) -> None:
    definitions = official.schema["definitions"]
    made = code_system()
    one = official.evolve(schema={"$ref": "#/definitions/CodeSystem", "definitions": definitions})
    assert list(one.iter_errors(made)) == []


def test_every_beginning_of_a_session_makes_a_valid_bundle() -> None:
    """A session may be exported while it is open, and whatever broke it off."""
    events = full()
    for count in range(2, len(events) + 1):
        check(session_bundle(journalled(events[:count]), OURS))


def test_twice_is_the_same_bytes_and_another_namespace_other_names(tmp_path: Path) -> None:
    first, second = tmp_path / "1.json", tmp_path / "2.json"
    for path in (first, second):
        write_bundle(session_bundle(journalled(full()), OURS), path, force=False)
    assert first.read_bytes() == second.read_bytes()
    assert first.stat().st_mode & 0o777 == 0o600
    other = session_bundle(journalled(full()), Coded("https://other.example/"))
    names = {entry["fullUrl"] for entry in json.loads(first.read_text())["entry"]}
    assert names.isdisjoint(entry["fullUrl"] for entry in other["entry"])


def test_the_procedure_and_whose_it_is(bundle: Json) -> None:
    (procedure,), (patient,) = of(bundle, "Procedure"), of(bundle, "Patient")
    assert procedure["status"] == "completed"
    assert procedure["performedPeriod"] == {"start": "1970-01-01T00:00:00.000Z", "end": "1970-01-01T00:00:01.800Z"}
    assert [site["text"] for site in procedure["bodySite"]] == ["cheek", "forehead"]
    assert patient == {
        "resourceType": "Patient",
        "identifier": [{"system": "https://clinic.example/needlework/pseudonym", "value": "p-7f3a"}],
    }
    assert any("Amendments to the record: 1" in note["text"] for note in procedure["note"])
    (alarm,) = (note for note in procedure["note"] if "time" in note)
    assert alarm["text"] == "Alarm stall, HIGH: The motor stalled."
    assert "complication" not in procedure  # an alarm is none, and nobody recorded one


def test_what_a_zone_got_in_ucum(bundle: Json) -> None:
    cheek, forehead = of(bundle, "Observation")
    values = {part["code"]["coding"][0]["code"]: part for part in cheek["component"]}
    quantity = values["depth-measured-p95"]["valueQuantity"]
    assert quantity == {"value": 0.58, "unit": "mm", "system": "http://unitsofmeasure.org", "code": "mm"}
    assert values["rate-set-p50"]["valueQuantity"]["value"] == 100
    assert values["duration-treated"]["valueQuantity"] | {"system": ""} == {
        "value": 1.0, "unit": "s", "system": "", "code": "s",
    }  # fmt: skip
    assert values["punctures"]["valueQuantity"]["value"] == 1200
    values = {part["code"]["coding"][0]["code"]: part for part in forehead["component"]}
    assert values["rate-measured-p50"]["dataAbsentReason"]["coding"][0]["code"] == "not-performed"
    assert "valueQuantity" not in values["rate-measured-p50"]  # not measured, and so not the setpoint either


def test_cartridge_and_calibration(bundle: Json) -> None:
    (cartridge,) = (device for device in of(bundle, "Device") if "udiCarrier" in device)
    assert cartridge["udiCarrier"][0]["carrierHRF"] == "(01)09521234000129(17)270131(10)L2407A(21)C0001"
    assert (cartridge["lotNumber"], cartridge["expirationDate"]) == ("L2407A", "2027-01-31")
    depth, _ = of(bundle, "DeviceMetric")
    assert depth["calibration"] == [{"type": "unspecified", "state": "calibrated", "time": "2026-01-01T00:00:00Z"}]


def test_who_signed_as_what_and_by_what_it_is_proven(bundle: Json) -> None:
    record, performed, reviewed, approved = of(bundle, "Provenance")
    assert record["entity"][0]["what"]["identifier"]["value"].startswith("room-1/26/")
    assert [one["signature"][0]["type"][0]["display"] for one in (performed, reviewed, approved)] == [
        "Author's Signature",
        "Review Signature",
        "Validation Signature",
    ]
    assert reviewed["agent"][0]["role"] == [{"text": "physician"}]
    refused = [event for event in of(bundle, "AuditEvent") if event["outcome"] == "4"]
    assert [event["outcomeDesc"] for event in refused] == ["The forehead ends at 0.50 mm."]


def test_sent_again_it_does_not_double_what_it_names(bundle: Json) -> None:
    for entry in bundle["entry"]:
        request, kind = entry["request"], entry["resource"]["resourceType"]
        if kind in {"Procedure", "Observation"}:
            assert request["method"] == "PUT"
            assert unquote(request["url"]).startswith(f"{kind}?identifier=https://clinic.example/needlework/")
        elif kind not in {"Provenance", "AuditEvent"}:  # R4 gives these no identifier
            assert "|" in unquote(request["ifNoneExist"])


def test_the_clinics_own_code_comes_first() -> None:
    coded = Coded(procedure=Coding.parse("http://snomed.info/sct|123|Needling"))
    (procedure,) = of(session_bundle(journalled(full()), coded), "Procedure")
    assert procedure["code"]["coding"][0] == {"system": "http://snomed.info/sct", "code": "123", "display": "Needling"}
    assert procedure["code"]["coding"][1]["code"] == "microneedling"


@pytest.mark.parametrize("text", ["", "123", "sct|123", "http://snomed.info/sct|", "http://snomed.info/sct| 1"])
def test_a_code_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ExportError, match="no code for the procedure"):
        Coding.parse(text)


def test_a_namespace_that_is_none_is_refused() -> None:
    with pytest.raises(ExportError, match="fhir_namespace"):
        Coded("clinic")


def test_a_clock_set_back_gives_no_period_that_ends_before_it_starts() -> None:
    entries = journalled(full())
    back = [Entry(**{**entry._asdict(), "utc_us": 0 if entry.type == "session_closed" else 5_000_000 + entry.utc_us})
            for entry in entries]  # fmt: skip
    bundle = session_bundle(back, OURS)
    check(bundle)
    assert "end" not in of(bundle, "Procedure")[0]["performedPeriod"]


def test_a_session_whose_beginning_cannot_be_read_is_refused() -> None:
    with pytest.raises(ExportError, match="nobody can tell whose it"):
        session_bundle(journalled(full()[2:]), OURS)
    with pytest.raises(RecordNotFound):
        session_bundle([], OURS)


Spoil = Callable[[Json], object]


@pytest.mark.parametrize(
    ("rule", "spoil"),
    [
        ("bdl-1", lambda made: made.update(total=3)),
        ("bdl-2", lambda made: made["entry"][0].update(search={"mode": "match"})),
        ("bdl-3", lambda made: made["entry"][0].pop("request")),
        ("bdl-4", lambda made: made["entry"][0].update(response={"status": "200"})),
        ("bdl-7", lambda made: made["entry"].append(made["entry"][0])),
        ("bdl-8", lambda made: made["entry"][0].update(fullUrl="https://clinic.example/Patient/1")),
        ("ref", lambda made: of(made, "Procedure")[0]["subject"].update(reference=f"urn:uuid:{'0' * 8}-0")),
        ("ref", lambda made: of(made, "Procedure")[0]["subject"].update(type="Device")),
        ("ele-1", lambda made: of(made, "Patient")[0]["identifier"][0].update(value=" p-1")),
        ("per-1", lambda made: of(made, "Procedure")[0]["performedPeriod"].update(start="2030-01-01T00:00:00.000Z")),
        ("qty-3", lambda made: of(made, "Observation")[0]["component"][0]["valueQuantity"].pop("system")),
        ("obs-6", lambda made: of(made, "Observation")[0]["component"][0].update(dataAbsentReason={"text": "none"})),
        ("R4's codes", lambda made: of(made, "Procedure")[0].update(status="done")),
        ("R4's codes", lambda made: of(made, "AuditEvent")[0].update(outcome="1")),
        ("sent to", lambda made: made["entry"][0]["request"].update(url="Observation")),
    ],
)  # fmt: skip
def test_each_rule_is_held(bundle: Json, rule: str, spoil: Spoil) -> None:
    assert problems(bundle) == []
    spoil(bundle)
    assert any(rule in line for line in problems(bundle))


def test_what_the_models_refuse_is_not_written(bundle: Json, tmp_path: Path) -> None:
    spoiled = deepcopy(bundle)
    del of(spoiled, "Procedure")[0]["subject"]
    with pytest.raises(ValidationError):
        Bundle.model_validate(spoiled)
    with pytest.raises(ExportError, match="no valid FHIR"):
        write_bundle(spoiled, tmp_path / "b.json", force=False)
    assert list(tmp_path.iterdir()) == []


def test_the_models_read_what_was_written(bundle: Json) -> None:
    """What they make of it and write is what was there: no field is one they do not know."""
    read = Bundle.model_validate_json(rendered(bundle))
    shorter = re.sub(
        r"(\.\d{3})000Z|(:\d\d)Z", lambda found: f"{found[1] or found[2] + '.000'}Z", read.model_dump_json()
    )
    assert json.loads(shorter) == json.loads(rendered(bundle).replace(b"T00:00:00Z", b"T00:00:00.000Z"))


def test_the_code_system_has_every_code_that_is_used(bundle: Json) -> None:
    made = code_system()
    CodeSystem.model_validate(made)
    text = rendered(bundle).decode()
    used = {code for code in CODES if f'"code": "{code}"' in text}
    assert used == set(CODES)


def test_without_fhir_resources_it_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['fhir.resources.R4B.bundle'] = None\n"
        "from logger.export.fhir_file import check\n"
        "check({})\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert 'pip install "needlework[fhir]"' in done.stderr
