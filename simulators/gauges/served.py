"""Simulated instruments on a line, in real time: what an endpoint serves."""

import asyncio
from collections import deque
from collections.abc import Callable

from simulators.gauges.digimatic import SimulatedDigimatic
from simulators.gauges.tachometer import SimulatedTachometer

DISPLAY_S = 0.25
"""How often the simulated tachometer's display changes: four times as often as a real one's, so that nobody waits."""

ANSWER_S = 0.02
"""What a box takes for its answer."""

Send = Callable[[bytes], None]


class DigimaticMedium:
    """One line to an indicator: a request in, its answer out a moment later."""

    def __init__(self, gauge: SimulatedDigimatic, send: Send) -> None:
        self._gauge = gauge
        self._send = send
        self._answers: deque[asyncio.TimerHandle] = deque()

    def received(self, data: bytes) -> None:
        """Bytes of the host."""
        answer = self._gauge.received(data)
        if answer:
            self._answers.append(asyncio.get_running_loop().call_later(ANSWER_S, self._answer, answer))

    def detach(self) -> None:
        """The line is gone for good, and what was to be answered with it."""
        for timer in self._answers:
            timer.cancel()
        self._answers.clear()

    def _answer(self, answer: bytes) -> None:
        self._answers.popleft()
        self._send(answer)


class DigimaticServed:
    """An indicator for an endpoint."""

    def __init__(self, gauge: SimulatedDigimatic) -> None:
        self._gauge = gauge

    def attach(self, send: Send) -> DigimaticMedium:
        """A line to it."""
        return DigimaticMedium(self._gauge, send)


class TachometerMedium:
    """One line to a tachometer: it talks by itself, and listens to nothing."""

    def __init__(self, gauge: SimulatedTachometer, send: Send) -> None:
        self._gauge = gauge
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(DISPLAY_S, self._say)

    def received(self, data: bytes) -> None:
        """It has no ears."""

    def detach(self) -> None:
        """The line is gone for good."""
        self._timer.cancel()

    def _say(self) -> None:
        self._timer = self._loop.call_later(DISPLAY_S, self._say)
        if line := self._gauge.says():
            self._send(line)


class TachometerServed:
    """A tachometer for an endpoint."""

    def __init__(self, gauge: SimulatedTachometer) -> None:
        self._gauge = gauge

    def attach(self, send: Send) -> TachometerMedium:
        """A line to it."""
        return TachometerMedium(self._gauge, send)
