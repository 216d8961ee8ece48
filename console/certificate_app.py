"""`needlework certificate …`: certificates that were issued here or elsewhere, done in :mod:`console.actions`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.exits import Code
from console.trouble import ConsoleError, Told, Troubles

if TYPE_CHECKING:
    from logger.report import Paper
    from station.settings import StationSettings

certificate_app = typer.Typer(
    help="Certificates of pens: `list`, `show`, `verify` them, `pdf`, `label`, `copy`, `reissue` one.",
    no_args_is_help=False,
)

Which = Annotated[
    str, typer.Argument(help="A certificate's number, what its label's code says, or its file.", metavar="NUMBER|FILE")
]
State = Annotated[Path | None, typer.Option("--state", help="State directory of the station.", metavar="DIR")]
Force = Annotated[bool, typer.Option("--force", help="Write over a file that is there already.")]
Json = Annotated[bool, typer.Option("--json", help="Print data as JSON.")]


def _settings(state: Path | None) -> "StationSettings":
    from station.settings import load_settings  # noqa: PLC0415 pydantic takes a while; `--help` does without

    return load_settings(state_dir=state)


@certificate_app.callback(invoke_without_command=True)
def _certificate(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@certificate_app.command(name="list")
def list_them(
    serial: Annotated[str | None, typer.Option("--serial", help="Of this pen only.", metavar="SERIAL")] = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """List the certificates that this station issued, the newest first."""
    with Troubles(as_json=as_json):
        from console.actions.certificates import list_them as act  # noqa: PLC0415 imported when it runs

        raise typer.Exit(act(_settings(state), serial=serial, as_json=as_json))


@certificate_app.command()
def show(which: Which, state: State = None, as_json: Json = False) -> None:
    """Show a certificate: errors drawn against the tolerance, as found and as left, and what they hang on."""
    with Troubles(as_json=as_json):
        from console.actions.certificates import show as act  # noqa: PLC0415 imported when it runs

        raise typer.Exit(act(_settings(state), which, as_json=as_json))


@certificate_app.command()
def pdf(
    which: Which,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where the PDF goes; here, by its number.", metavar="FILE.pdf")
    ] = None,
    paper: Annotated[
        str | None,
        typer.Option("--paper", help="`a4` or `letter`; the setting `paper` where not said.", metavar="NAME"),
    ] = None,
    state: State = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write a certificate's pages as PDF/A. The same certificate gives the same file, byte for byte."""
    with Troubles(as_json=as_json):
        from console.actions.certificates import pdf as act  # noqa: PLC0415 imported when it runs

        settings = _settings(state)
        raise typer.Exit(act(settings, which, output=output, paper=_paper(paper), force=force, as_json=as_json))


@certificate_app.command()
def label(
    which: Which,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A name ending in .pdf, .svg or .png; NUMBER-label.pdf.", metavar="FILE"),
    ] = None,
    state: State = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write the label for the pen, 52 × 21 mm, with a code that leads to the certificate."""
    with Troubles(as_json=as_json):
        from console.actions.certificates import label as act  # noqa: PLC0415 imported when it runs

        raise typer.Exit(act(_settings(state), which, output=output, force=force, as_json=as_json))


@certificate_app.command()
def copy(
    which: Which,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where it goes; here, by its number.", metavar="FILE.json")
    ] = None,
    without_names: Annotated[
        bool, typer.Option("--without-names", help="Leave out customer, laboratory, people and remarks.")
    ] = False,
    state: State = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write a copy of a certificate's signed file, which `certificate verify` checks on any machine."""
    with Troubles(as_json=as_json):
        from console.actions.certificates import copy as act  # noqa: PLC0415 imported when it runs

        settings = _settings(state)
        raise typer.Exit(act(settings, which, output=output, names=not without_names, force=force, as_json=as_json))


@certificate_app.command()
def verify(
    which: Which,
    key: Annotated[
        list[str] | None,
        typer.Option("--key", help="The id of the laboratory's key as you noted it; no other counts.", metavar="ID"),
    ] = None,
    code: Annotated[
        str | None, typer.Option("--code", help="What the code on the label says: is it of this file?", metavar="TEXT")
    ] = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Say whether a certificate is what was issued, by whom, and whether what it hangs on was in date. No network.

    Exit code 0: genuine. 1: changed, of an unknown key, or something in it does not hold. 2: could not be checked.
    """
    with Troubles(as_json=as_json):
        from console.actions.certificate_verifying import verify as act  # noqa: PLC0415 imported when it runs

        raise typer.Exit(act(_settings(state), which, keys=key or (), code=code, as_json=as_json))


@certificate_app.command()
def reissue(
    which: Which,
    said: Annotated[
        Path, typer.Option("--with", help="What is other in it: customer, due_on, remarks …, as YAML.", metavar="FILE")
    ],
    reason: Annotated[str, typer.Option("--reason", help="Why; it is printed on the new one.", metavar="TEXT")],
    by: Annotated[str, typer.Option("--as", help="Who authorises it: signs in with a password.", metavar="ID")],
    password_file: Annotated[
        Path | None,
        typer.Option("--password-file", help="Its first line is the password; /dev/fd/3 works too.", metavar="FILE"),
    ] = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Issue a certificate anew where a name, an address or a date was wrong in it; the old one stays as it is.

    It gets a number of its own and names the one it takes the place of, and why. What was measured cannot be changed.
    """
    with Troubles(as_json=as_json):
        from console.actions.certificate_reissuing import Anew, again  # noqa: PLC0415 imported when it runs

        raise typer.Exit(again(_settings(state), Anew(which, said, reason, by, password_file), as_json=as_json))


def _paper(named: str | None) -> "Paper | None":
    """The paper that was named. Raises ConsoleError."""
    known: dict[str | None, Paper | None] = {None: None, "a4": "a4", "letter": "letter"}
    if named not in known:
        what = f"There is no paper {named!r}."
        raise ConsoleError(Told("usage", what, "Nothing was written.", "Use `a4` or `letter`."), Code.USAGE)
    return known[named]
