"""The software bill of materials: what this installation of Needlework runs on, in CycloneDX 1.6, from its metadata.

Walked from the distribution's own requirements, with the extras that are installed here; tools that only build or test
it are no part of the product and are left out. The same installation gives the same bytes.
"""

import sqlite3
import sys
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from itertools import chain
from platform import python_implementation
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

Json = dict[str, Any]

PRODUCT: Final = "needlework"
NO_PRODUCT: Final = frozenset({"dev", "all"})
"""Extras that are no part of the product, or only name others together."""
_LICENCE: Final = "License :: "


def bill_of_materials() -> Json:
    """The document. Raises PackageNotFoundError when something the product needs is not installed."""
    main = distribution(PRODUCT)
    needed = _walked(frozenset())
    extras = frozenset(extra for extra in main.metadata.get_all("Provides-Extra") or [] if _is_product(extra))
    found = _walked(extras)
    parts = sorted((distribution(name) for name in found if name != PRODUCT), key=_ref)
    components = [_component(part, required=_name(part) in needed) for part in parts]
    dependencies: list[Json] = [
        {"ref": _ref(part), "dependsOn": sorted({_ref(distribution(need.name)) for need in _needs(part, asked)})}
        for part in (main, *parts)
        for asked in (found[_name(part)],)
    ]
    beneath = _beneath()
    dependencies[0]["dependsOn"] += [part["bom-ref"] for part in beneath]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": uuid5(NAMESPACE_URL, " ".join(map(str, chain(components, dependencies, beneath)))).urn,
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": _ref(main),
                "name": PRODUCT,
                "version": main.version,
                "description": main.metadata["Summary"],
                "purl": _ref(main),
                "licenses": _licences(main),
            },
        },
        "components": [*beneath, *components],
        "dependencies": [*dependencies, *({"ref": part["bom-ref"]} for part in beneath)],
    }


def _name(part: Distribution) -> str:
    return canonicalize_name(part.metadata["Name"])


def _ref(part: Distribution) -> str:
    return f"pkg:pypi/{_name(part)}@{part.version}"


def _needs(part: Distribution, extras: Iterable[str]) -> list[Requirement]:
    """What a distribution needs on this system, with these extras of its own."""
    read = [Requirement(text) for text in part.requires or ()]
    asked = {"", *extras}
    return [one for one in read if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in asked)]


def _walked(extras: frozenset[str]) -> dict[str, set[str]]:
    """Everything the product needs with these extras, itself among it: by name, with the extras asked of each.

    Raises PackageNotFoundError.
    """
    found: dict[str, set[str]] = {}
    waiting = [(PRODUCT, set(extras))]
    while waiting:
        name, asked = waiting.pop()
        if name in found and asked <= found[name]:
            continue
        found.setdefault(name, set()).update(asked)
        waiting += [
            (canonicalize_name(need.name), set(need.extras)) for need in _needs(distribution(name), found[name])
        ]
    return found


def _is_product(extra: str) -> bool:
    """Whether an extra is part of the product, and everything of it is installed here."""
    if extra in NO_PRODUCT:
        return False
    try:
        _walked(frozenset({extra}))
    except PackageNotFoundError:
        return False
    return True


def _component(part: Distribution, *, required: bool) -> Json:
    """A distribution. What only an extra asks for is optional."""
    component: Json = {
        "type": "library",
        "bom-ref": _ref(part),
        "name": part.metadata["Name"],
        "version": part.version,
        "scope": "required" if required else "optional",
        "purl": _ref(part),
    }
    if summary := part.metadata["Summary"]:
        component["description"] = summary
    if licences := _licences(part):
        component["licenses"] = licences
    return component


def _licences(part: Distribution) -> list[Json]:
    """As the package says: an SPDX expression, else its classifiers, else the first line of its licence field."""
    metadata = part.metadata
    if expression := metadata["License-Expression"]:
        return [{"expression": expression}]
    named = [line.rsplit(" :: ", 1)[-1] for line in metadata.get_all("Classifier") or () if line.startswith(_LICENCE)]
    named = [name for name in named if name != "OSI Approved"]
    if not named and (field := (metadata["License"] or "").strip()):
        named = [field.splitlines()[0]]
    return [{"license": {"name": name}} for name in named]


def _beneath() -> list[Json]:
    """What all of it stands on: the interpreter, and the SQLite in it that keeps the record."""
    version = ".".join(map(str, sys.version_info[:3]))
    return [
        {
            "type": "platform",
            "bom-ref": f"pkg:generic/python@{version}",
            "name": python_implementation(),
            "version": version,
            "purl": f"pkg:generic/python@{version}",
            "licenses": [{"expression": "PSF-2.0"}],
        },
        {
            "type": "library",
            "bom-ref": f"pkg:generic/sqlite@{sqlite3.sqlite_version}",
            "name": "SQLite",
            "version": sqlite3.sqlite_version,
            "purl": f"pkg:generic/sqlite@{sqlite3.sqlite_version}",
            "licenses": [{"license": {"name": "Public Domain"}}],
        },
    ]
