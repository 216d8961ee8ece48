"""The C header for firmware authors, made from the message table and ``wire_template.h``."""

from collections.abc import Iterable
from enum import IntFlag
from pathlib import Path
from typing import Any

from firmware_bridge.wire import codec, framing, messages
from firmware_bridge.wire.fields import NOT_MEASURED, REST, Field
from firmware_bridge.wire.messages import MESSAGES
from firmware_bridge.wire.operations import OPERATIONS
from generator.insert import fill
from generator.table import (
    ENUMS,
    AnyEnum,
    ascii_text,
    c_name,
    fields_in,
    fixed_size,
    is_text,
    member_meanings,
    message_structs,
    operation_structs,
    rest_field,
    summary,
    wire_name,
)

TEMPLATE = Path(__file__).with_name("wire_template.h")

_C_TYPES = {"u8": "uint8_t", "u16": "uint16_t", "u32": "uint32_t", "i16": "int16_t"}


def make_header() -> str:
    """The text of ``docs/c/needlework_wire.h``."""
    return fill(
        TEMPLATE.read_text(encoding="utf-8"),
        {
            "constants": _constants(),
            "enums": "\n\n".join([_kinds(), _operations(), *(_enum(enum_type) for enum_type in ENUMS)]),
            "structs": "\n\n".join(_struct(struct_type) for struct_type in _all_structs()),
            "lists": _lists(),
            "codecs": "\n\n".join(_codec(struct_type) for struct_type in _all_structs()),
            "least_payloads": _least_payloads(),
            "crc_table": _crc_table(),
        },
        opening="/* insert: ",
        closing=" */",
    )


def _all_structs() -> tuple[type[Any], ...]:
    return message_structs() + operation_structs()


def _constants() -> str:
    inside = codec.HEAD_BYTES + codec.CRC_BYTES
    rows: list[tuple[str, str, str]] = [
        ("NW_PROTOCOL_VERSION", f"{messages.PROTOCOL_VERSION}u", "the version this header is made for"),
        ("NW_HEAD_BYTES", f"{codec.HEAD_BYTES}u", "kind and sequence"),
        ("NW_CRC_BYTES", f"{codec.CRC_BYTES}u", ""),
        ("NW_FRAME_MAX_BYTES", f"{codec.FRAME_MAX_BYTES}u", "kind to CRC, before COBS"),
        ("NW_FRAME_MAX_ARMED_BYTES", f"{codec.FRAME_MAX_ARMED_BYTES}u", "the same while a lease lives"),
        ("NW_PAYLOAD_MAX_BYTES", f"{codec.FRAME_MAX_BYTES - inside}u", ""),
        ("NW_PAYLOAD_MAX_ARMED_BYTES", f"{codec.FRAME_MAX_ARMED_BYTES - inside}u", ""),
        ("NW_WIRE_MAX_BYTES", f"{framing.WIRE_MAX_BYTES}u", "in COBS, without the closing zero"),
        ("NW_LINE_MAX_BYTES", f"{framing.WIRE_MAX_BYTES + 1}u", "in COBS, with the closing zero"),
        ("NW_DEAD_MAN_DEFAULT_MS", f"{messages.DEAD_MAN_DEFAULT_MS}u", ""),
        ("NW_OUTCOMES_KEPT", f"{messages.OUTCOMES_KEPT}u", "key and outcome pairs kept over a reboot"),
    ]
    for name, value in NOT_MEASURED.items():
        literal = "(-32767 - 1)" if value == -0x8000 else f"0x{value:X}u"
        rows.append((f"NW_NOT_MEASURED_{name.upper()}", literal, "not measured, or not known now"))
    for struct_type in _all_structs():
        rows.append(
            (f"NW_{c_name(struct_type).upper()}_SIZE", f"{fixed_size(struct_type)}u", _size_meaning(struct_type))
        )
        for name, field in fields_in(struct_type).items():
            prefix = f"NW_{c_name(struct_type).upper()}_{name.upper()}"
            if is_text(field):
                rows.append((f"{prefix}_SIZE", f"{field.layout.size_bytes}u", ""))
            if field.minimum is not None:
                rows.append((f"{prefix}_MIN", f"{field.minimum}u", field.unit))
            if field.maximum is not None:
                rows.append((f"{prefix}_MAX", f"{int(field.maximum)}u", field.unit))
    return "\n".join(_define(*row) for row in rows)


def _size_meaning(struct_type: type) -> str:
    rest = rest_field(struct_type)
    return "bytes" if rest is None else f"bytes, without {rest}"


def _define(name: str, value: str, meaning: str) -> str:
    line = f"#define {name:<42} {value}"
    return f"{line:<60} /* {ascii_text(meaning)} */" if meaning else line


def _kinds() -> str:
    lines = [
        f"    {f'NW_KIND_{wire_name(row)} = 0x{row.kind:02X},':<42} /* {ascii_text(row.direction.value)} */"
        for row in MESSAGES
    ]
    return "\n".join(["/* Kinds of frame. */", "enum nw_kind {", *lines, "};"])


def _operations() -> str:
    lines = []
    for operation in OPERATIONS:
        marks = [
            "repeatable" if operation.repeatable else "carries a key",
            "also while armed" if operation.while_armed else "refused while armed",
        ]
        if operation.capability is not None:
            marks.append(f"needs {operation.capability.name}")
        lines.append(f"    {f'NW_OPERATION_{operation.name} = 0x{operation.number:02X},':<42} /* {'; '.join(marks)} */")
    return "\n".join(["/* Operations of REQUEST. */", "enum nw_operation {", *lines, "};"])


def _enum(enum_type: AnyEnum) -> str:
    prefix = f"NW_{c_name(enum_type).upper()}"
    meanings = member_meanings(enum_type)
    head = f"/* {ascii_text(summary(enum_type))} */"
    if issubclass(enum_type, IntFlag):
        # Macros, because an enum constant has to fit an int and some processors' int has 16 bits.
        members = list(enum_type.__members__.items())
        digits = 8 if max(member for _, member in members) > 0xFFFF else 4
        lines = [_define(f"{prefix}_{name}", f"0x{member:0{digits}X}u", meanings[name]) for name, member in members]
        return "\n".join([head, *lines])
    lines = []
    for name, member in enum_type.__members__.items():
        meaning = f"/* {ascii_text(meanings[name])} */" if meanings[name] else ""
        lines.append(f"    {f'{prefix}_{name} = {member:d},':<42} {meaning}".rstrip())
    return "\n".join([head, f"enum nw_{c_name(enum_type)} {{", *lines, "};"])


def _declaration(name: str, field: Field) -> str:
    if field.layout is REST:
        return f"const uint8_t *{name};"
    if is_text(field):
        return f"char {name}[{field.layout.size_bytes + 1}];"
    return f"{_C_TYPES[field.layout.name]} {name};"


def _field_meaning(field: Field) -> str:
    parts = [field.doc]
    if field.unit:
        parts.append(f"in {field.unit}")
    if field.names is not None:
        parts.append(f"NW_{c_name(field.names).upper()}_*")
    if field.measurable:
        parts.append(f"or NW_NOT_MEASURED_{field.layout.name.upper()}")
    return ascii_text("; ".join(parts))


def _struct(struct_type: type) -> str:
    lines = [f"/* {ascii_text(summary(struct_type))} */", f"struct nw_{c_name(struct_type)} {{"]
    for name, field in fields_in(struct_type).items():
        lines.append(f"    {_declaration(name, field):<30} /* {_field_meaning(field)} */")
        if field.layout is REST:
            lines.append(f"    {f'size_t {name}_size;':<30} /* bytes of {name} */")
    return "\n".join([*lines, "};"])


def _macro(name: str, entries: Iterable[str]) -> str:
    lines = [f"#define {name}(X)", *(f"    {entry}" for entry in entries)]
    return " \\\n".join(lines)


def _lists() -> str:
    blocks = [
        _macro(
            "NW_FOR_EACH_MESSAGE",
            (f"X({wire_name(row)}, {c_name(row.type)})" for row in MESSAGES if fields_in(row.type)),
        ),
        _macro(
            "NW_FOR_EACH_OPERATION_STRUCT",
            (f"X({c_name(struct_type).upper()}, {c_name(struct_type)})" for struct_type in operation_structs()),
        ),
    ]
    for struct_type in _all_structs():
        entries = (
            f"X({'text' if is_text(field) else field.layout.name}, {name})"
            for name, field in fields_in(struct_type).items()
        )
        blocks.append(_macro(f"NW_{c_name(struct_type).upper()}_FIELDS", entries))
    return "\n\n".join(blocks)


def _codec(struct_type: type) -> str:
    return "\n\n".join([_encoder(struct_type), _decoder(struct_type), _range_check(struct_type)])


def _encoder(struct_type: type) -> str:
    name, size = c_name(struct_type), f"NW_{c_name(struct_type).upper()}_SIZE"
    rest = rest_field(struct_type)
    lines = [f"static inline int nw_{name}_encode(const struct nw_{name} *value, uint8_t *out, size_t capacity)", "{"]
    if rest is None:
        lines += [f"    if (capacity < {size}) {{", "        return -1;", "    }"]
    else:
        lines += [
            f"    if (value->{rest}_size > NW_PAYLOAD_MAX_BYTES || capacity < {size} + value->{rest}_size) {{",
            "        return -1;",
            "    }",
        ]
    offset = 0
    for field_name, field in fields_in(struct_type).items():
        if field.layout is REST:
            lines += [
                f"    for (size_t i = 0; i < value->{field_name}_size; i++) {{",
                f"        out[{size} + i] = value->{field_name}[i];",
                "    }",
            ]
        elif is_text(field):
            lines.append(f"    nw_put_text(out + {offset}, value->{field_name}, {field.layout.size_bytes}u);")
        else:
            lines.append(f"    nw_put_{field.layout.name}(out + {offset}, value->{field_name});")
        offset += field.layout.size_bytes
    result = f"(int){size}" if rest is None else f"(int)({size} + value->{rest}_size)"
    return "\n".join([*lines, f"    return {result};", "}"])


def _decoder(struct_type: type) -> str:
    name, size = c_name(struct_type), f"NW_{c_name(struct_type).upper()}_SIZE"
    lines = [
        f"static inline bool nw_{name}_decode(struct nw_{name} *value, const uint8_t *payload, size_t size)",
        "{",
        f"    if (size < {size}) {{",
        "        return false;",
        "    }",
    ]
    offset = 0
    for field_name, field in fields_in(struct_type).items():
        if field.layout is REST:
            lines += [
                f"    value->{field_name} = payload + {size};",
                f"    value->{field_name}_size = size - {size};",
            ]
        elif is_text(field):
            lines.append(f"    nw_get_text(payload + {offset}, value->{field_name}, {field.layout.size_bytes}u);")
        else:
            lines.append(f"    value->{field_name} = nw_get_{field.layout.name}(payload + {offset});")
        offset += field.layout.size_bytes
    return "\n".join([*lines, "    return true;", "}"])


def _range_check(struct_type: type) -> str:
    name = c_name(struct_type)
    conditions = []
    for field_name, field in fields_in(struct_type).items():
        condition = _condition(field_name, field)
        if condition:
            conditions.append(condition)
    head = [f"static inline bool nw_{name}_in_range(const struct nw_{name} *value)", "{"]
    if not conditions:
        return "\n".join(
            [*head, "    (void)value; /* every value the fields can hold is allowed */", "    return true;", "}"]
        )
    return "\n".join([*head, "    return " + "\n        && ".join(conditions) + ";", "}"])


def _condition(name: str, field: Field) -> str:
    """The C condition for a field, empty where its type allows no other values."""
    if field.layout is REST or is_text(field):
        return ""
    low, high = field.bounds
    gone = field.not_measured
    layout = field.layout
    # Together with "not measured" the bounds may cover all the type holds; comparing would only draw warnings.
    covered = {low, high} | ({gone} if gone is not None else set())
    if (
        min(covered) == layout.minimum
        and max(covered) == layout.maximum
        and high - low + 1 + (gone is not None) >= (layout.maximum - layout.minimum + 1)
    ):
        return ""
    suffix = "" if layout.name.startswith("i") else "u"
    parts = []
    if low > layout.minimum:
        parts.append(f"value->{name} >= {low}{suffix}")
    if high < layout.maximum:
        parts.append(f"value->{name} <= {int(high)}{suffix}")
    inside = " && ".join(parts)
    if gone is None:
        return inside
    return f"(({inside}) || value->{name} == NW_NOT_MEASURED_{layout.name.upper()})"


def _least_payloads() -> str:
    lines = []
    for row in MESSAGES:
        size = f"(int)NW_{wire_name(row)}_SIZE" if fields_in(row.type) else "0"
        lines.append(f"    case NW_KIND_{wire_name(row)}: return {size};")
    return "\n".join(lines)


def _crc_table() -> str:
    polynomial = 0xEDB88320
    values = []
    for nibble in range(16):
        value = nibble
        for _ in range(4):
            value = (value >> 1) ^ (polynomial if value & 1 else 0)
        values.append(f"0x{value:08X}u")
    return "\n".join("        " + ", ".join(values[start : start + 4]) + "," for start in range(0, 16, 4))
