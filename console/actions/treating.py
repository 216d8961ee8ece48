"""`needlework treat`: operates a pen from a terminal, with the live view above a line of text, or from a script.

A client of the station like any other: it holds the operating seat while it runs. Whoever leaves, leaves a paused pen.
"""

import asyncio
import os
import sys
import termios
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.text import Text

from console.actions.asked import Asked, check_open, check_patient, plan_of, taken_up
from console.exits import Code
from console.gauges import set_hz, set_mm
from console.keys import Key, typed
from console.passwords import password_for
from console.screen import err, out
from console.treat_lines import HELP, Order, parse, waiting_s
from console.trouble import ConsoleError, Told, show, told_of
from console.watching import ScreenDisplay, TreatDisplay, watch
from console.words import hz, mm, spoken
from controller.plan import SessionPlan
from station.client import SeatClient, StationClient
from station.errors import StationError, StationRefused
from station.libraries import clinic_library
from station.models import PenStatus
from station.settings import StationSettings
from station.signals import on_ending_signals

FOOTER = "Space: start or pause · Esc: STOP · `help` · Ctrl-C: STOP and leave"
NO_SESSION = "no_session"
INTERRUPTED = "interrupted"
NEEDS_SESSION = ("arm", "depth", "rate", "zone")
LOOK_EVERY_S = 0.25
"""How often a waiting script looks whether the treatment still goes on."""


def treat(settings: StationSettings, asked: Asked, password_file: Path | None = None) -> int:
    """Operates a pen until its session is closed or the person leaves. Raises StationError, ConsoleError."""
    check_patient(asked.patient)
    before, mode = asyncio.run(_before(settings, asked))
    password = password_for(asked.operator, mode, password_file)
    plan = None
    if before.view.session:
        check_open(asked, before.view)
    else:
        # Questions are asked outside any event loop: inside one, Ctrl-C would not end them.
        plan = plan_of(asked, clinic_library(settings, datetime.now(UTC).date()).checklist)
    return asyncio.run(_treat(settings, asked, plan, password))


async def _before(settings: StationSettings, asked: Asked) -> tuple[PenStatus, str]:
    async with StationClient.of(settings) as station:
        return await station.pen(asked.pen), (await station.status()).mode


async def _treat(settings: StationSettings, asked: Asked, plan: SessionPlan | None, password: str) -> int:
    leaving = asyncio.Event()
    async with StationClient.of(settings) as station:
        with on_ending_signals(lambda _: leaving.set()):
            operating = asyncio.create_task(_operate(settings, station, asked, plan, password), name="treat")
            ending = asyncio.create_task(leaving.wait(), name="asked to leave")
            await asyncio.wait({operating, ending}, return_when=asyncio.FIRST_COMPLETED)
            if ending.done():
                await station.stop(asked.pen)
            for task in (operating, ending):
                task.cancel()
            await asyncio.wait({operating, ending})
    if operating.cancelled():
        err().print(Text("STOP was sent before leaving. The session stays open; `needlework treat` takes it up again."))
        return Code.INTERRUPTED
    return operating.result()


async def _operate(
    settings: StationSettings, station: StationClient, asked: Asked, plan: SessionPlan | None, password: str
) -> int:
    async with (
        station.signed_in(asked.operator, password) as person,
        station.seat(asked.operator, asked.pen, person=person) as seat,
    ):
        desk = _Desk(settings, station, seat)
        said = await (desk.take_up(asked) if plan is None else desk.prepare(plan))
        return await (desk.on_terminal(said) if sys.stdin.isatty() and sys.stdout.isatty() else desk.by_script(said))


class _Desk:
    """One person at one pen."""

    def __init__(self, settings: StationSettings, station: StationClient, seat: SeatClient) -> None:
        self._settings = settings
        self._station = station
        self._seat = seat
        self._console: Console = out()
        self._closed = False
        self._waiting: SessionPlan | None = None  # a session that is prepared once an alarm is cleared

    async def take_up(self, asked: Asked) -> str:
        """Takes up the open session, now that nobody else can change it; what to say of it. Raises ConsoleError."""
        view = (await self._station.pen(self._seat.pen)).view
        if not view.session:
            told = Told("no_session", "The session was closed in this moment.", "Nothing was sent.", "Try again.")
            raise ConsoleError(told)
        check_open(asked, view)
        items = [item for item in asked.confirmed if item in view.missing]
        if items:
            await self._seat.confirm(*items)
        return taken_up(asked, view)

    async def prepare(self, plan: SessionPlan) -> str:
        """Prepares a session, or says which alarms come first. Raises StationRefused for any other reason."""
        try:
            await self._seat.prepare(plan)
        except StationRefused as refused:
            if refused.trouble.because != "alarm":
                raise
            self._waiting = plan
            alarms = (await self._station.pen(self._seat.pen)).view.alarms
            names = "; ".join(f"{alarm.alarm}: {alarm.sentence}" for alarm in alarms)
            return f"{refused.trouble.what} `ack ALARM`, `clear`, then `arm` prepares the session. {names}".strip()
        return ""

    async def by_script(self, said: str) -> int:
        """Lines of standard input, one after the other; the first that is refused ends it."""
        if said:
            self._console.print(Text(said), soft_wrap=True)
        async for line in _lines():
            try:
                order = parse(line)
                if order is not None:
                    done = await self._follow(order)
                    self._console.print(Text(f"{line.strip()}: {_now(done)}"), soft_wrap=True)
            except (StationError, ConsoleError) as error:
                found = told_of(error)
                if found is None:
                    raise
                show(found[0])
                return found[1]
        return Code.DONE

    async def on_terminal(self, said: str) -> int:
        """Keys beside the live view, until the session is closed."""
        display = TreatDisplay(self._console, FOOTER)
        if said:
            display.log(Text(f"· {said}", style="cyan"))
        orders: asyncio.Queue[str] = asyncio.Queue()
        watching = asyncio.create_task(watch(self._settings, display, self._seat.pen), name="live view")
        stops: set[asyncio.Task[None]] = set()

        def act(key: Key | str) -> None:
            if key is Key.STOP:  # past everything that may be waiting for an answer
                display.ending()
                stops.add(asyncio.create_task(self._stop(display), name="STOP"))
            else:
                orders.put_nowait("toggle" if key is Key.TOGGLE else str(key))

        try:
            with _keys(display, act):
                while True:
                    phase = await self._typed(await orders.get(), display)
                    if phase == NO_SESSION and self._waiting is None:
                        break
        finally:
            watching.cancel()
            await asyncio.wait({watching, *stops})
        if self._closed:
            return Code.DONE
        told = Told("no_session", "The session is no longer open: somebody or something else closed it.", "",
                    "`needlework sessions show last` says what happened.")  # fmt: skip
        raise ConsoleError(told)

    async def _typed(self, line: str, display: TreatDisplay) -> str:
        """Follows one line and shows what came of it; the phase after it."""
        if line.strip() == "help":
            display.log(Text(" · ".join(HELP), style="cyan"))
            return ""
        try:
            order = await self._toggle() if line == "toggle" else parse(line)
            if order is None:
                return ""
            if order.name in ("stop", "close"):
                display.ending()
            done = await self._follow(order)
        except (StationError, ConsoleError) as error:
            found = told_of(error)
            display.log(Text(f"✗ {error if found is None else ' '.join((found[0].what, found[0].do))}", style="yellow"))
            return await self._phase()
        display.log(Text(f"· {order.name}: {_now(done)}"))
        return done.view.phase

    async def _phase(self) -> str:
        """Where the treatment stands; empty while the station does not answer."""
        with suppress(StationError):
            return (await self._station.pen(self._seat.pen)).view.phase
        return ""

    async def _toggle(self) -> Order:
        view = (await self._station.pen(self._seat.pen)).view
        return Order("pause" if view.phase == "treating" else "start", ())

    async def _stop(self, display: ScreenDisplay) -> None:
        with suppress(StationError):
            said = await self._station.stop(self._seat.pen)
            display.log(Text(f"■ {said.what}", style="bold red"))

    async def _follow(self, order: Order) -> PenStatus:  # noqa: PLR0911 one line an action
        seat, words = self._seat, order.arguments
        if self._waiting is not None and order.name in NEEDS_SESSION:
            await seat.prepare(self._waiting)
            self._waiting = None
        match order.name:
            case "arm":
                return await seat.arm()
            case "depth":
                return await seat.set_depth(words[0], words[1] if len(words) > 1 else "")
            case "rate":
                return await seat.set_rate(words[0])
            case "start":
                return await seat.start()
            case "pause":
                return await seat.pause()
            case "zone":
                return await seat.declare_zone(words[0])
            case "ack":
                return await seat.acknowledge(words[0])
            case "clear":
                return await seat.clear_fault()
            case "close":
                closed = await seat.close(" ".join(words) or "finished")
                self._closed = True
                return closed
            case "stop":
                await seat.stop()
            case _:
                return await self._wait(waiting_s(order))
        return await self._station.pen(seat.pen)

    async def _wait(self, seconds: float) -> PenStatus:
        """Waits, and looks meanwhile. Raises StationUnreachable, and ConsoleError when the treatment is interrupted."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + seconds
        while True:
            now = await self._station.pen(self._seat.pen)
            if now.view.phase == INTERRUPTED:
                what = f"The treatment was interrupted: {now.view.interruption}"
                raise ConsoleError(Told("interrupted", what, "The pen was stopped.", now.view.next_step))
            left_s = end_s - loop.time()
            if left_s <= 0:
                return now
            await asyncio.sleep(min(left_s, LOOK_EVERY_S))


def _now(status: PenStatus) -> str:
    """A pen in a few words, after an action."""
    view = status.view
    known = view.status_age_ms is not None
    pieces = [spoken(view.phase)]
    if view.zone and view.session:
        pieces.append(view.zone)
    if view.phase in ("paused", "treating"):
        pieces.append(f"set {set_mm(view)} {set_hz(view)}")
    if view.motor_on:
        pieces.append(f"measured {mm(view.depth_measured_um, known=known)} {hz(view.rate_measured_mhz, known=known)}")
    return ", ".join(pieces) + (f". {status.said}" if status.said else "")


async def _lines() -> AsyncIterator[str]:
    """Lines of standard input. Read in a daemon thread: not every kind of input can be watched by an event loop."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[str] = asyncio.Queue()

    def read() -> None:
        while True:
            line = sys.stdin.readline()
            if loop.is_closed():
                return
            loop.call_soon_threadsafe(queue.put_nowait, line)
            if not line:
                return

    threading.Thread(target=read, name="standard input", daemon=True).start()
    while line := await queue.get():
        yield line


@contextmanager
def _keys(display: ScreenDisplay, act: Callable[[Key | str], None]) -> Iterator[None]:
    """While inside, keys come one by one and are not echoed; signals from the keyboard stay signals."""
    loop = asyncio.get_running_loop()
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    line = ""

    def read() -> None:
        nonlocal line
        found = typed(line, os.read(descriptor, 256))
        line = found.line
        for key in found.acts:
            act(key)
        display.prompt(line)

    keys = termios.tcgetattr(descriptor)
    keys[3] &= ~(termios.ICANON | termios.ECHO)
    termios.tcsetattr(descriptor, termios.TCSADRAIN, keys)
    display.prompt(line)
    loop.add_reader(descriptor, read)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
