"""`needlework sessions sign`: somebody puts their name to a closed session, through the station."""

import asyncio
from pathlib import Path
from typing import get_args

from rich.text import Text

from console.exits import Code
from console.passwords import password_for
from console.records import opened, session_named
from console.screen import out, print_json
from console.trouble import ConsoleError, Told
from controller.signoff import Meaning
from station.api.client import StationClient
from station.api.models import Signed
from station.settings import StationSettings

MEANINGS: tuple[Meaning, ...] = get_args(Meaning)


def sign(
    settings: StationSettings, name: str, meaning: str, by: str, password_file: Path | None, *, as_json: bool
) -> int:
    """Signs a session as one of ``MEANINGS``. Raises StationError, RecordError, ConsoleError."""
    found: Meaning | None = next((known for known in MEANINGS if known == meaning), None)
    if found is None:
        what = f"A session is not signed as {meaning!r}; it is signed as {' or '.join(MEANINGS)}."
        do = "Whoever treated signs as performed; a physician who did not treat reviews."
        raise ConsoleError(Told("usage", what, "Nothing was signed.", do), Code.USAGE)
    with opened(settings, journal=None, store=None) as place:
        session = session_named(place.source, name)
    password = password_for(by, asyncio.run(_mode(settings)), password_file)
    signed = asyncio.run(_sign(settings, session, found, by, password))
    if as_json:
        print_json(signed.model_dump(mode="json"))
    else:
        out().print(Text(signed.what + (" This is a demonstration." if signed.demo else "")))
    return Code.DONE


async def _mode(settings: StationSettings) -> str:
    async with StationClient.of(settings) as station:
        return (await station.status()).mode


async def _sign(settings: StationSettings, session: str, meaning: Meaning, by: str, password: str) -> Signed:
    async with StationClient.of(settings) as station, station.signed_in(by, password) as person:
        return await person.sign(session, meaning)
