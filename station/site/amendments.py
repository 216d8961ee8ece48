"""The texts of amendments: they stay at the site, in a file of their own, and the record has a digest of each.

The digest is salted, so that it tells nothing of a short text to whoever guesses; the salt is kept with the text. When
a text is erased its salt goes with it, and the record still verifies.
"""

import asyncio
import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Final

from controller.ports import MemoryUnavailable
from station.site.private_database import PrivateDatabase

SALT_BYTES: Final = 16

_APPLICATION_ID = 0x4E57414D  # "NWAM"
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS amendments (digest TEXT PRIMARY KEY, session TEXT NOT NULL, utc TEXT NOT NULL, "
    "author TEXT NOT NULL, salt BLOB NOT NULL, text TEXT NOT NULL) STRICT;"
    "CREATE INDEX IF NOT EXISTS amendments_of ON amendments (session);"
)


def text_sha256(salt: bytes, text: str) -> str:
    """The digest the record has of a text, in hexadecimal."""
    return hashlib.sha256(salt + text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class AmendmentText:
    """A text as it was kept; ``utc`` is ISO 8601, ``author`` an account."""

    digest: str
    session: str
    utc: str
    author: str
    salt: bytes
    text: str

    @property
    def whole(self) -> bool:
        """Whether it is the text that the record has the digest of."""
        return text_sha256(self.salt, self.text) == self.digest


class AmendmentsFile:
    """The file, opened. Used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Opens ``path``, made where absent. Raises MemoryUnavailable, and leaves a damaged file as it is."""
        self._path = path
        self._database = PrivateDatabase(path, _APPLICATION_ID, _SCHEMA, self._trouble)

    def close(self) -> None:
        """Releases the file. Safe to call twice."""
        self._database.close()

    def keep(self, text: AmendmentText) -> None:
        """Keeps a text; on the disk on return. Raises MemoryUnavailable."""
        with self._database.change():
            self._database.execute("INSERT INTO amendments VALUES (?, ?, ?, ?, ?, ?)", astuple(text))

    def of(self, session: str) -> tuple[AmendmentText, ...]:
        """A session's texts, oldest first. Raises MemoryUnavailable."""
        with self._database.reading():
            rows = self._database.execute(
                "SELECT digest, session, utc, author, salt, text FROM amendments WHERE session = ? ORDER BY rowid",
                (session,),
            ).fetchall()
            return tuple(AmendmentText(*row) for row in rows)

    def erase(self, session: str) -> int:
        """Destroys a session's texts and their salts; how many there were. Raises MemoryUnavailable."""
        with self._database.change():
            return self._database.execute("DELETE FROM amendments WHERE session = ?", (session,)).rowcount

    def _trouble(self, error: Exception) -> MemoryUnavailable:
        return MemoryUnavailable(
            f"The texts of amendments {self._path} cannot be used: {error}. The record has none of them, so nothing is "
            "amended; sessions and STOP work all the same. The file was left as it was: check the disk, or put a "
            "backup in its place while no station runs."
        )


def erase_texts(path: Path, sessions: Iterable[str]) -> None:
    """Destroys the texts of some sessions, where there are any. Raises MemoryUnavailable. May be repeated."""
    if not path.exists():
        return
    with closing(AmendmentsFile(path)) as file:
        for session in sessions:
            file.erase(session)


class Amendments:
    """The file behind a thread of its own, opened when it is needed first: a file that is damaged keeps no station
    from treating."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: AmendmentsFile | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="amendments")

    async def keep(self, text: AmendmentText) -> None:
        """As :meth:`AmendmentsFile.keep`."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._keep, text)

    async def close(self) -> None:
        """Ends the thread and releases the file. Safe to call twice."""
        await asyncio.to_thread(self._thread.shutdown)
        if self._file is not None:
            self._file.close()

    def _keep(self, text: AmendmentText) -> None:
        if self._file is None:
            self._file = AmendmentsFile(self._path)
        self._file.keep(text)
