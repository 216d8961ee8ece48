"""`needlework pen health` and `needlework pens health`: how pens do, from the record and from what runs here."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live

from console.exits import Code
from console.records import entries_of, opened, where_to_look
from console.render.health import pen_health_view, pens_health_view
from console.render.health_svg import health_svg
from console.screen import out, print_json, say
from console.trouble import ConsoleError, Told
from controller.calibration.policy import CalibrationPolicy, load_policy
from controller.datafile import nearest
from controller.health.assess import Load, PenHealth
from controller.health.policy import HealthPolicy, load_health_policy
from controller.profiles import Profiles, load_profiles
from logger.errors import RecordError
from logger.export.files import check_free, write_whole
from logger.journal.entry import Entry
from logger.journal.reader import JournalReader
from logger.record.pen_events import TYPES
from logger.report.typeset import picture_of
from logger.store.store import StationSpan, Store
from station.api.client import StationClient
from station.errors import ClientError
from station.monitoring.pen_health import health_of_pens
from station.process.signals import on_ending_signals
from station.settings import StationSettings

LIVE_DEADLINE_S = 2.0
LOOK_AGAIN_S = 10.0
"""Wear goes by days; charge and what runs now are what a page is kept up to date for."""
PLOTS = (".svg", ".png", ".pdf")


class Record:
    """What the record says of pens, and by which data it is judged."""

    def __init__(self, settings: StationSettings, journal: Path | None, store: str | None) -> None:
        self.settings = settings
        self.policy: HealthPolicy = load_health_policy(settings.health)
        self.profiles: Profiles = load_profiles(settings.profiles)
        self.calibration: CalibrationPolicy = load_policy(settings.calibration)
        self.where = ""
        self._found: dict[tuple[str, int], Entry] = {}
        self._read: dict[str, dict[str, int]] = {}
        """How far each place was read, by its name and by station: of a record of years, the rest is not read again."""
        self._journal = journal
        self._store = store

    def look(self) -> list[PenHealth]:
        """How every pen does now. Raises RecordError, ConsoleError."""
        found = self._found
        names = []
        stored: dict[str, StationSpan] = {}
        for store, file in where_to_look(self.settings, self._journal, self._store):
            with opened(self.settings, journal=file, store=store) as place:
                names.append(place.name)
                read = self._read.setdefault(place.name, {})
                if isinstance(place.source, Store):
                    stored |= {span.station: span for span in place.source.stations()}
                    upto = {station: span.contiguous for station, span in stored.items()}
                else:
                    pass_over(place.source, stored, read)
                    upto = _end(place.source)
                found |= {(one.station, one.sequence): one for one in entries_of(place.source, TYPES, read)}
                read.update(upto)
        self.where = " and ".join(names)
        entries = [found[key] for key in sorted(found)]
        loads = asyncio.run(_loads(self.settings))
        return health_of_pens(
            entries,
            now=datetime.now(UTC),
            policy=self.policy,
            profiles=self.profiles,
            calibration=self.calibration,
            loads=loads,
        )


def _end(journal: JournalReader) -> dict[str, int]:
    """Its newest entry, before anything is read: what comes meanwhile is read the next time."""
    last = journal.last()
    return {journal.station: last[0]} if last is not None else {}


def pass_over(journal: JournalReader, stored: Mapping[str, StationSpan], read: dict[str, int]) -> None:
    """What the store has of the very same chain was read there, by its index; a journal has none."""
    span = stored.get(journal.station)
    if span is not None and journal.hash_of(span.contiguous) == span.hash:
        read[journal.station] = max(span.contiguous, read.get(journal.station, 0))


async def _loads(settings: StationSettings) -> dict[str, Load]:
    """What the pens of the station that runs here do now; nothing where none runs."""
    try:
        async with asyncio.timeout(LIVE_DEADLINE_S), StationClient.of(settings) as station:
            status = await station.status()
    except (ClientError, TimeoutError):
        return {}
    return {
        one.view.pen: Load(one.view.battery_permille, one.view.motor_current_ma, treating=bool(one.view.motor_on))
        for one in status.pens
        if one.view.pen is not None
    }


def one_pen(
    settings: StationSettings,
    name: str,
    *,
    plot: Path | None,
    force: bool,
    journal: Path | None,
    store: str | None,
    as_json: bool,
) -> int:
    """Prints one pen's health, and draws it into a file. Raises RecordError, ConsoleError."""
    if plot is not None:
        if plot.suffix.lower() not in PLOTS:
            raise ConsoleError(
                Told("plot_format", f"{plot} names no kind of drawing.", "Nothing was drawn.",
                     f"Give a file that ends in {', '.join(PLOTS)}."), Code.USAGE
            )  # fmt: skip
        if not force:
            check_free([plot])
    record = Record(settings, journal, store)
    pen = _named(record.look(), name)
    now = datetime.now(UTC)
    if plot is not None:
        drawn = health_svg(pen, now)
        kind = plot.suffix.lower().removeprefix(".")
        content = drawn.encode() if kind == "svg" else picture_of(drawn, kind, at=now)
        write_whole(plot, lambda into: into.write(content), force=force)
    if as_json:
        print_json(as_data(pen))
    else:
        console = out()
        say(console, pen_health_view(pen, now, console.width, where=record.where))
        if plot is not None:
            say(console, f"Drawn in {plot}.")
    return _code([pen])


def all_pens(settings: StationSettings, *, journal: Path | None, store: str | None, as_json: bool) -> int:
    """Prints a page over all pens. Raises RecordError, ConsoleError."""
    record = Record(settings, journal, store)
    pens = record.look()
    if as_json:
        print_json([as_data(pen) for pen in pens])
    else:
        console = out()
        say(console, pens_health_view(pens, datetime.now(UTC), console.width, where=record.where))
    return _code(pens)


def watch_pens(settings: StationSettings, *, journal: Path | None, store: str | None, as_json: bool) -> int:
    """Keeps the page up to date until a signal ends it; a line of JSON each time with ``as_json``.

    A record that cannot be read for a while is told on the page, which stays as it was. Raises RecordError,
    ConsoleError when it cannot be read to begin with.
    """
    record = Record(settings, journal, store)
    pens = record.look()
    console = out()
    on_screen = console.is_terminal and not as_json

    async def until_asked() -> list[PenHealth]:
        seen, where = pens, record.where
        asked = asyncio.Event()
        page = Live(console=console, screen=True, auto_refresh=False) if on_screen else None
        with on_ending_signals(lambda _name: asked.set()), page or nullcontext():
            while not asked.is_set():
                _show(page, console, seen, where, as_json=as_json)
                try:
                    async with asyncio.timeout(LOOK_AGAIN_S):
                        await asked.wait()
                except TimeoutError:
                    try:
                        seen = await asyncio.to_thread(record.look)
                        where = record.where
                    except RecordError as error:
                        where = f"{record.where} as it was before: {error}"
        return seen

    return _code(asyncio.run(until_asked()))


def _show(page: Live | None, console: Console, pens: list[PenHealth], where: str, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([as_data(pen) for pen in pens], ensure_ascii=False), flush=True)
        return
    again = f"{where}; looked at again every {LOOK_AGAIN_S:.0f} s, Ctrl-C ends this page"
    view = pens_health_view(pens, datetime.now(UTC), console.width, where=again)
    if page is not None:
        page.update(view, refresh=True)
    else:
        say(console, view)


def _named(pens: list[PenHealth], name: str) -> PenHealth:
    """The pen that is meant: by its whole name, its serial number or its model. Raises ConsoleError."""
    if not pens:
        raise ConsoleError(
            Told("no_pen", "The record tells of no pen yet.", "", "The first one connected to a station will be in it.")
        )
    meant = pens if not name else [pen for pen in pens if name in (pen.pen, pen.serial, pen.model)]
    if len(meant) == 1:
        return meant[0]
    known = [pen.pen for pen in pens]
    if meant:
        what = f"{name or 'No name'} could be any of {len(meant)} pens: {', '.join(pen.pen for pen in meant)}."
        raise ConsoleError(Told("several_pens", what, "", "Name one of them."), Code.USAGE)
    raise ConsoleError(Told("no_pen", f"The record has no pen {name!r}.", "", nearest(name, known)))


def as_data(pen: PenHealth) -> dict[str, Any]:
    """A pen's health for programs. Days are counted from 1970."""
    data = asdict(pen)
    for row in data["rows"]:
        row["points"] = [[round(day, 3), value] for day, value in row["points"]]
        del row["expected"]  # for pictures; the forecast says it in numbers
    data["seen"] = pen.seen.isoformat(timespec="seconds") if pen.seen else None
    data["charge_read"] = pen.charge_read.isoformat(timespec="seconds") if pen.charge_read else None
    return data


def _code(pens: list[PenHealth]) -> int:
    return Code.NO if any(pen.level == "act" for pen in pens) else Code.DONE
