"""Goes through the checks, brings the pen to rest between them, and ends with STOP whatever happens."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import replace
from random import Random

from firmware_bridge.dialects.names import DIALECTS, dialect_of
from firmware_bridge.errors import CodecError, TransportError
from firmware_bridge.wire.messages import Welcome
from proving.conform.bench import Allowed, Bench, Hands, bench
from proving.conform.checks import ALL
from proving.conform.clauses import CLAUSES
from proving.conform.suite import Check
from proving.conform.verdicts import NotTried, Part, Report, Unmet, Verdict, by_clause, told

CHECK_S = 30.0
"""The longest a check takes: one that hangs is the pen's silence."""

SHOWN_BYTES = 24
"""Of what came in place of an answer; enough to know another protocol by."""

Heard = Callable[[Part], None]

_MOVED = "The motor ran although nothing had turned it on. STOP was sent, and nothing more was tried."


def made_on(clauses: Collection[str]) -> tuple[Check, ...]:
    """The checks of these clauses."""
    return tuple(check for check in ALL if check.clause in clauses)


async def conform(
    url: str,
    *,
    random: Random,
    other_url: str = "",
    allowed: Allowed = Allowed(),  # noqa: B008 frozen
    hands: Hands = Hands(),  # noqa: B008 frozen
    clauses: Collection[str] = tuple(CLAUSES),
    heard: Heard = lambda _part: None,
) -> Report:
    """Tries what these clauses demand on the pen at ``url``; ``heard`` is told of each part as it is done.

    One that is asked in another protocol than its own is tried for nothing, and no clause counts as failed by it.
    The pen is left without lease and fault, where it lets itself be. Cancelled, it sends STOP and passes on.
    Raises a TransportError when the port, or the second way that was named, cannot be opened.
    """
    parts: list[Part] = []
    stopped = False

    def tell(part: Part) -> None:
        parts.append(part)
        heard(part)

    async with bench(url, random=random, other_url=other_url, allowed=allowed, hands=hands) as pen:
        try:
            interrupted = await _speaks_something_else(pen)
            if interrupted:
                why = interrupted.partition(":")[0]
                parts += [Part(name, CLAUSES[name], Verdict.NOT_TRIED, why=why) for name in CLAUSES if name in clauses]
            for part in () if interrupted else of_the_dialect(url, clauses):
                tell(part)
            for check in made_on(set(clauses) - {part.clause for part in parts}):
                if interrupted:
                    tell(Part(check.clause, check.title, Verdict.NOT_TRIED, why=interrupted.partition(":")[0]))
                    continue
                part = await tried(pen, check)
                tell(part)
                interrupted = await _why_no_more(pen, part)
        finally:
            stopped = await asyncio.shield(_left_at_rest(pen))
        return Report(
            url, pen.known, by_clause(parts, [name for name in CLAUSES if name in clauses]), stopped, interrupted
        )


def of_the_dialect(url: str, clauses: Collection[str]) -> list[Part]:
    """What need not be tried on a pen behind an adapter: what its protocol cannot do, and what the adapter does."""
    dialect = dialect_of(url)
    if dialect is None:
        return []
    lost = [
        Part(clause, "what its protocol can do at all", Verdict.FAIL, CLAUSES[clause], why)
        for clause, why in dialect.cannot.items()
    ]
    kept = [
        Part(clause, "what the pen does", Verdict.NOT_TRIED, why="kept by the adapter on the host, not by the pen")
        for clause in sorted(dialect.of_the_adapter)
    ]
    return [part for part in (*lost, *kept) if part.clause in clauses]


async def _speaks_something_else(pen: Bench) -> str:
    """Why nothing needs to be tried at all: not one message of the protocol came when HELLO was said; empty otherwise.

    What answers anything is a pen that is judged clause by clause, be its WELCOME missing.
    """
    pen.host.stop()
    try:
        await pen.met()
    except Unmet:
        if not pen.host.lost and not pen.host.received:
            return unanswered(pen.url, bytes(pen.host.raw))
    return ""


async def _why_no_more(pen: Bench, after: Part) -> str:
    """Why nothing more can be tried, empty when it can. A port that went is opened again."""
    if pen.moved is not None:
        return _MOVED
    if pen.known is None and after.verdict is Verdict.FAIL:
        return unanswered(pen.url, bytes(pen.host.raw))
    if pen.host.lost:
        try:
            await pen.open()
        except TransportError as error:
            return f"The port went and does not open again: {error}"
    return ""


def unanswered(url: str, heard: bytes) -> str:
    """That HELLO was not answered, what came instead, and what the pen can be asked in otherwise."""
    name = url.partition("+")[0] if dialect_of(url) is not None else ""
    asked = f"in the dialect {name}" if name else "in the wire protocol"
    shown = repr(heard[:SHOWN_BYTES])[1:] + ("…" if len(heard) > SHOWN_BYTES else "")
    came = f"{len(heard)} bytes came that are no answer, {shown}" if heard else "nothing understandable came"
    others = ", ".join(f"{other} ({other}+{url.rpartition('+')[2]})" for other in DIALECTS if other != name)
    plain = f" Without {name}+ before its address it is asked in the wire protocol." if name else ""
    there_are = f" It can be asked in a dialect: there is {others}." if others else ""
    return (
        f"The pen does not answer HELLO {asked}: {came}. Is it switched on, on this line, at the speed of this line?"
        f"{plain}{there_are}"
    )


async def tried(pen: Bench, check: Check) -> Part:
    """What came of one check."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()

    def part(verdict: Verdict, *, expected: str = "", seen: str = "", why: str = "") -> Part:
        return Part(check.clause, check.title, verdict, expected, seen, why)

    if check.moves and not pen.allowed.motion:
        return part(Verdict.NOT_TRIED, why="needs --allow-motion")
    if check.writes and not pen.allowed.writes:
        return part(Verdict.NOT_TRIED, why="needs --allow-writes")
    tries_left = check.best_of
    while True:
        tries_left -= 1
        found = part(Verdict.PASS)
        try:
            async with asyncio.timeout(CHECK_S):
                await pen.at_rest()
                await check.body(pen)
        except NotTried as reason:
            found = part(Verdict.NOT_TRIED, why=str(reason))
        except Unmet as unmet:
            found = part(Verdict.FAIL, expected=unmet.expected, seen=unmet.seen)
        except TimeoutError:
            found = part(Verdict.FAIL, expected=f"an end within {CHECK_S:.0f} s", seen="none")
        except CodecError as error:
            found = part(Verdict.FAIL, expected="data that makes sense", seen=str(error))
        except TransportError as error:
            found = part(Verdict.FAIL, expected="a port that stays", seen=str(error))
        if pen.moved is not None:
            return part(Verdict.FAIL, expected="no motion: nothing turned the motor on", seen=told(pen.moved))
        if found.verdict is not Verdict.FAIL or not tries_left:
            return replace(found, took_ms=int((loop.time() - began_s) * 1000))


async def _left_at_rest(pen: Bench) -> bool:
    """STOP, confirmed; then the faults of the last check are cleared, where that goes."""
    stopped = await pen.stop()
    if stopped:
        try:
            async with asyncio.timeout(3):
                await pen.at_rest()
        except (Unmet, NotTried, CodecError, TransportError, TimeoutError):
            pass  # what is latched stays to be seen; the pen is stopped
    return stopped


def introduced(welcome: Welcome | None) -> dict[str, str]:
    """Model, serial number and firmware as the pen tells them; empty where it told nothing."""
    if welcome is None:
        return {}
    named = {"model": welcome.model, "serial": welcome.serial, "firmware": welcome.firmware}
    return {name: text.partition(b"\0")[0].decode("ascii", "replace") for name, text in named.items()}
