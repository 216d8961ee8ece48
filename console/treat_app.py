"""`needlework treat`, declared here."""

from pathlib import Path
from typing import Annotated

import typer

from console.people_app import PasswordFile
from console.trouble import Troubles

State = Annotated[Path | None, typer.Option("--state", help="State directory: journal, store, sockets.", metavar="DIR")]


def treat(
    operator: Annotated[str, typer.Option("--operator", help="Who treats; limits are that person's.", metavar="NAME")],
    protocol: Annotated[str, typer.Option("--protocol", help="A protocol of the library.", metavar="NAME")] = "",
    skin: Annotated[str, typer.Option("--skin", help="A skin the protocol knows.", metavar="NAME")] = "",
    zone: Annotated[str, typer.Option("--zone", help="The zone treated first.", metavar="NAME")] = "",
    zones: Annotated[
        str, typer.Option("--zones", help="All planned zones, the first one first.", metavar="A,B,…")
    ] = "",
    patient: Annotated[
        str, typer.Option("--patient", help="A random pseudonym, never a name; made where none is given.", metavar="ID")
    ] = "",
    find: Annotated[
        str, typer.Option("--find", help="The patient by name, birth date or chart number instead.", metavar="TEXT")
    ] = "",
    cartridge: Annotated[
        str | None, typer.Option("--cartridge", help="Its model, where the pen does not identify it.", metavar="NAME")
    ] = None,
    confirmed: Annotated[
        list[str] | None,
        typer.Option("--confirmed", help="A confirmed point of the checklist; once for each.", metavar="ITEM"),
    ] = None,
    answers: Annotated[
        Path | None,
        typer.Option("--answers", help="Answers about contraindications, YAML or JSON.", metavar="FILE"),
    ] = None,
    consent: Annotated[
        str, typer.Option("--consent", help="Where the signed consent is; it stays at the site.", metavar="REF")
    ] = "",
    code: Annotated[str, typer.Option("--code", help="The cartridge's code, as scanned.", metavar="CODE")] = "",
    reason: Annotated[
        str, typer.Option("--early", help="A reason of the library for an earlier session.", metavar="REASON")
    ] = "",
    resume: Annotated[
        str, typer.Option("--resume", help="A session that broke off, or `last`; its dose counts on.", metavar="ID")
    ] = "",
    repeat: Annotated[bool, typer.Option("--repeat", help="Zones, depth and rate as at the last visit.")] = False,
    pen: Annotated[str, typer.Option("--pen", help="The pen's name, where there are several.", metavar="NAME")] = "",
    password_file: PasswordFile = None,
    state: State = None,
) -> None:
    """Operate a pen: from the keyboard beside the live view, or by lines on standard input.

    An open session is taken up again. Whoever leaves, leaves a pen that is paused or stopped. Exit code 1: refused.
    """
    with Troubles():
        from station.settings import load_settings  # noqa: PLC0415 pydantic takes a while; `--help` does without

        settings = load_settings(state_dir=state)
        from console.actions.asked import Asked  # noqa: PLC0415 imported when it runs
        from console.actions.treating import treat as act  # noqa: PLC0415 imported when it runs
        from console.answers import AnswersFile, read_answers  # noqa: PLC0415 imported when it runs

        asked = Asked(
            operator, pen, patient, protocol, skin, zone, cartridge, tuple(confirmed or ()),
            zones=tuple(name.strip() for name in zones.split(",") if name.strip()),
            answers=AnswersFile() if answers is None else read_answers(answers),
            consent=consent, code=code, interval_reason=reason, resume=resume, repeat=repeat, find=find,
        )  # fmt: skip
        raise typer.Exit(act(settings, asked, password_file))
