"""The invariants of service mode, held over any course of inputs: what is sent, and what gets on record."""

from dataclasses import dataclass, field

from controller.inputs import StatusSeen, Tick
from controller.service.machine import step
from controller.service.state import Input, Move, Phase, ServiceState, Step, Stop
from controller.service_events import ServiceClosed, ServiceMove, ServiceOpened
from controller.state import SendSetpoint, SendStop
from firmware_bridge.wire.messages import Capability


@dataclass
class Course:
    """A machine that is stepped, and held against the invariants at every step. Raises AssertionError."""

    state: ServiceState
    now_ms: int = 1_000_000
    moves: list[tuple[int, int]] = field(default_factory=list)
    events: list[object] = field(default_factory=list)
    motor_sent: int = 0

    def take(self, given: Input, after_ms: int = 0) -> Step:
        self.now_ms += after_ms
        before = self.state
        made = step(before, given, self.now_ms)
        self.state = made.state
        self.events += made.events
        if isinstance(given, Move) and made.refusal is None:
            self.moves.append((given.depth_um, given.rate_mhz))
        self._hold(before, given, made)
        return made

    def _hold(self, before: ServiceState, given: Input, made: Step) -> None:
        state, send = made.state, made.send
        if isinstance(send, SendSetpoint) and send.motor:
            self.motor_sent += 1
            self._motor_is_allowed(send)
        if isinstance(given, Stop):
            assert isinstance(send, SendStop)
        if before.leased and isinstance(given, StatusSeen) and given.seen.on_skin is True:
            assert isinstance(send, SendStop) or state.seen is not given.seen  # the latter: old news
        if before.leased and isinstance(given, Tick) and self.now_ms - before.seen_at_ms > before.pen.dead_man_ms:
            assert isinstance(send, SendStop)
        if before.phase is Phase.STOPPING and isinstance(given, Tick):
            assert send is not None
            assert not isinstance(send, SendSetpoint)
        assert not (state.phase is Phase.CLOSED and state.lease)
        self._record_is_whole()

    def _motor_is_allowed(self, send: SendSetpoint) -> None:
        """Motor only with a service lease of the pinned pen, off skin, fresh, in the ceilings, on record."""
        state, pen = self.state, self.state.pen
        assert state.phase is Phase.MOVING
        assert state.lease
        assert self.now_ms <= state.lease_until_ms
        assert pen is not None
        assert pen == state.pinned
        assert pen.capabilities & Capability.DEAD_MAN
        assert state.seen is not None
        assert self.now_ms - state.seen_at_ms <= pen.dead_man_ms
        assert send.seen_pen_time_ms == state.seen.pen_time_ms
        assert not state.seen.faults
        assert not state.journal_problem
        if pen.capabilities & Capability.CONTACT_SENSED:
            assert state.seen.on_skin is False
        else:
            assert state.attested
            assert state.seen.on_skin is not True
        assert send.depth_um <= min(state.limits.depth_ceiling_um, pen.depth_max_um)
        assert send.rate_mhz <= min(state.limits.rate_ceiling_mhz, pen.rate_max_mhz)
        assert self.now_ms - state.asked_at_ms <= state.limits.idle_time_out_ms

    def _record_is_whole(self) -> None:
        """Openings and closings alternate, and every move followed so far is on record, or is the one under way."""
        bounds = [type(event) for event in self.events if isinstance(event, (ServiceOpened, ServiceClosed))]
        assert bounds == [ServiceOpened, ServiceClosed] * (len(bounds) // 2) + [ServiceOpened] * (len(bounds) % 2)
        told = [
            (event.depth_commanded_um, event.rate_commanded_mhz)
            for event in self.events
            if isinstance(event, ServiceMove) and event.motor
        ]
        under_way = self.moves[len(told) :]
        assert told == self.moves[: len(told)]
        assert len(under_way) <= 1
        assert not under_way or (self.state.motor_commanded and self.state.unsaid)
