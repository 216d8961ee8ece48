"""What a safety case is made of. Names and words are the file's own; their meaning is in ``docs/safety/README.md``."""

from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Sentence = Annotated[str, Field(min_length=10)]
HazardId = Annotated[str, Field(pattern=r"^H\d{2}$")]
ControlId = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
SeverityId = Annotated[str, Field(pattern=r"^S\d$")]
ProbabilityId = Annotated[str, Field(pattern=r"^P\d$")]
TestId = Annotated[str, Field(pattern=r"^tests/[\w/]+\.py::test_\w+$")]


def _inside(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError("a file is named from the top of the tree")
    return name


FileName = Annotated[str, Field(min_length=3), AfterValidator(_inside)]


class Kind(StrEnum):
    """Kinds of control, in the order of preference: what cannot happen, what is caught, what a person is told."""

    DESIGN = "design"
    GUARD = "guard"
    INFORMATION = "information"


class Verdict(StrEnum):
    """What a risk is judged as, from good to bad."""

    ACCEPTABLE = "acceptable"
    TOLERABLE = "tolerable"
    UNACCEPTABLE = "unacceptable"


class Part(BaseModel):
    """Base of every part: closed, so that a misspelt key is found, and immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Step(Part):
    """One step of a scale."""

    name: str
    means: Sentence


class Scales(Part):
    """The two scales, and what each pair of their steps is judged as: severity → probability → verdict."""

    severity: dict[SeverityId, Step] = Field(min_length=2)
    probability: dict[ProbabilityId, Step] = Field(min_length=2)
    verdict: dict[Verdict, Sentence]
    grid: dict[SeverityId, dict[ProbabilityId, Verdict]]


class Risk(Part):
    """A risk as judged."""

    severity: SeverityId
    probability: ProbabilityId
    verdict: Verdict


class Residual(Risk):
    """What is left of a risk, and why that is borne."""

    because: Sentence


class Control(Part):
    """One measure against hazards: where it is in the sources, which tests show it, which hazards it brings along."""

    kind: Kind
    text: Sentence
    where: tuple[FileName, ...] = Field(min_length=1)
    tests: tuple[TestId, ...] = ()
    brings: tuple[HazardId, ...] = ()


class Hazard(Part):
    """One hazard: how it comes about, what it does, how it is judged without and with its controls."""

    title: Sentence
    origin: Literal["software", "hardware", "use", "environment", "security"]
    cause: Sentence
    sequence: Sentence
    harm: Sentence
    before: Risk
    controls: tuple[ControlId, ...] = ()
    after: Residual


class Case(Part):
    """The safety case."""

    format: Literal["needlework-hazards/1"]
    scope: Sentence
    scales: Scales
    hazards: dict[HazardId, Hazard] = Field(min_length=1)
    controls: dict[ControlId, Control] = Field(min_length=1)

    def brought_by(self, hazard: str) -> tuple[str, ...]:
        """The controls that bring a hazard along."""
        return tuple(name for name, control in self.controls.items() if hazard in control.brings)

    def controls_of(self, hazard: str) -> tuple[tuple[str, Control], ...]:
        """A hazard's controls, those to be preferred first."""
        named = [(name, self.controls[name]) for name in self.hazards[hazard].controls if name in self.controls]
        order = list(Kind)
        return tuple(sorted(named, key=lambda pair: order.index(pair[1].kind)))
