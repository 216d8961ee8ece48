"""From what was measured to an issued certificate: the file says what was found, and the record gets no names."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from controller.calibration.accuracy import judge_accuracy
from controller.calibration.readings import accuracy_depth_plan, accuracy_rate_plan
from controller.calibration.setup import accuracy_setup
from controller.errors import DataError
from controller.service_events import CertificateIssued
from logger.certificate.document import Address, Replaces
from logger.certificate.folder import CertificateFolder
from logger.certificate.sealing import Sealed
from logger.certificate.verify import verify_certificate
from logger.errors import CertificateRefused
from logger.journal.journal import Journal
from logger.proof.checkpoints import announcement, key_id
from logger.report.certificate import certificate_data, printed_of
from station.bench.accuracy_results import AccuracyMeasured, accuracy_series
from station.bench.certificate_parts import Named
from station.bench.certifying import draw_number, issue, issued_event, untold
from station.bench.laboratory import laboratory
from station.bench.parties import read_parties
from station.bench.reissuing import parties_of, reissue
from station.bench.standards import references_of
from tests.station.bench_work import (
    AIR,
    KEY,
    PARTIES,
    POLICY,
    TODAY,
    accuracy_results,
    depth_results,
    issued,
    rate_results,
    read_through,
    work,
)

ID = key_id(KEY.public_key().public_bytes_raw())


def test_what_a_bench_issues_is_genuine_and_says_what_was_found(tmp_path: Path) -> None:
    made = issued(tmp_path)
    result = verify_certificate(made.path.read_bytes(), "a", known={ID: "here"}, today=TODAY)
    assert (result.outcome, result.findings) == ("genuine", ())
    body = made.sealed.certificate.body
    depth = body.of("depth_nm")
    assert depth is not None
    found, left = depth.stages
    assert (found.in_tolerance, found.verdict, left.in_tolerance, left.verdict) == (False, "failed", True, "passed")
    assert abs(found.largest_error - 169_000) < 8_000, "0.04 × 2 mm + 80 µm + 9 µm from above"
    assert found.fit is not None
    assert abs(found.fit.gain_ppm - 1_040_000) < found.fit.gain_expanded_ppm
    assert left.statement is not None
    assert made.event.depth_uncertainty_um == -(-left.statement.expanded // 1000)


def test_every_reading_of_the_series_is_in_it() -> None:
    depth, rate = depth_results(), rate_results()
    assert [len(point.readings) for point in depth.stages[0].points] == [3] * 12
    assert [len(point.readings) for point in rate.stages[0].points] == [5] * 4
    for point in depth.stages[0].points:
        assert {reading.direction for reading in point.readings} == {point.direction}
        assert abs(sum(each.reference for each in point.readings) / 3 - point.reference) <= 1_000


def test_a_bend_becomes_pieces_in_the_certificate_too() -> None:
    fit = depth_results(bend_um=60, gain=1.0, offset_um=-40).stages[0].fit
    assert fit is not None
    assert (fit.shape, len(fit.knots)) == ("pieces", 6)


def test_the_event_tells_of_it_without_names(tmp_path: Path) -> None:
    made = issued(tmp_path)
    told = made.event.model_dump_json()
    for name in ("Jane", "Needle Street", "Tim", "Hanna", "Weaver", "Dust", "Dropped", "clinic.example"):
        assert name in made.path.read_text()
        assert name not in told
    assert CertificateIssued.model_validate_json(told) == made.event
    result = verify_certificate(made.event.document.encode(), "the record", known={ID: "here"}, today=TODAY)
    assert result.outcome == "genuine"
    assert made.event.sha256 == made.sealed.sha256
    assert issued_event(made.sealed) == made.event
    assert (made.event.as_found_in_tolerance, made.event.as_left_in_tolerance) == (False, True)
    assert made.event.rate_error_ppm is not None


async def test_what_a_crash_left_untold_is_told_at_the_next_start(tmp_path: Path) -> None:
    first, second = issued(tmp_path / "certificates"), issued(tmp_path / "certificates")
    folder = CertificateFolder(tmp_path / "certificates")
    journal = Journal(
        tmp_path / "journal.sqlite", station="bench-1", utc_now=lambda: datetime.now(UTC), monotonic_ms=lambda: 1
    )
    try:
        assert untold(folder, journal.reader) == [], "signed by a key that is not known to be this station's"
        journal.emit(announcement(KEY), session=None)
        await journal.flush()
        assert {event.number for event in untold(folder, journal.reader)} == {first.event.number, second.event.number}
        journal.emit(first.event, session=None)
        await journal.flush()
        assert untold(folder, journal.reader) == [second.event]
        journal.emit(second.event, session=None)
        await journal.flush()
        assert untold(folder, journal.reader) == []
    finally:
        await journal.close()


def test_a_number_is_drawn_that_is_not_taken(tmp_path: Path) -> None:
    made = issued(tmp_path)
    folder = CertificateFolder(tmp_path)
    taken = iter([b"\x00" * 5, b"\x00" * 5, b"\x00\x00\x00\x00\xff"])
    first = draw_number(folder, "calibration", TODAY, lambda _: next(taken))
    (tmp_path / f"{first}.json").write_bytes(made.sealed.content)
    assert draw_number(folder, "calibration", TODAY, lambda _: next(taken)) != first
    with pytest.raises(ValueError, match="not random"):
        draw_number(folder, "calibration", TODAY, lambda _: b"\x00" * 5)


def test_issued_twice_under_one_number_the_second_is_refused(tmp_path: Path) -> None:
    made = issued(tmp_path)
    again = work("calibration", made.event.number, (depth_results(),))
    folder = CertificateFolder(tmp_path)
    with pytest.raises(CertificateRefused, match="already"):
        issue(again, PARTIES, issued_at="2026-11-26T11:00:00Z", key=KEY, folder=folder)
    assert made.path.read_bytes() == made.sealed.content


def test_issued_again_after_a_crash_with_the_same_salt_it_is_the_same_file(tmp_path: Path) -> None:
    done = work("calibration", "C261126-00000000", (depth_results(),))
    folder = CertificateFolder(tmp_path)

    def once() -> bytes:
        made = issue(
            done,
            PARTIES,
            issued_at="2026-11-26T10:35:02Z",
            key=KEY,
            folder=folder,
            random_bytes=lambda count: b"7" * count,
        )
        return made.sealed.content

    assert once() == once()
    assert len(list(tmp_path.iterdir())) == 1


def test_a_certificate_is_issued_anew_with_its_reason_and_the_old_one_stays(tmp_path: Path) -> None:
    old = issued(tmp_path)
    folder = CertificateFolder(tmp_path)
    path = tmp_path / "parties.yaml"
    path.write_text("customer:\n  name: Practice for Skin, Dr. Joan Example\n  address: [12 Needle Street]\n")
    parties = read_parties(path, TODAY, parties_of(old.sealed))
    how: dict[str, Any] = {"authorised_by": "head-1", "issued_at": "2026-11-27T09:00:00Z", "key": KEY, "folder": folder}
    with pytest.raises(CertificateRefused, match="none of this station's"):
        reissue(old.sealed, parties, number="C261127-0000000R", reason="Mistyped.", own_keys={"0" * 16}, **how)
    how["own_keys"] = {ID}
    number = draw_number(folder, "calibration", TODAY)
    new = reissue(old.sealed, parties, number=number, reason="The name was mistyped.", **how)
    assert old.path.read_bytes() == old.sealed.content
    body, private = new.sealed.certificate.body, new.sealed.certificate.private
    assert private is not None
    assert body.replaces == Replaces(number=old.event.number, sha256=old.sealed.sha256)
    assert (body.results, body.ended_at) == (old.sealed.certificate.body.results, old.sealed.certificate.body.ended_at)
    assert private.customer is not None
    assert "Joan" in private.customer.name
    assert private.condition == PARTIES.condition
    assert "mistyped" in certificate_data(printed_of(new.sealed, ID))["warnings"][0]
    result = verify_certificate(new.sealed.content, "a", known={ID: "here"}, today=TODAY)
    assert result.outcome == "genuine"
    assert any(f"takes the place of {old.event.number}" in note for note in result.notes)
    for reason, changed in ((" ", parties), ("again", parties_of(old.sealed))):
        with pytest.raises(CertificateRefused):
            reissue(old.sealed, changed, number="C261127-0000000R", reason=reason, **how)
    with pytest.raises(CertificateRefused, match=f"{number} has its place"):
        reissue(old.sealed, parties, number="C261127-1111111R", reason="Again.", **how)
    public = old.sealed.certificate.model_copy(update={"private": None})
    with pytest.raises(CertificateRefused, match="no names in it"):
        parties_of(Sealed(old.sealed.content, public))


def test_issued_anew_it_has_the_due_date_that_the_pen_holds(tmp_path: Path) -> None:
    old = issued(tmp_path)
    assert old.sealed.certificate.body.written is not None
    how: dict[str, Any] = {"authorised_by": "head-1", "issued_at": "2026-11-27T09:00:00Z", "key": KEY,
                           "folder": CertificateFolder(tmp_path), "number": "C261127-0000000R",
                           "own_keys": {ID}}  # fmt: skip
    for due_on in ("2028-11-26", None):
        other = replace(parties_of(old.sealed), due_on=due_on)
        with pytest.raises(CertificateRefused) as refused:
            reissue(old.sealed, other, reason="Another date was wished for.", **how)
        assert refused.value.code == "due_date_in_the_pen"
    assert len(list(tmp_path.glob("*.json"))) == 1
    body = old.sealed.certificate.body.model_copy(update={"written": None})
    given_none = Sealed(old.sealed.content, old.sealed.certificate.model_copy(update={"body": body}))
    free = reissue(given_none, replace(parties_of(old.sealed), due_on=None), reason="None was asked for.", **how)
    assert free.event.due_on is None


def test_a_file_of_parties_is_refused_by_line(tmp_path: Path) -> None:
    path = tmp_path / "parties.yaml"
    path.write_text("customer:\n  name: Practice\ndue_on: next year\n")
    with pytest.raises(DataError, match=r"parties\.yaml:3: due_on: .*not a date"):
        read_parties(path, TODAY)
    path.write_text("customer:\n  name: Practice\ndue_on: 2027-11-26\nremarks: [In air.]\n")
    read = read_parties(path, TODAY)
    assert (read.customer, read.due_on, read.remarks) == (Address(name="Practice"), "2027-11-26", ("In air.",))
    for words, problem in (
        ("due_on: 2025-11-26\n", "before the day of measuring, 2026-11-26"),
        ("people: {Jürg: Jürg Meier}\n", "people"),  # no account; a certificate could not be sealed with it
        (f"remarks: [{', '.join(['x'] * 21)}]\n", "remarks"),
    ):
        path.write_text(words, encoding="utf-8")
        with pytest.raises(DataError, match=problem):
            read_parties(path, TODAY)


def test_an_accuracy_test_passes_a_true_pen_and_fails_one_that_is_off(tmp_path: Path) -> None:
    made = issued(tmp_path, "accuracy_test", accuracy_results())
    assert made.event.kind == "accuracy_test"
    assert made.event.number.startswith("T")
    assert made.event.as_found_in_tolerance
    data = certificate_data(printed_of(made.sealed, ID))
    assert (data["heading"], data["series"][0]["plots"][0]["x_words"]) == ("Accuracy test report", "Depth set, mm")
    worse = issued(tmp_path, "accuracy_test", accuracy_results(offset_um=160))
    assert not worse.event.as_found_in_tolerance


def test_a_single_measurement_beyond_the_tolerance_fails_an_accuracy_test(tmp_path: Path) -> None:
    setup = accuracy_setup(POLICY, "NW-2", "bench-gauge", "master-16", "bench-tachometer", AIR[0], TODAY)
    depths = read_through(accuracy_depth_plan(setup.method), lambda put, _: put, 0, seed=1)
    rates = read_through(accuracy_rate_plan(setup.method), lambda put, _: put, 90, seed=2)
    off = depths[7]
    depths[7] = type(off)(off.point, off.direction, off.repeat, off.shown, off.reference + 170)
    judged = judge_accuracy(depths, rates, setup)
    measured = AccuracyMeasured(judged, depths, rates, "2026-11-26T09:02:11Z", "2026-11-26T09:40:00Z")
    made = issued(tmp_path, "accuracy_test", accuracy_series(measured, setup, Named("default", "5f" * 32)))
    assert not made.event.as_found_in_tolerance
    rows = certificate_data(printed_of(made.sealed, ID))["series"][0]["stages"][0]["results"]["rows"]
    assert [row[-1] for row in rows].count("failed: a single reading") == 1


def test_references_stand_once_each_with_what_their_certificates_say() -> None:
    setup = accuracy_setup(POLICY, "NW-2", "bench-gauge", "master-16", "bench-tachometer", AIR[0], TODAY)
    listed = references_of(setup, setup)
    assert [reference.kind for reference in listed] == ["depth_gauge", "cartridge", "thermometer", "tachometer"]
    assert listed[0].uncertainty == "3 µm + 0.1 % of the reading, k = 2"
    assert (listed[0].calibrated_on, listed[0].due_on) == ("2026-01-12", "2099-12-31")
    assert listed[2].uncertainty == "0.3 K, k = 2; 2 % relative humidity, k = 2"


def test_a_laboratory_is_named_by_a_file_and_a_bad_one_refused_by_line(tmp_path: Path) -> None:
    path = tmp_path / "laboratory.yaml"
    path.write_text("name: Bench\naddress:\n  - 3 Weaver's Yard\ncontact: bench@clinic.example\n")
    assert laboratory(path) == Address(name="Bench", lines=("3 Weaver's Yard",), contact="bench@clinic.example")
    assert laboratory(None) is None
    path.write_text("name: Bench\nadress: nowhere\n")
    with pytest.raises(DataError, match=r"laboratory\.yaml:2: .*adress"):
        laboratory(path)


def test_a_certificate_can_be_read_by_eye(tmp_path: Path) -> None:
    """Laid out for people: whoever has a text editor sees what is signed."""
    said = json.loads(issued(tmp_path).path.read_bytes())
    assert said["body"]["instrument"]["serial"] == "SIM-0042"
    assert date.fromisoformat(said["body"]["due_on"]) > TODAY
