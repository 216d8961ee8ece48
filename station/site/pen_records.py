"""What is on record of pens at this site: the site's store, this station's own recorder's, and its journal, together.

Only read: it works while a station runs. The journal is ahead of the stores, the stores know of other stations.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from controller.datafile import nearest
from controller.service_events import ErrorAtDepth
from logger.errors import StoreError
from logger.journal.entry import Entry
from logger.journal.reader import JournalReader
from logger.record.exposure import EXPOSURE_TYPES, SessionExposed, exposed
from logger.record.lookback import Asked, SessionUsed
from logger.record.pens import PEN_TYPES, PenName, Told, in_order, name_of
from logger.store.store import Store
from station.errors import PenUnknown, Trouble
from station.settings import StationSettings

Source = JournalReader | Store


class PenRecords:
    """Every source that is there, opened. Made by :func:`open_pen_records`."""

    def __init__(self, sources: Sequence[Source], names: Sequence[str], missing: Sequence[str]) -> None:
        self._sources = sources
        self.names = tuple(names)
        """The sources, for people."""
        self.missing = tuple(missing)
        """Why something that ought to be read is not, in sentences: more may be known than is told here then."""

    def told(self, pen: PenName | None = None, types: Sequence[str] = PEN_TYPES) -> list[Told]:
        """What is told of a pen, or of every one, each event once, oldest first. Raises RecordError."""
        told = [one for source in self._sources for one in source.told_of_pens(pen, types)]
        return in_order({(one.station, one.sequence): one for one in told}.values())

    def sessions(self, asked: Asked) -> list[SessionUsed]:
        """The sessions that fit, each once, oldest first. Raises RecordError."""
        found = {(one.station, one.session): one for source in self._sources for one in source.look_back(asked)}
        return sorted(found.values(), key=lambda one: (one.opened_utc_us, one.station, one.session))

    def pens(self) -> list[PenName]:
        """Every pen that is known: told of, or used in a session. Raises RecordError."""
        told = {one.pen for one in self.told()}
        used = {one.pen for one in self.sessions(Asked())}
        return sorted(told | {name_of(pen, pen.partition("/")[2]) for pen in used if "/" in pen}, key=str)

    def named(self, name: str) -> PenName:
        """The pen that is meant by MODEL/SERIAL, or by a serial number alone. Raises PenUnknown, RecordError."""
        known = self.pens()
        found = [pen for pen in known if name in (str(pen), pen.serial)]
        if len(found) == 1:
            return found[0]
        if found:
            raise PenUnknown(
                Trouble(
                    "several_pens",
                    f"{len(found)} pens have the serial number {name}.",
                    "Nothing was changed.",
                    f"Name one with its model: {', '.join(map(str, found))}.",
                )
            )
        raise PenUnknown(
            Trouble(
                "unknown_pen",
                f"No pen {name!r} is on record here. {nearest(name, [str(pen) for pen in known])}",
                "Nothing was changed.",
                "A pen is on record once it was connected for a session, or serviced.",
            )
        )

    def exposed(
        self, pen: PenName, errors: Sequence[ErrorAtDepth], since_utc_us: int | None, until_utc_us: int | None
    ) -> list[SessionExposed]:
        """The sessions held with a pen within a span, each with its depth errors; those in which nothing was treated
        are left out. Oldest first. Raises RecordError."""
        asked = Asked(pen=str(pen), since_utc_us=since_utc_us, until_utc_us=until_utc_us)
        found = []
        for session in self.sessions(asked):
            made = exposed(self._entries(session), errors)
            if made is not None and (made.zones or made.unread):
                found.append(made)
        return found

    def _entries(self, session: SessionUsed) -> Iterable[Entry]:
        """A session's entries from the source that has most of them."""
        told = [list(source.session_entries(session.session, EXPOSURE_TYPES)) for source in self._sources]
        return max(told, key=len, default=[])


@contextmanager
def open_pen_records(settings: StationSettings) -> Iterator[PenRecords]:
    """Opens what there is; a store that cannot be read is told as missing. Raises JournalError."""
    sources: list[Source] = []
    names: list[str] = []
    missing: list[str] = []
    with ExitStack() as undo:
        for place, name in {settings.store_place: "the recorder's store", settings.ledger: "the site's store"}.items():
            if place is None or not ("://" in place or Path(place).is_file()):
                continue
            try:
                store = Store.open_to_read(place)
            except StoreError as error:
                missing.append(str(error))
                continue
            undo.callback(store.close)
            sources.append(store)
            names.append(name)
        if settings.ledger is not None and "://" not in settings.ledger and not Path(settings.ledger).is_file():
            missing.append(f"The site's store {settings.ledger} is not there.")
        if settings.journal_path.is_file():
            reader = JournalReader(settings.journal_path)
            undo.callback(reader.close)
            sources.append(reader)
            names.append("this station's journal")
        yield PenRecords(sources, names, missing)
