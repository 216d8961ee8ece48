"""Target: the control socket of a served pen, by lines that are requests, nearly, or nothing of the kind."""

import asyncio
import json
import tempfile
from datetime import date
from pathlib import Path
from random import Random

from simulators.control import ControlSocket
from simulators.controlled import ControlledPen
from simulators.faults.catalogue import CATALOGUE
from simulators.faults.injector import Injector
from simulators.pen import SimulatedPen
from tests.fuzz.reading import Script

STEPS_MAX = 30
ANSWERED_WITHIN_S = 4.0

_loop = asyncio.new_event_loop()
_broke: list[BaseException] = []
_loop.set_exception_handler(
    lambda _loop, context: _broke.append(context.get("exception") or RuntimeError(str(context)))
)
VERBS = ("faults", "inject", "clear", "truth", "hand", "schedule", "wait", "nothing")
FIELDS = ("fault", "parameters", "for_ms", "action", "zone", "held_ms", "seed", "count", "length_ms", "faults", "for",
          "within_ms", "id")  # fmt: skip
NAMES = (*sorted(CATALOGUE), "button", "cartridge_out", "power_off", "cheek", "state == IDLE", "at_ms", "fault", "")


def fuzz(data: bytes) -> None:
    """One client as the script has it. Raises when a line has no answer, or the answer is none."""
    _broke.clear()
    _loop.run_until_complete(_client(written(Script(data))))
    if _broke:
        raise _broke[0]


def written(script: Script) -> bytes:
    """What the client sends: lines."""
    sent = b""
    for _ in range(STEPS_MAX):
        if not script.left:
            break
        if script.number(3) == 0:
            sent += script.piece(script.number(300)) + b"\n" * script.number(2)
            continue
        asked = {"do": VERBS[script.number(len(VERBS))]}
        for _ in range(script.number(4)):
            asked[FIELDS[script.number(len(FIELDS))]] = _value(script)
        sent += json.dumps(asked).encode() + b"\n"
    return sent


def _value(script: Script, depth: int = 0) -> object:
    match script.number(8 if depth < 2 else 5):
        case 0:
            return NAMES[script.number(len(NAMES))]
        case 1:
            return script.number(65536)
        case 2:
            return -script.number(65536)
        case 3:
            return script.piece(script.number(20)).decode("utf-8", "replace")
        case 4:
            return (None, True, 0.5, 10**400, float("inf"))[script.number(5)]
        case 5:
            return [_value(script, depth + 1) for _ in range(script.number(4))]
        case _:
            return {NAMES[script.number(len(NAMES))]: _value(script, depth + 1) for _ in range(script.number(3))}


async def _client(sent: bytes) -> None:
    pen = SimulatedPen(rng=Random(1), today=date(2026, 5, 4))
    with tempfile.TemporaryDirectory(prefix="nw-fuzz-") as folder:
        path = Path(folder) / "control"
        async with ControlSocket(path, ControlledPen(pen, Injector(pen))):
            answers = await _answers(path, sent)
    for line in answers.splitlines():
        answer = json.loads(line)
        assert answer["ok"] is True or answer["error"]["sentence"], answer


async def _answers(path: Path, sent: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.write(sent)
        writer.write_eof()
        async with asyncio.timeout(ANSWERED_WITHIN_S):
            return await reader.read()
    except ConnectionError:
        return b""  # let go, as a client that says nothing understandable is
    finally:
        writer.close()


def seeds() -> list[bytes]:
    """Each verb alone, and a fault."""
    verbs = [bytes((1, number, 0)) for number in range(len(VERBS))]
    return [*verbs, b"".join(verbs), bytes((1, 1, 1, 0, 0, 3)), bytes(range(256))]
