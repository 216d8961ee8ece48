"""What is asked for when a session is prepared, and what it comes to once every name in it was found.

The resolved plan is a snapshot: everything the machine decides by is in it, so that a record, and a replay of it, needs
no other file.
"""

from datetime import date
from typing import Literal

from pydantic import Field

from controller.datafile import nearest
from controller.errors import ControlRefused
from controller.events import Record
from controller.library import LoadedLibrary
from controller.operators import Operators
from controller.profiles import PenProfile, Profiles
from controller.units import Micrometres, Millihertz

PSEUDONYM = r"^[A-Za-z0-9-]{4,40}$"


class SessionPlan(Record):
    """A request to prepare a session. ``patient`` is a random pseudonym, never a name.

    ``cartridge`` names a cartridge model and is needed where the pen does not identify what is inserted; the operator
    then attests with ``cartridge_new`` that it was opened just now.
    """

    patient: str = Field(pattern=PSEUDONYM)
    operator: str
    protocol: str
    skin: str
    zone: str
    checklist: dict[str, bool] = Field(default_factory=dict)
    cartridge: str | None = None
    cartridge_new: bool = False


class ZonePlan(Record):
    """Limits of one zone for the skin of this patient."""

    soft_um: Micrometres
    hard_um: Micrometres
    rate_max_mhz: Millihertz
    source: str


class CurveStep(Record):
    """Up to ``depth_um`` the rate may be at most ``rate_max_mhz``."""

    depth_um: Micrometres
    rate_max_mhz: Millihertz


class ProfileSnapshot(Record):
    """The pen's data sheet as the machine needs it."""

    model: str
    labelled_depth_max_um: Micrometres
    labelled_rate_max_mhz: Millihertz
    depth_tolerance_um: Micrometres
    rate_tolerance_percent: int
    curve: tuple[CurveStep, ...]


class ResolvedPlan(Record):
    """A plan with every name found and every limit looked up."""

    patient: str
    operator: str
    operator_scope: str
    operator_cap_um: Micrometres
    protocol: str
    library: str
    demo: bool
    skin: str
    first_zone: str
    zones: dict[str, ZonePlan]
    override_reasons: tuple[str, ...]
    checklist: dict[str, bool]
    missing: tuple[str, ...]
    profile: ProfileSnapshot
    cartridge_model: str | None
    cartridge_needle_count: int | None
    cartridge_needle_length_um: Micrometres | None
    cartridge_attested: bool


def _found(kind: str, name: str, known: list[str]) -> None:
    if name not in known:
        raise ControlRefused(f"unknown_{kind}", f"There is no {kind} {name!r}. {nearest(name, known)} Nothing changed.")


def snapshot_profile(model: str, profile: PenProfile) -> ProfileSnapshot:
    """A data sheet as it goes into records."""
    return ProfileSnapshot(
        model=model,
        labelled_depth_max_um=profile.labelled_depth_max_um,
        labelled_rate_max_mhz=profile.labelled_rate_max_mhz,
        depth_tolerance_um=profile.depth_tolerance_um,
        rate_tolerance_percent=profile.rate_tolerance_percent,
        curve=tuple(CurveStep(depth_um=p.depth_um, rate_max_mhz=p.rate_max_mhz) for p in profile.depth_rate_curve),
    )


def resolve_plan(
    plan: SessionPlan,
    *,
    model: str,
    today: date,
    library: LoadedLibrary,
    operators: Operators,
    profiles: Profiles,
    mode: Literal["demo", "clinic"],
) -> ResolvedPlan:
    """Looks up everything a plan names, for a pen of ``model``.

    Raises ControlRefused: an unknown name (with the nearest ones), an operator whose qualification ended, a cartridge
    that does not fit the pen, a pen without a data sheet, or an unsigned library outside demo mode.
    """
    if library.signed_by is None and mode != "demo":
        raise ControlRefused(
            "library_unsigned",
            f"The library {library.title} is signed by no physician; it may be used in demo mode only. "
            "Nothing changed.",
        )
    _found("pen model", model, list(profiles.pens))
    _found("operator", plan.operator, list(operators.operators))
    _found("protocol", plan.protocol, list(library.protocols))
    protocol = library.protocols[plan.protocol]
    _found("skin", plan.skin, list(protocol.skins))
    _found("zone", plan.zone, list(protocol.zones))
    for item in plan.checklist:
        _found("checklist item", item, list(library.checklist))
    operator = operators.operators[plan.operator]
    if today > operator.qualified_until:
        raise ControlRefused(
            "operator_not_qualified",
            f"The qualification of {plan.operator} ended on {operator.qualified_until.isoformat()}. Somebody qualified "
            "must operate the pen, or the clinic confirms a new date. Nothing changed.",
        )
    cartridge = None
    if plan.cartridge is not None:
        _found("cartridge", plan.cartridge, list(profiles.cartridges))
        cartridge = profiles.cartridges[plan.cartridge]
        if model not in cartridge.pens:
            raise ControlRefused(
                "cartridge_fit",
                f"Cartridge {plan.cartridge} does not fit a pen {model}; it fits {', '.join(cartridge.pens)}. "
                "Take another cartridge. Nothing changed.",
            )
    return ResolvedPlan(
        patient=plan.patient,
        operator=plan.operator,
        operator_scope=operator.scope,
        operator_cap_um=operator.depth_cap_um,
        protocol=plan.protocol,
        library=library.title,
        demo=library.signed_by is None,
        skin=plan.skin,
        first_zone=plan.zone,
        zones={
            name: ZonePlan(
                soft_um=zone.soft_um[plan.skin],
                hard_um=zone.hard_um[plan.skin],
                rate_max_mhz=zone.rate_max_mhz,
                source=library.sources[zone.source],
            )
            for name, zone in protocol.zones.items()
        },
        override_reasons=tuple(library.override_reasons),
        checklist=dict(plan.checklist),
        missing=tuple(item for item in library.checklist if not plan.checklist.get(item, False)),
        profile=snapshot_profile(model, profiles.pens[model]),
        cartridge_model=plan.cartridge,
        cartridge_needle_count=cartridge.needle_count if cartridge else None,
        cartridge_needle_length_um=cartridge.needle_length_um if cartridge else None,
        cartridge_attested=plan.cartridge_new,
    )
