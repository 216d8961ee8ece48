"""Rounds of kills: a seed makes the schedule, and after each round everything is counted at both ends.

A round kills parts at random moments, several at once or one while it starts, and starts them again. Then it waits
until what is journalled is stored, and looks: nothing lost, nothing twice, both chains intact, nothing confirmed that
is not stored. The load goes on all the while.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from logger.bus.messages import BatchMessage
from logger.bus.mqtt import BrokerUrl, connect
from logger.bus.topics import Topics
from logger.errors import RecordError
from logger.journal.entry import Entry
from logger.journal.reader import JournalReader
from logger.proof.verify import verify_journal, verify_store
from logger.store.store import Store
from tests.faults.house import Disk, Killable, LoadHouse
from tests.fixtures_brokers import SITE, STATION
from tests.logger.making import chain

POWER = "power"
"""Not a part: everything is killed at once, and what was not synced is gone."""
LOOK_S = 0.03
ROUNDS_A_HOUSE = 10
"""Then a new house is built: what is counted at both ends grows with each round."""


class House(Protocol):
    """What the rounds ask of a house."""

    parts: Mapping[str, Killable]
    disk: Disk | None
    journal_path: Path
    store_place: str
    broker_url: str

    def at_work(self) -> bool:
        """Whether what was started last is seen to journal."""

    def trouble(self) -> str:
        """What keeps it from its work, where it knows."""

    def promised(self) -> Mapping[int, int]:
        """What the journal called durable up to now, in the house's own terms."""

    def counted(self, promised: Mapping[int, int], stored: Sequence[Entry]) -> tuple[int, int, int]:
        """How many were promised, and how many of them are lost and duplicated in the store."""


@dataclass(frozen=True, slots=True)
class Blow:
    """After ``after_s`` these are killed; ``down_s`` later they are started again."""

    after_s: float
    victims: tuple[str, ...]
    down_s: float

    def __str__(self) -> str:
        return f"+{self.after_s:.3f} s {' and '.join(self.victims)} (down {self.down_s:.3f} s)"


@dataclass(slots=True)
class Tally:
    """What came of the rounds so far."""

    rounds: int = 0
    killed: Counter[str] = field(default_factory=Counter)
    entries: int = 0
    durable: int = 0
    lost: int = 0
    duplicated: int = 0
    violations: list[str] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        """Takes another house's tally in."""
        self.rounds += other.rounds
        self.killed += other.killed
        self.entries += other.entries
        self.durable += other.durable
        self.lost += other.lost
        self.duplicated += other.duplicated
        self.violations += other.violations


def schedule(seed: int, number: int, victims: Sequence[str]) -> tuple[Blow, ...]:
    """The blows of one round of a seed."""
    chance = random.Random(f"{seed}/{number}")
    blows = []
    for _ in range(chance.randint(1, 3)):
        chosen = chance.sample(list(victims), min(len(victims), 2 if chance.random() < 0.25 else 1))
        if POWER in chosen:
            chosen = [POWER]
        # One in three hits what was started a moment before; the others hit a house at work.
        after_s = chance.uniform(0, 0.1) if chance.random() < 0.35 else chance.uniform(0.1, 0.8)
        blows.append(Blow(after_s, tuple(sorted(chosen)), chance.choice((0.0, chance.uniform(0, 0.3)))))
    return tuple(blows)


class Rounds:
    """Rounds in one house. ``tell`` gets a line for each."""

    def __init__(
        self, house: House, seed: int, tell: Callable[[str], None], *, victims: Sequence[str], deadline_s: float = 30.0
    ) -> None:
        self._house = house
        self._seed = seed
        self._tell = tell
        self._victims = victims
        self._deadline_s = deadline_s
        self.tally = Tally()

    async def play(self, number: int) -> bool:
        """One round; False when something was violated."""
        blows = schedule(self._seed, number, self._victims)
        self._tell(f"seed {self._seed} round {number}: {'; '.join(map(str, blows))}")
        for blow in blows:
            await self._pass(blow.after_s)
            victims = tuple(self._house.parts) if POWER in blow.victims else blow.victims
            await asyncio.gather(*(self._house.parts[name].kill() for name in victims))
            self.tally.killed.update(blow.victims)
            if POWER in blow.victims and self._house.disk is not None:
                self._house.disk.cut()
            await self._pass(blow.down_s)
            for name in victims:
                await self._house.parts[name].start()
        await self._caught_up()
        if not self.tally.violations:
            await asyncio.to_thread(self._count)
        self.tally.rounds += 1
        for violation in self.tally.violations:
            self._tell(f"  VIOLATED: {violation}")
        return not self.tally.violations

    async def forge(self) -> bool:
        """An entry with a true hash comes for a sequence that is stored with another: refused, and kept as evidence."""
        stored = await asyncio.to_thread(self._stored, 2)
        forged = chain(1, after=stored[0], salt="forged")[0]
        topic = Topics(SITE, STATION).topic("journal")
        url = BrokerUrl.parse(self._house.broker_url)
        async with connect(url, client_id="forger", deadline_s=5, keepalive_s=15) as bus:
            await bus.publish(topic, BatchMessage.of([forged]).payload(), qos=1)
        until = time.monotonic() + 5
        while time.monotonic() < until and not await asyncio.to_thread(self._conflicts):
            await asyncio.sleep(0.05)
        if not await asyncio.to_thread(self._conflicts):
            self._violated("another entry under a stored sequence came, and nobody noticed")
        await asyncio.to_thread(self._count)
        for violation in self.tally.violations:
            self._tell(f"  VIOLATED: {violation}")
        return not self.tally.violations

    def _violated(self, what: str) -> None:
        if what not in self.tally.violations:
            self.tally.violations.append(what)

    async def _pass(self, for_s: float) -> None:
        """Time goes by, and all the while nothing may be confirmed that is not stored."""
        until = time.monotonic() + for_s
        while True:
            await asyncio.to_thread(self._confirmed_is_stored)
            for part in self._house.parts.values():
                if wrong := await part.look():
                    self._violated(wrong)
            if (left := until - time.monotonic()) <= 0:
                return
            await asyncio.sleep(min(LOOK_S, left))

    def _confirmed_is_stored(self) -> None:
        # A file that is being made, or a server that is down, cannot be read and confirms nothing.
        with suppress(RecordError):
            reader = JournalReader(self._house.journal_path)
            try:
                confirmed = reader.acknowledged()
            finally:
                reader.close()
            store = Store.open_to_read(self._house.store_place)
            try:
                stored = store.span(STATION).contiguous
            finally:
                store.close()
            if confirmed > stored:
                self._violated(f"entry {confirmed} was confirmed, the store ends at {stored}")

    async def _caught_up(self) -> None:
        """Waits until what is journalled now is stored."""
        began = time.monotonic()
        target = 0
        while time.monotonic() - began < self._deadline_s and not self.tally.violations:
            await self._pass(LOOK_S)
            with suppress(RecordError):
                # It has to be seen at work again, or a part that stays dead would go unnoticed.
                if not target and self._house.at_work():
                    target = await asyncio.to_thread(self._journalled)
                if target and await asyncio.to_thread(self._contiguous) >= target:
                    return
        if self.tally.violations:
            return
        what = f"what was journalled up to {target} was not" if target else "nobody was at work, and nothing was"
        self._violated(f"{what} stored within {self._deadline_s:.0f} s. {self._house.trouble()}")

    def _journalled(self) -> int:
        reader = JournalReader(self._house.journal_path)
        try:
            last = reader.last()
        finally:
            reader.close()
        return 0 if last is None else last[0]

    def _contiguous(self) -> int:
        store = Store.open_to_read(self._house.store_place)
        try:
            return store.span(STATION).contiguous
        finally:
            store.close()

    def _conflicts(self) -> bool:
        store = Store.open_to_read(self._house.store_place)
        try:
            return bool(store.conflicts(STATION))
        finally:
            store.close()

    def _stored(self, count: int) -> list[Entry]:
        store = Store.open_to_read(self._house.store_place)
        try:
            entries = store.entries(STATION)
            return [next(entries) for _ in range(count)]
        finally:
            store.close()

    def _count(self) -> None:
        """Both ends, whole: the store first, because the load goes on."""
        tally = self.tally
        promised = self._house.promised()
        upto = self._journalled()
        deadline = time.monotonic() + self._deadline_s
        while (ended := self._contiguous()) < upto and time.monotonic() < deadline:
            time.sleep(LOOK_S)
        if ended < upto:
            self._violated(f"what was journalled up to {upto} was not stored within {self._deadline_s:.0f} s")
        store = Store.open_to_read(self._house.store_place)
        reader = JournalReader(self._house.journal_path)
        try:
            stored = list(store.entries(STATION))
            journalled = reader.read(0, len(stored))
            if stored != journalled:
                self._violated("journal and store do not hold the same")
            both = verify_journal(self._house.journal_path, store=store)
            alone = verify_store(store, STATION)
            for result in (both, alone):
                if result.verdict != "intact":
                    self._violated(result.sentence())
        finally:
            store.close()
            reader.close()
        tally.entries = len(stored)
        tally.durable, tally.lost, tally.duplicated = self._house.counted(promised, stored)
        if tally.duplicated:
            self._violated(f"{tally.duplicated} entries are stored twice")
        if tally.lost:
            self._violated(f"{tally.lost} entries that were durable are not in the store")


async def played(
    seed: int,
    rounds: int,
    tell: Callable[[str], None],
    *,
    victims: Sequence[str] = ("load", "broker", "recorder", POWER),
    defect: tuple[str, str] = ("", ""),
    deadline_s: float = 30.0,
) -> Tally:
    """So many rounds over SQLite, a new house for every ten, each ending with a forged entry; ends at a violation."""
    whole = Tally()
    for first in range(0, rounds, ROUNDS_A_HOUSE):
        with TemporaryDirectory(prefix="needlework-kill-") as folder:
            house = LoadHouse(Path(folder), seed + first, power_cut=True, defect=defect)
            playing = Rounds(house, seed, tell, victims=victims, deadline_s=deadline_s)
            async with house.running():
                await in_turn(playing, range(first, min(first + ROUNDS_A_HOUSE, rounds)))
        whole.add(playing.tally)
        if whole.violations:
            break
    return whole


async def in_turn(playing: Rounds, numbers: Iterable[int]) -> None:
    """These rounds in a house that runs, and a forged entry at the end; fewer when something is violated."""
    for number in numbers:
        if not await playing.play(number):
            return
    await playing.forge()
