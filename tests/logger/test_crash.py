"""`kill -9` at any moment: what `flush` promised is there, and the chain is whole."""

import asyncio
import random
import signal
import sys
from pathlib import Path

import pytest

from logger.proof.verify import verify_journal
from tests.logger.conftest import OpenJournal
from tests.logger.making import safety

pytestmark = pytest.mark.system

WRITER = """
import asyncio, sys, time
from datetime import datetime, UTC
from pathlib import Path
from logger.journal.journal import Journal
from tests.logger.making import grouped, safety

async def main():
    journal = Journal(Path(sys.argv[1]), station="room-1", utc_now=lambda: datetime.now(UTC), monotonic_ms=lambda: 0)
    number = journal.committed
    while True:
        for _ in range(number % 7):
            number += 1
            journal.emit(grouped(number), session="s-1")
        number += 1
        journal.emit(safety(number), session="s-1")
        await journal.flush()
        print(journal.committed, flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("seed", range(3))
async def test_what_was_flushed_survives_a_kill(journal_path: Path, open_journal: OpenJournal, seed: int) -> None:
    moments = random.Random(seed)
    promised = 0
    for _round in range(3):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WRITER, str(journal_path), stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        async with asyncio.timeout(15):
            for _line in range(moments.randint(1, 40)):
                promised = int(await process.stdout.readline())
            # Somewhere in the middle of what it does next, which no line tells of.
            spin = moments.randint(0, 20_000)
            while spin:
                spin -= 1
            process.send_signal(signal.SIGKILL)
            for line in (await process.stdout.read()).split():
                promised = max(promised, int(line))
            await process.wait()
        result = verify_journal(journal_path)
        assert result.verdict == "intact", result.sentence()
        assert result.last is not None
        assert result.last >= promised > 0
    journal = open_journal()
    journal.emit(safety(0), session=None)
    await journal.flush()
    await journal.close()
    assert verify_journal(journal_path).verdict == "intact"
