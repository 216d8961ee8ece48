"""Whether a report for CI servers can be written where it is asked for: known before anything is tried, not after."""

from dataclasses import replace
from pathlib import Path

from console.exits import Code
from console.trouble import ConsoleError, told_of
from proving.junit import try_place


def tried(junit: Path | None) -> None:
    """Raises ConsoleError where no report can be written; exit code USAGE, for nothing has failed."""
    if junit is None:
        return
    try:
        try_place(junit)
    except OSError as error:
        found = told_of(error)
        if found is None:
            raise
        raise ConsoleError(replace(found[0], means="No report can be written there, so nothing was tried."),
                           Code.USAGE) from error  # fmt: skip
