"""What should not be on the bus: counted by its kind, and told of without letting a flood of it flood a log."""

from collections import Counter
from collections.abc import Callable


class Suspicions:
    """Counts, and tells of the first, second, fourth, eighth … of a kind."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        """``tell`` gets a sentence for whoever looks after station or recorder."""
        self._tell = tell
        self.counts: Counter[str] = Counter()

    def note(self, kind: str, sentence: str) -> None:
        """One more of ``kind``; ``sentence`` says what it means and what to do."""
        self.counts[kind] += 1
        count = self.counts[kind]
        if count & (count - 1) == 0:
            self._tell(sentence if count == 1 else f"{sentence} ({count} of its kind since the start.)")
