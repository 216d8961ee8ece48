"""`needlework support`: names planted wherever a record, a setting or a path may have one, and found nowhere in it."""

import json
import re
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from console.cli import app
from controller.events import PenLost, SessionClosed, SessionOpened, StationStarted
from controller.service_events import CertificateIssued, PenRepaired
from logger.incident.support import FORMAT, SHOWN, Scrubber
from station.settings import StationSettings
from tests.pen_lives import Told, journal_of, life

MARK = "quastenfloss"
NOW = datetime.now(UTC)


def planted(state: Path) -> list[Told]:
    """A life of a pen with a name in every text that an event can bear."""
    told: list[Told] = []
    for at, event, session in life("NW-2", "0007", until=NOW, months=4, lost_a_month=3):
        if isinstance(event, SessionOpened):
            names = {name: f"{MARK}-{name}" for name in ("patient", "operator", "protocol", "library", "zone", "skin")}
            event = event.model_copy(update=names)  # noqa: PLW2901 the same event with a name in it
        elif isinstance(event, SessionClosed):
            event = event.model_copy(update={"reason": f"{MARK} fainted"})  # noqa: PLW2901 as above
        elif isinstance(event, PenLost):
            cause = f"serial:///srv/{MARK}/pen went; see {state}/captures/x and mqtt://{MARK}@{MARK}.example:1883/x."
            event = event.model_copy(update={"cause": cause})  # noqa: PLW2901 as above
        elif isinstance(event, CertificateIssued):
            event = event.model_copy(update={"technician": MARK, "document": f'{{"customer": "{MARK}"}}'})  # noqa: PLW2901
        told.append((at, event, f"{session}-{MARK}" if session else None))
    dropped = PenRepaired(
        pen="NW-2/0007", serial="0007", what="dropped", ends_calibration=False, by=MARK, on="2026-01-01"
    )
    told.append((NOW - timedelta(days=2), dropped, None))
    told.append(
        (NOW - timedelta(days=1), StationStarted(software="needlework 1", previous_session=MARK, site=MARK), None)
    )
    return told


@pytest.fixture
def bundle(short_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[zipfile.ZipFile]:
    """What is made of a station whose folder, settings and record are full of a name."""
    state = short_dir / f"p {MARK}" / "state"
    state.mkdir(parents=True)
    library = state.parent / f"{MARK}.yaml"
    library.write_text(f"title: the library of {MARK}\n")
    operators = state.parent / "operators.yaml"
    operators.write_text(f"format: needlework-operators/2\noperators:\n  anna-{MARK}: {{rolle: 1}}\n")
    for name, value in (
        ("LIBRARY", library), ("OPERATORS", operators), ("SITE", f"{MARK}-praxis"), ("STATION", f"room-{MARK}"),
        ("BROKER", f"mqtts://{MARK}@{MARK}.example"), ("STORE", state / f"{MARK}.sqlite"),
    ):  # fmt: skip
        monkeypatch.setenv(f"NEEDLEWORK_{name}", str(value))
    monkeypatch.setenv("HOME", str(state.parent))
    monkeypatch.setenv("LOGNAME", f"dr-{MARK}")
    journal_of(StationSettings(state_dir=state).journal_path, planted(state))
    file = short_dir / "support.zip"
    pens = ["--pen", "serial:///dev/serial/by-id/none", "--pen", f"serial://{state}/pty-of-{MARK}"]
    done = CliRunner().invoke(app, ["support", "-o", str(file), "--state", str(state), *pens])
    assert done.exit_code == 0, done.output
    with zipfile.ZipFile(file) as made:
        yield made


def test_no_name_is_in_it_and_what_helps_is(bundle: zipfile.ZipFile) -> None:
    texts = {name: bundle.read(name).decode() for name in bundle.namelist()}
    around = re.compile(rf".{{0,40}}{MARK}.{{0,40}}", re.IGNORECASE)
    assert {name: found for name, text in texts.items() if (found := around.findall(text))} == {}
    for person in ("P-1", "op-1", "tech-1", "S-0007"):
        assert not [name for name, text in texts.items() if person in text]
    manifest = json.loads(texts["manifest.json"])
    assert manifest["format"] == FORMAT
    assert {name: sha256(bundle.read(name)).hexdigest() for name in manifest["sha256"]} == manifest["sha256"]
    (pen,) = json.loads(texts["pens.json"])
    assert (pen["pen"], pen["counted_by"]) == ("NW-2/0007", "pen")
    assert json.loads(texts["record.json"])["entries"]["session_closed"] > 20
    assert json.loads(texts["service.json"])["pens"][0]["strokes"] > 0
    events = [json.loads(line) for line in texts["events.jsonl"].splitlines()]
    assert {one["type"] for one in events} == {"pen_connected", "pen_lost", "station_started"}
    lost = next(one for one in events if one["type"] == "pen_lost")
    assert "mqtt://(an address)" in lost["cause"]
    assert "example" not in lost["cause"]
    assert (len(pen["seen"]), len(pen["charge_read"])) == (22, 22), "to the minute"
    assert all(one["at"].endswith("+00:00") and one["at"].count(":") == 2 for one in events), "to the minute"
    checks = {one["check"] for one in json.loads(texts["doctor.json"])["findings"]}
    assert {"software", "ports", "disk", "clock"} <= checks


def test_it_is_for_its_owner_alone_and_never_written_over_unasked(bundle: zipfile.ZipFile, short_dir: Path) -> None:
    file = short_dir / "support.zip"
    assert file.stat().st_mode & 0o777 == 0o600
    again = CliRunner().invoke(app, ["support", "-o", str(file), "--state", str(short_dir)])
    assert again.exit_code == 1
    assert "there already" in " ".join(again.output.split())


def test_a_station_without_a_record_can_ask_for_help_too(tmp_path: Path) -> None:
    file = tmp_path / "support.zip"
    done = CliRunner().invoke(app, ["support", "-o", str(file), "--state", str(tmp_path / "none"), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["file"] == str(file)
    with zipfile.ZipFile(file) as made:
        assert "no record" in json.loads(made.read("record.json"))["problem"]


def test_a_soak_without_a_pen_is_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["support", "-o", str(tmp_path / "x.zip"), "--state", str(tmp_path), "--soak", "1"])
    assert done.exit_code == 2
    assert not (tmp_path / "x.zip").exists()


def test_only_fields_without_people_are_shown() -> None:
    people = {
        "by",
        "technician",
        "operator",
        "patient",
        "account",
        "role",
        "reason",
        "customer",
        "url",
        "document",
        "series",
    }
    assert not people & {name for names in SHOWN.values() for name in names}
    assert not {"security_event", "record_amended", "session_opened", "session_closed", "pen_armed"} & set(SHOWN)


@given(st.text("abc-_ .äÖ", min_size=4, max_size=20).filter(lambda word: word.strip() == word), st.text(max_size=20))
def test_own_words_go_wherever_they_stand(word: str, around: str) -> None:
    scrub = Scrubber([word, "x"])
    told = scrub.data({f"{around}{word}{around}": [f"{word}/{word}", 7, None]})
    for text in (*told, told[next(iter(told))][0]):
        assert word not in text.replace("(a path)", "") or word in "(a path)"


def test_an_address_that_a_word_stands_in_goes_whole_in_any_spelling() -> None:
    scrub = Scrubber(["praxis-sonne"])
    assert scrub.text("mqtt://mqtt.Praxis-Sonne-berlin.example:1883, later") == "mqtt://(an address), later"
    assert scrub.text("/srv/praxis-sonne/anna/x: wrong") == "(a path): wrong"
    assert scrub.text("PRAXIS-SONNE is away") == "(a path) is away"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("/dev/ttyACM0 is held by screen (7)", "/dev/ttyACM0 is held by screen (7)"),
        ("/srv/anna/clinic.yaml:3: wrong", "(a path):3: wrong"),
        ("mqtts://anna@broker.example:8883 refused", "mqtts://(an address) refused"),
        ("serial:///dev/serial/by-id/pen?baud=9600", "serial:///dev/serial/by-id/pen?baud=9600"),
        ("serial:///srv/anna/pty", "serial://(a path)"),
        ("60 % and/or more", "60 % and/or more"),
        ("Connect call failed ('192.168.7.20', 7070)", "Connect call failed ('(an address)', 7070)"),
        ("STOP listens on 127.0.0.1:7472, firmware 1.4.0", "STOP listens on 127.0.0.1:7472, firmware 1.4.0"),
    ],
)
def test_addresses_and_paths_of_people_go_and_those_of_the_system_stay(text: str, left: str) -> None:
    assert Scrubber(()).text(text) == left
