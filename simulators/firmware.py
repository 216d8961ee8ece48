"""What a pen does with a frame, and by itself when none comes.

:class:`PenFirmware` is one boot of a pen's firmware: a reboot replaces it, what it must remember lies in
:class:`~simulators.nonvolatile.NonVolatile`. It is driven by two calls: ``receive`` with bytes from a medium, and
``step_1ms`` for each millisecond that passes. Safety rules are written here once and literally; nothing is clever.

Times are counted in an unbounded count of milliseconds since boot, so that no rule has to think about wrap-around; only
what is on the wire is modulo 2³².
"""

import random

from firmware_bridge.wire.messages import (
    PROTOCOL_VERSION,
    Arm,
    Armed,
    Busy,
    Contact,
    Disarm,
    Fault,
    Hello,
    Interlock,
    Message,
    PenState,
    Refusal,
    Request,
    Setpoint,
    Status,
    Stop,
)
from firmware_bridge.wire.service_operations import RawReadings, ServiceCeilings
from simulators.defects import Defects
from simulators.leasing import U32_MASK, LeaseKeeper
from simulators.media import Media, Transmit
from simulators.nonvolatile import LeaseEnd, LogCode, NonVolatile
from simulators.personality import Cartridge, PenModel, welcome
from simulators.physics import Plant
from simulators.presses import Presses
from simulators.requests import RequestDesk
from simulators.scaled import senses
from simulators.sensors import NO_U16, NO_U32

SLOW_CHECK_MS = 16
"""What takes its time to change is looked at this often; everything else in every millisecond."""

_CARTRIDGE_PRESENT, _NEEDLES_OUT = int(Interlock.CARTRIDGE_PRESENT), int(Interlock.NEEDLES_OUT)
# As plain numbers: combining enum members costs more than all the rest of a STATUS.

_ON_SKIN = int(Contact.ON_SKIN)


class PenFirmware:
    """One boot of a pen. Media are numbers chosen by whoever calls; what goes out goes through ``transmit``.

    ``medium`` holds the connection, ``nonce`` is its nonce; ``boot_id``, ``faults`` and ``presses`` are STATUS'.

    ``restarting``: it is to be started anew once what it said is on its way. So many STOP frames as ``ignore_stops``
    says are not acted upon; other ``defects`` outlive a boot.
    """

    __slots__ = (
        "_desk", "_due", "_lease", "_now", "_sensors", "_start_ms", "_status_in", "_watches", "boot_id", "cartridge",
        "defects", "faults", "ignore_stops", "media", "medium", "memory", "model", "nonce", "plant", "presses",
        "restarting",
    )  # fmt: skip

    def __init__(
        self,
        model: PenModel,
        plant: Plant,
        memory: NonVolatile,
        rng: random.Random,
        transmit: Transmit,
        *,
        cartridge: Cartridge | None,
        pen_time_start_ms: int = 0,
        noisy: bool = True,
        defects: Defects,
    ) -> None:
        """Boots. ``rng`` gives boot id, leases and, when ``noisy``, sensor noise."""
        self.model = model
        self.plant = plant
        self.memory = memory
        self.cartridge = cartridge
        self.defects = defects
        self.boot_id = rng.getrandbits(32)
        self.nonce = 0
        self.faults = Fault(0)
        self.presses = Presses()
        self.ignore_stops = 0
        self.restarting = False
        self.media = Media(transmit, defects)
        self._sensors, self._watches = senses(model, plant, memory, rng if noisy else None)
        self._lease = LeaseKeeper(model, plant, self._watches, memory, rng)
        self._start_ms = pen_time_start_ms
        self._now = 0
        self.medium: int | None = None
        self._due = 0
        self._status_in = 0
        self._desk = RequestDesk(self)
        self.memory.log(self.pen_time_ms, LogCode.BOOT)
        self.memory.lifetime.starts += 1
        plant.release()
        self._watches.drive_ended(0)

    # What others may ask

    @property
    def pen_time_ms(self) -> int:
        """Milliseconds since the pen started, modulo 2³²."""
        return (self._start_ms + self._now) & U32_MASK

    @property
    def lease(self) -> int:
        """The live lease, 0 when there is none."""
        return self._lease.lease

    @property
    def service_key(self) -> int:
        """Key of the request that the live service lease came from, 0 when none lives."""
        return self._lease.service_key

    @property
    def running_ms(self) -> int:
        """How long the motor has been on, 0 when it is off."""
        return self._lease.running_ms(self._now)

    def raw_readings(self) -> RawReadings:
        """The sensors as they are, without the table."""
        return self._sensors.raw(self.pen_time_ms)

    @property
    def tick(self) -> int:
        """The newest tick accepted under the live lease."""
        return self._lease.tick

    @property
    def in_force(self) -> tuple[int, int]:
        """Depth (µm) and rate (mHz) the motor is driven with; 0 and 0 when it is not."""
        return self._lease.depth_in_force_um, self._lease.rate_in_force_mhz

    @property
    def refusal(self) -> Refusal:
        """Why the last refused setpoint was refused, since the lease began."""
        return self._lease.refusal

    @property
    def uptime_ms(self) -> int:
        """Milliseconds since boot, not wrapped."""
        return self._now

    @property
    def state(self) -> PenState:
        """What STATUS calls the pen's state."""
        if self.lease:
            return PenState.RUNNING if self.plant.driven else PenState.ARMED
        if self._desk.self_testing:
            return PenState.SELF_TEST
        if not self.plant.needles_home:
            return PenState.RETRACTING
        return PenState.FAULT if self.faults else PenState.IDLE

    # Bytes and time come in

    def receive(self, medium: int, data: bytes) -> None:
        """Bytes from a medium, in any pieces. Never raises, whatever the bytes, but PowerCut where the supply fails."""
        for message in self.media.feed(medium, data):
            self._handle(medium, message)
        self._set_due()

    def shift_time(self, ms: int) -> None:
        """The pen's clock jumps by so much; what it has timed goes on as it was."""
        self._start_ms = (self._start_ms + ms) & U32_MASK

    def forget(self, medium: int) -> None:
        """A medium is gone for good: its receive buffer is freed. By itself this stops nothing; silence does."""
        self.media.forget(medium)

    def step_1ms(self) -> None:
        """One millisecond passes: watches, the dead-man, STATUS. The plant is stepped by the caller, after this."""
        self._now = now = self._now + 1
        if now >= self._due:
            self._act_on_time(now)
        watches = self._watches
        if watches.awake:
            found = watches.look(now)
            if found:
                self.latch(found)
        self._status_in -= 1
        if not self._status_in and self.medium is not None:
            self._status_in = self.model.status_period_ms
            self.send(self.medium, self._status())

    def stride(self, most_ms: int, step_s: float) -> int:
        """Lets up to ``most_ms`` pass for firmware *and* plant, as far as there is nothing to do in any of them.

        Returns how many passed, 0 where the next millisecond has to be lived by :meth:`step_1ms` and the plant's own
        step. What comes out is the same, bit for bit.
        """
        watches = self._watches
        quiet = self._status_in - 1
        if quiet < 0 or quiet > most_ms:
            quiet = most_ms
        due = self._due
        if due and not self._lease.service_key and watches.nothing_slow():
            due, desk_due = self._lease.fresh_until, self._desk.due_ms
            due = min(due, desk_due)
        due -= self._now + 1
        quiet = min(quiet, due)
        if quiet <= 0:
            return 0
        bounds = watches.bounds()
        if bounds is None:
            return 0
        slowest, brown_out_v, deepest_um = bounds
        passed = self.plant.stride(quiet, step_s, speed_min=slowest, supply_min=brown_out_v, protrusion_max=deepest_um)
        self._now += passed
        self._status_in -= passed
        return passed

    def _act_on_time(self, now: int) -> None:
        """What is due now: presses, the dead-man, the slow watches, the end of a self-test."""
        if self.presses.waiting:
            self._take_presses()
        if now >= self._lease.fresh_until:
            if now >= self._lease.ends_at:
                self._end_lease(LeaseEnd.LIFETIME)
            elif self.defects.no_dead_man:
                self._lease.fresh_until = now + 1
            else:
                self.latch(Fault.DEAD_MAN)
        if not now % SLOW_CHECK_MS:
            found = self._watches.look_slowly()
            if found:
                self.latch(found)
            if self._lease.service_key and self._sensors.contact() == _ON_SKIN:
                self._end_lease(LeaseEnd.SKIN)
        if now >= self._desk.due_ms:
            self._desk.act_on_time()
        self._set_due()

    def _set_due(self) -> None:
        """The next millisecond in which something is due. Called after everything that can bring it nearer."""
        next_slow_check = self._now + SLOW_CHECK_MS - self._now % SLOW_CHECK_MS
        self._due = 0 if self.presses.waiting else min(next_slow_check, self._lease.fresh_until, self._desk.due_ms)

    def send(self, medium: int, message: Message) -> None:
        """Sends a message on a medium."""
        self.media.send(medium, message)

    # The world outside

    def press(self, code: LogCode, held_ms: int) -> None:
        """Button or pedal goes down for ``held_ms``; acted upon in the millisecond that comes."""
        self.presses.press(code, self._now + held_ms)
        self._set_due()

    def insert(self, cartridge: Cartridge) -> None:
        """A cartridge is pushed on; strokes count from here."""
        self.cartridge = cartridge
        self.memory.turns_at_insertion = self.plant.turns

    def remove_cartridge(self) -> None:
        """The cartridge is taken off; while a lease lives that is a fault."""
        self.cartridge = None
        if self.lease:
            self.latch(Fault.CARTRIDGE_REMOVED)

    def latch(self, found: int) -> None:
        """Latches faults and ends the lease; what is latched already changes nothing."""
        new = Fault(found) & ~self.faults
        if not new:
            return
        self.faults |= new
        for fault in new:
            self.memory.log(self.pen_time_ms, LogCode.FAULT, fault)
        if self.lease:
            self._end_lease(LeaseEnd.SILENCE if new == Fault.DEAD_MAN else LeaseEnd.FAULT)

    def drop_lease(self) -> None:
        """A defect: the lease ends for no reason that anybody is told."""
        if self.lease:
            self._end_lease(LeaseEnd.FAULT)

    def clear(self, named: Fault) -> Refusal:
        """Clears the named faults, all or none: NOT_READY while the cause of one of them persists."""
        if named & self.faults & self._watches.persisting(self.cartridge):
            return Refusal.NOT_READY
        cleared = named & self.faults
        if cleared:
            self.faults &= ~cleared
            self.memory.log(self.pen_time_ms, LogCode.FAULTS_CLEARED, cleared)
        return Refusal.NONE

    def _take_presses(self) -> None:
        """Presses since the last millisecond, before any STATUS of this one: who has seen it, has seen them."""
        for code in self.presses.take():
            self.memory.log(self.pen_time_ms, code)
        self._lease.pressed_at = self._now
        self._lease.motor_off(self._now)

    # Frames

    def _handle(self, medium: int, message: Message) -> None:
        if self.defects.deaf_to and self.defects.misses(message):
            return
        if isinstance(message, Hello):
            self._hello(medium, message)
        elif isinstance(message, Stop):
            self._stop()
        elif medium != self.medium:
            return
        elif isinstance(message, Setpoint):
            age_ms = (self._start_ms + self._now - message.seen_pen_time_ms) & U32_MASK
            self._lease.follow(message, self._now, age_ms)
        elif isinstance(message, Arm):
            self._arm(medium, message)
        elif isinstance(message, Disarm):
            if self.lease and message.lease == self.lease:
                self._end_lease(LeaseEnd.DISARM)
        elif isinstance(message, Request):
            self._desk.take(medium, message)

    def _hello(self, medium: int, hello: Hello) -> None:
        if not hello.nonce:
            return
        if self.lease:
            if medium != self.medium:
                self.send(medium, Busy(hello.nonce))
                return
            self._end_lease(LeaseEnd.HELLO)
        if hello.version == PROTOCOL_VERSION:
            self.medium, self.nonce = medium, hello.nonce
            self._status_in = self.model.status_period_ms
        elif medium == self.medium:
            self.medium, self.nonce = None, 0
        version = self.memory.firmware.running.version
        self.send(medium, welcome(self.model, hello.nonce, self.boot_id)._replace(firmware=version))

    def _stop(self) -> None:
        if self.ignore_stops:
            self.ignore_stops -= 1
            return
        if self.lease:
            self._end_lease(LeaseEnd.STOP)
        self._desk.abort_self_test()

    def _arm(self, medium: int, arm: Arm) -> None:
        refusal = self._lease.why_not_armed(
            arm,
            nonce=self.nonce,
            faulted=bool(self.faults),
            busy=self._desk.self_testing,
            cartridge=self.cartridge,
        )
        if not refusal and not self._lease.lease:
            self._lease.begin(arm, self._now)
            self.memory.log(self.pen_time_ms, LogCode.ARMED, self._lease.lease)
        self.send(medium, Armed(arm.key, refusal, 0 if refusal else self._lease.lease))

    def begin_service(self, asked: ServiceCeilings, key: int) -> Refusal:
        """Begins a service lease for the request with this key, or says why not."""
        if not self._sensors.has_contact:
            return Refusal.UNSUPPORTED  # it could not tell that it is on skin
        on_skin = self._sensors.contact() == _ON_SKIN
        refusal = self._lease.why_not_in_service(asked, faulted=bool(self.faults), on_skin=on_skin)
        if not refusal:
            self._lease.begin_service(asked, key, self._now)
            self.memory.log(self.pen_time_ms, LogCode.SERVICE_ARMED, self._lease.lease)
        return refusal

    def supply_lost(self) -> None:
        """The supply goes this moment: what was counted of a run is kept, as is done all the time."""
        self.memory.lifetime.ran_ms += self.running_ms

    def _end_lease(self, why: LeaseEnd) -> None:
        self._lease.end(self._now)
        self.memory.log(self.pen_time_ms, LogCode.LEASE_ENDED, why)

    # STATUS

    def _status(self) -> Status:
        # In the order of the table, without names: naming nineteen values costs as much as reading them.
        sensors, plant, lease, now = self._sensors, self.plant, self._lease, self._now
        home = plant.needles_home
        interlocks = _CARTRIDGE_PRESENT * (self.cartridge is not None) | _NEEDLES_OUT * home | self.presses.held(now)
        lives = lease.lease
        if lives:
            state = PenState.RUNNING if plant.driven else PenState.ARMED
        else:
            state = PenState.IDLE if home and not self.faults and not self._desk.self_testing else self.state
        return Status(
            (self._start_ms + now) & U32_MASK, self.boot_id, lives, lease.tick, lease.refusal, state, self.faults,
            interlocks,
            lease.depth_in_force_um if lease.sets_depth else NO_U16, sensors.depth_um(),
            lease.rate_in_force_mhz if lease.sets_rate else NO_U32, sensors.rate_mhz(),
            sensors.current_ma(), sensors.battery_permille(), sensors.temperature_dc(), sensors.contact(),
            int(plant.turns - self.memory.turns_at_insertion) & U32_MASK, self.presses.button, self.presses.pedal,
        )  # fmt: skip
