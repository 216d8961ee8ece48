"""Reports as PDF: what they show, that nothing in the record can break or steer them, and that they come out alike."""

import hashlib
import io
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import cache

import pikepdf
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from controller.events import Event, RecordAmended, SessionClosed, SessionOpened, SessionSigned, SoftLimitOverridden
from controller.inputs import Input
from controller.state import MachineState, Step
from firmware_bridge.wire.messages import Setpoint
from logger.errors import RecordNotFound, ReportExtraMissing
from logger.journal.entry import GENESIS, Entry
from logger.proof.checkpoints import checkpoint
from logger.proof.verification_code import VerificationCode, read_code
from logger.report import (
    Heading,
    SessionRead,
    checkpoint_over,
    course_data,
    course_report,
    read_session,
    session_data,
    session_report,
)
from logger.report.typeset import typeset
from proving.playing import Player
from proving.recorded import Recorded, treatment
from proving.rig import Observer, Rig
from proving.stories import story

THREE = ("forehead", "cheek", "neck")


@cache
def treated() -> tuple[Entry, ...]:
    """A minute and a half of three zones, on the rig."""
    return tuple(treatment(1, zones=THREE))


@cache
def read() -> SessionRead:
    return read_session(treated())


@pytest.fixture(scope="module")
def made() -> bytes:
    return session_report(read(), Heading(site="clinic-1"))


def changed(change: Callable[[Event], Event | None], entries: tuple[Entry, ...] | None = None) -> SessionRead:
    """The treatment with each event changed, or left out, and the chain made anew."""
    kept: list[Entry] = []
    for entry in entries or treated():
        event = change(entry.event())
        if event is None:
            continue
        anew = entry._replace(
            sequence=len(kept) + 1,
            body=event.model_dump_json().encode(),
            previous=kept[-1].hash if kept else GENESIS,
        )
        kept.append(anew._replace(hash=anew.computed_hash()))
    return read_session(kept)


def text_of(made: bytes) -> str:
    """What the pages say, as people would copy it."""
    done = subprocess.run(["pdftotext", "-layout", "-", "-"], input=made, capture_output=True, check=True, timeout=20)
    return done.stdout.decode().replace("\u200b", "")


def test_the_same_record_gives_the_same_bytes_in_another_process(made: bytes) -> None:
    program = (
        "import hashlib;from logger.report import Heading, read_session, session_report;"
        "from proving.recorded import treatment;"
        f"made = session_report(read_session(treatment(1, zones={THREE!r})), Heading(site='clinic-1'));"
        "print(hashlib.sha256(made).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=20, text=True)
    assert done.stdout.strip() == hashlib.sha256(made).hexdigest()
    assert session_report(read_session(treated()), Heading(site="clinic-1")) == made


@pytest.mark.parametrize("paper", ["a4", "letter"])
def test_it_is_pdf_a_with_everything_in_it(paper: str) -> None:
    made = session_report(read(), Heading(site="clinic-1", paper="letter" if paper == "letter" else "a4"))
    with pikepdf.open(io.BytesIO(made)) as pdf:
        about = pdf.open_metadata()
        assert (about["pdfaid:part"], about["pdfaid:conformance"], about["pdfuaid:part"]) == ("2", "A", "1")
        assert about["dc:title"] == f"Session record {read().record.session}"
        assert about["xmp:CreateDate"] == read().written_at.replace(microsecond=0).isoformat()
        root = pdf.Root
        assert root.Lang == "en"
        assert root.MarkInfo.Marked
        assert root.ViewerPreferences.DisplayDocTitle
        assert "/StructTreeRoot" in root
        assert root.OutputIntents[0].S == "/GTS_PDFA1"
        assert "/DestOutputProfile" in root.OutputIntents[0]
        for name in ("/OpenAction", "/AA", "/AcroForm"):
            assert name not in root
        assert not pdf.attachments
        assert pdf.check_pdf_syntax() == []
        figures = [item for item in pdf.objects if isinstance(item, pikepdf.Dictionary) and item.get("/S") == "/Figure"]
        assert len(figures) == 3
        assert all(str(figure.Alt) for figure in figures)
        wide, high = (float(number) for number in pdf.pages[0].mediabox[2:])
        assert (round(wide), round(high)) == ((595, 842) if paper == "a4" else (612, 792))
        for item in pdf.objects:
            if not isinstance(item, pikepdf.Dictionary):
                continue
            assert item.get("/S") not in {"/JavaScript", "/Launch", "/URI"}
            if item.get("/Type") == "/FontDescriptor":
                assert "/FontFile3" in item or "/FontFile2" in item


def test_what_a_reader_looks_for_is_there(made: bytes) -> None:
    text = text_of(made)
    record = read().record
    for words in (
        record.session,
        "p-7f3a21",
        "demo-physician",
        "clinic-1 · room-1",
        "Demonstration: nobody signed",
        "not a cleared medical device",
        "measured protrusion",
        "forehead",
        "cheek",
        "neck",
        "Limits and their reasons",
        "L2407A",
        "verified unused",
        "FACTORY-0001",
        "7 of 7 points confirmed",
        "20 of 20 questions answered",
        "Keep out of the sun",
        "Not before 2026-01-29",
        "Performed, by whoever treated",
        "Approved",
        "demo-reviewer",
        treated()[-1].hash.hex()[:8],
    ):
        assert words in text, words
    pages = text.count("Page ")
    assert text.count("Demonstration: nobody signed") == pages > 1


def test_numbers_are_those_of_the_record() -> None:
    data = session_data(read(), Heading())
    for row, zone in zip(data["zones"], read().record.zones, strict=True):
        assert zone.depth_measured_um is not None
        assert row[1] == zone.zone
        assert row[4:6] == [f"{zone.depth_measured_um.p50 / 1000:.2f}", f"{zone.depth_measured_um.p95 / 1000:.2f}"]
    assert [row["number"] for row in data["face"]["rows"]] == [1, 2, 3]
    depth, rate = data["charts"]
    assert [span["number"] for span in depth["zones"]] == [1, 2, 3]
    assert len(depth["pauses"]) == len(rate["pauses"]) >= 6
    assert depth["measured"]
    assert depth["limits"]


PLANTED = '#panic("x") $x^2$ *bold* _it_ \\ `raw` @ref <label> // gone /* gone */ [#eval("1")] "quoted" ~ -- ---'
SIGNS = "Grüße Ωмега 中文 \u202egnorw \U0001f600 \x07 é"


def test_text_of_the_record_is_never_markup() -> None:
    def planted(event: Event) -> Event:
        match event:
            case SessionOpened():
                return event.model_copy(
                    update={
                        "operator": PLANTED,
                        "library": PLANTED,
                        "zone": PLANTED,
                        "planned_zones": (PLANTED,),
                        "aftercare": (PLANTED, SIGNS),
                    }
                )
            case SoftLimitOverridden():
                return event.model_copy(update={"reason": PLANTED})
            case SessionClosed():
                return event.model_copy(update={"reason": PLANTED})
            case _:
                return event

    text = " ".join(text_of(session_report(changed(planted), Heading(site="#x $y", patient_label=PLANTED))).split())
    for piece in ('#panic("x")', "$x^2$", "*bold*", "_it_", "`raw`", "@ref", "<label>", '[#eval("1")]', "// gone"):
        assert text.count(piece) >= 3, piece
    assert "Grüße Ωмега [U+4E2D][U+6587] [U+202E]gnorw [U+1F600] [U+0007] é" in text


def test_a_long_word_stays_in_its_column_and_many_rows_turn_the_page() -> None:
    long = "w" * 160

    def stretched(event: Event) -> Event:
        match event:
            case SessionOpened():
                return event.model_copy(update={"operator": long, "library": long})
            case SoftLimitOverridden():
                return event.model_copy(update={"reason": long, "zone": long})
            case _:
                return event

    found = changed(stretched)
    record = found.record
    found.record = record.model_copy(update={"alarms": record.alarms[:1] * 120, "overrides": record.overrides * 90})
    made = session_report(found, Heading(patient_label=long))
    text = text_of(made)
    assert text.count("What it said") >= 3
    with pikepdf.open(io.BytesIO(made)) as pdf:
        assert len(pdf.pages) > 8


class Both:
    """Two who watch one rig."""

    def __init__(self, *watching: Observer) -> None:
        self.watching = watching

    def passed(self, rig: Rig) -> None:
        for one in self.watching:
            one.passed(rig)

    def took(self, rig: Rig, before: MachineState, given: Input, made: Step) -> None:
        for one in self.watching:
            one.took(rig, before, given, made)

    def sent(self, rig: Rig, setpoint: Setpoint) -> None:
        for one in self.watching:
            one.sent(rig, setpoint)


@pytest.mark.parametrize("number", [0, 3, 10, 12])
def test_whatever_goes_wrong_in_a_treatment_its_report_can_be_made(number: int) -> None:
    """Stories of the campaign: pens without sensors, faults of everything, sessions left open, one after another."""
    player = Player(story(7, number))
    recorded = Recorded("s", datetime(2026, 1, 1, 9, tzinfo=UTC))
    player.rig._observer = Both(player, recorded)
    player.play()
    found = read_session(recorded.entries)
    text = text_of(session_report(found, Heading()))
    assert found.record.pen is not None
    assert found.record.pen in text
    assert found.record.alarms or found.record.refusals
    for alarm in found.record.alarms:
        assert alarm.sentence.split()[0] in text
    assert text.count("HIGH") >= sum(alarm.priority == "HIGH" for alarm in found.record.alarms)


def test_a_session_in_which_nothing_was_treated_says_so() -> None:
    text = text_of(session_report(untreated(1), Heading()))
    for words in (
        "Nothing was treated",
        "No alarm was raised",
        "planned, not treated",
        "No cartridge was taken into use",
    ):
        assert words in text
    assert "Depth and rate over time" not in text


def test_an_interrupted_session_and_one_without_an_end_are_marked() -> None:
    def cut(event: Event) -> Event:
        changes = {"outcome": "interrupted", "reason": "the station was restarted"}
        return event.model_copy(update=changes) if isinstance(event, SessionClosed) else event

    text = text_of(session_report(changed(cut), Heading()))
    assert "This session was interrupted (the station was restarted)" in text
    text = text_of(session_report(changed(lambda event: None if event.type == "session_closed" else event), Heading()))
    assert "has no end yet" in text


def test_a_zone_without_a_place_on_the_face_is_listed_beside_it() -> None:
    entries = tuple(treatment(1, zones=("cheek",)))

    def renamed(event: Event) -> Event:
        if isinstance(event, SessionOpened):
            return event.model_copy(update={"zone": "left-elbow", "planned_zones": ("left-elbow", "facial-scars")})
        return event

    found = changed(renamed, entries)
    rows = session_data(found, Heading())["face"]["rows"]
    assert [(row["name"], row["drawn"]) for row in rows] == [("left-elbow", False), ("facial-scars", False)]
    assert "left elbow" in text_of(session_report(found, Heading()))


def test_a_name_is_printed_only_where_it_is_given(made: bytes) -> None:
    label = "Erika Mustermann"
    assert label not in text_of(made)
    assert f"{label} (p-7f3a21)" in text_of(session_report(read(), Heading(patient_label=label)))


def test_the_verification_code_printed_is_that_of_the_last_entry(made: bytes) -> None:
    last = treated()[-1]
    code = str(VerificationCode.of(last.sequence, last.hash))
    assert code in text_of(made)
    assert read_code(code).prefix == last.hash[:15]


def after(entry: Entry, *events: Event, session: str | None = None) -> list[Entry]:
    """More entries of the station, chained behind one."""
    more: list[Entry] = [entry]
    for event in events:
        last = more[-1]
        body = event.model_dump_json().encode()
        anew = last._replace(
            sequence=last.sequence + 1,
            session=session,
            type=event.type,
            version=event.version,
            body=body,
            previous=last.hash,
        )
        more.append(anew._replace(hash=anew.computed_hash()))
    return more[1:]


def test_the_stations_signature_over_the_end_is_printed() -> None:
    key, last = Ed25519PrivateKey.generate(), treated()[-1]
    early = checkpoint(key, last.station, last.sequence - 1, treated()[-2].hash)
    late = checkpoint(key, last.station, last.sequence, last.hash)
    found = read_session(treated())
    found.checkpoint = checkpoint_over(found, after(last, early, late, late))
    assert found.checkpoint is not None
    assert (found.checkpoint.entry, found.checkpoint.upto) == (last.sequence + 2, last.sequence)
    text = text_of(session_report(found, Heading()))
    assert late.signature[:8] in text
    assert late.key_id[:8] in text
    assert checkpoint_over(found, after(last, early)) is None


def amendment() -> RecordAmended:
    """Somebody set right what was typed of the cartridge."""
    return RecordAmended(
        session=read().record.session,
        aspect="cartridge",
        reason="typed_wrongly",
        amends_sequence=5,
        amends_hash=treated()[4].hash.hex(),
        by="demo-reviewer",
        role="physician",
        text_sha256="ab" * 32,
    )


def test_an_amendment_is_told_first_and_takes_its_standing_from_earlier_signatures() -> None:
    last = treated()[-1]
    amended = amendment()
    text = text_of(session_report(read_session([*treated(), *after(last, amended, session=last.session)]), Heading()))
    for words in ("This record was amended once", "typed wrongly", "entry 5", "was amended after", "abababab"):
        assert words in text, words


def test_a_course_goes_over_its_sessions_in_order() -> None:
    reads = [
        read_session(
            treatment(1, session=f"2026{month:02d}01T090000-000000{month:02d}", on=date(2026, month, 1), zones=THREE)
        )
        for month in (3, 1)
    ]
    data = course_data(reads, Heading())
    assert [row[1] for row in data["sessions"]] == ["2026-01-01", "2026-03-01"]
    assert [row[0] for row in data["zones"][0]["rows"]] == list(THREE)
    made = course_report(reads, Heading(site="clinic-1"))
    assert made == course_report(reads[::-1], Heading(site="clinic-1"))
    text = text_of(made)
    for words in ("Course record", "59 days", "Zones by session", "How depth came along", "2026-03-29", "L2407A"):
        assert words in text, words
    with pytest.raises(RecordNotFound):
        course_data([], Heading())


def test_a_course_tells_of_an_amendment_and_which_signatures_no_longer_stand() -> None:
    last = treated()[-1]
    (amended,) = after(last, amendment(), session=last.session)
    again = SessionSigned(
        by="demo-physician", role="physician", meaning="performed", covers_sequence=amended.sequence,
        covers_hash=amended.hash.hex(),
    )  # fmt: skip
    for more, signed in (
        ([], "performed, reviewed"),
        ([amended], "performed: no longer stands, reviewed: no longer stands"),
        ([amended, *after(amended, again, session=last.session)], "performed, reviewed: no longer stands"),
    ):
        data = course_data([read_session([*treated(), *more])], Heading())
        assert data["sessions"][0][-1] == signed
        assert len(data["warnings"]) == bool(more)
    found = read_session([*treated(), amended])
    text = " ".join(text_of(course_report([found], Heading())).split())
    assert "The record of session 1 was amended once" in text
    assert "longer stands" in text


def untreated(month: int) -> SessionRead:
    """A session that was prepared and closed as completed, without the motor ever on."""

    def kept(event: Event) -> Event | None:
        if event.type == "session_opened":
            return event
        return event.model_copy(update={"doses": ()}) if isinstance(event, SessionClosed) else None

    return changed(kept, tuple(treatment(1, on=date(2026, month, 1), zones=("cheek",), eventful=False)))


def test_a_session_in_which_nothing_was_treated_sets_no_day_for_the_next() -> None:
    first, second = treatment(1, on=date(2026, 1, 1), zones=("cheek",), eventful=False), untreated(2)
    assert second.record.aftercare
    data = session_data(second, Heading())
    assert data["next_visit"].startswith("Nothing was treated")
    assert data["aftercare"] == []
    assert (data["outcome"], data["whole"]) == ("Closed, nothing treated", False)
    data = course_data([second], Heading())
    assert data["sessions"][0][5] == "not treated"
    assert data["next_visit"].startswith("No treatment yet")
    assert data["aftercare"] == []
    data = course_data([read_session(first), second], Heading())
    assert "Not before 2026-01-29 (28 days after the treatment on 2026-01-01" in data["next_visit"]
    assert data["aftercare"]
    assert "No treatment yet" in text_of(course_report([second], Heading()))


def test_without_the_extra_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "typst", None)
    with pytest.raises(ReportExtraMissing, match=r"pip install 'needlework\[report\]'"):
        typeset("session", {}, at=read().written_at, paper="a4")
