"""`needlework calibrate` and `needlework pen accuracy`: declared here, done in :mod:`console.actions.calibrating`."""

from pathlib import Path
from typing import Annotated

import typer

from console.pen_app import OffSkin, PasswordFile, PenUrl, State, Technician, settings_of
from console.trouble import Troubles

Gauge = Annotated[
    str | None,
    typer.Option("--gauge", help="Read depth from this gauge; else it is typed. `gauge list`.", metavar="ADDRESS"),
]
Tachometer = Annotated[
    str | None,
    typer.Option("--tachometer", help="Read rate from this instrument; else it is typed.", metavar="ADDRESS"),
]
GaugeId = Annotated[str | None, typer.Option("--gauge-id", help="The gauge's name in the policy.", metavar="ID")]
TachometerId = Annotated[
    str | None, typer.Option("--tachometer-id", help="The tachometer's name in the policy.", metavar="ID")
]
Cartridge = Annotated[
    str | None, typer.Option("--cartridge", help="The reference cartridge's name in the policy.", metavar="ID")
]
Temperature = Annotated[
    str | None, typer.Option("--temperature", help="Of the air at the bench, °C; asked for otherwise.", metavar="°C")
]
Humidity = Annotated[
    str | None, typer.Option("--humidity", help="Relative humidity there, %; asked for otherwise.", metavar="%")
]
Parties = Annotated[
    Path | None,
    typer.Option("--parties", help="Customer, people's names, remarks, a due date asked for: YAML.", metavar="FILE"),
]
AuthorisedBy = Annotated[
    str,
    typer.Option(
        "--authorised-by", help="Who answers for the certificate, and signs in too; else the technician.", metavar="ID"
    ),
]
AuthorisedPasswordFile = Annotated[
    Path | None,
    typer.Option("--authorised-password-file", help="File or descriptor that holds that person's password."),
]
Output = Annotated[
    Path, typer.Option("--output", "-o", help="Folder for the pages and the label.", metavar="DIR", file_okay=False)
]
Yes = Annotated[
    bool, typer.Option("--yes", "-y", help="Everything is ready: ask for nothing but readings and decisions.")
]
Lines = Annotated[bool, typer.Option("--json", help="One JSON object a line; answers are lines, too.")]


def calibrate(
    pen: PenUrl,
    technician: Technician,
    gauge: Gauge = None,
    tachometer: Tachometer = None,
    readings: Annotated[
        list[str] | None,
        typer.Option("--readings", help="A series from a CSV file: depth=FILE, as_left.rate=FILE. Repeat it."),
    ] = None,
    gauge_id: GaugeId = None,
    tachometer_id: TachometerId = None,
    cartridge: Cartridge = None,
    temperature: Temperature = None,
    humidity: Humidity = None,
    adjust: Annotated[
        str, typer.Option("--adjust", help="Adjust the pen: `yes`, `no`, or `ask`.", metavar="WHETHER")
    ] = "ask",
    anew: Annotated[
        bool, typer.Option("--anew", help="Begin anew; a calibration of this pen under way is given up.")
    ] = False,
    parties: Parties = None,
    authorised_by: AuthorisedBy = "",
    authorised_password_file: AuthorisedPasswordFile = None,
    output: Output = Path(),
    password_file: PasswordFile = None,
    off_skin: OffSkin = False,
    yes: Yes = False,
    state: State = None,
    as_json: Lines = False,
) -> None:
    """Calibrate a pen: as found, adjusted where needed, as left, to its certificate. Step by step, off skin.

    It can be interrupted anywhere, by Ctrl-C or a power cut: the same command goes on from there. Needs no network.
    Exit codes: 0 left in tolerance, 1 not, 130 interrupted.
    """
    with Troubles(as_json=as_json):
        from console.actions import at_the_bench  # noqa: PLC0415 imported when it runs
        from console.actions import calibrating as act  # noqa: PLC0415 as above
        from console.actions.benching import Seat  # noqa: PLC0415 as above

        seat = Seat(
            settings_of(state), pen, technician, password_file, off_skin, as_json, authorised_by,
            authorised_password_file,
        )  # fmt: skip
        bench = at_the_bench.Bench(gauge, tachometer, gauge_id, tachometer_id, cartridge, temperature, humidity)
        paper = at_the_bench.Paper(parties, output)
        wanted = act.Wanted(act.decision(adjust), tuple(readings or ()), anew=anew, yes=yes)
        raise typer.Exit(act.calibrate(seat, bench, paper, wanted))


def pen_accuracy(
    pen: PenUrl,
    technician: Technician,
    gauge: Gauge = None,
    tachometer: Tachometer = None,
    gauge_id: GaugeId = None,
    tachometer_id: TachometerId = None,
    cartridge: Cartridge = None,
    temperature: Temperature = None,
    humidity: Humidity = None,
    parties: Parties = None,
    authorised_by: AuthorisedBy = "",
    authorised_password_file: AuthorisedPasswordFile = None,
    output: Output = Path(),
    password_file: PasswordFile = None,
    off_skin: OffSkin = False,
    yes: Yes = False,
    state: State = None,
    as_json: Lines = False,
) -> None:
    """Test a pen's accuracy (21 CFR 878.4430): depth and rate, set against measured, and write the report.

    Nothing in the pen is changed. One sitting: what interrupts it ends it. Exit codes: 0 passed, 1 not.
    """
    with Troubles(as_json=as_json):
        from console.actions import at_the_bench  # noqa: PLC0415 imported when it runs
        from console.actions.accuracy import accuracy as act  # noqa: PLC0415 as above
        from console.actions.benching import Seat  # noqa: PLC0415 as above

        seat = Seat(
            settings_of(state), pen, technician, password_file, off_skin, as_json, authorised_by,
            authorised_password_file,
        )  # fmt: skip
        bench = at_the_bench.Bench(gauge, tachometer, gauge_id, tachometer_id, cartridge, temperature, humidity)
        raise typer.Exit(act(seat, bench, at_the_bench.Paper(parties, output), yes=yes))
