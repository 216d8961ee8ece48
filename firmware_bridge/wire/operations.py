"""The operations a REQUEST can ask for: their arguments, what they return, and whether they may be asked twice.

Part of the message table; the protocol document and the C header are made from it too.
"""

from typing import Annotated, NamedTuple

from firmware_bridge.wire.fields import I16, REST, U8, U16, U32, Field, text
from firmware_bridge.wire.messages import Capability, Refusal
from firmware_bridge.wire.operation import Nothing as Nothing  # noqa: PLC0414 part of what this module offers
from firmware_bridge.wire.operation import Operation as Operation  # noqa: PLC0414 and so is this
from firmware_bridge.wire.service_operations import SERVICE_OPERATIONS


class CartridgeData(NamedTuple):
    """What the pen knows of the cartridge inserted."""

    present: Annotated[int, Field(U8, "1 when a cartridge is inserted", maximum=1)]
    used: Annotated[int, Field(U8, "1 when it was consumed before", maximum=1)]
    tag: Annotated[int, Field(U32, "identity, never 0 when present")]
    needle_count: Annotated[int, Field(U8, "needles")]
    needle_length_um: Annotated[int, Field(U16, "greatest protrusion the needles allow", "µm")]
    expiry_day: Annotated[int, Field(U16, "last day of use, days since 1970-01-01", "d")]
    lot: Annotated[bytes, Field(text(16), "lot")]
    serial: Annotated[bytes, Field(text(16), "serial number; empty where only the lot is known")]


class CartridgeTag(NamedTuple):
    """Names the cartridge meant, so that a swap in between is refused."""

    tag: Annotated[int, Field(U32, "identity as read", minimum=1)]


class CalibrationData(NamedTuple):
    """The depth and rate calibration stored in the pen."""

    valid: Annotated[int, Field(U8, "1 when a calibration is stored and intact", maximum=1)]
    certificate: Annotated[bytes, Field(text(16), "number of the certificate")]
    calibrated_day: Annotated[int, Field(U16, "day of calibration, days since 1970-01-01", "d")]
    due_day: Annotated[int, Field(U16, "first day it is no longer valid, days since 1970-01-01; 0: none was set", "d")]
    depth_gain_ppm: Annotated[int, Field(U32, "true depth / depth shown", "ppm")]
    depth_offset_um: Annotated[int, Field(I16, "true depth at depth shown 0", "µm")]
    depth_uncertainty_um: Annotated[int, Field(U16, "expanded uncertainty of depth (k = 2)", "µm")]
    rate_gain_ppm: Annotated[int, Field(U32, "true rate / rate shown", "ppm")]


class SelfTestData(NamedTuple):
    """Result of a self-test, a bit for each part: 1 passed."""

    passed: Annotated[int, Field(U8, "bit 0 retract, 1 depth sensor, 2 rate sensor, 3 current, 4 battery, 5 memory")]
    tested: Annotated[int, Field(U8, "the same bits: 1 when the pen tests that part")]


class LogPosition(NamedTuple):
    """Where to read in the event log."""

    first: Annotated[int, Field(U32, "number of the first entry wanted; entries count up from 1 over all boots")]


class LogEntries(NamedTuple):
    """A piece of the event log; empty entries mean the end."""

    newest: Annotated[int, Field(U32, "number of the newest entry kept, 0 when there is none")]
    entries: Annotated[
        bytes, Field(REST, "up to 3 entries of 13 bytes: number u32, pen time u32 ms, code u8, argument u32")
    ]


class FaultMask(NamedTuple):
    """Which faults to clear."""

    faults: Annotated[int, Field(U16, "faults the person has seen; one not named stays latched")]


class OutcomeKey(NamedTuple):
    """Names an earlier request that is not repeatable."""

    key: Annotated[int, Field(U32, "its key", minimum=1)]


class OutcomeData(NamedTuple):
    """What became of a request."""

    key: Annotated[int, Field(U32, "the key asked about")]
    refusal: Annotated[int, Field(U8, "NONE when it was done, else why not", names=Refusal)]


CARTRIDGE_READ = Operation(
    0x01, "CARTRIDGE_READ", Nothing, CartridgeData, repeatable=True, while_armed=True,
    capability=Capability.CARTRIDGE_IDENTIFIED, doc="Reads the identity of the cartridge inserted.",
)  # fmt: skip
CARTRIDGE_CONSUME = Operation(
    0x02, "CARTRIDGE_CONSUME", CartridgeTag, Nothing, repeatable=False, while_armed=False,
    capability=Capability.CARTRIDGE_IDENTIFIED, doc="Marks the cartridge as used, for good.",
)  # fmt: skip
CALIBRATION_READ = Operation(
    0x03, "CALIBRATION_READ", Nothing, CalibrationData, repeatable=True, while_armed=True,
    capability=Capability.CALIBRATION_STORED, doc="Reads the stored calibration.",
)  # fmt: skip
CALIBRATION_WRITE = Operation(
    0x04, "CALIBRATION_WRITE", CalibrationData, Nothing, repeatable=False, while_armed=False,
    capability=Capability.CALIBRATION_STORED, doc="Replaces the stored calibration, whole or not at all.",
)  # fmt: skip
SELF_TEST = Operation(
    0x05, "SELF_TEST", Nothing, SelfTestData, repeatable=False, while_armed=False,
    capability=Capability.SELF_TEST, doc="Tests the pen's parts without driving needles out of the face.",
)  # fmt: skip
EVENT_LOG = Operation(
    0x06, "EVENT_LOG", LogPosition, LogEntries, repeatable=True, while_armed=True,
    capability=Capability.EVENT_LOG, doc="Reads a piece of the pen's event log.",
)  # fmt: skip
CLEAR_FAULT = Operation(
    0x07, "CLEAR_FAULT", FaultMask, Nothing, repeatable=False, while_armed=False,
    capability=None, doc="Clears the faults named whose cause is gone; refused NOT_READY while a cause persists.",
)  # fmt: skip
OUTCOME = Operation(
    0x08, "OUTCOME", OutcomeKey, OutcomeData, repeatable=True, while_armed=True,
    capability=None, doc="Tells what became of an earlier request; refused UNKNOWN_KEY when the pen does not know.",
)  # fmt: skip

OPERATIONS: tuple[Operation, ...] = (
    CARTRIDGE_READ, CARTRIDGE_CONSUME, CALIBRATION_READ, CALIBRATION_WRITE, SELF_TEST, EVENT_LOG, CLEAR_FAULT, OUTCOME,
    *SERVICE_OPERATIONS,
)  # fmt: skip
OPERATION_OF_NUMBER = {operation.number: operation for operation in OPERATIONS}
RESERVED_OPERATIONS = range(0x50, 0x60)
"""Kept for what pens may come to do."""
