"""What a station has to say before the first patient: put together from its parts, decided by the controller."""

from collections.abc import Sequence
from datetime import date

from controller.library import LoadedLibrary
from controller.notices import start_of_day
from logger.bus.publisher import PublisherState
from station.api.models import StartNotice
from station.pens import StationPen


def before_the_first_patient(
    library: LoadedLibrary, pens: Sequence[StationPen], bus: PublisherState | None, waiting_entries: int, today: date
) -> tuple[StartNotice, ...]:
    """Notices of today, what stops treatment first. A pen that has not said until when it is calibrated is left out."""
    told = start_of_day(
        today=today,
        library=library.title,
        library_signed=library.signed,
        library_valid_until=library.valid_until,
        calibrations={
            pen.name: pen.calibration_due(today) if pen.calibration_due is not None else None
            for pen in pens
            if pen.calibration_known
        },
        quarantined={pen.name: pen.quarantined for pen in pens if pen.quarantined is not None},
        broker_problem=(bus.problem or "") if bus is not None and not bus.connected else "",
        waiting_entries=max(0, waiting_entries),
    )
    return tuple(StartNotice(about=one.about, sentence=one.sentence, stops=one.stops) for one in told)
