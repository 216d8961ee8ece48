"""One session as a FHIR R4 transaction Bundle: Procedure, what each zone got, devices, provenance, audit.

The patient is a pseudonym, the operator an account id: a clinic's own system knows who is meant. Nothing is made up:
what was not measured is absent with its reason; complications are not in the record, so none are stated.
"""

from collections.abc import Iterable

from logger.errors import ExportError
from logger.export.fhir_audit import add_audit
from logger.export.fhir_codes import Coded, Json
from logger.export.fhir_devices import Devices, add_devices
from logger.export.fhir_parts import Bundle, moment, number, period, thousandths
from logger.export.fhir_provenance import add_provenance
from logger.journal.entry import Entry
from logger.record.models import SessionRecord, ZoneRecord
from logger.record.records import session_record
from logger.record.telemetry import Spread

_STATUS = {"completed": "completed", "stopped": "stopped", "interrupted": "stopped", "open": "in-progress"}


def session_bundle(entries: Iterable[Entry], coded: Coded) -> Json:
    """The bundle of the session whose entries these are, the same each time. Raises RecordNotFound, ExportError."""
    last: list[Entry] = []

    def passing() -> Iterable[Entry]:
        for entry in entries:
            last[:] = [entry]
            yield entry

    record = session_record(passing())
    if record.patient is None or record.operator is None:
        raise ExportError(
            f"The beginning of session {record.session} cannot be read by this version, so nobody can tell whose it "
            "is. Nothing was written. Export it with the Needlework that recorded it, or a newer one."
        )
    bundle = Bundle(coded)
    patient = _patient(bundle, record.patient)
    operator = practitioner(bundle, record.operator)
    devices = add_devices(bundle, record)
    procedure = _procedure(bundle, record, patient, operator, devices)
    zones = [_zone(bundle, record, zone, patient, operator, procedure, devices.pen) for zone in record.zones]
    proof = f"{record.station}/{last[0].sequence}/{last[0].hash.hex()}"
    add_provenance(bundle, record, [procedure, *zones], operator, devices.station, proof)
    add_audit(bundle, record, procedure, devices.station)
    end = record.closed_at or record.opened_at
    return {
        "resourceType": "Bundle",
        "identifier": bundle.identifier("bundle", record.session)[0],
        "type": "transaction",
        "timestamp": moment(max(end, record.opened_at)),
        "entry": bundle.entries,
    }


def _patient(bundle: Bundle, pseudonym: str) -> Json:
    resource = {"resourceType": "Patient", "identifier": bundle.identifier("pseudonym", pseudonym)}
    return bundle.add("Patient", pseudonym, resource)


def practitioner(bundle: Bundle, account: str) -> Json:
    """Whoever has this account."""
    resource = {"resourceType": "Practitioner", "identifier": bundle.identifier("account", account)}
    return bundle.add("Practitioner", account, resource)


def _procedure(bundle: Bundle, record: SessionRecord, patient: Json, operator: Json, devices: Devices) -> Json:
    resource: Json = {
        "resourceType": "Procedure",
        "identifier": bundle.identifier("session", record.session),
        "status": _STATUS[record.outcome],
        "code": bundle.coded.microneedling(),
        "subject": patient,
        "performedPeriod": period(record.opened_at, record.closed_at),
        "performer": [{"actor": operator}],
        "usedReference": [devices.pen, *devices.cartridges],
    }
    if record.outcome in {"stopped", "interrupted"} and record.reason:
        resource["statusReason"] = {"text": record.reason}
    if record.zones:
        resource["bodySite"] = [bundle.coded.zone(zone.zone) for zone in record.zones]
    if record.aftercare:
        resource["followUp"] = [{"text": told} for told in record.aftercare]
    if notes := _notes(record):
        resource["note"] = notes
    return bundle.add("Procedure", record.session, resource, kept_current=True)


def _notes(record: SessionRecord) -> list[Json]:
    """What whoever reads the procedure should know: that it was a demonstration, alarms, overrides, unread entries."""
    said: list[Json] = []
    if record.demo:
        said.append({"text": "A demonstration: the limits were signed by nobody."})
    if record.unread:
        said.append({"text": f"{record.unread} entries are of a newer version and are not told here."})
    if record.amendments:
        said.append({"text": f"Amendments to the record: {len(record.amendments)}; their texts are kept at the site."})
    said += [
        {"time": moment(alarm.raised_at), "text": f"Alarm {alarm.alarm}, {alarm.priority}: {alarm.sentence}"}
        for alarm in record.alarms
    ]
    return said


def _zone(
    bundle: Bundle,
    record: SessionRecord,
    zone: ZoneRecord,
    patient: Json,
    operator: Json,
    procedure: Json,
    pen: Json,
) -> Json:
    coded = bundle.coded
    values: dict[str, Json] = {
        "depth-commanded-max": thousandths(max(zone.depth_commanded_um, default=None), "mm"),
        "depth-set-p50": thousandths(_p50(zone.depth_set_um), "mm"),
        "depth-measured-p50": thousandths(_p50(zone.depth_measured_um), "mm"),
        "depth-measured-p95": thousandths(zone.depth_measured_um.p95 if zone.depth_measured_um else None, "mm"),
        "rate-set-p50": thousandths(_p50(zone.rate_set_mhz), "Hz"),
        "rate-measured-p50": thousandths(_p50(zone.rate_measured_mhz), "Hz"),
        "passes": number(zone.passes),
        "duration-treated": thousandths(zone.treated_ms, "s"),
        "duration-on-skin": thousandths(zone.on_skin_ms, "s"),
        "strokes": number(zone.strokes),
        "punctures": number(zone.punctures),
    }
    resource: Json = {
        "resourceType": "Observation",
        "identifier": bundle.identifier("zone", f"{record.session}/{zone.zone}"),
        "partOf": [procedure],
        "status": "preliminary" if record.closed_at is None else "final",
        "code": coded.concept("zone-treatment"),
        "subject": patient,
        "effectivePeriod": period(record.opened_at, record.closed_at),
        "performer": [operator],
        "bodySite": coded.zone(zone.zone),
        "device": pen,
        "component": [{"code": coded.concept(code), **value} for code, value in values.items()],
    }
    return bundle.add("Observation", f"{record.session}/{zone.zone}", resource, kept_current=True)


def _p50(spread: Spread | None) -> int | None:
    return spread.p50 if spread else None
