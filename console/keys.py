"""Keys of a terminal beside a live view: a line of text, and two keys that act at once. Pure."""

from dataclasses import dataclass
from enum import Enum

LINE_MAX = 200
_ESCAPE = 0x1B
_ERASE = frozenset({0x08, 0x7F})
_ENTER = frozenset({0x0A, 0x0D})
_CLEAR = 0x15  # Ctrl-U, as in every shell
_PARAMETER_FIRST, _PARAMETER_LAST, _FINAL_FIRST, _FINAL_LAST = 0x20, 0x3F, 0x40, 0x7E
"""Of the sequence that a cursor or function key sends, after ECMA-48."""


class Key(Enum):
    """A key that acts at once."""

    STOP = "stop"  # Esc
    TOGGLE = "toggle"  # Space on an empty line: start when paused, pause when treating


@dataclass(frozen=True, slots=True)
class Typed:
    """What came of some bytes: the line as it stands, and in order the keys and finished lines."""

    line: str
    acts: tuple[Key | str, ...]


def typed(line: str, received: bytes) -> Typed:
    """The line after some bytes from the terminal. An escape alone is STOP; one that begins a sequence is a cursor key
    and does nothing: a terminal sends those bytes at once. What follows such a sequence counts, STOP above all."""
    acts: list[Key | str] = []
    text = bytearray(line.encode())
    place = 0
    while place < len(received):
        byte = received[place]
        place += 1
        if byte == _ESCAPE:
            if received[place : place + 1] in (b"[", b"O"):
                place = _after_sequence(received, place)
                continue
            acts.append(Key.STOP)
            text.clear()
        elif byte in _ENTER:
            acts.append(_text(text))
            text.clear()
        elif byte in _ERASE:
            text = bytearray(_text(text)[:-1].encode())
        elif byte == _CLEAR:
            text.clear()
        elif byte == ord(" ") and not text:
            acts.append(Key.TOGGLE)
        elif byte >= ord(" ") and len(text) < LINE_MAX:
            text.append(byte)
    return Typed(_text(text), tuple(acts))


def _after_sequence(received: bytes, place: int) -> int:
    """Where a key's sequence ends, its second byte at ``place``: after its final byte, or before what is none of it."""
    introduced_by, place = received[place : place + 1], place + 1
    if introduced_by == b"[":
        while place < len(received) and _PARAMETER_FIRST <= received[place] <= _PARAMETER_LAST:
            place += 1
    ends = place < len(received) and _FINAL_FIRST <= received[place] <= _FINAL_LAST
    return place + 1 if ends else place


def _text(raw: bytearray) -> str:
    return raw.decode(errors="ignore")
