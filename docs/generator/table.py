"""What the message table says, as the generators need it: structures, C names, and the meanings of enum members."""

import ast
import inspect
import re
import tokenize
from collections.abc import Mapping
from enum import IntEnum, IntFlag
from functools import cache
from io import StringIO
from typing import Any

from firmware_bridge.wire import messages
from firmware_bridge.wire.fields import REST, Field, fields_of
from firmware_bridge.wire.messages import (
    MESSAGES,
    Capability,
    Contact,
    Fault,
    Interlock,
    MessageRow,
    PenState,
    Refusal,
)
from firmware_bridge.wire.operations import OPERATIONS

AnyEnum = type[IntEnum] | type[IntFlag]

ENUMS: tuple[AnyEnum, ...] = (Capability, PenState, Fault, Interlock, Refusal, Contact)
"""Every set of names a field can have, in the order of the document."""

_ASCII = str.maketrans(
    {
        "µ": "u",
        "²": "^2",
        "³": "^3",
        "→": "->",
        "–": "-",
        "—": "-",
        "×": "x",
        "≤": "<=",
        "≥": ">=",
        "·": "*",
        "Ω": "Ohm",
    }
)


def fields_in(struct_type: Any) -> Mapping[str, Field]:
    """The fields of a message or structure of the table, in wire order."""
    return fields_of(struct_type)


def ascii_text(text: str) -> str:
    """``text`` for a C comment, which any tool chain reads. Raises ValueError for a character without a spelling."""
    spelled = text.replace("2³²", "2^32").replace("°C", "degC").replace("‰", "per mille").translate(_ASCII)
    if not spelled.isascii():
        raise ValueError(f"no ASCII spelling is known for a character of {text!r}: add one to table.py")
    return spelled


def wire_name(row: MessageRow) -> str:
    """The name of a message in documents: HELLO."""
    return str(row.type.__name__).upper()


def c_name(struct_type: type) -> str:
    """The name of a structure in C, without its prefix: CartridgeData → cartridge_data."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", struct_type.__name__).lower()


def operation_structs() -> tuple[type[Any], ...]:
    """The structures operations take and return, each once, in the order of the operations; empty ones left out."""
    found: dict[type[Any], None] = {}
    for operation in OPERATIONS:
        for struct_type in (operation.arguments, operation.data):
            if fields_in(struct_type):
                found[struct_type] = None
    return tuple(found)


def message_structs() -> tuple[type[Any], ...]:
    """The messages that have fields, in the order of the table."""
    return tuple(row.type for row in MESSAGES if fields_in(row.type))


def fixed_size(struct_type: type) -> int:
    """Bytes of the payload without its REST field: the least payload a receiver accepts."""
    return sum(field.layout.size_bytes for field in fields_in(struct_type).values())


def is_text(field: Field) -> bool:
    """Text in a fixed field."""
    return field.layout.name.startswith("text")


def rest_field(struct_type: type) -> str | None:
    """The name of the field that takes the rest of the payload, or None."""
    fields: Mapping[str, Field] = fields_in(struct_type)
    return next((name for name, field in fields.items() if field.layout is REST), None)


@cache
def _comments_of_source() -> Mapping[int, str]:
    tokens = tokenize.generate_tokens(StringIO(inspect.getsource(messages)).readline)
    return {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}


@cache
def member_meanings(enum_type: AnyEnum) -> Mapping[str, str]:
    """What each member of an enum means: the comment behind it in the table, empty where the name says all."""
    comments = _comments_of_source()
    tree = ast.parse(inspect.getsource(messages))
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == enum_type.__name__:
            lines = {
                item.targets[0].id: item.lineno
                for item in node.body
                if isinstance(item, ast.Assign) and isinstance(item.targets[0], ast.Name)
            }
            return {name: comments.get(line, "") for name, line in lines.items()}
    raise LookupError(f"{enum_type.__name__} is not in the message table")


def summary(struct_type: type) -> str:
    """The docstring of a structure in one line."""
    return " ".join((inspect.getdoc(struct_type) or "").split())
