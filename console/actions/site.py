"""`needlework site`: the key of a site, sharing its key map with another station, backups of what stays there."""

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.text import Text

from console.actions.erased import erased_in_record
from console.exits import Code
from console.passwords import ask
from console.screen import err, out, print_json
from console.trouble import ConsoleError, Told
from logger.proof.findings import counted
from logger.whole_file import new_whole
from station.errors import KeyMapRefused
from station.people.accounts import Role
from station.people.offline import signed_in_offline
from station.settings import StationSettings
from station.site.files import BACKUP, Joined, backup, join, join_ring, kind_of, private_files, restore, share
from station.site.kept_files import BenchFiles
from station.site.key import KeyRing, SiteKey
from station.site.keymap import KeyMap
from station.site.keymap_file import KeyMapFile
from station.site.sealing import FILE_MAX_BYTES
from station.site.spoken_bytes import NotWords, to_words

PASSPHRASE_BYTES = 10
"""80 bits, five words and a check: with Argon2id in front nobody guesses it."""
EVERYBODY = "*"
"""Stands in the list of who looked for a whole key map that was written out."""
_WORDS_MAX_BYTES = 4096
_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Caller:
    """Who does it, at which station's files. Every call raises StationError, ConsoleError."""

    settings: StationSettings
    by: str
    password_file: Path | None
    as_json: bool

    def key(self, *, words: bool, into: Path | None, rotate: bool, passphrase_file: Path | None) -> int:
        """Shows, prints, writes or changes the key."""
        self._station_there()
        self._manager()
        with closing(self._file()) as file:
            key = file.rotate(_now_us()) if rotate else file.ring(_now_us())[-1]
            if words or into is not None:
                file.looked(self.by or "nobody", "key", (EVERYBODY,), _now_us())
        made = datetime.fromtimestamp(key.made_us / _MICROSECONDS, UTC).date().isoformat()
        told = {"key": key.name, "made": made, "file": str(self.settings.site_key_path)}
        if into is not None:
            self._write_share(into, passphrase_file, told, people=False)
            return Code.DONE
        if words:
            told["words"] = key.words()
        if self.as_json:
            print_json(told)
            return Code.DONE
        said = err() if words else out()  # `--words > FILE` gives a file that `restore --words` reads
        said.print(Text(f"Key {key.name} of {made}, in {self.settings.site_key_path}."))
        if words:
            out().print(Text(key.words(), style="bold"))
            said.print(
                Text(
                    "Print this and put it in the clinic's safe, apart from backups. Whoever has both reads every "
                    "patient's name; without it a backup opens for nobody."
                )
            )
        return Code.DONE

    def share(self, into: Path, passphrase_file: Path | None) -> int:
        """Writes key and key map for another station."""
        self._station_there()
        self._manager()
        self._write_share(into, passphrase_file, {}, people=True)
        with closing(self._file()) as file:
            file.looked(self.by or "nobody", "share", (EVERYBODY,), _now_us())
        return Code.DONE

    def join(self, file: Path | None, words: Path | None, passphrase_file: Path | None) -> int:
        """Takes another station's key, or its key map too."""
        if (file is None) == (words is None):
            raise ConsoleError(Told("usage", "Give a file, or --words.", "Nothing was changed."), Code.USAGE)
        self._manager()
        if file is None:
            joined = join_ring(self.settings, _key_of(words), KeyMap(), _now_us())
        else:
            sealed = _read(file)
            with _named(file, _OF_SHARE):
                kind_of(sealed)
                passphrase = ask("The passphrase of the file", passphrase_file, option="--passphrase-file")
                joined = join(self.settings, sealed, passphrase, _now_us())
        self._tell_joined(joined)
        return Code.DONE

    def backup(self, into: Path) -> int:
        """Writes every private file of the station, sealed."""
        self._station_there()
        if not any(path.is_file() for path in private_files(self.settings).values()):
            raise self._no_station("has none of the files that a backup is made of")
        content = backup(self.settings, _now_us())
        new_whole(into, content)
        told = {"file": str(into), "bytes": len(content), "key": kind_of(content)[1]}
        if self.as_json:
            print_json(told)
        else:
            out().print(Text(f"{into}: {len(content)} bytes, under the site's key {told['key']}."))
        return Code.DONE

    def restore(self, file: Path, words: Path | None, *, replace: bool) -> int:
        """Puts a backup in place."""
        self._manager()
        sealed = _read(file)
        with _named(file, _OF_BACKUP):
            kind, key = kind_of(sealed)
            if kind != BACKUP:
                told = Told("sealed_file", f"{file} is no backup, but a {kind}.", "Nothing was changed.", _OF_BACKUP)
                raise ConsoleError(told)
            restored = restore(
                self.settings,
                sealed,
                _key_of(words),
                _now_us(),
                replace=replace,
                erased=erased_in_record(self.settings),
            )
        if self.as_json:
            bench = restored.bench
            print_json(
                {
                    "files": restored.files,
                    "kept_erased": restored.kept_erased,
                    "key": key,
                    "certificates": bench.certificates,
                    "calibrations": bench.under_way,
                    "finished": bench.finished,
                }
            )
            return Code.DONE
        out().print(Text(f"Restored: {', '.join([*restored.files, *_of_bench(restored.bench)])}."))
        for series in restored.bench.finished:
            out().print(Text(f"The calibration {series} has its certificate since, so it is not under way any more."))
        if restored.kept_erased:
            out().print(Text(f"{restored.kept_erased} of its patients were erased since, and stay erased."))
        return Code.DONE

    # Inside -----------------------------------------------------------------------------------------------------------

    def _file(self) -> KeyMapFile:
        return KeyMapFile(self.settings.key_map_path, self.settings.site_key_path)

    def _station_there(self) -> None:
        """A folder that somebody mistyped is not made a station's."""
        if not self.settings.state_dir.is_dir():
            raise self._no_station("is not there")

    def _no_station(self, why: str) -> ConsoleError:
        return ConsoleError(
            Told(
                "no_station_here",
                f"The state directory {self.settings.state_dir} {why}.",
                "Nothing was made or changed: a key or a backup of an empty place would be taken for the site's.",
                "Name the station's state directory with --state, or in its settings.",
            )
        )

    def _manager(self) -> None:
        """As with the first account: whoever holds the machine, until the site has people of its own."""
        if not self.by and not self.settings.accounts_path.exists():
            return
        password = ask(f"Password of {self.by}", self.password_file, option="--password-file") if self.by else ""

        async def check() -> None:
            roles: tuple[Role, ...] = ("manager",)
            async with signed_in_offline(self.settings, self.by, password) as person:
                if await person.accounts() or self.by:
                    person.people.signed_in(person.token, *roles)

        asyncio.run(check())

    def _write_share(self, into: Path, passphrase_file: Path | None, told: dict[str, str], *, people: bool) -> None:
        made = passphrase_file is None
        passphrase = (
            to_words(secrets.token_bytes(PASSPHRASE_BYTES))
            if passphrase_file is None
            else ask("Passphrase", passphrase_file, option="--passphrase-file")
        )
        new_whole(into, share(self.settings, passphrase, _now_us(), people=people))
        if self.as_json:
            print_json({**told, "file": str(into), **({"passphrase": passphrase} if made else {})})
            return
        out().print(Text(f"{into} is written, for `needlework site join` at the other station."))
        if made:
            out().print(Text.assemble("Its passphrase, to be carried apart from it: ", (passphrase, "bold")))

    def _tell_joined(self, joined: Joined) -> None:
        if self.as_json:
            print_json(
                {
                    "patients": joined.people,
                    "new": joined.new,
                    "erased": joined.erased,
                    "alike": [list(pair) for pair in joined.alike],
                    "kept": [list(pair) for pair in joined.kept],
                }
            )
            return
        out().print(
            Text(f"{counted(joined.people, 'patient')}, {joined.new} of them new here; {joined.erased} erased.")
        )
        for kept, reason in joined.kept:
            err().print(
                Text(
                    f"Another station erased {kept}, who is kept here. {reason} What the other station knew is "
                    "gone, what this one knows stays. Agree on it; when the reason is gone, join again or erase here.",
                    style="yellow",
                )
            )
        for one, other in joined.alike:
            err().print(
                Text(
                    f"{one} and {other} have the same name and birth date. If they are one person, their histories are "
                    "apart: agree on one pseudonym, and look at both before treating.",
                    style="yellow",
                )
            )


def _of_bench(files: BenchFiles) -> list[str]:
    said = [counted(len(files.certificates), "certificate")] if files.certificates else []
    return said + ([f"{counted(len(files.under_way), 'calibration')} under way"] if files.under_way else [])


@contextmanager
def _named(file: Path, do: str) -> Iterator[None]:
    """Whatever is wrong with a sealed file is said of it by name, with what to do."""
    try:
        yield
    except KeyMapRefused as refused:
        trouble = refused.trouble
        if trouble.code != "sealed_file":
            raise
        raise ConsoleError(Told(trouble.code, f"{file}: {trouble.what}", trouble.means, do)) from refused


_OF_SHARE = (
    "Check that it is what `site share` or `site key -o` made, and that the passphrase is the one of this file: "
    "its words were printed when it was made. If neither helps, let the file be made again."
)
_OF_BACKUP = (
    "Give a file that `site backup` made, and with --words the key it was made under: `site key` tells which one is "
    "here. `site join` takes shares."
)


def _key_of(words: Path | None) -> KeyRing:
    if words is None:
        return ()
    try:
        return (SiteKey.of_words(_read(words, _WORDS_MAX_BYTES).decode(errors="replace")),)
    except NotWords as error:
        told = Told("not_words", f"{words} is not the key of a site: {error}.", "Nothing was changed.")
        raise ConsoleError(told) from error


def _read(path: Path, most: int = FILE_MAX_BYTES + 4096) -> bytes:
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ConsoleError(Told("too_large", f"{path} is larger than any such file.", "Nothing was changed."))
    return content


def _now_us() -> int:
    return int(datetime.now(UTC).timestamp() * _MICROSECONDS)
