"""W: frames. Everything here is said without a lease, and nothing said could be taken for a setpoint."""

import asyncio
from zlib import crc32

from cobs.cobs import encode as cobs_encode

from firmware_bridge.wire.framing import DELIMITER, Deframer
from firmware_bridge.wire.messages import PROTOCOL_VERSION, ROW_OF_TYPE, Disarm, Hello, Message, Status, Welcome
from firmware_bridge.wire.operations import EVENT_LOG
from proving.conform.bench import Bench
from proving.conform.checks.log import log_piece
from proving.conform.host import BareHost, framed, sealed
from proving.conform.suite import Suite
from proving.conform.verdicts import NotTried, expect

SUITE = Suite()

HELLO_KIND = ROW_OF_TYPE[Hello].kind
UNKNOWN_KIND = 0x7E
QUIET_S = 0.1
FRAME_MAX_BYTES, ARMED_MAX_BYTES = 254, 64
FIXED_BYTES = 2 + 5 + 4  # kind and sequence, HELLO, CRC


async def answered(host: BareHost, wire: bytes, nonce: int, what: str) -> None:
    """These bytes bring a WELCOME with this nonce."""
    host.nonce = nonce
    host.write(wire)
    await host.next(Welcome, lambda welcome: welcome.nonce == nonce, what=f"a WELCOME to {what}")


async def dropped(host: BareHost, wire: bytes, what: str) -> None:
    """These bytes bring nothing but STATUS; a good HELLO behind them is answered."""
    first = len(host.received)
    host.write(DELIMITER + wire)
    await asyncio.sleep(QUIET_S)
    heard = [message for message in host.received[first:] if not isinstance(message, Status)]
    expect(not heard, f"no answer to {what}", heard[:1])
    nonce = host.nonce ^ 0x5A5A or 1
    await answered(host, framed(Hello(nonce, PROTOCOL_VERSION), 0), nonce, f"a good HELLO behind {what}")


@SUITE.check("W1", "whatever the pen sends is a good frame")
async def what_it_sends_is_a_frame(bench: Bench) -> None:
    host = bench.host
    host.deframer = Deframer()
    host.write(DELIMITER + framed(Hello(host.nonce, PROTOCOL_VERSION), 0))
    await host.next(Welcome)
    for _ in range(10):
        await host.status()
    expect(not host.deframer.damaged, "no damage among what the pen sends", f"{host.deframer.damaged} damaged pieces")


@SUITE.check("W2", "a HELLO with a wrong CRC is not answered")
async def a_wrong_crc_is_dropped(bench: Bench) -> None:
    host = bench.host
    body = bytes((HELLO_KIND, 3)) + (0x0102_0304).to_bytes(4, "little") + bytes((PROTOCOL_VERSION,))
    for flipped in (1, 1 << 31):
        wrong = cobs_encode(body + (crc32(body) ^ flipped).to_bytes(4, "little")) + DELIMITER
        await dropped(host, wrong, "a HELLO with a wrong CRC")
    good = framed(Hello(0x0102_0304, PROTOCOL_VERSION), 3)
    await dropped(host, good[:1] + bytes((good[1] ^ 0x40,)) + good[2:], "a HELLO with one bit changed")


@SUITE.check("W3", "zero bytes inside, a full last block, and COBS that is none")
async def cobs_in_full(bench: Bench) -> None:
    host = bench.host
    for nonce in (1, 0x0100_0000, 0x0101_0101, 0xFFFF_FFFF):
        await answered(host, framed(Hello(nonce, PROTOCOL_VERSION), 1), nonce, f"HELLO with nonce 0x{nonce:08X}")
    full = _full_block()
    nonce = int.from_bytes(full[2:6], "little")
    await answered(host, cobs_encode(full) + DELIMITER, nonce, "a HELLO of one full block of 254 bytes")
    await dropped(host, b"\x05\x01" + DELIMITER, "COBS that names more bytes than there are")


def _full_block() -> bytes:
    """A HELLO with a tail, 254 bytes without a zero among them, so that COBS ends with a full block."""
    for number in range(1, 1 << 16):
        nonce = 0x0101_0101 + (number & 0xFF) + (number >> 8 << 8)
        body = bytes((HELLO_KIND, 1)) + nonce.to_bytes(4, "little") + bytes((PROTOCOL_VERSION,))
        body += b"\x55" * (FRAME_MAX_BYTES - 4 - len(body))
        full: bytes = body + crc32(body).to_bytes(4, "little")
        if 0 not in full:
            return full
    raise NotTried("no such frame was found")  # pragma: no cover


@SUITE.check("W4", "a frame of 254 bytes is read")
async def the_longest_frame_is_read(bench: Bench) -> None:
    host = bench.host
    nonce = bench.number()
    tail = bytes(FRAME_MAX_BYTES - FIXED_BYTES)
    await answered(host, framed(Hello(nonce, PROTOCOL_VERSION), 9, tail), nonce, "a HELLO of 254 bytes")


@SUITE.check("W4", "while armed it sends no frame over 64 bytes")
async def short_frames_while_armed(bench: Bench) -> None:
    host = bench.host
    lease = (await bench.armed()).lease
    host.forget()
    async with bench.driving(lease):
        for _ in range(5):
            await host.status()
        if EVENT_LOG.capability is None or bench.has(EVENT_LOG.capability):
            await log_piece(host, 1)
        longest = max(len(piece) - 1 for piece in bytes(host.raw).split(DELIMITER)[1:])
    expect(longest <= ARMED_MAX_BYTES, f"frames of at most {ARMED_MAX_BYTES} bytes while armed", f"{longest} bytes")


@SUITE.check("W5", "the pen's sequence has no gap, and the host's decides nothing")
async def sequence_counts_and_decides_nothing(bench: Bench) -> None:
    host = bench.host
    for sequence in (200, 200, 3, 255):
        nonce = bench.number()
        await answered(host, framed(Hello(nonce, PROTOCOL_VERSION), sequence), nonce, f"HELLO with sequence {sequence}")
    host.deframer = Deframer()
    for _ in range(10):
        await host.status()
    expect(not host.deframer.lost, "sequence numbers without a gap", f"{host.deframer.lost} missing")


@SUITE.check("W6", "an unknown kind and a short payload are dropped")
async def unknown_and_short_are_dropped(bench: Bench) -> None:
    host = bench.host
    await dropped(host, sealed(bytes((UNKNOWN_KIND, 1)) + b"\x01\x02\x03"), f"a frame of kind 0x{UNKNOWN_KIND:02X}")
    await dropped(host, sealed(bytes((HELLO_KIND, 1)) + b"\x01\x02\x03\x04"), "a HELLO that is a byte too short")
    await dropped(host, sealed(b""), "a frame with nothing but a CRC")
    for row in (row for row in ROW_OF_TYPE.values() if row.direction.value.startswith("pen")):
        await dropped(
            host, sealed(bytes((row.kind, 1)) + bytes(60)), f"a {row.type.__name__.upper()}, which is a pen's"
        )


@SUITE.check("W7", "a HELLO with a tail is answered")
async def a_longer_payload_is_read(bench: Bench) -> None:
    nonce = bench.number()
    await answered(bench.host, framed(Hello(nonce, PROTOCOL_VERSION), 8, b"\x09\x00\x09"), nonce, "a HELLO with a tail")


@SUITE.check("W8", "garbage, an overlong piece, zeros, and bytes one by one")
async def in_step_after_any_garbage(bench: Bench) -> None:
    host = bench.host
    good = framed(Hello(bench.number(), PROTOCOL_VERSION), 7)
    for garbage, what in (
        (b"\xaa" * 700, "700 bytes without a zero"),
        (b"\xff" * 255, "255 bytes without a zero"),
        (b"\xff" * 256, "256 bytes without a zero"),
        (good[:4], "a frame cut short"),
        (bytes(40), "forty zeros"),
        (bytes(range(1, 256)) * 8, "2 kB of noise"),
    ):
        nonce = bench.number()
        await answered(
            host, garbage + DELIMITER + framed(Hello(nonce, PROTOCOL_VERSION), 7), nonce, f"a HELLO behind {what}"
        )
    nonce = bench.number()
    host.nonce = nonce
    first = len(host.received)
    for byte in framed(Hello(nonce, PROTOCOL_VERSION), 7):
        host.write(bytes((byte,)))
        await asyncio.sleep(0.002)
    await host.next(
        Welcome, lambda welcome: welcome.nonce == nonce, what="a WELCOME to a HELLO sent byte by byte", since=first
    )


@SUITE.check("W9", "a HELLO with nonce 0 and a DISARM of lease 0 are ignored")
async def out_of_range_is_ignored(bench: Bench) -> None:
    host = bench.host
    kept = host.nonce
    first = len(host.received)
    host.send(Hello(0, PROTOCOL_VERSION))
    await asyncio.sleep(QUIET_S)
    heard: list[Message] = [message for message in host.received[first:] if isinstance(message, Welcome)]
    expect(not heard, "no answer to a HELLO with nonce 0", heard[:1])
    await host.status(what="STATUS still on the connection")
    host.nonce = kept
    try:
        lease = (await bench.armed()).lease
    except NotTried:
        return
    host.send(Disarm(0))
    status = await host.status()
    expect(status.lease == lease, "a DISARM of lease 0 ignored", status)
