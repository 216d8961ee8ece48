"""`needlework wire record`, `show` and `replay`."""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from random import SystemRandom
from typing import Any

import typer
from rich.progress import Progress as Bar

from console.exits import Code
from console.render.wire import Tally, frame_line
from console.screen import err, out
from firmware_bridge.recording import TrafficRecorder
from firmware_bridge.wire.dissection import KINDS, NO_FRAME, Dissected, dissect
from firmware_bridge.wire.messages import Direction
from proving.wire.replay import Deviation, Played, examined, opened
from proving.wire.replay import replay as play
from proving.wire.tap import tap
from station.process.signals import on_ending_signals

TOLD_EVERY_S = 1.0

_err = cache(err)  # one, so that a line that says how it stands makes room for what is told


def record(pen: str, into: Path, *, pty: bool, link: Path | None, tcp: str | None, as_json: bool) -> int:
    """Taps a pen until asked to end."""
    if into.exists():
        raise FileExistsError(17, "exists", str(into))
    made: list[TrafficRecorder] = []

    def recorder() -> TrafficRecorder:
        if not made:
            made.append(TrafficRecorder(into, pen_url=pen, ended=lambda said: _note(said, as_json=as_json)))
        return made[0]

    began_s = time.monotonic()

    async def tapping() -> None:
        tapped = tap(
            pen,
            recorder,
            pty=pty,
            link=link,
            tcp=tcp,
            ready=lambda place: _say({"ready": "tap", **place, "pen": pen, "file": str(into)}),
            news=lambda said: _note(said, as_json=as_json),
            random=SystemRandom(),
        )
        with _told(lambda: _so_far(made, began_s)) as tell:
            await _until_asked(tapped, tell)

    try:
        asyncio.run(tapping())
    finally:
        for one in made:
            one.close()
    seen = made[0] if made else None
    ended = {"pieces": seen.pieces if seen else 0, "bytes": seen.bytes_seen if seen else 0, "file": str(into)}
    if as_json:
        _say({"ended": "tap", **ended})
    else:
        _err().print(f"{ended['pieces']} pieces of traffic, {ended['bytes']} bytes, in {into}.")
    return Code.NO if seen is not None and seen.problem else Code.DONE


def show(
    file: Path,
    *,
    kinds: Sequence[str],
    sender: str | None,
    after_s: float | None,
    before_s: float | None,
    faults: bool,
    as_json: bool,
) -> int:
    """Prints what is in a recording. Exit code NO where its times run backwards."""
    wanted = frozenset(map(_kind, kinds))
    if after_s is not None and before_s is not None and after_s > before_s:
        raise typer.BadParameter(f"--after {after_s:g} is later than --before {before_s:g}: nothing lies between them.")
    direction = {None: None, "host": Direction.HOST_TO_PEN, "pen": Direction.PEN_TO_HOST}[sender]

    def is_shown(one: Dissected) -> bool:
        return (
            (not wanted or one.kind in wanted)
            and (direction is None or one.direction is direction)
            and (after_s is None or one.time_us >= after_s * 1_000_000)
            and (before_s is None or one.time_us <= before_s * 1_000_000)
            and (not faults or bool(one.troubles))
        )

    console, tally, shown = out(), Tally(), 0
    with _reading(file, hidden=console.is_terminal) as read, opened(file, read) as capture:
        if not as_json:
            console.print(f"{capture.pen_url}, recorded from {capture.started}", style="dim", soft_wrap=True)
        for one in dissect(capture):
            tally.saw(one)
            if not is_shown(one):
                continue
            shown += 1
            if as_json:
                sys.stdout.write(json.dumps(_as_data(one), ensure_ascii=False) + "\n")
            elif console.is_terminal:
                console.print(frame_line(one))
            else:
                sys.stdout.write(frame_line(one).plain.rstrip() + "\n")
        truncated, backwards_line = capture.truncated, capture.backwards_line
    sys.stdout.flush()
    if not as_json:
        for line in tally.lines(shown):
            console.print(line, soft_wrap=True)
    if truncated:
        _note(f"{file}: its last line is cut off, as by a crash of the recorder; it was left out.", as_json=as_json)
    if backwards_line:
        said = (
            f"{file}: its times run backwards, for the first time on line {backwards_line}: no recorder writes that. "
            "It was put together or changed; do not rely on its order and its times."
        )
        _note(said, as_json=as_json)
        return Code.NO
    return Code.DONE


def replay(file: Path, *, pty: bool, link: Path | None, tcp: str | None, patience_s: float, as_json: bool) -> int:
    """Plays a recording to a host; exit code 1 where the host deviates."""
    with _reading(file, hidden=False) as read:
        contents = examined(file, read)
    if contents.truncated:
        _note(f"{file}: its last line is cut off; it is played up to there.", as_json=as_json)
    waiting = ""

    def deviated(deviation: Deviation) -> None:
        if as_json:
            _say({"deviation": deviation.sentence, "recorded_us": deviation.recorded_us, "us": deviation.now_us})
        else:
            where = f"at {deviation.recorded_us / 1_000_000:.3f} s of the recording"
            _err().print(f"[bold red]✗[/] {where}: {deviation.sentence}.")

    def wait(words: str, for_s: float) -> None:
        nonlocal waiting
        waiting = f"waiting for the host, {for_s:.0f} s: {words}" if words and for_s >= 1 else ""

    played: list[Played] = []

    async def playing() -> None:
        async def to_the_end() -> None:
            played.append(
                await play(
                    file,
                    pty=pty,
                    link=link,
                    tcp=tcp,
                    patience_s=patience_s,
                    ready=lambda place: _say(
                        {"ready": "replay", **place, "pen": contents.pen_url, "seconds": contents.last_us / 1_000_000}
                    ),
                    deviated=deviated,
                    waiting=wait,
                )
            )

        with _told(lambda: waiting or "playing") as tell:
            await _until_asked(to_the_end(), tell)

    asyncio.run(playing())
    if not played:
        return Code.INTERRUPTED
    return _verdict(played[0], as_json=as_json)


def _verdict(played: Played, *, as_json: bool) -> int:
    if as_json:
        _say(
            {
                "ended": "replay",
                "as_recorded": played.as_recorded,
                "acts": played.acts,
                "frames": played.frames,
                "deviations": played.deviations,
                "waited_for": played.waited_for or None,
            }
        )
    else:
        console = _err()
        if played.waited_for:
            console.print(f"[bold red]✗[/] the host never did what comes next: {played.waited_for}.")
        console.print(
            f"{'The host did as recorded' if played.as_recorded else 'The host did not do as recorded'}: "
            f"{played.acts} acts of the host, {played.frames} frames of the pen, {played.deviations} deviations."
        )
    return Code.DONE if played.as_recorded else Code.NO


def _kind(given: str) -> str:
    name = given.upper().replace("-", " ").replace("_", " ")
    known = (*KINDS, NO_FRAME)
    if name in known:
        return name
    near = get_close_matches(name, known, n=1)
    raise typer.BadParameter(
        f"no message is called {given!r}{f'; did you mean {near[0]}?' if near else ''} There are: {', '.join(known)}"
    )


def _as_data(one: Dissected) -> dict[str, Any]:
    return {
        "us": one.time_us,
        "from": "host" if one.direction is Direction.HOST_TO_PEN else "pen",
        "kind": one.kind,
        "sequence": one.sequence,
        "fields": one.fields,
        "troubles": one.troubles,
        "hex": one.wire.hex(),
    }


def _say(told: dict[str, Any]) -> None:
    print(json.dumps(told, ensure_ascii=False), flush=True)


def _note(said: str, *, as_json: bool) -> None:
    if as_json:
        sys.stderr.write(json.dumps({"note": said}, ensure_ascii=False) + "\n")
    else:
        _err().print(said, markup=False)


def _so_far(made: Sequence[TrafficRecorder], began_s: float) -> str:
    seen = f"{made[0].pieces} pieces, {made[0].bytes_seen / 1000:.1f} kB" if made else "opening the pen"
    return f"recording for {time.monotonic() - began_s:.0f} s: {seen}; Ctrl-C ends it"


@contextmanager
def _told(words: Callable[[], str]) -> Iterator[Callable[[], None]]:
    """A line on a terminal that says how it stands; nothing into a pipe."""
    console = _err()
    if not console.is_terminal:
        yield lambda: None
        return
    with console.status(words()) as status:
        yield lambda: status.update(words())


@contextmanager
def _reading(file: Path, *, hidden: bool) -> Iterator[Callable[[int], None]]:
    """A bar for a long file, where nothing else is written on that terminal."""
    console = _err()
    if hidden or not console.is_terminal:
        yield lambda _bytes: None
        return
    with Bar(console=console, transient=True) as bar:
        task = bar.add_task(f"reading {file.name}", total=file.stat().st_size)
        yield lambda size: bar.update(task, completed=size)


async def _until_asked(work: Coroutine[Any, Any, None], tell: Callable[[], None]) -> None:
    """Runs ``work`` until it ends or a signal asks to; raises what it raises."""
    asked = asyncio.Event()
    with on_ending_signals(lambda _name: asked.set()):
        working = asyncio.create_task(work, name="wire")
        ending = asyncio.create_task(asked.wait(), name="asked to end")
        pending = {working, ending}
        while pending == {working, ending}:
            _, pending = await asyncio.wait(pending, timeout=TOLD_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
            tell()
        for task in (working, ending):
            task.cancel()
        await asyncio.wait({working, ending})
    if not working.cancelled():
        working.result()
