"""`needlework wire …`: what host and pen say to each other, recorded, shown and played back. Done in
:mod:`console.actions.wire`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from console.trouble import Troubles

wire_app = typer.Typer(
    help="What goes over a pen's wire: `record` it, `show` it, `replay` it as a pen.", no_args_is_help=False
)

File = Annotated[Path, typer.Argument(help="A recording.", metavar="FILE")]
Pty = Annotated[bool, typer.Option("--pty", help="Offer a pseudo-terminal; so it is without --tcp, too.")]
Tcp = Annotated[str | None, typer.Option("--tcp", help="Offer TCP; port 0 takes a free one.", metavar="HOST:PORT")]
Link = Annotated[Path | None, typer.Option("--link", help="A name for the pseudo-terminal that stays.", metavar="PATH")]
Json = Annotated[bool, typer.Option("--json", help="Print data as JSON, an object a line.")]


@wire_app.callback(invoke_without_command=True)
def _wire(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@wire_app.command()
def record(
    pen: Annotated[str, typer.Argument(help="The pen's URL.", metavar="URL")],
    into: Annotated[Path, typer.Argument(help="The recording, a new file.", metavar="FILE")],
    pty: Pty = False,
    tcp: Tcp = None,
    link: Link = None,
    as_json: Json = False,
) -> None:
    """Tap a pen: offer a port to the host, pass everything on, and record it, until Ctrl-C or SIGTERM.

    Prints one line of JSON when the host can connect. Exit code 1: the recording ended before it was asked to.
    """
    with Troubles(as_json=as_json):
        from console.actions.wire import record as act  # noqa: PLC0415 imported when it runs

        raise typer.Exit(act(pen, into, pty=pty or tcp is None, link=link, tcp=tcp, as_json=as_json))


@wire_app.command()
def show(
    file: File,
    kind: Annotated[
        list[str] | None,
        typer.Option("--kind", help="Messages of this kind alone, as STATUS; may be given again.", metavar="KIND"),
    ] = None,
    sender: Annotated[
        Literal["host", "pen"] | None, typer.Option("--from", help="What one of them said alone.")
    ] = None,
    after: Annotated[
        float | None, typer.Option("--after", help="From this second of the recording on.", metavar="SECONDS")
    ] = None,
    before: Annotated[float | None, typer.Option("--before", help="Up to this second.", metavar="SECONDS")] = None,
    faults: Annotated[
        bool, typer.Option("--faults", help="Only what is damaged, lost, refused, or a fault that latched.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show a recording, a frame a line, with its fields by name.

    Exit code 1: the recording is damaged; what stands before the damage was shown.
    """
    with Troubles(as_json=as_json):
        from console.actions.wire import show as act  # noqa: PLC0415 imported when it runs

        raise typer.Exit(
            act(file, kinds=kind or [], sender=sender, after_s=after, before_s=before, faults=faults, as_json=as_json)
        )


@wire_app.command()
def replay(
    file: File,
    pty: Pty = False,
    tcp: Tcp = None,
    link: Link = None,
    patience: Annotated[
        float, typer.Option("--patience", help="So long the host is waited for.", metavar="SECONDS", min=0.1)
    ] = 60.0,
    as_json: Json = False,
) -> None:
    """Play a recording as a pen: it answers a host as the pen did, and says where the host does something else.

    Prints one line of JSON when the host can connect. Exit code 0: the host did as recorded. 1: it did not. There is no
    motor behind it: a replay shows how a host behaves, and nothing about safety.
    """
    with Troubles(as_json=as_json):
        from console.actions.wire import replay as act  # noqa: PLC0415 imported when it runs

        raise typer.Exit(act(file, pty=pty or tcp is None, link=link, tcp=tcp, patience_s=patience, as_json=as_json))
