"""`needlework sbom`, declared here and done in :mod:`console.actions.materials`."""

from pathlib import Path
from typing import Annotated

import typer

from console.trouble import Troubles


def sbom(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to write; none: standard output.", metavar="FILE")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
) -> None:
    """Write the software bill of materials: what this installation runs on, with licences, as CycloneDX JSON."""
    with Troubles():
        from console.actions.materials import sbom as act  # noqa: PLC0415 imported when it runs

        raise typer.Exit(act(output, force=force))
