"""Firmware in a file: what is made is read again, and what was changed anywhere is refused by name."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from controller.errors import DataError
from controller.service.firmware_file import SIZE_MAX, parse_firmware, read_firmware, sign_firmware
from simulators.maker import maker_key, maker_public, signed_image, simulated_image

KEY = maker_key()
CONTENT = simulated_image("sim 2.0", size=1000)
FILE = sign_firmware("NW-2", "sim 2.0", 200, CONTENT, KEY)


def test_a_file_is_what_was_signed() -> None:
    read = parse_firmware(FILE.as_bytes(), "f")
    assert read == FILE
    assert read.signed_by(maker_public())
    assert not read.signed_by(Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw())
    assert read.announced == signed_image("NW-2", "sim 2.0", 200, CONTENT)


@given(st.integers(0, 1151), st.integers(1, 255))
def test_a_byte_changed_anywhere_is_found_here_or_by_whoever_has_the_makers_key(place: int, by: int) -> None:
    raw = bytearray(FILE.as_bytes())
    raw[place] ^= by
    try:
        read = parse_firmware(bytes(raw), "f")
    except DataError:
        return
    assert not read.signed_by(maker_public())


@given(st.binary(max_size=300))
def test_other_files_are_none(raw: bytes) -> None:
    with pytest.raises(DataError):
        parse_firmware(raw, "f")


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"", "is no firmware"),
        (FILE.as_bytes()[:152], "holds 0 bytes of an image of 1000"),
        (FILE.as_bytes()[:-1], "it was cut"),
        (FILE.as_bytes() + b"x", "something was added"),
        (FILE.as_bytes().replace(b"\r\n", b"\n"), "is no firmware"),
        (FILE.as_bytes()[:-1] + b"x", "not the one that its head names"),
        (FILE.as_bytes()[:8] + b"\xff" + FILE.as_bytes()[9:], "no ASCII"),
        (replace(FILE, version="\x1b[2J").as_bytes(), "printable"),
        (replace(FILE, version="").as_bytes(), "version '' is not"),
        (replace(FILE, number=0).as_bytes(), "number 0"),
        (replace(FILE, content=b"", digest=sha256(b"").digest()).as_bytes(), "this one 0"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(raw: bytes, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        parse_firmware(raw, "f")


@pytest.mark.parametrize(
    ("model", "version", "number", "content", "sentence"),
    [
        ("", "2.0", 1, b"x", "model ''"),
        ("M" * 25, "2.0", 1, b"x", "model"),
        ("NW-2", "zwei\n", 1, b"x", "version"),
        ("NW-2", "ö", 1, b"x", "version"),
        ("NW-2", "2.0", 0, b"x", "number 0"),
        ("NW-2", "2.0", 1 << 32, b"x", "number"),
        ("NW-2", "2.0", 1, b"", "this one 0"),
    ],
)
def test_what_no_pen_can_be_told_is_not_signed(
    model: str, version: str, number: int, content: bytes, sentence: str
) -> None:
    with pytest.raises(DataError, match=sentence):
        sign_firmware(model, version, number, content, KEY)


def test_a_file_larger_than_any_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "big"
    with path.open("wb") as file:
        file.truncate(SIZE_MAX + 1000)
    with pytest.raises(DataError, match="larger than any"):
        read_firmware(path)
    path.write_bytes(FILE.as_bytes())
    assert read_firmware(path) == FILE
