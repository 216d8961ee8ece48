"""Reads what a pen counted, and says at what load its current was measured. Everything that reads health makes it here.

A load has a name, so that only equal loads are compared: skin or air, the rate to 10 Hz, the depth to 0.25 mm. What a
motor draws at another load says nothing of its wear.
"""

from collections import Counter
from dataclasses import dataclass, field
from statistics import median_low
from typing import Any, Protocol

from controller.service_events import HealthRead
from firmware_bridge.snapshot import PenSnapshot
from firmware_bridge.wire.fields import NOT_MEASURED
from firmware_bridge.wire.messages import Capability, PenState, Welcome
from firmware_bridge.wire.operation import Operation
from firmware_bridge.wire.service_operations import LIFETIME_READ, LifetimeData

RATE_STEP_MHZ = 10_000
DEPTH_STEP_UM = 250
LEAST_SAMPLES = 20
"""Of a load that lasted shorter there is no current worth a name; a sample is about a second."""
_NO_U16 = NOT_MEASURED["u16"]


class Counting(Protocol):
    """What counts the frames of a connection: :class:`firmware_bridge.wire.framing.Deframer`."""

    frames: int
    damaged: int


class ReadPen(Protocol):
    """What is needed of a connection to read its pen's health: :class:`firmware_bridge.link.Link`."""

    welcome: Welcome
    latest: PenSnapshot | None

    @property
    def deframer(self) -> Counting:
        """Line statistics."""

    async def request(self, operation: Operation, arguments: Any = None) -> Any:
        """Asks for an operation."""


def load_name(*, on_skin: bool | None, rate_mhz: int, depth_um: int) -> str:
    """What a load is called: "skin 100 Hz 0.50 mm". ``on_skin`` None is not sensed."""
    where = "unsensed" if on_skin is None else "skin" if on_skin else "air"
    rate_hz = round(rate_mhz / RATE_STEP_MHZ) * RATE_STEP_MHZ // 1000
    depth_um = round(depth_um / DEPTH_STEP_UM) * DEPTH_STEP_UM
    return f"{where} {rate_hz} Hz {depth_um / 1000:.2f} mm"


@dataclass(slots=True)
class Work:
    """What was seen of a pen while its motor ran, a sample about every second; the load that lasted longest counts."""

    currents: dict[str, list[int]] = field(default_factory=dict)
    lasted: Counter[str] = field(default_factory=Counter)
    temperature_dc: int | None = None

    def see(self, seen: PenSnapshot) -> None:
        """Takes one status, if the motor runs in it."""
        if seen.state is not PenState.RUNNING or seen.rate_measured_mhz is None or seen.depth_measured_um is None:
            return
        load = load_name(on_skin=seen.on_skin, rate_mhz=seen.rate_measured_mhz, depth_um=seen.depth_measured_um)
        self.lasted[load] += 1
        if seen.motor_current_ma is not None:
            self.currents.setdefault(load, []).append(seen.motor_current_ma)
        if seen.temperature_dc is not None:
            self.temperature_dc = max(seen.temperature_dc, self.temperature_dc or seen.temperature_dc)

    def longest(self) -> tuple[str, int] | None:
        """The load that lasted longest with its middle current in mA; None where none lasted, or none was measured."""
        for load, samples in self.lasted.most_common():
            measured = self.currents.get(load, [])
            if samples >= LEAST_SAMPLES and len(measured) >= LEAST_SAMPLES:
                return load, median_low(measured)
        return None


async def read_health(
    pen: ReadPen, work: Work | None = None, *, frames_before: int = 0, damaged_before: int = 0
) -> HealthRead:
    """Reads a pen's health; with ``work``, what it drew at its work. ``*_before`` were told by the reading before.

    A pen without lifetime counters tells what STATUS has of it. Raises RequestError.
    """
    welcome, seen = pen.welcome, pen.latest
    told: LifetimeData | None = None
    if welcome.capabilities & Capability.LIFETIME:
        told = await pen.request(LIFETIME_READ)
    model, serial = _text(welcome.model), _text(welcome.serial)
    at_load = work.longest() if work is not None else None
    temperature_dc = seen.temperature_dc if seen else None
    if work is not None and work.temperature_dc is not None:
        temperature_dc = work.temperature_dc
    return HealthRead(
        pen=f"{model}/{serial}",
        serial=serial,
        firmware=_text(welcome.firmware),
        run_s=told.run_s if told else None,
        strokes=told.strokes if told else None,
        shocks=_measured(told.shocks) if told else None,
        run_since_s=told.run_since_s if told else None,
        strokes_since=told.strokes_since if told else None,
        shocks_since=_measured(told.shocks_since) if told else None,
        battery_cycles=_measured(told.battery_cycles) if told else None,
        battery_capacity_permille=_measured(told.battery_capacity_permille) if told else None,
        battery_resistance_mohm=_measured(told.battery_resistance_mohm) if told else None,
        battery_permille=seen.battery_permille if seen else None,
        temperature_dc=temperature_dc,
        motor_current_ma=at_load[1] if at_load else None,
        load=at_load[0] if at_load else "",
        frames=max(0, pen.deframer.frames - frames_before),
        frames_damaged=max(0, pen.deframer.damaged - damaged_before),
    )


def _measured(value: int) -> int | None:
    return None if value == _NO_U16 else value


def _text(raw: bytes) -> str:
    return raw.rstrip(b"\x00").decode("ascii", errors="replace")
