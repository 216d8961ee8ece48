"""Data files: what is wrong with one is refused with its line and the reason; nothing in it is ever executed."""

import os
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import Field

from controller.datafile import FILE_MAX_BYTES, TOLD_MAX, DataModel, FromMm, FromS, load_data, parse_data, read_bounded
from controller.errors import DataError
from controller.library_content import Library
from controller.yaml_tree import DEPTH_MAX, PARTS_MAX, YamlRefused, read_tree


class Inner(DataModel):
    soft_um: FromMm = Field(alias="soft_mm")
    dwell_ms: FromS = Field(alias="dwell_s")


class Outer(DataModel):
    name: str
    inner: dict[str, Inner]


def refusal(text: str | bytes) -> str:
    content = text.encode() if isinstance(text, str) else text
    with pytest.raises(DataError) as caught:
        parse_data(Library, content, "clinic.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "'a' stands here a second time; the first is on line 1"),
        ("z:\n  nose: {}\n  cheek: {}\n  nose: {}\n", 4, "'nose' stands here a second time; the first is on line 2"),
        ("a: {x: 1, y: 2,\n    x: 3}\n", 2, "'x' stands here a second time"),
        ("a: 1\nb: !!python/name:os.system x\n", 2, "a tag ("),
        ("a: 1\nb: !mine {c: 1}\n", 2, "a tag ('!mine')"),
        ("a: !!str 1\n", 1, "a tag ("),
        ("a: 1\nb: &one [1]\n", 2, "an anchor ('one')"),
        ("a: 1\nb: *one\n", 2, "an alias ('one')"),
        ("a:\n  <<: {b: 1}\n", 2, "a merge key"),
        ("a: 1\n---\nb: 1\n", 2, "a second document"),
        ("a: 1\n? [b]\n: 1\n", 2, "a key has to be a word"),
        ("a:\n\t b: 1\n", 2, "not valid YAML"),
        ("a: 1\nb: [1, 2\nc: 3\n", 3, "not valid YAML"),
        ("a: 1\nb: \0\n", 2, "may not stand in a text file"),
        ('a: "\\UFFFFFFFF"\n', None, "not valid YAML"),
        ("\n" * 3 + "[" * (DEPTH_MAX + 1), 4, f"nested deeper than {DEPTH_MAX}"),
        ("- 1\n" * (PARTS_MAX + 1), PARTS_MAX - 2, f"more than {PARTS_MAX} values"),
        (b"a: 1\nb: \xff\n", 2, "not UTF-8"),
    ],
)
def test_text_is_refused_with_its_line(text: str | bytes, line: int | None, reason: str) -> None:
    said = refusal(text)
    assert said.startswith("clinic.yaml: " if line is None else f"clinic.yaml:{line}: ")
    assert reason in said
    assert "Nothing was loaded" in said


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("name: a\ninner:\n  x:\n    soft: 0.5\n    dwell_s: 1\n", 4, "'soft' here; a quantity's key names its unit"),
        ("name: a\ninner:\n  x:\n    soft_mm: 0.5\n    dwel_s: 1\n", 5, "'dwel_s' here. Did you mean dwell_s?"),
        ("name: a\ninner:\n  x:\n    soft_um: 500\n    dwell_s: 1\n", 4, "Did you mean soft_mm?"),
        ("name: a\ninner:\n  x:\n    dwell_s: 1\n", 3, "soft_mm: this key is missing"),
        ("name: a\ninner:\n  x: {soft_mm: .nan, dwell_s: 1}\n", 3, "not a number"),
        ("name: a\ninner:\n  x: {soft_mm: .inf, dwell_s: 1}\n", 3, "not a number"),
        ("name: a\ninner:\n  x: {soft_mm: -0.5, dwell_s: 1}\n", 3, "depth -0.5 is negative"),
        ("name: a\ninner:\n  x: {soft_mm: deep, dwell_s: 1}\n", 3, "'deep' is not a number"),
        ("name: a\ninner:\n  x: {soft_mm: 0.5 mm, dwell_s: 1}\n", 3, "not a number"),
        ("name: a\ninner:\n  x: {soft_mm: 1e99999999, dwell_s: 1}\n", 3, "beyond anything a pen does"),
        ("name: a\ninner:\n  x: {soft_mm: true, dwell_s: 1}\n", 3, "not a number"),
        ("name: a\ninner:\n  x: {soft_mm: , dwell_s: 1}\n", 3, "not a number"),
        ("name: a\ninner:\n  x: {soft_mm: 0.5, dwell_s: 1.5h}\n", 3, "not a number of seconds"),
        ("name: a\ninner:\n  x: {soft_mm: 0.5, dwell_s: 90000}\n", 3, "longer than a day"),
        ("name: 7\ninner:\n  x: {soft_mm: 0.5, dwell_s: 1}\n", 1, "name: a text is needed here, not '7'"),
        ("name: a\ninner: [1]\n", 2, "keys with values are needed here"),
        ("- a\n", 1, "the file as a whole: keys with values are needed here"),
        ("", 1, "the file as a whole"),
        ("name: a\ninner:\n  x: {soft_mm: 1\n", 4, "not valid YAML"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_its_line(text: str, line: int, reason: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_data(Outer, text.encode(), "f.yaml")
    assert str(caught.value).startswith(f"f.yaml:{line}: ")
    assert reason in str(caught.value)


def test_every_mistake_is_told_in_the_order_of_the_file() -> None:
    text = "name: 7\nnames: 1\ninner:\n  x: {soft_mm: -1, dwel_s: 1}\n"
    with pytest.raises(DataError) as caught:
        parse_data(Outer, text.encode(), "f")
    assert str(caught.value).splitlines() == [
        "f:1: name: a text is needed here, not '7'.",
        "f:2: names: there is no key 'names' here. Did you mean name?",
        "f:4: inner → x → dwel_s: there is no key 'dwel_s' here. Did you mean dwell_s?",  # not that it is missing
        "f:4: inner → x → soft_mm: depth -1 is negative.",
        "Nothing was loaded: 4 mistakes.",
    ]


def test_a_file_of_nothing_but_mistakes_does_not_fill_the_screen() -> None:
    text = "name: a\ninner:\n" + "".join(f"  x{number}: {{soft_mm: -1, dwell_s: 1}}\n" for number in range(50))
    with pytest.raises(DataError, match=f"50 mistakes, the first {TOLD_MAX} told") as caught:
        parse_data(Outer, text.encode(), "f")
    assert len(str(caught.value).splitlines()) == TOLD_MAX + 1


def test_numbers_never_pass_through_a_binary_fraction() -> None:
    text = "name: a\ninner: {x: {soft_mm: 0.29, dwell_s: 2.3}}\n"  # 0.29 * 1000 is 289.99… in binary
    inner = parse_data(Outer, text.encode(), "f").inner["x"]
    assert (inner.soft_um, inner.dwell_ms) == (290, 2300)


def test_nothing_in_a_file_is_executed(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    for call in (
        f"!!python/object/apply:os.system ['touch {ran}']",
        f"!!python/object/new:pathlib.Path.touch [!!python/object/apply:pathlib.Path ['{ran}']]",
        f"!!python/object/apply:subprocess.run [['touch', '{ran}']]",
    ):
        assert ":1: a tag (" in refusal(f"format: {call}\n")
    assert not ran.exists()


def test_an_alias_bomb_is_refused_at_its_first_anchor() -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    assert refusal(bomb).startswith("clinic.yaml:1: an anchor")


def test_a_file_of_100_mb_is_refused_from_its_size(tmp_path: Path) -> None:
    large = tmp_path / "library.yaml"
    with large.open("wb") as file:
        file.truncate(100_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"100000000 bytes; a data file has at most 256000\. Nothing was read"):
            load_data(Library, large, "")
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place, said in (("pipe", "not a regular file"), (".", "not a regular file"), ("none", "no such file")):
        with pytest.raises(DataError, match=said):
            read_bounded(tmp_path / place)


def test_words_of_a_file_cannot_drive_a_terminal() -> None:
    for text in ('"\\e[2Jx": 1\n', 'format: "\\e[2J"\n', 'name: "\\e]0;x\\a"\n', "a: &" + "x" * 500 + " 1\n"):
        for line in refusal(text).split("\n"):
            assert line.isprintable()
            assert len(line) < 400


PIECES = st.sampled_from(
    ["a", "b", ": ", ":", "- ", "-", "\n", "\n  ", " ", "{", "}", "[", "]", ",", "&a ", "*a", "!", "!!x ", "? ", "|\n ",
     ">\n ", "'", '"', "\\", "\\x", "\\U", "#", " # ", "%", "%YAML 1.1\n", "---\n", "...\n", "~", "<<: ", "0.5", ".nan",
     "1e9", "\t", "\r", "\0", "\ufeff", "\x85", "\u2028", "é", "😀", "format: needlework-library/2\n", "zones:\n",
     "@", "`"]
)  # fmt: skip
TEXTS = st.text(max_size=80) | st.lists(PIECES, max_size=40).map("".join)
SHIPPED = (Path(__file__).parents[2] / "controller" / "data" / "example_library.yaml").read_text(encoding="utf-8")


def refused_or_read(content: bytes) -> None:
    said = "Nothing was loaded"
    try:
        parse_data(Library, content, "x")
    except DataError as error:
        said = str(error)
    assert "Nothing was loaded" in said


@given(TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass")) | st.binary(max_size=80))
@example(b'"\\UFFFFFFFF"')
@example(b"%YAML 1.99999999999\n---\na")
@settings(max_examples=400)
def test_any_text_is_read_or_refused_and_nothing_else(content: bytes) -> None:
    refused_or_read(content)


@given(st.data())
@settings(max_examples=60, deadline=2000, suppress_health_check=[HealthCheck.too_slow])
def test_a_library_with_anything_in_it_is_read_or_refused(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(SHIPPED)))
    gone = data.draw(st.integers(0, 60))
    refused_or_read((SHIPPED[:at] + data.draw(TEXTS) + SHIPPED[at + gone :]).encode("utf-8", "surrogatepass"))


LARGE = [
    "[", "{", "- ", "? ", "?\n", "[? ", "'", '"\\', "a ", "a\n", "\n", " ", "\t", "#\n", "a#", "a:", "!", "&a ", "*a ",
    "%a\n",
    "---\n", "- 1\n", "-\n", "[1,", "{a,", "[a\n", "|\n a\n", "'',", "? [", ": ", "a: \n", "\ufeff", "&", "!<", "!%41",
]  # fmt: skip


@pytest.mark.parametrize("piece", LARGE)
@pytest.mark.parametrize("head", ["", "[", '"', "|\n ", "a: "])
def test_a_large_file_of_one_piece_takes_no_long_time(piece: str, head: str) -> None:
    text = head + piece * (FILE_MAX_BYTES // len(piece.encode()) // 8)
    begun_s = time.process_time()
    refused_or_read(text.encode()[:FILE_MAX_BYTES])
    assert time.process_time() - begun_s < 3.0


@given(st.dictionaries(st.text("abcxyz", min_size=1, max_size=5), st.integers(0, 999), max_size=20))
def test_every_key_knows_its_line(content: dict[str, int]) -> None:
    text = "".join(f"'{key}':\n\n  - {value}\n" for key, value in content.items())
    tree = read_tree(text)
    for number, (key, value) in enumerate(content.items()):
        assert tree.data[key] == [value]
        assert tree.line_of((key,)) == 3 * number + 1
        assert tree.line_of((key, 0)) == 3 * number + 3
        assert tree.line_of((key, 7)) == 3 * number + 1  # what is not there stands where the part around it begins


def test_only_plain_words_have_a_meaning() -> None:
    text = "a: [null, ~, true, False, 1, 0.50, 010, 0x10, yes, 2026-01-01, 'true', '1', 1_0]\n"
    read = read_tree(text).data["a"]
    assert [repr(value) for value in read[:6]] == ["None", "None", "True", "False", "1", "Decimal('0.50')"]
    assert read[6:] == ["010", "0x10", "yes", "2026-01-01", "true", "1", "1_0"]


def test_a_refusal_carries_line_and_reason() -> None:
    with pytest.raises(YamlRefused) as caught:
        read_tree("a: 1\na: 2\n")
    assert caught.value.line == 2
