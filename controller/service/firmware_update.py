"""Gives a pen new firmware over the wire, and stays with it until it runs and is confirmed, or is what it was.

Nothing moves in it, and no service lease is held. The pen is asked for its state before every step; a line that goes, a
supply that fails and a request without an answer all lead to the same question. No request is sent a second time: what
is asked anew was seen not to have been done. What will come is told once in each update, though it may be there.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from controller.errors import ControllerError, ControlRefused
from controller.events import Event
from controller.inputs import PenFacts
from controller.service.firmware_file import FirmwareFile
from controller.service.firmware_steps import Next, Problem, next_step, not_able, not_now, text, why_not
from controller.service.state import ServiceState
from controller.service_events import FirmwareChanged
from controller.transitions import fault_names
from firmware_bridge.errors import RequestRefused, WireError
from firmware_bridge.wire.messages import Capability, Refusal
from firmware_bridge.wire.operations import SELF_TEST, Operation, SelfTestData
from firmware_bridge.wire.service_operations import (
    FIRMWARE_APPLY,
    FIRMWARE_BEGIN,
    FIRMWARE_CHUNK,
    FIRMWARE_CHUNK_BYTES,
    FIRMWARE_CONFIRM,
    FIRMWARE_ROLL_BACK,
    FIRMWARE_STATE,
    FirmwareChunk,
    FirmwareProgress,
    FirmwareState,
)

AWAY_S = 30.0
"""How long a pen may be away before the update is broken off: a restart takes seconds, a cable is put back in less."""
LOOK_S = 0.2
BUSY_MAX = 50
"""So often a pen may say that it tests itself, which a program before this one may have asked of it."""
PIECES_BETWEEN_LOOKS = 64
"""Pieces sent before the pen is asked again how far it is, and the battery looked at."""
TRIES_MAX = 3
"""Of beginning, applying, confirming and rolling back each. A pen that does not do it then will not."""

Outcome = Literal["confirmed", "rolled_back", "refused", "broken_off"]


class UpdatablePen(Protocol):
    """What an update needs of the driver of a pen: :class:`controller.service.driver.ServiceDriver`."""

    state: ServiceState

    async def request(self, operation: Operation, arguments: Any = None) -> Any:
        """Asks the pinned pen for an operation. Raises ControlRefused, WireError."""

    async def connected(self, within_s: float) -> PenFacts:
        """What the pen says of itself, once its state is known. Raises WireError, ControlRefused."""

    def take_again(self) -> None:
        """Goes on with a pen that was restarted; never with another one. Raises ControlRefused."""


@dataclass(frozen=True, slots=True)
class UpdateProgress:
    """How far it is: ``sent`` of ``size`` bytes are on the pen; ``doing`` is what is done now."""

    doing: Next
    sent: int
    size: int


class FirmwareNotUpdated(ControllerError):
    """The pen does not run the new firmware. ``outcome`` and ``because`` are as on record; ``sentence`` says it all."""

    def __init__(self, outcome: Outcome, because: str, sentence: str) -> None:
        super().__init__(sentence)
        self.outcome = outcome
        self.because = because
        self.sentence = sentence


async def firmware_state(pen: UpdatablePen) -> FirmwareState:
    """What runs on the pen, and what lies ready. Raises ControlRefused for a pen without such, WireError."""
    facts = await pen.connected(AWAY_S)
    problem = not_able(facts)
    if problem is not None:
        raise ControlRefused(*problem)
    state: FirmwareState = await pen.request(FIRMWARE_STATE)
    return state


async def update_firmware(
    pen: UpdatablePen,
    file: FirmwareFile,
    *,
    allowed: Collection[str],
    series: str,
    by: str,
    record: Callable[[Event], Awaitable[None]],
    told: Callable[[UpdateProgress], None] = lambda _progress: None,
    older: bool = False,
) -> FirmwareChanged:
    """Updates the pen and returns what went on record, once the new firmware is confirmed; at once where it is already.

    ``allowed`` are the versions that the clinic's policy names for this model; ``older``: it may be older than what the
    pen has; ``series`` and ``by`` go on record. An update broken off before goes on where it was. Raises
    FirmwareNotUpdated, after the record was made; another pen in the place of this one is such a case.
    RecordUnavailable where it cannot be made.
    """
    update = _Update(pen, file, allowed, told, older=older)
    outcome: Outcome = "broken_off"
    because = "interrupted"
    try:
        await update.run()
        outcome, because = "confirmed", ""
    except FirmwareNotUpdated as error:
        outcome, because = error.outcome, error.because
        raise
    finally:
        facts = update.facts
        changed = FirmwareChanged(
            series=series,
            pen="" if facts is None else facts.model,
            serial="" if facts is None else facts.serial,
            was=update.was,
            wanted=file.version,
            outcome=outcome,
            because=because,
            by=by,
        )
        await record(changed)
    return changed


class _Update:
    """One update under way."""

    def __init__(
        self,
        pen: UpdatablePen,
        file: FirmwareFile,
        allowed: Collection[str],
        told: Callable[[UpdateProgress], None],
        *,
        older: bool,
    ) -> None:
        self.facts: PenFacts | None = None
        self.was = ""
        self._pen = pen
        self._file = file
        self._allowed = allowed
        self._told = told
        self._older = older
        self._tries = dict.fromkeys(Next, 0)
        self._begun = self._applied = self._on_trial = False
        self._sent = False
        self._busy = 0
        self._loop = asyncio.get_running_loop()
        self._answered_s = self._loop.time()

    async def run(self) -> None:
        """Until it is confirmed. Raises FirmwareNotUpdated."""
        facts = await self._again()
        self.was = facts.firmware
        self._refuse(not_able(facts))
        judged = False
        while True:
            try:
                state: FirmwareState = await self._pen.request(FIRMWARE_STATE)
                self._answered_s = self._loop.time()
                self._on_trial = bool(state.trial)
                if not judged:
                    self.was = text(state.confirmed)
                    self._refuse(why_not(facts, state, self._file, self._allowed, older=self._older))
                    judged = True
                step = next_step(state, self._file, begun=self._begun, applied=self._applied)
                self._told(UpdateProgress(step, state.staged_bytes, len(self._file.content)))
                if step is Next.DONE:
                    return
                await self._do(step, state)
            except RequestRefused as refused:
                self._busy += refused.refusal == Refusal.BUSY
                if refused.refusal != Refusal.BUSY or self._busy > BUSY_MAX:
                    raise self._refused(refused) from refused
                await asyncio.sleep(LOOK_S)
            except (WireError, ControlRefused) as error:
                # Lost, or without an answer: what became of it is in the state that is read next.
                if self._loop.time() - self._answered_s > AWAY_S:
                    raise self._away() from error
                await asyncio.sleep(LOOK_S)
                await self._again()

    async def _do(self, step: Next, state: FirmwareState) -> None:
        if step is Next.GIVEN_UP:
            raise FirmwareNotUpdated(
                "rolled_back",
                "did_not_last",
                f"The pen started {self._file.version}, and went back to {text(state.running)} by itself: the new one "
                "did not come up, or the supply failed while it was on trial. The pen is as it was. Try again once; "
                "if it happens again, keep it as it is and tell its maker.",
            )
        if step is not Next.SEND:
            self._count(step)
        if step in (Next.BEGIN, Next.SEND, Next.APPLY):
            self._refuse(not_now(self._pen.state.seen, state), "broken_off" if state.staged_bytes else "refused")
        match step:
            case Next.BEGIN:
                self._begun = True
                await self._pen.request(FIRMWARE_BEGIN, self._file.announced)
            case Next.SEND:
                await self._send(state)
            case Next.APPLY:
                self._applied = True
                await self._pen.request(FIRMWARE_APPLY)
                await self._restarted()
            case Next.CONFIRM:
                self._applied = True
                await self._confirm()
            case Next.ROLL_BACK:
                await self._pen.request(FIRMWARE_ROLL_BACK)
                await self._restarted()

    async def _send(self, state: FirmwareState) -> None:
        """Some pieces more, from where the pen is."""
        content, here = self._file.content, state.staged_bytes
        for _ in range(PIECES_BETWEEN_LOOKS):
            piece = FirmwareChunk(here, content[here : here + FIRMWARE_CHUNK_BYTES])
            progress: FirmwareProgress = await self._pen.request(FIRMWARE_CHUNK, piece)
            if not here < progress.staged_bytes <= len(content):
                raise FirmwareNotUpdated(
                    "broken_off",
                    "no_progress",
                    f"The pen has {progress.staged_bytes} bytes after a piece at {here}, which makes no sense. What "
                    "runs was not changed. Restart the pen, then update it again.",
                )
            here, self._sent, self._answered_s = progress.staged_bytes, True, self._loop.time()
            self._told(UpdateProgress(Next.SEND, here, len(content)))
            if here == len(content):
                return

    async def _confirm(self) -> None:
        """What runs on trial tests itself, and is confirmed; where it fails, it is given up."""
        facts, seen = self.facts, self._pen.state.seen
        wrong = f"the pen reports {fault_names(seen.faults)}" if seen is not None and seen.faults else ""
        if facts is not None and facts.firmware != self._file.version:
            wrong = f"the pen says that it runs {facts.firmware!r}"
        if not wrong and facts is not None and facts.capabilities & int(Capability.SELF_TEST):
            result: SelfTestData = await self._pen.request(SELF_TEST)
            wrong = "" if result.passed == result.tested else "the pen fails its self-test"
        if not wrong:
            await self._pen.request(FIRMWARE_CONFIRM)
            return
        await self._pen.request(FIRMWARE_ROLL_BACK)
        await self._restarted()
        raise FirmwareNotUpdated(
            "rolled_back",
            "trial",
            f"With {self._file.version} on trial {wrong}, so it was told to go back to {self.was}. Test the pen "
            "(`needlework pen self-test`) before it is used.",
        )

    async def _restarted(self) -> None:
        """The pen restarts: what it says until it does is of the boot before."""
        boot = None if self.facts is None else self.facts.boot_id
        try:
            async with asyncio.timeout(AWAY_S):
                while (await self._again()).boot_id == boot:
                    await asyncio.sleep(LOOK_S)
        except TimeoutError as error:
            raise self._away() from error

    async def _again(self) -> PenFacts:
        """The pen, when it is connected; the same one as before, restarted or not. Raises FirmwareNotUpdated."""
        until_s = self._loop.time() + AWAY_S
        while self._loop.time() < until_s:
            try:
                facts = await self._pen.connected(LOOK_S)
            except (WireError, ControlRefused):
                await asyncio.sleep(LOOK_S)
                continue
            try:
                self._pen.take_again()
            except ControlRefused as error:
                raise FirmwareNotUpdated("broken_off", error.because, error.sentence) from error
            self.facts = facts
            return facts
        raise self._away()

    def _away(self) -> FirmwareNotUpdated:
        return FirmwareNotUpdated(
            "broken_off",
            "pen_lost",
            f"The pen is away for {AWAY_S:.0f} s. What it has received stays on it, and it starts with firmware that "
            "was confirmed. Check its cable and battery, then give the same command again: it goes on where it was.",
        )

    def _refuse(self, problem: Problem | None, outcome: Outcome = "refused") -> None:
        if problem is not None:
            raise FirmwareNotUpdated(outcome, *problem)

    def _count(self, step: Next) -> None:
        self._tries[step] += 1
        if self._tries[step] > TRIES_MAX:
            raise FirmwareNotUpdated(
                "broken_off",
                "not_done",
                f"The pen did not do it in {TRIES_MAX} tries: {step.value}. {self._what_runs()} Restart it, then give "
                "the same command again.",
            )

    def _what_runs(self) -> str:
        """What is so of the pen where an update ends before its end."""
        if self._on_trial:
            return f"The new firmware runs on trial, unconfirmed: the pen's next start goes back to {self.was}."
        return "What runs was not changed."

    def _refused(self, refused: RequestRefused) -> FirmwareNotUpdated:
        """The pen said no, and what that means here."""
        because, why, remedy = _REFUSALS.get(refused.refusal, _OTHER)
        if self._on_trial:
            words = f"On trial, the pen refused to test or to confirm it. {self._what_runs()} {_AGAIN}"
            return FirmwareNotUpdated("broken_off", because, f"{words} ({refused})")
        later = refused.refusal in (Refusal.NOT_READY, Refusal.ARMED, Refusal.BUSY)
        words = f"{why} {self._what_runs()} {remedy}"
        return FirmwareNotUpdated("broken_off" if later and self._sent else "refused", because, f"{words} ({refused})")


_AGAIN = "Hold it in the open, its battery charged, then give the same command again."
_OTHER = ("refused", "The pen refused it.", "Restart it, then give the same command again.")
_REFUSALS: dict[int, tuple[str, str, str]] = {
    Refusal.RANGE: (
        "not_accepted",
        "The pen does not accept this firmware: it is not whole, not signed by its maker for this model, too old, or "
        "too large.",
        "Fetch the file again from the maker.",
    ),
    Refusal.NOT_READY: (
        "not_ready",
        "The pen is not ready for it: needles out and a charged battery are needed.",
        "What was sent stays. See to both, then give the same command again.",
    ),
    Refusal.ARMED: ("armed", "The pen is armed.", "Disarm it, then update it."),
    Refusal.BUSY: ("busy", "The pen tests itself.", "Wait a moment, then try again."),
}
"""What a refusal is called, why it is, and what to do."""
