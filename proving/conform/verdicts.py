"""What came of the checks: of each part, of each clause, of the pen."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag, StrEnum
from typing import Any

from firmware_bridge.wire.fields import fields_of
from firmware_bridge.wire.messages import ROW_OF_TYPE, Fault, Interlock, PenState, Refusal, Status, Welcome
from proving.conform.clauses import CLAUSES


class Unmet(Exception):
    """The pen did something else than its clause demands."""

    def __init__(self, expected: str, seen: str) -> None:
        super().__init__(f"expected {expected}; seen: {seen}")
        self.expected = expected
        self.seen = seen


class NotTried(Exception):
    """A check cannot be made on this pen, or not as it was asked for; the message says why."""


class Verdict(StrEnum):
    """Of a part and of a clause. Only a clause is ``IN_PART``: what was tried of it passed, and not all was tried."""

    PASS = "pass"  # noqa: S105 not a password
    IN_PART = "in part"
    FAIL = "FAIL"
    NOT_TRIED = "not tried"


@dataclass(frozen=True, slots=True)
class Part:
    """One check of a clause. ``expected`` and ``seen`` are empty unless it failed, ``why`` unless it was not tried."""

    clause: str
    title: str
    verdict: Verdict
    expected: str = ""
    seen: str = ""
    why: str = ""
    took_ms: int = 0


@dataclass(frozen=True, slots=True)
class ClauseVerdict:
    """What came of a clause: FAIL when a part of it failed, pass when all passed, in part when some passed and the rest
    was not tried, not tried when nothing was."""

    clause: str
    title: str
    parts: tuple[Part, ...]

    @property
    def verdict(self) -> Verdict:
        """One word for all parts."""
        found = {part.verdict for part in self.parts}
        if Verdict.FAIL in found:
            return Verdict.FAIL
        if Verdict.PASS not in found:
            return Verdict.NOT_TRIED
        return Verdict.IN_PART if Verdict.NOT_TRIED in found else Verdict.PASS


@dataclass(frozen=True, slots=True)
class Report:
    """Of a pen. ``welcome`` is what it said of itself, None when it did not; ``stopped`` says whether it confirmed the
    STOP at the end; ``interrupted`` why the run ended early, empty when it did not."""

    url: str
    welcome: Welcome | None
    clauses: tuple[ClauseVerdict, ...]
    stopped: bool
    interrupted: str = ""

    def count(self, verdict: Verdict) -> int:
        """How many clauses came to this."""
        return sum(clause.verdict is verdict for clause in self.clauses)

    @property
    def in_part(self) -> tuple[str, ...]:
        """The clauses of which some was not tried and the rest passed."""
        return tuple(clause.clause for clause in self.clauses if clause.verdict is Verdict.IN_PART)

    @property
    def passed(self) -> int:
        """How many clauses passed, those in part among them."""
        return self.count(Verdict.PASS) + len(self.in_part)

    @property
    def nothing_tried(self) -> bool:
        """The run ended before the first check."""
        return self.count(Verdict.NOT_TRIED) == len(self.clauses)

    @property
    def conforms(self) -> bool:
        """No clause failed, and the run came to its end. What was not tried is not known."""
        return not self.count(Verdict.FAIL) and not self.interrupted


def by_clause(parts: Sequence[Part], clauses: Sequence[str] = tuple(CLAUSES)) -> tuple[ClauseVerdict, ...]:
    """A verdict for each of these clauses, in their order; one without a part was not tried."""
    return tuple(
        ClauseVerdict(name, CLAUSES[name], tuple(part for part in parts if part.clause == name)) for name in clauses
    )


def name_of(names: type[IntEnum] | type[IntFlag], value: int) -> str:
    """The name a number has in the protocol, or the number itself."""
    try:
        found = names(value)
    except ValueError:
        return str(value)
    if isinstance(found, IntFlag):
        return "|".join(flag.name or str(int(flag)) for flag in found) or "none"
    return found.name


def told(seen: object) -> str:
    """What was seen, for a person: a message by its fields, numbers by their names, of a STATUS what decides."""
    if isinstance(seen, Status):
        return (
            f"STATUS at {seen.pen_time_ms} ms: lease {seen.lease}, tick {seen.tick}, "
            f"refusal {name_of(Refusal, seen.refusal)}, {name_of(PenState, seen.state)}, "
            f"faults {name_of(Fault, seen.faults)}, {name_of(Interlock, seen.interlocks)}"
        )
    if type(seen) in ROW_OF_TYPE and isinstance(seen, tuple):
        return f"{type(seen).__name__.upper()} " + ", ".join(_field(seen, name) for name in fields_of(type(seen)))
    if isinstance(seen, list | tuple) and any(type(one) in ROW_OF_TYPE for one in seen):
        return "; ".join(told(one) for one in seen)
    return str(seen)


def _field(message: Any, name: str) -> str:
    value, field = getattr(message, name), fields_of(message.__class__)[name]
    if isinstance(value, bytes):
        return f"{name} {value.rstrip(bytes(1)).decode('ascii', 'replace')!r}"
    return f"{name} {name_of(field.names, value) if field.names is not None and value else value}"


def expect(holds: bool, expected: str, seen: object) -> None:
    """Raises Unmet unless it holds."""
    if not holds:
        raise Unmet(expected, told(seen))
