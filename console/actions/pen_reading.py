"""`needlework pen history|exposed` and `needlework recall`: what is on record of pens. Only read."""

import csv as tables
import io
from pathlib import Path

from console.exits import Code
from console.render.pens import exposed_view, history_view, recall_view
from console.screen import out, print_json, say
from console.trouble import ConsoleError, Told
from logger.export.files import check_free, write_whole
from logger.record.exposure import SessionExposed, worst_first
from logger.record.lookback import Asked
from logger.record.pens import fitted, moment, open_quarantines, recalled
from station.settings import StationSettings
from station.site.pen_records import open_pen_records
from station.site.reviewing import reviews, to_look_at

COLUMNS = (
    "station", "session", "opened_at", "patient", "operator", "zone", "shown_um", "error_um", "true_um", "hard_um",
    "over_limit", "sensed", "beyond",
)  # fmt: skip


def history(settings: StationSettings, name: str, *, as_json: bool) -> int:
    """Prints what is told of a pen. Raises StationError, RecordError."""
    with open_pen_records(settings) as records:
        pen = records.named(name)
        told = records.told(pen)
        begun, parts = open_quarantines(told), fitted(told)
        if as_json:
            print_json(
                {
                    "pen": str(pen),
                    "in_quarantine": bool(begun),
                    "missing": records.missing,
                    "parts": [
                        {"part": one.part, "lot": one.lot, "serial": one.serial, "on": one.on, "until": one.until}
                        for one in parts
                    ],
                    "told": [
                        {"at": one.at.isoformat(timespec="seconds"), "station": one.station}
                        | one.event.model_dump(mode="json", exclude={"document"})
                        for one in told
                    ],
                }
            )
        else:
            say(out(), history_view(pen, told, begun, parts, records))
    return Code.DONE


def exposed(settings: StationSettings, name: str, csv: Path | None, *, as_json: bool) -> int:
    """Prints the sessions of a pen's open quarantines with their depth errors. Raises StationError, RecordError,
    ExportError."""
    if csv is not None:
        check_free([csv])
    with open_pen_records(settings) as records:
        pen = records.named(name)
        begun = reviews(records, pen)
        sessions = worst_first(to_look_at(begun))
        rows = [row for session in sessions for row in _rows(session)]
        if csv is not None:
            text = io.StringIO(newline="")
            writer = tables.DictWriter(text, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
            write_whole(csv, lambda into: into.write(text.getvalue().encode()), force=False)
        if as_json:
            print_json({"pen": str(pen), "missing": records.missing, "sessions": len(sessions), "zones": rows})
        else:
            say(out(), exposed_view(pen, sessions, begun, records))
    return Code.DONE if sessions else Code.NO


def recall(settings: StationSettings, part: str | None, lot: str | None, *, as_json: bool) -> int:
    """Prints the pens that a part or lot is or was in. Raises ConsoleError, RecordError."""
    asked_of_recall(part, lot)
    with open_pen_records(settings) as records:
        found = recalled(records.told(types=("part_replaced",)), part=part, lot=lot)
        waiting = {one.pen for one in open_quarantines(records.told(types=("pen_quarantined", "pen_released")))}
        used = {one.pen: len(records.sessions(Asked(pen=str(one.pen)))) for one in found}
        if as_json:
            print_json(
                [
                    {
                        "pen": str(one.pen),
                        "part": one.part,
                        "lot": one.lot,
                        "serial": one.serial,
                        "on": one.on,
                        "until": one.until,
                        "in_quarantine": one.pen in waiting,
                        "sessions": used[one.pen],
                    }
                    for one in found
                ]
            )
        else:
            say(out(), recall_view(found, waiting, used, records))
    return Code.DONE if found else Code.NO


def asked_of_recall(part: str | None, lot: str | None) -> None:
    """Raises ConsoleError when nothing was named."""
    if part is None and lot is None:
        told = Told("nothing_asked", "Nothing was named to look for.", "", "Give --part, --lot, or both.")
        raise ConsoleError(told, Code.USAGE)


def _rows(session: SessionExposed) -> list[dict[str, object]]:
    return [
        {
            "station": session.station,
            "session": session.session,
            "opened_at": moment(session.utc_us).isoformat(timespec="seconds"),
            "patient": session.patient,
            "operator": session.operator,
            "zone": zone.zone,
            "shown_um": zone.shown_um,
            "error_um": zone.error_um,
            "true_um": zone.true_um,
            "hard_um": zone.hard_um,
            "over_limit": None if zone.error_um is None else zone.over_limit,
            "sensed": zone.sensed,
            "beyond": zone.beyond,
        }
        for zone in session.zones
    ]
