"""The safety invariants, watched at every step of a story. What is true is the simulator's plant, never the core.

A :class:`Watch` observes a rig. It keeps its own record of what people did (:mod:`proving.people`) and of what was
sent, its own limits (:mod:`proving.oracle`), and compares both with what motor and needles really do. Numbers in names
and sentences are the invariants of the design; 0 is a hazard's own control.
"""

from controller.machine import step
from controller.plan import ResolvedPlan
from controller.state import RETRACT_SLACK_MS, MachineState
from firmware_bridge.wire.messages import Fault, Setpoint
from proving.oracle import Calibrated
from proving.people import PAUSED, People
from proving.rig import TICK_MS, Rig
from simulators.pen import SimulatedPen
from simulators.personality import day_number

PLAY_UM = 10.0
"""Half the simulated carriage's play: needles drawn back to a depth stay so much deeper."""

FOLLOW_MS = 3000
"""By then a setpoint has come to what was asked, however gently it is brought there."""

STOP_ON_A_GOOD_LINE_MS = 2 * TICK_MS + 10
"""STOP at once, and once more should a piece of garbage have swallowed the first."""

CONTACT_MS = 1000
"""Host and pen have understood each other for so long: now the one knows what the other is doing."""

RECONNECT_MS = 6000
"""On a line that is good again host and pen find each other: silence noticed, back-off, HELLO."""

U32 = 1 << 32


class Watch(People):
    """Watches one story. Times are the rig's ms, which are also the milliseconds the pen has lived."""

    def __init__(self, pen: SimulatedPen, plan: ResolvedPlan, calibrated: Calibrated) -> None:
        super().__init__(pen, plan, calibrated)
        self.used_in: dict[int, str] = {}
        self.sent_by_tick: dict[int, Setpoint] = {}
        self.lease = self.tick = 0
        self.boot_id = pen.firmware.boot_id
        self.fresh_until_ms = -1
        self.driven = False
        self.drive_began_ms = 0
        self.deep_since_ms: int | None = None
        self.stuck_since_ms: int | None = None
        self.stuck_until_ms = -(10**9)
        self.still_since_ms: int | None = None
        self.low_since_ms: int | None = None
        self.passed_at_ms = 0
        self.disturbed = False
        self.contact_since_ms = 0
        self.line_good_since_ms = 0
        self.motor_on_ms = 0
        self.setpoints = 0
        self.leases = 0

    # Every time something may have changed ---------------------------------------------------------------------------

    def passed(self, rig: Rig) -> None:
        """Time has passed."""
        now_ms, pen = rig.now_ms, self.pen
        before_ms, self.passed_at_ms = self.passed_at_ms, now_ms
        self.now_ms = now_ms
        firmware, plant = pen.firmware, pen.plant
        if firmware.boot_id != self.boot_id or firmware.lease != self.lease:
            self._lease_changed(rig)
        if firmware.tick != self.tick:
            self._setpoint_taken(rig)
        if plant.driven is not self.driven:
            self._drive_changed(rig)
        if pen.driven_at_ms > before_ms:
            self.motor_on_ms += pen.driven_at_ms - before_ms
            self._driven(rig)
        elif not plant.needles_home:
            self._needles_come_out(rig)
        if now_ms % TICK_MS == 0:
            self._contact(rig)

    def _lease_changed(self, rig: Rig) -> None:
        firmware = self.pen.firmware
        if firmware.boot_id != self.boot_id:
            self.boot_id = firmware.boot_id
            if rig.state.stopping is not None:
                self.must_clear = ""  # what the pen had to tell went with its memory before the host could hear it
        if self.lease and not self.asked_to_end and not firmware.lease:
            self._to_be_cleared("the lease ended by itself")
        self.ended_at_ms = None
        if firmware.lease:
            self.leases += 1
            # What was sent for the lease before counts no more; what was asked of a motor before, neither.
            self.sent_by_tick.clear()
            self.start_acts = 0
            self.asked_to_end = True  # until the host takes it for its own
            self.fresh_until_ms = -1
        self.lease = firmware.lease
        self.tick = 0

    def _setpoint_taken(self, rig: Rig) -> None:
        firmware = self.pen.firmware
        tick = firmware.tick
        if tick < self.tick:
            self.fail(3, "only newer setpoints", f"the pen went back from tick {self.tick} to {tick}")
        self.tick = tick
        if not tick:
            return
        sent = self.sent_by_tick.get(tick)
        if sent is None or sent.lease != self.lease:
            self.fail(2, "only what the host sent", f"the pen follows tick {tick}, which the host never sent so")
            return
        age_ms = (firmware.pen_time_ms - sent.seen_pen_time_ms) % U32
        if age_ms >= self.dead_man_ms:
            self.fail(3, "only fresh setpoints", f"the pen follows a setpoint decided on a status {age_ms} ms old")
        self.fresh_until_ms = max(self.fresh_until_ms, self.now_ms - age_ms + self.dead_man_ms)
        plant = self.pen.plant
        if plant.driven:
            if not sent.motor:
                self.fail(2, "only what the host sent", f"the motor is driven, and tick {tick} says off")
            if self.now_ms - age_ms < self.pressed_at_ms:
                self.fail(4, "a press stops", "the pen follows a motor-on decided before its button was pressed")
            in_force_um, in_force_mhz = firmware.in_force
            asked_um = sent.depth_um if self.sets_depth else self.pen.model.dial_depth_um
            asked_mhz = sent.rate_mhz if self.sets_depth else self.pen.model.dial_rate_mhz
            if (in_force_um, in_force_mhz) != (asked_um, asked_mhz):
                self.fail(
                    1, "only what the host sent",
                    f"in force are {in_force_um} µm and {in_force_mhz} mHz, asked {asked_um} µm and {asked_mhz} mHz",
                )  # fmt: skip

    def _drive_changed(self, rig: Rig) -> None:
        pen = self.pen
        self.driven = pen.plant.driven
        if not self.driven:
            return
        self.drive_began_ms = self.now_ms
        self.stopped_at_ms = None
        self.start_acts -= 1
        if self.start_acts < 0:
            self.fail(3, "a person starts the motor", "the motor went on without a start or a press since it went off")
        cartridge, session = pen.cartridge, self.session
        if session is None:
            self.fail(2, "no motor without a session", "the motor went on and no session is open")
            return
        if cartridge is None:
            self.fail(2, "no motor without a cartridge", "the motor went on and no cartridge is on")
            return
        used_in = self.used_in.setdefault(cartridge.tag, session)
        if used_in != session:
            self.fail(2, "a cartridge is used once", f"the cartridge was used in {used_in}, now in {session}")
        today = day_number(rig.today)
        if self.today_at_arming and cartridge.expiry_day < self.today_at_arming:
            self.fail(2, "a cartridge in date", f"expired {self.today_at_arming - cartridge.expiry_day} days ago")
        calibration = pen.memory.calibration
        if not calibration.valid or calibration.due_day <= (self.today_at_arming or today):
            self.fail(2, "a valid calibration", "the pen's calibration is not valid or was due")
        self._kept(rig, self.today_at_arming or today)
        if self.open_points:
            self.fail(2, "a passed checklist", f"not confirmed: {', '.join(sorted(self.open_points))}")

    def _kept(self, rig: Rig, today: int) -> None:
        """What site and clinic say of the pen lets it treat."""
        standing, rules = rig.kept.standing, rig.kept.rules
        if standing.quarantined is not None or not standing.known:
            self.fail(2, "no motor in quarantine", "the motor went on, and the site keeps the pen out of use")
        if rules.firmware is not None and self.pen.model.firmware not in rules.firmware:
            self.fail(2, "an allowed firmware", f"the motor went on, and the pen runs {self.pen.model.firmware}")
        interval = rules.due.interval_days
        if interval is not None and self.pen.memory.calibration.calibrated_day + interval < today:
            self.fail(2, "a valid calibration", f"calibrated longer than the clinic's {interval} days ago")

    def _driven(self, rig: Rig) -> None:
        """The motor was driven within the time that has just passed."""
        pen, now_ms = self.pen, self.now_ms
        driven_at_ms, plant, firmware = pen.driven_at_ms, pen.plant, pen.firmware
        deepest_um = pen.take_deepest_driven_um()
        allowed_um = self._deepest_allowed_um(now_ms)
        if deepest_um <= allowed_um or self._dial_shows_less(deepest_um, allowed_um):
            self.deep_since_ms = None
        elif not self.sets_depth and driven_at_ms - (self.deep_since_ms or driven_at_ms) <= self.dead_man_ms:
            # A dial's depth is not known before the needles are out: the first measurement ends it.
            self.deep_since_ms = self.deep_since_ms or driven_at_ms
        else:
            self.fail(
                1, "never deeper than the limit",
                f"the needles stood {deepest_um:.0f} µm deep in the zone {self.zone}, the limits there and in the "
                f"moments before come to {allowed_um:.0f} µm",
            )  # fmt: skip
        if driven_at_ms >= self.fresh_until_ms and self.lease:
            self.fail(
                3, "the dead-man time",
                f"the motor is driven {driven_at_ms - self.fresh_until_ms + self.dead_man_ms} ms after the newest "
                f"status the host had seen; {self.dead_man_ms} ms are allowed",
            )  # fmt: skip
        if plant.driven and (not firmware.lease or pen.booting):
            self.fail(2, "no motor without a lease", "the motor is driven and the pen holds no lease")
        if plant.driven and pen.cartridge is None:
            self.fail(2, "no motor without a cartridge", "the motor is driven and the cartridge is off")
        if self.stopped_at_ms is not None and driven_at_ms > self.stopped_at_ms:
            late_ms = driven_at_ms - self.stopped_at_ms
            good = self.line_good_since_ms < self.stopped_at_ms and late_ms > STOP_ON_A_GOOD_LINE_MS
            if late_ms > self.dead_man_ms or good:
                self.fail(4, "STOP stops", f"the motor is driven {late_ms} ms after STOP" + " on a good line" * good)
        if self.drive_began_ms <= self.pressed_at_ms < driven_at_ms - 1:
            self.fail(4, "a press stops", "the motor is still driven after the pen's button was pressed")
        self._strain(driven_at_ms)

    def _dial_shows_less(self, depth_um: float, allowed_um: float) -> bool:
        """Nothing but its sensor tells where a dial stands. One that shows too little, by so much that what it shows is
        within the tolerance, is believed: what is left of that risk is for the safety case, no host can do better."""
        drift_um, tolerance_um = self.pen.plant.depth_sensor_drift_um, self.plan.profile.depth_tolerance_um
        return not self.sets_depth and drift_um < 0 and depth_um + drift_um <= allowed_um + tolerance_um

    def _strain(self, driven_at_ms: int) -> None:
        """A motor that does not turn, or has not the supply it needs, is not driven on."""
        plant, model = self.pen.plant, self.pen.model
        if plant.driven and plant.speed_rad_s == 0.0:
            self.still_since_ms = driven_at_ms if self.still_since_ms is None else self.still_since_ms
            if driven_at_ms - self.still_since_ms > 150:
                self.fail(0, "a stalled motor is let go", "the motor is driven and has stood still for 150 ms")
        else:
            self.still_since_ms = None
        if plant.driven and plant.supply_v < model.brown_out_v:
            self.low_since_ms = driven_at_ms if self.low_since_ms is None else self.low_since_ms
            if driven_at_ms - self.low_since_ms > 30:
                self.fail(0, "a brown-out ends the drive", f"driven at {plant.supply_v:.1f} V for 30 ms")
        else:
            self.low_since_ms = None

    def _deepest_allowed_um(self, now_ms: int) -> float:
        """The greatest limit of the last dead-man and retract time: so long an older setpoint may be under way."""
        bounds, since_ms = self.bounds_um, now_ms - self.dead_man_ms - self.retract_ms
        while len(bounds) > 1 and bounds[1][0] <= since_ms:
            bounds.popleft()
        return (bounds[0][1] if len(bounds) == 1 else max(bound for _, bound in bounds)) + PLAY_UM

    def _needles_come_out(self, rig: Rig) -> None:
        """The motor is off and the needles are not home."""
        pen, now_ms = self.pen, self.now_ms
        if pen.plant.depth_stuck:
            if self.stuck_since_ms is None:
                self.stuck_since_ms = now_ms
            self.stuck_until_ms = now_ms
        else:
            self.stuck_since_ms = None
        off_ms = now_ms - pen.driven_at_ms
        if self.stuck_since_ms is None:
            moving_ms = now_ms - max(pen.driven_at_ms, self.stuck_until_ms)
            if moving_ms > self.retract_ms:
                self.fail(3, "needles out", f"needles still {pen.plant.protrusion_um:.0f} µm out {moving_ms} ms later")
            return
        since_ms = max(pen.driven_at_ms, now_ms - pen.firmware.uptime_ms)  # a pen that is not up yet tells nothing
        told = pen.firmware.faults & Fault.RETRACT_FAILED
        if self.stuck_since_ms <= pen.driven_at_ms + TICK_MS and now_ms - since_ms > self.retract_ms + 2 and not told:
            self.fail(3, "needles out", f"they are stuck for {now_ms - since_ms} ms and the pen does not say so")
        enough_ms = self.dead_man_ms + self.retract_ms + RETRACT_SLACK_MS + CONTACT_MS
        alarms = {alarm.name for alarm in rig.state.alarms.active}
        contact_ms = now_ms - self.contact_since_ms
        if off_ms > enough_ms and contact_ms > enough_ms and "retract_failed" not in alarms:
            self.fail(3, "needles out", f"they are stuck for {off_ms} ms and nobody is told")

    # Host and pen in contact -----------------------------------------------------------------------------------------

    def _contact(self, rig: Rig) -> None:
        """What holds while host and pen are in contact; at each tick, for what breaks contact says so by itself."""
        line, now_ms = rig.line, self.now_ms
        to_pen, to_host = line.to_pen, line.to_host
        good = not (
            to_pen.dropping or to_pen.holding or to_pen.delay_ms or to_pen.fate
            or to_host.dropping or to_host.holding or to_host.delay_ms or to_host.fate
        )  # fmt: skip
        if not good or self.pen.firmware.ignore_stops or to_pen.losing or self.disturbed:
            self.line_good_since_ms = now_ms
        stop_ms = self.ended_at_ms
        late_ms = now_ms - stop_ms if stop_ms is not None and self.line_good_since_ms < stop_ms else 0
        if self.lease and late_ms > STOP_ON_A_GOOD_LINE_MS:
            self.fail(4, "STOP stops", f"the pen still holds its lease {late_ms} ms after STOP on a good line")
        if self.disturbed:
            self.disturbed = False
            self.contact_since_ms = self.link_wanted_since_ms = now_ms
        elif rig.host_stalled or self.pen.booting or not good:
            self.contact_since_ms = self.link_wanted_since_ms = now_ms
        elif now_ms - rig.heard_ms > 2 * TICK_MS or rig.state.pen is None:
            self.contact_since_ms = now_ms
            if now_ms - max(self.link_wanted_since_ms, rig.heard_ms) > RECONNECT_MS:
                self.fail(3, "the link comes back", f"nothing is heard for {RECONNECT_MS} ms on a good line")
        elif (
            self.must_clear
            and now_ms - max(self.contact_since_ms, self.must_clear_since_ms) > CONTACT_MS
            and not self.alarmed(rig)
        ):
            self.fail(3, "told and latched", f"{self.must_clear}, and no HIGH alarm says so")

    def disturb(self, now_ms: int) -> None:
        """Something is done to line, pen or host: what holds between parts in contact has to wait."""
        self.disturbed = True
        self.line_good_since_ms = now_ms

    # Every setpoint --------------------------------------------------------------------------------------------------

    def sent(self, rig: Rig, setpoint: Setpoint) -> None:
        """A setpoint goes on the line: the host's word, checked before any pen has a say."""
        self.setpoints += 1
        self.now_ms = now_ms = rig.now_ms
        self.sent_by_tick[setpoint.tick] = setpoint
        if len(self.sent_by_tick) > 64:
            del self.sent_by_tick[next(iter(self.sent_by_tick))]
        # Silence is noticed at a tick; what is asked just before it is still sent, and too old for any pen to follow.
        if now_ms - rig.heard_ms > self.dead_man_ms + TICK_MS:
            self.fail(
                3, "silence ends a lease", f"a setpoint was sent {now_ms - rig.heard_ms} ms after the last status"
            )
        if self.sets_depth:
            self._within_limits(setpoint, now_ms)
        if setpoint.motor:
            self._may_turn(setpoint)

    def _within_limits(self, setpoint: Setpoint, now_ms: int) -> None:
        limit_um = self._limit_um(setpoint.rate_mhz)
        if setpoint.depth_um > limit_um:
            self.fail(
                1, "never commanded deeper than the limit",
                f"{setpoint.depth_um} µm at {setpoint.rate_mhz} mHz in {self.zone}, the limit is {limit_um} µm",
            )  # fmt: skip
        limit_mhz = self.oracle.rate_mhz(self.zone, depth_um=setpoint.depth_um)
        if setpoint.rate_mhz > limit_mhz:
            self.fail(
                1, "never commanded faster than the limit",
                f"{setpoint.rate_mhz} mHz at {setpoint.depth_um} µm in {self.zone}, the limit is {limit_mhz}",
            )  # fmt: skip
        told = (self.told_um, self.told_mhz)
        if setpoint.depth_um > self.told_um or setpoint.rate_mhz > self.told_mhz:
            self.fail(6, "no silent change", f"{setpoint.depth_um} µm, {setpoint.rate_mhz} mHz sent; told were {told}")
        if not self.pen.plant.touching:
            self.touched_since_ms = now_ms  # off skin the needles are withdrawn
        late_ms = now_ms - max(self.told_at_ms, self.drive_began_ms, self.touched_since_ms, self.wanted_on_ms)
        follows = (setpoint.depth_um, setpoint.rate_mhz) == told or self._withdraws(setpoint)
        if setpoint.motor and late_ms > FOLLOW_MS and not follows:
            self.fail(6, "no silent change", f"{setpoint.depth_um} µm, {setpoint.rate_mhz} mHz sent; told were {told}")

    def _may_turn(self, setpoint: Setpoint) -> None:
        if self.session is None:
            self.fail(2, "no motor without a session", "a setpoint turns the motor on and no session is open")
        if self.off_since_ms is not None and not self._withdraws(setpoint):
            ago_ms = self.now_ms - self.off_since_ms
            self.fail(2, "off is off", f"a setpoint turns the motor on, and {ago_ms} ms ago: {self.off_why}")
        if self.journal_problem:
            self.fail(2, "a record that accepts", f"the motor is turned on, and the record: {self.journal_problem}")
        if self.seated is not None and self.seated != self.plan.operator:
            self.fail(2, "the session's operator", f"the motor is turned on, and the seat is {self.seated!r}'s")

    def _withdraws(self, setpoint: Setpoint) -> bool:
        """After a pause that a person asked for at the host, needles come out turning, for a moment and no deeper."""
        loop, model = self.plan.profile.closed_loop, self.pen.model
        if loop is None or self.off_since_ms is None or self.off_why != PAUSED:
            return False
        least_um = -(-model.depth_min_um // model.depth_step_um) * model.depth_step_um
        return self.now_ms - self.off_since_ms <= loop.withdraw_ms + TICK_MS and setpoint.depth_um <= least_um

    # At the end ------------------------------------------------------------------------------------------------------

    def replayed(self, rig: Rig) -> None:
        """The inputs, taken once more by the same code, come to the same decisions and the same state."""
        state = MachineState()
        for number, (given, now_ms) in enumerate(rig.inputs):
            made = step(state, given, now_ms)
            state = made.state
            if made.send != self.decisions[number]:
                self.now_ms = now_ms
                self.fail(
                    7, "a replay decides the same",
                    f"{given.__class__.__name__} led to {self.decisions[number]}, replayed to {made.send}",
                )  # fmt: skip
        if state != rig.state:
            self.fail(7, "a replay decides the same", "the replay ends in another state")
