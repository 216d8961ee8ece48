"""Checkpoints: who signed a journal up to where, and a chain that somebody without the key rewrote."""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from controller.events import Event, JournalCheckpoint
from logger.errors import CodeError
from logger.journal.entry import GENESIS, Entry, entry_hash
from logger.proof.anchors import Anchor, Anchored, read_anchor
from logger.proof.chain import Walk, check_chain
from logger.proof.checkpoints import Trail, announcement, checkpoint, fits, key_id
from logger.proof.findings import Findings
from logger.proof.verification_code import SYMBOLS, VerificationCode, read_code
from logger.proof.verify import verify_journal, verify_store
from logger.store.store import Store
from tests.fixtures_brokers import STATION
from tests.logger.making import closed, opened, safety

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
KEY_ID = key_id(KEY.public_key().public_bytes_raw())

Made = Event | Callable[[list[Entry]], Event]


def follow(entries: list[Entry], made: Made, session: str | None = None, station: str = STATION) -> None:
    """Puts an event, or what it makes of the chain, behind a chain."""
    event = made if not callable(made) else made(entries)
    previous, sequence = (entries[-1].hash, entries[-1].sequence + 1) if entries else (GENESIS, 1)
    body = event.model_dump_json().encode()
    fields = (sequence, sequence * 1000, sequence, session, event.type, event.version, body)
    digest = entry_hash(station.encode(), previous, *fields)
    entries.append(Entry(station, *fields, previous, digest))


def signing(key: Ed25519PrivateKey) -> Callable[[list[Entry]], JournalCheckpoint]:
    """A checkpoint of everything so far."""
    return lambda entries: checkpoint(key, STATION, entries[-1].sequence, entries[-1].hash)


def signed_chain(key: Ed25519PrivateKey = KEY, salt: int = 0) -> list[Entry]:
    """A station's start, a session, checkpoints behind both, and two entries that are not signed."""
    entries: list[Entry] = []
    for made, session in (
        (announcement(key), None),
        (signing(key), None),
        (opened(), "s-1"),
        (safety(salt), "s-1"),
        (closed(), "s-1"),
        (signing(key), None),
        (safety(7), None),
        (safety(8), None),
    ):
        follow(entries, made, session)
    return entries


def walked(entries: Sequence[Entry], trusted: frozenset[str] = frozenset()) -> tuple[Findings, Walk]:
    findings, walk = Findings(), Walk(Trail(trusted))
    for _entry in check_chain(entries, findings, walk):
        pass
    walk.trail.finish(findings)
    return findings, walk


def named(findings: Findings) -> list[tuple[int | None, str]]:
    return [(finding.sequence, finding.what) for finding in findings.named]


def test_a_signed_chain_says_up_to_where_and_by_which_key() -> None:
    findings, walk = walked(signed_chain(), frozenset({KEY_ID}))
    assert findings.total == 0
    assert (walk.trail.signed_to, walk.trail.by, walk.trail.checkpoints) == (5, KEY_ID, 2)
    assert walk.trail.announced == [(1, KEY_ID)]


def rewritten(entries: list[Entry], at: int, key: Ed25519PrivateKey | None) -> list[Entry]:
    """Everything from ``at`` on chained anew after a change in it; checkpoints by ``key``, or as they were."""
    made: list[Entry] = []
    for entry in entries:
        event = entry.event()
        if entry.sequence == at:
            follow(made, safety(99), entry.session)
        elif entry.sequence > at and isinstance(event, JournalCheckpoint) and key is not None:
            follow(made, checkpoint(key, STATION, event.sequence, made[event.sequence - 1].hash), None)
        else:
            follow(made, event, entry.session)
    return made


def test_a_chain_rewritten_without_the_key_is_found_by_the_signatures_alone() -> None:
    findings, walk = walked(rewritten(signed_chain(), 4, None))
    assert named(findings) == [(6, "signature")]
    assert "rewritten after it was signed" in findings.named[0].sentence
    assert walk.trail.signed_to == 1


def test_a_chain_rewritten_and_signed_with_another_key_is_found_too() -> None:
    findings, _ = walked(rewritten(signed_chain(), 4, OTHER))
    assert named(findings) == [(6, "signature")]
    assert "was not announced" in findings.named[0].sentence


def test_a_chain_rewritten_from_its_beginning_needs_a_key_that_was_noted() -> None:
    entries = signed_chain(OTHER)
    assert walked(entries)[0].total == 0
    findings, _ = walked(entries, frozenset({KEY_ID}))
    assert named(findings)[0] == (1, "other_key")


def test_checkpoints_left_out_are_told_by_what_is_signed_and_found_with_a_key() -> None:
    entries: list[Entry] = []
    for number in range(4):
        follow(entries, safety(number))
    findings, walk = walked(entries)
    assert (findings.total, walk.trail.signed_to) == (0, None)
    assert named(walked(entries, frozenset({KEY_ID}))[0]) == [(None, "other_key")]


def test_another_key_is_told_and_is_no_damage() -> None:
    entries = signed_chain()
    follow(entries, announcement(OTHER))
    follow(entries, signing(OTHER))
    findings, walk = walked(entries)
    assert findings.total == 0
    (note,) = walk.trail.notes()
    assert note.startswith("From entry 9 on the journal is signed by another key")
    assert named(walked(entries, frozenset({KEY_ID}))[0]) == [(9, "other_key")]


@given(st.data())
def test_any_bit_of_any_signed_entry_is_found_and_named(data: st.DataObject) -> None:
    entries = signed_chain()
    place = data.draw(st.integers(0, len(entries) - 1))
    field = data.draw(
        st.sampled_from(["utc_us", "monotonic_ms", "version", "session", "type", "body", "previous", "hash"])
    )
    entry, bit = entries[place], data.draw(st.integers(0, 10_000))
    value = getattr(entry, field)
    if value is None:
        value = "x"
    elif isinstance(value, int):
        value ^= 1 << bit % 31
    else:
        raw = bytearray(value.encode() if isinstance(value, str) else value)
        raw[bit // 8 % len(raw)] ^= 1 << bit % 8
        value = raw.decode("latin-1") if isinstance(value, str) else bytes(raw)
    entries[place] = entry._replace(**{field: value})
    findings, _ = walked(entries)
    assert entry.sequence in {finding.sequence for finding in findings.named}


@given(st.data())
def test_anything_taken_out_put_in_exchanged_or_cut_is_found_against_the_end(data: st.DataObject) -> None:
    entries = signed_chain()
    end = Anchor(entries[-1].sequence, entries[-1].hash)
    how = data.draw(st.sampled_from(["out", "in", "swap", "cut"]))
    place = data.draw(st.integers(0, len(entries) - 1))
    if how == "out":
        del entries[place]
    elif how == "in":
        entries.insert(place, data.draw(st.sampled_from(entries)))
    elif how == "swap":
        other = data.draw(st.integers(0, len(entries) - 1).filter(lambda one: one != place))
        entries[place], entries[other] = entries[other], entries[place]
    else:
        del entries[place:]
    findings, walk = walked(entries)
    anchored = Anchored([end])
    for entry in entries:
        anchored.take(entry.sequence, entry.hash)
    anchored.finish(findings, walk.last)
    assert findings.total


@given(st.binary(max_size=80), st.integers(0, 2**63 - 1), st.integers(0, 600))
def test_a_signature_fits_only_what_was_signed(noise: bytes, sequence: int, bit: int) -> None:
    made = checkpoint(KEY, STATION, 5, bytes(32))
    public = KEY.public_key().public_bytes_raw()
    assert fits(made, STATION, public)
    raw = bytearray.fromhex(made.signature)
    raw[bit // 8 % 64] ^= 1 << bit % 8
    for other in (
        made.model_copy(update={"signature": raw.hex()}),
        made.model_copy(update={"signature": noise.hex()}),
        made.model_copy(update={"signature": made.signature.upper()})
        if made.signature.upper() != made.signature
        else None,
        made.model_copy(update={"sequence": sequence}) if sequence != 5 else None,
        made.model_copy(update={"hash": noise.hex()}),
    ):
        assert other is None or not fits(other, STATION, public)
    assert not fits(made, "elsewhere", public)
    assert not fits(made, STATION, OTHER.public_key().public_bytes_raw())
    assert not fits(made, STATION, noise)


# Anchors --------------------------------------------------------------------------------------------------------------


def journal_of(path: Path, pristine: Path, entries: Sequence[Entry]) -> Path:
    """A journal's file with these entries."""
    path.write_bytes(pristine.read_bytes())
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("DELETE FROM entries")
    connection.executemany(
        "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (e.sequence, e.utc_us, e.monotonic_ms, e.session, e.type, e.version, e.previous, e.hash, e.body)
            for e in entries
        ],
    )
    connection.close()
    return path


def test_a_lone_journal_is_intact_to_its_last_checkpoint_and_says_what_is_behind_it(
    pristine: Path, tmp_path: Path
) -> None:
    result = verify_journal(journal_of(tmp_path / "j.db", pristine, signed_chain()))
    assert (result.signed_to, result.signed_by, result.behind, result.keys) == (5, KEY_ID, 3, (KEY_ID,))
    assert result.sentence().startswith("intact to checkpoint 5: ")
    assert f"by the key {KEY_ID}, 3 entries behind that chained only" in result.sentence()
    assert "no anchor" in result.sentence()


def test_a_cut_tail_and_a_chain_written_anew_are_found_against_a_printed_code(pristine: Path, tmp_path: Path) -> None:
    entries = signed_chain()
    anchor = read_anchor(str(VerificationCode.of(6, entries[5].hash)))
    whole = verify_journal(journal_of(tmp_path / "whole.db", pristine, entries), anchors=[anchor])
    assert whole.verdict == "intact"
    assert "the anchor of entry 6 (120 bits)" in whole.sentence()
    cut = verify_journal(journal_of(tmp_path / "cut.db", pristine, entries[:4]), anchors=[anchor])
    assert [(f.sequence, f.what) for f in cut.findings] == [(4, "cut_tail")]
    anew = verify_journal(journal_of(tmp_path / "anew.db", pristine, signed_chain(salt=1)), anchors=[anchor])
    assert [(f.sequence, f.what) for f in anew.findings] == [(6, "differs_from_anchor")]


def test_a_store_is_verified_with_key_and_anchor_and_tells_of_its_progress(tmp_path: Path) -> None:
    entries = signed_chain()
    for number in range(1100):
        follow(entries, safety(number))
    told: list[tuple[int, int | None]] = []
    store = Store.open(tmp_path / "store.db")
    try:
        store.append(entries, seen_utc_us=0)
        result = verify_store(
            store,
            STATION,
            anchors=[Anchor(8, entries[7].hash)],
            trusted=frozenset({KEY_ID}),
            progress=lambda done, of: told.append((done, of)),
        )
    finally:
        store.close()
    assert (result.verdict, result.signed_to) == ("intact", 5)
    assert told == [(1000, 1108)]


# The code -------------------------------------------------------------------------------------------------------------

DIGESTS = st.binary(min_size=32, max_size=32)


@given(st.integers(1, 2**63 - 1), DIGESTS)
def test_a_code_is_read_as_it_was_printed_and_as_people_type_it(sequence: int, digest: bytes) -> None:
    code = VerificationCode.of(sequence, digest)
    printed = str(code)
    assert read_code(printed) == code
    number, symbols = printed.split("-", 1)
    typed = symbols.lower().replace("0", "o").replace("1", "l").replace("-", " ")
    assert read_code(f" {number}-{typed} ") == code
    assert digest.startswith(read_anchor(printed).prefix)


@given(st.integers(1, 10**12), DIGESTS, st.integers(0, 24), st.sampled_from(SYMBOLS))
def test_a_wrong_symbol_and_two_exchanged_are_found(sequence: int, digest: bytes, place: int, symbol: str) -> None:
    number, symbols = str(VerificationCode.of(sequence, digest)).split("-", 1)
    right = symbols.replace("-", "")
    wrong = right[:place] + symbol + right[place + 1 :]
    swapped = right[:place] + right[place : place + 2][::-1] + right[place + 2 :]
    for other in {wrong, swapped} - {right}:
        with pytest.raises(CodeError, match="mistyped"):
            read_code(f"{number}-{other}")


@given(st.integers(1, 10**12), DIGESTS, st.data())
def test_a_wrong_digit_of_the_number_is_found(sequence: int, digest: bytes, data: st.DataObject) -> None:
    number, symbols = str(VerificationCode.of(sequence, digest)).split("-", 1)
    place = data.draw(st.integers(0, len(number) - 1))
    digit = data.draw(st.sampled_from("0123456789").filter(lambda one: one != number[place]))
    with pytest.raises(CodeError):
        read_code(f"{number[:place]}{digit}{number[place + 1 :]}-{symbols}")


@pytest.mark.parametrize("text", ["", "12", "0-AAAAA", "x-AAAAA", "12-AAAAU", "12-AAAAA", "12:abcd", "0:" + "0" * 16])
def test_what_is_no_anchor_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(CodeError, match=r"\. "):
        read_anchor(text)


@given(st.text(max_size=60))
def test_no_text_does_more_than_be_refused(text: str) -> None:
    with suppress(CodeError):
        read_anchor(text)
