"""Options that may stand alone: `--usbip` means `--usbip 127.0.0.1:3240`. Typer itself knows none of these."""

from typing import Any

from typer.core import TyperCommand

STANDING_ALONE = {"--usbip": "127.0.0.1:3240"}
"""Option → the value it has when nothing, or another option, follows."""


class BareOptionsCommand(TyperCommand):
    """A command whose options of STANDING_ALONE need no value."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Puts the value in where it was left out."""
        whole: list[str] = []
        for index, argument in enumerate(args):
            whole.append(argument)
            stands_alone = index + 1 == len(args) or args[index + 1].startswith("-")
            if argument in STANDING_ALONE and stands_alone:
                whole.append(STANDING_ALONE[argument])
        return super().parse_args(ctx, whole)
