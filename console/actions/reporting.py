"""`needlework report`: what the records of many sessions say together."""

from datetime import datetime
from pathlib import Path

from console.exits import Code
from console.records import every_entry, opened
from console.render.overrides import overrides_view
from console.screen import out, print_json, say
from logger.record.overrides import override_report
from station.settings import StationSettings


def overrides(
    settings: StationSettings, *, since: datetime | None, journal: Path | None, store: str | None, as_json: bool
) -> int:
    """Prints near misses and overrides for each limit and operator. Raises RecordError, ConsoleError."""
    with opened(settings, journal=journal, store=store) as place:
        report = override_report(every_entry(place.source), since=None if since is None else since.date())
    if as_json:
        print_json(report.model_dump(mode="json"))
    else:
        say(out(), overrides_view(report, place.name))
    return Code.DONE
