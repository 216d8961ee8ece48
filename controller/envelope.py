"""Pure: the effective limit is the least of all layers, each with its value, source and reason.

What is unknown counts as its strictest value; what is set is rounded toward shallow or slow, and said so; a limit
never changes a number silently. The calibration layer subtracts the pen's expanded uncertainty from the absolute layers
(mechanism, label, cartridge, zone hard limit), so that the true protrusion stays inside them too.
"""

from dataclasses import dataclass, replace
from typing import Literal

from controller.events import CalibrationSnapshot, LimitLayer, LimitSet
from controller.inputs import PenFacts
from controller.plan import ProfileSnapshot, ZonePlan
from controller.units import Micrometres, Millihertz, format_hz, format_mm, toward_shallow

STRICTEST = 0
PPM = 1_000_000

OVERRIDDEN = "overridden: "
WITH_A_REASON = "the depth a reason was given for"

ABSOLUTE = frozenset({"mechanical", "labelled", "cartridge", "zone_hard"})
"""Layers that nobody's reason, role or approval changes."""

SPOKEN: dict[str, str] = {
    "mechanical": "the pen's mechanism",
    "labelled": "what the pen's maker evaluated",
    "cartridge": "the cartridge",
    "zone_hard": "the zone's hard limit",
    "zone_soft": "the zone's soft limit",
    "operator": "the operator's scope",
    "calibration": "the calibration",
    "depth_rate_curve": "the pen's depth-rate curve",
    "lease": "what the pen was armed for",
}


def spoken(layer: LimitLayer) -> str:
    """A layer in words; a soft limit that a reason was given for is no longer the zone's."""
    return WITH_A_REASON if layer.reason.startswith(OVERRIDDEN) else SPOKEN[layer.layer]


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything a limit is made from; None is unknown. The lease's ceilings are None while no lease is held.

    ``override_um`` is how deep a person gave ``override_reason`` for: so much more than the soft limit, and no more.
    """

    pen: PenFacts | None
    profile: ProfileSnapshot | None
    cartridge_length_um: Micrometres | None
    cartridge_name: str
    zone: str
    zone_plan: ZonePlan | None
    override_reason: str
    operator_cap_um: Micrometres | None
    operator_scope: str
    calibration: CalibrationSnapshot | None
    depth_ceiling_um: Micrometres | None = None
    rate_ceiling_mhz: Millihertz | None = None
    override_um: Micrometres | None = None


@dataclass(frozen=True, slots=True)
class Granted:
    """A value that may be set. ``note`` says what rounding did, if anything."""

    value: int
    note: str


@dataclass(frozen=True, slots=True)
class Denied:
    """A value that may not be set, the layer that says so, and the sentence for the person."""

    layer: str
    sentence: str


def _absolute_depth_layers(sources: Sources) -> list[LimitLayer]:
    pen, profile, zone = sources.pen, sources.profile, sources.zone_plan
    return [
        LimitLayer(
            layer="mechanical",
            value=pen.depth_max_um if pen else None,
            source=f"pen {pen.model} {pen.serial}" if pen else "no pen connected",
            reason="the mechanism reaches no deeper",
        ),
        LimitLayer(
            layer="labelled",
            value=profile.labelled_depth_max_um if profile else None,
            source=f"data sheet {profile.model}" if profile else "no data sheet",
            reason="the maker evaluated nothing deeper",
        ),
        LimitLayer(
            layer="cartridge",
            value=sources.cartridge_length_um,
            source=sources.cartridge_name or "no cartridge read yet",
            reason="the needles are no longer",
        ),
        LimitLayer(
            layer="zone_hard",
            value=zone.hard_um if zone else None,
            source=sources.zone if zone else "no zone declared",
            reason=f"no reason overrides it; from: {zone.source}" if zone else "no reason overrides it",
        ),
    ]


def calibrated_depth_um(base_um: int, calibration: CalibrationSnapshot) -> int:
    """Greatest depth to command so that the true one, uncertainty included, stays within ``base_um``; both µm.

    True depth = gain × commanded + offset, known to ± the expanded uncertainty (k = 2).
    """
    room = base_um - calibration.depth_offset_um - calibration.depth_uncertainty_um
    return max(0, room * PPM // calibration.depth_gain_ppm)


def depth_layers(sources: Sources, rate_mhz: int) -> tuple[LimitLayer, ...]:
    """Every layer of the depth limit, in µm, for a commanded rate in mHz (0: none chosen yet)."""
    absolute = _absolute_depth_layers(sources)
    zone, profile, calibration = sources.zone_plan, sources.profile, sources.calibration
    known = [layer.value for layer in absolute if layer.value is not None]
    base = min(known) if len(known) == len(absolute) else STRICTEST
    layers = [
        *absolute,
        LimitLayer(
            layer="zone_soft",
            value=max(zone.soft_um, sources.override_um or 0) if zone else None,
            source=sources.zone if zone else "no zone declared",
            reason=(
                (f"{OVERRIDDEN}{sources.override_reason}" if sources.override_reason else "goes further with a reason")
                + (f"; from: {zone.source}" if zone else "")
            ),
        ),
        _operator_layer(sources),
        LimitLayer(
            layer="calibration",
            value=calibrated_depth_um(base, calibration) if calibration else None,
            source=f"certificate {calibration.certificate}" if calibration else "no valid calibration",
            reason=(
                f"keeps {format_mm(calibration.depth_uncertainty_um)} of uncertainty inside the absolute limits"
                if calibration
                else "the true depth is not known"
            ),
        ),
        LimitLayer(
            layer="depth_rate_curve",
            value=_curve_depth(profile, rate_mhz) if profile else None,
            source=f"data sheet {profile.model}" if profile else "no data sheet",
            reason=f"at {format_hz(rate_mhz)} no deeper" if rate_mhz else "deepest of the curve",
        ),
    ]
    if sources.depth_ceiling_um is not None:
        layers.append(
            LimitLayer(
                layer="lease",
                value=sources.depth_ceiling_um,
                source="the pen holds it by itself",
                reason="the pen accepts nothing deeper until it is armed anew",
            )
        )
    return tuple(layers)


def _operator_layer(sources: Sources) -> LimitLayer:
    """The operator's own scope, or what a physician approved beyond it for this zone."""
    own_um, zone = sources.operator_cap_um, sources.zone_plan
    approved_um = zone.approved_cap_um if zone is not None else None
    if zone is not None and own_um is not None and approved_um is not None and approved_um > own_um:
        return LimitLayer(
            layer="operator",
            value=approved_um,
            source=zone.approved_words,
            reason=f"the operator's own scope ({sources.operator_scope}) has {format_mm(own_um)}",
        )
    return LimitLayer(
        layer="operator",
        value=own_um,
        source=sources.operator_scope or "no operator",
        reason="the clinic confirmed no deeper scope",
    )


def _curve_depth(profile: ProfileSnapshot, rate_mhz: int) -> int:
    return max((step.depth_um for step in profile.curve if rate_mhz <= step.rate_max_mhz), default=0)


def _curve_rate(profile: ProfileSnapshot, depth_um: int) -> int:
    return next((step.rate_max_mhz for step in profile.curve if depth_um <= step.depth_um), 0)


def rate_layers(sources: Sources, depth_um: int) -> tuple[LimitLayer, ...]:
    """Every layer of the rate limit, in mHz, for a commanded depth in µm (0: none chosen yet)."""
    pen, profile, zone, calibration = sources.pen, sources.profile, sources.zone_plan, sources.calibration
    absolute = [
        pen.rate_max_mhz if pen else None,
        profile.labelled_rate_max_mhz if profile else None,
        zone.rate_max_mhz if zone else None,
    ]
    known = [value for value in absolute if value is not None]
    base_mhz = min(known) if len(known) == len(absolute) else STRICTEST
    layers = (
        LimitLayer(
            layer="mechanical",
            value=pen.rate_max_mhz if pen else None,
            source=f"pen {pen.model} {pen.serial}" if pen else "no pen connected",
            reason="the motor turns no faster",
        ),
        LimitLayer(
            layer="labelled",
            value=profile.labelled_rate_max_mhz if profile else None,
            source=f"data sheet {profile.model}" if profile else "no data sheet",
            reason="the maker evaluated nothing faster",
        ),
        LimitLayer(
            layer="zone_hard",
            value=zone.rate_max_mhz if zone else None,
            source=sources.zone if zone else "no zone declared",
            reason=f"no reason overrides it; from: {zone.source}" if zone else "no reason overrides it",
        ),
        LimitLayer(
            layer="calibration",
            value=base_mhz * PPM // max(PPM, calibration.rate_gain_ppm) if calibration else None,
            source=f"certificate {calibration.certificate}" if calibration else "no valid calibration",
            reason="the pen turns faster than it shows" if calibration else "the true rate is not known",
        ),
        LimitLayer(
            layer="depth_rate_curve",
            value=_curve_rate(profile, depth_um) if profile else None,
            source=f"data sheet {profile.model}" if profile else "no data sheet",
            reason=f"at {format_mm(depth_um)} no faster" if depth_um else "fastest of the curve",
        ),
    )
    if sources.rate_ceiling_mhz is None:
        return layers
    lease = LimitLayer(
        layer="lease",
        value=sources.rate_ceiling_mhz,
        source="the pen holds it by itself",
        reason="the pen accepts nothing faster until it is armed anew",
    )
    return (*layers, lease)


def least(
    quantity: Literal["depth_um", "rate_mhz"],
    layers: tuple[LimitLayer, ...],
    step: int,
) -> LimitSet:
    """The effective limit of some layers, on the pen's step, with the sentence that explains it."""
    show = format_mm if quantity == "depth_um" else format_hz
    ranked = sorted(
        layers,
        # Of equals the one that a reason can change comes last: changing it would change nothing.
        key=lambda layer: (STRICTEST if layer.value is None else layer.value, layer.layer == "zone_soft"),
    )
    first = ranked[0]
    effective = toward_shallow(max(0, first.value or STRICTEST), step)
    sentence = f"{show(effective)}: limited by {spoken(first)} ({first.source})"
    if first.value is None:
        sentence += ", which is not known, so nothing is allowed"
    else:
        others = [layer for layer in ranked[1:] if layer.layer != "lease"]
        # A calibration that takes nothing away repeats the limit it was taken from.
        equals = [layer for layer in others if layer.value == first.value and layer.layer != "calibration"]
        sentence += "".join(f" and by {spoken(layer)} ({layer.source})" for layer in equals)
        wider = next((layer for layer in others if (layer.value or 0) > first.value), None)
        if wider is not None:
            sentence += f"; {spoken(wider)} would allow {show(wider.value)}"
    return LimitSet(
        quantity=quantity, effective=effective, limited_by=first.layer, layers=layers, sentence=sentence + "."
    )


def depth_limit(sources: Sources, rate_mhz: int) -> LimitSet:
    """The effective depth limit in µm."""
    return least("depth_um", depth_layers(sources, rate_mhz), sources.pen.depth_step_um if sources.pen else 1)


def rate_limit(sources: Sources, depth_um: int) -> LimitSet:
    """The effective rate limit in mHz."""
    return least("rate_mhz", rate_layers(sources, depth_um), sources.pen.rate_step_mhz if sources.pen else 1)


def lease_ceilings(sources: Sources, zones: dict[str, ZonePlan]) -> tuple[Micrometres, Millihertz]:
    """The ceilings a lease is asked with: the greatest any zone of the plan could come to, soft limits overridden.

    The pen enforces them by itself, so they hold whatever happens to this computer.
    """
    depth = rate = 0
    for name, zone in zones.items():
        at_zone = replace(
            sources,
            zone=name,
            zone_plan=zone,
            override_um=zone.hard_um,
            depth_ceiling_um=None,
            rate_ceiling_mhz=None,
        )
        depth = max(depth, depth_limit(at_zone, 0).effective)
        rate = max(rate, rate_limit(at_zone, 0).effective)
    return Micrometres(depth), Millihertz(rate)


def check_depth(sources: Sources, wanted_um: int, rate_mhz: int) -> Granted | Denied:
    """Whether a depth in µm may be set at a rate in mHz; on the pen's step, rounded toward shallow."""
    if sources.pen is None:
        return Denied("mechanical", "No pen is connected. Nothing changed.")
    return _check(
        depth_limit(sources, rate_mhz), wanted_um, sources.pen.depth_min_um, sources.pen.depth_step_um, "shallow"
    )


def check_rate(sources: Sources, wanted_mhz: int, depth_um: int) -> Granted | Denied:
    """Whether a rate in mHz may be set at a depth in µm; on the pen's step, rounded toward slow."""
    if sources.pen is None:
        return Denied("mechanical", "No pen is connected. Nothing changed.")
    return _check(
        rate_limit(sources, depth_um), wanted_mhz, sources.pen.rate_min_mhz, sources.pen.rate_step_mhz, "slow"
    )


def _check(limit: LimitSet, wanted: int, least_value: int, step: int, toward: str) -> Granted | Denied:
    show = format_mm if limit.quantity == "depth_um" else format_hz
    if wanted > limit.effective:
        # What no reason changes is named first: calibration alone always allows a little less than that.
        beyond = min(
            (layer for layer in limit.layers if layer.value is None or wanted > layer.value),
            key=lambda layer: (
                layer.layer not in ABSOLUTE,
                STRICTEST if layer.value is None else layer.value,
                layer.layer != "zone_hard",
            ),
            default=None,
        )
        name = beyond.layer if beyond else limit.limited_by
        slip = _slip(wanted, limit.effective, least_value, step)
        meant = f" Did you mean {show(slip)}?" if slip is not None else ""
        hard = ""
        if beyond is not None and beyond.layer in ABSOLUTE and beyond.layer != limit.limited_by:
            hard = f" Nobody's reason goes beyond {SPOKEN[beyond.layer]}, {show(beyond.value)}."
        return Denied(name, f"{show(wanted)} was refused and nothing changed. {limit.sentence}{hard}{meant}")
    value = toward_shallow(wanted, step)
    if value < least_value or value == 0:
        smallest = toward_shallow(least_value + step - 1, step) or step
        return Denied(
            "mechanical",
            f"{show(wanted)} was refused and nothing changed: the least this pen sets is {show(smallest)}.",
        )
    note = (
        "" if value == wanted else f"{show(wanted)} asked, {show(value)} set: the pen's step, rounded toward {toward}"
    )
    if note and limit.quantity == "rate_mhz" and wanted % 100:
        note = f"{wanted / 1000:g} Hz asked, {show(value)} set: the pen's step, rounded toward {toward}"
    return Granted(value, note)


def _slip(wanted: int, most: int, least_value: int, step: int) -> int | None:
    """The tenth of a refused value, where that could have been meant: a decimal point one place too far right."""
    tenth = wanted // 10
    return tenth if wanted % 10 == 0 and least_value <= tenth <= most and tenth % step == 0 else None
