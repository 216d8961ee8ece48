"""Made-up views, built from the real models through the real limits, for what draws them."""

import io
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console, RenderableType

from controller.envelope import Sources, depth_limit, rate_limit
from controller.events import (
    AlarmAcknowledged,
    AlarmRaised,
    ApprovalUsed,
    AudioPaused,
    AudioPauseEnded,
    CalibrationSnapshot,
    CartridgeAttested,
    CartridgeExchanged,
    CartridgeSnapshot,
    ClockStepped,
    CourseSnapshot,
    DoseWarning,
    Event,
    Examined,
    InputChunk,
    LimitsChanged,
    PenArmed,
    ReadinessRow,
    Refused,
    Screening,
    SessionClosed,
    SessionOpened,
    SessionSigned,
    SetpointChanged,
    SoftLimitOverridden,
    StopConfirmed,
    Stopped,
    TreatmentStarted,
    ZoneDose,
    ZoneSnapshot,
)
from controller.inputs import PenFacts
from controller.library import load_library
from controller.plan import ProfileSnapshot, ZonePlan, snapshot_profile
from controller.profiles import load_profiles
from controller.units import Micrometres, Millihertz
from controller.view import AlarmView, PenView
from logger.journal.entry import GENESIS, Entry
from station.api.models import PenStatus

MakeStatus = Callable[..., PenStatus]
MakeView = Callable[..., PenView]
Draw = Callable[..., str]


@cache
def profile() -> ProfileSnapshot:
    """The data sheet shipped for the pen NW-1."""
    return snapshot_profile("NW-1", load_profiles())


@cache
def sources(zone: str = "cheek") -> Sources:
    """What the limits of a usual treatment are made from."""
    library = load_library()
    limits = library.protocols["facial-rejuvenation"].zones[zone]
    return Sources(
        pen=PenFacts(
            model="NW-1",
            serial="NW1-000001",
            firmware="sim 1.0",
            boot_id=7,
            capabilities=0xFFFF,
            depth_min_um=Micrometres(0),
            depth_max_um=Micrometres(2500),
            depth_step_um=Micrometres(50),
            rate_min_mhz=Millihertz(20_000),
            rate_max_mhz=Millihertz(150_000),
            rate_step_mhz=Millihertz(1_000),
            dead_man_ms=300,
            retract_ms=250,
        ),
        profile=profile(),
        cartridge_length_um=Micrometres(1500),
        cartridge_name="L2407A/C1A2B3C4D",
        zone=zone,
        zone_plan=ZonePlan(
            soft_um=limits.soft_um["thin"],
            hard_um=limits.hard_um["thin"],
            rate_max_mhz=limits.rate_max_mhz,
            source=library.sources[limits.source],
        ),
        override_reason="",
        operator_cap_um=Micrometres(1000),
        operator_scope="example: master aesthetician, cap as a clinic might confirm it",
        calibration=CalibrationSnapshot(
            certificate="FACTORY-0001",
            calibrated_on="2026-01-01",
            due_on="2027-12-01",
            depth_gain_ppm=1_000_000,
            depth_offset_um=0,
            depth_uncertainty_um=Micrometres(50),
            rate_gain_ppm=1_000_000,
        ),
    )


def zone_plans() -> tuple[ZoneSnapshot, ...]:
    """The plan of three zones."""
    return tuple(
        ZoneSnapshot(
            zone=zone,
            soft_um=Micrometres(soft),
            hard_um=Micrometres(soft + 250),
            rate_max_mhz=Millihertz(120_000),
            passes=3,
            dwell_ms=dwell_ms,
            dwell_hard_ms=2 * dwell_ms,
        )
        for zone, soft, dwell_ms in (("forehead", 500, 10_000), ("nose", 250, 60_000), ("cheek", 750, 150_000))
    )


CARTRIDGE = CartridgeSnapshot(
    name="lot L2407A",
    tag=5,
    needle_count=12,
    needle_length_um=Micrometres(1500),
    lot="L2407A",
    serial="C1A2B3C4D",
    expiry="2027-05-01",
    unused="verified",
)
READY = (
    ReadinessRow(check="pen", because="", outcome="passes", sentence="NW-1/NW1-000001 answers."),
    ReadinessRow(check="library", because="", outcome="note", sentence="example-shallow v1: demo only."),
    ReadinessRow(check="self-test", because="", outcome="passes", sentence="Passed: retract; needles proved in."),
)
NOT_READY = (
    *READY,
    ReadinessRow(
        check="cartridge", because="cartridge_used", outcome="fails", sentence="This cartridge was used before."
    ),
)


def made_view(**changes: Any) -> PenView:
    """A treatment of the cheek that goes well; ``changes`` are fields of the view."""
    of_cheek = sources(str(changes.get("zone") or "cheek"))
    fields: dict[str, Any] = {
        "url": "serial:///dev/pts/7",
        "pen": "NW-1/NW1-000001",
        "firmware": "sim 1.0",
        "link": "connected",
        "link_problem": None,
        "phase": "treating",
        "session": "s-20260101-abcdef",
        "patient": "p-7f3a21",
        "operator": "demo-master-aesthetician",
        "protocol": "facial-rejuvenation",
        "library": "example-shallow v1 (unsigned example)",
        "demo": True,
        "course": CourseSnapshot(number=3, sessions=4, last_on="2026-01-05", earliest_next="2026-02-02"),
        "resumes": None,
        "readiness": (),
        "cartridge": CARTRIDGE,
        "zone": "cheek",
        "zones": ("forehead", "nose", "cheek"),
        "planned_zones": ("forehead", "cheek"),
        "zone_plans": zone_plans(),
        "missing": (),
        "override_reasons": ("scar-tissue",),
        "motor_on": True,
        "depth_commanded_um": 500,
        "depth_measured_um": 487,
        "rate_commanded_mhz": 120_000,
        "rate_measured_mhz": 119_640,
        "depth_limit": depth_limit(of_cheek, 120_000),
        "rate_limit": rate_limit(of_cheek, 500),
        "on_skin": True,
        "needles_out": False,
        "battery_permille": 981,
        "temperature_dc": 312,
        "motor_current_ma": 214,
        "strokes": 2211,
        "status_age_ms": 12,
        "longest_gap_ms": 27,
        "treated_ms": 18_400,
        "doses": (
            ZoneDose(
                zone="forehead",
                treated_ms=8_000,
                strokes=880,
                punctures=10_560,
                depth_measured_max_um=431,
                depth_measured_mean_um=392,
                rate_measured_mean_mhz=109_700,
            ),
            ZoneDose(
                zone="cheek",
                treated_ms=10_400,
                strokes=1_331,
                punctures=15_972,
                depth_measured_max_um=512,
                depth_measured_mean_um=489,
                rate_measured_mean_mhz=119_500,
            ),
        ),
        "alarms": (),
        "audio_paused_ms": 0,
        "interruption": "",
        "journal_problem": "",
        "next_step": "Treating. Pause, or STOP.",
    }
    return PenView(**{**fields, **changes})


def made_status(**changes: Any) -> PenStatus:
    """A pen at a station; ``changes`` are fields of its view."""
    view = made_view(**changes)
    return PenStatus(name="pen", url=view.url, seat=view.operator, view=view)


def link_lost() -> AlarmView:
    """A HIGH alarm."""
    return AlarmView(
        alarm="link_lost",
        priority="HIGH",
        kind="technical",
        sentence="The connection to the pen went while it was armed. The pen stops by itself. Lift it off.",
        acknowledged=False,
    )


def made_events(*, depth_measured: bool = True) -> list[Event]:
    """What is journalled of a short treatment of the cheek, with a refusal, an override and an alarm in it."""
    of_cheek = sources("cheek")
    calibration = of_cheek.calibration
    assert calibration is not None
    statuses = 20
    chunk = InputChunk(
        pen="serial:///dev/pts/7",
        kinds="S" * statuses,
        times_ms=tuple(1_400 + 25 * index for index in range(statuses)),
        status={
            "pen_time_ms": tuple(50 * index for index in range(statuses)),
            "boot_id": (7,) * statuses,
            "state": (2,) * (statuses - 1) + (0,),
            "strokes": tuple(6 * index for index in range(statuses)),
            "on_skin": (1,) * statuses,
            "depth_set_um": (500,) * statuses,
            "depth_measured_um": (
                tuple(440 + 3 * index for index in range(statuses)) if depth_measured else (None,) * statuses
            ),
            "rate_set_mhz": (120_000,) * statuses,
            "rate_measured_mhz": (119_000,) * statuses,
        },
        commands=(),
        links=(),
    )
    return [
        SessionOpened(
            pen="NW-1/NW1-000001",
            patient="p-7f3a21",
            operator="demo-master-aesthetician",
            protocol="facial-rejuvenation",
            library="example-shallow v1 (unsigned example)",
            zone="cheek",
            skin="thin",
            demo=True,
            checklist={"consent_signed": True, "skin_disinfected": True},
            library_digest="3f" * 32,
            screening=Screening(asked=20, answered=20, accepted_soft=1, prescribed=0),
            course=CourseSnapshot(number=2, sessions=4, last_on="2025-12-01", earliest_next="2025-12-29"),
            planned_zones=("cheek", "nose"),
            zone_plans=zone_plans(),
        ),
        Examined(rows=NOT_READY, self_test_tested=1, self_test_passed=1),
        Examined(rows=READY, self_test_tested=1, self_test_passed=1),
        PenArmed(
            lease=77,
            depth_ceiling_um=Micrometres(950),
            rate_ceiling_mhz=Millihertz(130_000),
            cartridge=CARTRIDGE,
            calibration=calibration,
        ),
        LimitsChanged(zone="cheek", depth=depth_limit(of_cheek, 0), rate=rate_limit(of_cheek, 0)),
        Refused(asked="set depth", because="zone_hard", sentence="1.20 mm was refused and nothing changed."),
        SetpointChanged(depth_commanded_um=Micrometres(500), rate_commanded_mhz=Millihertz(120_000)),
        TreatmentStarted(source="api", depth_commanded_um=Micrometres(500), rate_commanded_mhz=Millihertz(120_000)),
        chunk,
        CartridgeExchanged(source="api: demo-master-aesthetician", before=CARTRIDGE),
        CartridgeAttested(source="api: demo-master-aesthetician"),
        PenArmed(
            lease=78,
            depth_ceiling_um=Micrometres(950),
            rate_ceiling_mhz=Millihertz(130_000),
            cartridge=CARTRIDGE.model_copy(update={"lot": "L9", "name": "lot L9", "serial": "", "unused": "attested"}),
            calibration=calibration,
        ),
        ApprovalUsed(approval="ap-1", zone="cheek", scope_um=Micrometres(500), depth_commanded_um=Micrometres(900)),
        ClockStepped(by_ms=-3_600_000),
        SoftLimitOverridden(zone="cheek", quantity="depth_um", soft_limit=750, wanted=900, reason="scar-tissue"),
        AlarmRaised(alarm="stall", priority="HIGH", kind="treatment", sentence="The motor did not turn."),
        AlarmAcknowledged(alarm="stall", by="demo-master-aesthetician"),
        AudioPaused(by="demo-master-aesthetician", for_ms=120_000),
        AudioPauseEnded(alarm="link_lost"),
        DoseWarning(zone="cheek", treated_ms=120_000, dwell_ms=150_000, dwell_hard_ms=300_000, level="nearly"),
        Stopped(source="button"),
        StopConfirmed(after_ms=84),
        SessionClosed(
            outcome="stopped",
            reason="finished early",
            doses=(
                ZoneDose(
                    zone="cheek",
                    treated_ms=950,
                    strokes=114,
                    punctures=1368,
                    depth_measured_max_um=494,
                    depth_measured_mean_um=467,
                    rate_measured_mean_mhz=119_000,
                ),
            ),
        ),
        SessionSigned(by="demo-master-aesthetician", role="aesthetician", meaning="performed"),
    ]


def journalled(events: list[Event], session: str = "20260101T090000-0000abcd") -> list[Entry]:
    """The events as entries of a station, a tenth of a second apart, each chained to the one before it."""
    entries: list[Entry] = []
    for index, event in enumerate(events):
        entry = Entry(
            station="room-1",
            sequence=index + 1,
            utc_us=1_767_258_000_000_000 + 100_000 * index,
            monotonic_ms=1_000 + 100 * index,
            session=session,
            type=event.type,
            version=event.version,
            body=event.model_dump_json().encode(),
            previous=entries[-1].hash if entries else GENESIS,
            hash=b"",
        )
        entries.append(entry._replace(hash=entry.computed_hash()))
    return entries


def drawn(renderable: RenderableType, *, width: int = 100, height: int = 30, terminal: bool = False) -> str:
    """What a screen of that size shows, as text."""
    console = Console(
        width=width, height=height, file=io.StringIO(), force_terminal=terminal, highlight=False, legacy_windows=False
    )
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """A directory whose path is short enough for a Unix socket below it; pytest's own are not always."""
    with tempfile.TemporaryDirectory(prefix="nw-") as directory:
        yield Path(directory)


@pytest.fixture
def view() -> MakeView:
    """Makes views: ``view(zone="nose")``."""
    return made_view


@pytest.fixture
def status() -> MakeStatus:
    """Makes pen statuses: ``status(zone="nose")``."""
    return made_status


@pytest.fixture
def alarm() -> Callable[[], AlarmView]:
    """Makes a HIGH alarm."""
    return link_lost


@pytest.fixture
def entries() -> list[Entry]:
    """A short treatment, journalled."""
    return journalled(made_events())


@pytest.fixture
def blind_entries() -> list[Entry]:
    """The same with a pen that does not measure depth."""
    return journalled(made_events(depth_measured=False))


@pytest.fixture
def draw() -> Draw:
    """Draws on a screen of a given size."""
    return drawn
