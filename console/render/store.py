"""What was found of a store and its copies, drawn for a terminal. Pure."""

from rich.console import Group, RenderableType
from rich.text import Text

from logger.proof.verify import VerifyResult
from logger.store.backup import Copied
from logger.store.check import Checked


def copied_view(copied: Copied, done: str) -> RenderableType:
    """A copy, and where each station's chain in it ends: a line to keep elsewhere."""
    verdict = Text("intact", "bold green") if copied.intact else Text("damaged", "bold red")
    head = Text.assemble((done, "bold"), f": {copied.place}, {_entries(copied.entries)}, verified: ", verdict, ".")
    return Group(head, *(_station(result) for result in copied.stations))


def checked_view(checked: Checked) -> RenderableType:
    """What a check found: damage first, then each chain, then what ought to be changed."""
    verdict = Text("whole", "bold green") if checked.whole else Text("damaged", "bold red")
    count = sum(result.count for result in checked.stations)
    head = Text.assemble(
        ("Store ", "bold"), f"{checked.place} ({checked.kind}, revision {checked.revision}), {_entries(count)}: ",
        verdict, ".",
    )  # fmt: skip
    lines = [Text(f"  {problem}", "red") for problem in checked.problems]
    lines += [_station(result) for result in checked.stations]
    lines += [Text(f"  {doubt}", "yellow") for doubt in checked.doubts]
    return Group(head, *lines)


def _station(result: VerifyResult) -> Text:
    if result.verdict == "intact":
        return Text(f"  {result.station}: intact, {_entries(result.count)}, the last one's hash {result.last_hash}")
    return Text(f"  {result.sentence()}", "red")


def _entries(count: int) -> str:
    return f"{count} {'entry' if count == 1 else 'entries'}"
