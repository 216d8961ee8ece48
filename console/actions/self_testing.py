"""`needlework pen self-test`: tells each part as it is done, and what came of them all."""

from rich.text import Text

from console.actions.benching import Seat, at_bench, cleared, warned
from console.exits import Code
from console.screen import err, out, print_json
from controller.service_events import PartTest
from station.bench import TechnicianBench

STYLES = {"passed": "green", "failed": "bold red", "not_tested": "yellow"}


def self_test(seat: Seat, *, hands: bool) -> int:
    """Exit code NO when a part failed. Raises what the bench raises."""

    def ask(words: str) -> None:
        err().print(Text(f"→ {words}", "bold cyan"))

    def heard(part: PartTest) -> None:
        if not seat.as_json:
            out().print(_line(part))

    async def work(bench: TechnicianBench) -> tuple[PartTest, ...] | None:
        if not await warned(seat):
            return None
        await cleared(bench)
        return await bench.self_test(ask if hands else None, heard)

    parts = at_bench(seat, work)
    if parts is None:
        return Code.INTERRUPTED
    failed = [part.part for part in parts if part.outcome == "failed"]
    if seat.as_json:
        print_json({"passed": not failed, "parts": [part.model_dump(mode="json") for part in parts]})
    else:
        left = sum(part.outcome == "not_tested" for part in parts)
        what = f"Failed: {', '.join(failed)}." if failed else "Nothing failed."
        out().print(Text(f"{what} {left} of {len(parts)} parts were not tested.", "bold"))
    return Code.NO if failed else Code.DONE


def _line(part: PartTest) -> Text:
    limits = [f"≥ {part.at_least}"] * (part.at_least is not None) + [f"≤ {part.at_most}"] * (part.at_most is not None)
    allowed = f" ({part.measured} {part.unit}, allowed {', '.join(limits)})" if limits else ""
    outcome = part.outcome.replace("_", " ")
    return Text.assemble((f"{outcome:11}", STYLES[part.outcome]), f"{part.part:22} {part.sentence}{allowed}")
