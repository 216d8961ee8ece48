"""`needlework pen quarantine|release|repair|part|history|exposed` and `needlework recall`: what is on record of pens.

Declared here; done in :mod:`console.actions.pen_paper` and :mod:`console.actions.pen_reading`.
"""

from pathlib import Path
from typing import Annotated

import typer

from console.pen_app import Json, PasswordFile, State, settings_of
from console.trouble import Troubles

WHY = "out_of_tolerance, self_test, shock, repaired, recall or other"
WORK = "cleaned, opened, dropped, lubricated, sealed, inspected or other"

Pen = Annotated[str, typer.Argument(help="The pen as MODEL/SERIAL, or its serial number.", metavar="PEN")]
By = Annotated[str, typer.Option("--as", help="Who does it: signs in with a password.", metavar="ID")]
Connected = Annotated[
    str | None,
    typer.Option("--pen", help="Its URL where it is at hand: its calibration is ended in the pen too.", metavar="URL"),
]
Lot = Annotated[str, typer.Option("--lot", help="Lot of the part put in, as it stands on it.", metavar="LOT")]
Serial = Annotated[str, typer.Option("--serial", help="Serial number of the part put in.", metavar="NUMBER")]
RemovedLot = Annotated[str, typer.Option("--removed-lot", help="Lot of the part taken out.", metavar="LOT")]
RemovedSerial = Annotated[str, typer.Option("--removed-serial", help="Its serial number.", metavar="NUMBER")]


def pen_quarantine(
    pen: Pen,
    by: By,
    because: Annotated[str, typer.Option("--because", help=f"Why: {WHY}.", metavar="WHY")],
    error: Annotated[
        list[str] | None,
        typer.Option("--error", help="A depth error found: 0.50=+0.12, both mm, true minus shown. Repeat it."),
    ] = None,
    url: Connected = None,
    password_file: PasswordFile = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Take a pen out of use at every station of the site, until somebody releases it."""
    with Troubles(as_json=as_json):
        from console.actions import pen_paper  # noqa: PLC0415 imported when it runs

        signer = pen_paper.Signer(settings_of(state), by, password_file, as_json)
        raise typer.Exit(pen_paper.quarantine(signer, pen, because, tuple(error or ()), url))


def pen_release(
    pen: Pen,
    by: By,
    reviewed: Annotated[
        int, typer.Option("--reviewed", help="How many sessions of `needlework pen exposed` you looked through.", min=0)
    ] = 0,
    password_file: PasswordFile = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Sign that a pen may treat again. A manager or a physician does it, after its calibration."""
    with Troubles(as_json=as_json):
        from console.actions import pen_paper  # noqa: PLC0415 imported when it runs

        signer = pen_paper.Signer(settings_of(state), by, password_file, as_json)
        raise typer.Exit(pen_paper.release(signer, pen, reviewed))


def pen_repair(
    pen: Pen,
    by: By,
    what: Annotated[str, typer.Option("--what", help=f"What was done: {WORK}.", metavar="WHAT")],
    url: Connected = None,
    password_file: PasswordFile = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Put on record that something was done to a pen. What touches its depth ends its calibration."""
    with Troubles(as_json=as_json):
        from console.actions import pen_paper  # noqa: PLC0415 imported when it runs

        signer = pen_paper.Signer(settings_of(state), by, password_file, as_json)
        raise typer.Exit(pen_paper.repair(signer, pen, what, url))


def pen_part(
    pen: Pen,
    part: Annotated[str, typer.Argument(help="The part, by its name in the clinic's list.", metavar="PART")],
    by: By,
    lot: Lot = "",
    serial: Serial = "",
    removed_lot: RemovedLot = "",
    removed_serial: RemovedSerial = "",
    url: Connected = None,
    password_file: PasswordFile = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Put on record which part is in a pen, and which was taken out. It ends the pen's calibration."""
    with Troubles(as_json=as_json):
        from console.actions import pen_paper  # noqa: PLC0415 imported when it runs

        signer = pen_paper.Signer(settings_of(state), by, password_file, as_json)
        numbers = pen_paper.Numbers(lot, serial, removed_lot, removed_serial)
        raise typer.Exit(pen_paper.part(signer, pen, part, numbers, url))


def pen_history(pen: Pen, state: State = None, as_json: Json = False) -> None:
    """Tell what is on record of a pen: quarantine, certificates, repairs, parts."""
    with Troubles(as_json=as_json):
        from console.actions import pen_reading  # noqa: PLC0415 imported when it runs

        raise typer.Exit(pen_reading.history(settings_of(state), pen, as_json=as_json))


def pen_exposed(
    pen: Pen,
    csv: Annotated[Path | None, typer.Option("--csv", help="Write them as a table too.", metavar="FILE")] = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """List the sessions held with a pen while its depth was wrong, each with its error, by pseudonym.

    From the last certificate by which it was right to each open quarantine. Exit code 1: there are none.
    """
    with Troubles(as_json=as_json):
        from console.actions import pen_reading  # noqa: PLC0415 imported when it runs

        raise typer.Exit(pen_reading.exposed(settings_of(state), pen, csv, as_json=as_json))


def recall(
    part: Annotated[str | None, typer.Option("--part", help="The part, by its name.", metavar="PART")] = None,
    lot: Annotated[str | None, typer.Option("--lot", help="The lot that is recalled.", metavar="LOT")] = None,
    by: Annotated[
        str | None, typer.Option("--quarantine-as", help="Quarantine those it is still in, as this account.")
    ] = None,
    password_file: PasswordFile = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """List the pens that a part, or a lot, is or was in. Exit code 1: there are none."""
    with Troubles(as_json=as_json):
        from console.actions import pen_paper, pen_reading  # noqa: PLC0415 imported when it runs

        settings = settings_of(state)
        if by is None:
            raise typer.Exit(pen_reading.recall(settings, part, lot, as_json=as_json))
        signer = pen_paper.Signer(settings, by, password_file, as_json)
        raise typer.Exit(pen_paper.recall(signer, part, lot))


def add_to(pen_app: typer.Typer) -> None:
    """Adds them to `needlework pen`."""
    for name, command in (
        ("quarantine", pen_quarantine),
        ("release", pen_release),
        ("repair", pen_repair),
        ("part", pen_part),
        ("history", pen_history),
        ("exposed", pen_exposed),
    ):
        pen_app.command(name)(command)
