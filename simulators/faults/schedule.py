"""Schedules of faults: when which one comes, and for how long. Data; made by hand, or from a seed."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from random import Random

from simulators.errors import BadParameter
from simulators.faults.catalogue import CATALOGUE, fault_named
from simulators.faults.injector import Injector
from simulators.faults.kinds import FaultKind, Value

FOR_MIN_MS, FOR_MAX_MS = 100, 5000

TIME_MAX_MS = 24 * 60 * 60 * 1000


@dataclass(frozen=True, slots=True)
class Planned:
    """One fault of a schedule. ``at_ms`` counts from its beginning; ``for_ms`` 0 lasts until everything is cleared."""

    at_ms: int
    fault: str
    parameters: dict[str, Value] = field(default_factory=dict)
    for_ms: int = 0

    def __post_init__(self) -> None:
        """Raises UnknownFault, BadParameter."""
        fault_named(self.fault).checked(self.parameters)
        if self.at_ms < 0 or self.for_ms < 0:
            raise BadParameter(f"{self.fault} at {self.at_ms} ms for {self.for_ms} ms: a time is never negative.")

    def as_data(self) -> dict[str, object]:
        """As JSON has it."""
        return {"at_ms": self.at_ms, "fault": self.fault, "parameters": self.parameters, "for_ms": self.for_ms}


FIELDS = ("at_ms", "fault", "parameters", "for_ms")


def planned_of(data: Iterable[object]) -> "Schedule":
    """A schedule from data, as :meth:`Planned.as_data` makes it. Raises UnknownFault, BadParameter."""
    return tuple(sorted(map(_planned_of, data), key=lambda one: one.at_ms))


def _planned_of(data: object) -> Planned:
    if not isinstance(data, dict):
        raise BadParameter(f"A planned fault is an object with {', '.join(FIELDS)}, not {data!r:.40}.")
    for name in data:
        if name not in FIELDS:
            near = get_close_matches(str(name), FIELDS, n=1) or FIELDS
            raise BadParameter(f"A planned fault has no {str(name)[:40]!r}. Nearest: {', '.join(near)}.")
    name, parameters = data.get("fault"), data.get("parameters", {})
    times = [data.get("at_ms", 0), data.get("for_ms", 0)]
    if not isinstance(name, str) or not isinstance(parameters, dict):
        raise BadParameter("A planned fault names its fault, and its parameters are an object.")
    for value in times:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= TIME_MAX_MS:
            raise BadParameter(f"A time is a whole number of ms up to {TIME_MAX_MS}, not {value!r:.40}.")
    return Planned(times[0], name, parameters, times[1])


Schedule = tuple[Planned, ...]


def make_schedule(
    seed: int, *, length_ms: int, count: int, kinds: Iterable[FaultKind] = tuple(CATALOGUE.values())
) -> Schedule:
    """``count`` faults of these kinds within ``length_ms``, in the order of time: the same for the same seed."""
    random, choice = Random(f"schedule {seed}"), tuple(kinds)  # noqa: S311  # faults of a simulation
    planned = []
    for _ in range(count):
        kind = random.choice(choice)
        at_ms = random.randrange(max(length_ms, 1))
        for_ms = random.randrange(FOR_MIN_MS, FOR_MAX_MS) if kind.lasts else 0
        planned.append(Planned(at_ms, kind.name, _drawn(kind, random), min(for_ms, max(length_ms - at_ms, 1))))
    return tuple(sorted(planned, key=lambda one: one.at_ms))


def _drawn(kind: FaultKind, random: Random) -> dict[str, Value]:
    """Parameters: mostly near the default, where a fault is what its line of data says it is."""
    drawn: dict[str, Value] = {}
    for parameter in kind.parameters:
        if parameter.words:
            drawn[parameter.name] = random.choice(parameter.words)
            continue
        default = int(parameter.default)
        near = round(default * random.uniform(0.5, 2.0))
        far = random.randint(parameter.least, parameter.most)
        drawn[parameter.name] = min(max(near if random.random() < 0.9 else far, parameter.least), parameter.most)
    return drawn


Agenda = list[tuple[int, Callable[[], None]]]


def agenda(schedule: Schedule, injector: Injector, *, begin_ms: int = 0) -> Agenda:
    """What is to be done at which time, in order, for whoever makes time pass; ends with what is still there."""
    entries: Agenda = []
    for one in schedule:
        entries += _entries(one, injector, begin_ms)
    return sorted(entries, key=lambda entry: entry[0])


def _entries(one: Planned, injector: Injector, begin_ms: int) -> Agenda:
    def inject() -> None:
        fault = injector.inject(one.fault, **one.parameters)
        if one.for_ms:
            ends.append(fault.clear)

    def clear() -> None:
        for end in ends:
            end()

    ends: list[Callable[[], None]] = []
    at_ms = begin_ms + one.at_ms
    return [(at_ms, inject), (at_ms + one.for_ms, clear)] if one.for_ms else [(at_ms, inject)]
