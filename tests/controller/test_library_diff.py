"""What changed between two libraries: every difference is found, and what allows more is never called anything else."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.datafile import parse_data
from controller.library_content import Library
from controller.library_diff import Change, library_changes

TEXT = (Path(__file__).parents[2] / "controller" / "data" / "example_library.yaml").read_text(encoding="utf-8")
OLD = parse_data(Library, TEXT.encode(), "old")
OPPOSITE = {"looser": "stricter", "stricter": "looser", "other": "other"}


def changed(*edits: tuple[str, str]) -> Library:
    text = TEXT
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new, 1)
    return parse_data(Library, text.encode(), "new")


def test_layout_and_comments_are_no_change() -> None:
    assert library_changes(OLD, changed(("# Contraindications", "# Contra-indications"), ("0.50", "0.5"))) == ()


@pytest.mark.parametrize(
    ("old", "new", "what", "direction", "deeper"),
    [
        ("soft_mm: {thin: 0.50", "soft_mm: {thin: 0.55", "soft depth", "looser", True),
        ("hard_mm: {thin: 0.75", "hard_mm: {thin: 0.85", "hard depth", "looser", True),
        ("soft_mm: {thin: 0.50", "soft_mm: {thin: 0.45", "soft depth", "stricter", False),
        ("rate_max_hz: 120", "rate_max_hz: 125", "rate", "looser", False),
        ("rate_recommended_hz: 100", "rate_recommended_hz: 90", "recommended rate", "stricter", False),
        ("        rate_recommended_hz: 100\n", "", "recommended rate", "looser", False),
        ("passes: 3", "passes: 4", "passes", "looser", False),
        ("dwell_s: 120", "dwell_s: 110", "dwell", "stricter", False),
        ("dwell_hard_s: 240", "dwell_hard_s: 250", "dwell, hard", "looser", False),
        ("sessions: 4", "sessions: 5", "course, sessions", "looser", False),
        ("interval_days: 28", "interval_days: 14", "course, days between", "looser", False),
        ("look_back_days: 180", "look_back_days: 90", "recent-scar, look back", "looser", False),
        ("severity: soft", "severity: hard", "filler", "stricter", False),
        ("severity: ask-prescriber", "severity: soft", "blood-thinners", "looser", False),
        ("Pregnant or nursing?", "Pregnant?", "pregnancy-or-nursing, wording or source", "other", False),
        ("        source: chart", "        source: cautious", "source", "other", False),
        ("valid_until: 2099", "valid_until: 2098", "valid until", "stricter", False),
        ("No make-up for 24 hours", "No make-up for 12 hours", "aftercare", "other", False),
    ],
)
def test_a_change_is_named_and_its_direction_said(old: str, new: str, what: str, direction: str, deeper: bool) -> None:
    (change,) = library_changes(OLD, changed((old, new)))
    assert (change.what, change.direction, change.deeper) == (what, direction, deeper)
    assert change.old != change.new


def test_a_depth_is_told_with_zone_skin_from_and_to() -> None:
    (change,) = library_changes(
        OLD, changed(("hard_mm: {thin: 0.75, thick: 1.00}", "hard_mm: {thin: 0.75, thick: 1.005}"))
    )
    assert change == Change(
        "facial-rejuvenation", "forehead", "thick", "hard depth", "1.00 mm", "1.005 mm", "looser", deeper=True
    )


NECK = TEXT[TEXT.index("      neck:\n") : TEXT.index("  scar-treatment:\n")]
SCALP = TEXT[TEXT.index("  hair-restoration:\n") :]
PEEL = TEXT[TEXT.index("  chemical-peel:") : TEXT.index("\noverride_reasons:")]


@pytest.mark.parametrize(
    ("piece", "count", "direction"),
    [
        (NECK, 4, "stricter"),
        (PEEL, 1, "looser"),
        ('  no_fluid_seen: "No fluid is seen in or on the pen"\n', 1, "looser"),
        ('  scar-tissue: "Scar tissue needs more depth than the skin around it"\n', 1, "stricter"),
        (SCALP, 1, "stricter"),
    ],
)
def test_what_is_taken_out_and_put_in_again(piece: str, count: int, direction: str) -> None:
    without = changed((piece, ""))
    gone = library_changes(OLD, without)
    come = library_changes(without, OLD)
    assert {change.direction for change in gone} == {direction}
    assert {change.direction for change in come} == {OPPOSITE[direction]}
    assert len(gone) == len(come) == count


DEPTHS_UM = st.tuples(st.integers(1, 2000), st.integers(1, 2000)).map(sorted)


def with_forehead(soft_um: int, hard_um: int) -> Library:
    """The example with other limits for thin skin on the forehead."""
    protocol = OLD.protocols["facial-rejuvenation"]
    limits = {"soft_um": {"thin": soft_um, "thick": 750}, "hard_um": {"thin": hard_um, "thick": 1000}}
    zones = protocol.zones | {"forehead": protocol.zones["forehead"].model_copy(update=limits)}
    protocols = OLD.protocols | {"facial-rejuvenation": protocol.model_copy(update={"zones": zones})}
    return OLD.model_copy(update={"protocols": protocols})


@given(DEPTHS_UM, DEPTHS_UM)
def test_what_is_deeper_is_always_marked_and_turning_round_turns_it(old: list[int], new: list[int]) -> None:
    before, after = with_forehead(*old), with_forehead(*new)
    there, back = library_changes(before, after), library_changes(after, before)
    assert {change.what for change in there if change.deeper} == {
        name for name, was, now in zip(("soft depth", "hard depth"), old, new, strict=True) if now > was
    }
    assert [change.direction for change in back] == [OPPOSITE[change.direction] for change in there]
    assert len(there) == sum(was != now for was, now in zip(old, new, strict=True))
