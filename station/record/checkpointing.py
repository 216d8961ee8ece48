"""Signs the station's journal as it grows: at start and end, after a session closed or was signed, and every so often.

All of it beside the control loop: it looks once a second, reads one row, and signs in a thread.
"""

import asyncio
import logging
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from controller.events import JournalCheckpoint
from logger.errors import RecordError
from logger.journal.journal import Journal
from logger.proof.checkpoints import CHECKPOINT_ENTRIES, announcement, checkpoint
from station.record.station_key import station_key

LOOK_S = 1.0
"""A closed session is signed within about this time."""

_LOG = logging.getLogger("needlework.checkpoints")


class Checkpoints:
    """Signs one journal with one key."""

    def __init__(self, journal: Journal, key: Ed25519PrivateKey) -> None:
        self._journal = journal
        self._key = key
        self._asked = False
        self._upto = 0  # what is signed, the checkpoint itself among it

    @classmethod
    def of(cls, journal: Journal, key_path: Path) -> Self:
        """Signs with the key at ``key_path``, made there when absent. Raises StationKeyRefused."""
        return cls(journal, station_key(key_path))

    async def begin(self) -> None:
        """Announces the key where the record does not end with it, and signs. Raises JournalError."""
        mine = announcement(self._key)
        if await asyncio.to_thread(self._journal.reader.signing_key) != mine.key_id:
            self._journal.emit(mine, session=None)
        await self.now()

    def soon(self) -> None:
        """Asks for a checkpoint at the next look."""
        self._asked = True

    async def run(self) -> None:
        """Signs when it is asked to or enough came together, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            if self._asked or self._journal.committed - self._upto >= CHECKPOINT_ENTRIES:
                try:
                    await self.now()
                except RecordError as error:
                    # The journal tells of its own trouble, where a treatment depends on it; the next look tries again
                    _LOG.warning("no checkpoint: %s", error)

    async def now(self) -> None:
        """Signs what is journalled by now, unless it is signed already; on the disk on return. Raises JournalError."""
        self._asked = False
        await self._journal.flush()
        if self._journal.committed == self._upto:
            return
        signed = await asyncio.to_thread(self._signed)
        if signed is None:
            return
        self._journal.emit(signed, session=None)
        await self._journal.flush()
        if self._journal.committed == signed.sequence + 1:  # nothing came between: it covers all there is
            self._upto = signed.sequence + 1
        else:
            self._upto = signed.sequence

    def _signed(self) -> JournalCheckpoint | None:
        last = self._journal.reader.last()
        return None if last is None else checkpoint(self._key, self._journal.station, *last)
