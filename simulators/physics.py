"""What the parts of a pen do in time: motor, depth actuator, tissue, battery, heat.

:class:`Plant` is stepped with the time that passed; it reads no clock and draws no random number. Its state is plain
floats in slots, because a campaign steps it a thousand times for each second of a pen's life.

The models, all lumped and quasi-static where the time constant is far under a millisecond:

* Motor: brushed DC, ``i = (v − k ω) / R`` (its electrical time constant, about 0.03 ms, is left out),
  ``J dω/dt = k i − T_friction − b ω − T_tissue``. The driver puts out the voltage that gives the wanted speed with
  nothing to do, ``v = k ω* + R (T_friction + b ω*) / k``, at most the supply. Under load the speed droops by
  ``R T / (k² + R b)``. Undriven, its terminals are shorted and it brakes itself.
* One turn of the motor is one stroke. A stroke into tissue of depth ``d`` costs ``c · n · d²`` for ``n`` needles, so
  the mean torque is ``c · n · d² / 2π``.
* Depth actuator: moves at constant speed to its target; the needle carriage follows it with play (backlash).
  Where a mechanism was built too deep, its target is so too.
  Protrusion is where the needles' lower turning point lies, measured from the cartridge's face; negative is inside.
* Battery: open-circuit voltage linear in charge, internal resistance. Heat: one node, loses to the air.
"""

from dataclasses import replace
from difflib import get_close_matches
from math import tau

from simulators.errors import UnknownZone
from simulators.parts import NO_SKIN, TISSUE_J_PER_M2, PlantParameters

SETTLE_EVERY_S = 0.0095
"""Charge and heat, which move over minutes, are booked in strides of 10 ms; current and supply move at every step."""

SUPPLY_FLOOR_V = 0.1
"""Below this the driver puts out nothing; kept above zero because currents are computed by dividing by it."""


class Plant:
    """A pen's parts at one moment, and how they move on.

    The firmware calls ``drive`` and ``release``, the world sets the zone, the touch and the troubles; everything else
    is read. Lengths in µm, speed in rad/s, volts, amperes, coulombs, °C.

    Troubles, set from outside to break the pen: ``jammed`` (the motor cannot turn), ``depth_stuck`` (the actuator does
    not move), ``depth_sensor_drift_um`` (shown minus true), ``depth_sensor_dead``, ``wet`` (fluid behind the membrane),
    ``supply_drop_v`` (lost between cells and driver), ``driver_gain`` (voltage put out over voltage wanted),
    ``rate_sensor_gain`` (shown over true), ``contact_stuck`` (what the contact sensor shows, None when it works), and
    :meth:`wear`. ``rate_gain`` is true rate over what the tachometer would show of it, 1 where the pen is true.
    """

    __slots__ = (
        "_drawn_c", "_follows_motor", "_half_play_um", "_heat_j", "_needles", "_rest_v", "_sheet", "_unsettled_s",
        "_wanted_v", "_work_nm_um2", "_worn", "actuator_um", "charge_c", "contact_stuck", "current_a",
        "depth_sensor_dead", "depth_sensor_drift_um", "depth_stuck", "drive_gain", "drive_offset_um", "driven",
        "driver_gain", "jammed", "needle_drag", "parameters", "protrusion_um", "rate_gain", "rate_sensor_gain",
        "skin", "speed_rad_s", "supply_drop_v", "supply_v", "target_um", "temperature_c", "touching", "turns", "wet",
        "zone",
    )  # fmt: skip

    def __init__(self, parameters: PlantParameters, *, needles: int = 12, zone: str = "cheek") -> None:
        """A pen at rest: needles inside, battery full, at air temperature. Raises UnknownZone."""
        p = parameters
        self.parameters = self._sheet = p
        self._worn: dict[str, dict[str, float]] = {}
        self._half_play_um = p.backlash_um / 2.0
        self._wanted_v = 0.0
        self._drawn_c = 0.0
        self._heat_j = 0.0
        self._unsettled_s = 0.0
        self.driven = False
        self.target_um = p.park_um
        self.actuator_um = p.park_um
        self.protrusion_um = p.park_um
        self.speed_rad_s = 0.0
        self.current_a = 0.0
        self.turns = 0.0
        self.charge_c = p.battery_full_c
        self.supply_v = self._rest_v = p.battery_full_v - p.electronics_a * p.battery_ohm
        self.temperature_c = p.air_c
        self.jammed = False
        self.depth_stuck = False
        self.drive_gain = 1.0
        self.drive_offset_um = p.drive_offset_um
        self.depth_sensor_drift_um = 0.0
        self.depth_sensor_dead = False
        self.wet = False
        self.supply_drop_v = 0.0
        self.driver_gain = self.rate_sensor_gain = self.needle_drag = self.rate_gain = 1.0
        self.contact_stuck: bool | None = None
        self._needles = needles
        self._follows_motor = True
        self.touching = False
        self.skin = True
        self.zone = ""
        self._work_nm_um2 = 0.0
        self.hold_on(zone)

    def drive(self, depth_um: float, rate_hz: float) -> None:
        """Motor on: needles to ``depth_um``, ``rate_hz`` strokes a second wanted."""
        p = self._sheet  # the driver reckons with the motor it was made for, not with a worn one
        speed = rate_hz * tau
        drag_nm = p.friction_nm + p.viscous_nm_s * speed
        wanted_v = p.torque_constant_nm_a * speed + p.winding_ohm * drag_nm / p.torque_constant_nm_a
        self._wanted_v = wanted_v * self.driver_gain
        self.target_um = self.drive_gain * depth_um + self.drive_offset_um
        self.driven = True
        if self._follows_motor:
            self.touching = True

    def release(self) -> None:
        """Motor drive off, needles to their park position. A turning motor brakes itself; at rest it has no current."""
        self.driven = False
        if self.speed_rad_s == 0.0:
            self.current_a = 0.0
        self.target_um = self.parameters.park_um
        if self._follows_motor:
            self.touching = False

    def hold_on(self, zone: str, *, touching: bool | None = None) -> None:
        """The hand moves to ``zone``. ``touching`` None: it presses the pen on whenever the motor is driven.

        Raises UnknownZone.
        """
        energy_j_m2 = TISSUE_J_PER_M2.get(zone)
        if energy_j_m2 is None:
            near = get_close_matches(zone, TISSUE_J_PER_M2, n=3) or list(TISSUE_J_PER_M2)
            raise UnknownZone(f"The simulated skin has no zone {zone!r}. Nearest: {', '.join(near)}.")
        self.zone = zone
        self.skin = zone not in NO_SKIN
        self._follows_motor = touching is None
        self.touching = self.driven if touching is None else touching
        self._work_nm_um2 = energy_j_m2 * self._needles / tau * 1e-12 * self.needle_drag

    def hold_as(self, other: "Plant") -> None:
        """The hand holds this pen where, and as, it held the other one."""
        self.hold_on(other.zone, touching=None if other.follows_motor else other.touching)

    def blunt(self, needle_drag: float) -> None:
        """The needles meet so many times the resistance of sharp ones."""
        self.needle_drag = needle_drag
        self.hold_on(self.zone, touching=None if self._follows_motor else self.touching)

    def wear(self, why: str, **factors: float) -> None:
        """Parts are worn, each named number so many times that of the data sheet; without one, ``why`` ends."""
        self._worn[why] = factors
        if not factors:
            del self._worn[why]
        worn: dict[str, float] = {}
        for one in self._worn.values():
            for name, factor in one.items():
                worn[name] = worn.get(name, getattr(self._sheet, name)) * factor
        self.parameters = replace(self._sheet, **worn)
        self._half_play_um = self.parameters.backlash_um / 2.0

    def fit_needles(self, needles: int) -> None:
        """Another cartridge, with ``needles`` needles."""
        self._needles = needles
        self.hold_on(self.zone, touching=None if self._follows_motor else self.touching)

    @property
    def on_skin(self) -> bool:
        """The needles touch skin; what is no skin loads them as well."""
        return self.touching and self.skin

    @property
    def follows_motor(self) -> bool:
        """The hand presses the pen on whenever its motor runs."""
        return self._follows_motor

    @property
    def sheet(self) -> PlantParameters:
        """The parts as the pen was made, unworn."""
        return self._sheet

    @property
    def carriage_um(self) -> float:
        """What the pen's own scale stands at; the truth, unless the pen is not true."""
        return self.protrusion_um

    def least_protrusion_at(self, carriage_um: float) -> float:
        """The needles are at least here when the carriage is at ``carriage_um`` or beyond."""
        return carriage_um

    @property
    def rate_hz(self) -> float:
        """True strokes a second."""
        return self.speed_rad_s / tau

    @property
    def charge(self) -> float:
        """Share of the battery's charge left, 0 to 1."""
        return self.charge_c / self.parameters.battery_full_c

    @property
    def supply_at_rest_v(self) -> float:
        """What the supply comes to with the motor off."""
        return self._rest_v - self.supply_drop_v

    @property
    def needles_home(self) -> bool:
        """The home switch: needles truly behind the cartridge's face."""
        return self.protrusion_um <= self.parameters.home_um

    def step(self, dt_s: float) -> None:
        """Moves on by ``dt_s`` seconds; made for 0.001, stable up to about 0.02."""
        actuator = self.actuator_um
        if actuator != self.target_um and not self.depth_stuck:
            self._move_carriage(actuator, dt_s)
        speed = self.speed_rad_s
        if self.driven:
            p = self.parameters
            constant = p.torque_constant_nm_a
            ohm = p.winding_ohm
            supply = self.supply_v
            volts = self._wanted_v
            if volts > supply:  # noqa: PLR1730  # a call would cost a tenth of this whole step
                volts = supply
            current = (volts - constant * speed) / ohm
            if current > p.current_limit_a:
                current = p.current_limit_a
            elif current < -p.current_limit_a:
                current = -p.current_limit_a
            drag_nm = p.friction_nm + p.viscous_nm_s * speed
            load_nm = drag_nm
            if self.touching:
                protrusion = self.protrusion_um
                if protrusion > 0.0:
                    load_nm += self._work_nm_um2 * protrusion * protrusion
            speed += (constant * current - load_nm) / p.inertia_kg_m2 * dt_s
            if speed < 0.0 or self.jammed:
                speed = 0.0
            self.speed_rad_s = speed
            self.current_a = current
            self.turns += speed * dt_s / tau
            self._heat_j += (current * current * ohm + drag_nm * speed) * dt_s
            if current > 0.0:
                battery_a = current * volts / supply
                self._drawn_c += battery_a * dt_s
                supply = self._rest_v - battery_a * p.battery_ohm - self.supply_drop_v
                self.supply_v = supply if supply > SUPPLY_FLOOR_V else SUPPLY_FLOOR_V  # noqa: FURB136  # as above
        elif speed > 0.0:
            self._brake(speed, dt_s)
        self._unsettled_s += dt_s
        if self._unsettled_s >= SETTLE_EVERY_S:
            self._settle()

    def stride(self, steps: int, dt_s: float, *, speed_min: float, supply_min: float, protrusion_max: float) -> int:
        """As so many calls of :meth:`step`, bit for bit, at a fraction of their cost. Returns how many were made.

        It ends early, after the step that did it, when a driven motor is slower than ``speed_min`` (rad/s), its supply
        under ``supply_min`` (V), or the needles are beyond ``protrusion_max`` (µm): then somebody has to look.
        """
        if not self.driven:
            return self._stride_undriven(steps, dt_s, protrusion_max)
        made = 0
        while made < steps and self.actuator_um != self.target_um and not self.depth_stuck:
            self.step(dt_s)
            made += 1
            if self.protrusion_um > protrusion_max or self.speed_rad_s < speed_min or self.supply_v < supply_min:
                return made
        if made < steps and not self.jammed:
            made += self._stride_driven(steps - made, dt_s, speed_min, supply_min)
        return made

    def _stride_undriven(self, steps: int, dt_s: float, protrusion_max: float) -> int:
        made = 0
        while made < steps and (
            self.speed_rad_s > 0.0 or (self.actuator_um != self.target_um and not self.depth_stuck)
        ):
            self.step(dt_s)
            made += 1
            if self.protrusion_um > protrusion_max:
                return made
        # At rest only time passes: charge and heat are booked when their stride is full.
        unsettled_s = self._unsettled_s
        for _ in range(steps - made):
            unsettled_s += dt_s
            if unsettled_s >= SETTLE_EVERY_S:
                self._unsettled_s = unsettled_s
                self._settle()
                unsettled_s = 0.0
        self._unsettled_s = unsettled_s
        return steps

    def _stride_driven(  # noqa: PLR0915 - one loop, unrolled: calls would cost more than the sums
        self, steps: int, dt_s: float, speed_min: float, supply_min: float
    ) -> int:
        """The motor alone, its needles where they are to be: the same sums as in :meth:`step`, in the same order."""
        p = self.parameters
        constant, ohm, most_a = p.torque_constant_nm_a, p.winding_ohm, p.current_limit_a
        friction, viscous, inertia = p.friction_nm, p.viscous_nm_s, p.inertia_kg_m2
        battery_ohm, rest_v, drop_v = p.battery_ohm, self._rest_v, self.supply_drop_v
        protrusion = self.protrusion_um
        tissue_nm = self._work_nm_um2 * protrusion * protrusion if self.touching and protrusion > 0.0 else 0.0
        speed, supply, wanted_v, current = self.speed_rad_s, self.supply_v, self._wanted_v, self.current_a
        turns, heat_j, drawn_c, unsettled_s = self.turns, self._heat_j, self._drawn_c, self._unsettled_s
        made = 0
        while made < steps:
            made += 1
            volts = wanted_v
            if volts > supply:  # noqa: PLR1730 - a call would cost as much as the rest
                volts = supply
            current = (volts - constant * speed) / ohm
            if current > most_a:
                current = most_a
            elif current < -most_a:
                current = -most_a
            drag_nm = friction + viscous * speed
            before = speed
            speed += (constant * current - (drag_nm + tissue_nm)) / inertia * dt_s
            speed = max(speed, 0.0)
            turned = speed * dt_s / tau
            turns += turned
            heated_j = (current * current * ohm + drag_nm * speed) * dt_s
            heat_j += heated_j
            if current > 0.0:
                battery_a = current * volts / supply
                drawn_c += battery_a * dt_s
                supply = rest_v - battery_a * battery_ohm - drop_v
                supply = max(supply, SUPPLY_FLOOR_V)
            unsettled_s += dt_s
            if unsettled_s >= SETTLE_EVERY_S:
                self.supply_v, self._heat_j, self._drawn_c, self._unsettled_s = supply, heat_j, drawn_c, unsettled_s
                self._settle()
                rest_v, heat_j, drawn_c, unsettled_s = self._rest_v, 0.0, 0.0, 0.0
            if speed < speed_min or supply < supply_min:
                break
            if speed == before and current > 0.0 and volts < supply:
                # Speed has settled to its last bit: until something changes, each step adds the same again.
                watts = current * volts
                while made < steps and volts < supply and supply >= supply_min:
                    made += 1
                    turns += turned
                    heat_j += heated_j
                    battery_a = watts / supply
                    drawn_c += battery_a * dt_s
                    supply = rest_v - battery_a * battery_ohm - drop_v
                    unsettled_s += dt_s
                    if unsettled_s >= SETTLE_EVERY_S:
                        self.supply_v, self._heat_j = supply, heat_j
                        self._drawn_c, self._unsettled_s = drawn_c, unsettled_s
                        self._settle()
                        rest_v, heat_j, drawn_c, unsettled_s = self._rest_v, 0.0, 0.0, 0.0
                if supply < supply_min:
                    break
        self.speed_rad_s, self.supply_v, self.current_a = speed, supply, current
        self.turns, self._heat_j, self._drawn_c, self._unsettled_s = turns, heat_j, drawn_c, unsettled_s
        return made

    def _move_carriage(self, actuator_um: float, dt_s: float) -> None:
        """The actuator goes toward its target, the carriage follows with play."""
        reach_um = self.parameters.actuator_um_s * dt_s
        way_um = self.target_um - actuator_um
        if -reach_um <= way_um <= reach_um:
            actuator_um = self.target_um
        else:
            actuator_um += reach_um if way_um > 0.0 else -reach_um
        self.actuator_um = actuator_um
        play_um = self._half_play_um
        if self.protrusion_um < actuator_um - play_um:
            self.protrusion_um = actuator_um - play_um
        elif self.protrusion_um > actuator_um + play_um:
            self.protrusion_um = actuator_um + play_um

    def _brake(self, speed_rad_s: float, dt_s: float) -> None:
        """The undriven motor turns out against its shorted winding."""
        p = self.parameters
        current = -p.torque_constant_nm_a * speed_rad_s / p.winding_ohm
        drag_nm = p.friction_nm + p.viscous_nm_s * speed_rad_s
        speed = speed_rad_s + (p.torque_constant_nm_a * current - drag_nm) / p.inertia_kg_m2 * dt_s
        self.speed_rad_s = 0.0 if speed < 0.0 or self.jammed else speed
        self.current_a = current if self.speed_rad_s > 0.0 else 0.0
        self.turns += self.speed_rad_s * dt_s / tau
        self._heat_j += (current * current * p.winding_ohm + drag_nm * speed_rad_s) * dt_s

    def _settle(self) -> None:
        """Books what was drawn from the battery and turned into heat since the last time."""
        p = self.parameters
        elapsed_s = self._unsettled_s
        charge = self.charge_c - self._drawn_c - p.electronics_a * elapsed_s
        self.charge_c = charge = charge if charge > 0.0 else 0.0  # noqa: FURB136 - a call costs more than all of it
        open_v = p.battery_empty_v + (p.battery_full_v - p.battery_empty_v) * charge / p.battery_full_c
        self._rest_v = open_v - p.electronics_a * p.battery_ohm
        if not self.driven:
            self.supply_v = max(self._rest_v - self.supply_drop_v, SUPPLY_FLOOR_V)
        heat_w = self._heat_j / elapsed_s + p.electronics_a * self._rest_v
        lost_w = (self.temperature_c - p.air_c) / p.heat_to_air_k_w
        self.temperature_c += (heat_w - lost_w) * elapsed_s / p.heat_capacity_j_k
        self._unsettled_s = self._drawn_c = self._heat_j = 0.0
