"""What the station offers its clients, apart from how they reach it: pens, seats, notices, STOP.

The API and the STOP listener are thin layers over this. Presence is watched here: a treatment whose operator fell
silent is paused, and one that nobody operates is paused whoever started it.
"""

import asyncio
import hmac
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager

from controller.datafile import nearest
from controller.errors import ControlRefused
from logger.bus.messages import AlarmItem
from station.api.models import Notice, PatientTold, PenStatus
from station.clock import StationClock
from station.errors import SeatTaken, StationError, Trouble, UnknownPen
from station.pens import StationPen
from station.people.people import Entitled
from station.people.seats import Seat, Seats
from station.stop import stop_pens

PRESENCE_CHECK_S = 0.2
"""How often presence is looked at: a lost seat is noticed this much later at most."""
NOTICES_KEPT = 50
LIVE_VIEWS_MAX = 32
"""Live views beyond it are refused: each costs the control loop a little time."""


class TooManyViews(StationError):
    """No more live views."""


class StationEnding(StationError):
    """The station is ending; nobody steers any more."""


class Desk:
    """The pens of this station, and who steers them."""

    def __init__(
        self,
        pens: Sequence[StationPen],
        seats: Seats,
        clock: StationClock,
        refuse_second: Callable[[str, str], None],
    ) -> None:
        """``refuse_second`` hears of an account that asked for a second seat, and of the pen it sits at."""
        self._pens = {pen.name: pen for pen in pens}
        self._seats = seats
        self._clock = clock
        self._refuse_second = refuse_second
        self._sign_ins: dict[str, tuple[str, str]] = {}  # by pen: the token of its last seat, and of the sign-in behind
        self._notices: deque[Notice] = deque(maxlen=NOTICES_KEPT)
        self._numbers = 0
        self._views = 0
        self._closing = asyncio.Event()
        self._ending = False
        self._preparing: dict[str, StationPen] = {}  # by patient

    @property
    def pens(self) -> tuple[StationPen, ...]:
        """All pens, in the order of the settings."""
        return tuple(self._pens.values())

    @property
    def notices(self) -> tuple[Notice, ...]:
        """The newest notices, oldest first."""
        return tuple(self._notices)

    def pen(self, name: str) -> StationPen:
        """The pen of this name; an empty name is the only pen. Raises UnknownPen, with the nearest names."""
        if not name and len(self._pens) == 1:
            return next(iter(self._pens.values()))
        pen = self._pens.get(name)
        if pen is None:
            known = list(self._pens)
            what = f"No pen here is called {name!r}." if name else "There are several pens here; name one."
            raise UnknownPen(Trouble("unknown_pen", f"{what} {nearest(name, known)}", "Nothing was changed.", ""))
        return pen

    def treated(self, patient: str) -> StationPen | None:
        """The pen whose open session is of this patient, if there is one."""
        return next((pen for pen in self.pens if pen.patient == patient), None)

    @contextmanager
    def preparing(self, pen: StationPen, patient: str) -> Iterator[None]:
        """While a session of this patient is prepared on this pen. Raises ControlRefused when another pen has, or gets,
        one: dose and time on skin are counted by one pen, and two would each give all of it."""
        found = self.treated(patient)
        other = found if found is not None and found is not pen else self._preparing.get(patient)
        if other is not None:
            raise ControlRefused(
                "patient_elsewhere",
                f"A session of this patient is open on {other.name}. Close it there first, or go on with it there. "
                "Nothing changed.",
            )
        self._preparing[patient] = pen
        try:
            yield
        finally:
            del self._preparing[patient]

    def status(self, pen: StationPen) -> PenStatus:
        """A pen as clients see it now."""
        holder = self._seats.holder(pen.name, self._clock.monotonic_s())
        return PenStatus(name=pen.name, url=pen.url, seat=None if holder is None else holder.operator, view=pen.view())

    async def patient(self, patient: str, token: str) -> PatientTold:
        """What the site knows of a patient. The last answers, which are about health, only with a seat's token.

        Raises SeatMissing for a token that is none, MemoryUnavailable when the site's memory cannot be read.
        """
        if token:
            self.heard(token)
        pen = next(iter(self._pens.values()), None)
        if pen is None:
            raise UnknownPen(Trouble("unknown_pen", "This station has no pen.", "So it knows of no patient.", ""))
        told = await pen.known_of(patient)
        return told if token else told.model_copy(update={"last_answers": None})

    def alarms(self) -> tuple[AlarmItem, ...]:
        """The alarms raised now on every pen."""
        return tuple(alarm for pen in self.pens for alarm in pen.alarms())

    def stop(self, name: str, source: str) -> tuple[str, ...]:
        """STOP for one pen, or for all when the name is empty or unknown; the names of those stopped. Never waits."""
        return stop_pens(self.pens, name, source)

    def note(self, pen: str, sentence: str) -> None:
        """Keeps a notice for clients."""
        self._numbers += 1
        utc = self._clock.utc().isoformat(timespec="milliseconds")
        self._notices.append(Notice(number=self._numbers, utc=utc, pen=pen, sentence=sentence))

    # Seats ------------------------------------------------------------------------------------------------------------

    @property
    def presence_s(self) -> float:
        """Silence after which a seat is lost."""
        return self._seats.presence_s

    def take_seat(self, pen: str, who: Entitled) -> Seat:
        """The operating seat of a pen; a treatment of somebody else is paused. Raises UnknownPen, SeatTaken.

        One account sits at one pen: who asks for a second seat is somebody else under the same id, or has left the
        first pen to itself.
        """
        found = self.pen(pen)
        now_s = self._clock.monotonic_s()
        elsewhere = None if who.demo else self._seats.of(who.operator, now_s)
        if elsewhere is not None:
            self._refuse_second(who.operator, elsewhere.pen)
            raise SeatTaken(
                Trouble(
                    "seated_elsewhere",
                    f"{who.operator} operates {elsewhere.pen} already.",
                    "One account sits at one pen at a time: the record could not say who treated. Nothing was changed.",
                    f"Leave {elsewhere.pen} first. If it was not {who.operator} who sat down there, tell a manager.",
                    because=elsewhere.pen,
                )
            )
        seat = self._seats.take(found.name, who.operator, now_s)
        self._sign_ins[found.name] = (seat.token, who.sign_in)
        self._sit(found, who.operator, f"{who.operator} took the seat")
        return seat

    def signed_out(self, sign_in: str) -> None:
        """Takes the seat that was taken by a sign-in; what the same account holds by another one stays."""
        for token, taken_by in tuple(self._sign_ins.values()):
            mine = bool(sign_in) and hmac.compare_digest(taken_by.encode(), sign_in.encode())
            seat = self._seats.release(token) if mine else None
            if seat is not None:
                self._sit(self._pens[seat.pen], "", f"{seat.operator} signed out")

    def unseat(self, operator: str, why: str) -> None:
        """Takes the seat from somebody who may not keep it; a treatment is paused."""
        seat = self._seats.of(operator, self._clock.monotonic_s())
        if seat is not None:
            self._seats.release(seat.token)
            self._sit(self._pens[seat.pen], "", f"{operator}: {why}")

    def heard(self, token: str) -> Seat:
        """A heartbeat. Raises SeatMissing."""
        return self._seats.heard(token, self._clock.monotonic_s())

    def steering(self, token: str, pen: StationPen) -> Seat:
        """The seat a steering call is made from. Raises SeatMissing, or StationEnding once the station is to end."""
        if self._ending:
            raise StationEnding(
                Trouble(
                    "ending",
                    "The station is ending: motors are off and needles out.",
                    "Nothing was changed.",
                    "Start it again with `needlework run`.",
                )
            )
        return self._seats.steering(token, pen.name, self._clock.monotonic_s())

    async def release_seat(self, token: str) -> None:
        """Gives a seat back; a treatment that still ran is paused."""
        seat = self._seats.release(token)
        if seat is not None:
            self._sit(self._pens[seat.pen], "", f"{seat.operator} left the seat")

    async def watch_presence(self) -> None:
        """Runs until cancelled: pauses what nobody operates."""
        while True:
            for seat in self._seats.lost(self._clock.monotonic_s()):
                self._sit(self._pens[seat.pen], "", f"{seat.operator} was not heard of for {self.presence_s:g} s")
            await asyncio.sleep(PRESENCE_CHECK_S)

    def _sit(self, pen: StationPen, operator: str, why: str) -> None:
        treating = pen.treating
        pen.seated(operator)
        if treating and not pen.treating:
            self.note(pen.name, f"The treatment was paused: {why}.")

    # Live views -------------------------------------------------------------------------------------------------------

    async def live(self, pen: StationPen, hz: float) -> AsyncIterator[PenStatus]:
        """The pen's status ``hz`` times a second until the desk closes. A slow reader misses some; none wait for it.

        Raises TooManyViews.
        """
        if self._views >= LIVE_VIEWS_MAX:
            raise TooManyViews(
                Trouble(
                    "too_many_views",
                    f"{LIVE_VIEWS_MAX} live views are open already.",
                    "More of them could make the control loop late.",
                    "Close one, or ask for the status now and then.",
                )
            )
        self._views += 1
        try:
            while not self._closing.is_set():
                yield self.status(pen)
                try:
                    async with asyncio.timeout(1 / hz):
                        await self._closing.wait()
                except TimeoutError:
                    continue
        finally:
            self._views -= 1

    def end(self) -> None:
        """From now on nobody steers: the station is bringing its pens home."""
        self._ending = True

    def close(self) -> None:
        """Ends live views, so that the server can end."""
        self._closing.set()
