"""A scenario's setting as a plan: what would be asked of a station, resolved by the shipped example data."""

from datetime import date
from functools import cache

from controller.errors import ControlRefused
from controller.library import LoadedLibrary, load_library
from controller.operators import Operators, load_operators
from controller.plan import ResolvedPlan, SessionPlan, resolve_plan
from controller.profiles import Profiles, load_profiles
from proving.scenario.model import Setting

PATIENT = "p-scenario-1"


@cache
def shipped() -> tuple[LoadedLibrary, Operators, Profiles]:
    """The shipped example data, read once: reading it takes as long as a story."""
    return load_library(), load_operators(), load_profiles()


def asked(setting: Setting, *, patient: str = PATIENT) -> SessionPlan:
    """What the setting's operator asks of a station."""
    library, _, _ = shipped()
    return SessionPlan(
        patient=patient,
        operator=setting.operator,
        protocol=setting.protocol,
        skin=setting.skin,
        zone=setting.zone,
        checklist=dict.fromkeys(library.checklist, True) if setting.checklist == "all" else {},
        answers=dict.fromkeys(library.questions, False) | setting.answers,
        consent="form 1",
        cartridge=setting.cartridge_name,
    )


def resolved(setting: Setting, *, today: date) -> ResolvedPlan | ControlRefused:
    """The plan with everything it names looked up; or why it is refused."""
    library, operators, profiles = shipped()
    try:
        return resolve_plan(
            asked(setting),
            model=setting.pen,
            today=today,
            library=library,
            operators=operators,
            profiles=profiles,
            mode="demo",
        )
    except ControlRefused as refused:
        return refused
