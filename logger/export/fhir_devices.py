"""Pen, cartridges, station and calibration as FHIR devices."""

from dataclasses import dataclass

from controller.events import CartridgeSnapshot
from logger.export.fhir_codes import GS1_DI, Json
from logger.export.fhir_parts import Bundle, day
from logger.record.models import SessionRecord


@dataclass(frozen=True, slots=True)
class Devices:
    """References to what was used."""

    pen: Json
    station: Json
    cartridges: list[Json]


def add_devices(bundle: Bundle, record: SessionRecord) -> Devices:
    """Adds pen, station and cartridges, and the pen's calibration in force."""
    pen = _pen(bundle, record)
    station: Json = {
        "resourceType": "Device",
        "identifier": bundle.identifier("station", record.station),
        "deviceName": [{"name": record.station, "type": "user-friendly-name"}],
        "type": bundle.coded.concept("station"),
    }
    cartridges = [_cartridge(bundle, record, place, used.cartridge) for place, used in enumerate(record.cartridges, 1)]
    for calibration in record.calibrations:
        for code, unit in (("needle-depth", "mm"), ("puncture-rate", "Hz")):
            key = f"{record.pen}/{calibration.certificate}/{code}"
            on = day(calibration.calibrated_on)
            metric: Json = {
                "resourceType": "DeviceMetric",
                "identifier": bundle.identifier("calibration", key),
                "type": bundle.coded.concept(code),
                "unit": {"coding": [{"system": "http://unitsofmeasure.org", "code": unit}], "text": unit},
                "source": pen,
                "category": "measurement",
                # FHIR wants an instant; the certificate has the day.
                "calibration": [
                    {"type": "unspecified", "state": "calibrated"} | ({"time": f"{on}T00:00:00Z"} if on else {})
                ],
            }
            bundle.add("DeviceMetric", key, metric)
    return Devices(pen, bundle.add("Device", f"station/{record.station}", station), cartridges)


def _pen(bundle: Bundle, record: SessionRecord) -> Json:
    name = record.pen or "unknown"
    resource: Json = {
        "resourceType": "Device",
        "identifier": bundle.identifier("pen", name),
        "deviceName": [{"name": name, "type": "user-friendly-name"}],
        "type": bundle.coded.concept("pen"),
    }
    if record.pen_model:
        resource["modelNumber"] = record.pen_model
    if record.pen_firmware:
        resource["version"] = [{"value": record.pen_firmware}]
    return bundle.add("Device", f"pen/{name}", resource)


def _cartridge(bundle: Bundle, record: SessionRecord, place: int, cartridge: CartridgeSnapshot) -> Json:
    """A cartridge. One without a serial number is this session's and no other's, as far as anybody can tell."""
    key = (
        f"{cartridge.gtin}/{cartridge.lot}/{cartridge.serial}"
        if cartridge.serial
        else f"{record.session}/{place}/{cartridge.lot}"
    )
    resource: Json = {
        "resourceType": "Device",
        "identifier": bundle.identifier("cartridge", key),
        "type": bundle.coded.concept("cartridge"),
    }
    if cartridge.name:
        resource["deviceName"] = [{"name": cartridge.name, "type": "user-friendly-name"}]
    if cartridge.gtin:
        resource["udiCarrier"] = [
            {
                "deviceIdentifier": cartridge.gtin,
                "issuer": GS1_DI,
                "carrierHRF": _human_readable(cartridge),
                "entryType": "barcode" if cartridge.scanned else "unknown",
            }
        ]
    if expiry := day(cartridge.expiry):
        resource["expirationDate"] = expiry
    if cartridge.lot:
        resource["lotNumber"] = cartridge.lot
    if cartridge.serial:
        resource["serialNumber"] = cartridge.serial
    return bundle.add("Device", f"cartridge/{key}", resource)


def _human_readable(cartridge: CartridgeSnapshot) -> str:
    """The GS1 code as it is printed under the symbol, of what was read from it."""
    expiry = (day(cartridge.expiry) or "").replace("-", "")[2:]
    parts = (("01", cartridge.gtin), ("17", expiry), ("10", cartridge.lot), ("21", cartridge.serial))
    return "".join(f"({identifier}){value}" for identifier, value in parts if value)
