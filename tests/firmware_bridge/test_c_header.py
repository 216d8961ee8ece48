"""The generated C header: it compiles strictly, agrees with every vector, and its deframer agrees with Python's."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any
from zlib import crc32

import pytest
from cobs.cobs import DecodeError
from cobs.cobs import decode as cobs_decode
from cobs.cobs import encode as cobs_encode

from firmware_bridge.wire.codec import range_problem
from firmware_bridge.wire.fields import fields_of
from firmware_bridge.wire.framing import WIRE_MAX_BYTES, Deframer, frame
from firmware_bridge.wire.messages import MESSAGES, ROW_OF_KIND, ROW_OF_TYPE, Message, Stop

pytestmark = [pytest.mark.system, pytest.mark.unhurried]  # builds and runs C programs

ROOT = Path(__file__).parent.parent.parent
HEADER_FOLDER = ROOT / "docs" / "c"
STRICT = ["gcc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", f"-I{HEADER_FOLDER}"]
STREAMS = 1500

Ask = Callable[[list[str]], list[Any]]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """The C program of this test: lines of commands in, one parsed answer for each. Address and bounds are checked."""
    program = tmp_path_factory.mktemp("c") / "vectors"
    sanitizers = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    build([*sanitizers, str(ROOT / "tests" / "c" / "vectors.c"), "-o", str(program)])

    def run(commands: list[str]) -> list[Any]:
        done = subprocess.run(
            [str(program)],
            input="".join(f"{command}\n" for command in commands),
            capture_output=True,
            text=True,
            check=False,
            timeout=15,
            env={"ASAN_OPTIONS": "detect_leaks=0"},  # leak detection needs ptrace, which containers forbid
        )
        assert done.returncode == 0, done.stderr[-2000:]
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(answers) == len(commands)
        return answers

    return run


def build(arguments: list[str]) -> None:
    done = subprocess.run([*STRICT, *arguments], capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 0, done.stderr


def vectors(name: str) -> list[dict[str, Any]]:
    text = (ROOT / "tests" / "vectors" / name).read_text(encoding="utf-8")
    found: list[dict[str, Any]] = json.loads(text)["vectors"]
    return found


def as_c_prints(fields: dict[str, Any]) -> dict[str, Any]:
    """A vector's fields as the C program prints them: text and REST as hex."""
    printed: dict[str, Any] = {}
    for name, item in fields.items():
        if isinstance(item, dict):
            printed[name] = item["hex"]
        elif isinstance(item, str):
            printed[name] = item.encode("ascii").hex()
        else:
            printed[name] = item
    return printed


def printed_message(message: Message) -> dict[str, Any]:
    """A message of Python's decoder as the C program prints it: text ends at its first zero byte."""
    printed: dict[str, Any] = {}
    for (name, field), item in zip(fields_of(type(message)).items(), message, strict=True):
        if isinstance(item, bytes):
            printed[name] = (item.split(b"\0")[0] if field.layout.size_bytes else item).hex()
        else:
            printed[name] = item
    return printed


@pytest.mark.parametrize("flags", [["-ffreestanding"], ["-O2", "-Wconversion", "-Wshadow", "-Wsign-conversion"]])
def test_the_header_compiles_strictly_in_two_files_of_one_program(tmp_path: Path, flags: list[str]) -> None:
    body = '#include "needlework_wire.h"\nint {name}(void);\nint {name}(void) {{ return (int)NW_PROTOCOL_VERSION; }}\n'
    for name in ("one", "two"):
        (tmp_path / f"{name}.c").write_text(body.format(name=name), encoding="utf-8")
        build([*flags, "-c", str(tmp_path / f"{name}.c"), "-o", str(tmp_path / f"{name}.o")])
    build(["-r", "-nostdlib", str(tmp_path / "one.o"), str(tmp_path / "two.o"), "-o", str(tmp_path / "both.o")])


def test_the_header_is_ascii_and_needs_no_library() -> None:
    text = (HEADER_FOLDER / "needlework_wire.h").read_text(encoding="ascii")
    includes = {line.split()[1] for line in text.splitlines() if line.startswith("#include")}
    assert includes == {"<stdbool.h>", "<stddef.h>", "<stdint.h>"}, "only what a freestanding compiler has"


def test_c_decodes_and_encodes_every_message_vector(ask: Ask) -> None:
    all_vectors = vectors("messages.json")
    for vector, answer in zip(all_vectors, ask([f"stream {item['wire']}" for item in all_vectors]), strict=True):
        (got,) = answer["frames"]
        expected = {
            "kind": vector["kind"],
            "sequence": vector["sequence"],
            "in_range": True,
            "fields": as_c_prints(vector["fields"]),
            "wire": vector["wire"],
        }
        assert got == expected, vector["name"]


def test_c_decodes_and_encodes_every_operation_vector(ask: Ask) -> None:
    all_vectors = [vector for vector in vectors("operations.json") if vector["fields"]]
    names = [
        "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in vector["struct"]).lstrip("_")
        for vector in all_vectors
    ]
    commands = [f"struct {name} {item['payload']}" for name, item in zip(names, all_vectors, strict=True)]
    for vector, answer in zip(all_vectors, ask(commands), strict=True):
        expected = {"in_range": True, "fields": as_c_prints(vector["fields"]), "payload": vector["payload"]}
        assert answer == expected, vector["name"]
    for vector, answer in zip(all_vectors, ask([f"stream {item['wire']}" for item in all_vectors]), strict=True):
        assert [item["wire"] for item in answer["frames"]] == [vector["wire"]], vector["name"]
    too_short = [f"struct {name} {item['payload'][:2]}" for name, item in zip(names, all_vectors, strict=True)]
    assert all(answer == {"payload": None} for answer in ask(too_short))


def test_c_accepts_longer_payloads(ask: Ask) -> None:
    all_vectors = vectors("longer.json")
    for vector, answer in zip(all_vectors, ask([f"stream {item['wire']}" for item in all_vectors]), strict=True):
        assert [item["wire"] for item in answer["frames"]] == [vector["canonical"]], vector["name"]


def test_c_drops_what_must_be_dropped(ask: Ask) -> None:
    stop = frame(Stop(), 0).hex()
    all_vectors = [vector for vector in vectors("rejected.json") if vector["wire"].endswith("00")]
    for vector, answer in zip(all_vectors, ask([f"stream {item['wire']}{stop}" for item in all_vectors]), strict=True):
        assert [item["wire"] for item in answer["frames"]] == [stop], vector["name"]
        assert answer["damaged"] == vector["damaged"], vector["name"]


def test_c_names_values_out_of_range(ask: Ask) -> None:
    all_vectors = vectors("out_of_range.json")
    for vector, answer in zip(all_vectors, ask([f"stream {item['wire']}" for item in all_vectors]), strict=True):
        (got,) = answer["frames"]
        assert got["fields"][vector["field"]] == vector["value"], vector["name"]
        assert not got["in_range"], vector["name"]


def test_c_resynchronises_as_the_vectors_say(ask: Ask) -> None:
    all_vectors = vectors("streams.json")
    for vector, answer in zip(all_vectors, ask([f"stream {item['wire']}" for item in all_vectors]), strict=True):
        expected = [cobs_encode(bytes.fromhex(inside)).hex() + "00" for inside in vector["delivered"]]
        assert [item["wire"] for item in answer["frames"]] == expected, vector["name"]
        assert (answer["damaged"], answer["lost"]) == (vector["damaged"], vector["lost"]), vector["name"]


def python_cobs_decode(data: bytes) -> str | None:
    try:
        decoded: bytes = cobs_decode(data)
    except DecodeError:
        return None
    return decoded.hex()


def test_c_and_python_agree_on_cobs_and_crc_of_any_bytes(ask: Ask) -> None:
    """Also of more bytes than a frame has: the functions are there for anybody to use."""
    random = Random(254)
    blocks = [b"\x00", b"\x01" * 253, b"\x02" * 254, b"\x03" * 255, b"\xff", b"\x02\x07", b""]
    data = [b"".join(random.choices(blocks, k=random.randrange(6))) for _ in range(300)]
    data += [random.randbytes(random.randrange(20)) for _ in range(300)]
    data += [bytes(cobs_encode(item)) for item in data]
    for item, answer in zip(data, ask([f"cobs {item.hex()}" for item in data]), strict=True):
        assert answer["encoded"] == cobs_encode(item).hex()
        assert answer["too_small"] == 0, "a buffer one byte too small is refused"
        assert answer["decoded"] == python_cobs_decode(item), item
        assert answer["crc"] == crc32(item), item


def random_frame(random: Random) -> bytes:
    """A frame of any kind with a payload of any bytes and length, usually a good one."""
    row = random.choice(MESSAGES)
    least = sum(field.layout.size_bytes for field in fields_of(row.type).values())
    size = max(0, min(248, least + random.choice((-1, 0, 0, 0, 0, 1, 30, 248))))
    fill = random.choice((random.randbytes(size), bytes(size), b"\x01" * size))
    body = bytes((row.kind if random.random() < 0.95 else random.randrange(256), random.randrange(256))) + fill
    sealed = body + crc32(body).to_bytes(4, "little")
    if random.random() < 0.1:
        sealed = sealed[:-1] + bytes((sealed[-1] ^ 1,))
    wire: bytes = cobs_encode(sealed) + b"\0"
    return wire


def random_stream(random: Random) -> bytes:
    """Frames, noise, cut frames and delimiters in any order."""
    pieces = []
    for _ in range(random.randrange(8)):
        wire = random_frame(random)
        noise = random.randbytes(random.randrange(40)) * random.choice((1, 1, 12))
        pieces.append(random.choice((wire, wire, wire, noise, wire[: random.randrange(len(wire))], b"\0")))
    return b"".join(pieces)


def test_c_and_python_deframers_agree_on_random_streams(ask: Ask) -> None:
    random = Random(20_250_117)
    streams = [random_stream(random) for _ in range(STREAMS)]
    delivered = 0
    for stream, answer in zip(streams, ask([f"stream {stream.hex()}" for stream in streams]), strict=True):
        deframer = Deframer()
        messages = deframer.feed(stream)
        assert [ROW_OF_KIND[item["kind"]].type for item in answer["frames"]] == [type(item) for item in messages], (
            stream
        )
        for got, message in zip(answer["frames"], messages, strict=True):
            assert got["fields"] == printed_message(message), (ROW_OF_TYPE[type(message)], stream)
            assert got["in_range"] == (range_problem(message) is None), (message, stream)
        counted = (answer["good"], answer["damaged"], answer["lost"])
        assert counted == (deframer.frames, deframer.damaged, deframer.lost), stream
        assert answer["most_held"] <= WIRE_MAX_BYTES
        delivered += len(messages)
    assert delivered > STREAMS, "the streams must hold good frames too, or the comparison proves little"
