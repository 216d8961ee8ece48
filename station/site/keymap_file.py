"""The key map on the disk: an SQLite file that holds pseudonyms in the clear and about people nothing but ciphertext.

Each person has a data key, wrapped with the newest key of the site; what is known of them is sealed with the data key.
The site's keys are in a file of their own and read anew each time, so that a key that was changed counts at once. Used
by one thread at a time; a station and a command may have the file open together.
"""

import os
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from station.errors import KeyMapRefused, KeyMapUnusable, Trouble
from station.site.key import KEY_BYTES, KeyRing, SiteKey, add_to_ring, first_ring, merged_rings, read_ring
from station.site.keymap import Details, Entry, KeyMap, Person, Revision, Tombstone, merge, person_of, same_person
from station.site.private_database import PrivateDatabase
from station.site.pseudonyms import made_pseudonym
from station.site.sealing import CannotOpen, seal, unseal

_APPLICATION_ID = 0x4E574B4D  # "NWKM"
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS entries (pseudonym TEXT PRIMARY KEY, key TEXT NOT NULL, wrapped BLOB NOT NULL) STRICT;"
    "CREATE TABLE IF NOT EXISTS revisions (id TEXT NOT NULL, pseudonym TEXT NOT NULL, sealed BLOB NOT NULL, "
    "PRIMARY KEY (pseudonym, id)) STRICT;"
    "CREATE TABLE IF NOT EXISTS tombstones (pseudonym TEXT PRIMARY KEY, at_us INTEGER NOT NULL, by TEXT NOT NULL) "
    "STRICT;"
    "CREATE TABLE IF NOT EXISTS visited (pseudonym TEXT PRIMARY KEY, on_day TEXT NOT NULL) STRICT;"
    "CREATE TABLE IF NOT EXISTS looks (number INTEGER PRIMARY KEY AUTOINCREMENT, at_us INTEGER NOT NULL, "
    "who TEXT NOT NULL, what TEXT NOT NULL, pseudonym TEXT NOT NULL) STRICT;"
    "CREATE INDEX IF NOT EXISTS looks_at ON looks (pseudonym);"
    "CREATE TABLE IF NOT EXISTS erasures (number INTEGER PRIMARY KEY AUTOINCREMENT, pseudonym TEXT NOT NULL, "
    "by TEXT NOT NULL) STRICT;"
)
_REVISION_BYTES = 16
_BLOCK_BYTES = 1024
"""Revisions are filled up to multiples of this: whoever has the file alone does not see how long a name is, or whether
there is a contact or a hold."""

Standing = Literal["known", "erased", "unknown"]


@dataclass(frozen=True, slots=True)
class Look:
    """Somebody read who is behind a pseudonym (µs since 1970 UTC), and by which command."""

    at_us: int
    who: str
    what: str
    pseudonym: str


@dataclass(frozen=True, slots=True)
class Erasure:
    """An erasure that is not in the record yet."""

    number: int
    pseudonym: str
    by: str


class KeyMapFile:
    """The file, opened, with the site's keys beside it."""

    def __init__(
        self,
        path: Path,
        keys: Path,
        *,
        random_bytes: Callable[[int], bytes] = os.urandom,
        below: Callable[[int], int] = secrets.randbelow,
    ) -> None:
        """Opens ``path``, made where absent. Raises KeyMapUnusable, and leaves a damaged file as it is."""
        self._path, self._keys = path, keys
        self._random_bytes, self._below = random_bytes, below
        self._database = PrivateDatabase(path, _APPLICATION_ID, _SCHEMA, self._trouble)

    def close(self) -> None:
        """Releases the file. Safe to call twice."""
        self._database.close()

    # People -----------------------------------------------------------------------------------------------------------

    def standing(self, pseudonym: str) -> Standing:
        """Whether a pseudonym stands for somebody; needs no key."""
        with self._database.reading():
            if self._has("tombstones", pseudonym):
                return "erased"
            return "known" if self._has("entries", pseudonym) else "unknown"

    @property
    def empty(self) -> bool:
        """Nobody was ever entered here; needs no key."""
        with self._database.reading():
            row = self._database.execute(
                "SELECT EXISTS (SELECT 1 FROM entries) OR EXISTS (SELECT 1 FROM tombstones)"
            ).fetchone()
        return not row[0]

    def people(self, keys: KeyRing = ()) -> tuple[Person, ...]:
        """Everybody, by pseudonym; ``keys`` open too what the site's own cannot."""
        whole = self._content(merged_rings(read_ring(self._keys), keys))
        return tuple(
            person_of(pseudonym, self._opened(pseudonym, whole.entries[pseudonym]))
            for pseudonym in sorted(whole.entries)
        )

    def pseudonyms(self) -> tuple[str, ...]:
        """Everybody's pseudonym; needs no key."""
        with self._database.reading():
            rows = self._database.execute("SELECT pseudonym FROM entries ORDER BY pseudonym").fetchall()
        return tuple(name for (name,) in rows)

    def person(self, pseudonym: str) -> Person:
        """Who it is. Raises KeyMapRefused where it stands for nobody."""
        self._known(pseudonym)
        return person_of(pseudonym, self._opened(pseudonym, self._entry(pseudonym, read_ring(self._keys))))

    def add(
        self,
        said: Details,
        by: str,
        now_us: int,
        *,
        pseudonym: str | None = None,
        another: bool = False,
        request: str | None = None,
    ) -> str:
        """Enters somebody; their pseudonym. ``pseudonym`` is one that was in use before there was a key map. Asked
        again with the same ``request``, an id the caller made, it enters nobody and says what came of it before.

        Raises KeyMapRefused for somebody of this name and birth date, unless ``another`` says that it is somebody else.
        """
        if not said.name:
            do = "Say it with --name, or when it is asked for."
            raise KeyMapRefused(Trouble("no_name", "A patient is entered with a name.", "Nothing was changed.", do))
        with self._database.change():
            done = self._done(request, said)
            if done is not None:
                return done
            ring = self._ring(now_us)
            if not another:
                self._nobody_alike(person_of("", (Revision(id="", at_us=now_us, by=by, said=said),)))
            if pseudonym is None:
                pseudonym = made_pseudonym(self._below)
                while self.standing(pseudonym) != "unknown":
                    pseudonym = made_pseudonym(self._below)
            elif self.standing(pseudonym) != "unknown":
                what = f"{pseudonym} stands for somebody already, or did before it was erased."
                raise KeyMapRefused(Trouble("pseudonym_taken", what, "Nothing was changed.", "Leave --pseudonym out."))
            data_key = self._random_bytes(KEY_BYTES)
            self._wrap(pseudonym, data_key, ring[-1])
            self._say(pseudonym, data_key, said, by, now_us, request)
        return pseudonym

    def revise(self, pseudonym: str, said: Details, by: str, now_us: int) -> None:
        """Says something anew of somebody. Raises KeyMapRefused where the pseudonym stands for nobody."""
        with self._database.change():
            self._known(pseudonym)
            entry = self._entry(pseudonym, read_ring(self._keys))
            # After all that was said before, wherever the clock stands: a hold that is older than its release is none.
            newest = max((one.at_us for one in self._opened(pseudonym, entry)), default=now_us)
            self._say(pseudonym, entry.data_key, said, by, max(now_us, newest + 1))

    def erase(self, pseudonym: str, by: str, now_us: int) -> None:
        """Destroys data key and revisions, leaves a tombstone, and notes it for the record. Needs no key."""
        with self._database.change():
            self._known(pseudonym)
            self._destroy(pseudonym)
            self._database.execute("INSERT INTO tombstones VALUES (?, ?, ?)", (pseudonym, now_us, by))
            self._database.execute("INSERT INTO erasures (pseudonym, by) VALUES (?, ?)", (pseudonym, by))

    # Who looked, and what is to be told -------------------------------------------------------------------------------

    def looked(self, who: str, what: str, pseudonyms: Iterable[str], now_us: int) -> None:
        """Notes that somebody read names."""
        with self._database.change():
            for pseudonym in pseudonyms:
                self._database.execute(
                    "INSERT INTO looks (at_us, who, what, pseudonym) VALUES (?, ?, ?, ?)",
                    (now_us, who, what, pseudonym),
                )

    def looks(self, pseudonym: str = "") -> tuple[Look, ...]:
        """Who read names, oldest first; of one pseudonym, or of all."""
        with self._database.reading():
            rows = self._database.execute(
                "SELECT at_us, who, what, pseudonym FROM looks WHERE ?1 IN ('', pseudonym) ORDER BY number",
                (pseudonym,),
            ).fetchall()
        return tuple(Look(*row) for row in rows)

    def erasures(self) -> tuple[Erasure, ...]:
        """Erasures that are not in the record yet, oldest first."""
        with self._database.reading():
            rows = self._database.execute("SELECT number, pseudonym, by FROM erasures ORDER BY number").fetchall()
        return tuple(Erasure(*row) for row in rows)

    def told(self, number: int) -> None:
        """Erasures up to this one are in the record."""
        with self._database.change():
            self._database.execute("DELETE FROM erasures WHERE number <= ?", (number,))

    # The whole, for other stations and for backups --------------------------------------------------------------------

    def content(self) -> KeyMap:
        """Everything, data keys in the clear: only ever written sealed. Raises KeyMapUnusable without a key."""
        return self._content(read_ring(self._keys))

    def _content(self, ring: KeyRing) -> KeyMap:
        with self._database.reading():
            rows = self._database.execute(
                "SELECT pseudonym, key, wrapped, id, sealed FROM entries JOIN revisions USING (pseudonym)"
            ).fetchall()
            stones = self._database.execute("SELECT pseudonym, at_us, by FROM tombstones").fetchall()
            visited = dict(self._database.execute("SELECT pseudonym, on_day FROM visited").fetchall())
        secrets_of = {key.name: key.secret for key in ring}
        sealed: dict[str, dict[str, bytes]] = {}
        data_keys: dict[str, bytes] = {}
        for pseudonym, key, wrapped, number, revision in rows:
            if pseudonym not in data_keys:
                data_keys[pseudonym] = self._unwrapped(pseudonym, secrets_of.get(key), wrapped)
            sealed.setdefault(pseudonym, {})[number] = revision
        return KeyMap(
            {name: Entry(data_keys[name], revisions) for name, revisions in sealed.items()},
            {name: Tombstone(at_us, by) for name, at_us, by in stones},
            visited,
        )

    def take(self, other: KeyMap, keys: KeyRing, now_us: int) -> KeyMap:
        """Brings another key map in, with the keys of its site; what they are together.

        Raises KeyMapConflict where the two are of different sites, and changes nothing then.
        """
        with self._database.change():
            ring = merged_rings(read_ring(self._keys), keys)  # a key that was lost here may be among those that come
            whole = merge(self._content(ring), other)
            add_to_ring(self._keys, ring)
            ring = self._ring(now_us)
            for table in ("entries", "revisions", "tombstones", "visited"):
                self._database.execute(f"DELETE FROM {table}")  # noqa: S608 our own tables
            for pseudonym, entry in whole.entries.items():
                self._wrap(pseudonym, entry.data_key, ring[-1])
                for number, sealed in entry.revisions.items():
                    self._database.execute("INSERT INTO revisions VALUES (?, ?, ?)", (number, pseudonym, sealed))
            for pseudonym, stone in whole.tombstones.items():
                self._database.execute("INSERT INTO tombstones VALUES (?, ?, ?)", (pseudonym, stone.at_us, stone.by))
            for pseudonym, day in whole.visited.items():
                self._database.execute("INSERT INTO visited VALUES (?, ?)", (pseudonym, day))
        return whole

    def tombstones(self) -> frozenset[str]:
        """The pseudonyms that were erased; needs no key."""
        with self._database.reading():
            return frozenset(name for (name,) in self._database.execute("SELECT pseudonym FROM tombstones").fetchall())

    def visited(self, pseudonym: str) -> str | None:
        """The last day (ISO) a station of the site treated this pseudonym, as far as it was told here."""
        with self._database.reading():
            row = self._database.execute("SELECT on_day FROM visited WHERE pseudonym = ?", (pseudonym,)).fetchone()
        return None if row is None else str(row[0])

    def rotate(self, now_us: int) -> SiteKey:
        """A new key of the site; every data key is wrapped with it. Older keys stay, for backups made under them."""
        with self._database.change():
            ring = self._ring(now_us)
            opened = {name: entry.data_key for name, entry in self.content().entries.items()}
            fresh = SiteKey(max(now_us, ring[-1].made_us + 1), self._random_bytes(KEY_BYTES))
            add_to_ring(self._keys, (fresh,))  # first: until all is wrapped anew, both are needed
            for pseudonym, data_key in opened.items():
                self._wrap(pseudonym, data_key, fresh)
        return fresh

    def ring(self, now_us: int) -> KeyRing:
        """The keys of the site; the first one is made where there is none. Raises KeyMapUnusable where it is lost."""
        with self._database.change():  # one at a time: two first keys would each open half of the patients
            return self._ring(now_us)

    # Inside -----------------------------------------------------------------------------------------------------------

    def _ring(self, now_us: int) -> KeyRing:
        ring = read_ring(self._keys)
        if ring:
            return ring
        with self._database.reading():
            if self._database.execute("SELECT EXISTS (SELECT 1 FROM entries)").fetchone()[0]:
                raise KeyMapUnusable(self._no_key())
        return first_ring(self._keys, (SiteKey(now_us, self._random_bytes(KEY_BYTES)),))

    def _has(self, table: Literal["entries", "tombstones"], pseudonym: str) -> bool:
        found = self._database.execute(f"SELECT 1 FROM {table} WHERE pseudonym = ?", (pseudonym,))  # noqa: S608 as above
        return found.fetchone() is not None

    def _known(self, pseudonym: str) -> None:
        standing = self.standing(pseudonym)
        if standing != "known":
            what = "was erased" if standing == "erased" else "stands for nobody in this site's key map"
            raise KeyMapRefused(
                Trouble(
                    f"patient_{standing}",
                    f"{pseudonym} {what}.",
                    "Nothing was changed.",
                    "" if standing == "erased" else "`needlework patients find` finds a patient by name or birth date.",
                )
            )

    def _nobody_alike(self, new: Person) -> None:
        alike = next((one for one in self.people() if same_person(one, new)), None)
        if alike is not None:
            raise KeyMapRefused(
                Trouble(
                    "patient_there",
                    f"Somebody of this name and birth date is entered already: {alike.pseudonym}.",
                    "One person with two pseudonyms has two histories. Nothing was changed.",
                    "Use that pseudonym; --another enters a different person of the same name and birth date.",
                )
            )

    def _entry(self, pseudonym: str, ring: KeyRing) -> Entry:
        with self._database.reading():
            key, wrapped = self._database.execute(
                "SELECT key, wrapped FROM entries WHERE pseudonym = ?", (pseudonym,)
            ).fetchone()
            sealed = dict(
                self._database.execute("SELECT id, sealed FROM revisions WHERE pseudonym = ?", (pseudonym,)).fetchall()
            )
        secret = next((one.secret for one in ring if one.name == key), None)
        return Entry(self._unwrapped(pseudonym, secret, wrapped), sealed)

    def _unwrapped(self, pseudonym: str, secret: bytes | None, wrapped: bytes) -> bytes:
        if secret is None:
            raise KeyMapUnusable(self._no_key())
        try:
            return unseal(secret, wrapped, f"data key of {pseudonym}")
        except CannotOpen as error:
            raise KeyMapUnusable(self._trouble(error).trouble) from error

    def _opened(self, pseudonym: str, entry: Entry) -> list[Revision]:
        try:
            return [
                Revision.model_validate_json(unseal(entry.data_key, sealed, f"{pseudonym} {number}"))
                for number, sealed in entry.revisions.items()
            ]
        except (CannotOpen, ValidationError) as error:
            raise KeyMapUnusable(self._trouble(CannotOpen(f"the entry of {pseudonym} was changed")).trouble) from error

    def _wrap(self, pseudonym: str, data_key: bytes, under: SiteKey) -> None:
        wrapped = seal(under.secret, data_key, f"data key of {pseudonym}", self._random_bytes)
        self._database.execute(
            "INSERT INTO entries VALUES (?, ?, ?) ON CONFLICT (pseudonym) DO UPDATE SET key = excluded.key, "
            "wrapped = excluded.wrapped",
            (pseudonym, under.name, wrapped),
        )

    def _done(self, request: str | None, said: Details) -> str | None:
        """Who was entered by a request before."""
        row = self._database.execute("SELECT pseudonym FROM revisions WHERE id = ?", (request,)).fetchone()
        if row is None:
            return None
        entry = self._entry(row[0], read_ring(self._keys))
        if any(one.id == request and one.said == said for one in self._opened(row[0], entry)):
            return str(row[0])
        what = "This request's id was used for something else."
        raise KeyMapRefused(Trouble("request_taken", what, "Nothing was changed.", "Ask with an id of its own."))

    def _say(
        self, pseudonym: str, data_key: bytes, said: Details, by: str, now_us: int, number: str | None = None
    ) -> None:
        number = number or self._random_bytes(_REVISION_BYTES).hex()
        revision = Revision(id=number, at_us=now_us, by=by, said=said)
        content = revision.model_dump_json().encode()
        content += b" " * (-len(content) % _BLOCK_BYTES)
        sealed = seal(data_key, content, f"{pseudonym} {revision.id}", self._random_bytes)
        self._database.execute("INSERT INTO revisions VALUES (?, ?, ?)", (revision.id, pseudonym, sealed))

    def _destroy(self, pseudonym: str) -> None:
        for table in ("entries", "revisions", "visited"):
            self._database.execute(f"DELETE FROM {table} WHERE pseudonym = ?", (pseudonym,))  # noqa: S608 as above

    def _no_key(self) -> Trouble:
        return Trouble(
            "site_key_missing",
            f"The site's key is not in {self._keys}, and the key map was made with it.",
            "No patient's name can be read without it; treatment by pseudonym, and STOP, go on.",
            "Bring it back from the words in the safe: `needlework site join --words FILE`.",
        )

    def _trouble(self, error: Exception) -> KeyMapUnusable:
        return KeyMapUnusable(
            Trouble(
                "key_map",
                f"The key map {self._path} cannot be used: {error}.",
                "Who is behind a pseudonym is not known without it. The file was left as it was.",
                "Check the disk, or put a backup in its place while no station runs (`needlework site restore`).",
            )
        )
