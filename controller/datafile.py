"""Reads the controller's data files: YAML, safe, checked against a model, with errors that name file and place."""

from decimal import Decimal
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from controller.errors import DataError
from controller.units import Micrometres, Millihertz, QuantityError, micrometres_from_mm, millihertz_from_hz

FILE_MAX_BYTES = 1_000_000  # a library of every zone of the body is a few kB; more is a mistake or an attack

Model = TypeVar("Model", bound="DataModel")


class DataModel(BaseModel):
    """Base of everything read from a data file: closed, so that a misspelt key is found, and immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _mm(value: Any) -> Any:
    return _quantity(value, micrometres_from_mm)


def _hz(value: Any) -> Any:
    return _quantity(value, millihertz_from_hz)


def _quantity(value: Any, convert: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError(f"{value!r} is not a number")  # noqa: TRY004 - pydantic reports ValueError
    try:
        return convert(value)
    except QuantityError as error:
        raise ValueError(str(error)) from error


FromMm = Annotated[Micrometres, BeforeValidator(_mm)]
"""µm in memory, mm in the file."""

FromHz = Annotated[Millihertz, BeforeValidator(_hz)]
"""mHz in memory, Hz in the file."""


def load_data(model: type[Model], path: Path | None, shipped: str) -> Model:
    """The data file at ``path``, or the one shipped under that name when None.

    Raises DataError naming the file and the place when it cannot be read or does not fit the model.
    """
    name = str(path) if path is not None else shipped
    try:
        text = (path if path is not None else files("controller") / "data" / shipped).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{name}: cannot be read ({error}). Nothing was loaded.") from error
    if len(text) > FILE_MAX_BYTES:
        raise DataError(
            f"{name}: {len(text)} characters; a data file has at most {FILE_MAX_BYTES}. Nothing was loaded."
        )
    try:
        content = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise DataError(f"{name}: not valid YAML: {error}. Nothing was loaded.") from error
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = " → ".join(str(part) for part in first["loc"]) or "the file as a whole"
        raise DataError(f"{name}: {place}: {first['msg']}. Nothing was loaded.") from error


def nearest(name: str, known: list[str]) -> str:
    """The end of a sentence that refuses a name: the nearest ones, or all when none is near."""
    near = get_close_matches(name, known, n=3, cutoff=0.5)
    if near:
        return f"Did you mean {' or '.join(near)}?"
    return f"There are: {', '.join(sorted(known))}." if known else "There are none."
