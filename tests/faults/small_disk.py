"""``python -m tests.faults.small_disk WHAT FOLDER``, in a mount namespace of its own: a file system of a few megabytes
under one place of the house, filled while everything works, and freed again. Says as JSON what came of it.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from logger.errors import StoreUnusable
from logger.journal.journal import Journal
from logger.journal.reader import JournalReader
from logger.journal.writer import JournalLimits
from logger.proof.verify import verify_journal
from logger.store.store import Store
from station.api.client import SeatClient, StationClient
from station.errors import StationError
from station.process.supervise import Supervisor
from station.settings import StationSettings
from tests.faults.house import ROOT, LoadHouse
from tests.fixtures_brokers import STATION
from tests.logger.making import START, closed, grouped, opened
from tests.station.conftest import OPERATOR, plan, simulated

FULL_S = 1.5
"""How long the disk stays full: several batches, receipts that do not come, and a restart."""
PRIVATE = ("history.sqlite", "ledger.sqlite")


class SmallDisk:
    """A file system in memory, mounted at ``folder``."""

    def __init__(self, folder: Path, size: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Takes what is left, to the last block."""
        with self._ballast.open("wb", buffering=0) as file:
            try:
                while file.write(b"x" * 4096):
                    pass
            except OSError:
                pass

    def free(self) -> None:
        """Gives it back."""
        self._ballast.unlink()


def ends(journal: Path, store: str) -> tuple[int, int, int]:
    """Last entry of the journal, the outbox's cursor, last entry of the store."""
    reader = JournalReader(journal)
    opened = Store.open_to_read(store)
    try:
        last = reader.last()
        return (0 if last is None else last[0]), reader.acknowledged(), opened.span(STATION).contiguous
    finally:
        reader.close()
        opened.close()


def delivers(house: LoadHouse) -> bool:
    """The record arrives in the store."""
    try:
        return ends(house.journal_path, house.store_place)[2] > 50
    except StoreUnusable:
        return False  # the recorder has not made it yet


async def until(holds: Callable[[], Any], within_s: float = 15.0) -> None:
    async with asyncio.timeout(within_s):
        while not holds():
            await asyncio.sleep(0.05)


async def under_load(what: str, folder: Path) -> dict[str, Any]:
    """The disk of the store or of the broker is full while entries come; a restart of its owner changes nothing."""
    disk = SmallDisk(folder / "small", "2m")
    house = LoadHouse(
        folder,
        1,
        store=str(folder / "small" / "store.db") if what == "store" else None,
        broker_keeps=disk_of_broker(folder) if what == "broker" else "persistence false\n",
    )
    owner = "recorder" if what == "store" else "broker"
    async with house.running():
        await until(lambda: house.at_work() and delivers(house))
        disk.fill()
        await asyncio.sleep(FULL_S)
        journalled, confirmed, stored = ends(house.journal_path, house.store_place)
        await house.parts[owner].kill()
        await house.parts[owner].start()
        await asyncio.sleep(FULL_S)
        promised = house.promised()
        later = ends(house.journal_path, house.store_place)
        said = (folder / f"{owner}.log").read_text(errors="replace")
        disk.free()
        await until(lambda: ends(house.journal_path, house.store_place)[2] >= later[0])
    return {"full": [journalled, confirmed, stored], "later": later, "said": said, **counted(house, promised)}


def disk_of_broker(folder: Path) -> str:
    """Mosquitto's memory, written every second."""
    return f"persistence true\npersistence_location {folder}/small/\nautosave_interval 1\n"


def counted(house: LoadHouse, promised: Any) -> dict[str, Any]:
    """Both ends at the end."""
    store = Store.open_to_read(house.store_place)
    try:
        entries = list(store.entries(STATION))
        durable, lost, duplicated = house.counted(promised, entries)
        verdict = verify_journal(house.journal_path, store=store).verdict
    finally:
        store.close()
    return {"durable": durable, "lost": lost, "duplicated": duplicated, "verdict": verdict}


async def refused(asked: Any) -> str:
    """What a call is refused with; empty when it is not."""
    try:
        await asked
    except StationError as error:
        return str(error)
    return ""


async def private(folder: Path) -> dict[str, Any]:
    """The disk of the private databases is full, the journal's is not: no session begins, and what ended is kept."""
    disk = SmallDisk(folder / "small", "2m")
    state = folder / "state"
    state.mkdir()
    for name in PRIVATE:
        (state / name).symlink_to(folder / "small" / name)
    async with simulated(folder / "pen") as (pen, endpoint):
        settings = StationSettings.model_validate(
            {"state_dir": state, "stop_port": 0, "pens": f"pen={endpoint.url}", "seat_presence_s": 20.0}
        )
        said: dict[str, Any] = {}
        async with (
            Supervisor(settings, simulate=()) as supervisor,
            supervisor.client() as client,
            client.seat(OPERATOR) as seat,
        ):
            while (await client.pen()).view.link != "connected":
                await asyncio.sleep(0.05)
            await seat.prepare(plan(patient="P-0001"))
            disk.fill()
            said["arm"] = await refused(seat.arm())
            disk.free()
            await treated(client, seat)
            disk.fill()
            said["closed"] = await refused(seat.close())
            pen.remove_cartridge()
            pen.insert_cartridge()
            said["next"] = await refused(_prepare_and_arm(seat, "P-0002"))
            said["motor"] = pen.truth.motor_driven
            disk.free()
            said["after"] = "not yet"
            async with asyncio.timeout(15):
                while said["after"]:
                    await asyncio.sleep(0.2)
                    await refused(seat.close())
                    said["after"] = await refused(_prepare_and_arm(seat, "P-0002"))
            said["visits"] = (await seat.patient("P-0001")).model_dump(mode="json")
            await seat.close()
        said["verdict"] = verify_journal(settings.journal_path).verdict
    return said


async def treated(client: StationClient, seat: SeatClient) -> None:
    """A second of treatment of who is prepared."""
    await seat.arm()
    await seat.set_depth("0.50")
    await seat.set_rate(100)
    await seat.start()
    while (await client.pen()).view.treated_ms < 1000:
        await asyncio.sleep(0.05)


async def _prepare_and_arm(seat: SeatClient, patient: str) -> None:
    await seat.prepare(plan(patient=patient))
    await seat.arm()


def files(folder: Path) -> dict[str, Any]:
    """The folder for files is full: each command says so and leaves no half a file; with room it makes its file."""
    disk = SmallDisk(folder / "small", "8m")
    journal, store = folder / "journal.db", folder / "store.db"
    record_of_a_session(journal, store)
    into = folder / "small"
    commands = {
        "csv": ("export", "csv", "--output", str(into / "csv"), "--journal", str(journal)),
        "report": ("report", "session", "--output", str(into / "report.pdf"), "--journal", str(journal)),
        "backup": ("store", "backup", str(into / "backup.db"), "--store", str(store)),
    }

    def tried() -> dict[str, Any]:
        return {name: called(command, folder) for name, command in commands.items()}

    disk.fill()
    full = tried()
    left = sorted(path.name for path in into.rglob("*") if path.is_file() and path.name != "ballast")
    disk.free()
    return {"full": full, "left": left, "again": tried()}


def record_of_a_session(journal: Path, store: str | Path) -> None:
    """A journal with one session in it, and the store that took it."""

    async def write() -> None:
        async with Journal(
            journal, station=STATION, utc_now=lambda: START, monotonic_ms=lambda: 1,
            limits=JournalLimits(min_free_bytes=0),
        ) as opening:  # fmt: skip
            opening.emit(opened(), session="s-1")
            for number in range(200):
                opening.emit(grouped(number), session="s-1")
            opening.emit(closed(), session="s-1")

    asyncio.run(write())
    reader, taking = JournalReader(journal), Store.open(store)
    taking.append(reader.read(0, 1000), seen_utc_us=1)
    taking.close()
    reader.close()


def called(command: tuple[str, ...], folder: Path) -> dict[str, Any]:
    """`needlework` with these arguments: its exit code and what it said."""
    program = "import sys; from console.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", program, *command, "--state", str(folder / "state")],
        capture_output=True, text=True, check=False, timeout=60, cwd=ROOT,
    )  # fmt: skip
    return {"code": done.returncode, "said": " ".join((done.stdout + done.stderr).split())}


def main() -> int:
    """Does it and says what came of it."""
    what, folder = sys.argv[1], Path(sys.argv[2])
    if what == "files":
        said = files(folder)
    else:
        said = asyncio.run(private(folder) if what == "private" else under_load(what, folder))
    sys.stdout.write(json.dumps(said) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
