"""Whether a cartridge fits, is in date, has life left, is the one that was scanned, and was used before."""

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from controller.cartridges import (
    CartridgeUse,
    NotSerialised,
    ScannedCartridge,
    Unreachable,
    Unused,
    UsedBy,
    expiry_problem,
    fit_problem,
    life,
    mismatch,
    read_code,
    same_cartridge,
    serial_key,
    snapshot_of,
    used_problem,
)
from controller.errors import DataError
from controller.events import CartridgeSnapshot
from controller.profiles import CartridgeProfile, load_profiles
from controller.units import Micrometres

TODAY = date(2026, 6, 15)
PROFILES = load_profiles()
SHEET = PROFILES.cartridges["NW-12"]
SCANNED = read_code("(01)09521234000129(17)270131(10)L2407A(21)C0000002A", today=TODAY)


def inserted(**changes: object) -> CartridgeSnapshot:
    """What a pen reads of the cartridge scanned."""
    read = {
        "name": "lot L2407A", "tag": 42, "needle_count": 12, "needle_length_um": Micrometres(1500), "lot": "L2407A",
        "serial": "C0000002A", "expiry": "2027-01-31", "unused": "verified",
    }  # fmt: skip
    return CartridgeSnapshot.model_validate({**read, **changes})


def test_a_code_leads_to_its_data_sheet() -> None:
    found = PROFILES.cartridge_of(SCANNED.gtin)
    assert found is not None
    assert found[0] == "NW-12"
    assert PROFILES.cartridge_of("00000000000000") is None
    assert SCANNED.serialised
    assert not read_code("(01)09521234000129(10)L2407A", today=TODAY).serialised


@pytest.mark.parametrize(
    ("text", "says"),
    [('gtin: "09521234000128"', "check digit"), ("gtin: 9521234000129", "cartridges → NW-12 → gtin")],
)
def test_a_data_sheet_with_a_wrong_product_number_is_refused(tmp_path: Path, text: str, says: str) -> None:
    sheet = tmp_path / "pens.yaml"
    sheet.write_text(
        "format: needlework-pens/1\npens: {}\ncartridges:\n  NW-12:\n    needle_count: 12\n    needle_length_mm: 1.5\n"
        f"    pens: []\n    {text}\n"
    )
    with pytest.raises(DataError, match=says):
        load_profiles(sheet)


def test_two_data_sheets_with_one_product_number_are_refused(tmp_path: Path) -> None:
    sheet = tmp_path / "pens.yaml"
    one = '{needle_count: 12, needle_length_mm: 1.5, pens: [], gtin: "09521234000129"}'
    sheet.write_text(f"format: needlework-pens/1\npens: {{}}\ncartridges:\n  A: {one}\n  B: {one}\n")
    with pytest.raises(DataError, match="A and B have the same gtin"):
        load_profiles(sheet)


@pytest.mark.parametrize(
    ("model", "depth_um", "read", "says"),
    [
        ("NW-1", 1500, inserted(), None),
        ("NW-1", 1500, None, None),
        ("NW-OTHER", 500, None, "does not fit a pen NW-OTHER; it fits NW-1"),
        ("NW-1", 1501, None, "needles have 1.50 mm"),
        (
            "NW-1",
            500,
            inserted(needle_count=16),
            "reads 16 needles where the data sheet",
        ),
        ("NW-1", 500, inserted(needle_length_um=Micrometres(2000)), "reads needles of 2.00 mm"),
    ],
)
def test_fit(model: str, depth_um: int, read: CartridgeSnapshot | None, says: str | None) -> None:
    problem = fit_problem(SHEET, model, depth_um, read)
    if says is None:
        assert problem is None
    else:
        assert problem is not None
        assert problem[0] == "cartridge_fit"
        assert says in problem[1]


@pytest.mark.parametrize(("expiry", "past"), [("2026-06-14", True), ("2026-06-15", False), (None, False)])
def test_expiry(expiry: str | None, past: bool) -> None:
    problem = expiry_problem(expiry, TODAY)
    assert (problem is not None and problem[0] == "cartridge_expired") is past


@given(st.integers(0, 600_000))
def test_life_falls_with_strokes_and_ends_with_a_sentence(strokes: int) -> None:
    left, later = life(strokes, SHEET), life(strokes + 1000, SHEET)
    assert left.left_permille is not None
    assert later.left_permille is not None
    assert 0 <= later.left_permille <= left.left_permille <= 1000
    assert (left.problem is None) is (left.left_permille > 0)


def test_life_nobody_gives_is_not_known() -> None:
    sheet = CartridgeProfile.model_validate({"needle_count": 12, "needle_length_mm": "1.5", "pens": ["NW-1"]})
    assert life(10**9, sheet).left_permille is None


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, None),
        ({"serial": "C0000002B"}, "Scanned is serial C0000002A, but inserted is serial C0000002B."),
        ({"lot": "L2408A"}, "Scanned is lot L2407A, but inserted is lot L2408A."),
        ({"expiry": "2027-02-28"}, "Scanned is expiry 2027-01-31, but inserted is expiry 2027-02-28."),
        ({"serial": "", "lot": "", "expiry": None}, None),  # a pen that does not know contradicts nothing
    ],
)
def test_the_cartridge_scanned_has_to_be_the_one_inserted(changes: dict[str, object], says: str | None) -> None:
    problem = mismatch(SCANNED, inserted(**changes))
    if says is None:
        assert problem is None
    else:
        assert problem is not None
        assert problem[0] == "cartridge_mismatch"
        assert says in problem[1]


def test_a_long_number_that_a_pen_had_to_cut_is_the_same() -> None:
    scanned = SCANNED.model_copy(update={"serial": "S" * 15 + "ABCDE"})
    assert mismatch(scanned, inserted(serial="S" * 15 + "A")) is None
    assert mismatch(scanned, inserted(serial="S" * 15 + "B")) is not None
    assert mismatch(scanned, inserted(serial="S" * 15)) is not None  # nothing was cut there


numbers = st.text("AB1", max_size=20)


@given(numbers, numbers, numbers, numbers)
def test_the_same_cartridge_is_found_from_either_side_under_one_key(
    lot: str, serial: str, other: str, another: str
) -> None:
    same = same_cartridge(lot, serial, other, another)
    assert same is same_cartridge(other, another, lot, serial)
    assert same_cartridge(lot, serial, lot, serial) is (serial != "")
    if same:
        assert serial_key(serial) == serial_key(another)


def test_a_serial_of_another_lot_is_another_cartridge_and_an_unknown_lot_is_a_doubt() -> None:
    assert not same_cartridge("L1", "7", "L2", "7")
    assert same_cartridge("L1", "7", "", "7")


def test_a_cartridge_used_in_another_session_is_refused() -> None:
    used = UsedBy(session="s-1", on="2026-06-01")
    assert used_problem(used, "s-1") is None
    problem = used_problem(used, "s-2")
    assert problem is not None
    assert "used on 2026-06-01, in session s-1" in problem[1]
    for answer in (Unused(), NotSerialised(), Unreachable(problem="The store is away.")):
        assert used_problem(answer, "s-2") is None


@pytest.mark.parametrize(
    "answer", [Unused(), NotSerialised(), Unreachable(problem="away"), UsedBy(session="s-1", on="2026-06-01")]
)
def test_what_a_ledger_answers_survives_the_record(answer: Unused | NotSerialised | Unreachable | UsedBy) -> None:
    adapter: TypeAdapter[CartridgeUse] = TypeAdapter(CartridgeUse)
    assert adapter.validate_json(answer.model_dump_json()) == answer
    assert ScannedCartridge.model_validate_json(SCANNED.model_dump_json()) == SCANNED


def test_a_scanned_cartridge_becomes_a_snapshot_with_the_needles_of_its_data_sheet() -> None:
    snapshot = snapshot_of(SCANNED, "NW-12", SHEET, unused="attested")
    assert (snapshot.needle_count, snapshot.needle_length_um, snapshot.unused) == (12, 1500, "attested")
    assert (snapshot.lot, snapshot.serial, snapshot.expiry) == ("L2407A", "C0000002A", "2027-01-31")
    assert mismatch(SCANNED, snapshot) is None
