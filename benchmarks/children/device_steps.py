"""What a step of a simulated device costs, by turns: this product's pen under treatment, lewis' example motor while it
moves, and a bare Python method that moves one number. Argument: blocks. Prints one JSON line, processor seconds of each
block.

Lewis' log is switched off, which is in its favour; its adapters are left out. A step of the pen is a millisecond of
firmware, motor, actuator, tissue, battery and heat; a cycle of lewis is the like of its one axis.
"""

import json
import logging
import random
import sys
import time
from datetime import date

from benchmarks.measuring import alternated
from firmware_bridge.wire.framing import Deframer, frame
from firmware_bridge.wire.messages import Arm, Armed, Hello, Message, Setpoint, Status
from simulators.pen import SimulatedPen

STEPS = 2000
MEDIUM = 1
SETPOINT_MS = 50
BATCH_MS = 5
"""A served pen is moved on in batches of about this; a step is each of the milliseconds in it."""

NONCE = 77
DT_S = 0.001


class Treating:
    """A pen whose motor runs in skin, with the least of a host: setpoints in time, which are not a part of the step."""

    def __init__(self) -> None:
        self.pen = SimulatedPen(rng=random.Random(1), today=date(2026, 1, 1))
        self.pen.hold_on("cheek")
        self._deframer = Deframer()
        self._tick = self._lease = self._seen_ms = 0
        self._say(Hello(NONCE, 1))
        cartridge = self.pen.cartridge
        self._say(Arm(NONCE, 5, 1500, 150_000, 0 if cartridge is None else cartridge.tag))
        for _ in range(60):
            self.beat()
            self.pen.advance(SETPOINT_MS)
        if not self.pen.truth.motor_driven:
            raise RuntimeError("the pen does not treat")

    def _say(self, message: Message) -> None:
        self.pen.receive(MEDIUM, frame(message, 0))
        self.pen.advance(SETPOINT_MS)
        self._hear()

    def _hear(self) -> None:
        for message in self._deframer.feed(self.pen.take(MEDIUM)):
            if isinstance(message, Armed):
                self._lease = message.lease
            elif isinstance(message, Status):
                self._seen_ms = message.pen_time_ms

    def beat(self) -> None:
        """What a host does twenty times a second."""
        self._hear()
        self._tick += 1
        setpoint = Setpoint(self._lease, self._tick, True, 500, 100_000, self._seen_ms)
        self.pen.receive(MEDIUM, frame(setpoint, 0))

    def block(self) -> float:
        """Processor seconds for STEPS of the pen alone."""
        took = 0.0
        advance = self.pen.advance
        for _ in range(STEPS // SETPOINT_MS):
            self.beat()
            began = time.process_time()
            for _ in range(SETPOINT_MS // BATCH_MS):
                advance(BATCH_MS)
            took += time.process_time() - began
        return took


class Bare:
    """The least that a step in Python can be."""

    def __init__(self) -> None:
        self._place = 0.0

    def process(self, dt_s: float) -> None:
        """A method that moves one number."""
        self._place += dt_s

    def block(self) -> float:
        """Processor seconds for STEPS."""
        process = self.process
        began = time.process_time()
        for _ in range(STEPS):
            process(DT_S)
        return time.process_time() - began


class Lewis:
    """Lewis' simulation of its example motor, its cycle without a pause."""

    def __init__(self) -> None:
        from lewis.core.simulation import Simulation  # noqa: PLC0415  only the process that measures it imports it
        from lewis.examples.example_motor import SimulatedExampleMotor  # noqa: PLC0415  as above

        logging.disable(logging.CRITICAL)
        self._motor = SimulatedExampleMotor()
        self._motor.speed = 1e-6  # so that it is on its way all the time
        self._motor.target = 250.0
        self._simulation = Simulation(self._motor)
        self._simulation._cycle_delay = 0
        self._simulation._running = True

    def block(self) -> float:
        """Processor seconds for STEPS of its full cycle."""
        cycle, dt_s = self._simulation._process_cycle, DT_S
        began = time.process_time()
        for _ in range(STEPS):
            dt_s = cycle(dt_s)
        took = time.process_time() - began
        if self._motor.state != "moving":
            raise RuntimeError("lewis' motor stands")
        return took


def main() -> None:
    """Measures and prints."""
    sides = {"pen": Treating().block, "lewis": Lewis().block, "bare": Bare().block}
    taken = alternated(int(sys.argv[1]), list(sides.values()))
    print(json.dumps(dict(zip(sides, taken, strict=True))))


if __name__ == "__main__":
    main()
