"""Whatever bytes come, in whatever order: nothing raises, and the motor runs only as the protocol allows.

The oracle is written from the protocol's words and from what was sent, not from the firmware: it keeps every motor-on
ever sent and asks, in every millisecond in which the motor is driven, whether one of them allows it.
"""

from dataclasses import dataclass, field

from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from firmware_bridge.wire.framing import frame
from firmware_bridge.wire.messages import Arm, Armed, Disarm, Hello, Request, Setpoint, Stop, Welcome
from firmware_bridge.wire.operations import CLEAR_FAULT, OPERATIONS

DEAD_MAN_MS = 300
RETRACT_MS = 250
BACKLASH_UM = 20
CEILING_UM = 1500
TOLERANCE_UM = 150

media = st.sampled_from([1, 1, 1, 2])
advances = st.tuples(st.just("advance"), st.one_of(st.integers(1, 60), st.integers(0, 400)))
good_setpoint = ("setpoint", 1, 0, 1, 1, 1000, 100_000, 0)


@st.composite
def nearly_good_setpoints(draw):
    """A good motor-on with at most two things changed."""
    values = list(good_setpoint)
    changes = {
        1: media,
        2: st.sampled_from([1, 2]),
        3: st.integers(-2, 3),
        4: st.just(0),
        5: st.sampled_from([1550, 500, 1025, 2500, 0]),
        6: st.sampled_from([121_000, 20_000, 100_500, 0]),
        7: st.integers(-40, 380),
    }
    for index in draw(st.lists(st.sampled_from(sorted(changes)), max_size=2)):
        values[index] = draw(changes[index])
    return tuple(values)


treating = st.tuples(st.just("treat"), st.integers(1, 8))
pausing = st.tuples(st.just("pause"), st.integers(1, 8))
late = st.tuples(st.just("late"), st.integers(0, 350), st.sampled_from(["alone", "paused", "pressed"]))
STRAYS = {
    "of no lease": {"lease": 12345},
    "too deep": {"depth_um": 1550},
    "too fast": {"rate_mhz": 121_000},
    "off the step": {"depth_um": 1025},
    "old": {"tick": 1},
    "of the future": {"seen_pen_time_ms": 2**31},
}
strays = st.tuples(st.just("stray"), st.sampled_from(sorted(STRAYS)))
leaving = st.tuples(st.just("leave"), st.sampled_from([("stop", 2), ("disarm", 1, True), ("hello", 1, 9, 1)]))
rarely = st.one_of(
    st.tuples(st.just("hello"), media, st.integers(1, 3), st.sampled_from([1, 1, 1, 2])),
    st.tuples(st.just("arm"), media, st.integers(0, 2600), st.integers(0, 160_000), st.integers(1, 4)),
    st.tuples(st.just("replay"), media, st.integers(0, 1000)),
    st.tuples(st.just("stop"), media),
    st.tuples(st.just("disarm"), media, st.booleans()),
    st.tuples(st.just("press"), st.booleans()),
    st.tuples(st.just("cartridge")),
    st.tuples(st.just("reboot"), st.integers(0, 60)),
    st.tuples(st.just("clear")),
    st.tuples(st.just("request"), media, st.sampled_from([operation.number for operation in OPERATIONS] + [0x77])),
    st.tuples(st.just("garbage"), media, st.binary(max_size=300)),
)
begin_again = st.tuples(st.just("begin"))


@st.composite
def actions(draw):
    """Mostly treatment and near misses, now and then something else; weighed, because one_of alone flattens."""
    near = nearly_good_setpoints()
    kinds = (
        treating,
        treating,
        treating,
        near,
        near,
        pausing,
        late,
        strays,
        leaving,
        advances,
        rarely,
        rarely,
        begin_again,
    )
    return draw(kinds[draw(st.integers(0, len(kinds) - 1))])


@dataclass
class Oracle:
    """What was sent and granted, in the pen's own milliseconds since boot. A lease is an identity: it lives once."""

    bench: object
    ceilings: dict = field(default_factory=dict)
    over: set = field(default_factory=set)
    motor_on: list = field(default_factory=list)
    fresh_until: dict = field(default_factory=dict)
    off_tick: dict = field(default_factory=dict)
    pressed_at: int = -1
    last_driven: int = -10_000
    driven_ms: int = 0

    @property
    def now(self):
        return self.bench.pen.firmware.uptime_ms

    def sent(self, message, medium):
        for answer in self.bench.say(message, medium):
            if isinstance(answer, Armed) and answer.lease:
                self.ceilings.setdefault(answer.lease, (message.depth_ceiling_um, message.rate_ceiling_mhz))
                self.fresh_until.setdefault(answer.lease, self.now + DEAD_MAN_MS)
                self.bench.lease = answer.lease
            if isinstance(answer, Welcome) and answer.version == message.version:
                self.bench.nonce = answer.nonce
                self.over |= set(self.ceilings)
        if isinstance(message, Stop):
            self.over |= set(self.ceilings)
        if isinstance(message, Disarm) and medium == self.bench.pen.firmware.medium:
            self.over.add(message.lease)
        if isinstance(message, Setpoint) and 0 <= self.now - message.seen_pen_time_ms < DEAD_MAN_MS:
            fresh_until = message.seen_pen_time_ms + DEAD_MAN_MS
            self.fresh_until[message.lease] = max(fresh_until, self.fresh_until.get(message.lease, 0))
            if message.motor:
                self.motor_on.append(message)
        if isinstance(message, Setpoint) and self.is_good_motor_off(message, medium):
            self.off_tick[message.lease] = max(message.tick, self.off_tick.get(message.lease, 0))

    def is_good_motor_off(self, message, medium):
        """A motor-off that nothing in the protocol lets the pen refuse, its tick aside."""
        return (
            medium == self.bench.pen.firmware.medium
            and (message.motor, message.depth_um, message.rate_mhz) == (0, 0, 0)
            and 0 <= self.now - message.seen_pen_time_ms < DEAD_MAN_MS
        )

    def boot(self):
        self.over |= set(self.ceilings)
        self.motor_on.clear()
        self.pressed_at = -1

    def check(self):
        """Called after every millisecond."""
        plant, now = self.bench.pen.plant, self.now
        if plant.driven:
            self.last_driven = now
            self.driven_ms += 1
            allowing = [
                setpoint
                for setpoint in self.motor_on
                if setpoint.lease in self.ceilings
                and setpoint.tick > self.off_tick.get(setpoint.lease, 0)
                and setpoint.lease not in self.over
                and now < self.fresh_until[setpoint.lease]
                and setpoint.seen_pen_time_ms >= self.pressed_at
                and setpoint.depth_um <= self.ceilings[setpoint.lease][0]
                and setpoint.rate_mhz <= self.ceilings[setpoint.lease][1]
            ]
            assert allowing, f"motor driven at {now} and nothing allows it"
            assert not self.bench.pen.firmware.faults
            assert plant.target_um in {setpoint.depth_um for setpoint in allowing}
            assert plant.protrusion_um <= CEILING_UM + BACKLASH_UM
        else:
            assert plant.target_um == plant.parameters.park_um
            if now - self.last_driven > RETRACT_MS:
                assert plant.needles_home


def act(oracle, action, sent):
    bench, pen = oracle.bench, oracle.bench.pen
    name, *rest = action

    def say(message, medium):
        sent.append(message)
        oracle.sent(message, medium)

    if name == "advance":
        for _ in range(rest[0]):
            bench.advance(1)
            oracle.check()
    elif name == "treat":
        for _ in range(rest[0]):
            act(oracle, good_setpoint, sent)
            act(oracle, ("advance", 50), sent)
    elif name == "pause":
        for _ in range(rest[0]):
            bench.tick += 1
            say(Setpoint(bench.lease or 1, bench.tick, 0, 0, 0, oracle.now), 1)
            act(oracle, ("advance", 50), sent)
    elif name == "late":
        delay_ms, meanwhile = rest
        decided = oracle.now
        if meanwhile == "pressed":
            act(oracle, ("press", True), sent)
        if meanwhile == "paused":
            act(oracle, ("pause", delay_ms // 50), sent)
        else:
            act(oracle, ("advance", delay_ms), sent)
        bench.tick += 1
        say(Setpoint(bench.lease or 1, bench.tick, 1, 1000, 100_000, min(decided, oracle.now)), 1)
        act(oracle, ("advance", DEAD_MAN_MS), sent)
    elif name == "leave":
        act(oracle, ("treat", 1), sent)
        act(oracle, rest[0], sent)
        act(oracle, ("advance", 10), sent)
    elif name == "stray":
        act(oracle, ("pause", 1), sent)
        bench.tick += 1
        good = Setpoint(bench.lease or 1, bench.tick, 1, 1000, 100_000, oracle.now)
        say(good._replace(**STRAYS[rest[0]]), 1)
        act(oracle, ("advance", 10), sent)
    elif name == "begin":
        if pen.cartridge is None:
            pen.insert_cartridge()
        act(oracle, ("stop", 1), sent)
        say(Hello(len(sent) + 10, 1), 1)
        act(oracle, ("clear",), sent)
        act(oracle, ("advance", RETRACT_MS), sent)
        act(oracle, ("clear",), sent)
        bench.tick = 0
        say(Arm(bench.nonce, len(sent) + 10, 1500, 120_000, pen.cartridge.tag), 1)
    elif name == "hello":
        medium, nonce, version = rest
        say(Hello(nonce, version), medium)
    elif name == "arm":
        medium, depth, rate, key = rest
        depth = min(depth, CEILING_UM) if depth <= 2500 else depth
        tag = pen.cartridge.tag if pen.cartridge else 1
        say(Arm(bench.nonce, key, depth, rate, tag), medium)
    elif name == "setpoint":
        medium, which, ahead, motor, depth, rate, age = rest
        lease = (bench.lease or 1, 12345, next(iter(oracle.ceilings), 1))[which]
        tick = max(bench.tick + ahead, 1)
        bench.tick = max(bench.tick, tick)
        say(Setpoint(lease, tick, motor, depth, rate, max(oracle.now - age, 0)), medium)
    elif name == "replay":
        medium, index = rest
        if sent:
            oracle.sent(sent[index % len(sent)], medium)
    elif name == "stop":
        say(Stop(), rest[0])
    elif name == "disarm":
        medium, right = rest
        say(Disarm((bench.lease if right else 99) or 1), medium)
    elif name == "press":
        (pen.press_button if rest[0] else pen.press_pedal)()
        bench.advance(1)
        if not pen.booting:
            oracle.pressed_at = oracle.now
        oracle.check()
    elif name == "cartridge":
        if pen.cartridge is None:
            pen.insert_cartridge()
        else:
            pen.remove_cartridge()
            oracle.over |= set(oracle.ceilings)
    elif name == "reboot":
        pen.reboot(down_ms=rest[0])
        oracle.boot()
        oracle.last_driven = 0
    elif name == "clear":
        say(Request(1, bench.nonce, CLEAR_FAULT.number, len(sent) + 1, b"\xff\xff"), 1)
    elif name == "request":
        medium, number = rest
        say(Request(1, bench.nonce, number, len(sent) % 3, bytes(40)), medium)
    elif name == "garbage":
        medium, data = rest
        pen.receive(medium, data)
        pen.receive(medium, b"\0")
        bench.hear(medium)


@given(st.lists(actions(), min_size=8, max_size=30), st.integers(0, 1000))
@settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking a story takes longer than a test may
)
def test_the_motor_is_driven_only_under_a_live_lease_and_a_fresh_setpoint(make_bench, story, seed):
    bench = make_bench(seed=seed, noisy=True)
    oracle = Oracle(bench)
    sent = []
    act(oracle, ("begin",), sent)
    for action in story:
        act(oracle, action, sent)
    act(oracle, ("advance", DEAD_MAN_MS), sent)
    act(oracle, ("advance", RETRACT_MS), sent)
    assert not bench.pen.truth.motor_driven
    assert bench.pen.truth.needles_out
    for status in bench.statuses[1] + bench.statuses[2]:
        assert status.depth_measured_um <= CEILING_UM + TOLERANCE_UM
        assert status.depth_set_um <= CEILING_UM
    event(f"motor driven for {'some' if oracle.driven_ms else 'no'} time")


def test_the_oracle_sees_a_motor_that_runs_and_one_that_must_not(make_bench):
    """An oracle that never objects proves nothing: it must allow a good treatment and object to a stray drive."""
    bench = make_bench()
    oracle = Oracle(bench)
    oracle.sent(Hello(1, 1), 1)
    oracle.sent(Arm(1, 7, 1500, 120_000, bench.pen.cartridge.tag), 1)
    act(oracle, ("setpoint", 1, 0, 1, 1, 1000, 100_000, 0), [])
    act(oracle, ("advance", 299), [])
    assert oracle.driven_ms == 299
    act(oracle, ("advance", 400), [])
    bench.pen.plant.drive(500.0, 100.0)
    try:
        oracle.check()
    except AssertionError as objection:
        assert "nothing allows it" in str(objection)  # noqa: PT017
    else:
        raise AssertionError("the oracle did not object")


@given(st.lists(st.tuples(media, st.binary(max_size=600), st.integers(0, 30)), max_size=30))
@settings(max_examples=100)
def test_no_bytes_raise_grow_or_hide_a_good_frame(make_bench, pieces):
    bench = make_bench()
    for medium, data, ms in pieces:
        bench.pen.receive(medium, data)
        bench.pen.advance(ms)
        assert not bench.pen.plant.driven
    assert max(bench.pen.firmware.media.held_bytes, default=0) <= 255
    bench.pen.receive(1, b"\0")
    bench.hear()
    assert isinstance(bench.connect(nonce=99), Welcome)


@given(st.data())
@settings(max_examples=100)
def test_damaged_frames_do_nothing(make_bench, data):
    """One bit or byte wrong in a motor-on: it is not followed."""
    bench = make_bench().ready()
    wire = bytearray(frame(Setpoint(bench.lease, 1, 1, 500, 100_000, 0), 3))
    at = data.draw(st.integers(0, len(wire) - 2))
    wire[at] ^= data.draw(st.integers(1, 255))
    bench.pen.receive(1, bytes(wire))
    bench.advance(1)
    assert not bench.pen.plant.driven
