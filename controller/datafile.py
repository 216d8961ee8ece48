"""Reads the product's data files: YAML, safe, checked against a model. Every refusal names file, line and reason."""

import os
import re
import stat
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

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

TOLD_MAX = 20
"""Most mistakes of one file that are told one by one; who has more of them begins with these."""

Model = TypeVar("Model", bound="DataModel")

Mistake = tuple[int, str]
"""Its line, and where and what it is."""


class Misplaced(ValueError):
    """For a validator to raise: ``at`` leads from the model that is checked to the part of it that is wrong."""

    def __init__(self, reason: str, *at: str | int) -> None:
        super().__init__(reason)
        self.at = at


class DataModel(BaseModel):
    """Base of everything read from a data file: closed, so that a misspelt key is found, and immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="wrap")
    @classmethod
    def _keys_are_known(cls, content: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Unknown keys are refused beside what else is wrong, but for the keys they may have been meant as."""
        if not isinstance(content, Mapping):
            return handler(content)
        known = [field.alias or name for name, field in cls.model_fields.items()]
        strange = [key for key in content if key not in known]
        if not strange:
            return handler(content)
        meant = {name for key in strange for name in _meant(str(key), known)}
        found = [
            _detail((key,), Misplaced(f"there is no key {shown(key)} here{_instead(key, known)}")) for key in strange
        ]
        try:
            handler({key: value for key, value in content.items() if key in known})
        except ValidationError as error:
            found += [
                InitErrorDetails(
                    type=PydanticCustomError(one["type"], one["msg"], one.get("ctx")),
                    loc=one["loc"],
                    input=one["input"],
                )
                for one in error.errors(include_url=False)
                if one["type"] != "missing" or one["loc"][-1] not in meant
            ]
        raise ValidationError.from_exception_data(cls.__name__, found)


def misplaced(mistakes: Sequence[Misplaced]) -> ValidationError:
    """Several mistakes for one validator to raise."""
    return ValidationError.from_exception_data("data", [_detail((), mistake) for mistake in mistakes])


def _detail(at: tuple[str | int, ...], mistake: Misplaced) -> InitErrorDetails:
    return InitErrorDetails(type="value_error", loc=at, input=None, ctx={"error": mistake})


def _meant(key: str, known: list[str]) -> list[str]:
    return [name for name in known if name.startswith(f"{key}_")] or get_close_matches(key, known, n=3, cutoff=0.5)


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
    """What the bytes of a data file say. Pure. Raises DataError naming ``name``, line and reason of each mistake."""
    tree = parse_tree(content, name)
    try:
        return model.model_validate(tree.data)
    except ValidationError as error:
        raise refused(name, mistakes_in(tree, error)) from error


def parse_tree(content: bytes, name: str) -> Tree:
    """The bytes of a data file as plain data, looked at for nothing yet but that. Pure. Raises DataError."""
    if len(content) > FILE_MAX_BYTES:
        raise DataError(f"{name}: {len(content)} bytes; a data file has at most {FILE_MAX_BYTES}. Nothing was loaded.")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(f"{name}:{line}: not UTF-8 text. Save the file as UTF-8. Nothing was loaded.") from error
    try:
        return read_tree(text)
    except YamlRefused as error:
        place = name if error.line is None else f"{name}:{error.line}"
        raise DataError(f"{place}: {error.reason}. Nothing was loaded.") from error


def mistakes_in(tree: Tree, error: ValidationError) -> list[Mistake]:
    """What does not fit the model."""
    return [_place(tree, one) for one in error.errors(include_url=False)]


def refused(name: str, mistakes: Sequence[Mistake]) -> DataError:
    """The refusal of a file, all of its mistakes in it, each on a line of its own and in the file's order."""
    found = sorted(dict.fromkeys(mistakes), key=lambda mistake: mistake[0])
    told = [f"{name}:{line}: {reason}{'' if reason[-1:] in '.?' else '.'}" for line, reason in found[:TOLD_MAX]]
    if len(found) == 1:
        return DataError(f"{told[0]} Nothing was loaded.")
    untold = f", the first {TOLD_MAX} told" if len(found) > TOLD_MAX else ""
    return DataError("\n".join([*told, f"Nothing was loaded: {len(found)} mistakes{untold}."]))


def _place(tree: Tree, error: Mapping[str, Any]) -> tuple[int, str]:
    """The line of one mistake, and where and what it is."""
    # What pydantic puts between keys, the key itself and the kind of a union's member, has brackets and no line.
    path = tuple(part for part in error["loc"] if not (isinstance(part, str) and part[:1] + part[-1:] == "[]"))
    path += getattr(error.get("ctx", {}).get("error"), "at", ())
    where = " → ".join(printable(str(part))[:48] for part in path) or "the file as a whole"
    return tree.line_of(path), f"{where}: {reason_of(error)}"


def reason_of(error: Mapping[str, Any]) -> str:
    """What is wrong, in our words, from one of the errors that pydantic lists."""
    kind, given = error["type"], error.get("input")
    if kind == "missing":
        return "this key is missing"
    if kind in {"model_type", "dict_type", "model_attributes_type"}:
        return "keys with values are needed here" + ("" if given is None else f", not {shown(given)}")
    if kind == "string_pattern_mismatch":
        return (
            f"{shown(given)} is no name; names are lower-case letters and digits, with hyphens or underscores between"
        )
    context = error.get("ctx", {})
    if kind in {"literal_error", "enum"}:
        near = get_close_matches(str(given), re.findall("'([^']*)'", context["expected"]), n=1, cutoff=0.5)
        return f"{shown(given)} is not {context['expected']}" + (f". Did you mean {near[0]}?" if near else "")
    if kind in _NEEDED:
        return f"{_NEEDED[kind].format(**context)}, not {shown(given)}"
    return printable(error["msg"]).removeprefix("Value error, ").rstrip(".")


_NEEDED = {
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "a whole number is needed here"),
    "bool_type": "true or false is needed here",
    "string_type": "a text is needed here",
    **dict.fromkeys(("tuple_type", "list_type"), "a list is needed here"),
    "greater_than_equal": "at least {ge} is needed here",
    "greater_than": "more than {gt} is needed here",
    "less_than_equal": "at most {le} is needed here",
    "less_than": "less than {lt} is needed here",
    "string_too_long": "at most {max_length} characters are needed here",
    "too_long": "at most {max_length} entries are needed here",
}
"""What is needed where something else is, by the kind of mistake as pydantic calls it."""


def nearest(name: str, known: list[str]) -> str:
    """The end of a sentence that refuses a name: the nearest ones, or all when none is near."""
    near = get_close_matches(name, known, n=3, cutoff=0.5)
    if near:
        return f"Did you mean {' or '.join(near)}?"
    return f"There are: {', '.join(sorted(known))}." if known else "There are none."
