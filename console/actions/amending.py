"""`needlework amend`: somebody sets right, or adds to, what a closed session's record says, through the station."""

import asyncio
import sys
from pathlib import Path
from typing import get_args

from rich.text import Text

from console.exits import Code
from console.passwords import password_for
from console.records import opened, session_named
from console.screen import err, out, print_json
from console.trouble import ConsoleError, Told
from controller.events import AmendedAspect, AmendmentReason
from station.api.client import StationClient
from station.api.models import MAX_AMENDMENT_CHARS, Amended, AmendRecord
from station.settings import StationSettings

ASPECTS: tuple[AmendedAspect, ...] = get_args(AmendedAspect)
REASONS: tuple[AmendmentReason, ...] = get_args(AmendmentReason)


def amend(
    settings: StationSettings,
    name: str,
    what: str,
    because: str,
    by: str,
    text_file: Path | None,
    entry: int | None,
    password_file: Path | None,
    *,
    as_json: bool,
) -> int:
    """Amends a session's record. Raises StationError, RecordError, ConsoleError."""
    aspect = next((known for known in ASPECTS if known == what), None)
    reason = next((known for known in REASONS if known == because), None)
    if aspect is None:
        raise _usage(f"{what!r} is nothing of a record that is amended.", f"It is one of {', '.join(ASPECTS)}.")
    if reason is None:
        raise _usage(f"{because!r} is no reason for an amendment.", f"It is one of {', '.join(REASONS)}.")
    with opened(settings, journal=None, store=None) as place:
        session = session_named(place.source, name)
    asked = AmendRecord(aspect=aspect, reason=reason, text=_text(text_file), entry=entry)
    amended = asyncio.run(_amend(settings, session, by, password_file, asked))
    if as_json:
        print_json(amended.model_dump(mode="json"))
    else:
        out().print(Text(amended.what + (" This is a demonstration." if amended.demo else "")))
    return Code.DONE


def _text(file: Path | None) -> str:
    """The text: of a file, or typed. Never of the command line, which others on the machine can list."""
    if file is not None:
        try:
            text = file.read_text(encoding="utf-8").strip()
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise _usage(f"--text-file: {file} cannot be read: {why}.", "Give a file with the text.") from error
        except UnicodeDecodeError as error:
            what = f"--text-file: {file} is no text in UTF-8."
            raise _usage(what, "Give a file with the text, saved as UTF-8.") from error
    elif sys.stdin.isatty():
        err().print("What is to be added? It stays at the site. One line, then Enter:")
        text = sys.stdin.readline().strip()
    else:
        text = sys.stdin.read(MAX_AMENDMENT_CHARS + 1).strip()
    if not 0 < len(text) <= MAX_AMENDMENT_CHARS:
        raise _usage(
            f"An amendment has a text of 1 to {MAX_AMENDMENT_CHARS} characters.", "Type it, or give a --text-file."
        )
    return text


def _usage(what: str, do: str) -> ConsoleError:
    return ConsoleError(Told("usage", what, "Nothing was amended.", do), Code.USAGE)


async def _amend(
    settings: StationSettings, session: str, by: str, password_file: Path | None, asked: AmendRecord
) -> Amended:
    async with StationClient.of(settings) as station:
        mode = (await station.status()).mode
        password = await asyncio.to_thread(password_for, by, mode, password_file)
        async with station.signed_in(by, password) as person:
            return await person.amend(session, asked)
