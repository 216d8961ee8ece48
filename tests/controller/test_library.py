"""The protocol library: what contradicts itself is refused where it does, and what the shipped example has to hold."""

import re
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.datafile import parse_data
from controller.errors import DataError
from controller.guardrail import Guardrail
from controller.library import Library, LoadedLibrary, load_library
from controller.library_content import ZoneLimits

FILE = Path(__file__).parents[2] / "controller" / "data" / "example_library.yaml"
TEXT = FILE.read_text(encoding="utf-8")
FACE = ("facial-rejuvenation", "scar-treatment")


def edited(*edits: tuple[str, str]) -> str:
    text = TEXT
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def read(text: str) -> Library:
    return parse_data(Library, text.encode(), "clinic.yaml")


FOREHEAD = "      forehead:\n        soft_mm: {thin: 0.50, thick: 0.75}\n        hard_mm: {thin: 0.75, thick: 1.00}\n"
HERE = "  # here"
ASKED = "severity: hard, source: exceed-manual}"
SOFT, HARD = "soft_mm: {thin: 0.50, thick: 0.75}", "thick: 1.00}"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("      glabella:", "      forehead:" + HERE, "'forehead' stands here a second time; the first is on line"),
        (FOREHEAD, FOREHEAD.replace(SOFT, "soft_mm: {thin: 0.80, thick: 0.75}" + HERE),
         "forehead → soft_mm → thin: for thin skin, depth: the soft limit is beyond the hard one"),
        (FOREHEAD, FOREHEAD.replace(SOFT, "soft: {thin: 0.50, thick: 0.75}" + HERE),
         "there is no key 'soft' here; a quantity's key names its unit: soft_mm"),
        (FOREHEAD, FOREHEAD.replace(f"        {SOFT}\n", "").replace("forehead:", "forehead:" + HERE),
         "forehead → soft_mm: this key is missing"),
        (FOREHEAD, FOREHEAD.replace(HARD, "thick: .nan}" + HERE), "hard_mm → thick: depth NaN is not a number"),
        (FOREHEAD, FOREHEAD.replace("thick: 1.00}", "thick: -1}" + HERE), "hard_mm → thick: depth -1 is negative"),
        (FOREHEAD, FOREHEAD.replace("thick: 1.00}", "oily: 1.00}" + HERE), "only hard_mm names the skin oily"),
        (FOREHEAD, FOREHEAD.replace(", thick: 0.75}", "}" + HERE).replace(", thick: 1.00}", "}"),
         "forehead → soft_mm: no limits for thick skin"),
        (FOREHEAD, FOREHEAD.replace("thick: 0.75}", "thick: 0.75, thik: 0}" + HERE).replace(HARD, "thick: 1, thik: 1}"),
         "the protocol has no skin thik. Did you mean thick"),
        ("skins: [thin, thick]", "skins: [thin, thin, thick]" + HERE, "the skin thin is named twice"),
        ("rate_max_hz: 120", "rate_max_hz: 0" + HERE, "a rate of 0 treats nothing"),
        ("rate_max_hz: 120", "rate_max: 120" + HERE, "a quantity's key names its unit: rate_max_hz"),
        ("rate_recommended_hz: 100", "rate_recommended_hz: 121" + HERE, "rate: the soft limit is beyond the hard one"),
        ("dwell_s: 120", "dwell_s: 241" + HERE, "dwell_s: dwell: the soft limit is beyond the hard one"),
        ("dwell_s: 120", "dwell_s: -1" + HERE, "negative"),
        ("passes: 3", "passes: 0" + HERE, "passes: at least 1 is needed here, not '0'"),
        ("passes: 3", "passes: three" + HERE, "passes: a whole number is needed here"),
        ("passes: 3", "passes: '3'" + HERE, "passes: a whole number is needed here"),
        ("source: chart", "source: chrt" + HERE, "the source chrt is not listed. Did you mean chart?"),
        ("dwell_source: own", "dwell_source: nobody" + HERE, "the source nobody is not listed"),
        ("source: exceed-trials}", "source: trials}" + HERE, "source trials is not listed. Did you mean exceed"),
        (ASKED, ASKED.replace("hard", "hrad") + HERE, "'hard', 'soft' or 'ask-prescriber'"),
        (ASKED, ASKED.replace("exceed-manual", "nowhere") + HERE, "the source nowhere is not listed"),
        ("look_back_days: 180", "look_back_days: -180", "at least 1 is needed here"),
        ("look_back_days: 180", "look_back: 180", "a quantity's key names its unit: look_back_days"),
        ("valid_until: 2099-12-31", "valid_until: 2025-12-31" + HERE, "a day before it was issued (2026-01-01)"),
        ("valid_until: 2099-12-31", "valid_until: 31.12.2099" + HERE, "'31.12.2099' is not a date"),
        ("issued: 2026-01-01", "issued: 20260101" + HERE, "'20260101' is not a date"),
        ("sessions: 4", "sessions: 0", "at least 1 is needed here"),
        ("format: needlework-library/2", "format: needlework-library/1" + HERE, "'needlework-library/2'"),
        ("  consent_signed:", "  Consent signed:", "'Consent signed' is no name"),
        ('"The patient has signed the consent for this treatment"', '"a\\nb"' + HERE, "one line of printable"),
        ("name: example-shallow", "name: Example" + HERE, "'Example' is no name"),
        ("version: 1", "version: 1.0" + HERE, "version: a whole number is needed here"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_refused_on_its_line(old: str, new: str, reason: str) -> None:
    text = edited((old, new))
    with pytest.raises(DataError) as caught:
        read(text)
    said = str(caught.value)
    assert reason in said
    marked = next((number for number, line in enumerate(text.splitlines(), 1) if HERE in line), None)
    line = re.match(r"clinic\.yaml:(\d+): ", said)
    assert line
    assert marked in {None, int(line[1])}


def test_a_hard_limit_of_zero_is_refused() -> None:
    nothing = FOREHEAD.replace("{thin: 0.50, thick: 0.75}", "{thin: 0, thick: 0.75}").replace(
        "{thin: 0.75,", "{thin: 0,"
    )
    with pytest.raises(DataError, match="a hard limit of 0 for thin skin"):
        read(edited((FOREHEAD, nothing)))


@given(st.integers(0, 3000), st.integers(1, 3000))
def test_a_zone_is_read_exactly_when_soft_is_within_hard(soft_um: int, hard_um: int) -> None:
    zone = {
        "soft_mm": {"thin": soft_um / 1000}, "hard_mm": {"thin": hard_um / 1000}, "rate_max_hz": 100, "passes": 1,
        "dwell_s": 1, "dwell_hard_s": 1, "source": "x",
    }  # fmt: skip
    try:
        read_zone = ZoneLimits.model_validate(zone)
    except ValueError:
        assert soft_um > hard_um
    else:
        assert read_zone.depth("thin") == Guardrail("depth", "um", soft_um, hard_um)


# The example ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shipped() -> LoadedLibrary:
    return load_library()


def test_the_example_is_unsigned_and_says_so(shipped: LoadedLibrary) -> None:
    assert (shipped.signed, shipped.signed_by, shipped.signature) == (False, None, None)
    assert shipped.title == "example-shallow v1 (unsigned example)"
    assert "EVERY CLINICAL NUMBER IN IT IS AN EXAMPLE THAT NOBODY HAS SIGNED" in TEXT
    assert shipped.valid_until == date(2099, 12, 31)


@pytest.mark.parametrize("protocol", FACE)
def test_decimal_slips_on_the_face_meet_a_limit(shipped: LoadedLibrary, protocol: str) -> None:
    """0.5 typed as 5.0 always meets a hard limit, 0.25 typed as 2.5 at least a soft one."""
    for zone in shipped.protocols[protocol].zones.values():
        for skin in shipped.protocols[protocol].skins:
            assert zone.depth(skin).says(5000) == "hard"
            assert zone.depth(skin).says(2500) in {"soft", "hard"}


LIMITS_UM = {
    "forehead": (500, 750, 750, 1000, 120), "glabella": (500, 750, 750, 1000, 110), "nose": (250, 500, 500, 750, 110),
    "periorbital": (250, 250, 250, 500, 100), "cheek": (750, 1000, 1000, 1500, 130),
    "upper-lip": (250, 500, 500, 750, 110), "chin": (500, 1000, 1000, 1500, 120),
    "perioral": (250, 500, 500, 750, 110), "jaw": (500, 1000, 1000, 1500, 120), "neck": (250, 500, 500, 750, 110),
    "facial-scars": (1000, 1500, 1250, 2000, 120), "scalp": (600, 600, 1000, 1000, 120),
}  # fmt: skip
"""soft thin, soft thick, hard thin, hard thick in µm, rate in Hz: the file read by eye against the sources it names."""


def test_the_zones_are_the_shallow_set(shipped: LoadedLibrary) -> None:
    found = {
        name: (zone.soft_um["thin"], zone.soft_um["thick"], zone.hard_um["thin"], zone.hard_um["thick"],
               zone.rate_max_mhz // 1000)
        for protocol in shipped.protocols.values() for name, zone in protocol.zones.items()
    }  # fmt: skip
    assert found == LIMITS_UM


def test_thick_skin_is_never_limited_more_than_thin(shipped: LoadedLibrary) -> None:
    for protocol in shipped.protocols.values():
        for zone in protocol.zones.values():
            assert zone.soft_um["thin"] <= zone.soft_um["thick"]
            assert zone.hard_um["thin"] <= zone.hard_um["thick"]


LOOK_BACK_DAYS = {
    "clotting-disorder": None, "blood-thinners": None, "uncontrolled-diabetes": None, "active-acne": None,
    "dermatosis": None, "skin-tumour": None, "keloid-tendency": None, "solar-keratosis": None, "open-wound": None,
    "recent-scar": 180, "infection": None, "chemo-or-radiotherapy": 28, "high-dose-corticosteroids": 28,
    "surgery-in-area": 365, "filler": 180, "anaesthetic-allergy": None, "isotretinoin": 180,
    "pregnancy-or-nursing": None, "botulinum-toxin": 90, "chemical-peel": 30,
}  # fmt: skip


def test_every_contraindication_of_the_manual_is_asked(shipped: LoadedLibrary) -> None:
    assert {name: question.look_back_days for name, question in shipped.questions.items()} == LOOK_BACK_DAYS
    assert {question.severity for question in shipped.questions.values()} == {"hard", "soft", "ask-prescriber"}
    assert all(question.text.endswith("?") for question in shipped.questions.values())


def test_every_listed_source_is_used(shipped: LoadedLibrary) -> None:
    used = {question.source for question in shipped.questions.values()}
    for protocol in shipped.protocols.values():
        used.add(protocol.course.source or "")
        for zone in protocol.zones.values():
            used |= {zone.source, zone.rate_source or "", zone.dwell_source or ""}
    assert set(shipped.sources) == used


def test_a_zone_says_what_it_recommends(shipped: LoadedLibrary) -> None:
    zones = shipped.protocols["facial-rejuvenation"].zones
    assert [zones["forehead"].rate.says(rate) for rate in (100_000, 110_000, 121_000)] == ["within", "soft", "hard"]
    assert [zones["cheek"].rate.says(rate) for rate in (130_000, 130_001)] == ["within", "hard"]
    assert [zones["forehead"].dwell.says(ms) for ms in (120_000, 240_000, 240_001)] == ["within", "soft", "hard"]
    with pytest.raises(KeyError):
        zones["forehead"].depth("oily")


def test_a_library_is_valid_from_its_day_to_its_day(shipped: LoadedLibrary) -> None:
    days = [date(2025, 12, 31), date(2026, 1, 1), date(2099, 12, 31), date(2100, 1, 1)]
    assert [shipped.content.valid_on(day) for day in days] == [False, True, True, False]
