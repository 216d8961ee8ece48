"""What a field of a message is: its layout on the wire, its unit, its range, and what stands for "not measured".

A message is a ``NamedTuple`` whose annotations carry a :class:`Field`. Everything that handles messages (codec, range
check, documentation, C header, test vectors) reads these descriptions; no message has code of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from functools import cache
from typing import Any, get_type_hints


@dataclass(frozen=True, slots=True)
class Layout:
    """How a value lies on the wire: little-endian, no padding.

    ``code`` is the :mod:`struct` format of one value; ``size_bytes`` is 0 for the one layout of no fixed size, which
    takes all that is left of the payload and may only stand last.
    """

    name: str
    code: str
    size_bytes: int
    minimum: int = 0
    maximum: int = 0


U8 = Layout("u8", "B", 1, 0, 0xFF)
U16 = Layout("u16", "H", 2, 0, 0xFFFF)
U32 = Layout("u32", "I", 4, 0, 0xFFFF_FFFF)
I16 = Layout("i16", "h", 2, -0x8000, 0x7FFF)
REST = Layout("rest", "", 0)

NOT_MEASURED = {"u8": 0xFF, "u16": 0xFFFF, "u32": 0xFFFF_FFFF, "i16": -0x8000}
"""The value of each layout that says "this pen does not measure it" or "not known now"."""


def text(size_bytes: int) -> Layout:
    """ASCII text in a fixed field, padded with zero bytes at its end."""
    return Layout(f"text[{size_bytes}]", f"{size_bytes}s", size_bytes)


@dataclass(frozen=True, slots=True)
class Field:
    """One field: layout, meaning, unit, range, and the set of names its numbers have.

    ``minimum`` and ``maximum`` are inclusive and in ``unit``; None means the layout's own limit. A field that is
    ``measurable`` may hold the layout's *not measured* value beside its range.
    """

    layout: Layout
    doc: str
    unit: str = ""
    minimum: int | None = None
    maximum: int | None = None
    measurable: bool = False
    names: type[IntEnum] | type[IntFlag] | None = None

    @property
    def not_measured(self) -> int | None:
        """The raw value that means *not measured*, or None where the field always has a value."""
        return NOT_MEASURED[self.layout.name] if self.measurable else None

    @property
    def bounds(self) -> tuple[int, int]:
        """Least and greatest raw value allowed, *not measured* aside."""
        low = self.layout.minimum if self.minimum is None else self.minimum
        high = self.layout.maximum if self.maximum is None else self.maximum
        if self.measurable and self.maximum is None and self.layout.name.startswith("u"):
            high -= 1
        if self.measurable and self.minimum is None and self.layout.name.startswith("i"):
            low += 1
        return low, high


@cache
def fields_of(struct_type: type) -> Mapping[str, Field]:
    """The fields of a message or structure, in wire order.

    Raises TypeError when an annotation carries no :class:`Field`: a table with a hole in it must not load.
    """
    found: dict[str, Field] = {}
    for name, hint in get_type_hints(struct_type, include_extras=True).items():
        metadata: tuple[Any, ...] = getattr(hint, "__metadata__", ())
        field = next((item for item in metadata if isinstance(item, Field)), None)
        if field is None:
            raise TypeError(f"{struct_type.__name__}.{name} has no Field in its annotation")
        found[name] = field
    return found
