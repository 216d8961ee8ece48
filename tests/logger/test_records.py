"""A session's record is what the entries say: from the pen's own telemetry, zone by zone, measured apart from
commanded.
"""

import dataclasses
import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.events import (
    AlarmAcknowledged,
    AlarmCleared,
    AlarmRaised,
    CalibrationSnapshot,
    CartridgeSnapshot,
    Event,
    InputChunk,
    LimitLayer,
    LimitsChanged,
    LimitSet,
    PenArmed,
    PenConnected,
    Refused,
    SessionClosed,
    SetpointChanged,
    SoftLimitOverridden,
    Stopped,
    TreatmentPaused,
    TreatmentStarted,
    ZoneChanged,
)
from controller.units import Micrometres, Millihertz
from firmware_bridge.snapshot import PenSnapshot
from firmware_bridge.wire.messages import PenState
from logger.errors import RecordNotFound
from logger.journal.entry import GENESIS, Entry
from logger.record.records import SessionRecord, session_record
from logger.record.telemetry import RUNNING, Spread
from tests.logger.making import opened

CARTRIDGE = CartridgeSnapshot(
    name="12-pin",
    tag=7,
    needle_count=12,
    needle_length_um=Micrometres(1500),
    lot="L1",
    serial="S1",
    expiry="2027-01-31",
    unused="verified",
)
CALIBRATION = CalibrationSnapshot(
    certificate="C-1",
    calibrated_on="2026-01-01",
    due_on="2027-01-01",
    depth_gain_ppm=0,
    depth_offset_um=0,
    depth_uncertainty_um=Micrometres(20),
    rate_gain_ppm=0,
)
UM, MHZ = Micrometres, Millihertz


def limit(quantity: str, value: int) -> LimitSet:
    layer = LimitLayer(layer="zone_hard", value=value, source="library", reason="the zone")
    return LimitSet(quantity=quantity, effective=value, limited_by="zone_hard", layers=(layer,), sentence="")  # type: ignore[arg-type]


class Pen:
    """Telemetry of a treatment, status by status."""

    def __init__(self) -> None:
        self.rows: list[dict[str, int | None]] = []
        self.times: list[int] = []
        self.pen_time_ms = (1 << 32) - 100  # its clock wraps in the middle
        self.strokes = 40

    def status(
        self, at_ms: int, *, running: bool, depth_um: int | None, rate_mhz: int | None = 100_000, **more: int
    ) -> None:
        """One status, 50 ms after the one before."""
        if running:
            self.strokes += 5
        names = [field.name for field in dataclasses.fields(PenSnapshot)]
        row: dict[str, int | None] = dict.fromkeys(names, 0)
        row |= {
            "pen_time_ms": self.pen_time_ms % (1 << 32),
            "boot_id": 1,
            "state": int(PenState.RUNNING if running else PenState.ARMED),
            "strokes": self.strokes,
            "depth_set_um": 500,
            "depth_measured_um": depth_um,
            "rate_set_mhz": 100_000,
            "rate_measured_mhz": rate_mhz,
            "on_skin": 1,
        }
        self.rows.append({**row, **more})
        self.times.append(at_ms)
        self.pen_time_ms += 50

    def chunk(self) -> InputChunk:
        """What was reported since the last chunk, with ticks between."""
        columns = {name: tuple(row[name] for row in self.rows) for name in (self.rows[0] if self.rows else {})}
        kinds = "".join("ST" for _ in self.rows)
        times = tuple(time for at_ms in self.times for time in (at_ms, at_ms + 1))
        self.rows, self.times = [], []
        return InputChunk(kinds=kinds, times_ms=times, status=columns, commands=(), links=())


def journalled(events: Sequence[tuple[int, Event]], session: str | None = "s-1") -> list[Entry]:
    """Entries at these monotonic times; the wall clock follows."""
    return [
        Entry(
            "room-1",
            number,
            at_ms * 1000,
            at_ms,
            session,
            event.type,
            1,
            event.model_dump_json().encode(),
            GENESIS,
            GENESIS,
        )
        for number, (at_ms, event) in enumerate(events, 1)
    ]


def treatment() -> list[tuple[int, Event]]:
    """Two zones, one pause, one alarm, one override, one refusal, then STOP."""
    pen = Pen()
    events: list[tuple[int, Event]] = [
        (
            0,
            PenConnected(
                pen="pen-1",
                url="serial:///dev/ttyACM0",
                model="NW-1",
                serial="0042",
                firmware="1.2",
                boot_id=1,
                capabilities=(),
                depth_max_um=UM(2500),
                depth_step_um=UM(50),
                rate_max_mhz=MHZ(150_000),
                rate_step_mhz=MHZ(1000),
                dead_man_ms=300,
                retract_ms=100,
            ),
        ),
        (10, opened("cheek")),
        (11, LimitsChanged(zone="cheek", depth=limit("depth_um", 1000), rate=limit("rate_mhz", 120_000))),
        (
            12,
            PenArmed(
                lease=9,
                depth_ceiling_um=UM(1000),
                rate_ceiling_mhz=MHZ(120_000),
                cartridge=CARTRIDGE,
                calibration=CALIBRATION,
            ),
        ),
        (20, TreatmentStarted(source="page", depth_commanded_um=UM(500), rate_commanded_mhz=MHZ(100_000))),
    ]
    pen.status(25, running=False, depth_um=0)
    for index in range(20):
        pen.status(50 + index * 50, running=True, depth_um=400 + index * 10)
    pen.status(1050, running=False, depth_um=0)
    events += [
        (1060, TreatmentPaused(source="pedal")),
        (1070, ZoneChanged(zone="forehead")),
        (1080, SoftLimitOverridden(zone="forehead", quantity="depth_um", soft_limit=300, wanted=400, reason="scar")),
        (1090, SetpointChanged(depth_commanded_um=UM(400), rate_commanded_mhz=MHZ(90_000))),
        (1095, Refused(asked="depth 1.20 mm", because="zone_hard", sentence="The forehead ends at 0.50 mm.")),
        (1100, pen.chunk()),
        (1110, TreatmentStarted(source="page", depth_commanded_um=UM(400), rate_commanded_mhz=MHZ(90_000))),
    ]
    for index in range(10):
        pen.status(1150 + index * 50, running=True, depth_um=None if index == 3 else 380, rate_mhz=None)
    events += [
        (1700, AlarmRaised(alarm="stall", priority="HIGH", kind="technical", sentence="The motor stalled.")),
        (1710, AlarmAcknowledged(alarm="stall", by="op-2")),
        (1720, Stopped(source="pen")),
        (1730, AlarmCleared(alarm="stall")),
        (1750, pen.chunk()),
        (1800, SessionClosed(outcome="stopped", reason="STOP", doses=())),
    ]
    return events


@pytest.fixture
def record() -> SessionRecord:
    return session_record(journalled(treatment()))


def test_who_what_and_when(record: SessionRecord) -> None:
    assert (record.session, record.station, record.pen, record.pen_model) == ("s-1", "room-1", "pen-1", "NW-1")
    assert (record.patient, record.operator, record.protocol, record.skin) == ("p-7f3a", "op-2", "scars", "thick")
    assert (record.outcome, record.reason, record.demo) == ("stopped", "STOP", True)
    assert record.closed_at is not None
    assert (record.closed_at - record.opened_at).total_seconds() == pytest.approx(1.8)
    assert (record.first_entry, record.entries, record.unread) == (1, 18, 0)
    assert [item.cartridge for item in record.cartridges] == [CARTRIDGE]
    assert record.calibrations == (CALIBRATION,)


def test_each_zone_from_the_pens_own_telemetry(record: SessionRecord) -> None:
    cheek, forehead = record.zones
    assert (cheek.zone, forehead.zone) == ("cheek", "forehead")
    assert cheek.treated_ms == 20 * 50
    assert forehead.treated_ms == 9 * 50
    assert (cheek.strokes, forehead.strokes) == (100, 50)
    assert cheek.punctures == 100 * 12
    assert cheek.depth_measured_um == Spread(minimum=400, mean=495, maximum=590, p50=490, p95=580, count=20)
    assert forehead.depth_measured_um == Spread(minimum=380, mean=380, maximum=380, p50=380, p95=380, count=9)
    assert forehead.rate_measured_mhz is None  # not measured, and so not the setpoint either
    assert forehead.rate_set_mhz is not None
    assert (cheek.depth_commanded_um, forehead.depth_commanded_um) == ((500,), (400,))
    assert (record.strokes, record.treated_ms) == (150, 1450)


def test_what_people_and_limits_did(record: SessionRecord) -> None:
    assert [entry.reason for entry in record.overrides] == ["scar"]
    assert [entry.because for entry in record.refusals] == ["zone_hard"]
    (alarm,) = record.alarms
    assert (alarm.alarm, alarm.priority, alarm.acknowledged_by) == ("stall", "HIGH", "op-2")
    assert alarm.cleared_at is not None
    assert record.limits[0].depth.layers[0].reason == "the zone"
    assert [item.what for item in record.timeline] == [
        "pen connected",
        "opened",
        "armed",
        "started",
        "paused",
        "zone",
        "set",
        "started",
        "stopped",
        "closed",
    ]


def test_it_becomes_json_and_comes_back(record: SessionRecord) -> None:
    assert SessionRecord.model_validate_json(record.model_dump_json()) == record
    assert json.loads(record.model_dump_json())["zones"][0]["depth_measured_um"]["p95"] == 580


def test_a_session_that_was_never_closed_is_open() -> None:
    record = session_record(journalled(treatment()[:-1]))
    assert (record.outcome, record.closed_at, record.reason) == ("open", None, None)


def test_an_entry_of_a_later_version_is_counted_and_passed_over() -> None:
    entries = journalled(treatment())
    later = entries[5]._replace(body=b'{"type":"hologram","version":9}')
    assert session_record([*entries[:5], later, *entries[6:]]).unread == 1


def test_no_session_is_an_error() -> None:
    with pytest.raises(RecordNotFound):
        session_record([])
    with pytest.raises(RecordNotFound):
        session_record(journalled(treatment(), session=None))


def test_a_reboot_and_a_new_cartridge_do_not_make_strokes() -> None:
    pen = Pen()
    pen.status(0, running=True, depth_um=1)
    pen.status(50, running=True, depth_um=1)
    pen.strokes = 0
    pen.status(100, running=True, depth_um=1)
    pen.status(150, running=True, depth_um=1, boot_id=2, strokes=90_000)
    pen.status(200, running=True, depth_um=1, boot_id=2, strokes=90_007)
    record = session_record(journalled([(0, opened()), (300, pen.chunk())]))
    assert record.strokes == 5 + 5 + 7


def test_a_gap_in_the_telemetry_is_not_treatment_time() -> None:
    pen = Pen()
    pen.status(0, running=True, depth_um=1)
    pen.pen_time_ms += 5000
    pen.status(5050, running=True, depth_um=1)
    assert session_record(journalled([(0, opened()), (6000, pen.chunk())])).treated_ms == 0


def test_columns_of_unequal_length_are_read_as_far_as_they_go() -> None:
    chunk = InputChunk(
        kinds="SSS",
        times_ms=(1, 2, 3),
        status={"pen_time_ms": (1, 2), "state": (2,), "strokes": ()},
        commands=(),
        links=(),
    )
    session_record(journalled([(0, opened()), (9, chunk)]))


def test_the_names_and_the_state_read_here_are_the_wires() -> None:
    assert RUNNING == PenState.RUNNING
    names = {field.name for field in dataclasses.fields(PenSnapshot)}
    read = {
        "pen_time_ms",
        "boot_id",
        "state",
        "strokes",
        "on_skin",
        "depth_set_um",
        "depth_measured_um",
        "rate_set_mhz",
    }
    assert read | {"rate_measured_mhz"} <= names


@given(st.lists(st.integers(-1000, 10_000), min_size=1, max_size=300))
def test_a_spread_is_of_values_that_were_there(values: list[int]) -> None:
    spread = Spread.of(values)
    assert spread is not None
    assert {spread.minimum, spread.p50, spread.p95, spread.maximum} <= set(values)
    assert spread.minimum <= spread.p50 <= spread.p95 <= spread.maximum
    assert spread.minimum <= spread.mean <= spread.maximum
    below = sum(value <= spread.p95 for value in values)
    assert below >= 0.95 * len(values)
    assert Spread.of([]) is None
