"""What goes wrong in a story: with the line, the pen, the host, and by somebody else's doing."""

from datetime import timedelta
from random import Random

from controller.inputs import JournalState
from firmware_bridge.wire.framing import frame
from firmware_bridge.wire.messages import PROTOCOL_VERSION, Arm, Capability, Hello, Setpoint
from firmware_bridge.wire.messages import Stop as StopFrame
from proving.rig import MEDIUM, Rig
from proving.stories import FORGERIES, TO_PEN, Action
from simulators.line import Lane

OTHER_MEDIUM = 2
STOP_KIND = 0x08


class Breaker:
    """Breaks things as the actions of a story say: each method named as a fault begins it, ``end_…`` ends it.

    ``unplugged`` counts the pulled cables.
    """

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.pen = rig.pen
        self.unplugged = 0
        self._host_sets = bool(rig.pen.model.capabilities & Capability.DEPTH_SET)

    def end_all(self) -> None:
        """Everything that went wrong is over, but for what only a person can mend."""
        line = self.rig.line
        for lane in (line.to_pen, line.to_host):
            lane.dropping = lane.holding = False
            lane.delay_ms = 0
            lane.fate = None
        self.pen.faults.stick_depth(False)
        self.unplugged = 0
        self.rig.host_stalled = False

    def _lane(self, action: Action) -> Lane:
        return self.rig.line.to_pen if action.value % 2 == TO_PEN else self.rig.line.to_host

    def noise(self, action: Action) -> None:
        random, kind = Random(action.value), action.do
        share = int(action.text.removesuffix("%")) / 100

        def fate(data: bytes) -> tuple[tuple[int, bytes], ...]:
            if random.random() >= share:
                return ((0, data),)
            match kind:
                case "loss":
                    return ()
                case "duplication":
                    return ((0, data), (random.randrange(1, 500), data))
                case "reordering":
                    return ((random.randrange(1, 150), data),)
                case _:
                    place = random.randrange(len(data))
                    flipped = bytes([data[place] ^ 1 << random.randrange(8)])
                    return ((0, data[:place] + flipped + data[place + 1 :]),)

        self._lane(action).fate = fate

    def end_noise(self, action: Action) -> None:
        self._lane(action).fate = None

    loss = corruption = duplication = reordering = noise
    end_loss = end_corruption = end_duplication = end_reordering = end_noise

    def delay(self, action: Action) -> None:
        self._lane(action).delay_ms = action.value // 2

    def end_delay(self, action: Action) -> None:
        self._lane(action).delay_ms = 0

    def hold_line(self, action: Action) -> None:
        self._lane(action).holding = True

    def end_hold_line(self, action: Action) -> None:
        self._lane(action).holding = False

    def cut(self, action: Action) -> None:
        self._lane(action).dropping = True

    def end_cut(self, action: Action) -> None:
        self._lane(action).dropping = False

    def garbage(self, action: Action) -> None:
        random = Random(action.value)
        self._lane(action).push(random.randbytes(random.randrange(1, 400)), self.rig.now_ms)

    def lose_stops(self, action: Action) -> None:
        self.rig.line.to_pen.lose(STOP_KIND, action.value)

    def deaf_to_stop(self, action: Action) -> None:
        self.pen.faults.ignore_stops(action.value)

    def unplug(self, action: Action) -> None:
        del action
        self.unplugged += 1
        self.rig.line.to_pen.dropping = self.rig.line.to_host.dropping = True
        if not self.rig.host_stalled and self.rig.state.pen is not None:
            self.rig.disconnect("unplugged")

    def end_unplug(self, action: Action) -> None:
        del action
        self.unplugged = max(0, self.unplugged - 1)
        self.rig.line.to_pen.dropping = self.rig.line.to_host.dropping = False

    def reboot(self, action: Action) -> None:
        self.pen.reboot(action.value)

    def brown_out(self, action: Action) -> None:
        self.pen.faults.drop_supply(float(action.value))

    def end_brown_out(self, _action: Action) -> None:
        self.pen.faults.drop_supply(0.0)

    def stall(self, _action: Action) -> None:
        self.pen.faults.jam_motor(True)

    def end_stall(self, _action: Action) -> None:
        self.pen.faults.jam_motor(False)

    def encoder_drift(self, action: Action) -> None:
        self.pen.faults.drift_depth_sensor(float(action.value))

    def end_encoder_drift(self, _action: Action) -> None:
        self.pen.faults.drift_depth_sensor(0.0)

    def stuck_actuator(self, _action: Action) -> None:
        self.pen.faults.stick_depth(True)

    def end_stuck_actuator(self, _action: Action) -> None:
        self.pen.faults.stick_depth(False)

    def dead_sensor(self, _action: Action) -> None:
        self.pen.faults.kill_depth_sensor(True)

    def end_dead_sensor(self, _action: Action) -> None:
        self.pen.faults.kill_depth_sensor(False)

    def wet(self, _action: Action) -> None:
        self.pen.faults.wet(True)

    def end_wet(self, _action: Action) -> None:
        self.pen.faults.wet(False)

    def hot(self, _action: Action) -> None:
        self.pen.faults.heat_to(65.0)

    def end_hot(self, _action: Action) -> None:
        self.pen.faults.heat_to(30.0)

    def clock_jump(self, action: Action) -> None:
        self.rig.today += timedelta(days=action.value)

    def loop_stall(self, _action: Action) -> None:
        self.rig.host_stalled = True

    def end_loop_stall(self, _action: Action) -> None:
        self.rig.host_stalled = False

    def journal(self, action: Action) -> None:
        if not self.rig.host_stalled:
            self.rig.give(JournalState(problem=action.text))

    def end_journal(self, _action: Action) -> None:
        if not self.rig.host_stalled:
            self.rig.give(JournalState(problem=""))

    def second_host(self, action: Action) -> None:
        """Another program has the pen's other port."""
        random, firmware = Random(action.value), self.pen.firmware
        match action.text:
            case "hello":
                said = frame(Hello(random.randrange(1, 2**32), PROTOCOL_VERSION), 0)
            case "stop":
                said = frame(StopFrame(), 0)
            case "arm":
                said = frame(Arm(random.randrange(1, 2**32), 7, 2500, 150_000, 0), 0)
            case _:
                said = frame(Setpoint(firmware.lease or 1, firmware.tick + 1, 1, 1500, 90_000, firmware.pen_time_ms), 0)
        self.pen.receive(OTHER_MEDIUM, said)
        self.pen.take(OTHER_MEDIUM)

    def forged(self, action: Action) -> None:
        """Something on this computer has gone mad and writes well-formed frames that must not be followed."""
        for kind in FORGERIES if action.text == "all" else (action.text,):
            bad = self._forgery(kind)
            if bad is not None:
                self.pen.receive(MEDIUM, b"\0" + frame(bad, 0))

    def _forgery(self, kind: str) -> Setpoint | None:
        """A setpoint that is good but for one thing; None where there is no lease it could abuse."""
        firmware, model, sent = self.pen.firmware, self.pen.model, self.rig.last_setpoint
        if sent is None or not firmware.lease or not (self._host_sets or kind in {"lease", "stale"}):
            return None
        good = Setpoint(firmware.lease, firmware.tick + 1, 1, sent.depth_um, sent.rate_mhz, firmware.pen_time_ms)
        match kind:
            case "lease":
                return good._replace(lease=1 + good.lease % (2**32 - 1))
            case "tick":
                return good._replace(tick=firmware.tick - 1) if firmware.tick > 1 else None
            case "stale":
                return good._replace(seen_pen_time_ms=(good.seen_pen_time_ms - model.dead_man_ms) % 2**32)
            case "depth_ceiling":
                return good._replace(depth_um=self.rig.state.depth_ceiling_um + model.depth_step_um)
            case "rate_ceiling":
                return good._replace(rate_mhz=self.rig.state.rate_ceiling_mhz + model.rate_step_mhz)
            case "step":
                return good._replace(depth_um=max(sent.depth_um - 7, 7))
            case _:
                return good._replace(rate_mhz=model.rate_min_mhz - model.rate_step_mhz)
