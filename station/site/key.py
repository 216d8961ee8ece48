"""The keys of a site, in a file for its owner alone, apart from what they open. The newest one seals; older ones open.

Every station of the site has the same keys. A stolen database is useless without this file; so the clinic keeps the key
on paper too, in its safe: `needlework site key --words`.
"""

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from logger.whole_file import new_whole, replace_whole
from station.errors import KeyMapUnusable, Trouble
from station.site.spoken_bytes import from_words, to_words

KEY_BYTES = 32
FORMAT = "needlework-site-keys/1"
FILE_MAX_BYTES = 65536
_MADE_BYTES = 8


@dataclass(frozen=True, slots=True, order=True)
class SiteKey:
    """One key. ``made_us`` is when it was made (µs since 1970 UTC); the newest of a site is the one that seals."""

    made_us: int
    secret: bytes = field(repr=False)

    @property
    def name(self) -> str:
        """What it is called; tells nothing of the secret."""
        return hashlib.sha256(b"needlework site key" + self.secret).hexdigest()[:12]

    def words(self) -> str:
        """As words to be printed: the secret and when it was made, with a check behind."""
        return to_words(self.secret + self.made_us.to_bytes(_MADE_BYTES))

    @classmethod
    def of_words(cls, typed: str) -> "SiteKey":
        """The key whose words were printed. Raises NotWords."""
        content = from_words(typed, KEY_BYTES + _MADE_BYTES)
        return cls(int.from_bytes(content[KEY_BYTES:]), content[:KEY_BYTES])


KeyRing = tuple[SiteKey, ...]
"""The keys of a site, oldest first; the last one seals."""


def merged_rings(*rings: Iterable[SiteKey]) -> KeyRing:
    """All keys of several rings, each once."""
    return tuple(sorted({key for ring in rings for key in ring}))


def ring_as_json(ring: KeyRing) -> str:
    """For files; the keys in the clear."""
    return json.dumps(
        {"format": FORMAT, "keys": [{"made_us": key.made_us, "secret": key.secret.hex()} for key in ring]}
    )


def ring_of_json(text: str) -> KeyRing:
    """What :func:`ring_as_json` wrote. Raises ValueError."""
    try:
        content = json.loads(text)
        if content["format"] != FORMAT:
            raise ValueError("it is of another format")
        ring = merged_rings(SiteKey(int(one["made_us"]), bytes.fromhex(one["secret"])) for one in content["keys"])
    except (KeyError, TypeError) as error:
        raise ValueError("it is no file of site keys") from error
    if any(len(key.secret) != KEY_BYTES for key in ring):
        raise ValueError("a key in it has another length")
    return ring


def read_ring(path: Path) -> KeyRing:
    """The keys of the site; none where there is no file yet. Raises KeyMapUnusable for a file nobody should use."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(FILE_MAX_BYTES + 1)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise KeyMapUnusable(_unusable(path, (error.strerror or str(error)).lower())) from error
    if os.name == "posix" and stat.S_IMODE(mode) & (stat.S_IRWXG | stat.S_IRWXO):
        raise KeyMapUnusable(
            Trouble(
                "site_key_exposed",
                f"Others than its owner can read the site's key, {path}.",
                "Whoever has it and the key map reads every patient's name, so it is not used as it is.",
                f"`chmod 600 {path}`, then `needlework site key --rotate` where somebody may have copied it.",
            )
        )
    try:
        return ring_of_json(content.decode())
    except ValueError as error:
        raise KeyMapUnusable(_unusable(path, str(error))) from error


def first_ring(path: Path, ring: KeyRing) -> KeyRing:
    """Makes the file where there is none; what is in it then. Keys that somebody else made meanwhile are never
    replaced: what they seal would be lost. Raises KeyMapUnusable."""
    try:
        _place(path, ring, new_whole)
    except FileExistsError:
        return read_ring(path)
    return ring


def add_to_ring(path: Path, more: KeyRing) -> KeyRing:
    """Adds keys to those in the file; all that are in it then. Raises KeyMapUnusable."""
    there = read_ring(path)
    if not there and more:
        there = first_ring(path, more)
    ring = merged_rings(there, more)
    if ring != there:
        _place(path, ring, replace_whole)
    return ring


def _place(path: Path, ring: KeyRing, place: Callable[[Path, bytes], None]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        place(path, ring_as_json(ring).encode())
    except FileExistsError:
        raise
    except OSError as error:
        raise KeyMapUnusable(_unusable(path, (error.strerror or str(error)).lower())) from error


def _unusable(path: Path, why: str) -> Trouble:
    return Trouble(
        "site_key",
        f"The site's key {path} cannot be used: {why}.",
        "Without it no patient's name can be read; treatment by pseudonym, and STOP, go on.",
        "Bring it back from the words in the safe: `needlework site join --words FILE`.",
    )
