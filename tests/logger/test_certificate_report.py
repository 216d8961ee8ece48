"""A certificate's pages: everything that one has to say, nothing it may not, and the same bytes each time."""

import hashlib
import io
import json
import re
import subprocess
import sys
from functools import cache

import pikepdf
import pytest
import zxingcpp
from PIL import Image

from logger.certificate.document import Address
from logger.certificate.label import label_text
from logger.proof.checkpoints import key_id
from logger.report.certificate import Printed, certificate_data, certificate_report, printed_of
from logger.report.error_plot import error_plots
from logger.report.label import label, label_data
from logger.report.quantities import scale_of, signed
from tests.logger.certificates import KEY, NUMBER, example
from tests.logger.test_report import text_of

ID = key_id(KEY.public_key().public_bytes_raw())
HOSTILE = "#let x = 1; *bold* $x$ \\ <b> \u202e evil \x00 名前 " + "x" * 180


def printed(**changed: object) -> Printed:
    return printed_of(example(**changed), ID)


@cache
def pages() -> bytes:
    return certificate_report(printed())


@cache
def said() -> str:
    """What the pages say, in one line: where a line is broken says nothing."""
    return flat(text_of(pages()))


def flat(text: str) -> str:
    return re.sub(r"\s+", " ", text)


# What ISO/IEC 17025:2017 asks of a certificate, clause by clause, and where these pages say it.
CLAUSES = {
    "7.8.2.1 a, a title": "Calibration certificate",
    "7.8.2.1 b, the laboratory's name and address": "Bench of Example Clinic.*3 Weaver's Yard",
    "7.8.2.1 c, where it was done": "at the laboratory · clinic-1 · bench-1",
    "7.8.2.1 d, its number on every page, and its end": f"End of No. {NUMBER}",
    "7.8.2.1 e, the customer": "Practice for Skin, Dr. Jane Example",
    "7.8.2.1 f, the method": r"Protrusion beyond the face of a reference cartridge, gauge in peak hold \(six-point\)",
    "7.8.2.1 g, the item, and its condition": "NW-2.*Serial number SIM-0042.*Dust at the depth drive",
    "7.8.2.1 h, when it came": "Received 2026-11-24",
    "7.8.2.1 i, when it was done": "2026-11-26, 09:02 to 10:31 UTC",
    "7.8.2.1 j, when this was issued": "Issued 2026-11-26",
    "7.8.2.1 l, of these items only": "The results relate only to the item named above",
    "7.8.2.1 m, results with their units": "Error, µm",
    "7.8.2.1 n, departures from the method": "Departures from the method None",
    "7.8.2.1 o, who authorised it": r"Hanna Head \(head-1\)",
    "7.8.2.1 note 2, copied as a whole": "This may be copied as a whole",
    "7.8.2.2, what the customer said": "Told by the customer, and not checked by the laboratory • Dropped once",
    "7.8.4.1 a, uncertainty in the unit of the value": "U, µm",
    "7.8.4.1 b, the conditions": "21.8 to 22.4 °C",
    "7.8.4.1 c, traceability": "EXAMPLE-G1-2026.*2027-01-12.*Traceability: every value is told through these",
    "7.8.4.1 d, before and after adjustment": "Depth, as found.*Depth, as left.*Adjustment",
    "7.8.6.1, the decision rule": "A point is in tolerance when its error, plus its expanded uncertainty",
    "7.8.6.2 a, which results a statement is of": "In tolerance says that every point of its table passed",
    "7.8.6.2 b, against which specification": "±150",
    "the coverage factor and what it covers": "k stated with it, which for the degrees of freedom given covers about",
    "page n of N": "Page 1 of 5 .*Page 5 of 5",
}


@pytest.mark.parametrize("clause", CLAUSES)
def test_what_the_standard_asks_for_is_there(clause: str) -> None:
    assert re.search(CLAUSES[clause], said()), clause


def test_every_page_names_the_certificate_and_how_many_there_are() -> None:
    with pikepdf.open(io.BytesIO(pages())) as pdf:
        count = len(pdf.pages)
    for number in range(1, count + 1):
        page = subprocess.run(
            ["pdftotext", "-f", str(number), "-l", str(number), "-layout", "-", "-"],
            input=pages(), capture_output=True, check=True, timeout=20,
        ).stdout.decode()  # fmt: skip
        assert f"No. {NUMBER}" in page
        assert f"Page {number} of {count}" in page


def test_no_word_that_a_third_party_would_have_to_say() -> None:
    for word in ("accredited", "compliant", "certified"):
        assert word not in said().lower()


def test_a_due_date_stands_only_where_it_was_asked_for() -> None:
    assert "Due again 2027-11-26, a date the customer asked for" in said()
    without = printed(due_on=None)
    told = flat(text_of(certificate_report(without)))
    assert "Due again" not in told
    assert "2027-11-26" not in told
    assert not [row for row in label_data(without)["rows"] if row[0] == "Due"]
    assert ["Due", "2027-11-26"] in label_data(printed())["rows"]


def test_every_reading_is_printed() -> None:
    for series in printed().certificate.body.results:
        scale = scale_of(series.quantity)
        for stage in series.stages:
            for point in stage.points:
                for reading in point.readings:
                    assert scale.value(reading.reference) in said()


def test_it_is_pdf_a_with_a_drawing_in_words() -> None:
    with pikepdf.open(io.BytesIO(pages())) as pdf:
        about = pdf.open_metadata()
        assert (about["pdfaid:part"], about["pdfaid:conformance"], about["pdfuaid:part"]) == ("2", "A", "1")
        assert about["dc:title"] == f"Calibration certificate {NUMBER}"
        assert about["xmp:CreateDate"] == "2026-11-26T10:35:02+00:00"
        assert pdf.check_pdf_syntax() == []
        assert not pdf.attachments
        figures = [item for item in pdf.objects if isinstance(item, pikepdf.Dictionary) and item.get("/S") == "/Figure"]
        told = [str(figure.Alt) for figure in figures]
    assert len(told) == 4, "the code, as found, as left, rate"
    assert any(
        words.startswith("As found: errors with their expanded uncertainties. at 0.250 mm up: +") for words in told
    )


def test_the_same_certificate_gives_the_same_bytes_in_another_process() -> None:
    program = (
        "import hashlib;from logger.report.certificate import certificate_report, printed_of;"
        "from tests.logger.certificates import KEY, example;from logger.proof.checkpoints import key_id;"
        "print(hashlib.sha256(certificate_report(printed_of(example(), key_id(KEY.public_key().public_bytes_raw()))))"
        ".hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=20, text=True)
    assert done.stdout.strip() == hashlib.sha256(pages()).hexdigest()


def test_a_copy_without_names_prints_none_and_says_so() -> None:
    whole = printed()
    public = whole.certificate.model_copy(update={"private": None})
    told = flat(text_of(certificate_report(Printed(public, whole.sha256, ID))))
    for name in ("Jane Example", "Needle Street", "Technician", "Hanna", "Weaver", "Dust", "Dropped"):
        assert name not in told
    assert "Customer, laboratory and names were left out of this copy" in told


def test_words_of_people_are_printed_and_never_obeyed() -> None:
    hostile = printed(
        customer=Address(name=HOSTILE, lines=(HOSTILE,), contact=HOSTILE), condition=HOSTILE, remarks=(HOSTILE,),
        deviations=(HOSTILE,), customer_said=(HOSTILE,), people={"tech-2": HOSTILE},
    )  # fmt: skip
    made = certificate_report(hostile)
    told = flat(text_of(made))
    assert "*bold* $x$" in told
    assert "[U+202E]" in told
    with pikepdf.open(io.BytesIO(made)) as pdf:
        assert pdf.check_pdf_syntax() == []


def test_nothing_is_left_unsaid_where_something_is_missing() -> None:
    bare = printed(laboratory=None, customer=None, people={}, adjustment=None, written=None)
    told = flat(text_of(certificate_report(bare, "letter")))
    assert "The laboratory that answers for this is not named" in told
    assert "No customer is named" in told
    assert "Nothing was adjusted: as found is as left." in told
    assert "tech-2" in told


def test_a_demonstration_says_so_on_every_page_and_on_the_label() -> None:
    demo = printed(demo=True)
    told = text_of(certificate_report(demo))
    with pikepdf.open(io.BytesIO(certificate_report(demo))) as pdf:
        assert told.count("Demonstration: made on a simulated pen or with example data.") == len(pdf.pages)
    assert label_data(demo)["warning"] == "DEMONSTRATION"


def test_a_reissue_names_what_it_replaces_and_why() -> None:
    again = {"number": "C261125-0000000A", "sha256": "00" * 32}
    whole = example(reissue_reason="The serial number was mistyped.")
    said_so = whole.certificate.body.model_copy(update={"replaces": None})
    body = type(said_so).model_validate_json(json.dumps({**said_so.model_dump(mode="json"), "replaces": again}))
    data = certificate_data(Printed(whole.certificate.model_copy(update={"body": body}), whole.sha256, ID))
    assert any("No. C261125-0000000A" in words and "mistyped" in words for words in data["warnings"])


def test_air_is_for_information_unless_its_thermometer_is_a_reference() -> None:
    references = [each for each in printed().certificate.body.references if each.kind != "thermometer"]
    data = certificate_data(printed(references=tuple(references)))
    assert "for information, and traceable to nothing" in data["environment_note"]
    thermometer = references[0].model_copy(update={"kind": "thermometer", "serial": "EXAMPLE-H1"})
    data = certificate_data(printed(references=(*references, thermometer)))
    assert data["environment_note"] == "Read from EXAMPLE-H1, listed with the references."
    air = printed().certificate.body.environment.model_copy(update={"temperature_dc": None, "humidity_permille": None})
    assert certificate_data(printed(environment=air))["environment_note"] == ""


def test_a_late_reference_is_told_of_on_the_first_page() -> None:
    references = printed().certificate.body.references
    late = references[0].model_copy(update={"due_on": "2026-11-25"})
    data = certificate_data(printed(references=(late, *references[1:])))
    assert "EXAMPLE-G1" in data["references_held"]
    assert "traceable to nothing" in data["references_held"]


# The drawing ----------------------------------------------------------------------------------------------------------


def test_both_stages_are_drawn_to_one_scale_with_bars_and_band() -> None:
    series = printed().certificate.body.results[0]
    found, left = error_plots(series, {"as_found": "As found", "as_left": "As left"}, "shown")
    assert found["y_ticks"] == left["y_ticks"]
    assert found["band"] == left["band"]
    assert len(found["points"]) == len(left["points"]) == 12
    tops = [at[1] for at in found["band"][: len(found["band"]) // 2]]
    for drawn, point in zip(found["points"], series.stages[0].points, strict=True):
        assert drawn["low"] < drawn["y"] < drawn["high"]
        assert (drawn["y"] > max(tops)) == (abs(point.error) > point.tolerance), (
            "beyond the tolerance lies beyond the band"
        )
        assert drawn["passed"] == (point.verdict == "passed")
    assert all(0 <= drawn[part] <= 1 for drawn in found["points"] for part in ("x", "low", "y", "high"))


# How numbers are told -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "expanded", "told"),
    [
        (167_000, 13_025, ("+167", "14")),
        (-2_400, 7_310, ("−2.4", "7.4")),
        (0, 7_310, ("0.0", "7.4")),
        (-40, 7_310, ("0.0", "7.4")),
        (1_234_567, 123_400, ("+1235", "130")),
        (512, 250, ("+0.51", "0.25")),
    ],
)
def test_an_error_ends_where_its_uncertainty_does_which_has_two_digits_rounded_up(
    error: int, expanded: int, told: tuple[str, str]
) -> None:
    scale = scale_of("depth_nm")
    assert (scale.stated(error, expanded), scale.uncertainty(expanded)) == told


def test_signs_are_signs_and_zero_has_none() -> None:
    assert (signed(1.26, 1), signed(-1.26, 1), signed(-0.04, 1)) == ("+1.3", "−1.3", "0.0")
    assert scale_of("rate_mhz").limit(48_869) == "4.88", "never more than it is"


# The label ------------------------------------------------------------------------------------------------------------


def test_the_code_on_a_label_and_on_the_first_page_is_read_by_a_scanner(tmp_path: object) -> None:
    whole = printed()
    expected = label_text(NUMBER, whole.sha256)
    (code,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(label(whole, "png"))))
    assert code.text == expected
    page = subprocess.run(
        ["pdftoppm", "-r", "150", "-f", "1", "-l", "1", "-png"], input=certificate_report(whole), capture_output=True,
        check=True, timeout=20,
    ).stdout  # fmt: skip
    (code,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(page)))
    assert code.text == expected


def test_a_label_is_one_page_of_its_size_whatever_the_pen_is_called() -> None:
    body = printed().certificate.body
    pen = body.instrument.model_copy(update={"model": "M" * 60, "serial": "S" * 60})
    for whole in (printed(), printed(instrument=pen)):
        with pikepdf.open(io.BytesIO(label(whole, "pdf"))) as pdf:
            (page,) = pdf.pages
            wide, high = (float(number) / 72 * 25.4 for number in page.mediabox[2:])
            assert (round(wide), round(high)) == (52, 21)
    assert label(printed(), "svg") == label(printed(), "svg")
    assert label(printed(), "svg").startswith(b"<svg")


def test_a_pen_that_left_out_of_tolerance_has_it_on_its_label() -> None:
    depth, rate = printed().certificate.body.results
    worse = depth.model_copy(
        update={"stages": (depth.stages[0], depth.stages[1].model_copy(update={"in_tolerance": False}))}
    )
    assert label_data(printed(results=(worse, rate)))["warning"] == "NOT IN TOLERANCE"
    assert label_data(printed())["warning"] == ""


def test_a_label_tells_the_error_that_was_left_too() -> None:
    """A pen that is known well may be off by much: it was not adjusted."""
    depth, _ = printed().certificate.body.results
    left = depth.stages[1]
    assert left.statement is not None
    off = left.points[0].model_copy(update={"error": -140_000})
    unadjusted = left.model_copy(
        update={
            "points": (off, *left.points[1:]),
            "statement": left.statement.model_copy(update={"expanded": 25_000}),
        }
    )
    rows = dict(label_data(printed(results=(depth.model_copy(update={"stages": (unadjusted,)}),)))["rows"])
    assert rows["Depth within"].startswith("±170 µm"), "165 µm, rounded up to two digits"
