"""One person at one pen: what each typed line does, through the station's API, and what there is to say of it."""

import asyncio
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.text import Text

from console.actions.asked import Asked, check_open, last_visit, taken_up
from console.gauges import set_hz, set_mm
from console.render.readiness import doses_view, readiness_view, reasons_view, repeated_view
from console.treat_lines import Order, waiting_s
from console.trouble import ConsoleError, Told
from console.words import hz, mm, spoken, stopwatch
from controller.history import ZoneVisit
from controller.library import LoadedLibrary
from controller.plan import SessionPlan
from controller.units import QuantityError, micrometres_from_mm
from station.api.client import SeatClient, StationClient
from station.api.models import PenStatus
from station.errors import StationRefused

INTERRUPTED = "interrupted"
NEEDS_SESSION = ("arm", "check", "confirm", "attest", "cartridge", "depth", "rate", "repeat", "zone")
LOOK_EVERY_S = 0.25
"""How often a waiting script looks whether the treatment still goes on."""


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a line: the pen after it, and more to show than that."""

    status: PenStatus
    shown: RenderableType | None = None


class SoftLimit(ConsoleError):
    """A depth beyond the zone's soft limit was refused; ``reasons`` would go beyond it."""

    def __init__(self, told: Told, reasons: RenderableType) -> None:
        super().__init__(told)
        self.reasons = reasons


class Desk:
    """Follows orders. ``waiting`` is a session that is prepared once an alarm is cleared."""

    def __init__(self, station: StationClient, seat: SeatClient, library: LoadedLibrary, *, repeat: bool) -> None:
        self._station = station
        self._seat = seat
        self._library = library
        self._repeat = repeat
        self.waiting: SessionPlan | None = None
        self.closed = False

    async def status(self) -> PenStatus:
        """The pen, now."""
        return await self._station.pen(self._seat.pen)

    async def take_up(self, asked: Asked) -> str:
        """Takes up the open session, now that nobody else can change it; what to say of it. Raises ConsoleError."""
        view = (await self.status()).view
        if not view.session:
            told = Told("no_session", "The session was closed in this moment.", "Nothing was sent.", "Try again.")
            raise ConsoleError(told)
        check_open(asked, view)
        items = [item for item in asked.confirmed if item in view.missing]
        if items:
            await self._seat.confirm(*items)
        return taken_up(asked, view)  # as it was before: what was confirmed now was open then

    async def prepare(self, plan: SessionPlan) -> str:
        """Prepares a session, or says which alarms come first. Raises StationRefused for any other reason."""
        try:
            await self._seat.prepare(plan)
        except StationRefused as refused:
            if refused.trouble.because != "alarm":
                raise
            self.waiting = plan
            alarms = (await self.status()).view.alarms
            names = "; ".join(f"{alarm.alarm}: {alarm.sentence}" for alarm in alarms)
            return f"{refused.trouble.what} `ack ALARM`, `clear`, then `arm` prepares the session. {names}".strip()
        return ""

    async def toggle(self) -> Order:
        """What Space does now."""
        return Order("pause" if (await self.status()).view.phase == "treating" else "start", ())

    async def follow(self, order: Order) -> Done:  # noqa: PLR0911, PLR0912 one line an action
        """Follows one order. Raises StationRefused, ConsoleError."""
        seat, words = self._seat, order.arguments
        if self.waiting is not None and order.name in NEEDS_SESSION:
            await seat.prepare(self.waiting)
            self.waiting = None
        match order.name:
            case "check":
                return await self._checked()
            case "confirm":
                return Done(await seat.confirm(*(await self._points(words))))
            case "attest":
                return _with_readiness(await seat.attest())
            case "cartridge":
                return await self._exchange(words[0] if words else "")
            case "arm":
                return await self._arm()
            case "depth":
                return await self._depth(words[0], words[1] if len(words) > 1 else "")
            case "rate":
                return Done(await seat.set_rate(words[0]))
            case "repeat":
                return await self._repeated()
            case "dose":
                now = await self.status()
                return Done(now, doses_view(now.view))
            case "audio":
                return Done(await seat.pause_audio())
            case "start":
                return Done(await seat.start())
            case "pause":
                return Done(await seat.pause())
            case "zone":
                return Done(await seat.declare_zone(words[0]))
            case "ack":
                return Done(await seat.acknowledge(words[0]))
            case "clear":
                return Done(await seat.clear_fault())
            case "close":
                closed = await seat.close("finished")
                self.closed = True
                return Done(closed)
            case "stop":
                await seat.stop()
                return Done(await self.status())
            case _:
                return Done(await self._wait(waiting_s(order)))

    async def _points(self, words: tuple[str, ...]) -> tuple[str, ...]:
        missing = (await self.status()).view.missing
        if words != ("all",):
            return words
        if not missing:
            raise ConsoleError(Told("nothing_open", "Every point of the checklist is confirmed.", "", "`arm` arms."))
        return missing

    async def _arm(self) -> Done:
        armed = Done(await self._seat.arm())
        return await self._repeated() if self._repeat else armed

    async def _exchange(self, code: str) -> Done:
        now = await self._seat.exchange_cartridge(code)
        how = "Take the old cartridge off and discard it as sharps, put the new one in, then `check` and `arm`."
        return Done(now, Text(f"{how} The dose so far stays."))

    async def _depth(self, depth_mm: str, reason: str) -> Done:
        """Sets a depth. Beyond the soft limit the reasons are told; with one of them it is asked for again."""
        if reason.isascii() and reason.isdigit():
            reasons = (await self.status()).view.override_reasons
            if not 1 <= int(reason) <= len(reasons):
                what = f"There is no reason {reason}; they are numbered 1 to {len(reasons)}."
                raise ConsoleError(Told("override_reason", what, "Nothing changed.", ""))
            reason = reasons[int(reason) - 1]
        try:
            return Done(await self._seat.set_depth(depth_mm, reason))
        except StationRefused as refused:
            if refused.trouble.because != "zone_soft" or reason:
                raise
            view = (await self.status()).view
            plan = next((plan for plan in view.zone_plans if plan.zone == view.zone), None)
            try:
                wanted_um = micrometres_from_mm(depth_mm)
            except QuantityError:
                raise refused from None
            if plan is None or wanted_um > plan.hard_um:
                raise  # no reason goes that deep
            texts = {name: self._library.override_reasons.get(name, "") for name in view.override_reasons}
            do = f"Stay within it, or give a reason of the library, by name or number: `depth {depth_mm} REASON`."
            trouble = refused.trouble
            told = Told(trouble.code, trouble.what, trouble.means, do, trouble.because)
            raise SoftLimit(told, reasons_view(texts)) from refused

    async def _checked(self) -> Done:
        try:
            return _with_readiness(await self._seat.examine())
        except StationRefused as refused:
            if refused.trouble.because != "phase":
                raise
            trouble = refused.trouble
            do = "Once it is armed, the live view and `dose` show how it does; `close` ends the session."
            raise ConsoleError(Told(trouble.code, trouble.what, "Nothing changed.", do, trouble.because)) from refused

    async def _repeated(self) -> Done:
        """Depth and rate of this zone as at the last visit; each is checked as any setpoint is."""
        now = await self.status()
        view = now.view
        visit = last_visit(await self._seat.patient(view.patient or ""))
        zone = next((zone for zone in visit.zones if zone.zone == view.zone), None) if visit is not None else None
        if visit is None or zone is None or not (zone.depth_commanded_um and zone.rate_commanded_mhz):
            what = f"This site knows of no depth and rate of the {view.zone} at an earlier visit."
            raise ConsoleError(Told("nothing_to_repeat", what, "Nothing changed.", "Set `depth` and `rate`."))
        now = await self._set(zone)
        return Done(now, repeated_view(visit.on, zone, now.view))

    async def _set(self, zone: ZoneVisit) -> PenStatus:
        await self._seat.set_depth(_bare(zone.depth_commanded_um))
        return await self._seat.set_rate(_bare(zone.rate_commanded_mhz))

    async def _wait(self, seconds: float) -> PenStatus:
        """Waits, and looks meanwhile. Raises StationUnreachable, and ConsoleError when the treatment is interrupted."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + seconds
        while True:
            now = await self.status()
            if now.view.phase == INTERRUPTED:
                what = f"The treatment was interrupted: {now.view.interruption}"
                raise ConsoleError(Told("interrupted", what, "The pen was stopped.", now.view.next_step))
            left_s = end_s - loop.time()
            if left_s <= 0:
                return now
            await asyncio.sleep(min(left_s, LOOK_EVERY_S))


def _bare(thousandths: int) -> str:
    """µm as mm, mHz as Hz: exactly."""
    return f"{thousandths // 1000}.{thousandths % 1000:03d}"


def _with_readiness(now: PenStatus) -> Done:
    return Done(now, Group(readiness_view(now.view.readiness), Text(now.view.next_step, style="bold")))


def in_words(status: PenStatus) -> str:
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
    if view.audio_paused_ms:
        pieces.append(f"alarms silent for another {stopwatch(view.audio_paused_ms)}")
    return ", ".join(pieces) + (f". {status.said}" if status.said else "")
