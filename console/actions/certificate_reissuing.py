"""`needlework certificate reissue`: a certificate issued anew, because something beside the measurements was wrong."""

import asyncio
import os
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from rich.text import Text

from console.actions.certificates import found, printed_of
from console.exits import Code
from console.passwords import password_for
from console.screen import out, print_json
from logger.certificate.folder import CertificateFolder
from logger.certificate.sealing import Sealed
from station.bench.certifying import Issued, Parties, draw_number, keys_of
from station.bench.parties import read_parties
from station.bench.record import open_record
from station.bench.reissuing import parties_of, reissue
from station.clock import StationClock
from station.record.station_key import station_key
from station.settings import StationSettings


@dataclass(frozen=True, slots=True)
class Anew:
    """Which certificate, what is other in it, why, and who answers for it."""

    which: str
    said: Path
    reason: str
    by: str
    password_file: Path | None


def again(settings: StationSettings, anew: Anew, *, as_json: bool) -> int:
    """Issues it and puts it on record. Raises RecordError, DataError, StationError, ConsoleError, OSError."""
    source = found(settings, anew.which)
    old = Sealed(source.content, printed_of(source).certificate)
    body = old.certificate.body
    parties = read_parties(anew.said, date.fromisoformat(body.ended_at[:10]), parties_of(old))
    password = password_for(anew.by, settings.mode, anew.password_file)
    made = asyncio.run(_issued(settings, anew, old, parties, password))
    if as_json:
        print_json(
            {
                "number": made.event.number,
                "replaces": body.number,
                "file": str(made.path),
                "sha256": made.sealed.sha256,
            }
        )
    else:
        number = (made.event.number, "bold green")
        out().print(Text.assemble("Issued: ", number, f", in the place of {body.number} ({made.path})"))
    return Code.DONE


async def _issued(settings: StationSettings, anew: Anew, old: Sealed, parties: Parties, password: str) -> Issued:
    clock = StationClock()
    reason = "a certificate was issued anew"
    async with open_record(settings, anew.by, password, "technician", "manager", reason=reason, clock=clock) as record:
        folder = CertificateFolder(settings.certificates_path)
        now = clock.utc()
        made = reissue(
            old,
            parties,
            number=draw_number(folder, old.certificate.body.kind, now.date(), os.urandom),
            reason=anew.reason,
            authorised_by=record.account,
            issued_at=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            key=await asyncio.to_thread(station_key, settings.station_key_path),
            own_keys=await asyncio.to_thread(keys_of, record.journal.reader),
            folder=folder,
        )
        await record.add(made.event)
    return made
