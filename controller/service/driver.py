"""The async driver of service mode: one pen on a technician's bench, the whole setpoint twenty times a second.

Give it to a supervisor as its listener and run :meth:`ServiceDriver.run` beside that. Nothing is decided here: every
input goes through :func:`controller.service.machine.step`; what that returns is sent first and journalled after.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from controller.errors import ControlRefused
from controller.hosting import TICK_S
from controller.inputs import PenFacts
from controller.ports import RecordUnavailable
from controller.service.errors import MoveNotFollowed, ServiceEnded
from controller.service.hosting import SLACK_S, ServiceHost
from controller.service.shown import Shown, mean, settled
from controller.service.state import (
    AskLease,
    Close,
    FallSilent,
    GiveBack,
    GrantLease,
    LeaseRefused,
    MotorOff,
    Move,
    Open,
    Phase,
    ServiceState,
    Stop,
    TakeAgain,
    Touch,
)
from controller.service_events import ServicePurpose
from controller.units import Micrometres, Millihertz
from firmware_bridge.errors import RequestRefused, RequestUncertain
from firmware_bridge.refusals import refusal_name
from firmware_bridge.snapshot import PenSnapshot
from firmware_bridge.wire.messages import Capability, PenState
from firmware_bridge.wire.operations import CLEAR_FAULT, FaultMask, Operation
from firmware_bridge.wire.service_operations import RAW_READ, RawReadings

SERIES_BITS = 48
"""Chance in the id of a piece of work; it only has to tell pieces of work apart."""
LEASE_RESERVE_MS = 5_000
"""A move that a lease would not outlive by this much gets a new lease first."""
TOUCH_MS = 1_000
"""How often a wait for a person counts as somebody being there."""


@dataclass(frozen=True, slots=True)
class Silence:
    """A pen we said nothing more to: the pen time that our last word named, and every status from then on."""

    last_word_ms: int
    seen: tuple[PenSnapshot, ...]


class ServiceDriver(ServiceHost):
    """Drives one pen in service mode: what a technician asks that takes several exchanges with it."""

    # What a technician asks -------------------------------------------------------------------------------------------

    async def connected(self, within_s: float) -> PenFacts:
        """What the pen says of itself, once its state is known. Raises WireError, ControlRefused."""
        await self._until(lambda state: state.seen is not None or self.connect_problem is not None, within_s)
        if self.state.pen is None or self.state.seen is None:
            if self.connect_problem is not None:
                raise self.connect_problem
            raise ControlRefused("no_pen", f"No pen answered at {self.url}. Plug it in and check the cable.")
        return self.state.pen

    async def open(
        self,
        purpose: ServicePurpose,
        technician: str,
        *,
        attested_off_skin: bool = False,
        series: str | None = None,
        resumed: bool = False,
    ) -> str:
        """Opens service mode, on record before anything can move; the id of this piece of work.

        Waits for the off-skin proof. Raises ControlRefused, RecordUnavailable.
        """
        await self._until(lambda state: state.phase is not Phase.STOPPING, self._stop_s())
        name = series or f"{self._clock.utc():%Y%m%dT%H%M%S}-{self._random.getrandbits(SERIES_BITS):012x}"
        await self._proven()
        self._ask(
            Open(series=name, technician=technician, purpose=purpose, attested=attested_off_skin, resumed=resumed)
        )
        try:
            await self._flush()
        except RecordUnavailable:
            self._apply(Stop(source="the record could not be written"))
            raise
        return name

    async def move(
        self, depth_um: int, rate_mhz: int, *, settle_ms: int | None = None, mean_ms: int = 0, hold_ms: int = 0
    ) -> Shown:
        """Motor on at this depth and rate; what the pen shows once it has settled, as a mean over ``mean_ms``.

        Takes a service lease where none is held, or one that would not last for ``hold_ms`` after that. The motor stays
        on; :meth:`check_moving` says whether it still is. Raises ControlRefused and nothing changed;
        MoveNotFollowed with the motor off; ServiceEnded; WireError.
        """
        move = Move(depth_um=Micrometres(depth_um), rate_mhz=Millihertz(rate_mhz))
        settle = self.state.limits.settle_ms if settle_ms is None else settle_ms
        await self._leased(settle + mean_ms + hold_ms + LEASE_RESERVE_MS)
        self._check_open()
        self._ask(move)
        try:
            await self._followed(move)
            shown = await self._while_moving(settle, mean_ms)
        except MoveNotFollowed:
            self._apply(MotorOff())
            raise
        self._apply(settled(shown))
        return shown

    def check_moving(self) -> None:
        """Raises MoveNotFollowed, or ServiceEnded, unless the motor is still on as it was last told."""
        self._check_open()
        if self.state.phase is not Phase.MOVING:
            raise MoveNotFollowed(
                "The move was broken off: the pen's button or pedal was pressed, or its lease came to an end. The "
                "motor is off; move again."
            )

    async def motor_off(self) -> Shown:
        """Motor off; what the pen shows once its needles are out. Raises ServiceEnded, MoveNotFollowed."""
        self._ask(MotorOff())
        if self.state.phase is not Phase.ARMED:
            return await self.observe(0)
        if not await self._until(_at_rest, self._stop_s()):
            self._check_open()
            raise MoveNotFollowed("The pen does not say that its needles are out. Lift it off and look at it.")
        self._check_open()
        shown = await self.observe(0)
        self._apply(settled(shown))
        return shown

    async def give_back(self) -> None:
        """Gives the lease back; service mode stays open. Raises ServiceEnded."""
        self._ask(GiveBack())
        await self._until(lambda state: state.phase is not Phase.STOPPING, self._stop_s())
        self._check_open()

    async def observe(self, for_ms: int) -> Shown:
        """What the pen shows over the next ``for_ms``, at least one status.

        Raises ControlRefused for a pen that says nothing; with the motor on, as :meth:`check_moving` does at the end.
        """
        seen: list[PenSnapshot] = []
        moving = self.state.phase is Phase.MOVING
        with self.watching(seen.append):
            await asyncio.sleep(for_ms / 1000)
            if not seen and not await self._until(lambda _state: bool(seen), SLACK_S):
                raise ControlRefused("stale", "The pen says nothing just now. Check the cable.")
        if moving:
            self.check_moving()
        return mean(seen)

    async def raw(self) -> RawReadings:
        """The pen's sensors without its adjustment. Raises WireError, ControlRefused."""
        readings: RawReadings = await self.request(RAW_READ)
        return readings

    async def request(self, operation: Operation, arguments: Any = None) -> Any:
        """Asks the pinned pen for an operation, never another. Raises ControlRefused, WireError."""
        pen, facts = self.pen, self.state.pen
        if pen is None or facts is None:
            raise ControlRefused("no_pen", "The pen is not connected, so it could not be asked. Check the cable.")
        pinned = self.state.pinned
        if pinned is not None and pinned != facts:
            raise ControlRefused("pen_changed", "The pen was swapped or restarted since this work began; not asked.")
        self._apply(Touch())
        return await pen.request(operation, arguments)

    async def until_seen(self, holds: Callable[[PenSnapshot], bool], within_ms: int) -> bool:
        """Whether the pen said something within the time; nobody's idle time runs meanwhile."""

        def told(state: ServiceState) -> bool:
            return state.seen is not None and holds(state.seen)

        for _ in range(0, within_ms, TOUCH_MS):
            self.touch()
            if await self._until(told, TOUCH_MS / 1000):
                return True
        return False

    async def fall_silent(self) -> Silence:
        """Says nothing more to the running pen until it stopped by itself, and its needles are out.

        The lease is gone afterwards and the pen's dead-man fault latched. Raises ControlRefused; ServiceEnded (*fault*)
        for a pen that goes on, after STOP was sent to it.
        """
        seen: list[PenSnapshot] = []
        with self.watching(seen.append):
            self._ask(FallSilent())
            await self._until(lambda state: state.phase is not Phase.SILENT, 2 * self._stop_s())
            self._check_open()
            await self._until(lambda state: state.seen is not None and state.seen.needles_out, self._stop_s())
        return Silence(self._last_word_ms, tuple(seen))

    async def clear_faults(self) -> None:
        """Clears the faults that the pen reports now, which somebody has seen. Raises ControlRefused, WireError."""
        seen = self.state.seen
        if seen is None or not seen.faults:
            return
        with suppress(RequestUncertain):  # the next status tells whether it was done
            await self.request(CLEAR_FAULT, FaultMask(int(seen.faults)))
        if not await self._until(lambda state: state.seen is not None and not state.seen.faults, SLACK_S):
            raise ControlRefused("pen_fault", "The pen still sees the cause of its fault. Remove it, then clear again.")

    def touch(self) -> None:
        """Somebody is there: the idle time begins anew."""
        self._apply(Touch())

    def take_again(self) -> None:
        """Goes on with a pen that was restarted; never with another one. Raises ControlRefused."""
        self._ask(TakeAgain())

    async def close(self) -> bool:
        """Motor off, lease ended, service mode closed. Whether the pen confirmed that it rests; harmless twice."""
        self._apply(Close())
        if await self._until(lambda state: state.phase is Phase.CLOSED, self._stop_s()):
            return True
        self.stop("close was not confirmed")
        return False

    @asynccontextmanager
    async def service(
        self,
        purpose: ServicePurpose,
        technician: str,
        *,
        attested_off_skin: bool = False,
        series: str | None = None,
        resumed: bool = False,
    ) -> AsyncIterator[str]:
        """Service mode for the length of a block: whatever ends the block, the motor is off behind it."""
        name = await self.open(purpose, technician, attested_off_skin=attested_off_skin, series=series, resumed=resumed)
        try:
            yield name
            if self.state.ended != "done":  # closed within the block is closed as it should be
                self._check_open()
        except asyncio.CancelledError:
            self.stop("broken off")  # on the wire at once: whoever is cancelled gets no second chance to wait
            raise
        except BaseException as error:
            self.stop("broken off")
            self.check_confirmed(await self.close(), error)
            raise
        self.check_confirmed(await self.close())

    def check_confirmed(self, confirmed: bool, cause: BaseException | None = None) -> None:
        """Raises ServiceEnded where a pen did not confirm that it rests."""
        if not confirmed:
            raise ServiceEnded(
                "fault",
                "The pen does not confirm that it has stopped. Keep it away from people and take its battery out; STOP "
                "is repeated.",
            ) from cause

    # Inside -----------------------------------------------------------------------------------------------------------

    async def _leased(self, for_ms: int) -> None:
        """Sees that a lease is held that lasts: a new one where it would not, after its off-skin proof."""
        state = self.state
        if for_ms - LEASE_RESERVE_MS >= state.limits.lease_ms:
            raise ControlRefused(
                "lease", f"A service lease lasts {state.limits.lease_ms // 1000} s, and that would take longer."
            )
        if state.leased and state.lease_until_ms - self._clock.monotonic_ms() > for_ms:
            return
        await self.give_back()
        await self._proven()
        self._ask(AskLease())
        pen = self.pen
        if pen is None:
            raise ControlRefused("no_pen", "The pen is not connected. Check the cable.")
        try:
            lease = await pen.service_arm(
                depth_ceiling_um=self.state.depth_ceiling_um,
                rate_ceiling_mhz=self.state.rate_ceiling_mhz,
                lifetime_ms=self.state.limits.lease_ms,
            )
        except RequestRefused as refused:
            self._apply(LeaseRefused())
            why = refusal_name(refused.refusal)
            hint = _LEASE_HINTS.get(why, "Look at the pen.")
            raise ControlRefused(f"pen_{why.lower()}", f"The pen gave no service lease ({why}). {hint}") from refused
        except BaseException:
            self._apply(LeaseRefused())
            raise
        self._ask(GrantLease(lease=lease))

    async def _proven(self) -> None:
        """Waits for as long as an off-skin proof takes; whether it came about is the machine's to say."""
        await self._until(
            lambda state: (
                not state.can(Capability.CONTACT_SENSED)
                or (
                    state.off_skin_since_ms is not None
                    and self._clock.monotonic_ms() - state.off_skin_since_ms >= state.limits.off_skin_ms
                )
            ),
            self.state.limits.off_skin_ms / 1000 + SLACK_S,
        )

    async def _followed(self, move: Move) -> None:
        """Waits until the pen runs as it was told."""

        def follows(state: ServiceState) -> bool:
            seen = state.seen
            return (
                seen is not None
                and seen.state is PenState.RUNNING
                and state.seen_at_ms >= state.moved_at_ms + 2 * TICK_S * 1000
                and (seen.depth_set_um == move.depth_um or not state.can(Capability.DEPTH_SET))
            )

        def over(state: ServiceState) -> bool:
            return follows(state) or state.phase is not Phase.MOVING

        in_time = await self._until(over, self.state.limits.follow_ms / 1000)
        self.check_moving()
        if not in_time:
            seen = self.state.seen
            why = refusal_name(seen.refusal) if seen is not None and seen.refusal else "it does not say why"
            raise MoveNotFollowed(f"The pen did not follow ({why}). Its motor was told to be off; look at it.")

    async def _while_moving(self, settle_ms: int, mean_ms: int) -> Shown:
        """What the pen shows after its time to settle."""
        seen: list[PenSnapshot] = []
        await self._until(lambda state: state.phase is not Phase.MOVING, settle_ms / 1000)
        self.check_moving()
        with self.watching(seen.append):
            await self._until(lambda state: state.phase is not Phase.MOVING, mean_ms / 1000)
            self.check_moving()
        latest = self.state.seen
        return mean(seen if seen or latest is None else [latest])


_LEASE_HINTS = {
    "NOT_READY": "It senses skin, or its battery or temperature forbids it. Hold it in the open, charge it, or wait.",
    "UNSUPPORTED": "It does not sense skin, and takes nobody's word for it: its maker services it.",
    "FAULTED": "A fault is latched. Remove its cause, then clear it.",
    "RANGE": "The limits of service do not fit it. Check the calibration policy.",
    "BUSY": "Another host holds it, or it tests itself. Try again in a moment.",
}


def _at_rest(state: ServiceState) -> bool:
    """Motor off and needles out, or no longer in service at all."""
    seen = state.seen
    out = seen is not None and seen.state is not PenState.RUNNING and seen.needles_out
    return state.phase is not Phase.ARMED or (out and state.seen_at_ms >= state.moved_at_ms)
