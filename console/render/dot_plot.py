"""A plot in the characters of a terminal: eight dots a character, in layers that cover each other. Pure."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rich.text import Text

_BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The dot of a Braille character at a row and column."""
_EMPTY = 0x2800
DOTS_ACROSS, DOTS_DOWN = 2, 4


@dataclass(slots=True)
class DotPlot:
    """A field of ``columns`` × ``rows`` characters over a range of days and values; what lies outside is left out."""

    columns: int
    rows: int
    days: tuple[float, float]
    values: tuple[float, float]
    _masks: dict[tuple[int, int], int] = field(default_factory=dict)
    _styles: dict[tuple[int, int], str] = field(default_factory=dict)
    _marks: dict[tuple[int, int], tuple[str, str]] = field(default_factory=dict)

    def across(self, day: float) -> int:
        """The dot column of a day."""
        first, last = self.days
        return round((day - first) / (last - first) * (self.columns * DOTS_ACROSS - 1))

    def down(self, value: float) -> int:
        """The dot row of a value, 0 at the top."""
        low, high = self.values
        return round((high - value) / (high - low) * (self.rows * DOTS_DOWN - 1))

    def dot(self, x: int, y: int, style: str) -> None:
        """One dot; the newest style of a character counts."""
        if 0 <= x < self.columns * DOTS_ACROSS and 0 <= y < self.rows * DOTS_DOWN:
            cell = (y // DOTS_DOWN, x // DOTS_ACROSS)
            self._masks[cell] = self._masks.get(cell, 0) | _BITS[y % DOTS_DOWN][x % DOTS_ACROSS]
            self._styles[cell] = style

    def line(self, points: Sequence[tuple[float, float]], style: str) -> None:
        """Points joined by straight lines."""
        for (day, value), (day_2, value_2) in itertools.pairwise(points):
            x, y, x_2, y_2 = self.across(day), self.down(value), self.across(day_2), self.down(value_2)
            steps = max(abs(x_2 - x), abs(y_2 - y), 1)
            if steps > 10_000:
                continue
            for step in range(steps + 1):
                self.dot(round(x + (x_2 - x) * step / steps), round(y + (y_2 - y) * step / steps), style)

    def dotted(self, points: Sequence[tuple[float, float]], style: str) -> None:
        """A line of which every third dot is drawn."""
        first, last = self.across(points[0][0]), self.across(points[-1][0])
        pairs = list(itertools.pairwise(points))
        for x in range(max(0, first), min(self.columns * DOTS_ACROSS, last + 1), 3):
            for (day, value), (day_2, value_2) in pairs:
                left, right = self.across(day), self.across(day_2)
                if left <= x <= right:
                    share = (x - left) / max(1, right - left)
                    self.dot(x, self.down(value + (value_2 - value) * share), style)
                    break

    def marks(self, points: Iterable[tuple[float, float]], style: str, mark: str = "•") -> None:
        """A character at each point, over whatever dots are there."""
        for day, value in points:
            row, column = self.down(value) // DOTS_DOWN, self.across(day) // DOTS_ACROSS
            if 0 <= row < self.rows and 0 <= column < self.columns:
                self._marks[row, column] = (mark, style)

    def level(self, value: float, style: str, mark: str = "╌") -> None:
        """A limit: a line across where nothing else is."""
        row = self.down(value) // DOTS_DOWN
        for column in range(self.columns):
            if 0 <= row < self.rows and (row, column) not in self._masks:
                self._marks.setdefault((row, column), (mark, style))

    def upright(self, day: float, style: str, mark: str = "┊") -> None:
        """A day: a line from top to bottom where nothing else is."""
        column = self.across(day) // DOTS_ACROSS
        for row in range(self.rows):
            if 0 <= column < self.columns and (row, column) not in self._masks:
                self._marks.setdefault((row, column), (mark, style))

    def row_of(self, value: float) -> int:
        """The row of characters a value is in."""
        return self.down(value) // DOTS_DOWN

    def text(self, row: int) -> Text:
        """One row of characters."""
        line = Text(no_wrap=True, overflow="crop")
        for column in range(self.columns):
            cell = (row, column)
            if cell in self._marks:
                line.append(*self._marks[cell])
            elif cell in self._masks:
                line.append(chr(_EMPTY + self._masks[cell]), self._styles[cell])
            else:
                line.append(" ")
        return line
