"""What a check is, and how those of one subject are gathered."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

from proving.conform.bench import Bench
from proving.conform.clauses import CLAUSES

Body = Callable[[Bench], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing a clause demands.

    ``body`` begins with the pen at rest on a new connection, and raises Unmet where the pen does not do it, NotTried
    where it cannot be found out. ``moves`` and ``writes`` need that permission. ``best_of`` is how often a figure of
    time may be missed by a busy machine before it counts as the pen's.
    """

    clause: str
    title: str
    body: Body
    moves: bool = False
    writes: bool = False
    best_of: int = 1

    @property
    def name(self) -> str:
        """The name of the function that makes the check."""
        return getattr(self.body, "__name__", "")


class Suite:
    """The checks of one subject, in the order in which they are written."""

    def __init__(self) -> None:
        self._checks: list[Check] = []

    def __iter__(self) -> Iterator[Check]:
        return iter(self._checks)

    def check(
        self, clause: str, title: str, *, moves: bool = False, writes: bool = False, best_of: int = 1
    ) -> Callable[[Body], Body]:
        """Makes a function the check of a clause. Raises KeyError for a clause there is not."""
        _ = CLAUSES[clause]

        def add(body: Body) -> Body:
            self._checks.append(Check(clause, title, body, moves, writes, best_of))
            return body

        return add
