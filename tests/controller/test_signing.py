"""Signatures: only a trusted physician's own, under exactly these bytes, counts; every changed byte is found."""

import base64
import os
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from controller import signing
from controller.errors import DataError
from controller.key_file import PassphraseNeeded, make_key_file, read_key_file
from controller.library import TrustedKeys, load_library, load_trusted_keys, sidecar_of
from controller.signing import (
    SIGNED_FOR,
    Physician,
    Signature,
    digest_of,
    public_text,
    read_sidecar,
    sidecar,
    sign,
    verify,
)

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
ON = date(2026, 3, 1)
CONTENT = (Path(__file__).parents[2] / "controller" / "data" / "example_library.yaml").read_bytes()


def physician(key: Ed25519PrivateKey = KEY, licence: str = "L-1", until: date = date(2027, 1, 1)) -> Physician:
    return Physician(licence=licence, public_key=public_text(key.public_key().public_bytes_raw()), valid_until=until)


def trusting(**physicians: Physician) -> TrustedKeys:
    return TrustedKeys(format="needlework-physicians/1", physicians=physicians)


TRUSTED = trusting(dra=physician())
SIGNED = sign(CONTENT, key=KEY, signer="dra", licence="L-1", on=ON)
SIDECAR = sidecar(SIGNED)


def prove(content: bytes, beside: bytes, trusted: TrustedKeys | None = TRUSTED, today: date | None = ON) -> Signature:
    signature = read_sidecar(beside, "l.yaml.sig")
    verify(content, signature, trusted, name="l.yaml", today=today)
    return signature


def refused(content: bytes, beside: bytes, trusted: TrustedKeys | None = TRUSTED, today: date | None = ON) -> str:
    with pytest.raises(DataError) as caught:
        prove(content, beside, trusted, today)
    return str(caught.value)


def test_a_physicians_signature_counts() -> None:
    assert prove(CONTENT, SIDECAR) == SIGNED
    assert prove(CONTENT, SIDECAR, today=None).signer == "dra"


def test_every_byte_of_the_sidecar_counts() -> None:
    for place in range(len(SIDECAR)):
        for flip in (1, 0x20, 0x80):
            changed = bytearray(SIDECAR)
            changed[place] ^= flip
            refused(CONTENT, bytes(changed))


@given(st.data())
def test_a_changed_byte_anywhere_is_found(data: st.DataObject) -> None:
    in_file = data.draw(st.booleans())
    parts = [bytearray(CONTENT), bytearray(SIDECAR)]
    part = parts[0 if in_file else 1]
    kind = data.draw(st.sampled_from(["flip", "insert", "remove", "append", "cut"]))
    place = data.draw(st.integers(0, len(part) - 1))
    if kind == "flip":
        part[place] ^= data.draw(st.integers(1, 255))
    elif kind == "insert":
        part.insert(place, data.draw(st.integers(0, 255)))
    elif kind == "remove":
        del part[place]
    elif kind == "append":
        part += data.draw(st.binary(min_size=1, max_size=5))
    else:
        del part[place:]
    said = refused(bytes(parts[0]), bytes(parts[1]))
    if in_file:
        assert "it was changed after signing" in said


@pytest.mark.parametrize("field", ["signer", "licence", "key", "signed_on", "file_bytes", "file_sha256", "signature"])
def test_every_word_of_the_sidecar_is_signed(field: str) -> None:
    """Written anew in the right form: only the signature itself can tell."""
    twin = trusting(dra=physician(), drb=physician(OTHER))
    changes = {
        "signer": "drb", "licence": "L-2", "key": physician(OTHER).fingerprint, "signed_on": date(2026, 2, 1),
        "file_bytes": len(CONTENT) + 1, "file_sha256": digest_of(CONTENT + b"\n"),
        "signature": sign(CONTENT, key=KEY, signer="dra", licence="L-1", on=date(2026, 3, 2)).signature,
    }  # fmt: skip
    changed = sidecar(SIGNED.model_copy(update={field: changes[field]}))
    content = CONTENT + b"\n" if field == "file_bytes" else CONTENT
    assert "l.yaml: " in refused(content, changed, twin)


def test_another_physicians_key_is_named_as_untrusted() -> None:
    said = refused(CONTENT, sidecar(sign(CONTENT, key=OTHER, signer="dra", licence="L-1", on=ON)))
    assert "no trusted physician's" in said
    assert physician(OTHER).fingerprint[:16] in said


def test_without_any_keys_a_signature_is_refused_and_the_setting_named() -> None:
    assert "trusted_physicians" in refused(CONTENT, SIDECAR, None)


def test_a_key_that_held_no_longer_is_refused_on_either_day() -> None:
    late = sidecar(sign(CONTENT, key=KEY, signer="dra", licence="L-1", on=date(2027, 1, 2)))
    assert "held until 2027-01-01, not on the day of signing (2027-01-02)" in refused(CONTENT, late, today=None)
    assert "held until 2027-01-01, not today (2027-01-02)" in refused(CONTENT, SIDECAR, today=date(2027, 1, 2))
    prove(CONTENT, SIDECAR, today=date(2027, 1, 1))
    assert "yet to come" in refused(CONTENT, SIDECAR, today=date(2026, 2, 28))


@pytest.mark.parametrize(("signer", "licence"), [("drb", "L-1"), ("dra", "L-2")])
def test_a_signature_under_another_name_is_refused(signer: str, licence: str) -> None:
    said = refused(CONTENT, sidecar(sign(CONTENT, key=KEY, signer=signer, licence=licence, on=ON)))
    assert f"signed as {signer}, licence {licence}; by the clinic's file the key is that of dra, licence L-1" in said


def test_a_signature_made_for_something_else_is_none_here() -> None:
    """The same words signed without what sets these signatures apart."""
    bare = signing._signed_bytes(SIGNED).removeprefix(SIGNED_FOR)
    forged = SIGNED.model_copy(update={"signature": base64.b64encode(KEY.sign(bare)).decode()})
    assert "does not fit the key of dra" in refused(CONTENT, sidecar(forged))


@pytest.mark.parametrize("beside", [b"", b"{}", b"[]", b"\xff", b"x" * 5000, b'{"format": "needlework-signature/1"}'])
def test_what_is_no_signature_is_refused(beside: bytes) -> None:
    assert refused(CONTENT, beside).startswith("l.yaml.sig: ")


# Files ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def signed_file(tmp_path: Path) -> Path:
    file = tmp_path / "library.yaml"
    file.write_bytes(CONTENT)
    sidecar_of(file).write_bytes(SIDECAR)
    return file


def test_a_signed_library_is_loaded_with_its_signer(signed_file: Path) -> None:
    library = load_library(signed_file, trusted=TRUSTED, today=ON)
    assert (library.signed_by, library.signed, library.title) == ("dra", True, "example-shallow v1")
    assert library.digest == digest_of(CONTENT)


def test_a_library_without_a_signature_is_loaded_as_unsigned(signed_file: Path) -> None:
    sidecar_of(signed_file).unlink()
    library = load_library(signed_file, trusted=TRUSTED)
    assert (library.signed_by, library.digest) == (None, digest_of(CONTENT))


def test_a_signature_that_is_there_is_never_overlooked(signed_file: Path) -> None:
    sidecar_of(signed_file).write_bytes(b"")
    with pytest.raises(DataError, match=r"library\.yaml\.sig"):
        load_library(signed_file, trusted=TRUSTED)
    sidecar_of(signed_file).unlink()
    sidecar_of(signed_file).symlink_to("nowhere")
    with pytest.raises(DataError, match="cannot be opened"):
        load_library(signed_file, trusted=TRUSTED)
    sidecar_of(signed_file).unlink()
    sidecar_of(signed_file).mkdir()
    with pytest.raises(DataError, match="not a regular file"):
        load_library(signed_file, trusted=TRUSTED)


PHYSICIANS = """format: needlework-physicians/1
physicians:
  dra:
    licence: "L-1"
    public_key: {key}
    valid_until: 2027-01-01
"""
LINE = public_text(KEY.public_key().public_bytes_raw())


def test_the_clinics_file_of_physicians_is_read(tmp_path: Path) -> None:
    file = tmp_path / "physicians.yaml"
    file.write_text(PHYSICIANS.format(key=LINE))
    assert load_trusted_keys(file) == TRUSTED


@pytest.mark.parametrize(
    ("change", "line", "reason"),
    [
        (lambda text: text.replace("ed25519:", "rsa:"), 5, "not a public key"),
        (lambda text: text.replace(LINE, LINE[:-2] + "="), 5, "not a public key"),
        (lambda text: text.replace("L-1", "L\\e[2J"), 4, "no name"),
        (lambda text: text + text.partition("physicians:\n")[2].replace("dra", "drb"), 7, "the same key as dra"),
        (lambda text: text + "  dra: {}\n", 7, "'dra' stands here a second time"),
        (lambda text: text.partition("physicians:\n")[0] + "physicians: {}\n", 2, "at least 1"),
    ],
)
def test_a_wrong_entry_is_refused_on_its_line(
    tmp_path: Path, change: Callable[[str], str], line: int, reason: str
) -> None:
    file = tmp_path / "physicians.yaml"
    file.write_text(change(PHYSICIANS.format(key=LINE)))
    with pytest.raises(DataError) as caught:
        load_trusted_keys(file)
    assert f"physicians.yaml:{line}: " in str(caught.value)
    assert reason in str(caught.value)


@pytest.mark.parametrize("passphrase", [None, b"several words"])
def test_a_key_is_written_for_its_owner_alone_and_read_again(tmp_path: Path, passphrase: bytes | None) -> None:
    file = tmp_path / "dra.key"
    made = make_key_file(file, passphrase)
    assert file.stat().st_mode & 0o777 == 0o600
    assert read_key_file(file, passphrase).private_bytes_raw() == made.private_bytes_raw()
    assert (made.private_bytes_raw() in file.read_bytes()) is False
    with pytest.raises(DataError, match="never overwritten"):
        make_key_file(file, passphrase)
    assert read_key_file(file, passphrase).private_bytes_raw() == made.private_bytes_raw()


def test_a_key_under_a_passphrase_needs_that_passphrase(tmp_path: Path) -> None:
    file = tmp_path / "dra.key"
    make_key_file(file, b"several words")
    with pytest.raises(PassphraseNeeded):
        read_key_file(file, None)
    with pytest.raises(DataError, match="another passphrase"):
        read_key_file(file, b"other words")
    plain = tmp_path / "plain.key"
    make_key_file(plain, None)
    with pytest.raises(DataError, match="under no passphrase"):
        read_key_file(plain, b"several words")


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o622])
def test_a_key_that_others_can_read_or_write_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "dra.key"
    make_key_file(file, None)
    file.chmod(mode)
    with pytest.raises(DataError, match="chmod 600"):
        read_key_file(file, None)


def test_what_is_no_key_of_ours_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.key"
    for content, said in (
        (b"", "no private key"),
        (CONTENT, "no private key"),
        (X25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), "another kind"),
    ):
        file.write_bytes(content)
        file.chmod(0o600)
        with pytest.raises(DataError, match=said):
            read_key_file(file, None)
    with pytest.raises(DataError, match="cannot be made"):
        make_key_file(tmp_path / "none" / "x.key", None)
