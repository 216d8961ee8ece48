"""Reading a pen's event log, which is how a host learns the millisecond in which a pen did something."""

from itertools import pairwise
from struct import Struct
from typing import NamedTuple

from firmware_bridge.wire.codec import pack, unpack
from firmware_bridge.wire.messages import Refusal
from firmware_bridge.wire.operations import EVENT_LOG, LogEntries, LogPosition
from proving.conform.host import BareHost
from proving.conform.verdicts import expect

ENTRY = Struct("<IIBI")
ENTRIES_MAX = 3
STARTED, ARMED, LEASE_ENDED, LATCHED, CLEARED, CALIBRATED, CONSUMED, TESTED, BUTTON, PEDAL, SERVED, ADJUSTED = range(
    1, 13
)
BY_STOP, BY_DISARM, BY_FAULT, BY_HELLO, BY_SILENCE, BY_SKIN, BY_LIFETIME = range(7)


class Entry(NamedTuple):
    """One entry of the log, as section 6 of the protocol lays it out."""

    number: int
    pen_time_ms: int
    code: int
    argument: int


async def log_piece(host: BareHost, first: int) -> tuple[int, list[Entry]]:
    """Number of the newest entry, and those in one answer. Raises Unmet when it is not an answer."""
    answer = await host.request(EVENT_LOG.number, pack(LogPosition(first)))
    expect(answer.refusal == Refusal.NONE, "EVENT_LOG answered", answer)
    piece = unpack(LogEntries, answer.data)
    whole = len(piece.entries) % ENTRY.size == 0 and len(piece.entries) <= ENTRIES_MAX * ENTRY.size
    expect(whole, f"up to {ENTRIES_MAX} entries of {ENTRY.size} bytes", f"{len(piece.entries)} bytes of entries")
    return piece.newest, [Entry(*values) for values in ENTRY.iter_unpack(piece.entries)]


async def log_from(host: BareHost, first: int) -> list[Entry]:
    """Every entry from ``first`` on; their numbers are in order and without a gap. Raises Unmet."""
    found: list[Entry] = []
    while piece := (await log_piece(host, first))[1]:
        found += piece
        first = piece[-1].number + 1
    in_order = all(later.number == earlier.number + 1 for earlier, later in pairwise(found))
    expect(in_order, "entries numbered one after the other", [entry.number for entry in found])
    return found


async def newest_entry(host: BareHost) -> int:
    """The number of the newest entry."""
    return (await log_piece(host, 0xFFFF_FFFF))[0]
