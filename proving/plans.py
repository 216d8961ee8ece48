"""A story's setting, turned into the plan, the pen and the calibration it is played with."""

from datetime import date, timedelta
from functools import cache
from random import Random

from controller.calibration.due import DueRules
from controller.library import LoadedLibrary, load_library
from controller.operators import Operators, load_operators
from controller.pen_kept import PenKept, PenRules, Quarantined, Standing
from controller.plan import ResolvedPlan, SessionPlan, resolve_plan
from controller.profiles import Profiles, load_profiles
from proving.oracle import Calibrated
from proving.stories import Setting
from simulators.pen import SimulatedPen
from simulators.personality import day_number, model_named

TODAY = date(2026, 1, 1)
"""The day every story is played on."""

PROTOCOL = "facial-rejuvenation"


@cache
def _data() -> tuple[LoadedLibrary, Operators, Profiles]:
    """The shipped example data, read once: reading it takes as long as a story."""
    return load_library(), load_operators(), load_profiles()


@cache
def plan_of(model: str, operator: str, skin: str, zone: str, *, checked: bool) -> ResolvedPlan:
    """The resolved plan of a setting, from the shipped example data; with an open checklist unless ``checked``."""
    library, operators, profiles = _data()
    asked = SessionPlan(
        patient="p-campaign-1",
        operator=operator,
        protocol=PROTOCOL,
        skin=skin,
        zone=zone,
        checklist=dict.fromkeys(library.checklist, True) if checked else {},
        answers=dict.fromkeys(library.questions, False),
        consent="form 1",
    )
    return resolve_plan(
        asked,
        model=model,
        today=TODAY,
        library=library,
        operators=operators,
        profiles=profiles,
        mode="demo",
    )


def pen_of(setting: Setting, random: Random) -> SimulatedPen:
    """The pen of a setting, its calibration in its memory and its true error in its actuator."""
    pen = SimulatedPen(
        model_named(setting.model),
        rng=random,
        today=TODAY,
        pen_time_start_ms=setting.pen_time_ms,
        noisy=setting.noisy,
    )
    pen.memory.calibration = pen.memory.calibration._replace(
        due_day=day_number(TODAY + timedelta(days=setting.calibration_due_days)),
        depth_gain_ppm=setting.gain_ppm,
        depth_offset_um=setting.offset_um,
        depth_uncertainty_um=setting.uncertainty_um,
    )
    pen.plant.drive_gain = setting.gain_ppm / 1_000_000
    pen.plant.drive_offset_um = float(setting.offset_um + setting.error_um)
    return pen


def kept_of(setting: Setting) -> PenKept:
    """What the site says of the pen when it is asked."""
    match setting.kept:
        case "quarantine":
            found = Quarantined(quarantine="q-1", because="shock", by="tech-1", on=TODAY.isoformat(), station="room-2")
            return PenKept(standing=Standing(quarantined=found), rules=PenRules())
        case "firmware":
            return PenKept(standing=Standing(), rules=PenRules(firmware=("another",)))
        case "interval":  # shorter than the days since the pen was calibrated
            return PenKept(standing=Standing(), rules=PenRules(due=DueRules(interval_days=1)))
        case _:
            return PenKept(standing=Standing(), rules=PenRules())


def calibrated(setting: Setting) -> Calibrated:
    """The same for the oracle."""
    return Calibrated(setting.gain_ppm, setting.offset_um, setting.uncertainty_um, setting.error_um)
