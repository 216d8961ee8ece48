"""Inputs of the machine as journal events, and back: what makes a replay possible.

Statuses and ticks come seventy times a second, so a chunk of about a second keeps them in columns.
"""

from collections.abc import Iterable, Iterator
from dataclasses import fields

from controller.events import InputChunk
from controller.inputs import COMMAND_ADAPTER, LINK_ADAPTER, Input, LinkDown, LinkUp, Seated, StatusSeen, Tick
from firmware_bridge.snapshot import PenSnapshot
from firmware_bridge.wire.messages import Fault, Interlock, PenState

CHUNK_MS = 1000
CHUNK_INPUTS = 500  # a pen that floods gets more chunks, not longer ones

COLUMNS = tuple(field.name for field in fields(PenSnapshot))
SENT_COLUMN = "sent_at_ms"


class InputRecorder:
    """Collects inputs in the order they are taken and hands out a chunk when one is full."""

    def __init__(self, pen: str) -> None:
        self._pen = pen
        self._clear()

    def begin(self, link: LinkUp, seen: PenSnapshot | None, sent_at_ms: int, seated: str | None = None) -> None:
        """Begins a session's inputs with what was known of pen and seat before, so that a replay needs nothing
        earlier."""
        self._clear()
        self.add(link, sent_at_ms)
        if seen is not None:
            self.add(StatusSeen(seen, sent_at_ms), sent_at_ms)
        if seated is not None:
            self.add(Seated(operator=seated), sent_at_ms)

    def _clear(self) -> None:
        self._begin_ms: int | None = None
        self._kinds: list[str] = []
        self._times_ms: list[int] = []
        self._statuses: list[StatusSeen] = []
        self._commands: list[str] = []
        self._links: list[str] = []

    def add(self, given: Input, now_ms: int) -> InputChunk | None:
        """Takes one input. Returns the chunk that it completes, if it does."""
        match given:
            case StatusSeen():
                self._kinds.append("S")
                self._statuses.append(given)
            case Tick():
                self._kinds.append("T")
            case LinkUp() | LinkDown():
                self._kinds.append("L")
                self._links.append(given.model_dump_json())
            case _:
                self._kinds.append("C")
                self._commands.append(given.model_dump_json())
        self._times_ms.append(now_ms)
        if self._begin_ms is None:
            self._begin_ms = now_ms
        if now_ms - self._begin_ms >= CHUNK_MS or len(self._kinds) >= CHUNK_INPUTS:
            return self.take()
        return None

    def take(self) -> InputChunk | None:
        """Whatever was collected since the last chunk."""
        if not self._kinds:
            return None
        columns: dict[str, tuple[int | None, ...]] = {
            name: tuple(_plain(getattr(status.seen, name)) for status in self._statuses) for name in COLUMNS
        }
        columns[SENT_COLUMN] = tuple(status.sent_at_ms for status in self._statuses)
        chunk = InputChunk(
            pen=self._pen,
            kinds="".join(self._kinds),
            times_ms=tuple(self._times_ms),
            status=columns,
            commands=tuple(self._commands),
            links=tuple(self._links),
        )
        self._clear()
        return chunk


def _plain(value: int | bool | None) -> int | None:
    return None if value is None else int(value)


def replayed(chunks: Iterable[InputChunk]) -> Iterator[tuple[Input, int]]:
    """The inputs of some chunks in order, each with the monotonic ms at which it was taken."""
    for chunk in chunks:
        commands, links = iter(chunk.commands), iter(chunk.links)
        status_index = 0
        for kind, now_ms in zip(chunk.kinds, chunk.times_ms, strict=True):
            match kind:
                case "S":
                    yield _status(chunk, status_index), now_ms
                    status_index += 1
                case "T":
                    yield Tick(), now_ms
                case "L":
                    yield LINK_ADAPTER.validate_json(next(links)), now_ms
                case _:
                    yield COMMAND_ADAPTER.validate_json(next(commands)), now_ms


def _status(chunk: InputChunk, index: int) -> StatusSeen:
    row = {name: chunk.status[name][index] for name in COLUMNS}
    on_skin = row.pop("on_skin")
    seen = PenSnapshot(
        **{  # type: ignore[arg-type]  # the columns are the snapshot's own fields, in its own types but for these
            **row,
            "state": PenState(row["state"] or 0),
            "faults": Fault(row["faults"] or 0),
            "interlocks": Interlock(row["interlocks"] or 0),
            "on_skin": None if on_skin is None else bool(on_skin),
        }
    )
    return StatusSeen(seen, chunk.status[SENT_COLUMN][index] or 0)
