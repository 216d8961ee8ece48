"""A simulated pen on a technician's bench, over the wire and in its own time: driven through a series, gauge beside it.

The same frames as from a real host: a service lease, setpoints twenty times a second, STATUS for what is shown. The
gauge sees what the simulation says is true. No event loop: a series of a minute takes a blink.
"""

from collections.abc import Callable
from datetime import date
from random import Random

from controller.calibration.adjustment import Adjustment
from controller.calibration.readings import Reading, SeriesPlan
from firmware_bridge.wire.codec import pack, unpack
from firmware_bridge.wire.framing import Deframer, frame
from firmware_bridge.wire.messages import Hello, Message, Refusal, Request, Response, Setpoint, Status, Stop
from firmware_bridge.wire.operation import Operation
from firmware_bridge.wire.service_operations import (
    ADJUSTMENT_READ,
    ADJUSTMENT_WRITE,
    SERVICE_ARM,
    AdjustmentData,
    ServiceCeilings,
    ServiceLease,
)
from simulators.pen import SimulatedPen
from simulators.personality import MODELS
from simulators.untruth import Untruth

MEDIUM = 1
TICK_MS = 50
LEASE_MS = 600_000
CEILINGS = ServiceCeilings(2_500, 150_000, LEASE_MS)


class PenDeclined(Exception):
    """The simulated pen did not do what its protocol says it would; the run means nothing."""


class SimulatedBench:
    """One pen, off skin, with a host that speaks for a technician. Everything is drawn from ``random``."""

    def __init__(self, model: str, untruth: Untruth, today: date, random: Random) -> None:
        self.pen = SimulatedPen(MODELS[model], rng=random, today=today, untruth=untruth)
        self.pen.hold_on("air", touching=False)
        self._deframer = Deframer()
        self._sequence = self._key = self._lease = self._tick = 0
        self._status: Status | None = None
        self._say(Hello(1, 1))

    def _say(self, message: Message) -> list[Message]:
        self.pen.receive(MEDIUM, frame(message, self._sequence))
        self._sequence += 1
        return self._hear()

    def _hear(self) -> list[Message]:
        heard = self._deframer.feed(self.pen.take(MEDIUM))
        for message in heard:
            if isinstance(message, Status):
                self._status = message
        return heard

    def ask(self, operation: Operation, arguments: bytes = b"") -> bytes:
        """What a request gives. Raises PenDeclined."""
        self._key += 1
        key = 0 if operation.repeatable else self._key
        request = Request(self._key, 1, operation.number, key, arguments)
        for message in self._say(request):
            if isinstance(message, Response) and message.refusal == Refusal.NONE:
                return message.data
        raise PenDeclined(operation.name)

    def begin(self) -> None:
        """A service lease."""
        self._lease, self._tick = unpack(ServiceLease, self.ask(SERVICE_ARM, pack(CEILINGS))).lease, 0

    def end(self) -> None:
        """Motor off, needles out, lease given back."""
        self._say(Stop())
        self.pen.advance(self.pen.model.retract_ms)
        self._hear()

    def go(self, depth_um: int, rate_mhz: int, settle_ms: int) -> Status:
        """Drives there and waits; the STATUS of then."""
        for _ in range(-(-settle_ms // TICK_MS)):
            self._tick += 1
            self._say(Setpoint(self._lease, self._tick, 1, depth_um, rate_mhz, self.pen.firmware.pen_time_ms))
            self.pen.advance(TICK_MS)
            self._hear()
        if self._status is None or not self.pen.truth.motor_driven:
            raise PenDeclined(f"a setpoint of {depth_um} µm")
        return self._status

    def write(self, table: Adjustment) -> None:
        """A new adjustment table, read back the same."""
        number = unpack(AdjustmentData, self.ask(ADJUSTMENT_READ)).number + 1
        points = b"".join(
            value.to_bytes(2, "little", signed=True)
            for point in zip(table.shown_um, table.true_um, strict=True)
            for value in point
        )
        wanted = AdjustmentData(number, table.rate_gain_ppm, points)
        self.ask(ADJUSTMENT_WRITE, pack(wanted))
        if unpack(AdjustmentData, self.ask(ADJUSTMENT_READ)) != wanted:
            raise PenDeclined("the table that was written")

    def depths(self, plan: SeriesPlan, rate_mhz: int, settle_ms: int, gauge: Callable[[float], int]) -> list[Reading]:
        """A series of depth: ``gauge`` makes a reading of a true protrusion in µm. Ended with the needles out."""
        self.begin()
        began_ms, readings = self.pen.lived_ms, []
        for place in plan.places():
            before = plan.approach_to(place)
            if before is not None:
                self.go(before, rate_mhz, settle_ms)
            status = self.go(plan.points[place.point], rate_mhz, settle_ms)
            reference_um = gauge(self.pen.truth.protrusion_um)
            at_ms = self.pen.lived_ms - began_ms
            shown_um = status.depth_measured_um
            if shown_um is None:
                raise PenDeclined("a measured depth")
            readings.append(Reading(place.point, place.direction, place.repeat, shown_um, reference_um, at_ms))
        self.end()
        return readings
