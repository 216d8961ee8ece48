"""`needlework demo`: a whole treatment on one machine, from a simulated pen to a verified record.

Embedded broker, recorder, simulated pen behind a pseudo-terminal and station run as processes of their own, as
`needlework run` starts them. The demo is a client of the station like any other; the record it prints at the end is
read from the recorder's store, so it went over MQTT.
"""

import asyncio
import json
import secrets
import signal
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.text import Text

from console.actions.running import SIMULATE
from console.exits import Code
from console.records import open_store
from console.render.record import record_view
from console.render.verify import verify_view
from console.screen import out, say
from console.story import Hand, Kind, Story, StoryBroken
from console.story_limits import Limits
from console.story_treatment import Treatment
from console.trace import moments
from console.trouble import ConsoleError, Told
from console.watching import LineDisplay, ScreenDisplay, watch
from controller.datafile import nearest
from logger.proof.verify import verify_journal
from logger.record.records import session_record
from station.api.client import StationClient
from station.process.signals import on_ending_signals
from station.process.supervise import Supervisor
from station.settings import PenSetting, StationSettings, load_settings
from station.site.libraries import clinic_library

DELIVERY_S = 15.0
"""The most the record may take to be confirmed by the recorder."""
FOOTER = "Ctrl-C ends the demo: motor off and needles out first."
PROGRAM_READY_S = 20.0
PROGRAM_END_S = 3.0
LINES_EVERY_S = 2.0
STORIES: dict[str, type[Story]] = {"treatment": Treatment, "limits": Limits}
"""The stories by name; what each is about is said in its file."""


@dataclass(frozen=True, slots=True)
class Cast:
    """What is played, and through which pen: one at a URL, the one a program serves, or else a simulated one.

    ``report`` is where the session's report goes as PDF, over one that is there with ``force``; None makes none.
    """

    story: str
    pen: str | None = None
    program: Path | None = None
    report: Path | None = None
    force: bool = False


def demo(
    *, story: str, pen: str | None, pen_program: Path | None, report: Path | None, force: bool, state: Path | None
) -> int:
    """Plays a story; the exit code. Raises StationError, RecordError, ConsoleError."""
    if story not in STORIES:
        what = f"There is no story {story!r}. {nearest(story, list(STORIES))}"
        raise ConsoleError(Told("usage", what, "Nothing was played."), Code.USAGE)
    if story == "limits" and (pen is not None or pen_program is not None):
        raise ConsoleError(
            Told(
                "usage",
                "The story of limits has a cartridge exchanged, for which it needs the simulated pen's hands.",
                "Nothing was played.",
                "Leave --pen and --pen-program out, or play --story treatment.",
            ),
            Code.USAGE,
        )
    if pen is not None and pen_program is not None:
        raise ConsoleError(
            Told("usage", "The demo treats through one pen.", "", "Give --pen or --pen-program, not both."), Code.USAGE
        )
    if report is not None:
        from console.actions.report_files import check_place  # noqa: PLC0415 only where a report is asked for

        check_place(report, force=force)
    cast = Cast(story, pen, None if pen_program is None else pen_program.resolve(), report, force)
    if state is not None:
        return asyncio.run(_demo(state, cast))
    with tempfile.TemporaryDirectory(prefix="needlework-") as directory:
        return asyncio.run(_demo(Path(directory), cast))


async def _demo(state: Path, cast: Cast) -> int:
    """Until it is done, or a signal ends it: needles out first, as always."""
    console = out()
    asked = asyncio.Event()
    with on_ending_signals(lambda _: asked.set()):
        playing = asyncio.create_task(_play(console, state, cast), name="demo")
        ending = asyncio.create_task(asked.wait(), name="asked to end")
        await asyncio.wait({playing, ending}, return_when=asyncio.FIRST_COMPLETED)
        for task in (playing, ending):
            task.cancel()
        await asyncio.wait({playing, ending})
    if playing.cancelled():
        console.print(
            Text("The demo was interrupted: the pen was stopped first, its record is complete.", style="bold")
        )
        _print_verify(console, load_settings(state_dir=state))
        return Code.INTERRUPTED
    return playing.result()


async def _play(console: Console, state: Path, cast: Cast) -> int:
    console.print(Text("Starting broker, recorder, pen and station …", style="dim"))
    async with _served_pen(cast) as (pens, hand):
        settings = load_settings(state_dir=state, stop_port=0, pens=pens)
        async with Supervisor(settings, simulate=SIMULATE) as house, house.client() as station:
            session = await _treat(console, house.settings, station, STORIES[cast.story], hand)
            await _delivered(station)
    console.print()
    found = open_store(settings.store_place)
    try:
        entries = list(found.session_entries(session))
    finally:
        found.close()
    record = session_record(entries)
    say(console, record_view(record, moments(entries), width=console.width))
    console.print()
    intact = _print_verify(console, settings)
    if cast.report is not None:
        _report(console, settings, session, cast.report, force=cast.force)
    return Code.DONE if intact and record.outcome == "completed" and record.strokes > 0 else Code.NO


async def _treat(
    console: Console, settings: StationSettings, station: StationClient, kind: type[Story], hand: Hand
) -> str:
    """Plays the story under a live view; the session's id."""
    display: ScreenDisplay | LineDisplay
    display = ScreenDisplay(console, FOOTER) if console.is_terminal else LineDisplay(console, LINES_EVERY_S)
    begun_s = time.monotonic()
    told: list[Text] = []

    def tell(step_kind: Kind, words: str) -> None:
        mark, style = {"done": ("·", ""), "refused": ("✗", "yellow"), "stop": ("■", "bold red")}[step_kind]
        step = Text.assemble((f"{time.monotonic() - begun_s:6.1f} s ", "dim"), (f"{mark} {words}", style))
        told.append(step)
        if isinstance(display, ScreenDisplay):
            display.log(step)
        else:
            console.print(step, soft_wrap=True)

    pen = (await station.status()).pens[0]
    console.print(Text.assemble("Treating through ", (str(pen.view.pen), "bold"), f" at {pen.url}"))
    story = kind(
        station, f"demo-{secrets.token_hex(3)}", clinic_library(settings, datetime.now(UTC).date()), tell, hand
    )
    watching = asyncio.create_task(watch(settings, display), name="live view")
    try:
        return await story.play()
    except StoryBroken as broken:
        raise ConsoleError(
            Told(
                "demo", str(broken), "The treatment did not go as planned.", "`needlework doctor` looks at the machine."
            )
        ) from broken
    finally:
        watching.cancel()
        await asyncio.wait({watching})
        if isinstance(display, ScreenDisplay):
            for step in told:
                console.print(step)


async def _delivered(station: StationClient) -> None:
    """Waits until the recorder has confirmed everything. Raises ConsoleError when it does not in time."""
    try:
        async with asyncio.timeout(DELIVERY_S):
            while True:
                record = (await station.status()).record
                if record.acknowledged >= record.committed:
                    return
                await asyncio.sleep(0.1)
    except TimeoutError as error:
        raise ConsoleError(
            Told(
                "not_delivered",
                f"The recorder has not confirmed the record within {DELIVERY_S:.0f} s.",
                "It is whole in the journal and is delivered when broker and recorder are back.",
                "`needlework doctor` looks at the broker.",
            )
        ) from error


def _report(console: Console, settings: StationSettings, session: str, path: Path, *, force: bool) -> None:
    """The session as a PDF, and where it is. Raises RecordError."""
    from console.actions.report_files import read_whole  # noqa: PLC0415 only where a report is asked for
    from logger.export.files import write_whole  # noqa: PLC0415 as above
    from logger.report import Heading, session_report  # noqa: PLC0415 as above

    found = open_store(settings.store_place)
    try:
        read = read_whole(found, session)
    finally:
        found.close()
    made = session_report(read, Heading(site=settings.site, paper=settings.paper))
    write_whole(path, lambda file: file.write(made), force=force)
    console.print(Text.assemble(("Report of this session: ", "bold"), str(path)), soft_wrap=True)


def _print_verify(console: Console, settings: StationSettings) -> bool:
    """Verifies the journal against the store, where there are both; whether it is intact."""
    if not settings.journal_path.is_file() or not Path(settings.store_place).is_file():
        return False
    store = open_store(settings.store_place)
    try:
        result = verify_journal(settings.journal_path, store=store)
    finally:
        store.close()
    console.print(verify_view(result), soft_wrap=not console.is_terminal)
    return result.verdict == "intact"


@asynccontextmanager
async def _served_pen(cast: Cast) -> AsyncIterator[tuple[tuple[PenSetting, ...], Hand]]:
    """The pen that was named, or the one a program serves while inside, and the hands at it."""
    if cast.pen is not None:
        yield (PenSetting(name="pen", url=cast.pen),), _nobody
        return
    command = SIMULATE if cast.program is None else (str(cast.program),)
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise ConsoleError(
            Told(
                "pen_program",
                f"The pen's program {cast.program} cannot be started: {error.strerror or error}.",
                "No treatment was begun.",
                "Build it first: `make -C tests/c`.",
            )
        ) from error

    async def exchange() -> None:
        process.send_signal(signal.SIGUSR1)

    try:
        url = await _url_of(process, command[0])
        yield (PenSetting(name="pen", url=url),), _nobody if cast.program is not None else exchange
    finally:
        await _end(process)


async def _nobody() -> None:
    """No hand that could exchange a cartridge."""
    raise StoryBroken("Nobody is at this pen who could exchange its cartridge.")


async def _url_of(process: asyncio.subprocess.Process, program: str) -> str:
    """The URL in the program's first line. Raises ConsoleError."""
    said: object = None
    if process.stdout is not None:
        with suppress(TimeoutError, ValueError):
            async with asyncio.timeout(PROGRAM_READY_S):
                said = json.loads(await process.stdout.readline())
    if isinstance(said, dict) and isinstance(said.get("url"), str):
        return str(said["url"])
    raise ConsoleError(
        Told(
            "pen_program",
            f"The program {program} did not say where its pen is.",
            "No treatment was begun.",
            'A pen\'s program prints one line of JSON with "url" when its pen can be opened.',
        )
    )


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ends the pen's program: its standard input first, then as hard as it needs."""
    if process.stdin is not None:
        process.stdin.close()
    for end in (process.terminate, process.kill):
        try:
            async with asyncio.timeout(PROGRAM_END_S):
                await process.wait()
                return
        except TimeoutError:
            with suppress(ProcessLookupError):
                end()
    await process.wait()
