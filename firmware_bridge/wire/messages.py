"""THE message table: every message between host and pen, with its fields, units, ranges and direction.

The codec, ``docs/protocol.md``, the C header for firmware authors and the test vectors are all made from what stands
here; a message is changed in this file and nowhere else. Values in the tuples are the raw numbers of the wire:
:mod:`firmware_bridge.snapshot` turns a STATUS into what the controller reads, with None for what is not measured.

Units on the wire are integers: micrometres (µm), millihertz (mHz), milliseconds (ms).
"""

from dataclasses import dataclass
from enum import Enum, IntEnum, IntFlag
from typing import Annotated, Any, NamedTuple

from firmware_bridge.wire.fields import I16, REST, U8, U16, U32, Field, text

PROTOCOL_VERSION = 1

DEAD_MAN_MIN_MS, DEAD_MAN_MAX_MS, DEAD_MAN_DEFAULT_MS = 100, 500, 300
"""A shorter dead-man time trips on ordinary scheduling, a longer one leaves needles moving too long."""

OUTCOMES_KEPT = 16
"""Key → outcome pairs a pen keeps over a reboot: more than a host leaves unresolved, one request being outstanding."""


class Direction(Enum):
    """Who sends a message."""

    HOST_TO_PEN = "host → pen"
    PEN_TO_HOST = "pen → host"


class Capability(IntFlag):
    """What a pen can do. What is absent reads *not measured*, never the setpoint."""

    DEPTH_SET = 1 << 0  # the host sets needle depth
    DEPTH_SENSED = 1 << 1  # the pen measures protrusion
    DEPTH_MANUAL = 1 << 2  # depth is a dial on the pen; to be armed such a pen must sense it
    RATE_SET = 1 << 3  # the host sets puncture rate
    RATE_SENSED = 1 << 4  # the pen measures puncture rate
    RATE_MANUAL = 1 << 5  # rate is fixed or a dial on the pen
    DEAD_MAN = 1 << 6  # the pen stops by itself when the host falls silent; no arming without it
    CONTACT_SENSED = 1 << 7  # skin contact
    CARTRIDGE_IDENTIFIED = 1 << 8  # the pen reads the identity of the cartridge inserted
    BUTTON = 1 << 9  # a button on the pen
    PEDAL = 1 << 10  # a foot pedal on the pen
    BATTERY_SENSED = 1 << 11
    TEMPERATURE_SENSED = 1 << 12
    CURRENT_SENSED = 1 << 13
    CALIBRATION_STORED = 1 << 14  # keeps a calibration table
    SELF_TEST = 1 << 15
    EVENT_LOG = 1 << 16
    INGRESS_SENSED = 1 << 17  # fluid behind the membrane
    SERVICE = 1 << 18  # grants leases for a technician's bench
    FIRMWARE_UPDATE = 1 << 19  # takes new firmware over this protocol
    ADJUSTABLE = 1 << 20  # corrects depth and rate by a table that can be written
    LIFETIME = 1 << 21  # counts its run time, strokes and knocks
    SIMULATED = 1 << 22  # a program and no pen: what is measured on it is a demonstration


class PenState(IntEnum):
    """What the pen is doing."""

    IDLE = 0  # no lease, motor off, needles out of reach
    ARMED = 1  # a lease lives, motor off
    RUNNING = 2  # a lease lives, motor on
    RETRACTING = 3  # drive off, needles on their way out
    FAULT = 4  # a fault is latched; CLEAR_FAULT before the next ARM
    SELF_TEST = 5


class Fault(IntFlag):
    """Faults, latched until CLEAR_FAULT. An unknown bit counts as a fault."""

    DEAD_MAN = 1 << 0  # no fresh setpoint for the dead-man time
    STALL = 1 << 1  # the motor is driven and does not turn
    OVER_DEPTH = 1 << 2  # protrusion measured beyond the ceiling of the lease plus the pen's tolerance
    RETRACT_FAILED = 1 << 3  # needles not out within the retract time
    OVER_TEMPERATURE = 1 << 4
    BROWN_OUT = 1 << 5  # supply under what the motor needs
    INGRESS = 1 << 6  # fluid behind the membrane
    CARTRIDGE_REMOVED = 1 << 7  # taken off while a lease lived
    SENSOR = 1 << 8  # a sensor reads nonsense
    INTERNAL = 1 << 9  # anything else the pen knows to be wrong


class Interlock(IntFlag):
    """Conditions of the moment, not latched."""

    CARTRIDGE_PRESENT = 1 << 0
    NEEDLES_OUT = 1 << 1  # needles confirmed behind the cartridge's face
    BUTTON_HELD = 1 << 2
    PEDAL_HELD = 1 << 3


class Refusal(IntEnum):
    """Why a pen did not do what a frame asked. 0 is "done" in an answer and "nothing refused yet" in STATUS."""

    NONE = 0
    LEASE = 1  # no live lease, or not this one
    OLD_TICK = 2  # tick not newer than the newest accepted
    STALE = 3  # decided on a STATUS older than the dead-man time, or on one this pen never sent
    DEPTH_CEILING = 4  # deeper than the lease's ceiling
    RATE_CEILING = 5  # faster than the lease's ceiling
    RANGE = 6  # outside the field's range or the pen's, or off the pen's step
    FAULTED = 7  # a fault is latched
    CARTRIDGE = 8  # no cartridge, or not the one named
    BUSY = 9  # another host holds a lease, or the pen is in self-test
    NONCE = 10  # not the nonce of the connection
    PRESSED = 11  # decided before the host had seen the latest press of button or pedal
    ARMED = 12  # not while a lease lives
    UNSUPPORTED = 13  # the pen has no such operation
    UNKNOWN_KEY = 14  # OUTCOME: this key is not among those kept
    NOT_READY = 15  # battery, temperature or a sensor forbids it


class Contact(IntEnum):
    """Skin contact as the pen senses it."""

    OFF_SKIN = 0
    ON_SKIN = 1


class Hello(NamedTuple):
    """Opens a connection. Until its nonce comes back in WELCOME, every byte received is stale and discarded."""

    nonce: Annotated[int, Field(U32, "random, new for every connection", minimum=1)]
    version: Annotated[int, Field(U8, "protocol version the host speaks")]


class Welcome(NamedTuple):
    """The pen's answer to HELLO. Nonce and version keep their place in every version of the protocol."""

    nonce: Annotated[int, Field(U32, "the nonce of the HELLO answered")]
    version: Annotated[int, Field(U8, "protocol version the pen speaks")]
    boot_id: Annotated[int, Field(U32, "random, new at every start of the pen")]
    model: Annotated[bytes, Field(text(24), "model name")]
    serial: Annotated[bytes, Field(text(24), "serial number, unique with the model")]
    firmware: Annotated[bytes, Field(text(16), "firmware version")]
    capabilities: Annotated[int, Field(U32, "what the pen can do", names=Capability)]
    depth_min_um: Annotated[int, Field(U16, "least needle depth that can be set", "µm")]
    depth_max_um: Annotated[int, Field(U16, "greatest needle depth the mechanism reaches", "µm")]
    depth_step_um: Annotated[int, Field(U16, "steps of needle depth, counted from 0", "µm", minimum=1)]
    rate_min_mhz: Annotated[int, Field(U32, "least puncture rate", "mHz")]
    rate_max_mhz: Annotated[int, Field(U32, "greatest puncture rate", "mHz")]
    rate_step_mhz: Annotated[int, Field(U32, "steps of puncture rate, counted from 0", "mHz", minimum=1)]
    dead_man_ms: Annotated[
        int,
        Field(U16, "silence after which the pen stops by itself", "ms", DEAD_MAN_MIN_MS, DEAD_MAN_MAX_MS),
    ]
    retract_ms: Annotated[int, Field(U16, "longest time from drive off to needles out", "ms", 1, 2000)]
    status_period_ms: Annotated[int, Field(U16, "period of STATUS", "ms", 5, 100)]


class Busy(NamedTuple):
    """The answer to a HELLO while a host on another medium holds a live lease."""

    nonce: Annotated[int, Field(U32, "the nonce of the HELLO answered")]


class Arm(NamedTuple):
    """Asks for a lease. The pen enforces the ceilings by itself for as long as the lease lives."""

    nonce: Annotated[int, Field(U32, "nonce of the connection")]
    key: Annotated[int, Field(U32, "random, new for every ARM", minimum=1)]
    depth_ceiling_um: Annotated[int, Field(U16, "no setpoint deeper than this is accepted", "µm")]
    rate_ceiling_mhz: Annotated[int, Field(U32, "no setpoint faster than this is accepted", "mHz")]
    cartridge_tag: Annotated[
        int, Field(U32, "tag of the cartridge the host has checked; 0 where the pen does not identify cartridges")
    ]


class Armed(NamedTuple):
    """The answer to ARM."""

    key: Annotated[int, Field(U32, "key of the ARM answered")]
    refusal: Annotated[int, Field(U8, "NONE, or why there is no lease", names=Refusal)]
    lease: Annotated[int, Field(U32, "chosen at random by the pen, never 0; 0 when refused")]


class Setpoint(NamedTuple):
    """The whole state the host desires; sent 20 times a second, and the heartbeat."""

    lease: Annotated[int, Field(U32, "the lease this acts under", minimum=1)]
    tick: Annotated[int, Field(U32, "counts up from 1 within a lease", minimum=1)]
    motor: Annotated[int, Field(U8, "1 motor on, 0 off", maximum=1)]
    depth_um: Annotated[int, Field(U16, "needle depth, commanded", "µm")]
    rate_mhz: Annotated[int, Field(U32, "puncture rate, commanded", "mHz")]
    seen_pen_time_ms: Annotated[int, Field(U32, "pen time of the newest STATUS seen when this was decided", "ms")]


class Disarm(NamedTuple):
    """Ends a lease in good order: motor off, needles out, no fault. Repeated until STATUS shows no lease."""

    lease: Annotated[int, Field(U32, "the lease to end", minimum=1)]


class Stop(NamedTuple):
    """Motor off and needles out at once. Needs no lease and no HELLO, is accepted on every medium in every state."""


class Status(NamedTuple):
    """The whole state of the pen; sent every status period to the medium of the newest accepted HELLO."""

    pen_time_ms: Annotated[int, Field(U32, "time since the pen started, modulo 2³²", "ms")]
    boot_id: Annotated[int, Field(U32, "as in WELCOME")]
    lease: Annotated[int, Field(U32, "the live lease, 0 when there is none")]
    tick: Annotated[int, Field(U32, "newest tick accepted under the live lease, 0 before the first")]
    refusal: Annotated[int, Field(U8, "why the last refused frame was refused, since the lease began", names=Refusal)]
    state: Annotated[int, Field(U8, "what the pen is doing", names=PenState, maximum=max(PenState))]
    faults: Annotated[int, Field(U16, "latched faults", names=Fault)]
    interlocks: Annotated[int, Field(U8, "conditions of the moment", names=Interlock)]
    depth_set_um: Annotated[int, Field(U16, "needle depth in force", "µm", measurable=True)]
    depth_measured_um: Annotated[
        int, Field(I16, "needle protrusion, measured; negative is inside", "µm", measurable=True)
    ]
    rate_set_mhz: Annotated[int, Field(U32, "puncture rate in force", "mHz", measurable=True)]
    rate_measured_mhz: Annotated[int, Field(U32, "puncture rate, measured", "mHz", measurable=True)]
    motor_current_ma: Annotated[int, Field(U16, "motor current", "mA", measurable=True)]
    battery_permille: Annotated[int, Field(U16, "charge left", "‰", maximum=1000, measurable=True)]
    temperature_dc: Annotated[int, Field(I16, "temperature of the handpiece", "0.1 °C", measurable=True)]
    contact: Annotated[int, Field(U8, "skin contact", names=Contact, maximum=1, measurable=True)]
    strokes: Annotated[int, Field(U32, "needle strokes since the cartridge was inserted")]
    button_presses: Annotated[int, Field(U8, "presses of the pen's button, modulo 256")]
    pedal_presses: Annotated[int, Field(U8, "presses of the foot pedal, modulo 256")]


class Request(NamedTuple):
    """Asks for one operation; one is outstanding at a time."""

    id: Annotated[int, Field(U16, "chosen by the host, new for every REQUEST")]
    nonce: Annotated[int, Field(U32, "nonce of the connection")]
    operation: Annotated[int, Field(U8, "which operation")]
    key: Annotated[int, Field(U32, "random and not 0 where the operation is not repeatable, else 0")]
    arguments: Annotated[bytes, Field(REST, "the operation's arguments")]


class Response(NamedTuple):
    """The answer to REQUEST."""

    id: Annotated[int, Field(U16, "id of the REQUEST answered")]
    refusal: Annotated[int, Field(U8, "NONE, or why it was not done", names=Refusal)]
    data: Annotated[bytes, Field(REST, "what the operation returns; empty when refused")]


Message = (
    Hello | Welcome | Busy | Arm | Armed | Setpoint | Disarm | Stop | Status | Request | Response
)  # fmt: skip
"""Any message of the table."""


@dataclass(frozen=True, slots=True)
class MessageRow:
    """One row of the table.

    ``repeatable``: whether sending the same frame again is harmless. ``while_armed``: whether a pen with a live lease
    acts on it.
    """

    kind: int
    type: type[Any]
    direction: Direction
    repeatable: bool
    while_armed: bool


_TO_PEN, _TO_HOST = Direction.HOST_TO_PEN, Direction.PEN_TO_HOST
MESSAGES: tuple[MessageRow, ...] = (
    MessageRow(0x01, Hello, _TO_PEN, repeatable=True, while_armed=True),
    MessageRow(0x02, Welcome, _TO_HOST, repeatable=True, while_armed=False),
    MessageRow(0x03, Busy, _TO_HOST, repeatable=True, while_armed=True),
    MessageRow(0x04, Arm, _TO_PEN, repeatable=False, while_armed=False),
    MessageRow(0x05, Armed, _TO_HOST, repeatable=True, while_armed=True),
    MessageRow(0x06, Setpoint, _TO_PEN, repeatable=True, while_armed=True),
    MessageRow(0x07, Disarm, _TO_PEN, repeatable=True, while_armed=True),
    MessageRow(0x08, Stop, _TO_PEN, repeatable=True, while_armed=True),
    MessageRow(0x09, Status, _TO_HOST, repeatable=True, while_armed=True),
    MessageRow(0x0A, Request, _TO_PEN, repeatable=False, while_armed=True),
    MessageRow(0x0B, Response, _TO_HOST, repeatable=True, while_armed=True),
)
ROW_OF_KIND = {row.kind: row for row in MESSAGES}
ROW_OF_TYPE = {row.type: row for row in MESSAGES}
