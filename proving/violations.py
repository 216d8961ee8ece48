"""An invariant that does not hold."""


class Violation(Exception):
    """An invariant does not hold. ``number`` is the design's (0: a hazard's own control), ``sentence`` the facts."""

    def __init__(self, number: int, name: str, sentence: str, at_ms: int) -> None:
        super().__init__(f"invariant {number} ({name}) at {at_ms / 1000:.3f} s: {sentence}")
        self.number = number
        self.name = name
        self.sentence = sentence
        self.at_ms = at_ms

    def __reduce__(self) -> tuple[type["Violation"], tuple[int, str, str, int]]:
        """Goes from process to process whole."""
        return Violation, (self.number, self.name, self.sentence, self.at_ms)
