"""The real core, the real codec and a simulated pen, stepped directly: no event loop, no clock, far faster than life.

The rig is the host: it decodes what the pen says, steps the machine, and encodes what the machine decides, exactly as
:mod:`controller.session` does over a link, with a line between them that loses, delays and holds bytes as told.
"""

from collections import deque
from collections.abc import Callable
from datetime import date
from functools import cache
from random import Random
from typing import Protocol

from controller.errors import ControlRefused
from controller.events import CalibrationSnapshot, Event
from controller.inputs import (
    ArmAsked,
    ArmFailed,
    ConsumeIntended,
    Input,
    Inspected,
    LeaseGranted,
    LinkDown,
    LinkUp,
    SelfTest,
    StatusSeen,
    Tick,
)
from controller.inspection import (
    CartridgeRead,
    calibration_snapshot,
    cartridge_read,
    counted_since,
    named_cartridge,
    pen_facts,
)
from controller.machine import step
from controller.pen_kept import PenKept, PenRules, Standing
from controller.profiles import load_profiles
from controller.readiness import SELF_TEST_GOOD_MS
from controller.state import MachineState, Phase, Send, SendDisarm, SendSetpoint, SendStop, Step
from firmware_bridge.line_quality import LineDelay
from firmware_bridge.snapshot import snapshot
from firmware_bridge.wire.codec import pack, range_problem, unpack
from firmware_bridge.wire.framing import DELIMITER, Deframer, frame
from firmware_bridge.wire.messages import (
    PROTOCOL_VERSION,
    Arm,
    Armed,
    Capability,
    Disarm,
    Hello,
    Message,
    Refusal,
    Request,
    Response,
    Setpoint,
    Status,
    Stop,
    Welcome,
)
from firmware_bridge.wire.operations import (
    CALIBRATION_READ,
    CARTRIDGE_CONSUME,
    CARTRIDGE_READ,
    CLEAR_FAULT,
    SELF_TEST,
    CartridgeTag,
    FaultMask,
    Nothing,
    Operation,
    SelfTestData,
)
from firmware_bridge.wire.service_operations import LIFETIME_READ
from simulators.line import Line
from simulators.pen import SimulatedPen

TICK_MS = 50
ANSWER_MS = 600  # longer than any delay the rig's line is given
SELF_TEST_MS = 2000  # a self-test moves parts
MEDIUM = 1
_TICK = Tick()
_profiles = cache(load_profiles)


class Observer(Protocol):
    """Who watches a rig. Called as things happen; what it raises ends the run."""

    def passed(self, rig: "Rig") -> None:
        """Time has passed, within which the motor drive changed at most at the last millisecond."""

    def took(self, rig: "Rig", before: MachineState, given: Input, made: Step) -> None:
        """The machine made a step."""

    def sent(self, rig: "Rig", setpoint: Setpoint) -> None:
        """A setpoint goes on the line."""


class Rig:
    """A treatment between a machine and a simulated pen. Time is whatever :meth:`advance` makes pass, in ms.

    ``after_ms`` is called after every millisecond, ``observer`` whenever something may have changed. ``today`` is the
    date by this computer's clock, ``kept`` what the site says of the pen when it is asked.
    """

    def __init__(
        self,
        pen: SimulatedPen,
        *,
        random: Random,
        today: date,
        after_ms: Callable[["Rig"], None] | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.pen = pen
        self.today = today
        self.kept = PenKept(standing=Standing(), rules=PenRules())
        self.heard_ms = 0
        self.line = Line()
        self.state = MachineState()
        self.events: list[Event] = []
        self.inputs: list[tuple[Input, int]] = []
        self.now_ms = 0
        self.host_stalled = False
        self.last_setpoint: Setpoint | None = None
        self._random = random
        self._after_ms = after_ms
        self._observer = observer
        self._agenda: deque[tuple[int, Callable[[], None]]] = deque()
        self._deframer = Deframer()
        self._delay = LineDelay()
        self._sequence = 0
        self._lease = 0
        self._tick = 0
        self._nonce = 0
        self._request_id = 0
        self._welcome: Welcome | None = None
        self._armed: Armed | None = None
        self._marked = False
        self._response: Response | None = None

    # Time ------------------------------------------------------------------------------------------------------------

    def plan(self, agenda: list[tuple[int, Callable[[], None]]]) -> None:
        """What is to be done at which time, in order; done while time passes, in whatever is under way just then."""
        self._agenda = deque(agenda)

    def advance(self, ms: int) -> None:
        """Lets time pass for pen, line and host; a stalled host does nothing until it wakes."""
        end_ms = self.now_ms + ms
        while self.now_ms < end_ms:
            self._pass(end_ms)

    def _pass(self, end_ms: int) -> None:
        """Lets time pass until something happens, at most until ``end_ms``, and then lets it happen."""
        pen, line = self.pen, self.line
        self.now_ms = now_ms = self.now_ms + pen.run(self._next_ms(end_ms) - self.now_ms)
        to_host = line.to_host
        sent = pen.take(MEDIUM)
        if sent:
            to_host.push(sent, now_ms)
        if not self.host_stalled:
            if not to_host.idle:
                received = to_host.pull(now_ms)
                if received:
                    for message in self._deframer.feed(received):
                        self._receive(message)
            if now_ms % TICK_MS == 0:
                self.give(_TICK)
        arrived = line.to_pen.pull(now_ms)
        if arrived:
            pen.receive(MEDIUM, arrived)
        if self._observer is not None:
            self._observer.passed(self)
        if self._after_ms is not None:
            self._after_ms(self)
        while self._agenda and self._agenda[0][0] <= self.now_ms:
            self._agenda.popleft()[1]()

    def _next_ms(self, end_ms: int) -> int:
        """When the next thing known of happens: ``end_ms`` at the latest, the next millisecond at the soonest."""
        now_ms, line = self.now_ms, self.line
        if self._after_ms is not None:
            return now_ms + 1
        tick_ms = now_ms - now_ms % TICK_MS + TICK_MS
        if tick_ms < end_ms and not self.host_stalled:
            end_ms = tick_ms
        to_host_ms, to_pen_ms = line.to_host.due_ms, line.to_pen.due_ms
        if to_host_ms is not None and to_host_ms < end_ms:
            end_ms = to_host_ms
        if to_pen_ms is not None and to_pen_ms < end_ms:
            end_ms = to_pen_ms
        if self._agenda and self._agenda[0][0] < end_ms:
            end_ms = self._agenda[0][0]
        return end_ms if end_ms > now_ms else now_ms + 1

    def _await(self, holds: Callable[[], bool], limit_ms: int) -> None:
        """Lets time pass until a message made something hold; what changes without one is for :meth:`until`."""
        end_ms = self.now_ms + limit_ms
        while not holds() and self.now_ms < end_ms:
            self._pass(end_ms)

    def until(self, holds: Callable[[], bool], limit_ms: int) -> bool:
        """Lets time pass until something holds. Returns whether it came to."""
        for _ in range(limit_ms):
            if holds():
                return True
            self.advance(1)
        return holds()

    # What a person does ----------------------------------------------------------------------------------------------

    def connect(self) -> None:
        """Shakes hands with the pen. Raises ControlRefused when it does not answer."""
        self._nonce = self._random.randint(1, 0xFFFF_FFFF)
        self._welcome = None
        self.line.to_pen.push(DELIMITER, self.now_ms)
        self._transmit(Hello(self._nonce, PROTOCOL_VERSION))
        self._await(lambda: self._welcome is not None, ANSWER_MS)
        if self._welcome is None:
            raise ControlRefused("no_pen", "The simulated pen does not answer HELLO.")
        self._delay = LineDelay()
        self.give(LinkUp(url="rig://", facts=pen_facts(self._welcome)))
        self._await(lambda: self.state.seen is not None, ANSWER_MS)

    def disconnect(self, cause: str) -> None:
        """The connection to the pen is given up, as the supervisor does with one that is silent or unplugged."""
        self._lease = 0
        self._welcome = None  # what still comes is of a connection that is no more
        self.give(LinkDown(cause=cause))

    def command(self, given: Input) -> None:
        """Gives the machine a command. Raises ControlRefused when it is refused."""
        made = self.give(given)
        if made is not None:
            raise ControlRefused(*made)

    def arm(self, source: str = "rig") -> None:
        """Goes the whole way to a lease, as the session driver does. Raises ControlRefused."""
        self.command(ArmAsked(source=source))
        self.examine()
        cartridge = self.state.cartridge
        if cartridge is not None and cartridge.tag:
            if cartridge.tag != self.state.consumed_tag:
                self.command(ConsumeIntended(tag=cartridge.tag))
            if not self._marked:
                self._ask(CARTRIDGE_CONSUME, CartridgeTag(cartridge.tag), key=self._key())
        self._armed = None
        key = self._key()
        self._transmit(
            Arm(
                self._nonce,
                key,
                self.state.depth_ceiling_um,
                self.state.rate_ceiling_mhz,
                cartridge.tag if cartridge else 0,
            )
        )
        self._await(lambda: self._armed is not None and self._armed.key == key, ANSWER_MS)
        answer = self._armed
        if answer is None or answer.refusal != Refusal.NONE:
            self._send(SendStop())
            reason = "no answer" if answer is None else Refusal(answer.refusal).name
            self.command(ArmFailed(because="arm", sentence=f"Not armed: {reason}."))
            return
        self._lease, self._tick = answer.lease, 0
        self.command(LeaseGranted(lease=answer.lease))

    def examine(self) -> None:
        """Reads the pen for the machine, its self-test too where no good one is at hand. Raises ControlRefused."""
        calibration: CalibrationSnapshot | None = None
        read = CartridgeRead(None, problem="No cartridge.")
        data = self._ask(CALIBRATION_READ, Nothing())
        if data is not None:
            calibration = calibration_snapshot(unpack(CALIBRATION_READ.data, data.data))
        plan, welcome = self.state.plan, self._welcome
        counted = None
        if welcome is not None and welcome.capabilities & Capability.LIFETIME:
            data = self._ask(LIFETIME_READ, Nothing())
            counted = counted_since(unpack(LIFETIME_READ.data, data.data)) if data is not None else None
        if welcome is not None and not welcome.capabilities & Capability.CARTRIDGE_IDENTIFIED and plan is not None:
            read = named_cartridge(plan, _profiles())
        elif (data := self._ask(CARTRIDGE_READ, Nothing())) is not None:
            read = cartridge_read(unpack(CARTRIDGE_READ.data, data.data))
        self._marked = read.marked
        tested: SelfTest | None = None
        known = self.state.inspection.self_test if self.state.inspection is not None else None
        if known is None or self.now_ms - self.state.inspected_at_ms > SELF_TEST_GOOD_MS:
            data = self._ask(SELF_TEST, Nothing(), key=self._key(), within_ms=SELF_TEST_MS)
            if data is not None:
                bits: SelfTestData = unpack(SELF_TEST.data, data.data)
                tested = SelfTest(tested=bits.tested, passed=bits.passed)
        self.command(
            Inspected(
                today=self.today.isoformat(),
                cartridge=read.cartridge,
                cartridge_used=read.used,
                cartridge_problem=read.problem,
                attest="it has no serial number of its own." if read.cartridge and not read.cartridge.tag else "",
                calibration=calibration,
                self_test=tested,
                counted=counted,
                kept=self.kept,
            )
        )

    def clear_pen_faults(self) -> None:
        """Sends CLEAR_FAULT for whatever the pen reports, and waits for the answer."""
        if self.state.seen is not None and self.state.seen.faults:
            self._ask(CLEAR_FAULT, FaultMask(int(self.state.seen.faults)), key=self._key())
            self.advance(50)

    @property
    def armed(self) -> bool:
        """The machine holds a lease."""
        return self.state.phase in {Phase.PAUSED, Phase.TREATING}

    # Inside ----------------------------------------------------------------------------------------------------------

    def give(self, given: Input) -> tuple[str, str] | None:
        """One step of the machine: sends, then keeps the events. Returns (because, sentence) of a refusal."""
        self.inputs.append((given, self.now_ms))
        before = self.state
        made = step(before, given, self.now_ms)
        self.state = made.state
        if self._observer is not None:
            self._observer.took(self, before, given, made)
        if made.send is not None:
            self._send(made.send)
        self.events.extend(made.events)
        return None if made.refusal is None else (made.refusal.because, made.refusal.sentence)

    def _send(self, send: Send) -> None:
        match send:
            case SendStop():
                self._lease = 0
                self._transmit(Stop())
            case SendDisarm():
                self._lease = 0
                self._transmit(Disarm(send.lease))
            case SendSetpoint():
                if self._lease:
                    self._tick += 1
                    self.last_setpoint = Setpoint(
                        self._lease,
                        self._tick,
                        int(send.motor),
                        send.depth_um,
                        send.rate_mhz,
                        send.seen_pen_time_ms,
                    )
                    if self._observer is not None:
                        self._observer.sent(self, self.last_setpoint)
                    self._transmit(self.last_setpoint)

    def _transmit(self, message: Message) -> None:
        self.line.to_pen.push(frame(message, self._sequence), self.now_ms)
        self._sequence = (self._sequence + 1) & 0xFF

    def _ask(
        self, operation: Operation, arguments: object, key: int = 0, *, within_ms: int = ANSWER_MS
    ) -> Response | None:
        self._response = None
        self._request_id = (self._request_id + 1) & 0xFFFF
        self._transmit(Request(self._request_id, self._nonce, operation.number, key, pack(arguments)))
        self._await(lambda: self._response is not None and self._response.id == self._request_id, within_ms)
        answer = self._response
        if answer is None or answer.id != self._request_id:
            return None  # an answer that came too late is no answer to the next question
        return answer if answer.refusal == Refusal.NONE else None

    def _key(self) -> int:
        return self._random.randint(1, 0xFFFF_FFFF)

    def _receive(self, message: Message) -> None:
        if range_problem(message) is not None:
            return
        match message:
            case Status():
                welcome = self._welcome
                if welcome is None or message.boot_id != welcome.boot_id or self._delay.overtaken(message.pen_time_ms):
                    return  # of another boot or connection, a repeat, or overtaken: as the link does
                self.heard_ms = self.now_ms
                sent_at_ms = self._delay.sent_at_ms(self.now_ms, message.pen_time_ms)
                self.give(StatusSeen(snapshot(message), sent_at_ms))
            case Welcome():
                if message.nonce == self._nonce:
                    self._welcome = message
            case Armed():
                self._armed = message
            case Response():
                self._response = message
            case _:
                pass
