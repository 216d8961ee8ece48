"""The store knows which session used which cartridge, of every station, and finds it by its serial number."""

from controller.cartridges import PEN_TEXT_CHARS
from controller.events import CalibrationSnapshot, CartridgeSnapshot, Event, PenArmed
from controller.units import Micrometres, Millihertz
from logger.journal.entry import GENESIS, Entry, entry_hash
from logger.record.lookback import Follower
from logger.store.projections import SERIAL_START_CHARS
from logger.store.store import Store
from tests.logger.making import opened


def armed(serial: str, lot: str = "L2407A", unused: str = "verified") -> PenArmed:
    """A pen that was armed with this cartridge."""
    return PenArmed(
        lease=9,
        depth_ceiling_um=Micrometres(1000),
        rate_ceiling_mhz=Millihertz(120_000),
        cartridge=CartridgeSnapshot(
            name=f"lot {lot}", tag=7, needle_count=12, needle_length_um=Micrometres(1500), lot=lot, serial=serial,
            expiry="2027-01-31", unused=unused,  # type: ignore[arg-type]
        ),
        calibration=CalibrationSnapshot(
            certificate="C-1", calibrated_on="2026-01-01", due_on="2027-01-01", depth_gain_ppm=0, depth_offset_um=0,
            depth_uncertainty_um=Micrometres(20), rate_gain_ppm=0,
        ),
    )  # fmt: skip


def chained(events: list[tuple[str | None, Event]], station: str = "room-1", start_us: int = 0) -> list[Entry]:
    """A station's chain of these events, a second apart."""
    entries: list[Entry] = []
    previous = GENESIS
    for number, (session, event) in enumerate(events, 1):
        utc_us = start_us + number * 1_000_000
        fields = (number, utc_us, number, session, event.type, 1, event.model_dump_json().encode())
        digest = entry_hash(station.encode(), previous, *fields)
        entries.append(Entry(station, *fields, previous, digest))
        previous = digest
    return entries


def test_uses_of_all_stations_are_found_by_serial_oldest_first(store: Store) -> None:
    later = chained([("s-2", opened()), ("s-2", armed("C7"))], "room-2", start_us=10_000_000)
    store.append(later, seen_utc_us=0)
    store.append(chained([("s-1", opened()), ("s-1", armed("C7")), ("s-1", armed("C8"))]), seen_utc_us=0)
    assert [(used.station, used.session, used.utc_us) for used in store.uses("C7")] == [
        ("room-1", "s-1", 2_000_000),
        ("room-2", "s-2", 12_000_000),
    ]
    assert store.uses("C9") == []


def test_a_batch_sent_twice_is_one_use(store: Store) -> None:
    entries = chained([("s-1", armed("C7"))])
    store.append(entries, seen_utc_us=0)
    store.append(entries, seen_utc_us=0)
    assert len(store.uses("C7")) == 1


def test_a_serial_that_a_pen_cut_is_found_under_the_whole_one(store: Store) -> None:
    whole = "S" * SERIAL_START_CHARS + "0042"
    store.append(chained([("s-1", armed(whole[:SERIAL_START_CHARS]))]), seen_utc_us=0)
    assert [used.serial for used in store.uses(whole)] == [whole[:SERIAL_START_CHARS]]
    assert SERIAL_START_CHARS == PEN_TEXT_CHARS


def test_what_a_later_version_wrote_is_passed_over() -> None:
    (entry,) = chained([("s-1", armed("C7"))])
    assert len(list(Follower().facts([entry]))) == 1
    strange = Entry(
        entry.station, 1, 1, 1, "s-1", "pen_armed", 2, b'{"type":"pen_armed","version":2}', GENESIS, GENESIS
    )
    assert list(Follower().facts([strange])) == []


def test_a_cartridge_with_a_zero_byte_in_its_names_is_kept_and_found(store: Store) -> None:
    store.append(chained([("s-1", armed("C\0x7", lot="L\0"))]), seen_utc_us=0)
    assert [(used.serial, used.lot) for used in store.uses("C\0x7")] == [("C\ufffdx7", "L\ufffd")]
