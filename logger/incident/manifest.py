"""``manifest.json``: what a bundle is of, by which keys its checkpoints are signed, and what belongs to it."""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

FORMAT: Final = "needlework-record/1"
ENTRIES: Final = "entries.jsonl"
MANIFEST: Final = "manifest.json"
MEMBERS: Final = ("README.txt", ENTRIES, "record.json", "conflicts.json")
"""The members before the manifest, in order."""

_Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_Sequence = Annotated[int, Field(ge=1)]


class Manifest(BaseModel):
    """The manifest. ``keys`` are public keys in hexadecimal by their ids, as the record announced them.

    ``pinned_key`` is the first key that the recorder saw of the station, None where the bundle was not made from its
    store. ``station_software`` is what the station said it is when it last started before the session's end, empty
    where that is not known. ``sha256`` has a digest of each other member.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    format: Literal["needlework-record/1"]
    station: str
    session: str
    first: _Sequence
    last: _Sequence
    shown: int
    withheld: int
    older: int
    signed_to: int | None
    verification_code: str
    keys: dict[str, _Digest]
    pinned_key: str | None
    station_software: str
    made_by: str
    sha256: dict[str, _Digest]
