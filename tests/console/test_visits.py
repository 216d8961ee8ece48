"""Visits over the command line: who returns, a session that broke off, a cartridge that cannot be looked up."""

import json
import re
import signal
from pathlib import Path

import pytest

from tests.console.houses import CONFIRMED, TREAT, House, answers_in, pen_at, running

pytestmark = [pytest.mark.system, pytest.mark.timeout(60)]


def test_a_cartridge_nobody_can_look_up_is_attested_and_never_verified(short_dir: Path) -> None:
    link = short_dir / "pen"
    arguments = ("run", "--state", str(short_dir), "--stop-port", "0", "--json", "--pen", f"serial://{link}")
    with pen_at(link, "NW-PLAIN"), running(*arguments) as process:
        house = House(process, short_dir)
        armed = house.call(*house.prepare, "--cartridge", "NW-12", lines="arm\n")
        assert armed.returncode == 0, armed.stderr  # confirmed as new and sterile: that is the operator's word
        exchanged = house.call(*TREAT, lines="audio\ncartridge\nwait 0.5\ncheck\narm\n")
        assert exchanged.returncode == 1
        assert "alarms silent for another" in exchanged.stdout
        assert "attest that" in exchanged.stderr  # what was attested was of the cartridge before
        attested = house.call(*TREAT, lines="attest\narm\nclose\n")
        assert attested.returncode == 0, attested.stderr
        record = house.closed_record()
        assert [item["cartridge"]["unused"] for item in record["cartridges"]] == ["attested", "attested"]
        assert record["cartridges"][0]["exchanged_at"] is not None
        assert "attested as new and opened now, not verified" in " ".join(house.call("sessions", "show").stdout.split())
        assert house.end(signal.SIGTERM) == 0


def test_a_returning_patient_repeats_the_last_visit_with_another_cartridge(short_dir: Path) -> None:
    link = short_dir / "pen"
    who = ("--patient", "AAAA-1111")
    arguments = ("run", "--state", str(short_dir), "--stop-port", "0", "--json", "--pen", f"serial://{link}")
    with pen_at(link) as pen, running(*arguments) as process:
        house = House(process, short_dir)
        treat = "arm\ndepth 0.45\nrate 90\nstart\nwait 1.5\npause\nwait 0.5\nclose\n"
        first = house.call(*house.prepare, *who, lines=treat)
        assert first.returncode == 0, first.stderr

        told = json.loads(house.call("patients", "show", "AAAA-1111", "--json").stdout)
        (visit,) = told["visits"]
        assert visit["zones"][0]["depth_commanded_um"] == 450
        assert told["course"]["facial-rejuvenation"]["number"] == 2
        assert "last_answers" not in told

        early = house.call(*TREAT, *who, "--repeat", *answers_in(short_dir), lines="arm\n")
        assert early.returncode == 1
        assert re.search(r"✗ +course +The last session was on", early.stdout)
        assert house.call(*TREAT, lines="close\n").returncode == 0

        same = answers_in(short_dir, since_last_visit="unchanged", answers={})
        again = (*TREAT, *who, "--repeat", *same, "--early", "tolerated-last-session", "--consent", "folder 7",
                 *(word for item in CONFIRMED for word in ("--confirmed", item)))  # fmt: skip
        used = house.call(*again, lines="arm\n")
        assert used.returncode == 1
        assert "This cartridge was used" in used.stderr
        pen.send_signal(signal.SIGUSR1)
        repeated = house.call(*TREAT, "--repeat", lines="wait 1.2\ncheck\narm\nstart\nwait 1.5\npause\ndose\nclose\n")
        assert repeated.returncode == 0, repeated.stderr + repeated.stdout
        assert "forehead on " in repeated.stdout
        assert "0.45 mm, 90.0 Hz. Set the same." in repeated.stdout
        record = house.closed_record()
        assert record["course"]["number"] == 2
        assert record["interval_reason"] == "tolerated-last-session"
        assert record["zones"][0]["passes"] == 1

        for meaning, by in (("reviewed", "demo-physician"), ("performed", "demo-aesthetician")):
            refused = house.call("sessions", "sign", "last", "--as", meaning, "--by", by)
            assert refused.returncode == 1
            assert "Nothing was signed." in refused.stderr
        for meaning, by in (("performed", TREAT[2]), ("reviewed", "demo-physician")):
            signed = house.call("sessions", "sign", "last", "--as", meaning, "--by", by)
            assert signed.returncode == 0, signed.stderr
            assert f"is signed as {meaning} by {by}" in signed.stdout
        shown = " ".join(house.call("sessions", "show", "last").stdout.split())
        assert f"performed by {TREAT[2]} (aesthetician)" in shown
        assert "reviewed by demo-physician (physician)" in shown
        lines = json.loads(house.call("sessions", "list", "--json").stdout)
        assert [line["signed"] for line in lines] == [[], [], ["performed", "reviewed"]]
        assert [line["outcome"] for line in lines] == ["completed"] * 3
        assert house.end(signal.SIGTERM) == 0


def test_a_session_that_broke_off_is_resumed_with_its_dose(short_dir: Path) -> None:
    link = short_dir / "pen"
    who = ("--patient", "AAAA-1111")
    arguments = ("run", "--state", str(short_dir), "--stop-port", "0", "--json", "--pen", f"serial://{link}")
    with pen_at(link):
        with running(*arguments) as process:
            house = House(process, short_dir)
            lines = "arm\ndepth 0.45\nrate 90\nstart\nwait 1.5\npause\nwait 0.5\n"
            assert house.call(*house.prepare, *who, lines=lines).returncode == 0
            assert house.end(signal.SIGTERM) == 0  # with the session open
        with running(*arguments) as process:
            house = House(process, short_dir)
            resumed = house.call(*house.prepare, *who, "--resume", "last", lines=f"{lines}close\n")
            assert resumed.returncode == 0, resumed.stderr + resumed.stdout
            record = house.closed_record()
            (zone,) = record["zones"]
            assert record["resumes"] is not None
            assert zone["counted_ms"] > zone["on_skin_ms"] + 1_000
            assert house.end(signal.SIGTERM) == 0
