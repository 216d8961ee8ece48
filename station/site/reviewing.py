"""The sessions to look at because a pen was not known to be right: those of each open quarantine, each session once."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from controller.service_events import CertificateIssued, PenQuarantined
from logger.record.exposure import SessionExposed
from logger.record.found_errors import FoundErrors, found_errors
from logger.record.pens import PenName, Told, measured_utc_us, open_quarantines
from station.site.pen_records import PenRecords


@dataclass(frozen=True, slots=True)
class Review:
    """One open quarantine: what is known of the error, and the sessions it puts in question, oldest first."""

    told: Told
    event: PenQuarantined
    found: FoundErrors
    sessions: tuple[SessionExposed, ...]

    @property
    def asks(self) -> bool:
        """Whether its reason says anything of sessions.

        That a pen fell or is recalled does not; that it was out of tolerance does, even if nobody can say by how much.
        """
        return bool(self.event.errors) or self.event.because == "out_of_tolerance"


def reviews(records: PenRecords, pen: PenName) -> list[Review]:
    """Every open quarantine of a pen, oldest first. Raises RecordError."""
    told = records.told(pen)
    return [
        _review(records, one, one.event, told)
        for one in open_quarantines(told)
        if isinstance(one.event, PenQuarantined)
    ]


def to_look_at(made: Iterable[Review]) -> list[SessionExposed]:
    """Every session of these, once: with its error where one of them knows it, and then with the larger one."""
    found: dict[tuple[str, str], SessionExposed] = {}
    for session in (session for review in made for session in review.sessions):
        before = found.get((session.station, session.session))
        if before is None or _worse(session) > _worse(before):
            found[session.station, session.session] = session
    return list(found.values())


def _worse(session: SessionExposed) -> tuple[bool, int]:
    return session.over_limit, -1 if session.worst_um is None else abs(session.worst_um)


def _review(records: PenRecords, one: Told, event: PenQuarantined, told: list[Told]) -> Review:
    """From the last certificate by which the pen was right, else from the beginning, to the quarantine."""
    made = Review(one, event, found_errors(told, event), ())
    if not made.asks:
        return made
    measured = [
        measured_utc_us(each)
        for each in told
        if isinstance(each.event, CertificateIssued) and each.event.number == event.last_in_tolerance
    ]
    sessions = records.exposed(one.pen, made.found.errors, min(measured, default=None), one.utc_us)
    return replace(made, sessions=tuple(sessions))
