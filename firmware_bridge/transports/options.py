"""The options of a pen's URL: known ones read with their type, unknown ones refused with the nearest name.

A misspelt option that is silently ignored is a line that runs with another setting than the one asked for.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import TypeVar

from firmware_bridge.errors import PortUnusable
from firmware_bridge.transports.base import PenUrl

Value = TypeVar("Value")


def require_known(url: PenUrl, known: Iterable[str]) -> None:
    """Raises PortUnusable when the URL carries an option that is not among ``known``, naming the nearest ones."""
    names = sorted(known)
    for name in url.options:
        if name in names:
            continue
        if not names:
            hint = f"{url.scheme}:// takes no options: leave it out."
        else:
            near = get_close_matches(name, names, n=2)
            hint = f"Did you mean {' or '.join(near)}?" if near else f"There are {', '.join(names)}."
        raise PortUnusable(f"{url.text}: there is no option {name!r}. {hint}", url=url.text)


def whole_number(url: PenUrl, name: str, default: int, *, least: int, most: int) -> int:
    """Option ``name`` as an integer within ``least``…``most``; ``default`` when absent. Raises PortUnusable."""
    text = url.options.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and least <= int(text[:12]) <= most):
        raise PortUnusable(
            f"{url.text}: {name}={text!r} is not a number from {least} to {most}. Correct it or leave it out "
            f"(then it is {default}).",
            url=url.text,
        )
    return int(text)


def choice(url: PenUrl, name: str, default: str, choices: Mapping[str, Value]) -> Value:
    """Option ``name`` as one of ``choices``; ``default`` (a key) when absent. Raises PortUnusable."""
    text = url.options.get(name, default)
    if text not in choices:
        raise PortUnusable(
            f"{url.text}: {name}={text!r} is not known. There are {', '.join(choices)}; without it, it is {default}.",
            url=url.text,
        )
    return choices[text]
