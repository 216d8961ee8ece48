"""Operations of a technician's bench: service mode, the adjustment table, what a pen counted, its firmware.

Part of the message table. A pen has them by capability, and treats without them; none of them moves a motor by itself.
"""

from typing import Annotated, NamedTuple

from firmware_bridge.wire.fields import I16, REST, U8, U16, U32, Field, text
from firmware_bridge.wire.messages import Capability
from firmware_bridge.wire.operation import Nothing, Operation

SERVICE_LEASE_MIN_MS, SERVICE_LEASE_MAX_MS = 1_000, 600_000
"""A service lease ends by itself: long enough for a series of moves, short enough to be forgotten safely."""

ADJUSTMENT_POINTS_MAX = 16
"""More points than a mechanism of 2.5 mm has bends."""

FIRMWARE_CHUNK_BYTES = 192
"""What fits a frame beside its own head and that of REQUEST."""

SHA256_BYTES, SIGNATURE_BYTES = 32, 64


class ServiceCeilings(NamedTuple):
    """What a service lease may do, and for how long."""

    depth_ceiling_um: Annotated[int, Field(U16, "no setpoint deeper than this is accepted", "µm")]
    rate_ceiling_mhz: Annotated[int, Field(U32, "no setpoint faster than this is accepted", "mHz")]
    lifetime_ms: Annotated[
        int, Field(U32, "the lease ends by itself after this", "ms", SERVICE_LEASE_MIN_MS, SERVICE_LEASE_MAX_MS)
    ]


class ServiceLease(NamedTuple):
    """The lease granted."""

    lease: Annotated[int, Field(U32, "chosen at random by the pen, never 0", minimum=1)]


class RawReadings(NamedTuple):
    """What the sensors say before any adjustment."""

    pen_time_ms: Annotated[int, Field(U32, "time since the pen started, modulo 2³²", "ms")]
    depth_raw_um: Annotated[int, Field(I16, "needle protrusion without adjustment", "µm", measurable=True)]
    rate_raw_mhz: Annotated[int, Field(U32, "puncture rate without adjustment", "mHz", measurable=True)]
    motor_current_ma: Annotated[int, Field(U16, "motor current", "mA", measurable=True)]
    supply_mv: Annotated[int, Field(U16, "voltage of the battery as it is now, loaded or not", "mV", measurable=True)]
    temperature_dc: Annotated[int, Field(I16, "temperature of the handpiece", "0.1 °C", measurable=True)]


class AdjustmentData(NamedTuple):
    """The table by which a pen corrects depth and rate, both what it sets and what it shows."""

    number: Annotated[int, Field(U32, "counts the tables written; 0 is the one it left the factory with")]
    rate_gain_ppm: Annotated[int, Field(U32, "true rate / rate without adjustment", "ppm", minimum=1)]
    points: Annotated[
        bytes,
        Field(
            REST,
            "none, or 2 to 16 points of 4 bytes, both values strictly rising: depth without adjustment i16 µm, true "
            "depth i16 µm; straight between them and beyond",
        ),
    ]


class LifetimeData(NamedTuple):
    """What a pen counted since it was made, and since the calibration it holds was written."""

    run_s: Annotated[int, Field(U32, "time with the motor on", "s")]
    strokes: Annotated[int, Field(U32, "needle strokes")]
    shocks: Annotated[int, Field(U16, "knocks over what its maker allows", measurable=True)]
    starts: Annotated[int, Field(U32, "times it was switched on")]
    run_since_s: Annotated[int, Field(U32, "time with the motor on since the calibration", "s")]
    strokes_since: Annotated[int, Field(U32, "needle strokes since the calibration")]
    shocks_since: Annotated[int, Field(U16, "knocks since the calibration", measurable=True)]
    battery_cycles: Annotated[int, Field(U16, "full charges taken from the battery", measurable=True)]
    battery_capacity_permille: Annotated[int, Field(U16, "capacity left of the nominal one", "‰", measurable=True)]
    battery_resistance_mohm: Annotated[int, Field(U16, "internal resistance of the battery", "mΩ", measurable=True)]


class FirmwareState(NamedTuple):
    """Which firmware runs, and what lies ready. Numbers count versions up; a pen runs none under its minimum."""

    running: Annotated[bytes, Field(text(16), "version that runs")]
    running_number: Annotated[int, Field(U32, "its number")]
    confirmed: Annotated[bytes, Field(text(16), "version last confirmed, which a restart goes back to")]
    confirmed_number: Annotated[int, Field(U32, "its number")]
    minimum_number: Annotated[int, Field(U32, "least number that this pen accepts")]
    trial: Annotated[int, Field(U8, "1 while what runs is not confirmed", maximum=1)]
    battery_min_permille: Annotated[int, Field(U16, "charge without which no update begins or is applied", "‰")]
    staged_size: Annotated[int, Field(U32, "bytes of the image that is being received, 0 when there is none")]
    staged_bytes: Annotated[int, Field(U32, "how many of them are here")]
    staged_sha256: Annotated[bytes, Field(REST, "SHA-256 of that image, 32 bytes; empty when there is none")]


class FirmwareImage(NamedTuple):
    """What will be sent."""

    firmware: Annotated[bytes, Field(text(16), "version of the image")]
    number: Annotated[int, Field(U32, "its number")]
    size: Annotated[int, Field(U32, "its bytes", minimum=1)]
    digest_and_signature: Annotated[
        bytes,
        Field(
            REST,
            "SHA-256 of the image, 32 bytes; Ed25519 signature by the maker's key, 64 bytes, over the ASCII text "
            '"needlework firmware 1", model text[24], firmware text[16], number u32, size u32 and that SHA-256',
        ),
    ]


class FirmwareChunk(NamedTuple):
    """A piece of the image. One that is here already changes nothing."""

    offset: Annotated[int, Field(U32, "where in the image it begins; not beyond what is here")]
    data: Annotated[bytes, Field(REST, "1 to 192 bytes")]


class FirmwareProgress(NamedTuple):
    """How far it is."""

    staged_bytes: Annotated[int, Field(U32, "how many bytes of the image are here, from its beginning")]


SERVICE_ARM = Operation(
    0x40, "SERVICE_ARM", ServiceCeilings, ServiceLease, repeatable=False, while_armed=False,
    capability=Capability.SERVICE,
    doc="A lease for a technician's bench, whatever calibration and cartridge. It ends as any other does, and on skin "
    "contact, and after its lifetime; refused NOT_READY on skin.",
)  # fmt: skip
RAW_READ = Operation(
    0x41, "RAW_READ", Nothing, RawReadings, repeatable=True, while_armed=True,
    capability=Capability.SERVICE, doc="Reads the sensors without adjustment.",
)  # fmt: skip
ADJUSTMENT_READ = Operation(
    0x42, "ADJUSTMENT_READ", Nothing, AdjustmentData, repeatable=True, while_armed=False,
    capability=Capability.ADJUSTABLE, doc="Reads the adjustment table.",
)  # fmt: skip
ADJUSTMENT_WRITE = Operation(
    0x43, "ADJUSTMENT_WRITE", AdjustmentData, Nothing, repeatable=False, while_armed=False,
    capability=Capability.ADJUSTABLE,
    doc="Replaces the adjustment table, whole or not at all, and in the same moment ends the stored calibration, which "
    "was of the table before. Its number is the stored one plus 1, else refused RANGE.",
)  # fmt: skip
LIFETIME_READ = Operation(
    0x44, "LIFETIME_READ", Nothing, LifetimeData, repeatable=True, while_armed=True,
    capability=Capability.LIFETIME, doc="Reads what the pen counted.",
)  # fmt: skip
FIRMWARE_STATE = Operation(
    0x48, "FIRMWARE_STATE", Nothing, FirmwareState, repeatable=True, while_armed=False,
    capability=Capability.FIRMWARE_UPDATE, doc="Tells which firmware runs, and what was received of another.",
)  # fmt: skip
FIRMWARE_BEGIN = Operation(
    0x49, "FIRMWARE_BEGIN", FirmwareImage, Nothing, repeatable=False, while_armed=False,
    capability=Capability.FIRMWARE_UPDATE,
    doc="Makes room for an image; what was received of the same one stays. Refused NOT_READY with needles not out or "
    "the battery under its limit, RANGE for a number under the minimum or a size that does not fit.",
)  # fmt: skip
FIRMWARE_CHUNK = Operation(
    0x4A, "FIRMWARE_CHUNK", FirmwareChunk, FirmwareProgress, repeatable=True, while_armed=False,
    capability=Capability.FIRMWARE_UPDATE, doc="Brings a piece of the image; kept without supply.",
)  # fmt: skip
FIRMWARE_APPLY = Operation(
    0x4B, "FIRMWARE_APPLY", Nothing, Nothing, repeatable=False, while_armed=False,
    capability=Capability.FIRMWARE_UPDATE,
    doc="Checks hash, signature and number of the whole image, then restarts into it on trial. Refused RANGE when it "
    "is not whole or not what was signed; what runs stays.",
)  # fmt: skip
FIRMWARE_CONFIRM = Operation(
    0x4C, "FIRMWARE_CONFIRM", Nothing, Nothing, repeatable=False, while_armed=False,
    capability=Capability.FIRMWARE_UPDATE,
    doc="Confirms what runs on trial. Without it, the next start goes back to the version confirmed last.",
)  # fmt: skip
FIRMWARE_ROLL_BACK = Operation(
    0x4D, "FIRMWARE_ROLL_BACK", Nothing, Nothing, repeatable=False, while_armed=False,
    capability=Capability.FIRMWARE_UPDATE,
    doc="Restarts into the version confirmed last; refused RANGE when nothing is on trial.",
)  # fmt: skip

SERVICE_OPERATIONS: tuple[Operation, ...] = (
    SERVICE_ARM, RAW_READ, ADJUSTMENT_READ, ADJUSTMENT_WRITE, LIFETIME_READ,
    FIRMWARE_STATE, FIRMWARE_BEGIN, FIRMWARE_CHUNK, FIRMWARE_APPLY, FIRMWARE_CONFIRM, FIRMWARE_ROLL_BACK,
)  # fmt: skip
