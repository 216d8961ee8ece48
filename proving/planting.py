"""Planting a defect: put into the running program from outside, and taken out again.

None of them is a flag of the product: a defect replaces one function or method for as long as the context lasts.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

Plant = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Defect:
    """One planted defect: ``where`` it is, what it does, how it is planted.

    ``test`` names a test where a campaign cannot see a defect in principle, and ``why`` says why.
    """

    name: str
    where: str
    what: str
    plant: Plant
    test: str = ""
    why: str = ""


@contextmanager
def planted(*changes: tuple[Any, str, Any]) -> Iterator[None]:
    """Replaces attributes for as long as the context lasts: (owner, name, what makes the new one of the original)."""
    with ExitStack() as undo:
        for owner, name, make in changes:
            original = owner.__dict__[name]
            setattr(owner, name, make(original))
            undo.callback(setattr, owner, name, original)
        yield
