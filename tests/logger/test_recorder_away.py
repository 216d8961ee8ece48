"""What a recorder says while its broker is away: the same thing once, whatever the number of its attempts."""

import asyncio
import random
from datetime import UTC, datetime
from pathlib import Path

from logger.bus.broker_url import BrokerUrl
from logger.bus.reconnect import BackoffSettings, told_once
from logger.bus.recorder import Recorder
from logger.store.store import Store
from tests.fixtures_brokers import free_port


async def test_a_broker_that_is_away_is_told_of_once_and_without_the_systems_numbers(tmp_path: Path) -> None:
    said: list[str] = []
    store = Store.open(tmp_path / "store.sqlite")
    quick = BackoffSettings(first_s=0.01, max_s=0.01)
    recorder = Recorder(
        broker=BrokerUrl("127.0.0.1", free_port()), site="clinic", store=store, utc_now=lambda: datetime.now(UTC),
        random=random.Random(), on_problem=said.append, backoff=quick,
    )  # fmt: skip
    running = asyncio.create_task(recorder.run())
    await asyncio.sleep(0.5)
    running.cancel()
    await asyncio.wait({running})
    store.close()
    assert len(said) == 1, said
    assert "No broker answers" in said[0]
    assert "Errno" not in said[0]


def test_after_another_connection_it_is_told_again() -> None:
    said: list[str] = []
    connections = 0
    tell = told_once(said.append, lambda: connections)
    for sentence in ("away", "away", "refused", "refused", "away"):
        tell(sentence)
    connections = 1
    tell("away")
    assert said == ["away", "refused", "away", "away"]
