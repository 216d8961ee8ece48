"""A changed copy of an immutable value, cheap enough for a value of thirty fields that changes seventy times a second.

:func:`dataclasses.replace` reads every field by its name and runs ``__init__``, which sets each through a call: most of
what a step of the machine costs. A value that keeps its fields in a dictionary (a frozen dataclass without slots) is
copied whole instead.
"""

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from dataclasses import replace as replace  # noqa: PLC0414 - for its checks of names and types
else:
    from dataclasses import replace as _any_replace

    T = TypeVar("T")

    def replace(value: T, /, **changes: Any) -> T:
        """As :func:`dataclasses.replace`, for classes whose ``__init__`` does nothing but set fields. Raises TypeError
        for a field that the class does not have."""
        kept = getattr(value, "__dict__", None)
        if not kept:
            return _any_replace(value, **changes)
        fields = kept.copy()
        fields.update(changes)
        made = object.__new__(value.__class__)
        object.__setattr__(made, "__dict__", fields)
        if len(fields) != len(kept):
            raise TypeError(f"{type(value).__name__} has no field {', '.join(sorted(set(fields) - set(kept)))}")
        return made
