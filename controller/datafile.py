"""Reads the product's data files: YAML, safe, checked against a model. Every refusal names file, line and reason."""

import os
import stat
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from controller.errors import DataError
from controller.units import (
    Micrometres,
    Millihertz,
    Milliseconds,
    QuantityError,
    micrometres_from_mm,
    millihertz_from_hz,
)
from controller.yaml_tree import Tree, YamlRefused, printable, read_tree, shown

FILE_MAX_BYTES = 256_000
"""A library of every zone of the body is some 20 kB; more is a mistake or an attack. Refused from its size, unread."""

Model = TypeVar("Model", bound="DataModel")


class Misplaced(ValueError):
    """For a validator to raise: ``at`` leads from the model that is checked to the part of it that is wrong."""

    def __init__(self, reason: str, *at: str | int) -> None:
        super().__init__(reason)
        self.at = at


class DataModel(BaseModel):
    """Base of everything read from a data file: closed, so that a misspelt key is found, and immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _keys_are_known(cls, content: Any) -> Any:
        if not isinstance(content, Mapping):
            return content
        known = [field.alias or name for name, field in cls.model_fields.items()]
        for key in content:
            if key not in known:
                raise Misplaced(f"there is no key {shown(key)} here{_instead(key, known)}", key)
        return content


def _instead(key: object, known: list[str]) -> str:
    """The end of a sentence that refuses a key; a forgotten unit is the likeliest mistake, and named as such."""
    with_unit = [name for name in known if name.startswith(f"{key}_")]
    if with_unit:
        return f"; a quantity's key names its unit: {' or '.join(with_unit)}"
    return f". {nearest(str(key), known).rstrip('.')}"


def _mm(value: Any) -> Any:
    return _quantity(value, micrometres_from_mm)


def _hz(value: Any) -> Any:
    return _quantity(value, millihertz_from_hz)


def _s(value: Any) -> Any:
    return _quantity(value, _milliseconds_from_s)


def _milliseconds_from_s(duration_s: Any) -> Milliseconds:
    value = Decimal(str(duration_s)) if not isinstance(duration_s, str) else None
    if value is None or not value.is_finite():
        raise QuantityError(f"duration {shown(duration_s)} is not a number of seconds")
    if not 0 <= value <= 86_400:
        raise QuantityError(f"duration {value} s is negative or longer than a day")
    return Milliseconds(int(value * 1000))


def _quantity(value: Any, convert: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError(f"{shown(value)} is not a number")  # noqa: TRY004 - pydantic reports ValueError
    if isinstance(value, str) and len(value) > 40:
        raise ValueError(f"{shown(value)} is not a number")
    try:
        return convert(value)
    except QuantityError as error:
        raise ValueError(str(error)) from error


def _day(value: Any) -> Any:
    if type(value) is date:
        return value
    if isinstance(value, str):
        try:
            found = date.fromisoformat(value)
        except ValueError:
            pass
        else:
            if found.isoformat() == value:
                return found
    raise ValueError(f"{shown(value)} is not a date; write year, month and day as in 2026-01-31")


def _clean(text: str) -> str:
    if not text.isprintable() or not text.strip():
        raise ValueError("a text has to be one line of printable characters, not empty")
    return text


FromMm = Annotated[Micrometres, BeforeValidator(_mm)]
"""µm in memory, mm in the file."""

FromHz = Annotated[Millihertz, BeforeValidator(_hz)]
"""mHz in memory, Hz in the file."""

FromS = Annotated[Milliseconds, BeforeValidator(_s)]
"""ms in memory, seconds in the file; at most a day."""

Day = Annotated[date, BeforeValidator(_day)]
"""A calendar day, written 2026-01-31."""

Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*$", max_length=48)]
"""A name that records and command lines can carry: lower case and digits, single hyphens or underscores between."""

Words = Annotated[str, Field(max_length=400), AfterValidator(_clean)]
"""A line for people."""


def load_data(model: type[Model], path: Path | None, shipped: str) -> Model:
    """The data file at ``path``, or the one shipped under that name when None.

    Raises DataError naming the file, the line and the reason when it cannot be read or does not fit the model.
    """
    name, content = read_data(path, shipped)
    return parse_data(model, content, name)


def read_data(path: Path | None, shipped: str) -> tuple[str, bytes]:
    """Name and bytes of a data file, or of the one shipped under that name when ``path`` is None. Raises DataError."""
    if path is None:
        return shipped, (files("controller") / "data" / shipped).read_bytes()
    return str(path), read_bounded(path)


def read_bounded(path: Path) -> bytes:
    """The bytes of a regular file of a sensible size. Raises DataError, for the size before anything is read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # a pipe must not hold the start up
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be opened: {_why(error)}. Nothing was loaded.") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise DataError(f"{path}: not a regular file. Nothing was loaded.")
        if status.st_size > FILE_MAX_BYTES:
            raise DataError(
                f"{path}: {status.st_size} bytes; a data file has at most {FILE_MAX_BYTES}. Nothing was read of it."
            )
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(FILE_MAX_BYTES + 1)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {_why(error)}. Nothing was loaded.") from error
    finally:
        os.close(descriptor)
    if len(content) > FILE_MAX_BYTES:
        raise DataError(f"{path}: it grew beyond {FILE_MAX_BYTES} bytes while it was read. Nothing was loaded.")
    return content


def _why(error: OSError | ValueError) -> str:
    said = error.strerror if isinstance(error, OSError) else str(error)
    return (said or type(error).__name__).lower()


def parse_data(model: type[Model], content: bytes, name: str) -> Model:
    """What the bytes of a data file say. Pure. Raises DataError naming ``name``, the line and the reason."""
    if len(content) > FILE_MAX_BYTES:
        raise DataError(f"{name}: {len(content)} bytes; a data file has at most {FILE_MAX_BYTES}. Nothing was loaded.")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(f"{name}:{line}: not UTF-8 text. Save the file as UTF-8. Nothing was loaded.") from error
    try:
        tree = read_tree(text)
    except YamlRefused as error:
        place = name if error.line is None else f"{name}:{error.line}"
        raise DataError(f"{place}: {error.reason}. Nothing was loaded.") from error
    try:
        return model.model_validate(tree.data)
    except ValidationError as error:
        raise DataError(_sentence(name, tree, error.errors(include_url=False))) from error


def _sentence(name: str, tree: Tree, errors: Iterable[Mapping[str, Any]]) -> str:
    found = sorted((_place(tree, error) for error in errors), key=lambda place: place[0])
    line, reason = found[0]
    more = len(found) - 1
    rest = f" There {'is 1 more mistake' if more == 1 else f'are {more} more mistakes'} in it." if more else ""
    return f"{name}:{line}: {reason}{'' if reason.endswith('?') else '.'} Nothing was loaded.{rest}"


def _place(tree: Tree, error: Mapping[str, Any]) -> tuple[int, str]:
    """The line of one mistake, and where and what it is."""
    # What pydantic puts between keys, the key itself and the kind of a union's member, has brackets and no line.
    path = tuple(part for part in error["loc"] if not (isinstance(part, str) and part[:1] + part[-1:] == "[]"))
    path += getattr(error.get("ctx", {}).get("error"), "at", ())
    where = " → ".join(printable(str(part))[:48] for part in path) or "the file as a whole"
    return tree.line_of(path), f"{where}: {_reason(error)}"


def _reason(error: Mapping[str, Any]) -> str:
    kind, given = error["type"], error.get("input")
    if kind == "missing":
        return "this key is missing"
    if kind in {"model_type", "dict_type"}:
        return "keys with values are needed here" + ("" if given is None else f", not {shown(given)}")
    if kind == "string_pattern_mismatch":
        return (
            f"{shown(given)} is no name; names are lower-case letters and digits, with hyphens or underscores between"
        )
    words = printable(error["msg"]).removeprefix("Value error, ").rstrip(".")
    return words[:1].lower() + words[1:] if words.startswith("Input should") else words


def nearest(name: str, known: list[str]) -> str:
    """The end of a sentence that refuses a name: the nearest ones, or all when none is near."""
    near = get_close_matches(name, known, n=3, cutoff=0.5)
    if near:
        return f"Did you mean {' or '.join(near)}?"
    return f"There are: {', '.join(sorted(known))}." if known else "There are none."
