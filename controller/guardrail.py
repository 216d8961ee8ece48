"""A guardrail: the range a quantity may never leave, and the narrower one it is recommended to stay in.

The idea is LoopKit's (Guardrail.swift): that the absolute range contains the recommended one is checked when the pair
is made, so no later code has to ask.
"""

from dataclasses import dataclass
from typing import Literal

Unit = Literal["um", "mhz", "ms"]
Verdict = Literal["within", "soft", "hard"]


class GuardrailError(ValueError):
    """Bounds that contradict each other; the message says which."""


@dataclass(frozen=True, slots=True)
class Guardrail:
    """Bounds of one quantity, all in ``unit``, ends included. Raises GuardrailError unless absolute ⊇ recommended."""

    quantity: str
    unit: Unit
    recommended_max: int
    absolute_max: int
    recommended_min: int = 0
    absolute_min: int = 0

    def __post_init__(self) -> None:
        bounds = (self.absolute_min, self.recommended_min, self.recommended_max, self.absolute_max)
        if any(isinstance(bound, bool) or not isinstance(bound, int) for bound in bounds):
            raise GuardrailError(f"{self.quantity}: bounds are whole numbers of {self.unit}")
        if self.absolute_min < 0:
            raise GuardrailError(f"{self.quantity}: the lowest bound is negative")
        if self.recommended_min > self.recommended_max:
            raise GuardrailError(f"{self.quantity}: nothing lies between the recommended bounds")
        if self.recommended_max > self.absolute_max:
            raise GuardrailError(f"{self.quantity}: the soft limit is beyond the hard one")
        if self.recommended_min < self.absolute_min:
            raise GuardrailError(f"{self.quantity}: the lower soft limit is beyond the lower hard one")

    def says(self, value: int | None) -> Verdict:
        """``within`` the recommended bounds, beyond the ``soft`` ones only, or beyond the ``hard`` ones.

        What is not known (None) is beyond the hard ones: the strictest reading.
        """
        if value is None or not self.absolute_min <= value <= self.absolute_max:
            return "hard"
        return "within" if self.recommended_min <= value <= self.recommended_max else "soft"
