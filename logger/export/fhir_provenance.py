"""Whose word a FHIR bundle is: who treated, what recorded it, who signed, and by what it can be proven."""

from logger.export.fhir_codes import ASTM, ENTITY_ROLE_SOURCE, PARTICIPANT, SIGNATURES, Json
from logger.export.fhir_parts import Bundle, moment, period
from logger.record.models import SessionRecord


def add_provenance(
    bundle: Bundle, record: SessionRecord, targets: list[Json], operator: Json, station: Json, proof: str
) -> None:
    """Adds the record's own provenance, and one for each signature. ``proof`` names the session's last journal entry
    and its hash."""
    source: Json = {
        "role": ENTITY_ROLE_SOURCE,
        "what": {
            "identifier": bundle.identifier("journal-entry", proof)[0],
            "display": f"The station's journal, entries {record.first_entry} to {record.last_entry}",
        },
    }
    resource: Json = {
        "resourceType": "Provenance",
        "target": targets,
        "occurredPeriod": period(record.opened_at, record.closed_at),
        "recorded": moment(record.closed_at or record.opened_at),
        "activity": bundle.coded.concept("treatment-record"),
        "agent": [_agent("performer", "Performer", operator), _agent("assembler", "Assembler", station)],
        "entity": [source],
    }
    bundle.add("Provenance", f"{record.session}/record", resource)
    for number, signed in enumerate(record.signatures, 1):
        who = bundle.add(
            "Practitioner",
            signed.by,
            {"resourceType": "Practitioner", "identifier": bundle.identifier("account", signed.by)},
        )
        code, words = SIGNATURES[signed.meaning]
        bundle.add(
            "Provenance",
            f"{record.session}/signature/{number}",
            {
                "resourceType": "Provenance",
                "target": targets[:1],
                "recorded": moment(signed.at),
                "activity": bundle.coded.concept("session-signed"),
                "agent": [_agent("verifier", "Verifier", who) | {"role": [{"text": signed.role}]}],
                "entity": [source],
                "signature": [
                    {
                        "type": [{"system": ASTM, "code": code, "display": words}],
                        "when": moment(signed.at),
                        "who": who,
                    }
                ],
            },
        )


def _agent(code: str, words: str, who: Json) -> Json:
    return {"type": {"coding": [{"system": PARTICIPANT, "code": code, "display": words}]}, "who": who}
