"""Defects of the core: what the machine decides by, and what it decides."""

from itertools import count
from typing import Any

from controller import (
    after_step,
    arming,
    closed_loop,
    commands,
    envelope,
    fitness,
    machine,
    preparing,
    readiness,
    starting,
)
from controller.alarms import AlarmBook
from controller.dose import DoseTally
from controller.envelope import Granted
from controller.evolving import replace
from controller.pen_kept import PenRules, Standing
from controller.state import MachineState, Phase, SendSetpoint, SendStop, Step
from firmware_bridge.snapshot import PenSnapshot
from firmware_bridge.wire.messages import PenState
from proving.planting import Defect, planted

Original = Any


def _rounded_up(_original: Original) -> Original:
    return lambda value, step: value + -value % step


def _override_kept(original: Original) -> Original:
    def changed(value: Any, **changes: Any) -> Any:
        if "zone" in changes and "override_um" in changes:
            del changes["override_reason"], changes["override_um"]
        return original(value, **changes)

    return changed


def _override_wide(original: Original) -> Original:
    def changed(value: Any, **changes: Any) -> Any:
        if changes.get("override_um"):
            changes["override_um"] = 10**6
        return original(value, **changes)

    return changed


def _approved_everywhere(original: Original) -> Original:
    def approved(state: MachineState, given: Any, now_ms: int) -> Any:
        zones = (
            tuple(state.plan.zones) if state.plan is not None and given.zones[0] in state.plan.zones else given.zones
        )
        return original(state, given.model_copy(update={"zones": zones}), now_ms)

    return approved


def _uncertainty_added(_original: Original) -> Original:
    def calibrated(base_um: int, calibration: Any) -> int:
        room = base_um - calibration.depth_offset_um + calibration.depth_uncertainty_um
        return max(0, int(room * envelope.PPM // calibration.depth_gain_ppm))

    return calibrated


def _layer(*names: str) -> Original:
    """The layers of these names are as wide as can be."""

    def make(original: Original) -> Original:
        def layers(sources: Any, other: int) -> Any:
            found = original(sources, other)
            return tuple(
                layer.model_copy(update={"value": 10**7}) if layer.layer in names and layer.value is not None else layer
                for layer in found
            )

        return layers

    return make


def _inspected(**changes: Any) -> Original:
    """What was read from the pen is judged as if it were otherwise."""

    def make(original: Original) -> Original:
        def judge(*known: Any) -> Any:
            *others, given = known
            update: dict[str, Any] = {}
            for name, value in changes.items():
                part, _, field = name.partition("__")
                kept = getattr(given, part)
                update[part] = value if not field else kept and kept.model_copy(update={field: value})
            return original(*others, given.model_copy(update=update))

        return judge

    return make


def _checklist_open(original: Original) -> Original:
    return lambda state, plan: original(state, plan.model_copy(update={"missing": ()}))


def _pause_drives(original: Original) -> Original:
    def desired(state: MachineState) -> Any:
        wanted = original(state)
        if isinstance(wanted, SendSetpoint) and wanted.depth_um and wanted.rate_mhz:
            return replace(wanted, motor=True)
        return wanted

    return desired


def _presses_restart(original: Original) -> Original:
    def presses(state: MachineState, before: PenSnapshot | None, seen: PenSnapshot, now_ms: int) -> Any:
        if before is not None and before.state is PenState.RUNNING:
            before = replace(before, state=PenState.ARMED)
        return original(state, before, seen, now_ms)

    return presses


def _arms_uncleared(original: Original) -> Original:
    def arm_asked(state: MachineState, now_ms: int) -> Any:
        if state.phase is Phase.INTERRUPTED:
            state = replace(state, phase=Phase.PREPARED, latched=())
        return original(state, now_ms)

    return arm_asked


def _without_alarm(name: str) -> Original:
    def make(original: Original) -> Original:
        def conditions(state: MachineState, now_ms: int) -> Any:
            state, holding = original(state, now_ms)
            return state, {alarm: detail for alarm, detail in holding.items() if alarm != name}

        return conditions

    return make


def _not_latched(original: Original) -> Original:
    def observe(self: AlarmBook, holding: dict[str, str], now_ms: int) -> Any:
        return original(AlarmBook(tuple(alarm for alarm in self.active if alarm.name in holding)), holding, now_ms)

    return observe


def _stop_ignored(phase: Phase) -> Original:
    def make(original: Original) -> Original:
        return lambda state, given, now_ms: Step(state) if state.phase is phase else original(state, given, now_ms)

    return make


def _clamped(original: Original) -> Original:
    def check(sources: Any, wanted: int, other: int) -> Any:
        limit_um = envelope.depth_limit(sources, other).effective
        return Granted(limit_um, "") if wanted > limit_um else original(sources, wanted, other)

    return check


def _deeper_at_once(original: Original) -> Original:
    def declare(state: MachineState, given: Any, now_ms: int) -> Any:
        if state.phase is not Phase.TREATING:
            return original(state, given, now_ms)
        made = original(replace(state, phase=Phase.PAUSED), given, now_ms)
        return replace(made, state=replace(made.state, phase=Phase.TREATING))

    return declare


def _doubled(original: Original) -> Original:
    def add(self: DoseTally, before: PenSnapshot, after: PenSnapshot, needles: int | None) -> DoseTally:
        once: DoseTally = original(self, before, after, needles)
        return replace(once, strokes=once.strokes + once.strokes - self.strokes)

    return add


def _forgetful(original: Original) -> Original:
    counted = count()

    def tick(state: MachineState, now_ms: int) -> Step:
        made: Step = original(state, now_ms)
        return Step(made.state, None) if next(counted) % 1000 == 999 else made

    return tick


def _limit_of_before(original: Original) -> Original:
    def change(state: MachineState, *given: Any, **named: Any) -> Any:
        made = original(state, *given, **named)
        return replace(made, state=replace(made.state, depth_commanded_um=made.state.depth_commanded_um + 50))

    return change


_ENVELOPE = "tests/controller/test_envelope.py"

CORE = (
    Defect("limit rounded up", "core", "limits and values are rounded toward deep",
           lambda: planted((envelope, "toward_shallow", _rounded_up))),
    Defect("override kept", "core", "a reason given in one zone goes on in the next",
           lambda: planted((commands, "replace", _override_kept)),
           test="tests/safety/test_use_errors.py::"
                "test_a_reason_given_for_one_zone_opens_no_other_and_does_not_come_back_with_the_first",
           why="few zones have room between another zone's reason and their hard limit, and stories seldom go there"),
    Defect("uncertainty added", "core", "the calibration's uncertainty widens the limit",
           lambda: planted((envelope, "calibrated_depth_um", _uncertainty_added))),
    Defect("no calibration layer", "core", "the calibration limits nothing",
           lambda: planted((envelope, "depth_layers", _layer("calibration")))),
    Defect("no soft limit", "core", "beyond the soft limit no reason is asked for",
           lambda: planted((envelope, "depth_layers", _layer("zone_soft")))),
    Defect("no operator's scope", "core", "the operator's scope limits nothing",
           lambda: planted((envelope, "depth_layers", _layer("operator")))),
    Defect("no zone rate", "core", "the zone does not limit the rate",
           lambda: planted((envelope, "rate_layers", _layer("zone_hard", "calibration")))),
    Defect("unknown ignored", "core", "a layer that is not known is left out",
           lambda: planted((envelope, "least", lambda original: lambda quantity, layers, step: original(
               quantity, tuple(layer for layer in layers if layer.value is not None), step))),
           test=f"{_ENVELOPE}::test_what_is_unknown_counts_as_its_strictest",
           why="what is unknown is refused before arming, so no lease is ever limited by it"),
    Defect("lease ceilings too wide", "core", "a lease is asked for with all the pen can do",
           lambda: planted((arming, "lease_ceilings", lambda _original: lambda sources, _zones: (
               sources.pen.depth_max_um, sources.pen.rate_max_mhz))),
           test="tests/proving/test_defects.py::test_a_lease_is_asked_for_with_no_more_than_the_plan_needs",
           why="the host stays within its limits; only a host gone mad would meet the ceilings"),
    Defect("used cartridge accepted", "core", "a cartridge that was used before is armed",
           lambda: planted((readiness, "_cartridge", _inspected(cartridge_used=False)))),
    Defect("expired cartridge accepted", "core", "a cartridge out of date is armed",
           lambda: planted((readiness, "_cartridge", _inspected(cartridge__expiry=None)))),
    Defect("calibration due accepted", "core", "a pen whose calibration was due is armed",
           lambda: planted((readiness, "calibration_row", _inspected(calibration__due_on="2099-01-01")))),
    Defect("clinic's interval ignored", "core", "a calibration is as good as its own date, whatever the clinic says",
           lambda: planted((fitness, "due", lambda original: lambda made, counted, rules, today: original(
               made, counted, rules.model_copy(update={"interval_days": None}), today)))),
    Defect("use ignored", "core", "what the pen counted ends no calibration",
           lambda: planted((fitness, "due", lambda original: lambda made, _counted, rules, today: original(
               made, None, rules, today))),
           test="tests/controller/test_fitness.py::test_what_the_pen_counted_ends_its_calibration",
           why="the pens of stories count nothing over their lives, which are a minute long"),
    Defect("quarantine ignored", "core", "a pen in quarantine is armed",
           lambda: planted((readiness, "quarantine_row", lambda original: lambda kept: original(
               kept and kept.model_copy(update={"standing": Standing()}))))),
    Defect("any firmware", "core", "a pen is armed whatever version it runs",
           lambda: planted((readiness, "firmware_row", lambda original: lambda kept, pen: original(
               kept and kept.model_copy(update={"rules": PenRules()}), pen)))),
    Defect("checklist not asked", "core", "a pen is armed with the checklist open",
           lambda: planted((readiness, "_paper", _checklist_open))),
    Defect("pause keeps the motor", "core", "a pause is told and the motor stays on",
           lambda: planted((machine, "desired", _pause_drives), (commands, "desired", _pause_drives))),
    Defect("press restarts", "core", "a press on a running pen starts what was paused in that moment",
           lambda: planted((machine, "_presses", _presses_restart))),
    Defect("arms uncleared", "core", "an interrupted treatment is armed again without anybody clearing it",
           lambda: planted((arming, "arm_asked", _arms_uncleared))),
    Defect("retract alarm missing", "core", "needles that stay out raise no alarm",
           lambda: planted((after_step, "_conditions", _without_alarm("retract_failed")),
                           (machine, "_FAULT_ALARMS", lambda original: original[:3]))),
    Defect("unconfirmed STOP untold", "core", "a STOP that is not confirmed raises no alarm",
           lambda: planted((after_step, "_conditions", _without_alarm("stop_not_confirmed")))),
    Defect("alarm not latched", "core", "an alarm goes when its cause does",
           lambda: planted((AlarmBook, "observe", _not_latched))),
    Defect("stale status accepted", "core", "the host goes on with what it last heard",
           lambda: planted((machine, "stale", lambda _original: lambda _state, _now_ms: False),
                           (after_step, "stale", lambda _original: lambda _state, _now_ms: False),
                           (starting, "stale", lambda _original: lambda _state, _now_ms: False))),
    Defect("STOP ignored while arming", "core", "STOP does nothing while the pen is being armed",
           lambda: planted((commands, "_stop", _stop_ignored(Phase.ARMING)))),
    Defect("STOP ignored while paused", "core", "STOP does nothing while the motor is off",
           lambda: planted((commands, "_stop", _stop_ignored(Phase.PAUSED)))),
    Defect("silent clamp", "core", "what is too deep is set to the limit, and nobody is told",
           lambda: planted((commands, "check_depth", _clamped))),
    Defect("deeper zone at once", "core", "a deeper zone is taken while treating",
           lambda: planted((commands, "_declare_zone", _deeper_at_once))),
    Defect("commanded one step deeper", "core", "what is set is one step deeper than what was granted",
           lambda: planted((commands, "_changed", _limit_of_before))),
    Defect("record not needed", "core", "a journal that fails stops nothing",
           lambda: planted((machine, "_journal", lambda _original: lambda state, _given, _now_ms: Step(state)))),
    Defect("seat not needed", "core", "whoever has the seat, the treatment goes on",
           lambda: planted((MachineState, "attended", lambda _original: property(lambda _state: True)))),
    Defect("lost link untold", "core", "a link that goes while armed interrupts nothing",
           lambda: planted((machine, "_lose", lambda _original: lambda state, _cause, _now_ms: Step(
               replace(state, phase=Phase.PREPARED, lease=0), SendStop())))),
    Defect("dose counted twice", "core", "strokes count double",
           lambda: planted((DoseTally, "add", _doubled))),
    Defect("a reason for any depth", "core", "one reason opens everything up to the hard limit",
           lambda: planted((commands, "replace", _override_wide)),
           test="tests/controller/test_unasked.py::"
                "test_a_reason_is_good_for_the_depth_it_was_given_for_and_not_for_more",
           why="few zones have room between a reason's depth and their hard limit, and stories seldom go there"),
    Defect("approval of another zone", "core", "an approval at the chair widens every zone",
           lambda: planted((preparing, "approved", _approved_everywhere)),
           test="tests/controller/test_visits.py::test_each_approval_counts_wherever_the_depth_came_from",
           why="stories seldom go from an approved zone to another and set there what only the approval allows"),
    Defect("runs unasked untold", "core", "a pen that runs though nobody asked is left running",
           lambda: planted((machine, "_runs_unasked", lambda _original: lambda _state: False)),
           test="tests/controller/test_unasked.py::test_a_pen_that_says_it_runs_is_stopped_whatever_stands",
           why="the simulated firmware runs on nobody's wish but the host's"),
    Defect("withdrawal goes on", "core", "after a pause the motor stays on",
           lambda: planted((closed_loop, "advance", lambda _original: lambda state, _now_ms: state.loop))),
    Defect("exchange keeps the lease", "core", "a cartridge is said to be exchanged and the pen stays armed",
           lambda: planted((preparing, "disarm", lambda _original: lambda state, *_given: Step(state)))),
    Defect("decisions by a hidden count", "core", "a decision depends on something that is not journalled",
           lambda: planted((machine, "_tick", _forgetful))),
)  # fmt: skip
