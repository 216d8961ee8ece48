"""Values as a treatment would show them, for worked examples and test vectors.

A field without an entry here gets a number drawn from its name: always the same one, always inside its range.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple
from zlib import crc32

from firmware_bridge.wire.fields import REST, Field
from firmware_bridge.wire.messages import (
    DEAD_MAN_DEFAULT_MS,
    PROTOCOL_VERSION,
    Capability,
    Contact,
    Fault,
    Interlock,
    PenState,
    Refusal,
)
from generator.table import fields_in, is_text

_CAPABILITIES = (
    Capability.DEPTH_SET
    | Capability.DEPTH_SENSED
    | Capability.RATE_SET
    | Capability.RATE_SENSED
    | Capability.DEAD_MAN
    | Capability.CARTRIDGE_IDENTIFIED
    | Capability.BUTTON
    | Capability.CALIBRATION_STORED
    | Capability.SELF_TEST
    | Capability.EVENT_LOG
)

_VALUES: Mapping[str, int | bytes] = {
    "nonce": 0x1A2B3C4D,
    "version": PROTOCOL_VERSION,
    "boot_id": 0x00B007ED,
    "model": b"Example pen",
    "Welcome.serial": b"EX-000042",
    "firmware": b"1.4.0",
    "capabilities": _CAPABILITIES,
    "depth_min_um": 200,
    "depth_max_um": 2500,
    "depth_step_um": 10,
    "rate_min_mhz": 20_000,
    "rate_max_mhz": 150_000,
    "rate_step_mhz": 1000,
    "dead_man_ms": DEAD_MAN_DEFAULT_MS,
    "retract_ms": 150,
    "status_period_ms": 20,
    "depth_ceiling_um": 1000,
    "rate_ceiling_mhz": 120_000,
    "cartridge_tag": 0xCA27001D,
    "key": 0x0BADCAFE,
    "lease": 0x5EED1234,
    "tick": 42,
    "motor": 1,
    "depth_um": 500,
    "rate_mhz": 100_000,
    "seen_pen_time_ms": 65_536_040,
    "pen_time_ms": 65_536_060,
    "refusal": Refusal.NONE,
    "state": PenState.RUNNING,
    "Status.faults": Fault(0),
    "FaultMask.faults": Fault.DEAD_MAN,
    "interlocks": Interlock.CARTRIDGE_PRESENT,
    "depth_set_um": 500,
    "depth_measured_um": 487,
    "rate_set_mhz": 100_000,
    "rate_measured_mhz": 99_420,
    "motor_current_ma": 312,
    "battery_permille": 874,
    "temperature_dc": 314,
    "contact": Contact.ON_SKIN,
    "strokes": 70_123,
    "button_presses": 1,
    "pedal_presses": 0,
    "Request.id": 0x0107,
    "Response.id": 0x0107,
    "operation": 0x06,
    "present": 1,
    "used": 0,
    "tag": 0xCA27001D,
    "needle_count": 16,
    "needle_length_um": 2500,
    "expiry_day": 21_000,
    "lot": b"L2406-A",
    "CartridgeData.serial": b"0000123456",
    "valid": 1,
    "certificate": b"CAL-2025-0117",
    "calibrated_day": 20_200,
    "due_day": 20_565,
    "depth_gain_ppm": 1_004_200,
    "depth_offset_um": -12,
    "depth_uncertainty_um": 35,
    "rate_gain_ppm": 998_500,
    "passed": 0b111111,
    "tested": 0b111111,
    "first": 120,
    "newest": 121,
    "entries": bytes.fromhex("78000000" "10270000" "02" "3412ed5e" "79000000" "8c280000" "09" "00000000"),
    "arguments": bytes.fromhex("78000000"),
    "data": bytes.fromhex("00000000"),
}  # fmt: skip


def typical(struct_type: type[Any]) -> Any:
    """A message or structure with typical values, every one inside its range."""
    return struct_type(*(_value(struct_type, name, field) for name, field in fields_in(struct_type).items()))


def _value(struct_type: type[NamedTuple], name: str, field: Field) -> int | bytes:
    known = _VALUES.get(f"{struct_type.__name__}.{name}", _VALUES.get(name))
    if known is not None:
        return known if isinstance(known, bytes) else int(known)
    number = crc32(f"{struct_type.__name__}.{name}".encode())
    if field.layout is REST or is_text(field):
        return f"{number:08X}".encode()[: field.layout.size_bytes or 8]
    low, high = field.bounds
    return low + number % (high - low + 1)
