"""Codes as scanners deliver them: what was printed is what is read, or it is refused; nothing else ever happens."""

import re
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from controller.cartridges import CodeUnreadable, ScannedCartridge, read_code
from controller.gs1 import CODE_MAX_CHARS, day_of, gtin_is_sound

TODAY = date(2026, 6, 15)
GS = "\x1d"
CHARS = "!\"%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
GTIN = "09521234000129"


@dataclass(frozen=True)
class Printed:
    """What a package says; dates as YYMMDD. ``others`` are elements nobody here needs."""

    gtin: str = GTIN
    expiry: str = ""
    lot: str = ""
    serial: str = ""
    production: str = ""
    additional: str = ""
    others: tuple[tuple[str, str], ...] = ()
    order: tuple[int, ...] = field(default=(0, 1, 2, 3, 4, 5, 6, 7))

    def elements(self) -> list[tuple[str, str]]:
        known = [
            ("01", self.gtin),
            ("17", self.expiry),
            ("10", self.lot),
            ("21", self.serial),
            ("11", self.production),
            ("240", self.additional),
            *self.others,
        ]
        ordered = [known[place] for place in self.order if place < len(known)]
        return [element for element in ordered if element[1]]

    def fields(self) -> tuple[str, ...]:
        return (self.gtin, self.lot, self.serial, self.additional)


def read_back(scanned: ScannedCartridge) -> tuple[str, ...]:
    return (scanned.gtin, scanned.lot, scanned.serial, scanned.additional)


def with_check_digit(thirteen: str) -> str:
    return next(gtin for gtin in (thirteen + digit for digit in "0123456789") if gtin_is_sound(gtin))


def rendered(printed: Printed, *, separator: str = GS, doubled: bool = False) -> str:
    """As the standard prints it: a separator behind each value of variable length but the last."""
    text = ""
    elements = printed.elements()
    for place, (ai, value) in enumerate(elements):
        text += ai + value
        if place < len(elements) - 1 and ai not in {"01", "11", "17", "20", "3102"}:
            text += separator * (2 if doubled else 1)
    return text


def noisy(text: str, data: st.DataObject) -> str | bytes:
    """What scanners put around a code, and how wedges spell GS."""
    text = text.replace(GS, data.draw(st.sampled_from([GS, "^]", "{GS}", "<GS>", "\u241d", "[GS]", "\\x1d"])))
    text = data.draw(st.sampled_from(["", "]d2", "]C1", "]Q3", "]d1", "]e0"])) + text
    text = data.draw(st.sampled_from(["", "\ufeff", "\x02", " ", GS, "\x00\x00"])) + text
    text += data.draw(st.sampled_from(["", "\r", "\n", "\r\n", "\t", "\x03\r", GS, " \r\n\r\n", "\x00" * 7]))
    if data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + data.draw(st.sampled_from([" ", "\x00", "\u00a0", "\ufeff"])) + text[at:]
    encoding = data.draw(st.sampled_from(["", "utf-8", "utf-8-sig", "utf-16"]))
    return text.encode(encoding) if encoding else text


gtins = st.text("0123456789", min_size=13, max_size=13).map(with_check_digit)
days = st.dates(TODAY - timedelta(days=3650), TODAY + timedelta(days=3650)).map(lambda day: f"{day:%y%m%d}")
words = st.text(CHARS, min_size=1, max_size=20).filter(lambda text: "<GS>" not in text and "\\x1" not in text)
letters = st.text("ABCDEFGHJKLMNPQRSTUVWXYZ", min_size=1, max_size=20)
others = st.sampled_from([(), (("30", "1"),), (("20", "07"), ("91", "inhouse")), (("3102", "000450"),)])


def printed_with(values: st.SearchStrategy[str]) -> st.SearchStrategy[Printed]:
    return st.builds(
        Printed,
        gtin=gtins,
        expiry=st.just("") | days,
        lot=values,
        serial=st.just("") | values,
        production=st.just("") | days,
        additional=st.just("") | values,
        others=others,
        order=st.permutations(range(8)).map(tuple),
    )


@given(printed_with(words), st.booleans(), st.data())
def test_a_scanner_that_sends_separators_is_read_back_whatever_is_around_it(
    printed: Printed, doubled: bool, data: st.DataObject
) -> None:
    code = noisy(rendered(printed, doubled=doubled), data)
    assert read_back(read_code(code, today=TODAY, separators_sent=True)) == printed.fields()


@given(printed_with(words), st.data())
def test_with_brackets_it_is_read_back(printed: Printed, data: st.DataObject) -> None:
    assume(not any(re.search(r"\(\d{2,4}\)", value) for _, value in printed.elements()))
    code = noisy("".join(f"({ai}){value}" for ai, value in printed.elements()), data)
    assert read_back(read_code(code, today=TODAY)) == printed.fields()


@given(printed_with(letters), st.data())
def test_where_nothing_can_hide_it_is_read_back_without_being_told_of_separators(
    printed: Printed, data: st.DataObject
) -> None:
    assert read_back(read_code(noisy(rendered(printed), data), today=TODAY)) == printed.fields()


@given(printed_with(words | st.text("0123456789", min_size=1, max_size=20)), st.data())
def test_a_scanner_that_swallows_separators_is_read_back_or_refused_never_misread(
    printed: Printed, data: st.DataObject
) -> None:
    # A separator swallowed before an element that nobody reads cannot be told from a longer value.
    printed = replace(printed, others=())
    code = noisy(rendered(printed, separator=""), data)
    try:
        scanned = read_code(code, today=TODAY)
    except CodeUnreadable:
        return
    assert read_back(scanned) == printed.fields()


@pytest.mark.parametrize(
    ("code", "lot", "serial"),
    [
        (f"10ABC01{GTIN}", "ABC", ""),  # the product number has to be somewhere, and it is there alone
        (f"01{GTIN}10ABCDEFGHIJ21QRSTUVWXYZ", "ABCDEFGHIJ", "QRSTUVWXYZ"),  # too long for a lot
        (f"01{GTIN}10L2407A{GS}21C21", "L2407A", "C21"),  # one separator is there: this scanner sends them
        (f"01{GTIN}10L24\r\n01{GTIN}21C7", "L24", "C7"),  # two bar codes of one package
        (f"[01]{GTIN}[10]A(1)B", "A(1)B", ""),  # square brackets; a bracket that holds no field is part of the lot
    ],
)
def test_a_missing_separator_is_repaired_where_only_one_reading_is_possible(code: str, lot: str, serial: str) -> None:
    scanned = read_code(code, today=TODAY)
    assert (scanned.gtin, scanned.lot, scanned.serial) == (GTIN, lot, serial)


def test_two_possible_readings_are_refused_and_both_are_named() -> None:
    with pytest.raises(CodeUnreadable, match=r"as \(10\)L2107A or as \(10\)L \(21\)07A"):
        read_code(f"01{GTIN}10L2107A", today=TODAY)
    assert read_code(f"01{GTIN}10L2107A", today=TODAY, separators_sent=True).lot == "L2107A"
    assert read_code(f"(01){GTIN}(10)L2107A", today=TODAY).lot == "L2107A"


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("", "nothing that could be read"),
        ("\x00" * 300, "nothing that could be read"),
        (f"01{GTIN[:-1]}010L", "does not fit its check digit"),
        (f"01{GTIN}", "the product alone"),
        (f"01{GTIN}17271331{GS}10L", "day of expiry 271331"),
        (f"01{GTIN}10", r"\(10\) has 0 characters instead of 1 to 20"),
        (f"01{GTIN[:-2]}", r"\(01\) has 12 characters instead of 14"),
        (f"01{GTIN}10LÖT", "another keyboard layout"),
        ("10LOT", r"field \(01\), is missing"),
        (f"01{GTIN}21A{GS}21B", "there twice, as A and as B"),
        ("]A0*CODE39*", r"type \]A0, which is no GS1 code"),
        ("hello", "says 'hell'"),
        ("(99999)1", "no field known"),
        ("x" * (CODE_MAX_CHARS + 1), f"has {CODE_MAX_CHARS} at most"),
    ],
)
def test_what_cannot_be_read_says_what_and_what_to_do(code: str, says: str) -> None:
    with pytest.raises(CodeUnreadable, match=says) as refused:
        read_code(code, today=TODAY)
    assert refused.value.because == "cartridge_code"
    assert refused.value.sentence.endswith("Scan again; or type the code under the bars, with its brackets.")
    assert refused.value.sentence.isprintable()
    assert len(refused.value.sentence) < 400


@given(st.binary(max_size=700) | st.text(max_size=700) | st.text("0123()[]{}GS^]<>\x1dA", max_size=200))
def test_nothing_that_comes_raises_anything_else(raw: bytes | str) -> None:
    with suppress(CodeUnreadable):
        read_code(raw, today=TODAY)


@pytest.mark.parametrize(
    "piece",
    [
        "0",
        "10",
        "21",
        "240A",
        f"01{GTIN}10A",
        "91A",
        "(10)A",
        "\x1d",
        "^]",
        "]d2",
        "{GS",
        "\r\n",
        "\x00",
        "1021",
        "[10]",
    ],
)
def test_much_garbage_costs_little(piece: str) -> None:
    """A megabyte costs no more than what is looked at of it, and the worst of that is bounded."""
    starts = time.process_time()
    for size in (CODE_MAX_CHARS, 8192, 1_000_000):
        for head in ("", f"01{GTIN}10"):
            with pytest.raises(CodeUnreadable):
                read_code((head + piece * size)[:size], today=TODAY)
    assert time.process_time() - starts < 1.0


@pytest.mark.parametrize(
    ("digits", "day"),
    [
        ("260200", "2026-02-28"),
        ("280200", "2028-02-29"),  # a leap year
        ("261231", "2026-12-31"),
        ("760101", "2076-01-01"),  # fifty years ahead
        ("770101", "1977-01-01"),  # forty-nine back
        ("991231", "1999-12-31"),
        ("260230", None),
        ("261301", None),
        ("260001", None),
    ],
)
def test_days_and_centuries(digits: str, day: str | None) -> None:
    found = day_of(digits, TODAY)
    assert (found and found.isoformat()) == day


def test_the_century_turns_with_today() -> None:
    assert day_of("010101", date(2098, 1, 1)) == date(2101, 1, 1)
    assert day_of("480101", date(2098, 1, 1)) == date(2148, 1, 1)
    assert day_of("490101", date(2098, 1, 1)) == date(2049, 1, 1)


@given(gtins, st.integers(0, 13), st.integers(1, 9))
def test_one_wrong_digit_of_a_product_number_is_found(gtin: str, place: int, by: int) -> None:
    wrong = gtin[:place] + str((int(gtin[place]) + by) % 10) + gtin[place + 1 :]
    assert gtin_is_sound(gtin)
    assert not gtin_is_sound(wrong)


def test_the_digest_is_of_what_the_scanner_delivered() -> None:
    code = f"01{GTIN}10L\r\n"
    assert read_code(code, today=TODAY).digest == read_code(code.encode(), today=TODAY).digest
    assert read_code(code, today=TODAY).digest != read_code(code.strip(), today=TODAY).digest
