"""Who operates a pen: one seat a pen, held by presence.

Pure: time comes in as a parameter (seconds of any monotonic clock), tokens from ``new_token``. A seat is taken by
asking, kept by being heard of, and lost after ``presence_s`` of silence; a lost seat is free for the next who asks.
Its token is good for one holding of the seat: whoever lost it takes it anew.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass

from station.errors import SeatMissing, SeatTaken, Trouble


@dataclass(frozen=True, slots=True)
class Seat:
    """A seat as it is held: which pen, by whom, heard of last at ``heard_s``."""

    pen: str
    operator: str
    token: str
    taken_s: float
    heard_s: float


class Seats:
    """The seats of all pens of a station."""

    def __init__(self, presence_s: float, new_token: Callable[[], str]) -> None:
        self._presence_s = presence_s
        self._new_token = new_token
        self._held: dict[str, Seat] = {}

    @property
    def presence_s(self) -> float:
        """Silence after which a seat is lost."""
        return self._presence_s

    def take(self, pen: str, operator: str, now_s: float) -> Seat:
        """The seat of ``pen`` for ``operator``. Raises SeatTaken while somebody present holds it."""
        holder = self.holder(pen, now_s)
        if holder is not None:
            raise SeatTaken(
                Trouble(
                    "seat_taken",
                    f"{holder.operator} operates {pen}.",
                    "One person steers a pen at a time; others watch. STOP works from anywhere.",
                    f"Ask {holder.operator} to give the seat back, or watch until it is free.",
                    because=holder.operator,
                )
            )
        seat = Seat(pen, operator, self._new_token(), now_s, now_s)
        self._held[pen] = seat
        return seat

    def holder(self, pen: str, now_s: float) -> Seat | None:
        """Who holds the seat of ``pen`` and is present, if anybody."""
        seat = self._held.get(pen)
        return seat if seat is not None and now_s - seat.heard_s < self._presence_s else None

    def of(self, operator: str, now_s: float) -> Seat | None:
        """A seat this operator holds and is present in, if any."""
        return next(
            (seat for pen in self._held if (seat := self.holder(pen, now_s)) and seat.operator == operator), None
        )

    def heard(self, token: str, now_s: float) -> Seat:
        """Notes that the holder is present. Raises SeatMissing for a token that holds no seat, or none any more."""
        seat = self._of(token)
        if seat is None or now_s - seat.heard_s >= self._presence_s:
            raise SeatMissing(_missing(token, seat))
        kept = Seat(seat.pen, seat.operator, seat.token, seat.taken_s, now_s)
        self._held[seat.pen] = kept
        return kept

    def steering(self, token: str, pen: str, now_s: float) -> Seat:
        """The seat under which ``pen`` is steered; steering counts as being heard of.

        Raises SeatMissing without a good token for this very pen.
        """
        seat = self.heard(token, now_s)
        if seat.pen != pen:
            raise SeatMissing(
                Trouble(
                    "seat_of_another_pen",
                    f"This seat operates {seat.pen}, not {pen}.",
                    "Nothing was changed.",
                    f"Take the seat of {pen} to steer it.",
                    because=seat.pen,
                )
            )
        return seat

    def release(self, token: str) -> Seat | None:
        """Gives a seat back; what is held no more is no error."""
        seat = self._of(token)
        if seat is not None:
            del self._held[seat.pen]
        return seat

    def lost(self, now_s: float) -> tuple[Seat, ...]:
        """The seats whose holders fell silent since the last call. Each is told once and is free from then on."""
        gone = tuple(seat for seat in self._held.values() if now_s - seat.heard_s >= self._presence_s)
        for seat in gone:
            del self._held[seat.pen]
        return gone

    def _of(self, token: str) -> Seat | None:
        wanted = token.encode()
        return next((seat for seat in self._held.values() if hmac.compare_digest(seat.token.encode(), wanted)), None)


def _missing(token: str, seat: Seat | None) -> Trouble:
    if not token:
        return Trouble(
            "seat_needed",
            "This call steers a pen and came without a seat.",
            "Nothing was changed. Watching and STOP need no seat.",
            "Take the pen's operating seat first.",
        )
    silent = "" if seat is None else f" of {seat.operator}"
    return Trouble(
        "seat_lost",
        f"The seat{silent} is no longer held: it was given back, or not heard of for too long.",
        "Nothing was changed. A treatment pauses when its operator's seat is lost.",
        "Take the seat again, look at the pen, then go on.",
    )
