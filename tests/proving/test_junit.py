"""Reports for CI servers: one form for whatever was tried, and a file that they may read."""

from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest

from proving.junit import Case, Suite, document, try_place, write

SUITE = Suite(
    "tried",
    (
        Case("a", "good", 1.5, file="x.yaml", said="all of it"),
        Case("a", "bad", 0.25, failure=("expected <1>", "the whole & more")),
        Case("b", "left out", skipped="needs a hand"),
        Case("b", "the run", error="the port went"),
    ),
    {"url": "tcp://127.0.0.1:7070"},
)


def test_counts_and_words_are_in_it() -> None:
    suite = fromstring(document(SUITE))  # our own text
    counts = {name: suite.attrib[name] for name in ("tests", "failures", "skipped", "errors", "time")}
    assert counts == {"tests": "4", "failures": "1", "skipped": "1", "errors": "1", "time": "1.750"}
    good, bad, left_out, run = suite.findall("testcase")
    assert (good.attrib["file"], good.findtext("system-out")) == ("x.yaml", "all of it")
    assert [(bad[0].tag, bad[0].attrib["message"], bad[0].text)] == [("failure", "expected <1>", "the whole & more")]
    assert (left_out[0].tag, run[0].tag) == ("skipped", "error")
    assert suite.find("properties/property[@name='url']") is not None


def test_its_folder_is_made_and_others_may_read_it(tmp_path: Path) -> None:
    (tmp_path / "like-any").touch()
    for _ in range(2):
        write(tmp_path / "made" / "out.xml", SUITE)
    assert (tmp_path / "made" / "out.xml").read_bytes() == document(SUITE)
    assert (tmp_path / "made" / "out.xml").stat().st_mode == (tmp_path / "like-any").stat().st_mode


def test_a_place_is_tried_without_a_trace(tmp_path: Path) -> None:
    there = tmp_path / "there.xml"
    there.write_text("before")
    try_place(there)
    try_place(tmp_path / "made" / "out.xml")
    assert (there.read_text(), list((tmp_path / "made").iterdir())) == ("before", [])
    for nowhere in (tmp_path, there / "out.xml"):
        with pytest.raises(OSError):  # noqa: PT011 whichever it is
            try_place(nowhere)
