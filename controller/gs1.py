"""Reads GS1 element strings as scanners deliver them, noise and all. Pure, and bounded in time whatever it is given.

A GS1 code is a row of *elements*: an application identifier (AI, 2 to 4 digits) and its value. Values of fixed length
follow each other directly; a value of variable length ends with FNC1, which scanners send as GS (0x1D), or with the
code. Source: GS1 General Specifications, sections 3 (AIs), 5.10 and 7.8 (processing), 7.12 (century of a date).

A scanner that swallows GS makes one value of two. Such a code is read only where no more than one reading is possible;
see :func:`read_elements`.
"""

import re
from calendar import monthrange
from collections.abc import Iterator
from datetime import date
from typing import Final, NamedTuple

from controller.errors import ControlRefused

CODE_MAX_CHARS: Final = 512
"""A cartridge's code has 30 to 90 characters; GS1-128 ends at 48, a Data Matrix this long does not fit a cartridge."""
GTIN_DIGITS: Final = 14

GTIN, LOT, PRODUCTION, EXPIRY, SERIAL, EXTRA = "01", "10", "11", "17", "21", "240"
READ: Final = frozenset({GTIN, LOT, PRODUCTION, EXPIRY, SERIAL, EXTRA})
"""The AIs a cartridge is known by. All others are skipped by their length."""

_EXCERPT_CHARS = 60
_STEPS_MAX = 4000
"""Tries of finding other readings; a real code needs some dozens. Beyond it the code counts as ambiguous."""


class CodeUnreadable(ControlRefused):
    """A scanned or typed code is no cartridge's code; the sentence says what was read and what to do."""

    def __init__(self, problem: str, read: str) -> None:
        super().__init__(
            "cartridge_code",
            f"{problem}{_shown(read)} Nothing changed. Scan again; or type the code under the bars, with its brackets.",
        )


class _Shape(NamedTuple):
    """How long a value is: the shortest, the longest, and whether it has digits alone. Fixed when the two are equal."""

    shortest: int
    longest: int
    digits: bool


class Element(NamedTuple):
    """One AI and its value."""

    ai: str
    value: str


class _Fault(Exception):
    """Why an element cannot be read. Never leaves this module."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


def _shapes() -> dict[str, _Shape]:
    """Every AI of the table, with the numbered ones written out."""
    table: dict[str, _Shape] = {}

    def fixed(length: int, *ais: str) -> None:
        table.update(dict.fromkeys(ais, _Shape(length, length, digits=True)))

    def to(longest: int, *ais: str, digits: bool = False, shortest: int = 1) -> None:
        table.update(dict.fromkeys(ais, _Shape(shortest, longest, digits=digits)))

    def numbered(first: int, last: int, *, then: str = "") -> list[str]:
        return [f"{number}{digit}" for number in range(first, last + 1) for digit in then or [""]]

    fixed(18, "00")
    fixed(14, "01", "02", "03", "8001")
    fixed(6, "11", "12", "13", "15", "16", "17", "7006", "8005")
    fixed(2, "20")
    to(20, "10", "21", "22", "243", "254", "420", *numbered(710, 717), "7020", "7021", "7022", "8002", "8012")
    to(28, "235", "7011", shortest=1)
    to(30, "240", "241", "250", "251", "253", "400", "401", "403", "7002", "7023", "8003", "8004", "8010", "90")
    to(6, "242", digits=True)
    to(25, "255", "8013", "8020")
    to(8, "30", "37", digits=True)
    for first, last in ((310, 316), (320, 337), (340, 357), (360, 369), (395, 395)):
        fixed(6, *numbered(first, last, then="0123456789"))
    to(15, *numbered(390, 390, then="0123456789"), *numbered(392, 392, then="0123456789"), digits=True)
    to(18, *numbered(391, 391, then="0123456789"), *numbered(393, 393, then="0123456789"), digits=True, shortest=4)
    fixed(4, *numbered(394, 394, then="0123456789"), "8111")
    fixed(17, "402")
    fixed(13, *numbered(410, 417), "7001")
    to(15, "421", "423", "425", "7004", "7005", "7007", "7008", "7009", "7010", "8008", "8011", "8019")
    fixed(3, "422", "424", "426")
    to(3, "427")
    to(90, *numbered(4300, 4333), "8009", "8110", "8112", "8200", *numbered(91, 99))
    fixed(10, "7003")
    to(30, *numbered(7030, 7039), *numbered(7230, 7239), "7240", "7040")
    fixed(18, "8006", "8017", "8018", "8026")
    to(34, "8007")
    return table


_SHAPES: Final = _shapes()
_SEPARATOR = "\x1d"
# What keyboard wedges, terminals and middleware make of GS. None but `<GS>` and `<FNC1>` can stand in a GS1 value, and
# those two stand in no lot anybody ever printed.
_SEPARATORS = re.compile(r"\^\]|[{<\[](?:GS|FNC1)[}>\]]|\\x1[dD]|\u241d")
_BREAKS = re.compile(r"[\r\n\t]|\](?:d2|C1|Q3|d1|e0)")
"""Where one symbol ends and the next begins: two bar codes of a package are often read one after the other."""
# Blanks, byte order marks, and the control characters some scanners put around a code.
_NOISE = re.compile("[ \u00a0\u200b\ufeff\ufffe\x00\x02-\x04\x06\x0b\x0c\x1e]+")
_OTHER_SYMBOLOGY = re.compile(r"\]([A-Za-z][0-9A-Fa-f])")
_BRACKETED_AI = re.compile(r"\((\d{2,4})\)")
_SQUARE_AI = re.compile(r"\[(\d{2,4})\]")
_VALUE = re.compile(r"[!\"%&'()*+,\-./0-9:;<=>?A-Z_a-z]+")
"""The 82 characters a GS1 value may have; a space is none of them, nor is anything a wrong keyboard layout makes."""


def read_elements(raw: str | bytes, *, today: date, separators_sent: bool = False) -> dict[str, str]:
    """The elements of a code by AI: a GTIN with a good check digit, dates as ISO days, the rest as it stands.

    ``today`` decides the century of a date. A code whose separators may have been swallowed is read by the standard
    where that is the only reading in which no element of ``READ`` hides in the value before it. A separator anywhere
    in the code proves that this scanner sends them, and ``separators_sent`` says that somebody has checked: then the
    standard's reading stands. Raises CodeUnreadable, and nothing else; what follows the first ``CODE_MAX_CHARS``
    characters costs no time.
    """
    text, seen = _cleaned(raw)
    if _BRACKETED_AI.match(text):
        return _found(text, _bracketed(text), today)
    try:
        standard = _judged(list(_straight(text)), today)
        fault = None
    except _Fault as why:
        standard, fault = None, why
    if standard is not None and (separators_sent or seen):
        return standard
    # What stands is doubted only for the fields it would falsify; what does not stand is repaired only when of all
    # AIs there are none but one fits.
    found = _Search(text, READ if standard is not None else frozenset(_SHAPES), today)
    readings = found.readings(2)
    if found.exhausted or len(readings) > 1:
        raise CodeUnreadable(_ambiguity(readings), text)
    if not readings:
        raise CodeUnreadable(fault.problem if fault is not None else "The code cannot be read.", text)
    return readings[0]


def gtin_is_sound(gtin: str) -> bool:
    """Whether 14 digits end with their check digit."""
    if len(gtin) != GTIN_DIGITS or not _digits(gtin):
        return False
    weighted = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(gtin[:-1]))
    return (10 - weighted % 10) % 10 == int(gtin[-1])


def day_of(yymmdd: str, today: date) -> date | None:
    """The day six digits mean, or None when there is none such. Day 00 is the month's last.

    The century is the one that puts the year within 49 years before and 50 years after this one (General
    Specifications 7.12).
    """
    year, month, day = int(yymmdd[:2]), int(yymmdd[2:4]), int(yymmdd[4:])
    century = today.year - today.year % 100
    ahead = year - today.year % 100
    year += century + (-100 if ahead > 50 else 100 if ahead < -49 else 0)
    if not (1 <= month <= 12 and date.min.year <= year <= date.max.year):
        return None
    last = monthrange(year, month)[1]
    return date(year, month, day or last) if day <= last else None


# Cleaning -------------------------------------------------------------------------------------------------------------


def _cleaned(raw: str | bytes) -> tuple[str, bool]:
    """The code's own characters, every kind of separator as one GS, none at the ends; and whether one was sent.

    Raises CodeUnreadable.
    """
    longest = CODE_MAX_CHARS * 4  # room for padding and for two bytes a character
    text = _decoded(raw[:longest]) if isinstance(raw, bytes) else raw[:longest]
    parts = [part.strip(_SEPARATOR) for part in _BREAKS.split(_SEPARATORS.sub(_SEPARATOR, _NOISE.sub("", text)))]
    text = re.sub(f"{_SEPARATOR}+", _SEPARATOR, _SEPARATOR.join(parts))
    text = _SQUARE_AI.sub(r"(\1)", text).strip(_SEPARATOR)
    if len(raw) > longest or len(text) > CODE_MAX_CHARS:
        raise CodeUnreadable(
            f"The scanner delivered {len(raw)} characters; a cartridge's code has {CODE_MAX_CHARS} at most.", text
        )
    if not text:
        raise CodeUnreadable("The scanner delivered nothing that could be read.", text)
    other = _OTHER_SYMBOLOGY.match(text)
    if other is not None:
        raise CodeUnreadable(f"The scanner read a symbol of type ]{other[1]}, which is no GS1 code.", text)
    return text, any(_SEPARATOR in part for part in parts)


def _decoded(raw: bytes) -> str:
    if raw[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return raw.decode("utf-16", errors="replace")
    return raw.decode("utf-8-sig", errors="replace")


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _shown(read: str) -> str:
    """What was read, as far as it can be printed, as a sentence."""
    if not read:
        return ""
    text = read.replace(_SEPARATOR, "<GS>")
    printable = "".join(char if char.isascii() and char.isprintable() else "?" for char in text[:_EXCERPT_CHARS])
    return f" Read was: {printable}{'…' if len(text) > _EXCERPT_CHARS else ''}."


# Elements -------------------------------------------------------------------------------------------------------------


def _ai_at(text: str, at: int) -> str:
    """The AI that begins at a place. Raises _Fault where none does. No AI is the beginning of another."""
    for length in (2, 3, 4):
        ai = text[at : at + length]
        if ai in _SHAPES and len(ai) == length:
            return ai
    rest = text[at : at + 4].partition(_SEPARATOR)[0]
    raise _Fault(f"Where a field should begin it says {_plain(rest)}, which is no field known (a GS1 AI).")


def _plain(text: str) -> str:
    return repr("".join(char if char.isascii() and char.isprintable() else "?" for char in text))


def _checked(ai: str, value: str) -> Element:
    """An element whose value has the length and the characters of its AI. Raises _Fault."""
    shape = _SHAPES[ai]
    if not shape.shortest <= len(value) <= shape.longest:
        wanted = (
            f"{shape.shortest}" if shape.shortest == shape.longest else f"{shape.shortest} to {shape.longest}"
        ) + " characters"
        raise _Fault(f"The field ({ai}) has {len(value)} characters instead of {wanted}.")
    if shape.digits and not _digits(value):
        raise _Fault(f"The field ({ai}) must have digits alone and holds {_plain(value[:20])}.")
    if not _VALUE.fullmatch(value):
        raise _Fault(
            f"The field ({ai}) holds {_plain(value[:20])}: characters no GS1 code has. The scanner may be set to "
            "another keyboard layout."
        )
    return Element(ai, value)


def _straight(text: str) -> Iterator[Element]:
    """The elements as the standard reads them. Raises _Fault."""
    at = 0
    while at < len(text):
        if text[at] == _SEPARATOR:
            at += 1
            continue
        ai = _ai_at(text, at)
        begins, shape = at + len(ai), _SHAPES[ai]
        end = text.find(_SEPARATOR, begins)
        end = len(text) if end < 0 else end
        if shape.shortest == shape.longest:
            end = min(end, begins + shape.longest)
        yield _checked(ai, text[begins:end])
        at = end


def _bracketed(text: str) -> list[Element]:
    """The elements of a code written for people, with its AIs in brackets. Raises CodeUnreadable."""
    marks = [mark for mark in _BRACKETED_AI.finditer(text) if mark[1] in _SHAPES]
    if not marks or marks[0].start() != 0:
        raise CodeUnreadable(f"The code begins with {text[:6]}, which is no field known (a GS1 AI).", text)
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    try:
        return [
            _checked(mark[1], text[mark.end() : end].strip(_SEPARATOR)) for mark, end in zip(marks, ends, strict=True)
        ]
    except _Fault as why:
        raise CodeUnreadable(why.problem, text) from why


def _found(text: str, elements: list[Element], today: date) -> dict[str, str]:
    try:
        return _judged(elements, today)
    except _Fault as why:
        raise CodeUnreadable(why.problem, text) from why


def _judged(elements: list[Element], today: date) -> dict[str, str]:
    """Elements that make sense together, by AI. Raises _Fault."""
    known: dict[str, str] = {}
    for ai, value in elements:
        if known.setdefault(ai, value) != value:
            raise _Fault(f"The field ({ai}) is there twice, as {known[ai]} and as {value}.")
    gtin = known.get(GTIN)
    if gtin is None:
        raise _Fault("The product's number, field (01), is missing.")
    if not gtin_is_sound(gtin):
        raise _Fault(f"The product's number {gtin} does not fit its check digit: it was misread or mistyped.")
    for ai, what in ((EXPIRY, "expiry"), (PRODUCTION, "production")):
        if ai in known:
            day = day_of(known[ai], today)
            if day is None:
                raise _Fault(f"The day of {what} {known[ai]}, field ({ai}), is none (YYMMDD).")
            known[ai] = day.isoformat()
    if LOT not in known and SERIAL not in known:
        raise _Fault("The code names the product alone, neither lot (10) nor serial (21): scan the other one as well.")
    return known


def _ambiguity(readings: list[dict[str, str]]) -> str:
    ways = " or as ".join(
        " ".join(f"({ai}){reading[ai]}" for ai in sorted(reading) if ai not in {GTIN, EXPIRY}) for reading in readings
    )
    return (
        f"The code can be read in more than one way{f', as {ways}' if len(readings) > 1 else ''}: the scanner may "
        "leave out the separators (FNC1) between fields."
    )


# Other readings -------------------------------------------------------------------------------------------------------


class _Search:
    """Every way to read a code, should separators be missing before elements of ``hidden``."""

    def __init__(self, text: str, hidden: frozenset[str], today: date) -> None:
        self._text = text
        self._hidden = hidden
        self._today = today
        self._steps = 0

    @property
    def exhausted(self) -> bool:
        """Whether the search was given up."""
        return self._steps > _STEPS_MAX

    def readings(self, most: int) -> list[dict[str, str]]:
        """At most so many readings that differ in what a cartridge is known by."""
        different: dict[tuple[tuple[str, str], ...], dict[str, str]] = {}
        for elements in self._from(0, ()):
            try:
                reading = _judged(list(elements), self._today)
            except _Fault:
                continue
            different.setdefault(tuple(sorted(item for item in reading.items() if item[0] in READ)), reading)
            if len(different) == most:
                break
        return list(different.values())

    def _from(self, at: int, before: tuple[Element, ...]) -> Iterator[tuple[Element, ...]]:
        text = self._text
        separated = at < len(text) and text[at] == _SEPARATOR
        at += separated
        if at == len(text):
            yield before
            return
        try:
            ai = _ai_at(text, at)
        except _Fault:
            return
        begins, shape = at + len(ai), _SHAPES[ai]
        wall = text.find(_SEPARATOR, begins)
        wall = len(text) if wall < 0 else wall
        longest = min(wall, begins + shape.longest)
        for end in range(longest, begins + shape.shortest - 1, -1):
            self._steps += 1
            if self.exhausted:
                return
            if end < wall and shape.shortest != shape.longest and not self._may_begin(end, before, ai):
                continue
            try:
                element = _checked(ai, text[begins:end])
            except _Fault:
                continue
            # The same element again is a second bar code's, or it is none.
            if all(known.ai != ai or (separated and known == element) for known in before):
                yield from self._from(end, (*before, element))

    def _may_begin(self, at: int, before: tuple[Element, ...], current: str) -> bool:
        """Whether an element that is looked for, and was not there yet, may begin here."""
        try:
            ai = _ai_at(self._text, at)
        except _Fault:
            return False
        return ai in self._hidden and ai != current and all(known.ai != ai for known in before)
