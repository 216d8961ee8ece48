"""`needlework store`: backup, restore, check and migrate, for whoever runs the store."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from rich.progress import BarColumn, Progress, TextColumn

from console.exits import Code
from console.render.store import checked_view, copied_view
from console.screen import err, out, print_json, say
from console.trouble import ConsoleError, Told, told_of
from logger.errors import RecordError
from logger.store.backup import back_up
from logger.store.backup import restore as restore_store
from logger.store.check import check_store
from logger.store.place import shown, url_of
from logger.store.schema import migrate_store
from station.settings import StationSettings


def backup(settings: StationSettings, to: Path, *, store: str | None, as_json: bool) -> int:
    """Copies the store into a file. Raises ConsoleError, OSError."""
    with _could_not(), _progress(as_json=as_json) as progress:
        copied = back_up(_there(settings, store), to.resolve(), progress)
    if as_json:
        print_json({"place": copied.place, "intact": copied.intact, "entries": copied.entries,
                    "stations": [asdict(result) for result in copied.stations]})  # fmt: skip
    else:
        say(out(), copied_view(copied, "Backup made"))
    return Code.DONE if copied.intact else Code.NO


def restore(settings: StationSettings, source: Path, *, store: str | None, as_json: bool) -> int:
    """Fills an empty store from a backup. Raises ConsoleError, OSError."""
    with _could_not(), _progress(as_json=as_json) as progress:
        copied = restore_store(source.resolve(), store or settings.store_place, progress)
    if as_json:
        print_json({"place": copied.place, "intact": copied.intact, "entries": copied.entries,
                    "stations": [asdict(result) for result in copied.stations]})  # fmt: skip
    else:
        say(out(), copied_view(copied, "Restored"))
    return Code.DONE if copied.intact else Code.NO


def check(settings: StationSettings, *, store: str | None, as_json: bool) -> int:
    """Says whether the store is whole. Raises ConsoleError."""
    with _could_not(), _progress(as_json=as_json) as progress:
        checked = check_store(_there(settings, store), progress)
    if as_json:
        print_json(asdict(checked) | {"whole": checked.whole})
    else:
        say(out(), checked_view(checked))
    return Code.DONE if checked.whole else Code.NO


def migrate(settings: StationSettings, *, store: str | None, as_json: bool) -> int:
    """Gives an older store today's tables. Raises ConsoleError."""
    place = _there(settings, store)
    with _could_not():
        before, now = migrate_store(place)
    if as_json:
        print_json({"place": shown(place), "before": before, "now": now})
    else:
        was = "the first tables, which had no revision," if before is None else f"revision {before}"
        changed = f"was changed from {was} to revision {now}."
        kept = f"has the tables of this version (revision {now}). What is looked up was made anew."
        out().print(f"{shown(place)} {kept if before == now else changed}", soft_wrap=True)
    return Code.DONE


def _there(settings: StationSettings, store: str | None) -> str:
    """The store's place; a file has to be there already. Raises ConsoleError, StoreUnusable."""
    place = store or settings.store_place
    with _could_not():
        url = url_of(place)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        told = Told(
            "no_store", f"There is no store at {shown(place)}.", "Nothing was created.", "Name it with --store."
        )
        raise ConsoleError(told, Code.USAGE)
    return place


@contextmanager
def _could_not() -> Iterator[None]:
    """What could not be done at all ends with 2, since 1 says that something is damaged."""
    try:
        yield
    except (RecordError, OSError) as error:
        found = told_of(error)
        raise ConsoleError(found[0] if found else Told("store", str(error)), Code.USAGE) from error


@contextmanager
def _progress(*, as_json: bool) -> Iterator[Callable[[str, int, int], None]]:
    """A bar on a terminal; nobody else hears of it."""
    console = err()
    if as_json or not console.is_terminal:
        yield lambda _what, _done, _total: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total)
