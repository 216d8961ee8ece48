"""The lease: who may move the motor, within which ceilings, and for how long without fresh word from the host.

The rules stand here in the order the protocol gives them; the first that is broken is the refusal.
"""

import random

from firmware_bridge.wire.codec import range_problem
from firmware_bridge.wire.messages import Arm, Capability, Refusal, Setpoint
from firmware_bridge.wire.service_operations import ServiceCeilings
from simulators.nonvolatile import NonVolatile
from simulators.personality import Cartridge, PenModel
from simulators.physics import Plant
from simulators.watches import NEVER, Watches

U32_MASK = 0xFFFF_FFFF


class LeaseKeeper:
    """Lease, setpoints and motor of one boot. All times are uptimes in ms, not wrapped.

    ``lease`` is 0 when none lives; ``fresh_until`` is when the dead-man acts, :data:`NEVER` when it has nothing to do.
    ``refusal`` is why the last refused setpoint was refused, since the lease began. ``ends_at`` is when a service lease
    is over, :data:`NEVER` for any other; ``service_key`` is the key of the request that it came from, else 0.
    """

    __slots__ = (
        "_arm_key",
        "_depth_ceiling_um",
        "_driven_since",
        "_memory",
        "_model",
        "_plant",
        "_rate_ceiling_mhz",
        "_rng",
        "_watches",
        "depth_in_force_um",
        "ends_at",
        "fresh_until",
        "lease",
        "pressed_at",
        "rate_in_force_mhz",
        "refusal",
        "service_key",
        "sets_depth",
        "sets_rate",
        "tick",
    )

    def __init__(
        self, model: PenModel, plant: Plant, watches: Watches, memory: NonVolatile, rng: random.Random
    ) -> None:
        self._model = model
        self._plant = plant
        self._watches = watches
        self._memory = memory
        self._rng = rng
        self._driven_since = 0
        self._arm_key = 0
        self._depth_ceiling_um = 0
        self._rate_ceiling_mhz = 0
        self.sets_depth = bool(model.capabilities & Capability.DEPTH_SET)
        self.sets_rate = bool(model.capabilities & Capability.RATE_SET)
        self.lease = 0
        self.tick = 0
        self.refusal = Refusal.NONE
        self.fresh_until = self.ends_at = NEVER
        self.service_key = 0
        self.pressed_at = -NEVER
        self.depth_in_force_um = 0
        self.rate_in_force_mhz = 0

    # Arming

    def why_not_armed(  # one return for each reason, in the protocol's order
        self, arm: Arm, *, nonce: int, faulted: bool, busy: bool, cartridge: Cartridge | None
    ) -> Refusal:
        """Why there is no lease for this ARM; NONE also for a repeat of the ARM whose lease lives."""
        model = self._model
        if arm.nonce != nonce:
            return Refusal.NONCE
        # A pen without a dead-man ought to refuse here, too. NW-NO-DEAD-MAN does not, on purpose: on it a host shows
        # that it refuses by itself, and `needlework conform` that it finds such a pen.
        if not model.capabilities & (Capability.DEPTH_SET | Capability.DEPTH_SENSED):
            return Refusal.UNSUPPORTED
        if self.lease:
            return Refusal.NONE if arm.key == self._arm_key else Refusal.ARMED
        if faulted:
            return Refusal.FAULTED
        if busy:
            return Refusal.BUSY
        depth_possible = 0 < arm.depth_ceiling_um <= model.depth_max_um
        rate_possible = 0 < arm.rate_ceiling_mhz <= model.rate_max_mhz
        if not (arm.key and depth_possible and rate_possible):
            return Refusal.RANGE
        identified = model.capabilities & Capability.CARTRIDGE_IDENTIFIED
        if cartridge is None or (identified and arm.cartridge_tag != cartridge.tag):
            return Refusal.CARTRIDGE
        return Refusal.NOT_READY if self._memory.firmware.on_trial else self._watches.why_not_ready()

    def why_not_in_service(self, asked: ServiceCeilings, *, faulted: bool, on_skin: bool) -> Refusal:
        """Why there is no service lease; what every request is refused for was looked at before."""
        model = self._model
        if faulted:
            return Refusal.FAULTED
        depth_possible = 0 < asked.depth_ceiling_um <= model.depth_max_um
        if not (depth_possible and 0 < asked.rate_ceiling_mhz <= model.rate_max_mhz):
            return Refusal.RANGE
        return Refusal.NOT_READY if on_skin else self._watches.why_not_ready()

    def begin(self, arm: Arm, now_ms: int) -> None:
        """A new lease, with the ceilings asked for; it is fresh for one dead-man time."""
        self._begin(arm.depth_ceiling_um, arm.rate_ceiling_mhz, now_ms)
        self._arm_key = arm.key

    def begin_service(self, asked: ServiceCeilings, key: int, now_ms: int) -> None:
        """A new service lease, as any other, and over after the time asked for."""
        self._begin(asked.depth_ceiling_um, asked.rate_ceiling_mhz, now_ms)
        self.service_key = key
        self.ends_at = now_ms + asked.lifetime_ms
        self.fresh_until = min(self.fresh_until, self.ends_at)

    def _begin(self, depth_ceiling_um: int, rate_ceiling_mhz: int, now_ms: int) -> None:
        self.lease = self._rng.randint(1, U32_MASK)
        self.tick = 0
        self.refusal = Refusal.NONE
        self._depth_ceiling_um = depth_ceiling_um
        self._rate_ceiling_mhz = rate_ceiling_mhz
        self._watches.set_ceiling(depth_ceiling_um)
        if self._model.capabilities & Capability.DEAD_MAN:
            self.fresh_until = now_ms + self._model.dead_man_ms

    def end(self, now_ms: int) -> None:
        """No lease any more: motor off, needles on their way out."""
        self.lease = 0
        self.tick = 0
        self._arm_key = self.service_key = 0
        self.fresh_until = self.ends_at = NEVER
        self._watches.set_ceiling(None)
        self.motor_off(now_ms)

    # Setpoints

    def follow(self, setpoint: Setpoint, now_ms: int, age_ms: int) -> None:
        """Follows a setpoint whose STATUS is ``age_ms`` old, or notes why not and leaves everything as it is."""
        refusal = self._why_not_followed(setpoint, now_ms, age_ms)
        if refusal:
            self.refusal = refusal
            return
        self.tick = setpoint.tick
        self.fresh_until = min(max(self.fresh_until, now_ms - age_ms + self._model.dead_man_ms), self.ends_at)
        if setpoint.motor:
            self.motor_on(setpoint, now_ms)
        else:
            self.motor_off(now_ms)

    def _why_not_followed(  # one return for each reason, in the protocol's order
        self, setpoint: Setpoint, now_ms: int, age_ms: int
    ) -> Refusal:
        if not self.lease or setpoint.lease != self.lease:
            return Refusal.LEASE
        if self._out_of_range(setpoint):
            return Refusal.RANGE
        if setpoint.tick <= self.tick:
            return Refusal.OLD_TICK
        if age_ms >= self._model.dead_man_ms:
            return Refusal.STALE
        if self.sets_depth and setpoint.depth_um > self._depth_ceiling_um:
            return Refusal.DEPTH_CEILING
        if self.sets_rate and setpoint.rate_mhz > self._rate_ceiling_mhz:
            return Refusal.RATE_CEILING
        if setpoint.motor and now_ms - age_ms < self.pressed_at:
            return Refusal.PRESSED
        return Refusal.NONE

    def _out_of_range(self, setpoint: Setpoint) -> bool:
        if range_problem(setpoint) is not None:
            return True
        model, motor = self._model, setpoint.motor
        depth, rate = setpoint.depth_um, setpoint.rate_mhz
        if self.sets_depth and (depth or motor):
            inside = model.depth_min_um <= depth <= model.depth_max_um
            if not inside or depth % model.depth_step_um:
                return True
        if self.sets_rate and (rate or motor):
            inside = model.rate_min_mhz <= rate <= model.rate_max_mhz
            if not inside or rate % model.rate_step_mhz:
                return True
        return False

    # The motor

    def motor_on(self, setpoint: Setpoint, now_ms: int) -> None:
        """Drives the motor at this depth and rate, or at those of the dials."""
        self.depth_in_force_um = setpoint.depth_um if self.sets_depth else self._model.dial_depth_um
        self.rate_in_force_mhz = setpoint.rate_mhz if self.sets_rate else self._model.dial_rate_mhz
        slowest_from_um = self._model.slowest_from_um
        if slowest_from_um is not None and self.depth_in_force_um >= slowest_from_um:
            self.rate_in_force_mhz = self._model.rate_min_mhz
        if not self._plant.driven:
            self._watches.drive_began()
            self._driven_since = now_ms
        depth_um, rate_hz = float(self.depth_in_force_um), self.rate_in_force_mhz / 1000.0
        adjustment = self._memory.adjustment
        if adjustment.number:
            if self.sets_depth:
                depth_um = adjustment.scale_of(depth_um)
            if self.sets_rate:
                rate_hz /= adjustment.rate_gain
        self._plant.drive(depth_um, rate_hz)

    def motor_off(self, now_ms: int) -> None:
        """Drive off at once, needles on their way out; the lease is not touched."""
        self.depth_in_force_um = self.rate_in_force_mhz = 0
        if self._plant.driven:
            self._memory.lifetime.ran_ms += self.running_ms(now_ms)
            self._plant.release()
            self._watches.drive_ended(now_ms)

    def running_ms(self, now_ms: int) -> int:
        """How long the motor has been on by now, 0 when it is off."""
        return now_ms - self._driven_since if self._plant.driven else 0
