"""The clauses of ``docs/protocol.md``, section 3 and 7, by their identifiers, in the document's order.

A test holds this list against the document: a clause added there without a word here fails it.
"""

from collections.abc import Mapping
from types import MappingProxyType

CLAUSES: Mapping[str, str] = MappingProxyType(
    {
        "W1": "a frame is COBS(kind, sequence, payload, CRC-32) and a zero byte",
        "W2": "the CRC-32 decides",
        "W3": "COBS, the full last block included",
        "W4": "frames of up to 254 bytes are read, of at most 64 are sent while armed",
        "W5": "sequence counts the pen's frames and decides nothing",
        "W6": "what is damaged, unknown or too short is dropped without an answer",
        "W7": "longer payloads are accepted, their tail ignored",
        "W8": "in step again at the first zero byte after any garbage",
        "W9": "values outside their range do no harm",
        "P": "pen time is milliseconds since the start",
        "C1": "HELLO is answered by WELCOME within 250 ms, as often as it is said",
        "C2": "STATUS every status period, after the WELCOME, to this medium alone",
        "C3": "another version is answered and makes no connection",
        "C4": "a HELLO while a lease lives ends it, or is BUSY on another medium",
        "C5": "without a lease, a HELLO on another medium takes the connection over",
        "C6": "a medium without the connection is ignored but for HELLO and STOP",
        "C7": "a medium that goes away does nothing by itself",
        "A1": "ARM is answered by ARMED, the lease random and new",
        "A2": "a repeated ARM changes nothing, any other is refused by the first reason of the table",
        "A3": "a lease begins fresh for one dead-man time, at tick 0, without a refusal",
        "A4": "how a lease ends, and that nothing of it lives on",
        "S1": "a setpoint is refused by the first reason of the table and then changes nothing",
        "S2": "freshness comes from the pen time seen, never from arrival",
        "S3": "motor 1 is RUNNING, motor 0 is ARMED",
        "S4": "what the host does not set is ignored and reads as not measured",
        "D1": "silence ends drive and lease in the millisecond of the deadline",
        "T1": "STOP, in any state",
        "T2": "button and pedal stop the motor and are counted",
        "F": "a fault is latched and ends the lease; neither STOP nor HELLO clears it",
        "F1": "CLEAR_FAULT clears what it names when the cause is gone",
        "R1": "a REQUEST is refused by the first reason of the table",
        "R2": "one REQUEST at a time, answered in time, STATUS flowing meanwhile",
        "R3": "a key once used is never executed again; 16 outcomes are kept",
        "R4": "OUTCOME tells what is kept of a key",
        "R5": "what is repeatable is answered anew each time",
        "R6": "SELF_TEST",
        "R7": "EVENT_LOG",
        "V1": "what is not measured reads so, and never as the setpoint",
        "V2": "what is set is what is in force",
        "V3": "the measured rate is 0 at rest",
        "V4": "strokes and presses count",
        "V5": "why the last refused setpoint was refused stays to be read",
        "V6": "NEEDLES_OUT only when confirmed",
        "M1": "SERVICE_ARM grants a lease off skin, or is refused by the first reason of the table",
        "M2": "a service lease ends on skin and after its lifetime too",
        "M3": "a SERVICE_ARM repeated is the same lease or none",
        "M4": "RAW_READ tells the scale",
        "M5": "the adjustment table is taken whole or not at all, and ends the calibration",
        "M6": "LIFETIME_READ tells what was counted",
        "M7": "firmware is started only whole, signed and not under the minimum, and on trial",
    }
)
