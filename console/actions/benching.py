"""What the commands of a technician's bench share, and raw moves in service mode."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from rich.text import Text

from console.exits import Code
from console.passwords import ask
from console.screen import err, out, print_json
from console.typing_in import lines
from controller.service.shown import Shown
from controller.units import format_hz, format_mm, micrometres_from_mm, millihertz_from_hz
from firmware_bridge.wire.fields import NOT_MEASURED
from station.bench import TechnicianBench, open_bench
from station.bench.record import SigningIn
from station.process.signals import on_ending_signals
from station.settings import StationSettings

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Seat:
    """Who sits at the bench, with which pen, and how the answer is told; ``authorised_by`` answers for certificates,
    empty for the technician."""

    settings: StationSettings
    pen: str
    technician: str
    password_file: Path | None
    off_skin: bool
    as_json: bool
    authorised_by: str = ""
    authorised_password_file: Path | None = None

    def authorises(self) -> SigningIn | None:
        """Whoever answers for certificates beside the technician, signing in. Raises ConsoleError."""
        if self.authorised_by in ("", self.technician):
            return None
        option, file = "--authorised-password-file", self.authorised_password_file
        return SigningIn(self.authorised_by, ask(f"Password of {self.authorised_by}", file, option=option))


def at_bench(seat: Seat, work: Callable[[TechnicianBench], Awaitable[Result]]) -> Result | None:
    """Does the work at an open bench; None when a signal ended it, the pen stopped. Raises what the bench raises."""
    password = ask(f"Password of {seat.technician}", seat.password_file, option="--password-file")
    authorises = seat.authorises()

    async def run() -> Result:
        task = asyncio.current_task()

        def end(_signal: str) -> None:
            if task is not None:
                task.cancel()

        with on_ending_signals(end):
            async with open_bench(
                seat.settings,
                seat.pen,
                technician=seat.technician,
                password=password,
                authorises=authorises,
                attested_off_skin=seat.off_skin,
            ) as bench:
                return await work(bench)

    try:
        return asyncio.run(run())
    except asyncio.CancelledError:
        err().print(Text("Interrupted: the pen was told to STOP.", "bold yellow"))
        return None


async def warned(seat: Seat) -> bool:
    """Says that needles will move: at an open bench, to whoever has signed in. At a terminal a person agrees; whoever
    calls it from a program has. Whether to go on."""
    console = err()
    console.print(Text("The pen's motor will run and its needles will move.", "bold red"))
    console.print("Keep it away from people, and hold it so that its needles touch nothing. Ctrl-C stops it.")
    if seat.as_json or not sys.stdin.isatty():
        return True
    console.print(Text("Type yes to go on: ", "bold"), end="")
    async for line in lines():
        return line.strip().lower() == "yes"
    return False


async def cleared(bench: TechnicianBench) -> None:
    """Clears, and says so, that whoever drove the pen before fell silent: once who sits here was warned."""
    if await bench.clear_silence():
        err().print(Text("Whoever drove it last fell silent, and it stopped by itself. That is cleared.", "yellow"))


def move(seat: Seat, depth: str, rate: str, seconds: float) -> int:
    """One raw move. Raises QuantityError and what the bench raises."""
    depth_um, rate_mhz = micrometres_from_mm(depth), millihertz_from_hz(rate)

    async def work(bench: TechnicianBench) -> Shown | None:
        if not await warned(seat):
            return None
        await cleared(bench)
        async with bench.service("inspection"):
            shown = await bench.driver.move(depth_um, rate_mhz, mean_ms=round(seconds * 1000))
            await bench.driver.motor_off()
            return shown

    shown = at_bench(seat, work)
    if shown is None:
        return Code.INTERRUPTED
    if seat.as_json:
        print_json({"depth_commanded_um": depth_um, "rate_commanded_mhz": rate_mhz, **asdict(shown)})
    else:
        out().print(
            Text(
                f"Set {format_mm(depth_um)} at {format_hz(rate_mhz)}; the pen shows "
                f"{format_mm(shown.depth_measured_um)} at {format_hz(shown.rate_measured_mhz)}."
            )
        )
    return Code.DONE


def read(seat: Seat) -> int:
    """The pen's sensors without its adjustment. Raises what the bench raises."""
    found = at_bench(seat, lambda bench: bench.driver.raw())
    if found is None:
        return Code.INTERRUPTED
    told = {name: unpacked(name, value) for name, value in found._asdict().items()}
    if seat.as_json:
        print_json(told)
    else:
        for name, value in told.items():
            out().print(Text(f"{name:18} {'not measured' if value is None else value}"))
    return Code.DONE


def unpacked(name: str, value: int) -> int | None:
    """A value of RAW_READ, None where the pen does not measure it."""
    return None if value == _NOT_MEASURED.get(name) else value


_NOT_MEASURED = {
    "depth_raw_um": NOT_MEASURED["i16"],
    "rate_raw_mhz": NOT_MEASURED["u32"],
    "motor_current_ma": NOT_MEASURED["u16"],
    "supply_mv": NOT_MEASURED["u16"],
    "temperature_dc": NOT_MEASURED["i16"],
}
