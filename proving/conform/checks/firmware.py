"""M7: firmware over the wire. What is sent is signed by nobody, so a pen that is in order never starts it."""

from hashlib import sha256

from firmware_bridge.wire.codec import pack, unpack
from firmware_bridge.wire.messages import Capability, Interlock, Refusal, Response
from firmware_bridge.wire.service_operations import (
    FIRMWARE_APPLY,
    FIRMWARE_BEGIN,
    FIRMWARE_CHUNK,
    FIRMWARE_CHUNK_BYTES,
    FIRMWARE_CONFIRM,
    FIRMWARE_ROLL_BACK,
    FIRMWARE_STATE,
    SIGNATURE_BYTES,
    FirmwareChunk,
    FirmwareImage,
    FirmwareProgress,
    FirmwareState,
)
from proving.conform.bench import Bench
from proving.conform.host import laid_out
from proving.conform.suite import Suite
from proving.conform.verdicts import NotTried, expect, name_of

SUITE = Suite()

CONTENT = bytes(number * 7 % 256 for number in range(2 * FIRMWARE_CHUNK_BYTES + 16))
DIGEST = sha256(CONTENT).digest()


def _shown(answer: Response) -> str:
    return f"{name_of(Refusal, answer.refusal)} with {len(answer.data)} bytes of data"


async def _state(bench: Bench) -> FirmwareState:
    answer = await bench.host.request(FIRMWARE_STATE.number)
    expect(answer.refusal == Refusal.NONE, "FIRMWARE_STATE answered", _shown(answer))
    return unpack(FirmwareState, answer.data)


async def _at_rest(bench: Bench) -> FirmwareState:
    """What runs. Raises NotTried for a pen without updates, one on trial, or one that may refuse an update now."""
    bench.needs(Capability.FIRMWARE_UPDATE)
    state, status = await _state(bench), await bench.host.status()
    if state.trial:
        raise NotTried("a version is on trial: confirm it, or restart the pen")
    low = bench.has(Capability.BATTERY_SENSED) and status.battery_permille < state.battery_min_permille
    if low or not status.interlocks & Interlock.NEEDLES_OUT:
        raise NotTried("an update needs a charged battery and needles out")
    return state


def _unsigned(state: FirmwareState) -> FirmwareImage:
    number = max(state.running_number, state.minimum_number)
    return FirmwareImage(b"conform", number, len(CONTENT), DIGEST + bytes(SIGNATURE_BYTES))


async def _refused(bench: Bench, operation: int, arguments: bytes, why: str) -> None:
    answer = await bench.host.request(operation, arguments, key=bench.number())
    expect((answer.refusal, answer.data) == (Refusal.RANGE, b""), f"RANGE without data ({why})", _shown(answer))


async def _begun(bench: Bench, image: FirmwareImage) -> None:
    answer = await bench.host.request(FIRMWARE_BEGIN.number, pack(image), key=bench.number())
    expect(answer.refusal == Refusal.NONE, "FIRMWARE_BEGIN accepted", _shown(answer))


async def _piece(bench: Bench, offset: int, size: int) -> Response:
    return await bench.host.request(FIRMWARE_CHUNK.number, laid_out(FirmwareChunk(offset, CONTENT[offset:][:size])))


async def _brought(bench: Bench, offset: int, size: int, here: int) -> None:
    answer = await _piece(bench, offset, size)
    expect(answer.refusal == Refusal.NONE, f"the piece at {offset} taken", _shown(answer))
    progress = unpack(FirmwareProgress, answer.data)
    expect(progress.staged_bytes == here, f"{here} bytes here", progress)


@SUITE.check("M7", "nothing on trial to confirm or go back from; no number under the minimum", writes=True)
async def nothing_on_trial(bench: Bench) -> None:
    state = await _at_rest(bench)
    expect(state.running == state.confirmed, "what runs confirmed", state)
    await _refused(bench, FIRMWARE_CONFIRM.number, b"", "nothing is on trial")
    await _refused(bench, FIRMWARE_ROLL_BACK.number, b"", "nothing is on trial")
    if state.minimum_number:
        old = _unsigned(state)._replace(number=state.minimum_number - 1)
        await _refused(bench, FIRMWARE_BEGIN.number, pack(old), "a number under the minimum")


@SUITE.check("M7", "pieces leave no hole, come twice for nothing; what nobody signed is not started", writes=True)
async def not_signed(bench: Bench) -> None:
    before = await _at_rest(bench)
    await _begun(bench, _unsigned(before)._replace(size=1))
    await _begun(bench, _unsigned(before))
    beyond = await _piece(bench, 16, FIRMWARE_CHUNK_BYTES)
    expect(beyond.refusal == Refusal.RANGE, "RANGE (a piece that leaves a hole)", _shown(beyond))
    await _brought(bench, 0, FIRMWARE_CHUNK_BYTES, FIRMWARE_CHUNK_BYTES)
    await _brought(bench, 0, FIRMWARE_CHUNK_BYTES, FIRMWARE_CHUNK_BYTES)
    await _refused(bench, FIRMWARE_APPLY.number, b"", "an image that is not whole")
    await _brought(bench, FIRMWARE_CHUNK_BYTES, FIRMWARE_CHUNK_BYTES, 2 * FIRMWARE_CHUNK_BYTES)
    await _brought(bench, 2 * FIRMWARE_CHUNK_BYTES, 16, len(CONTENT))
    state = await _state(bench)
    told = (state.staged_size, state.staged_bytes, state.staged_sha256)
    expect(told == (len(CONTENT), len(CONTENT), DIGEST), "the whole of it here", state)
    await _refused(bench, FIRMWARE_APPLY.number, b"", "nobody signed it")
    after = await _state(bench)
    expect((after.running, after.trial) == (before.running, 0), "what ran, running", after)


@SUITE.check("M7", "what was received stays over a reboot", writes=True)
async def received_stays(bench: Bench) -> None:
    reboot, before = bench.hand("reboot"), await _at_rest(bench)
    await _begun(bench, _unsigned(before)._replace(size=1))
    await _begun(bench, _unsigned(before))
    await _brought(bench, 0, FIRMWARE_CHUNK_BYTES, FIRMWARE_CHUNK_BYTES)
    await bench.rebooted(reboot)
    state = await _state(bench)
    expect(state.staged_bytes == FIRMWARE_CHUNK_BYTES, f"{FIRMWARE_CHUNK_BYTES} bytes here", state)
    expect(state.running == before.running, "what ran, running", state)
    await _begun(bench, _unsigned(before))
    again = await _state(bench)
    expect(again.staged_bytes == FIRMWARE_CHUNK_BYTES, "the same image begun again goes on", again)


@SUITE.check("M7", "a trial lasts one start, goes back to what was confirmed, and nobody is armed on it", writes=True)
async def on_trial(bench: Bench) -> None:
    """A place in the report for what cannot be seen from here: M7 is never more than *in part*."""
    bench.needs(Capability.FIRMWARE_UPDATE)
    raise NotTried("it takes firmware that this pen's maker signed, and none is at hand")
