"""`needlework treat`: operates a pen from a terminal, with the live view above a line of text, or from a script.

A client of the station like any other: it holds the operating seat while it runs. Whoever leaves, leaves a paused pen.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console, Group
from rich.text import Text

from console.actions.asked import Asked, check_open, check_patient, new_patient, plan_of
from console.actions.confirming import confirmed, outcome
from console.actions.desk import Desk, Done, SoftLimit, in_words
from console.actions.interview import Interview
from console.exits import Code
from console.keys import Key
from console.passwords import password_for
from console.render.closing import closing_view
from console.render.readiness import readiness_view
from console.screen import err, out, say
from console.treat_lines import HELP, parse
from console.trouble import ConsoleError, Told, show, told_of
from console.typing_in import keys, lines
from console.watching import TreatDisplay, watch
from controller.library import LoadedLibrary
from controller.plan import SessionPlan
from station.api.client import SeatClient, StationClient
from station.api.models import PatientTold
from station.api.patient_client import patient_register
from station.errors import StationError
from station.process.signals import on_ending_signals
from station.settings import StationSettings
from station.site.libraries import clinic_library

FOOTER = "Space: start or pause · Esc: STOP · `help` · Ctrl-C: STOP and leave"
NO_SESSION = "no_session"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where somebody treats: the station's settings, its library, and the password they sign in with."""

    settings: StationSettings
    library: LoadedLibrary
    password: str

    @asynccontextmanager
    async def seat(self, station: StationClient, asked: Asked) -> AsyncIterator[SeatClient]:
        """Signs in and takes the operating seat. Raises StationRefused."""
        async with (
            station.signed_in(asked.operator, self.password) as person,
            station.seat(asked.operator, asked.pen, person=person) as seat,
        ):
            yield seat


def treat(settings: StationSettings, asked: Asked, password_file: Path | None = None) -> int:
    """Operates a pen until its session is closed or the person leaves. Raises StationError, ConsoleError."""
    check_patient(asked.patient, instead=", or leave --patient out and a random one is made")
    library = clinic_library(settings, datetime.now(UTC).date())
    mode, taken = asyncio.run(_before(settings, asked))
    place = _Place(settings, library, password_for(asked.operator, mode, password_file))
    if asked.find:
        asked = replace(asked, patient=asyncio.run(_found(place, asked)), find="")
        mode, taken = asyncio.run(_before(settings, asked))
    plan = None
    if not taken:
        told = asyncio.run(_patient(place, asked))
        plan = _plan(place, replace(asked, patient=told.patient), told)
    return asyncio.run(_treat(place, asked, plan))


async def _before(settings: StationSettings, asked: Asked) -> tuple[str, bool]:
    """The station's mode, and whether a session is open that is taken up. Raises ConsoleError for another's."""
    async with StationClient.of(settings) as station:
        view = (await station.pen(asked.pen)).view
        if view.session:
            check_open(asked, view)
        return (await station.status()).mode, bool(view.session)


async def _found(place: _Place, asked: Asked) -> str:
    """The pseudonym of the one patient who is meant: what was typed goes no further. Raises ConsoleError."""
    if asked.patient:
        raise ConsoleError(Told("usage", "Give --patient or --find, not both.", "Nothing was sent."), Code.USAGE)
    async with patient_register(place.settings, asked.operator, place.password) as register:
        found = await register.find(asked.find)
    if len(found) == 1:
        return found[0].pseudonym
    names = "; ".join(f"{one.pseudonym} {one.name}, {one.born or 'birth date unknown'}" for one in found)
    raise ConsoleError(
        Told(
            "which_patient",
            f"{len(found)} patients fit. {names}".rstrip(),
            "No session was prepared.",
            "Say more of the name, or give --patient PSEUDONYM. `needlework patients add` enters somebody new.",
        )
    )


async def _patient(place: _Place, asked: Asked) -> PatientTold:
    """What the site knows of the patient."""
    async with StationClient.of(place.settings) as station, place.seat(station, asked) as seat:
        return await seat.patient(asked.patient or new_patient())


def _plan(place: _Place, asked: Asked, told: PatientTold) -> SessionPlan:
    """What the command line says, and at a terminal what a person answers. Raises ConsoleError, also for Ctrl-C."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return plan_of(asked, told, place.library.questions)
    # Questions are asked outside any event loop: inside one, Ctrl-C would not end them.
    console = out()
    interview = Interview(
        place.library,
        asked,
        told,
        today=datetime.now(UTC).date(),
        ask=input,
        tell=console.print,
        separators_sent=place.settings.scanner_sends_separators,
    )
    try:
        return interview.plan()
    except (KeyboardInterrupt, EOFError) as left:
        console.print()
        again = f"`needlework treat --operator {asked.operator} --patient {asked.patient}` asks again."
        what = Told("left", "The questions were left.", "No session was prepared, and no answer was kept.", again)
        raise ConsoleError(what, Code.INTERRUPTED) from left


async def _treat(place: _Place, asked: Asked, plan: SessionPlan | None) -> int:
    leaving = asyncio.Event()
    async with StationClient.of(place.settings) as station:
        with on_ending_signals(lambda _: leaving.set()):
            operating = asyncio.create_task(_operate(place, station, asked, plan), name="treat")
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


async def _operate(place: _Place, station: StationClient, asked: Asked, plan: SessionPlan | None) -> int:
    async with place.seat(station, asked) as seat:
        desk = Desk(station, seat, place.library, repeat=asked.repeat)
        said = await (desk.take_up(asked) if plan is None else desk.prepare(plan))
        if sys.stdin.isatty() and sys.stdout.isatty():
            return await _OnTerminal(place, station, desk, seat.pen).run(said)
        return await _by_script(desk, said)


async def _by_script(desk: Desk, said: str) -> int:
    """Lines of standard input, one after the other; the first that is refused ends it."""
    console: Console = out()
    if said:
        console.print(Text(said), soft_wrap=True)
    rows = (await desk.status()).view.readiness
    if rows:
        say(console, readiness_view(rows))
    async for line in lines():
        try:
            order = parse(line)
            if order is not None:
                done = await desk.follow(order)
                console.print(Text(f"{line.strip()}: {in_words(done.status)}"), soft_wrap=True)
                if done.shown is not None:
                    say(console, done.shown)
        except (StationError, ConsoleError) as error:
            found = told_of(error)
            if found is None:
                raise
            show(found[0])
            if isinstance(error, SoftLimit):
                err().print(error.reasons)
            return found[1]
    return Code.DONE


class _OnTerminal:
    """Keys beside the live view, until the session is closed."""

    def __init__(self, place: _Place, station: StationClient, desk: Desk, pen: str) -> None:
        self._settings = place.settings
        self._library = place.library
        self._station = station
        self._desk = desk
        self._pen = pen
        self._orders: asyncio.Queue[str | None] = asyncio.Queue()
        self._display = TreatDisplay(out(), FOOTER, lambda: self._orders.put_nowait(None))

    async def run(self, said: str) -> int:
        """Until the session is closed. Raises ConsoleError when somebody else closed it."""
        display = self._display
        if said:
            display.log(Text(f"· {said}", style="cyan"))
        orders = self._orders
        watching = asyncio.create_task(watch(self._settings, display, self._pen), name="live view")
        stops: set[asyncio.Task[None]] = set()

        def act(key: Key | str) -> None:
            if key is Key.STOP:  # past everything that may be waiting for an answer
                display.ending()
                stops.add(asyncio.create_task(self._stop(), name="STOP"))
            else:
                orders.put_nowait("toggle" if key is Key.TOGGLE else str(key))

        try:
            with keys(display, act):
                while True:
                    line = await orders.get()
                    if line is None:  # the session went, and not from here: nothing is left to be typed for
                        break
                    phase = await self._typed(line)
                    if phase == NO_SESSION and self._desk.waiting is None:
                        break
        finally:
            watching.cancel()
            await asyncio.wait({watching, *stops})
        last = display.last
        if self._desk.closed:
            protocol = None if last is None else self._library.protocols.get(last.protocol or "")
            if last is not None:
                say(out(), closing_view(last, () if protocol is None else protocol.aftercare))
            return Code.DONE
        again = ""
        if last is not None:
            again = (
                f" If it broke off, `needlework treat --operator {last.operator} --patient {last.patient}` takes it up."
            )
        told = Told("no_session", "The session is no longer open: somebody or something else closed it.", "",
                    f"`needlework sessions show last` says what happened.{again}")  # fmt: skip
        raise ConsoleError(told)

    async def _typed(self, line: str) -> str:
        """Follows one line and shows what came of it; the phase after it."""
        display = self._display
        if line.strip() == "help":
            display.log(Text(" · ".join(HELP), style="cyan"))
            return ""
        try:
            order = await self._desk.toggle() if line == "toggle" else parse(line)
            if order is None:
                return ""
            if order.name in ("stop", "close", "cartridge"):
                display.ending()
            done = await self._desk.follow(order)
        except (StationError, ConsoleError) as error:
            found = told_of(error)
            words = str(error) if found is None else " ".join((found[0].what, found[0].do))
            display.log(_refusal(error, words))
            return await self._phase()
        self._log(order.name, done)
        return done.status.view.phase

    def _log(self, name: str, done: Done) -> None:
        step = Text(f"· {name}: {in_words(done.status)}")
        # The checks are in the live view itself for as long as they matter.
        self._display.log(step if done.shown is None or name in ("check", "attest") else Group(step, done.shown))

    async def _phase(self) -> str:
        """Where the treatment stands; empty while the station does not answer."""
        with suppress(StationError):
            return (await self._desk.status()).view.phase
        return ""

    async def _stop(self) -> None:
        with suppress(StationError):
            said = await self._station.stop(self._pen)
            self._display.log(Text(f"■ {said.what}", style="bold red"))
            for name, is_out in (await confirmed(self._settings, said.stopped)).items():
                self._display.log(Text("■ ").append_text(outcome(name, is_out=is_out)))


def _refusal(error: Exception, words: str) -> Group | Text:
    refused = Text(f"✗ {words}", style="yellow")
    return Group(refused, error.reasons) if isinstance(error, SoftLimit) else refused
