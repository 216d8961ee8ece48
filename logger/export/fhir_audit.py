"""What an auditor asks of a session, as FHIR AuditEvents: limits gone beyond or held, approvals, clocks, signatures."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from controller.units import format_hz, format_mm
from logger.export.fhir_codes import Json
from logger.export.fhir_parts import Bundle, moment
from logger.record.models import Override, SessionRecord


@dataclass(frozen=True, slots=True)
class _Audited:
    """One event: its code of ours, when, by whose account, what is worth saying; ``refused`` where it was not done."""

    code: str
    at: datetime
    by: str
    words: str = ""
    refused: bool = False


def add_audit(bundle: Bundle, record: SessionRecord, procedure: Json, station: Json) -> None:
    """Adds an AuditEvent for each."""
    for number, audited in enumerate(_audited(record), 1):
        who = bundle.add(
            "Practitioner",
            audited.by,
            {"resourceType": "Practitioner", "identifier": bundle.identifier("account", audited.by)},
        )
        concept = bundle.coded.concept(audited.code)["coding"][0]
        resource: Json = {
            "resourceType": "AuditEvent",
            "type": bundle.coded.concept("treatment-record")["coding"][0],
            "subtype": [concept],
            "action": "E",
            "recorded": moment(audited.at),
            "outcome": "4" if audited.refused else "0",
            "agent": [{"who": who, "requestor": True}],
            "source": {"observer": station},
            "entity": [{"what": procedure}],
        }
        if audited.words:
            resource["outcomeDesc"] = audited.words
        bundle.add("AuditEvent", f"{record.session}/{number}", resource)


def _audited(record: SessionRecord) -> Iterator[_Audited]:
    operator = record.operator or ""
    yield _Audited("session-opened", record.opened_at, operator)
    for override in record.overrides:
        yield _Audited("limit-overridden", override.at, operator, _beyond(override))
    for refusal in record.refusals:
        yield _Audited("request-refused", refusal.at, operator, refusal.sentence, refused=True)
    for approval in record.approvals:
        if approval.given_at is not None and approval.by:
            what = f"{approval.approval}: {format_mm(approval.depth_max_um)}"
            yield _Audited("approval-given", approval.given_at, approval.by, what)
        if approval.used_at is not None:
            what = f"{approval.approval}: {format_mm(approval.depth_commanded_um)} in {approval.used_zone}"
            yield _Audited("approval-used", approval.used_at, operator, what)
    for step in record.clock_steps:
        yield _Audited("clock-set", step.at, operator, f"by {step.by_ms / 1000:+.1f} s")
    for amended in record.amendments:
        what = f"{amended.aspect}, {amended.reason}: about entry {amended.amends_sequence}"
        yield _Audited("record-amended", amended.at, amended.by, what)
    for signed in record.signatures:
        still = "" if signed.standing else "; the record was amended after it, or is another here"
        yield _Audited("session-signed", signed.at, signed.by, f"as {signed.meaning}{still}")


def _beyond(override: Override) -> str:
    shown = format_mm if override.quantity == "depth_um" else format_hz
    return f"{override.zone}: {shown(override.wanted)} beyond {shown(override.soft_limit)}, {override.reason}"
