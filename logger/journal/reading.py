"""Reads an event of every version that was ever published: an older one is brought up to today's, step by step.

What was journalled is never written anew: the hash is taken over its bytes, so a version lives as long as the records
that hold it. When a model in :mod:`controller.events` gets a new ``version``, the step from the one before it comes
into :data:`UPGRADES`; the contract's check (``docs/generate.py``) fails until it is there.

An event of a version that is not known here, from a newer station, stays in the record as it came. Whoever projects
the record counts and names it; nobody leaves it out silently.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, get_args

from pydantic import TypeAdapter

from controller.events import EVENT_ADAPTER, Event

Upgrade = Callable[[dict[str, Any]], dict[str, Any]]
"""From an event's JSON object in one version to the next version's. Pure; its ``version`` is set by the reader."""

UPGRADES: Final[Mapping[tuple[str, int], Upgrade]] = {
    # What a signature covers was not named: the defaults of today say so.
    ("session_signed", 1): dict,
}
"""By type and version: how an event of that version becomes one of the next."""


def known_versions() -> dict[str, int]:
    """The version of each type of event that this product writes."""
    union = get_args(Event)[0]
    return {kind.model_fields["type"].default: kind.model_fields["version"].default for kind in get_args(union)}


class EventReader:
    """Reads events; ``adapter`` validates today's versions, ``upgrades`` lead there from the older ones."""

    def __init__(self, adapter: TypeAdapter[Event], upgrades: Mapping[tuple[str, int], Upgrade]) -> None:
        self._adapter = adapter
        self._upgrades = upgrades

    def read(self, type_: str, version: int, body: bytes) -> Event:
        """The event in ``body``, in today's version. Raises pydantic.ValidationError when it cannot be read: it is of a
        version that is not known here, or is not what was journalled."""
        if (type_, version) not in self._upgrades:
            return self._adapter.validate_json(body)
        return self._adapter.validate_json(self._upgraded(type_, version, body))

    def _upgraded(self, type_: str, version: int, body: bytes) -> bytes:
        """The body in today's version; the body as it is when it is not what its version says."""
        try:
            event = json.loads(body)
            while (upgrade := self._upgrades.get((type_, version))) is not None:
                version += 1
                event = {**upgrade(dict(event)), "version": version}
        except (ValueError, LookupError, TypeError, AttributeError):
            return body  # damaged: the validation says what is wrong with what was journalled
        return json.dumps(event).encode()


READER: Final = EventReader(EVENT_ADAPTER, UPGRADES)
"""The product's reader."""
