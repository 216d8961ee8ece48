"""What can be so at a moment of a story, and whether it is. Pure: a condition is held against a :class:`Seen`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidationError,
    model_validator,
)

from controller.alarm_table import ALARMS
from controller.datafile import DataModel, FromHz, FromMm, FromS, Id, Misplaced, misplaced, nearest, reason_of
from controller.events import Event
from controller.state import Phase
from controller.units import format_hz, format_mm
from controller.yaml_tree import shown
from firmware_bridge.wire.messages import Fault
from proving.scenario.names import known

EVENT_TYPES: dict[str, Any] = {kind.model_fields["type"].default: kind for kind in get_args(get_args(Event)[0])}
"""The models of events by their names in the record."""

Layer = Literal[
    "mechanical", "labelled", "cartridge", "zone_hard", "zone_soft", "operator", "calibration", "depth_rate_curve",
    "lease",
]  # fmt: skip
Alarm = Annotated[StrictStr, AfterValidator(known("alarm", list(ALARMS)))]
EventType = Annotated[StrictStr, AfterValidator(known("event", list(EVENT_TYPES)))]
PenFault = Annotated[StrictStr, AfterValidator(known("fault of a pen", [str(fault.name) for fault in Fault]))]


class _Range(DataModel):
    def holds(self, value: int | None) -> bool:
        """Whether a value lies within."""
        if value is None:
            return False
        least, most = self.bounds
        return (least is None or value >= least) and (most is None or value <= most)

    @property
    def bounds(self) -> tuple[int | None, int | None]:
        """Least and most, None where there is none."""
        return getattr(self, "least", None), getattr(self, "most", None)

    @model_validator(mode="after")
    def _something(self) -> Self:
        least, most = self.bounds
        if least is None and most is None:
            raise Misplaced("a range has a least or a most")
        if least is not None and most is not None and least > most:
            raise Misplaced("its least is more than its most", "least")
        return self


class Depths(_Range):
    """Depths in µm, mm in the file."""

    least: FromMm | None = None
    most: FromMm | None = None


class Rates(_Range):
    """Rates in mHz, Hz in the file."""

    least: FromHz | None = None
    most: FromHz | None = None


class Times(_Range):
    """Times in ms, seconds in the file."""

    least: FromS | None = None
    most: FromS | None = None


class Counts(_Range):
    """Whole numbers."""

    least: StrictInt | None = None
    most: StrictInt | None = None


def _never(kind: type[BaseModel], name: str, value: object) -> str | None:
    """Why a field of an event cannot have that value, None when it can."""
    try:
        kind.model_validate({name: value})
    except ValidationError as error:  # the other fields are missing, at least
        return next((reason_of(one) for one in error.errors(include_url=False) if one["loc"][:1] == (name,)), None)
    return None


class Journalled(DataModel):
    """An event in the record since the last thing that was done, with these fields."""

    type: EventType
    fields: dict[StrictStr, StrictStr | StrictInt | StrictBool] = Field(default_factory=dict, alias="with")

    @model_validator(mode="after")
    def _fields_exist(self) -> Self:
        kind = EVENT_TYPES[self.type]
        names, wrong = list(kind.model_fields), []
        for name, value in self.fields.items():
            if name not in names:
                wrong.append(Misplaced(f"{self.type} has no field {shown(name)}. {nearest(name, names)}", "with", name))
            elif (reason := _never(kind, name, value)) is not None:
                wrong.append(Misplaced(f"{name} of {self.type} is never {shown(value)}: {reason}", "with", name))
        if wrong:
            raise misplaced(wrong)
        return self

    def matches(self, event: Event) -> bool:
        """Whether it is this one."""
        return event.type == self.type and all(getattr(event, name) == value for name, value in self.fields.items())


class Condition(DataModel):
    """All that is said has to be so at once. *True* is what motor and needles really do; *measured* what the pen says.

    ``alarm`` is active, ``no_alarm`` is not (*any*: none is). ``treated_s`` is the time on skin in the declared zone.
    ``outcome`` is of the session that was closed last, ``event`` stands in the record since the last thing done,
    ``no_event`` does not.
    """

    phase: Phase | None = None
    link: Literal["up", "down"] | None = None
    session: Literal["open", "closed"] | None = None
    outcome: Literal["completed", "stopped", "interrupted"] | None = None
    zone: Id | None = None
    alarm: Alarm | None = None
    no_alarm: Alarm | Literal["any"] | None = None
    pen_fault: PenFault | Literal["none"] | None = None
    motor: Literal["on", "off"] | None = None
    needles: Literal["out", "in"] | None = None
    depth_commanded_um: FromMm | None = Field(default=None, alias="depth_commanded_mm")
    depth_measured_um: Depths | None = Field(default=None, alias="depth_measured_mm")
    depth_true_um: Depths | None = Field(default=None, alias="depth_true_mm")
    rate_commanded_mhz: FromHz | None = Field(default=None, alias="rate_commanded_hz")
    rate_measured_mhz: Rates | None = Field(default=None, alias="rate_measured_hz")
    rate_true_mhz: Rates | None = Field(default=None, alias="rate_true_hz")
    depth_limit_um: FromMm | None = Field(default=None, alias="depth_limit_mm")
    limited_by: Layer | None = None
    treated_ms: Times | None = Field(default=None, alias="treated_s")
    strokes: Counts | None = None
    event: Journalled | None = None
    no_event: Journalled | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise Misplaced("an expectation says at least one thing")
        return self

    @property
    def of_record(self) -> bool:
        """Whether the record has to be looked at."""
        return self.event is not None or self.no_event is not None or self.outcome is not None


@dataclass(frozen=True, slots=True)
class Seen:
    """What is so at ``now_ms`` of a story. ``events`` are those since the last thing that was done."""

    now_ms: int
    phase: str
    link_up: bool
    session_open: bool
    outcome: str | None
    zone: str
    alarms: tuple[str, ...]
    pen_faults: tuple[str, ...]
    motor_driven: bool
    needles_out: bool
    depth_commanded_um: int
    depth_measured_um: int | None
    depth_true_um: int
    rate_commanded_mhz: int
    rate_measured_mhz: int | None
    rate_true_mhz: int
    depth_limit_um: int | None
    limited_by: str
    treated_ms: int
    strokes: int | None
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Clause:
    """One thing that has to be so: in words, whether it is, and what is instead."""

    expected: str
    holds: Callable[[Seen], bool]
    instead: Callable[[Seen], str]


def clauses(condition: Condition) -> tuple[Clause, ...]:
    """What a condition asks for, one by one."""
    return (*_plain(condition), *_alarms(condition), *_events(condition))


def _plain(condition: Condition) -> Iterator[Clause]:
    for name, what, say in _EQUAL:
        wanted = getattr(condition, name)
        if wanted is not None:
            yield _equal(wanted, what, say, _IS[name])
    for name, what, say in _WITHIN:
        wanted = getattr(condition, name)
        if wanted is not None:
            yield _within(wanted, what, say, name)


def _equal(wanted: Any, what: str, say: Callable[[Any], str], is_so: Callable[[Seen], Any]) -> Clause:
    return Clause(
        f"{what} {say(wanted)}", lambda seen: bool(is_so(seen) == wanted), lambda seen: f"{what} {say(is_so(seen))}"
    )


def _within(wanted: _Range, what: str, say: Callable[[Any], str], name: str) -> Clause:
    return Clause(
        f"{what} {_between(wanted, say)}",
        lambda seen: wanted.holds(getattr(seen, name)),
        lambda seen: f"{what} {say(getattr(seen, name))}",
    )


def _alarms(condition: Condition) -> Iterator[Clause]:
    alarm, none, fault = condition.alarm, condition.no_alarm, condition.pen_fault
    if alarm is not None:
        yield Clause(f"the alarm {alarm}", lambda seen: alarm in seen.alarms, _active)
    if none == "any":
        yield Clause("no alarm", lambda seen: not seen.alarms, _active)
    elif none is not None:
        yield Clause(f"no alarm {none}", lambda seen: none not in seen.alarms, _active)
    if fault == "none":
        yield Clause("no fault of the pen", lambda seen: not seen.pen_faults, _faults)
    elif fault is not None:
        yield Clause(f"the pen's fault {fault}", lambda seen: fault in seen.pen_faults, _faults)


def _active(seen: Seen) -> str:
    return f"active: {', '.join(seen.alarms)}" if seen.alarms else "no alarm is active"


def _faults(seen: Seen) -> str:
    return f"faults of the pen: {', '.join(seen.pen_faults) or 'none'}"


def _events(condition: Condition) -> Iterator[Clause]:
    wanted, unwanted = condition.event, condition.no_event
    if wanted is not None:
        yield Clause(
            f"the event {_wanted(wanted)}",
            lambda seen: any(wanted.matches(event) for event in seen.events),
            lambda seen: _in_record(seen, wanted),
        )
    if unwanted is not None:
        yield Clause(
            f"no event {_wanted(unwanted)}",
            lambda seen: not any(unwanted.matches(event) for event in seen.events),
            lambda _seen: "it is in the record",
        )


def _in_record(seen: Seen, wanted: Journalled) -> str:
    same = [event for event in seen.events if event.type == wanted.type]
    if same:
        fields = ", ".join(f"{name} {getattr(same[-1], name)}" for name in wanted.fields)
        return f"in the record: {wanted.type} with {fields}"
    others = dict.fromkeys(event.type for event in seen.events if event.type != "input_chunk")
    return f"in the record since: {', '.join(others) or 'nothing'}"


def _wanted(wanted: Journalled) -> str:
    fields = ", ".join(f"{name} {value}" for name, value in wanted.fields.items())
    return f"{wanted.type} with {fields}" if fields else wanted.type


def _between(wanted: _Range, say: Callable[[Any], str]) -> str:
    least, most = wanted.bounds
    if least is None:
        return f"of at most {say(most)}"
    return f"of at least {say(least)}" if most is None else f"between {say(least)} and {say(most)}"


def _seconds(time_ms: int | None) -> str:
    return "unknown" if time_ms is None else f"{time_ms / 1000:g} s"


_IS: dict[str, Callable[[Seen], Any]] = {
    "phase": lambda seen: seen.phase,
    "link": lambda seen: "up" if seen.link_up else "down",
    "session": lambda seen: "open" if seen.session_open else "closed",
    "outcome": lambda seen: seen.outcome,
    "zone": lambda seen: seen.zone,
    "motor": lambda seen: "on" if seen.motor_driven else "off",
    "needles": lambda seen: "out" if seen.needles_out else "in",
    "depth_commanded_um": lambda seen: seen.depth_commanded_um,
    "rate_commanded_mhz": lambda seen: seen.rate_commanded_mhz,
    "depth_limit_um": lambda seen: seen.depth_limit_um,
    "limited_by": lambda seen: seen.limited_by,
}
_EQUAL: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("phase", "the phase", str), ("link", "the link", str), ("session", "the session", str),
    ("outcome", "the outcome", lambda outcome: outcome or "unknown: no session was closed"),
    ("zone", "the zone", str), ("motor", "the motor", str), ("needles", "the needles", str),
    ("depth_commanded_um", "commanded depth", format_mm), ("rate_commanded_mhz", "commanded rate", format_hz),
    ("depth_limit_um", "the depth limit", format_mm), ("limited_by", "the layer that limits is", str),
)  # fmt: skip
_WITHIN: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("depth_measured_um", "a measured protrusion", format_mm), ("depth_true_um", "a true protrusion", format_mm),
    ("rate_measured_mhz", "a measured rate", format_hz), ("rate_true_mhz", "a true rate", format_hz),
    ("treated_ms", "time on skin", _seconds), ("strokes", "strokes", str),
)  # fmt: skip
