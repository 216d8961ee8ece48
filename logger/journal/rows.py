"""An entry from a database's row, whatever the row holds: also in a file that decayed, or that somebody wrote into."""

from collections.abc import Sequence
from typing import TypeVar

from logger.journal.entry import Entry

COLUMNS = "sequence, utc_us, monotonic_ms, session, type, version, body, previous, hash"
"""An entry's row in journal and store, the station aside."""

_Value = TypeVar("_Value", int, str, bytes)


def entry_of(station: str, row: Sequence[object]) -> Entry:
    """The entry in a row, its columns as :data:`COLUMNS` names them.

    A value that the schema forbids becomes an empty one of the right type: the entry's hash then gives it away.
    """
    sequence, utc_us, monotonic_ms, session, type_, version, body, previous, digest = row
    return Entry(
        station=station,
        sequence=value_of(int, sequence),
        utc_us=value_of(int, utc_us),
        monotonic_ms=value_of(int, monotonic_ms),
        session=session if isinstance(session, str) else None,
        type=value_of(str, type_),
        version=value_of(int, version),
        body=value_of(bytes, body),
        previous=value_of(bytes, previous),
        hash=value_of(bytes, digest),
    )


def value_of(kind: type[_Value], value: object) -> _Value:
    """The value, or an empty one where it is of another kind."""
    return value if isinstance(value, kind) else kind()


def loose_text(raw: bytes) -> str:
    """What may have ceased to be text, for SQLite's ``text_factory``: no hash fits what cannot be encoded again."""
    return raw.decode(errors="surrogateescape")
