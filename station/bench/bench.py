"""A bench that is open: the pinned pen, its service driver, and where what is found goes on record."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from controller.calibration.policy import CalibrationPolicy
from controller.events import Event
from controller.health.reading import read_health
from controller.inputs import PenFacts
from controller.ports import Clock, EventSink
from controller.service.driver import ServiceDriver
from controller.service.errors import ServiceEnded
from controller.service.self_test import Ask, SelfTest
from controller.service_events import HealthRead, PartTest, PenSelfTested, ServicePurpose
from firmware_bridge.errors import WireError
from firmware_bridge.wire.messages import Fault


class TechnicianBench:
    """One technician at one pen. Made by :func:`station.bench.open_bench`.

    ``pen`` is what the pen said of itself when the bench was opened; ``driver`` moves it, ``policy`` is what the clinic
    goes by. ``technician`` works, ``authorised_by`` answers for certificates; both signed in. A pen that was swapped is
    refused from then on, one that was restarted until :meth:`take_again`.
    """

    def __init__(
        self,
        *,
        pen: PenFacts,
        policy: CalibrationPolicy,
        technician: str,
        authorised_by: str,
        driver: ServiceDriver,
        sink: EventSink,
        clock: Clock,
        state_dir: Path,
        attested_off_skin: bool,
    ) -> None:
        self.pen = pen
        self.policy = policy
        self.technician = technician
        self.authorised_by = authorised_by
        self.driver = driver
        self.clock = clock
        self.state_dir = state_dir
        self._sink = sink
        self._attested = attested_off_skin

    @asynccontextmanager
    async def service(
        self, purpose: ServicePurpose, *, series: str | None = None, resumed: bool = False
    ) -> AsyncIterator[str]:
        """Service mode for a block; gives the id of this piece of work. Whatever ends the block, the motor is off.

        ``series`` goes on with an earlier piece of work. Raises ControlRefused, ServiceEnded, RecordUnavailable.
        """
        async with self.driver.service(
            purpose, self.technician, attested_off_skin=self._attested, series=series, resumed=resumed
        ) as name:
            yield name

    async def clear_silence(self) -> bool:
        """Clears that a host fell silent, which is what a bench that was killed leaves behind; any other fault is left
        for somebody to look at. Whether there was that to clear. Raises ControlRefused, WireError."""
        seen = self.driver.state.seen
        if seen is None or seen.faults != Fault.DEAD_MAN:
            return False
        await self.driver.clear_faults()
        return True

    async def self_test(
        self, ask: Ask | None = None, heard: Callable[[PartTest], None] = lambda _part: None
    ) -> tuple[PartTest, ...]:
        """Tests the pen by its parts, and puts what came of it on record. Off skin, needles touching nothing.

        ``ask`` tells a person what to press, None where nobody is there; ``heard`` hears of each part as it is done.
        Raises ControlRefused and nothing moved, RecordUnavailable.
        """
        parts: tuple[PartTest, ...] = ()
        try:
            async with self.service("self_test") as series:
                parts = await SelfTest(self.driver, self.policy.self_test, ask, heard).run()
                tested = PenSelfTested(series=series, pen=self.pen.model, serial=self.pen.serial, parts=parts)
                await self.record(tested, *(await self._health()))
        except ServiceEnded:
            if not parts:  # else the parts tell of it
                raise
        return parts

    async def _health(self) -> tuple[HealthRead, ...]:
        """What the pen counted, where it can be asked now; what it draws is in the moves."""
        link = self.driver.pen
        if link is None:
            return ()
        try:
            return (await read_health(link),)
        except WireError:
            return ()  # the self-test is worth its record all the same

    async def record(self, *events: Event) -> None:
        """Puts events on record; they are on the disk on return. Raises RecordUnavailable."""
        for event in events:
            self._sink.emit(event, session=None)
        await self._sink.flush()

    def take_again(self) -> None:
        """Goes on with the pen after it was restarted; what was read before is for the caller to judge.

        Raises ControlRefused for another pen.
        """
        self.driver.take_again()
        self.pen = self.driver.state.pinned or self.pen
