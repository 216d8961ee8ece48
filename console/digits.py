"""Numbers large enough for arm's length: five rows, drawn with the background, so that no font leaves gaps. Pure."""

from rich.style import Style
from rich.text import Text

ROWS = 5

_SHAPES = {
    "0": ("###", "# #", "# #", "# #", "###"),
    "1": (" # ", "## ", " # ", " # ", "###"),
    "2": ("###", "  #", "###", "#  ", "###"),
    "3": ("###", "  #", "###", "  #", "###"),
    "4": ("# #", "# #", "###", "  #", "  #"),
    "5": ("###", "#  ", "###", "  #", "###"),
    "6": ("###", "#  ", "###", "# #", "###"),
    "7": ("###", "  #", "  #", "  #", "  #"),
    "8": ("###", "# #", "###", "# #", "###"),
    "9": ("###", "# #", "###", "  #", "###"),
    "-": ("   ", "   ", "###", "   ", "   "),
    ".": (" ", " ", " ", " ", "#"),
}


def large(number: str, style: str, *, pixel_columns: int = 2) -> Text:
    """A number of digits, points and dashes as five lines of text. Raises KeyError for any other character.

    A pixel of two columns is about square; of one column the number is narrow.
    """
    ink = Style.parse(style) + Style(reverse=True)
    pixel = " " * pixel_columns
    drawn = Text(no_wrap=True)
    for row in range(ROWS):
        for place, character in enumerate(number):
            if place:
                drawn.append(" ")
            for mark in _SHAPES[character][row]:
                drawn.append(pixel, ink if mark == "#" else None)
        if row < ROWS - 1:
            drawn.append("\n")
    return drawn
