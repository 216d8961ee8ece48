"""A house in which somebody is treated: `needlework run` with a simulated pen, its parts killed under the treatment.

The supervisor starts again what was killed; a patient's treatment begins anew each time the station is back, with a
new cartridge and another patient. The pen lives in this process: what it does while its host is dead is for others.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from logger.journal.entry import Entry
from simulators.pen import SimulatedPen
from station.api.client import SeatClient, StationClient
from station.errors import StationError
from station.process.supervise import RECORDER, STATION, Supervisor
from station.settings import StationSettings
from tests.faults.house import Killable, mosquitto
from tests.faults.rounds import Rounds, Tally, in_turn
from tests.fixtures_brokers import SITE, free_port
from tests.fixtures_brokers import STATION as NAME
from tests.station.conftest import OPERATOR, plan, simulated

ROUNDS_A_HOUSE = 4
"""A supervisor waits longer each time the same part dies again."""
_AGAIN_S = 0.1
_DEADLINE_S = 60.0


class SupervisedPart:
    """A child of the supervisor, which starts it again by itself."""

    def __init__(self, name: str, house: "TreatedHouse") -> None:
        self._name = name
        self._house = house

    async def kill(self) -> None:
        """See Killable."""
        supervisor = self._house.supervisor
        pid = supervisor.pid(self._name)
        if pid is None:
            return
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        if self._name == STATION:
            self._house.treating = False
        while supervisor.pid(self._name) == pid:
            await asyncio.sleep(0.01)

    async def start(self) -> None:
        """The supervisor's affair."""

    async def look(self) -> str | None:
        """A supervisor that gives up is told of."""
        ended = asyncio.ensure_future(self._house.supervisor.ended())
        await asyncio.wait({ended}, timeout=0)
        if ended.done():
            return f"needlework run ended: {ended.result()}"
        ended.cancel()
        await asyncio.wait({ended})
        return None


class TreatedHouse:
    """A station with its recorder on a Mosquitto, and a treatment that begins again whenever it can."""

    def __init__(self, folder: Path, pen: SimulatedPen, url: str) -> None:
        port = free_port()
        self.broker_url = f"mqtt://127.0.0.1:{port}"
        self.disk = None
        self._broker = mosquitto(folder, port)
        self._pen = pen
        settings = StationSettings.model_validate(
            {
                "site": SITE, "station": NAME, "state_dir": folder / "state", "stop_port": 0, "pens": f"pen={url}",
                "broker": self.broker_url, "seat_presence_s": 10.0,
            }
        )  # fmt: skip
        self.supervisor = Supervisor(settings, simulate=())
        self.journal_path = settings.journal_path
        self.store_place = settings.store_place
        self.parts: Mapping[str, Killable] = {
            "broker": self._broker,
            "recorder": SupervisedPart(RECORDER, self),
            "station": SupervisedPart(STATION, self),
        }
        self.treating = False
        self.treatments = 0
        self._committed = 0
        self._refused = ""
        self._treatments: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator["TreatedHouse"]:
        """Everything runs, and somebody is treated, until the block ends."""
        try:
            await self._broker.start()
            async with self.supervisor:
                self._treatments = asyncio.create_task(self._treat_for_ever(), name="treatments")
                try:
                    yield self
                finally:
                    self._treatments.cancel()
                    await asyncio.wait({self._treatments})
        finally:
            await self._broker.kill()

    def at_work(self) -> bool:
        """Somebody is treated by the station that was started last."""
        if self._treatments is not None and self._treatments.done():
            self._treatments.result()
        return self.treating

    def trouble(self) -> str:
        """Why nobody is treated, as the station put it last."""
        return self._refused

    def promised(self) -> Mapping[int, int]:
        """The last entry that the station said is on the disk."""
        return {0: self._committed}

    def counted(self, promised: Mapping[int, int], stored: Sequence[Entry]) -> tuple[int, int, int]:
        """Entries have no numbers of their own here but their sequence."""
        sequences = [entry.sequence for entry in stored]
        lost = len(set(range(1, promised[0] + 1)) - set(sequences))
        return promised[0], lost, len(sequences) - len(set(sequences))

    async def _treat_for_ever(self) -> None:
        while True:
            try:
                async with self.supervisor.client() as client, client.seat(OPERATOR) as seat:
                    await self._treat(client, seat)
            except* StationError as errors:
                self._refused = str(errors.exceptions[0])
            await asyncio.sleep(_AGAIN_S)

    async def _treat(self, client: StationClient, seat: SeatClient) -> None:
        """One treatment, until the station is gone."""
        with suppress(StationError):
            await seat.close()
        self._pen.remove_cartridge()
        self._pen.insert_cartridge()
        self.treatments += 1
        await seat.prepare(plan(patient=f"P-{self.treatments:04d}"))
        with suppress(StationError):  # a pen whose host was killed has latched that
            await seat.clear_fault()
        await seat.arm()
        await seat.set_depth("0.50")
        await seat.set_rate(100)
        treated = (await seat.start()).view
        while treated.phase == "treating":
            status = await client.status()
            self._committed = max(self._committed, status.record.committed)
            treated = status.pens[0].view
            self.treating = bool(treated.strokes)
            await asyncio.sleep(_AGAIN_S)


async def played_under_treatment(seed: int, rounds: int, tell: Callable[[str], None]) -> Tally:
    """So many rounds, a new house for every few of them; ends at a violation."""
    whole = Tally()
    for first in range(0, rounds, ROUNDS_A_HOUSE):
        # Short, because a socket's path is.
        with TemporaryDirectory(prefix="nw") as folder:
            async with simulated(Path(folder) / "pen") as (pen, endpoint):
                house = TreatedHouse(Path(folder), pen, endpoint.url)
                playing = Rounds(house, seed, tell, victims=tuple(house.parts), deadline_s=_DEADLINE_S)
                async with house.running():
                    await in_turn(playing, range(first, min(first + ROUNDS_A_HOUSE, rounds)))
        whole.add(playing.tally)
        if whole.violations:
            break
    return whole
