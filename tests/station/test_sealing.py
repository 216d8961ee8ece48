"""What is sealed stays readable by later versions and opens at its own place alone; no nonce is used twice."""

import hashlib
import hmac
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from station.errors import KeyMapUnusable
from station.site.key import SiteKey
from station.site.keymap import Details
from station.site.sealing import NONCE_BYTES, CannotOpen, open_file, seal, seal_file, unseal
from tests.station.test_keymap_file import MARIA, OTTO, add, opened, settings

KEY = bytes(range(32))
SITE = SiteKey(7, KEY)
PASSPHRASE = "zolof sodul"

# Made by the first version that sealed. A change of any of these makes every backup, share and key map unreadable.
PIECE = bytes.fromhex("01010101010101010101010114ac8b410deb1cd0e50812d08aeb9692ad4edda1e3c0c9")
SHARE = (
    b'{"format":"needlework-sealed/1","kind":"share","salt":"01010101010101010101010101010101",'
    b'"argon2id":[3,65536,4]}\n' + bytes([2]) * 12 + bytes.fromhex("53a25f5a90209527a6ab7824d98bf8c40e53923cbe008e")
)
BACKUP = (
    b'{"format":"needlework-sealed/1","kind":"backup","salt":"01010101010101010101010101010101",'
    b'"key":"c827608079c4"}\n' + bytes([2]) * 12 + bytes.fromhex("7473ef0ed062698b98bca006d8c93f0be235cffad13704")
)


def counted() -> Callable[[int], bytes]:
    """Bytes in place of random ones: ones at the first call, twos at the second."""
    calls: list[int] = []

    def made(count: int) -> bytes:
        calls.append(count)
        return bytes([len(calls)]) * count

    return made


def test_a_piece_is_sealed_as_it_always_was() -> None:
    assert seal(KEY, b"content", "a label", counted()) == PIECE
    assert unseal(KEY, PIECE, "a label") == b"content"
    assert AESGCM(KEY).decrypt(PIECE[:12], PIECE[12:], b"a label") == b"content"


def test_a_file_under_a_passphrase_is_sealed_as_it_always_was() -> None:
    assert seal_file(b"content", "share", PASSPHRASE, counted()) == SHARE
    assert open_file(SHARE, "share", passphrase=PASSPHRASE) == b"content"


def test_a_file_under_the_sites_key_is_sealed_as_it_always_was() -> None:
    assert seal_file(b"content", "backup", SITE, counted()) == BACKUP
    assert open_file(BACKUP, "backup", keys=(SITE,)) == b"content"
    line, _, sealed = BACKUP.partition(b"\n")
    extracted = hmac.digest(bytes([1]) * 16, KEY, hashlib.sha256)
    derived = hmac.digest(extracted, b"needlework file\x01", hashlib.sha256)  # RFC 5869
    assert AESGCM(derived).decrypt(sealed[:12], sealed[12:], line) == b"content"


@pytest.mark.parametrize(
    "change",
    [
        (b'"kind":"backup"', b'"kind":"share"'),
        (b'"salt":"01', b'"salt":"02'),
        (b',"key"', b', "key"'),  # it says the same
        (b'{"format"', b'{"more":1,"format"'),
    ],
)
def test_a_line_in_front_that_was_changed_opens_nothing(change: tuple[bytes, bytes]) -> None:
    changed = BACKUP.replace(*change)
    assert changed != BACKUP
    for kind in ("backup", "share"):
        with pytest.raises(CannotOpen):
            open_file(changed, kind, keys=(SITE,))


@pytest.mark.parametrize("cost", [b"[1,65536,4]", b"[3,8,4]", b"[3,65536,1]"])
def test_a_passphrase_that_is_cheaper_to_guess_is_not_taken(cost: bytes) -> None:
    with pytest.raises(CannotOpen, match="another version"):
        open_file(SHARE.replace(b"[3,65536,4]", cost), "share", passphrase=PASSPHRASE)


def test_a_piece_opens_at_its_own_place_alone() -> None:
    for key, sealed, label in (
        (KEY, PIECE, "another label"),
        (bytes(32), PIECE, "a label"),
        (KEY, PIECE[:-1], "a label"),
        (KEY, PIECE[:12], "a label"),
        *((KEY, PIECE[:at] + bytes([PIECE[at] ^ 1]) + PIECE[at + 1 :], "a label") for at in range(len(PIECE))),
    ):
        with pytest.raises(CannotOpen):
            unseal(key, sealed, label)


def test_no_nonce_is_used_twice(tmp_path: Path) -> None:
    pieces = [seal(KEY, b"content", "a label", os.urandom)[:NONCE_BYTES] for _ in range(100)]
    files = [seal_file(b"content", "backup", SITE, os.urandom) for _ in range(2)]
    pieces += [one.partition(b"\n")[2][:NONCE_BYTES] for one in files]
    at = settings(tmp_path, "one")
    maria = add(at, MARIA)
    with closing(opened(at)) as file:
        for number in range(3):
            file.revise(maria, Details(contact="always the same"), "boss", number)
            file.rotate(number)
            pieces += [wrapped[:12] for (wrapped,) in file._database.execute("SELECT wrapped FROM entries").fetchall()]
        pieces += [sealed[:12] for (sealed,) in file._database.execute("SELECT sealed FROM revisions").fetchall()]
    assert len(pieces) == 109
    assert len(set(pieces)) == len(pieces)


def test_a_data_key_belongs_to_its_pseudonym(tmp_path: Path) -> None:
    at = settings(tmp_path, "one")
    one, other = add(at, MARIA), add(at, OTTO)
    with closing(opened(at)) as file:
        wraps = dict(file._database.execute("SELECT pseudonym, wrapped FROM entries").fetchall())
        file._database.execute("UPDATE entries SET wrapped = ? WHERE pseudonym = ?", (wraps[other], one))
        with pytest.raises(KeyMapUnusable, match="sealed with another key"):
            file.content()  # which opens data keys, and no revision
