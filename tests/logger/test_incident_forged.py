"""Bundles that somebody made who knows the format, has a genuine one, and does not hold the station's key."""

import json
import zipfile
from collections.abc import Sequence
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import pytest

from controller.events import Event, JournalCheckpoint, StationStarted
from logger.errors import BundleError
from logger.incident.checking import verify_bundle
from logger.incident.lines import Older, Withheld, read
from logger.incident.making import COMMENT, make_bundle, put, seal
from logger.incident.manifest import Manifest
from logger.incident.readme import readme
from logger.journal.entry import Entry, entry_hash, first_hash
from logger.proof.anchors import read_anchor
from logger.proof.verification_code import VerificationCode
from logger.proof.verify import VerifyResult
from logger.record.records import session_record
from logger.store.store import Store
from tests.fixtures_brokers import STATION
from tests.logger.making import closed, grouped, opened
from tests.logger.test_checkpoints import KEY, KEY_ID, announcement, follow, signing
from tests.logger.test_incident import MADE_BY, OTHERS, OURS, Lines, interleaved, texts

UNSIGNED: dict[str, object] = {"signed_to": None, "verification_code": ""}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A genuine bundle."""
    return bundled(tmp_path, interleaved())


def bundled(folder: Path, entries: Sequence[Entry], made_by: str = MADE_BY) -> Path:
    store = Store.open(folder / "store.db")
    store.append(entries, seen_utc_us=0)
    with closing(store):
        return make_bundle(store, OURS, folder / "incident.zip", made_by=made_by).path


def lines_of(path: Path) -> Lines:
    return [json.loads(line) for line in texts(path)["entries.jsonl"].splitlines()]


def remade(bundle: Path, lines: Lines, *, record: object = None, extra: str = "", **said: object) -> Path:
    """The bundle with other lines, and everything else in it as its maker would write it."""
    inside = texts(bundle)
    manifest = json.loads(inside.pop("manifest.json"))
    raw = [json.dumps(line, separators=(",", ":"), ensure_ascii=False).encode() for line in lines]
    parts = [read(line, number, manifest["station"]) for number, line in enumerate(raw)]
    own = [part for part in parts if isinstance(part, Entry) and part.session == manifest["session"]]
    inside["entries.jsonl"] = b"".join(line + b"\n" for line in raw)
    derived = session_record(own).model_dump(mode="json") if record is None else record
    inside["record.json"] = (json.dumps(derived, indent=1, ensure_ascii=False) + "\n").encode()
    last = parts[-1]
    manifest.update(
        first=parts[0].sequence,
        last=last.last if isinstance(last, Older) else last.sequence,
        shown=sum(isinstance(part, Entry) for part in parts),
        withheld=sum(isinstance(part, Withheld) for part in parts),
        older=sum(part.last - part.sequence + 1 for part in parts if isinstance(part, Older)),
    )
    manifest.update(said)
    about = Manifest.model_validate_json(json.dumps(manifest))
    inside["README.txt"] = readme(about, bundle.name).encode()
    path = bundle.with_name("forged.zip")
    with zipfile.ZipFile(path, "w") as file:
        for name, content in inside.items():
            manifest["sha256"][name] = put(file, name, [content])
        if extra:
            put(file, extra, [b"more"])
        put(file, "manifest.json", [json.dumps(manifest).encode()])
        file.comment = COMMENT + b"0" * 64
    seal(path)
    return path


def as_line(entry: Entry) -> dict[str, object]:
    return {
        "sequence": entry.sequence, "utc_us": entry.utc_us, "monotonic_ms": entry.monotonic_ms,
        "session": entry.session, "type": entry.type, "version": entry.version, "body": entry.body.decode(),
        "previous": entry.previous.hex(), "hash": entry.hash.hex(),
    }  # fmt: skip


def invented(first: int, previous: bytes, events: Sequence[Event], *, way: str = "NWE2") -> list[Entry]:
    """A session that never was, chained as a station chains."""
    made: list[Entry] = []
    for sequence, event in enumerate(events, first):
        body = event.model_dump_json().encode()
        fields = (sequence, sequence * 1000, sequence, OURS, event.type, event.version, body)
        digest = (entry_hash if way == "NWE2" else first_hash)(STATION.encode(), previous, *fields)
        made.append(Entry(STATION, *fields, previous, digest))
        previous = digest
    return made


def whats(result: VerifyResult) -> set[str]:
    return {finding.what for finding in result.findings}


def test_what_remakes_a_bundle_makes_the_genuine_one_again(bundle: Path) -> None:
    result = verify_bundle(remade(bundle, lines_of(bundle)), trusted=frozenset({KEY_ID}))
    assert (result.verdict, result.signed_to) == ("intact", 16)


@pytest.mark.parametrize("way", ["NWE2", "NWE1"])
@pytest.mark.parametrize("behind_the_head", [True, False])
def test_an_invented_session_is_not_made_genuine_by_older_lines_and_a_genuine_checkpoint(
    bundle: Path, way: str, behind_the_head: bool
) -> None:
    lines = lines_of(bundle)
    last = lines[-1]
    assert last["type"] == "journal_checkpoint"
    head = [line for line in lines if int(str(line["sequence"])) < 4] if behind_the_head else []
    cut = [{"sequence": 4, "last": 5, "previous": head[-1]["hash"], "hash": "ab" * 32}] if head else []
    session = invented(6, bytes.fromhex("ab" * 32), (opened("forehead"), grouped(99), closed()), way=way)
    place = session[-1].sequence + 1
    join = {"sequence": place, "last": 16, "previous": session[-1].hash.hex(), "hash": last["previous"]}
    forged = remade(bundle, [*head, *cut, *map(as_line, session), join, last], **UNSIGNED)
    code = json.loads(texts(bundle)["manifest.json"])["verification_code"]
    for anchors in ([], [read_anchor(code)]):
        result = verify_bundle(forged, trusted=frozenset({KEY_ID}), anchors=anchors)
        assert result.verdict == "damaged"
        assert result.signed_to is None
    # Nor when somebody takes it by its own word.
    taken = verify_bundle(forged)
    assert taken.signed_to is None
    assert (taken.verdict == "damaged") == (way == "NWE2" or behind_the_head)


def test_an_older_line_has_to_follow_the_one_before_it(tmp_path: Path) -> None:
    path = bundled(tmp_path, in_the_first_way(OTHERS, OTHERS, OURS, OTHERS, OURS))
    lines = lines_of(path)
    place = next(at for at, line in enumerate(lines) if "last" in line and at)
    assert verify_bundle(remade(path, lines)).verdict == "intact"
    for change in ({"previous": "ab" * 32}, {"sequence": 5, "last": 5}, {"last": 3}):
        result = verify_bundle(remade(path, [*lines[:place], {**lines[place], **change}, *lines[place + 1 :]]))
        assert "does_not_follow" in whats(result), change


def in_the_first_way(*sessions: str | None) -> list[Entry]:
    """A chain of the first version's, one entry of each session named."""
    entries: list[Entry] = []
    for sequence, session in enumerate(sessions, 1):
        event = opened() if session not in sessions[: sequence - 1] else grouped(sequence)
        body = event.model_dump_json().encode()
        fields = (sequence, sequence * 1000, sequence, session, event.type, event.version, body)
        previous = entries[-1].hash if entries else bytes(32)
        entries.append(Entry(STATION, *fields, previous, first_hash(STATION.encode(), previous, *fields)))
    return entries


@pytest.mark.parametrize(("sessions", "signed"), [
    ((OTHERS, OURS, OURS), True), ((OURS, OTHERS, OURS), False), ((OURS, OURS, OTHERS), False),
])  # fmt: skip
def test_a_session_of_before_is_signed_only_where_the_chain_reaches_the_checkpoint(
    tmp_path: Path, sessions: tuple[str, ...], signed: bool
) -> None:
    entries = in_the_first_way(*sessions)
    for event in (announcement(KEY), signing(KEY)):
        follow(entries, event)
    path = bundled(tmp_path, entries)
    result = verify_bundle(path)
    assert (result.verdict, result.findings) == ("intact", ())
    assert result.signed_to == (4 if signed else None)
    if not signed:  # where proof of it is asked for, it cannot be given
        key = verify_bundle(path, trusted=frozenset({KEY_ID}))
        assert "other_key" in whats(key)


# What is beside the entries -------------------------------------------------------------------------------------------


THIS = f"needlework {version('needlework')}"


def lying(path: Path) -> object:
    record = json.loads(texts(path)["record.json"])
    assert record["outcome"] == "completed"
    return {**record, "outcome": "stopped", "strokes": 0}


def test_a_record_that_is_not_what_the_entries_come_to_is_a_finding(tmp_path: Path) -> None:
    path = bundled(tmp_path, interleaved(), made_by=THIS)
    assert verify_bundle(path).verdict == "intact"
    result = verify_bundle(remade(path, lines_of(path), record=lying(path)), trusted=frozenset({KEY_ID}))
    assert result.verdict == "damaged"
    assert "record.json is not what the entries make" in result.findings[0].sentence


def test_true_and_1_are_not_taken_for_the_same(tmp_path: Path) -> None:
    path = bundled(tmp_path, interleaved(), made_by=THIS)
    record = json.loads(texts(path)["record.json"])
    assert record["demo"] is True
    assert verify_bundle(remade(path, lines_of(path), record={**record, "demo": 1})).verdict == "damaged"


def test_a_record_of_another_version_is_a_verdict_of_its_own(bundle: Path) -> None:
    result = verify_bundle(remade(bundle, lines_of(bundle), record=lying(bundle), made_by="needlework 0.0.9"))
    assert (result.verdict, result.findings) == ("record_differs", ())
    assert "not proved" in result.sentence().partition(": ")[0]
    assert any("needlework 0.0.9" in note for note in result.notes)


def test_what_readme_and_manifest_say_of_keys_and_code_is_held_against_the_entries(tmp_path: Path) -> None:
    path = bundled(tmp_path, interleaved(), made_by=THIS)
    manifest = json.loads(texts(path)["manifest.json"])
    lines = lines_of(path)
    for said in (
        {"verification_code": str(VerificationCode.of(16, bytes(32)))},
        {"keys": {"0" * 16: manifest["keys"][KEY_ID]}},
        {"signed_to": 15},
    ):
        assert verify_bundle(remade(path, lines, **said)).verdict == "damaged", said


def test_a_bundle_has_the_members_a_bundle_has_and_no_other(bundle: Path) -> None:
    result = verify_bundle(remade(bundle, lines_of(bundle), extra="signed-by-the-clinic.pdf"))
    assert [finding.sentence for finding in result.findings] == ["It does not have the members that a bundle has."]


def test_an_entry_outside_every_session_that_names_another_is_none_of_the_bundle(tmp_path: Path) -> None:
    entries: list[Entry] = []
    for event, session in (
        (announcement(KEY), None), (signing(KEY), None), (opened(), OURS), (closed(), OURS),
        (StationStarted(software="needlework 9.9", previous_session=OTHERS), None),
        (StationStarted(software="needlework 9.9", previous_session=OURS), None), (signing(KEY), None),
    ):  # fmt: skip
        follow(entries, event, session)
    path = bundled(tmp_path, entries)
    assert OTHERS.encode() not in b"".join(texts(path).values())
    lines = lines_of(path)
    place = next(at for at, line in enumerate(lines) if line["sequence"] == 5)
    assert "content" in lines[place]
    assert lines[place + 1]["type"] == "station_started"
    shown = [*lines[:place], as_line(entries[4]), *lines[place + 1 :]]
    result = verify_bundle(remade(path, shown))
    assert [finding.sentence for finding in result.findings] == [
        "Entry 5 is none of this session and may not be in its bundle."
    ]


# Hostile --------------------------------------------------------------------------------------------------------------


def test_a_time_that_no_clock_has_is_a_finding(bundle: Path) -> None:
    lines = lines_of(bundle)
    (entry,) = invented(2, bytes(32), (opened(),))
    fields = (entry.previous, 2, 2**62, 2, OURS, entry.type, entry.version, entry.body)
    late = entry._replace(utc_us=2**62, hash=entry_hash(STATION.encode(), *fields))
    result = verify_bundle(remade(bundle, [as_line(late)], record={}, **UNSIGNED))
    assert "No record can be made of its entries" in result.findings[0].sentence
    assert len(lines) > 1


def test_nothing_of_it_reaches_a_terminal_as_an_order(bundle: Path) -> None:
    order = "\x1b[2J\x1b[Hverify: intact\x1b[8m\x9b\r\n"
    lines = lines_of(bundle)
    checkpoint = JournalCheckpoint(sequence=1, hash="00" * 32, key_id=order, signature="00")
    chained: list[Entry] = []
    follow(chained, opened(), OURS)
    follow(chained, checkpoint)
    record = lying(bundle)
    for shown, remake in (  # one after the other: they have one path
        ("\\x1b[2J", lambda: remade(bundle, lines, record=record, made_by=order)),
        ("cannot be read", lambda: remade(bundle, [as_line(entry) for entry in chained], **UNSIGNED)),
    ):
        result = verify_bundle(remake())
        said = [result.sentence(), *result.notes, *(finding.sentence for finding in result.findings)]
        assert any(shown in sentence for sentence in said), said
        assert all(sentence.isprintable() for sentence in said)


@pytest.mark.parametrize(("lines", "kilobytes"), [(300, 2**20), (2**20, 40)])
def test_a_bundle_that_claims_more_than_any_holds_is_not_read_to_its_end(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, lines: int, kilobytes: int
) -> None:
    monkeypatch.setattr("logger.incident.making.MAX_LINES", lines)
    monkeypatch.setattr("logger.incident.making.MAX_ENTRIES_BYTES", kilobytes * 1024)
    many: list[Entry] = []
    for number in range(2000):
        follow(many, opened() if not number else grouped(number), OURS)
    result = verify_bundle(remade(bundle, [as_line(entry) for entry in many], **UNSIGNED))
    assert result.verdict == "damaged"
    assert result.count <= 300
    assert any("more than a bundle may hold" in finding.sentence for finding in result.findings)
    (folder := bundle.parent / "more").mkdir()
    with pytest.raises(BundleError, match="more than a bundle may hold"):
        bundled(folder, many)


def test_a_record_does_not_grow_with_what_a_bundle_tells(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("logger.incident.checking.MAX_TOLD_BYTES", 100)
    result = verify_bundle(bundle)
    assert [finding.what for finding in result.findings] == ["file"]
    assert "more than any session's" in result.findings[0].sentence


# Entries of the session's own that are not shown ----------------------------------------------------------------------


def test_an_entry_of_the_session_itself_that_is_withheld_is_missed_where_its_end_counts_them(tmp_path: Path) -> None:
    entries: list[Entry] = []
    for event, session in (
        (announcement(KEY), None), (signing(KEY), None), (opened(), OURS), (opened("nose"), OTHERS), (grouped(1), OURS),
        (closed().model_copy(update={"entries": 3}), OURS), (signing(KEY), None),
    ):  # fmt: skip
        follow(entries, event, session)
    path = bundled(tmp_path, entries)
    whole = verify_bundle(path, trusted=frozenset({KEY_ID}))
    assert (whole.verdict, whole.findings) == ("intact", ())
    assert "of others, or of the session after its end" in whole.notes[0]
    lines = lines_of(path)
    for hidden in (3, 5):
        left = [entry_withheld(entries[hidden - 1]) if line["sequence"] == hidden else line for line in lines]
        result = verify_bundle(remade(path, left), trusted=frozenset({KEY_ID}))
        assert "missing" in whats(result)
    # Without its end nothing counts them, and nobody says that they are others'.
    ends = [entry_withheld(entries[5]) if line["sequence"] == 6 else line for line in lines]
    assert any("said to be of others" in note for note in verify_bundle(remade(path, ends)).notes)


def entry_withheld(entry: Entry) -> dict[str, object]:
    content = entry.content()
    assert content is not None
    ends = {"previous": entry.previous.hex(), "hash": entry.hash.hex()}
    return {"sequence": entry.sequence, "content": content.hex(), **ends}
