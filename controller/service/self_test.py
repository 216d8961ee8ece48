"""A pen tested by its parts, in open service mode: each part moved, measured, and told as it is done.

What a part comes to is judged in :mod:`controller.service.part_tests`. A part that breaks the test off counts as
failed; what would come after it is *not tested*.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from controller.calibration.policy import SelfTestLimits
from controller.errors import ControlRefused
from controller.service import part_tests
from controller.service.driver import ServiceDriver
from controller.service.errors import MoveNotFollowed, ServiceEnded
from controller.service.part_tests import PARTS, untested
from controller.service_events import PartTest
from controller.units import toward_shallow
from firmware_bridge.errors import WireError
from firmware_bridge.snapshot import PenSnapshot
from firmware_bridge.wire.messages import Capability
from firmware_bridge.wire.operations import EVENT_LOG, SELF_TEST, LogEntries, LogPosition
from firmware_bridge.wire.service_operations import LIFETIME_READ

ENTRY_BYTES = 13
ENCODER_MS = 2_000
"""At half of a pen's fastest rate some hundred strokes: enough to tell a counter from a clock."""

Test = Callable[[], Awaitable[tuple[PartTest, ...]]]
Ask = Callable[[str], None]
"""Tells a person what to do now: ``press the pen's button``."""


@dataclass(frozen=True, slots=True)
class SelfTest:
    """One self-test. ``ask`` None: nobody is there to press anything."""

    driver: ServiceDriver
    limits: SelfTestLimits
    ask: Ask | None = None
    heard: Callable[[PartTest], None] = lambda _part: None

    async def run(self) -> tuple[PartTest, ...]:
        """Every part, in the order of :data:`PARTS`. Service mode is open before, and may be closed afterwards."""
        told: dict[str, PartTest] = {}
        broken = ""
        for names, test in self._tests():
            if broken:
                found: tuple[PartTest, ...] = tuple(untested(name, broken) for name in names)
            else:
                try:
                    found = await test()
                except ServiceEnded as ended:
                    broken = f"Not tested, for the test was broken off: {ended.sentence}"
                    found = tuple(part_tests.plain(name, False, ended.sentence) for name in names)
                except (MoveNotFollowed, ControlRefused, WireError) as error:
                    found = tuple(part_tests.plain(name, False, str(error)) for name in names)
            for one in found:
                told[one.part] = one
                self.heard(one)
        return tuple(told[name] for name in PARTS)

    def _tests(self) -> list[tuple[tuple[str, ...], Test]]:
        log = _Log(self.driver)
        return [
            (("own test",), lambda: self._own(log)),
            (("retract",), self._retract),
            (("end stops",), self._end_stops),
            (("encoder", "motor current", "battery", "battery under load"), self._running),
            (("battery resistance",), self._resistance),
            (("dead-man: motor off", "dead-man: needles out"), self._dead_man),
            (("button",), lambda: self._press("button", Capability.BUTTON, "Press the pen's button once.")),
            (("pedal",), lambda: self._press("pedal", Capability.PEDAL, "Press the foot pedal once.")),
            (("contact",), self._contact),
            (("log",), lambda: self._log(log)),
        ]

    @property
    def _depth_um(self) -> int:
        """Half of what this pen may be set to: needles that have a way to go, and room beyond."""
        pen = self.driver.state.pen
        if pen is None or not self.driver.state.can(Capability.DEPTH_SET):
            return 0
        half = toward_shallow(self.driver.state.depth_ceiling_um // 2, pen.depth_step_um)
        return max(half, pen.depth_min_um)

    @property
    def _rate_mhz(self) -> int:
        pen = self.driver.state.pen
        if pen is None or not self.driver.state.can(Capability.RATE_SET):
            return 0
        half = toward_shallow(self.driver.state.rate_ceiling_mhz // 2, pen.rate_step_mhz)
        return max(half, pen.rate_min_mhz)

    async def _own(self, log: "_Log") -> tuple[PartTest, ...]:
        await log.begin()
        if not self.driver.state.can(Capability.SELF_TEST):
            return (untested("own test", "This pen tests none of its parts by itself."),)
        return (part_tests.own_test(await self.driver.request(SELF_TEST)),)

    async def _retract(self) -> tuple[PartTest, ...]:
        await self.driver.move(self._depth_um, self._rate_mhz)
        pen, running = self.driver.state.pen, self.driver.state.seen
        seen: list[PenSnapshot] = [] if running is None else [running]
        with self.driver.watching(seen.append):
            await self.driver.motor_off()
        if pen is None:
            raise ControlRefused("no_pen", "The pen went while it was tested.")
        return (part_tests.retract(seen, self.limits, pen),)

    async def _end_stops(self) -> tuple[PartTest, ...]:
        state = self.driver.state
        if not state.can(Capability.DEPTH_SET) or not state.can(Capability.DEPTH_SENSED) or state.pen is None:
            return (untested("end stops", "Depth is not both set and measured by this pen."),)
        least_um = -(-state.pen.depth_min_um // state.pen.depth_step_um) * state.pen.depth_step_um
        ends = [
            (depth_um, await self.driver.move(depth_um, self._rate_mhz, mean_ms=200))
            for depth_um in (least_um, state.depth_ceiling_um)
        ]
        return (part_tests.end_stops(ends, self.limits),)

    async def _running(self) -> tuple[PartTest, ...]:
        state = self.driver.state
        await self.driver.motor_off()
        at_rest = await self.driver.raw()
        await self.driver.move(self._depth_um, self._rate_mhz)
        seen: list[PenSnapshot] = []
        with self.driver.watching(seen.append):
            shown = await self.driver.observe(ENCODER_MS)
        running = await self.driver.raw()
        counts = state.can(Capability.RATE_SENSED) and state.can(Capability.RATE_SET)
        return (
            part_tests.encoder(seen, self._rate_mhz, self.limits)
            if counts
            else untested("encoder", "Rate is not both set and measured by this pen."),
            part_tests.motor_current(shown, self.limits)
            if state.can(Capability.CURRENT_SENSED)
            else untested("motor current", "This pen does not measure it."),
            part_tests.charge(shown, self.limits)
            if state.can(Capability.BATTERY_SENSED)
            else untested("battery", "This pen does not measure its charge."),
            part_tests.sag(at_rest, running, self.limits),
        )

    async def _resistance(self) -> tuple[PartTest, ...]:
        if not self.driver.state.can(Capability.LIFETIME):
            return (untested("battery resistance", "This pen does not measure it."),)
        return (part_tests.resistance(await self.driver.request(LIFETIME_READ), self.limits),)

    async def _dead_man(self) -> tuple[PartTest, ...]:
        pen = self.driver.state.pen
        await self.driver.move(self._depth_um, self._rate_mhz)
        silence = await self.driver.fall_silent()
        if pen is None:
            raise ControlRefused("no_pen", "The pen went while it was tested.")
        await self.driver.clear_faults()
        return part_tests.dead_man(silence.seen, silence.last_word_ms, self.limits, pen)

    async def _press(self, name: str, capability: Capability, words: str) -> tuple[PartTest, ...]:
        if not self.driver.state.can(capability):
            return (untested(name, f"This pen has no {name}."),)
        if self.ask is None:
            return (untested(name, "Nobody was asked to press it (--hands asks)."),)
        before = self._presses(name)
        self.ask(words)
        await self.driver.until_seen(lambda _seen: self._presses(name) != before, self.limits.press_within_ms)
        return (part_tests.pressed(name, before, self._presses(name)),)

    async def _contact(self) -> tuple[PartTest, ...]:
        if not self.driver.state.can(Capability.CONTACT_SENSED):
            return (untested("contact", "This pen does not sense skin."),)
        if self.ask is None:
            return (untested("contact", "Nobody was asked to touch it (--hands asks)."),)
        await self.driver.give_back()  # a lease would end on the touch, and service mode with it
        self.ask("Touch the pen's tip with a finger, then let go; no needle is out.")
        touched = await self.driver.until_seen(lambda seen: seen.on_skin is True, self.limits.press_within_ms)
        let_go = touched and await self.driver.until_seen(
            lambda seen: seen.on_skin is False, self.limits.press_within_ms
        )
        return (part_tests.contact(touched, let_go),)

    def _presses(self, name: str) -> int:
        seen = self.driver.state.seen
        if seen is None:
            return 0
        return seen.button_presses if name == "button" else seen.pedal_presses

    async def _log(self, log: "_Log") -> tuple[PartTest, ...]:
        if not self.driver.state.can(Capability.EVENT_LOG):
            return (untested("log", "This pen keeps no log."),)
        newest, numbers = await log.read()
        return (part_tests.event_log(log.before, newest, numbers, expected=1),)


class _Log:
    """The pen's event log, from where it stood when the test began."""

    def __init__(self, driver: ServiceDriver) -> None:
        self._driver = driver
        self.before = 0

    async def begin(self) -> None:
        """Notes where it stands."""
        if self._driver.state.can(Capability.EVENT_LOG):
            found: LogEntries = await self._driver.request(EVENT_LOG, LogPosition(0xFFFF_FFFF))
            self.before = found.newest

    async def read(self) -> tuple[int, list[int]]:
        """The newest number, and those of every entry since."""
        numbers: list[int] = []
        newest = self.before
        while True:
            found: LogEntries = await self._driver.request(EVENT_LOG, LogPosition(self.before + 1 + len(numbers)))
            newest = found.newest
            taken = [
                int.from_bytes(found.entries[at : at + 4], "little") for at in range(0, len(found.entries), ENTRY_BYTES)
            ]
            if not taken:
                return newest, numbers
            numbers += taken
