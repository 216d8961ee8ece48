"""A whole simulated pen: parts, firmware, memory, and the hand that holds it.

Nothing here reads a clock: ``advance`` is told how many milliseconds pass. Who wants a pen in real time takes
:mod:`simulators.endpoints`.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from math import inf
from typing import NamedTuple

from firmware_bridge.wire.messages import Capability, Fault, PenState
from simulators.defects import Defects
from simulators.errors import NoSuchPart
from simulators.firmware import PenFirmware
from simulators.firmware_store import FirmwareStore
from simulators.hooks import FaultHooks
from simulators.lifetime import age_battery
from simulators.maker import starts
from simulators.nonvolatile import LogCode, NonVolatile, PowerCut
from simulators.personality import NW_1, Cartridge, PenModel, factory_calibration, fresh_cartridge
from simulators.physics import Plant
from simulators.untruth import UntruePlant, Untruth

STEP_S = 0.001
PRESS_MS = 120
"""How long a finger or foot keeps a button down."""

WATCHDOG_MS = 1_500
"""Firmware that hangs as soon as it runs is given up after this."""

BOOT_MS = 50
"""From switching on to the first byte heard; during it the driver is off and a spring pulls the needles in."""


@dataclass(frozen=True, slots=True)
class PenTruth:
    """What is really so, whatever the pen says. ``motor_driven`` is the drive, ``rate_hz`` what the motor does.

    ``protrusion_um`` is where the needles turn, beyond the cartridge's face; ``scale_um`` what the pen's own scale
    stands at, which is the same where the pen is true.
    """

    pen_time_ms: int
    state: PenState
    faults: Fault
    lease: int
    motor_driven: bool
    rate_hz: float
    protrusion_um: float
    scale_um: float
    needles_out: bool
    on_skin: bool
    zone: str
    strokes: int
    supply_v: float
    charge: float
    temperature_c: float


class PutAside(NamedTuple):
    """A pen that another one has taken the place of."""

    model: PenModel
    untruth: Untruth | None
    memory: NonVolatile
    cartridge: Cartridge | None
    plant: Plant


class SimulatedPen:
    """One pen. ``transmit(medium, data)`` gets what it sends; without it, ``take(medium)`` collects it.

    ``rng`` decides boot ids, leases, cartridges' tags and sensor noise: the same seed, calls and bytes give the same
    pen. ``today`` decides the dates of the factory calibration and the first cartridge. ``lived_ms`` counts all that
    passed, over reboots, and ``driven_at_ms`` is when in it the motor was last driven. ``untruth`` is by how much it is
    not true; None where it is. Raises BadUntruth.
    """

    native = True
    """Its firmware speaks the wire protocol: what faults do to messages and leases can be done to it."""

    def __init__(
        self,
        model: PenModel = NW_1,
        *,
        rng: random.Random,
        today: date,
        transmit: Callable[[int, bytes], None] | None = None,
        pen_time_start_ms: int = 0,
        noisy: bool = True,
        untruth: Untruth | None = None,
    ) -> None:
        self.model = model
        self.untruth = untruth
        self.today = today
        self._rng = rng
        self._noisy = noisy
        self._transmit = self._keep if transmit is None else transmit
        self._sent: dict[int, list[bytes]] = {}
        self._booting_ms = self._hung_ms = 0
        self.switched_off = False
        self.lived_ms = 0
        self.driven_at_ms = -1
        self.deepest_driven_um = -inf
        self.cartridge: Cartridge | None = self.new_cartridge()
        self.memory = self._new_memory()
        self.plant = self._made(self.cartridge.needle_count)
        self.memory.lifetime.put_in_c = self.plant.charge_c
        self.defects = Defects()
        self.firmware = self._boot(pen_time_start_ms)
        self.faults = FaultHooks(self)

    def _made(self, needles: int) -> Plant:
        """The parts of a new pen."""
        model, untruth = self.model, self.untruth
        if untruth is None:
            return Plant(model.plant, needles=needles)
        own = random.Random(self._rng.getrandbits(64))  # noqa: S311 - where simulated needles come to lie
        return UntruePlant(model.plant, untruth, own, range_um=float(model.depth_max_um), needles=needles)

    def _new_memory(self) -> NonVolatile:
        """The memory of a new pen."""
        model = self.model
        firmware = FirmwareStore(
            model.firmware, model.firmware_number, minimum=model.firmware_minimum, size_max=model.firmware_size_max
        )
        return NonVolatile(factory_calibration(self.today, model), firmware)

    def _boot(self, pen_time_start_ms: int) -> PenFirmware:
        if not starts(self.memory.firmware.start().image):
            self.hang(watchdog_ms=WATCHDOG_MS)
        return PenFirmware(
            self.model,
            self.plant,
            self.memory,
            self._rng,
            self._transmit,
            cartridge=self.cartridge,
            pen_time_start_ms=pen_time_start_ms,
            noisy=self._noisy,
            defects=self.defects,
        )

    def _keep(self, medium: int, data: bytes) -> None:
        self._sent.setdefault(medium, []).append(data)

    # Bytes and time

    def receive(self, medium: int, data: bytes) -> None:
        """Bytes arrive from a medium; a pen that boots, hangs or is switched off does not hear them."""
        if self.awake:
            try:
                self.firmware.receive(medium, data)
            except PowerCut:
                self.reboot()
            if self.firmware.restarting:
                self.reboot()

    def take(self, medium: int) -> bytes:
        """What the pen has sent on a medium since the last call."""
        return b"".join(self._sent.pop(medium, ()))

    def advance(self, ms: int = 1) -> None:
        """So many milliseconds pass."""
        while ms > 0:
            ms -= self.run(ms)

    def run(self, most_ms: int) -> int:
        """Up to ``most_ms`` pass: fewer when the pen sends something or its motor drive changes. Returns how many.

        Milliseconds in which nothing is due are lived in one stride, with the same outcome as one by one.
        """
        if self._booting_ms or self.defects.hung:
            return self._run_without_firmware(most_ms)
        plant, firmware, sent = self.plant, self.firmware, self._sent
        if sent:
            most_ms = 1  # what was answered at once has waited for this millisecond
        driven = plant.driven
        passed = 0
        while passed < most_ms:
            strode = firmware.stride(most_ms - passed, STEP_S)
            if strode:
                passed += strode
                self.lived_ms += strode
                if driven:
                    # Within a stride the carriage moves one way only, so its ends are its extremes.
                    self._note_driven()
                if passed == most_ms:
                    break
            firmware.step_1ms()
            plant.step(STEP_S)
            passed += 1
            self.lived_ms += 1
            if plant.driven:
                self._note_driven()
            if sent or plant.driven is not driven:
                break
        return passed

    def _run_without_firmware(self, most_ms: int) -> int:
        """The parts go on by themselves: while the firmware boots, or hangs with its outputs as they were."""
        plant, defects = self.plant, self.defects
        if self._booting_ms:
            passed = min(most_ms, self._booting_ms)
        else:
            left_ms = defects.watchdog_ms - self._hung_ms if defects.watchdog_ms else most_ms
            passed = min(most_ms, max(left_ms, 1))
        for _ in range(passed):
            plant.step(STEP_S)
            self.lived_ms += 1
            if plant.driven:
                self._note_driven()
        if self._booting_ms:
            if not self.switched_off:
                self._booting_ms -= passed
            return passed
        self._hung_ms += passed
        if defects.watchdog_ms and self._hung_ms >= defects.watchdog_ms:
            self._hung_ms = 0
            self.reboot()
        return passed

    def _note_driven(self) -> None:
        self.driven_at_ms = self.lived_ms
        protrusion_um = self.plant.protrusion_um
        self.deepest_driven_um = max(self.deepest_driven_um, protrusion_um)

    def take_deepest_driven_um(self) -> float:
        """The deepest true protrusion with the motor driven since the last call, µm; minus infinity when it was not."""
        deepest, self.deepest_driven_um = self.deepest_driven_um, -inf
        return deepest

    # Hands

    def press_button(self, held_ms: int = PRESS_MS) -> None:
        """A finger presses the pen's button; the pen acts in its next millisecond. Raises NoSuchPart."""
        self._require(Capability.BUTTON, "button")
        if self.awake:
            self.firmware.press(LogCode.BUTTON_PRESS, held_ms)

    def press_pedal(self, held_ms: int = PRESS_MS) -> None:
        """A foot presses the pedal; the pen acts in its next millisecond. Raises NoSuchPart."""
        self._require(Capability.PEDAL, "pedal")
        if self.awake:
            self.firmware.press(LogCode.PEDAL_PRESS, held_ms)

    def _require(self, part: Capability, name: str) -> None:
        if not self.model.capabilities & part:
            raise NoSuchPart(f"The simulated {self.model.name} has no {name}, so nobody can press it.")

    def hold_on(self, zone: str, *, touching: bool | None = None) -> None:
        """The hand moves to ``zone``; ``touching`` None presses the pen on whenever its motor runs, else says it.

        Raises UnknownZone.
        """
        self.plant.hold_on(zone, touching=touching)

    def new_cartridge(self) -> Cartridge:
        """An unused cartridge with an identity of its own, in date on the day the pen was made with."""
        model = self.model
        return fresh_cartridge(
            self._rng.randint(1, 0xFFFF_FFFF),
            self.today,
            needle_count=model.needle_count,
            needle_length_um=model.needle_length_um,
        )

    def insert_cartridge(self, cartridge: Cartridge | None = None) -> Cartridge:
        """Pushes a cartridge on, a new one unless told which, and returns it. Strokes count from here."""
        self.cartridge = self.new_cartridge() if cartridge is None else cartridge
        self.plant.fit_needles(self.cartridge.needle_count)
        self.firmware.insert(self.cartridge)
        return self.cartridge

    def remove_cartridge(self) -> Cartridge | None:
        """Takes the cartridge off and returns it."""
        removed, self.cartridge = self.cartridge, None
        if self.awake:
            self.firmware.remove_cartridge()
        else:
            self.firmware.cartridge = None
        return removed

    def reboot(self, down_ms: int = BOOT_MS) -> None:
        """Supply off and on: lease and motor are gone at once, the pen hears nothing for ``down_ms``, memory stays."""
        self.firmware.supply_lost()
        self._booting_ms = down_ms
        self.defects.hung = False
        self.firmware = self._boot(0)

    def switch_off(self) -> None:
        """The supply is gone: driver off, a spring pulls the needles in, nothing is heard or said until
        :meth:`switch_on`."""
        self.reboot(down_ms=1)
        self.switched_off = True

    def switch_on(self) -> None:
        """The supply is back: the pen boots. Harmless when it is on."""
        if self.switched_off:
            self.switched_off = False
            self._booting_ms = BOOT_MS

    def knock(self, shift_um: float = 0.0) -> None:
        """The pen falls: one shock more, and the needles lie ``shift_um`` deeper than its scale says."""
        self.memory.lifetime.shocks += 1
        self.plant.drive_offset_um += shift_um
        self.plant.depth_sensor_drift_um -= shift_um

    def age(self, hours: float, *, cycles: float = 0.0) -> None:
        """So many hours of strokes at 100 Hz and so many full charges pass at once; the cartridge stays as it is."""
        turned = hours * 360_000.0
        if isinstance(self.plant, UntruePlant):
            self.plant.hours += hours
        self.plant.turns += turned
        self.memory.turns_at_insertion += turned
        lifetime = self.memory.lifetime
        lifetime.ran_ms += round(hours * 3_600_000)
        lifetime.put_in_c += cycles * self.plant.sheet.battery_full_c
        age_battery(self.plant, lifetime.cycles(self.plant))

    def charge_battery(self) -> None:
        """The battery is charged to what it can hold, and is as old as its charges make it."""
        plant, lifetime = self.plant, self.memory.lifetime
        age_battery(plant, lifetime.cycles(plant))
        lifetime.put_in_c += plant.parameters.battery_full_c - plant.charge_c
        plant.charge_c = plant.parameters.battery_full_c

    def swap(self, serial: str, untruth: Untruth | None = None) -> "PutAside":
        """Another pen of the same model takes its place on the same cable: as new, with a cartridge of its own.

        Returns the one that was here, for :meth:`put_back`. Raises BadUntruth.
        """
        own = PutAside(self.model, self.untruth, self.memory, self.cartridge, self.plant)
        self.firmware.supply_lost()
        self.model, self.untruth = replace(self.model, serial=serial), untruth
        self.memory = self._new_memory()
        self.cartridge = self.new_cartridge()
        held, self.plant = self.plant, self._made(self.cartridge.needle_count)
        self.memory.lifetime.put_in_c = self.plant.charge_c
        self._held_as(held)
        return own

    def put_back(self, own: "PutAside") -> None:
        """A pen that was put aside takes its place again."""
        self.firmware.supply_lost()
        held = self.plant
        self.model, self.untruth, self.memory, self.cartridge, self.plant = own
        self._held_as(held)

    def _held_as(self, other: Plant) -> None:
        """The pen at hand is held where the other one was, and boots."""
        self.plant.hold_as(other)
        self._booting_ms = BOOT_MS
        self.defects.hung = False
        self.firmware = self._boot(0)

    def hang(self, hung: bool = True, *, watchdog_ms: int = 0) -> None:
        """The firmware stands still with its outputs as they are; or goes on where it stood."""
        self._hung_ms = 0
        self.defects.hung, self.defects.watchdog_ms = hung, watchdog_ms

    @property
    def awake(self) -> bool:
        """The firmware runs: it neither boots nor hangs, and is not switched off."""
        return not self._booting_ms and not self.defects.hung

    @property
    def booting(self) -> bool:
        """The pen was rebooted and is not up yet."""
        return self._booting_ms > 0

    def forget(self, medium: int) -> None:
        """A medium is gone for good."""
        self._sent.pop(medium, None)
        self.firmware.forget(medium)

    @property
    def truth(self) -> PenTruth:
        """What is really so at this moment."""
        plant, firmware = self.plant, self.firmware
        return PenTruth(
            pen_time_ms=firmware.pen_time_ms,
            state=firmware.state,
            faults=firmware.faults,
            lease=firmware.lease,
            motor_driven=plant.driven,
            rate_hz=plant.rate_hz,
            protrusion_um=plant.protrusion_um,
            scale_um=plant.carriage_um,
            needles_out=plant.needles_home,
            on_skin=plant.on_skin,
            zone=plant.zone,
            strokes=int(plant.turns - self.memory.turns_at_insertion),
            supply_v=plant.supply_v,
            charge=plant.charge,
            temperature_c=plant.temperature_c,
        )
