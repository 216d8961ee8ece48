"""What a campaign came across: a campaign that never got anywhere finds nothing and proves nothing."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from controller.state import Phase
from proving.stories import FAULTS, OPERATOR_ACTS


@dataclass(slots=True)
class Coverage:
    """Counts over stories. Times in simulated ms."""

    stories: int = 0
    simulated_ms: int = 0
    motor_on_ms: int = 0
    setpoints: int = 0
    statuses: int = 0
    leases: int = 0
    phases: Counter[str] = field(default_factory=Counter)
    acts: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    faults_in_phase: Counter[tuple[str, str]] = field(default_factory=Counter)
    alarms: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    pen_faults: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Coverage") -> None:
        """Adds what another run came across."""
        for name in ("stories", "simulated_ms", "motor_on_ms", "setpoints", "statuses", "leases"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("phases", "acts", "faults", "faults_in_phase", "alarms", "refusals", "pen_faults"):
            getattr(self, name).update(getattr(other, name))

    @property
    def missing(self) -> list[str]:
        """Phases that were never reached and acts and faults that never happened."""
        never = [f"phase {phase}" for phase in Phase if not self.phases[phase]]
        never += [f"act {act}" for act in OPERATOR_ACTS if not self.acts[act]]
        return never + [f"fault {fault}" for fault in FAULTS if not self.faults[fault]]

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "stories": self.stories,
            "simulated_s": self.simulated_ms / 1000,
            "motor_on_s": self.motor_on_ms / 1000,
            "setpoints": self.setpoints,
            "statuses": self.statuses,
            "leases": self.leases,
            "phases": dict(self.phases),
            "acts": dict(self.acts),
            "faults": dict(self.faults),
            "faults_by_phase": {f"{fault} while {phase}": n for (fault, phase), n in self.faults_in_phase.items()},
            "alarms": dict(self.alarms),
            "refusals": dict(self.refusals),
            "pen_faults": dict(self.pen_faults),
            "missing": self.missing,
        }
