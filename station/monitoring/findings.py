"""What a look at this machine finds, and how much each finding matters."""

from collections.abc import Iterable
from enum import IntEnum

from pydantic import BaseModel, ConfigDict


class Level(IntEnum):
    """How much a finding matters."""

    FINE = 0
    NOTE = 1
    WARNING = 2
    PROBLEM = 3


class Finding(BaseModel):
    """One finding: what is so, what it means for a treatment or its record, and what to do; empty where nothing is."""

    model_config = ConfigDict(frozen=True)

    check: str
    level: Level
    what: str
    means: str = ""
    remedy: str = ""


def worst(findings: Iterable[Finding]) -> Level:
    """The gravest level among ``findings``."""
    return max((finding.level for finding in findings), default=Level.FINE)
