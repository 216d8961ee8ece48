"""The incident bundle: verified with nothing else, any change of it found, and nothing of others in it."""

import json
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.events import (
    AlarmRaised,
    ApprovedAhead,
    CartridgeReconciled,
    SecurityEvent,
    SessionOpened,
    SessionSigned,
    StationStarted,
)
from logger.errors import BundleError, RecordNotFound
from logger.incident.checking import is_bundle, verify_bundle
from logger.incident.making import COMMENT, make_bundle, put, seal
from logger.journal.entry import Entry, first_hash
from logger.journal.reader import JournalReader
from logger.proof.anchors import read_anchor
from logger.proof.checkpoints import announcement
from logger.store.store import Store
from tests.logger.making import closed, grouped, opened
from tests.logger.test_checkpoints import KEY, KEY_ID, OTHER, follow, journal_of, rewritten, signing

MADE_BY = "needlework of a test"
OURS, OTHERS = "20260301T090000-00000000000000aa", "20260301T090500-00000000000000bb"
STRANGER = "p-0ther5tranger"


def other_patient() -> SessionOpened:
    return opened().model_copy(update={"patient": STRANGER})


def interleaved(key_announced: bool = True) -> list[Entry]:
    """Two sessions of two pens that go through each other, and what else a station says."""
    entries: list[Entry] = []
    beginning = [(StationStarted(software="needlework 9.9", previous_session=None), None)]
    if key_announced:
        beginning += [(announcement(KEY), None), (signing(KEY), None)]
    for made, session in (
        *beginning,
        (SecurityEvent(what="signed_in", account="zoe-w"), None),
        (other_patient(), OTHERS),
        (opened(), OURS),
        (grouped(1), OTHERS),
        (grouped(2), OURS),
        (AlarmRaised(alarm="disk", priority="LOW", kind="technical", sentence="Nearly full."), None),
        (
            ApprovedAhead(
                approval="ap-1", patient=STRANGER, zones=("cheek",), protocol="", depth_max_um=1500, sessions=1,
                expires="2026-12-31", by="dr-lee",
            ),
            None,
        ),
        (grouped(3), OTHERS),
        (closed(), OURS),
        (CartridgeReconciled(session=OTHERS, lot="L", serial_sha256="", result="unused", other_session=None), None),
        (signing(KEY), None),
        (SessionSigned(by="op-2", role="aesthetician", meaning="performed"), OURS),
        (closed(), OTHERS),
        (signing(KEY), None),
        (grouped(4), None),
    ):  # fmt: skip
        follow(entries, made, session)
    return entries


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store with the two sessions."""
    made = Store.open(tmp_path / "store.db")
    made.append(interleaved(), seen_utc_us=0)
    yield made
    made.close()


@pytest.fixture
def bundle(store: Store, tmp_path: Path) -> Path:
    """A bundle of one of the two."""
    return make_bundle(store, OURS, tmp_path / "incident.zip", made_by=MADE_BY).path


@pytest.fixture(scope="session")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a bundle, for property tests."""
    folder = tmp_path_factory.mktemp("bundle")
    made = Store.open(folder / "store.db")
    made.append(interleaved(), seen_utc_us=0)
    path = make_bundle(made, OURS, folder / "incident.zip", made_by=MADE_BY).path
    made.close()
    return path.read_bytes()


def texts(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def test_a_bundle_is_verified_with_nothing_else_and_says_what_it_rests_on(bundle: Path) -> None:
    assert is_bundle(bundle)
    result = verify_bundle(bundle)
    assert (result.verdict, result.signed_to, result.signed_by, result.behind) == ("intact", 16, KEY_ID, 1)
    assert (result.first, result.last) == (2, 17)
    assert result.sentence().startswith("intact to checkpoint 16: ")
    assert any("withheld" in note for note in result.notes)
    assert any(f"compare the key {KEY_ID}" in note for note in result.notes)
    assert verify_bundle(bundle, trusted=frozenset({KEY_ID})).notes == result.notes[:1]


def test_its_code_and_an_entry_of_it_are_anchors(bundle: Path) -> None:
    manifest = json.loads(texts(bundle)["manifest.json"])
    assert verify_bundle(bundle, anchors=[read_anchor(manifest["verification_code"])]).verdict == "intact"
    wrong = read_anchor(f"{manifest['signed_to']}:{'ab' * 32}")
    assert [f.what for f in verify_bundle(bundle, anchors=[wrong]).findings] == ["differs_from_anchor"]
    before = read_anchor(f"1:{'ab' * 32}")
    assert "begins at 2" in verify_bundle(bundle, anchors=[before]).findings[0].sentence
    assert [f.what for f in verify_bundle(bundle, trusted=frozenset({"0" * 16})).findings] == ["other_key"]


def test_it_is_for_its_owner_alone(bundle: Path) -> None:
    assert bundle.stat().st_mode & 0o777 == 0o600


def test_nothing_of_others_is_in_it(bundle: Path) -> None:
    everything = b"".join(texts(bundle).values())
    for word in (STRANGER, OTHERS, "zoe-w", "dr-lee", "ap-1"):
        assert word.encode() not in everything, word
    assert OURS.encode() in everything
    assert b"Nearly full." in everything


def test_it_is_the_same_file_each_time_and_never_over_another(store: Store, bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    first = bundle.read_bytes()
    assert make_bundle(store, OURS, tmp_path / "again" / bundle.name, made_by=MADE_BY).path.read_bytes() == first
    with pytest.raises(BundleError, match="there already"):
        make_bundle(store, OURS, bundle, made_by=MADE_BY)
    assert bundle.read_bytes() == first
    assert not list(tmp_path.glob(".*"))


def test_it_can_be_made_of_a_journal_too_and_says_what_station_it_was(pristine: Path, tmp_path: Path) -> None:
    reader = JournalReader(journal_of(tmp_path / "j.db", pristine, interleaved()))
    try:
        made = make_bundle(reader, OURS, tmp_path / "incident.zip", made_by=MADE_BY)
        with pytest.raises(RecordNotFound):
            make_bundle(reader, "nothing", tmp_path / "other.zip", made_by=MADE_BY)
    finally:
        reader.close()
    assert made.manifest.station_software == "needlework 9.9"
    assert made.manifest.pinned_key is None
    assert verify_bundle(made.path).verdict == "intact"


@pytest.mark.parametrize("from_store", [True, False])
def test_a_later_run_of_a_station_makes_a_bundle_that_is_signed_as_well(
    pristine: Path, tmp_path: Path, from_store: bool
) -> None:
    entries = later_run()
    source: Store | JournalReader
    if from_store:
        source = Store.open(tmp_path / "store.db")
        source.append(entries, seen_utc_us=0)
    else:
        source = JournalReader(journal_of(tmp_path / "j.db", pristine, entries))
    try:
        made = make_bundle(source, OURS, tmp_path / "incident.zip", made_by=MADE_BY)
    finally:
        source.close()
    assert made.manifest.first > entries[0].sequence  # the key was announced before what is shown
    result = verify_bundle(made.path, trusted=frozenset({KEY_ID}))
    assert (result.verdict, result.findings) == ("intact", ())
    assert (result.signed_to, result.signed_by) == (made.manifest.signed_to, KEY_ID) == (8, KEY_ID)
    assert made.manifest.verification_code == result.code != ""


def later_run() -> list[Entry]:
    """A session long behind the announcement of the station's key."""
    entries: list[Entry] = []
    for made, session in (
        (announcement(KEY), None),
        (signing(KEY), None),
        (grouped(1), None),
        (signing(KEY), None),
        (StationStarted(software="needlework 9.9", previous_session=None), None),
        (opened(), OURS),
        (grouped(2), OURS),
        (closed(), OURS),
        (signing(KEY), None),
    ):
        follow(entries, made, session)
    return entries


def test_a_session_that_is_not_signed_yet_has_its_bundle_too(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store.db")
    store.append(interleaved()[:12], seen_utc_us=0)
    made = make_bundle(store, OURS, tmp_path / "incident.zip", made_by=MADE_BY)
    store.close()
    result = verify_bundle(made.path)
    assert (result.verdict, result.signed_to, result.behind) == ("intact", 2, 10)


def test_entries_of_an_older_version_are_left_out_and_said_to_be_unproved(tmp_path: Path) -> None:
    old: list[Entry] = []
    for entry in interleaved(key_announced=False):
        if entry.type == "journal_checkpoint":
            continue
        previous, sequence = (old[-1].hash, len(old) + 1) if old else (bytes(32), 1)
        fields = (sequence, entry.utc_us, entry.monotonic_ms, entry.session, entry.type, entry.version, entry.body)
        old.append(Entry(entry.station, *fields, previous, first_hash(entry.station.encode(), previous, *fields)))
    store = Store.open(tmp_path / "store.db")
    store.append(old, seen_utc_us=0)
    made = make_bundle(store, OURS, tmp_path / "incident.zip", made_by=MADE_BY)
    store.close()
    result = verify_bundle(made.path)
    assert result.verdict == "intact"
    assert made.manifest.older > 0
    assert any("not shown here" in note for note in result.notes)
    assert STRANGER.encode() not in b"".join(texts(made.path).values())


# Changes --------------------------------------------------------------------------------------------------------------


@settings(max_examples=200)
@given(data=st.data())
def test_any_bit_flipped_anywhere_is_found(
    lasting: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    raw = bytearray(lasting)
    bit = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[bit // 8] ^= 1 << bit % 8
    path = tmp_path_factory.getbasetemp() / f"flipped-{os.getpid()}.zip"
    path.write_bytes(raw)
    with suppress(BundleError):  # it cannot be read at all
        assert verify_bundle(path).verdict == "damaged"


@given(cut=st.integers(1, 3000))
def test_a_cut_file_is_found(lasting: bytes, tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    path = tmp_path_factory.getbasetemp() / f"cut-{os.getpid()}.zip"
    path.write_bytes(lasting[:-cut])
    with suppress(BundleError):
        assert verify_bundle(path).verdict == "damaged"


Lines = list[dict[str, object]]


def forged(bundle: Path, change: Callable[[Lines], Lines]) -> Path:
    """The bundle as somebody makes it anew who knows how it is made and does not hold the station's key."""
    inside = texts(bundle)
    lines = change([json.loads(line) for line in inside["entries.jsonl"].splitlines()])
    inside["entries.jsonl"] = b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines)
    path = bundle.with_name("forged.zip")
    manifest = json.loads(inside.pop("manifest.json"))
    with zipfile.ZipFile(path, "w") as file:
        for name, content in inside.items():
            manifest["sha256"][name] = put(file, name, [content])
        put(file, "manifest.json", [json.dumps(manifest).encode()])
        file.comment = COMMENT + b"0" * 64
    seal(path)
    return path


def edited(at: int, lines: Lines) -> Lines:
    body = str(lines[at]["body"]).replace("cheek", "nose!").replace("100000", "200000")
    assert body != lines[at]["body"]
    return [*lines[:at], {**lines[at], "body": body}, *lines[at + 1 :]]


def test_an_entry_changed_by_whoever_knows_the_format_is_named_with_its_session(bundle: Path) -> None:
    lines = [json.loads(line) for line in texts(bundle)["entries.jsonl"].splitlines()]
    place = next(at for at, line in enumerate(lines) if line.get("type") == "session_opened")
    result = verify_bundle(forged(bundle, partial(edited, place)))
    first = result.findings[0]
    assert (first.sequence, first.what, first.session) == (lines[place]["sequence"], "changed", OURS)


@pytest.mark.parametrize("how", ["out", "in", "swap", "cut", "withheld"])
def test_lines_taken_out_put_in_exchanged_or_cut_are_found(bundle: Path, how: str) -> None:
    def change(lines: Lines) -> Lines:
        if how == "out":
            return lines[:5] + lines[6:]
        if how == "in":
            return [*lines[:5], lines[3], *lines[5:]]
        if how == "swap":
            return [*lines[:5], lines[6], lines[5], *lines[7:]]
        if how == "withheld":
            place = next(at for at, line in enumerate(lines) if "content" in line)
            return [*lines[:place], {**lines[place], "content": "ab" * 32}, *lines[place + 1 :]]
        return lines[:-3]

    result = verify_bundle(forged(bundle, change))
    assert result.verdict == "damaged"
    assert any(finding.sequence is not None for finding in result.findings)


def test_a_chain_rewritten_without_the_key_is_found(tmp_path: Path) -> None:
    entries = interleaved()
    place = next(entry.sequence for entry in entries if entry.session == OURS and entry.type == "setpoint_changed")
    for key in (None, OTHER):
        store = Store.open(tmp_path / f"store-{key is None}.db")
        store.append(rewritten(entries, place, key), seen_utc_us=0)
        path = make_bundle(store, OURS, tmp_path / f"incident-{key is None}.zip", made_by=MADE_BY).path
        store.close()
        assert "signature" in {finding.what for finding in verify_bundle(path).findings}


def test_a_damaged_entry_is_not_made_into_proof(pristine: Path, tmp_path: Path) -> None:
    entries = interleaved()
    other = next(at for at, entry in enumerate(entries) if entry.session == OTHERS)
    entries[other] = entries[other]._replace(body=b'{"type":"x"}')
    reader = JournalReader(journal_of(tmp_path / "j.db", pristine, entries))
    try:
        with pytest.raises(BundleError, match="is not what was journalled"):
            make_bundle(reader, OURS, tmp_path / "incident.zip", made_by=MADE_BY)
    finally:
        reader.close()
    assert not list(tmp_path.glob("*.zip")) + list(tmp_path.glob(".*"))


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x03\x04 nothing", b"text", b"\0" * 300])
def test_what_is_no_bundle_is_refused_in_a_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(content)
    with pytest.raises(BundleError, match=r"\. "):
        verify_bundle(path)
