"""`needlework pen quarantine|release|repair|part`, `recall --quarantine-as`: what somebody puts on record of a pen."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar, get_args

from pydantic import BaseModel
from rich.text import Text

from console.actions.pen_reading import asked_of_recall
from console.exits import Code
from console.passwords import password_for
from console.screen import err, out, print_json
from console.trouble import ConsoleError, Told
from controller.calibration.ending import end_calibration
from controller.calibration.policy import load_policy
from controller.pen_kept import QUARANTINE_WORDS
from controller.service_events import Because, ErrorAtDepth
from controller.units import QuantityError, micrometres_from_mm
from logger.proof.findings import counted
from logger.record.pens import PenName, name_of, recalled
from station.api.client import StationClient
from station.api.models import QuarantineAsked, QuarantineTold
from station.bench.at_pen import asked_pen
from station.bench.paperwork import (
    MAY_RELEASE,
    MAY_REPAIR,
    Paperwork,
    Work,
    open_paperwork,
)
from station.errors import StationUnreachable
from station.people.accounts import Role
from station.settings import StationSettings
from station.site.pen_records import PenRecords, open_pen_records
from station.site.quarantining import MAY_QUARANTINE
from station.site.reviewing import reviews, to_look_at

KEEPS_CALIBRATION: frozenset[Work] = frozenset({"cleaned", "inspected"})
"""What touches nothing that depth or rate depend on."""

Result = TypeVar("Result")

_ENDED = "The calibration in {pen} is ended: no station arms it, whatever it knows."
_ERROR = re.compile(r"([0-9.]+)=([+-]?)([0-9.]+)")


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs, at which station, and how the answer is told."""

    settings: StationSettings
    by: str
    password_file: Path | None
    as_json: bool


@dataclass(frozen=True, slots=True)
class Numbers:
    """Lot and serial number of the part put in and of the one taken out."""

    lot: str
    serial: str
    removed_lot: str
    removed_serial: str


def quarantine(signer: Signer, name: str, because: str, errors: tuple[str, ...], url: str | None) -> int:
    """Quarantines a pen. Raises StationError, RecordError, WireError, ConsoleError."""
    why: Because = _one_of(because, get_args(Because), "--because", "Nothing was recorded.")
    found = tuple(_error(text) for text in errors)
    running = asyncio.run(_mode_of_station(signer.settings))
    if running is not None:
        return _quarantined_by_station(signer, running, QuarantineAsked(pen=name, because=why, errors=found), url)

    async def work(paper: Paperwork) -> BaseModel:
        pen = await _pen(paper, name, url)
        made = await paper.quarantine(pen, why, errors=found)
        _say_quarantined(signer, pen, why, paper.records)
        await _end_in_pen(signer, pen, url)
        return made

    return _done(signer, _at(signer, MAY_QUARANTINE, work))


def release(signer: Signer, name: str, reviewed: int) -> int:
    """Releases a pen. Raises StationError, RecordError."""

    async def work(paper: Paperwork) -> BaseModel:
        pen = paper.records.named(name)
        made = await paper.release(pen, reviewed=reviewed)
        by = f", by certificate {made.certificate}" if made.certificate else ""
        _say(signer, f"{pen} is released by {made.by} ({made.role}){by}; {reviewed} sessions were looked through.")
        return made

    return _done(signer, _at(signer, MAY_RELEASE, work))


def repair(signer: Signer, name: str, what: str, url: str | None) -> int:
    """Records that something was done to a pen. Raises StationError, RecordError, WireError, ConsoleError."""
    done: Work = _one_of(what, get_args(Work), "--what", "Nothing was recorded.")
    ends = done not in KEEPS_CALIBRATION

    async def work(paper: Paperwork) -> BaseModel:
        pen = await _pen(paper, name, url)
        made = await paper.repaired(pen, done, ends_calibration=ends)
        _say(signer, f"{pen}: {done}, on record.")
        if ends:
            await _until_calibrated(signer, paper, pen, "shock" if done == "dropped" else "repaired", url)
        return made

    return _done(signer, _at(signer, MAY_REPAIR, work))


def part(signer: Signer, name: str, part: str, numbers: Numbers, url: str | None) -> int:
    """Records a replaced part. Raises StationError, RecordError, WireError, DataError."""
    policy = load_policy(signer.settings.calibration)

    async def work(paper: Paperwork) -> BaseModel:
        pen = await _pen(paper, name, url)
        made = await paper.replaced(
            pen,
            part,
            policy=policy,
            removed=(numbers.removed_lot, numbers.removed_serial),
            fitted=(numbers.lot, numbers.serial),
        )
        _say(signer, f"{pen}: {policy.parts[part]} replaced, on record.")
        await _until_calibrated(signer, paper, pen, "repaired", url)
        return made

    return _done(signer, _at(signer, MAY_REPAIR, work))


def recall(signer: Signer, part: str | None, lot: str | None) -> int:
    """Quarantines every pen that a part or lot is still in. Raises StationError, RecordError, ConsoleError."""
    asked_of_recall(part, lot)

    async def work(paper: Paperwork) -> list[BaseModel]:
        inside = {one.pen for one in recalled(paper.records.told(), part=part, lot=lot) if one.until is None}
        made: list[BaseModel] = []
        for pen in sorted(inside, key=str):
            made.append(await paper.quarantine(pen, "recall", recalled=(part or "", lot or "")))
            _say(signer, f"{pen} is in quarantine.")
        return made

    made = _at(signer, MAY_QUARANTINE, work)
    if signer.as_json:
        print_json([event.model_dump(mode="json") for event in made])
    elif not made:
        err().print(Text("No pen on record has it in it."))
    return Code.DONE if made else Code.NO


# Inside ---------------------------------------------------------------------------------------------------------------


def _at(signer: Signer, roles: tuple[Role, ...], work: Callable[[Paperwork], Awaitable[Result]]) -> Result:
    password = password_for(signer.by, signer.settings.mode, signer.password_file)

    async def run() -> Result:
        async with open_paperwork(signer.settings, signer.by, password, *roles) as paper:
            return await work(paper)

    return asyncio.run(run())


async def _mode_of_station(settings: StationSettings) -> Literal["demo", "clinic"] | None:
    """How the station that runs on this state directory works; None where none runs."""
    try:
        async with StationClient.of(settings) as station:
            return (await station.status()).mode
    except StationUnreachable:
        return None


def _quarantined_by_station(
    signer: Signer, mode: Literal["demo", "clinic"], asked: QuarantineAsked, url: str | None
) -> int:
    """The station that runs does it at once: it holds the record, and perhaps the pen."""
    password = password_for(signer.by, mode, signer.password_file)

    async def ask() -> QuarantineTold:
        async with StationClient.of(signer.settings) as station, station.signed_in(signer.by, password) as person:
            return await person.quarantine(asked)

    told = asyncio.run(ask())
    pen = name_of(told.event.pen, told.event.serial)
    with open_pen_records(signer.settings) as records:
        _say_quarantined(signer, pen, told.event.because, records)
    if told.calibration_ended:
        _say(signer, _ENDED.format(pen=pen))
    else:
        if told.problem:
            _say(signer, told.problem)
        asyncio.run(_end_in_pen(signer, pen, url))
    return _done(signer, told.event)


def _say_quarantined(signer: Signer, pen: PenName, why: Because, records: PenRecords) -> None:
    _say(signer, f"{pen} is in quarantine: {QUARANTINE_WORDS[why]}. No station of this site arms it.")
    if in_question := len(to_look_at(reviews(records, pen))):
        held = f"{counted(in_question, 'session')} held with it since it last was right"
        _say(signer, f"{held} to be looked through: `needlework pen exposed {pen}`.")


async def _pen(paper: Paperwork, name: str, url: str | None) -> PenName:
    """The pen that is meant; one that is at hand need not be on record, and has to be the one that was named."""
    if url is None:
        return paper.records.named(name)
    async with asked_pen(url) as (_, facts):
        there = PenName(facts.model, facts.serial)
    if name not in (str(there), there.serial):
        raise ConsoleError(
            Told(
                "other_pen",
                f"At {url} is {there}, and {name} was named.",
                "Nothing was recorded, nothing was written into a pen.",
                "Connect the pen that is meant, or name the one that is connected.",
            )
        )
    return there


async def _end_in_pen(signer: Signer, pen: PenName, url: str | None) -> None:
    """Ends the calibration in the pen itself, where it is at hand. Raises WireError, ControlRefused."""
    if url is None:
        _say(signer, f"{pen} still holds its calibration: keep it away from stations of other sites.")
        return
    async with asked_pen(url) as (link, facts):
        ended = PenName(facts.model, facts.serial) == pen and await end_calibration(link.request, facts.capabilities)
    if ended:
        _say(signer, _ENDED.format(pen=pen))


async def _until_calibrated(signer: Signer, paper: Paperwork, pen: PenName, why: Because, url: str | None) -> None:
    """After work that ends a calibration: ended in the pen where that is at hand, else the pen goes into quarantine."""
    if url is not None:
        await _end_in_pen(signer, pen, url)
        return
    await paper.quarantine(pen, why)
    _say(signer, f"{pen} is in quarantine until it is calibrated and released: it still holds its old calibration.")


def _say(signer: Signer, words: str) -> None:
    """For people; what a program gets is one document at the end."""
    if not signer.as_json:
        out().print(Text(words), soft_wrap=True)


def _done(signer: Signer, made: BaseModel) -> int:
    if signer.as_json:
        print_json(made.model_dump(mode="json"))
    return Code.DONE


def _one_of(text: str, known: tuple[Result, ...], option: str, means: str) -> Result:
    found = next((one for one in known if one == text), None)
    if found is None:
        what = f"{option} {text}: it is one of {', '.join(map(str, known))}."
        raise ConsoleError(Told("usage", what, means), Code.USAGE)
    return found


def _error(text: str) -> ErrorAtDepth:
    """A depth error as typed: 0.50=+0.12. Raises ConsoleError."""
    form = _ERROR.fullmatch(text.replace(" ", ""))
    try:
        if form is not None:
            size = micrometres_from_mm(form[3])
            return ErrorAtDepth(shown_um=micrometres_from_mm(form[1]), error_um=-size if form[2] == "-" else size)
        why = "it is no depth and error"
    except QuantityError as refused:
        why = str(refused)
    told = Told(
        "usage",
        f"--error {text}: {why.rstrip('.')}.",
        "Nothing was recorded.",
        "Write the depth shown and the error, both in mm, true minus shown: 0.50=+0.12",
    )
    raise ConsoleError(told, Code.USAGE)
