"""Quiet when well: fault-free treatments with realistic noise raise nothing that would teach people to overlook alarms.

An operator who works as people do (lifts the pen off, hops, turns depth and rate, changes zones, pauses at the host and
with button or pedal), pens of four kinds, batteries from full to low, a line with some delay.
"""

from collections import Counter
from datetime import date
from random import Random

import pytest

from controller.events import AlarmRaised, SessionClosed
from controller.inputs import Close, DeclareZone, Pause, Prepare, SetDepth, SetRate, Start
from controller.library import load_library
from controller.operators import load_operators
from controller.plan import ResolvedPlan, SessionPlan, resolve_plan
from controller.profiles import load_profiles
from controller.state import Phase
from proving.rig import Rig
from simulators.pen import SimulatedPen
from simulators.personality import PenModel, model_named

TODAY = date(2026, 1, 1)
LIBRARY, OPERATORS, PROFILES = load_library(), load_operators(), load_profiles()
MODELS = ("NW-1", "NW-1", "NW-BLIND", "NW-PLAIN", "NW-DIAL")
FAST_ZONES = ("cheek", "forehead", "chin")  # where a pen with one fixed rate and its dial at 0.5 mm may treat
DWELL_MS, DWELL_HARD_MS = 30_000, 60_000  # short, because these treatments are


def plan_for(model: PenModel, skin: str, zone: str) -> ResolvedPlan:
    plan = resolve_plan(
        SessionPlan(
            patient="p-0001", operator="demo-physician", protocol="facial-rejuvenation", skin=skin, zone=zone,
            checklist=dict.fromkeys(LIBRARY.checklist, True), answers=dict.fromkeys(LIBRARY.questions, False),
            consent="form 1",
            cartridge="NW-12" if model.name == "NW-PLAIN" else None, cartridge_new=model.name == "NW-PLAIN",
        ),
        model=model.name, today=TODAY, library=LIBRARY, operators=OPERATORS, profiles=PROFILES, mode="demo",
    )  # fmt: skip
    budget = {"dwell_ms": DWELL_MS, "dwell_hard_ms": DWELL_HARD_MS}
    return plan.model_copy(update={"zones": {name: z.model_copy(update=budget) for name, z in plan.zones.items()}})


class Treatment:
    """One session without faults, from a seed."""

    def __init__(self, seed: int) -> None:
        self.dice = dice = Random(seed)
        self.model = model_named(dice.choice(MODELS))
        self.dial = self.model.name == "NW-DIAL"
        skin = "thick" if self.dial else dice.choice(["thin", "thick"])
        pen = SimulatedPen(self.model, rng=Random(seed), today=TODAY, noisy=True)
        pen.faults.drain_battery(dice.choice([1.0, 0.9, 0.7, 0.5, 0.3, 0.15]))
        pen.faults.heat_to(dice.uniform(20.0, 38.0))
        self.rig = rig = Rig(pen, random=Random(seed), today=TODAY)
        rig.line.to_host.delay_ms, rig.line.to_pen.delay_ms = dice.choice([0, 0, 5, 30]), dice.choice([0, 0, 5, 30])
        zones = list(FAST_ZONES if self.dial else LIBRARY.protocols["facial-rejuvenation"].zones)
        self.zones = dice.sample(zones, k=dice.randint(2, 3))
        rig.connect()
        rig.command(Prepare(session=f"s{seed}", plan=plan_for(self.model, skin, self.zones[0])))

    def run(self) -> Rig:
        """The whole of it."""
        rig, dice = self.rig, self.dice
        rig.arm()
        for zone in self.zones:
            rig.command(DeclareZone(zone=zone))
            self.set()
            touching = dice.random() < 0.7  # the others start in the air
            rig.pen.hold_on(zone, touching=touching)
            self.start()
            for _ in range(dice.randint(3, 7)):
                rig.pen.hold_on(zone, touching=True)
                rig.advance(dice.randint(300, 2_000))
                self.something(zone)
            self.pause()
            rig.pen.hold_on(zone, touching=False)
            rig.advance(dice.randint(200, 1_500))
        rig.command(Close(outcome="completed", reason="done"))
        rig.advance(800)
        return rig

    def set(self) -> None:
        """Depth and rate anywhere inside the limits."""
        rig, dice = self.rig, self.dice
        if self.dial:
            return
        assert rig.state.depth_limit is not None
        steps = rig.state.depth_limit.effective // self.model.depth_step_um
        rig.command(SetRate(rate_mhz=self.model.rate_min_mhz))
        rig.command(SetDepth(depth_um=self.model.depth_step_um * dice.randint(1, max(1, steps))))
        assert rig.state.rate_limit is not None
        rig.command(SetRate(rate_mhz=dice.randrange(self.model.rate_min_mhz, rig.state.rate_limit.effective + 1, 1000)))

    def start(self) -> None:
        """As people do: at the host, with the button, with the pedal."""
        rig = self.rig
        how = self.dice.choice(["host", "button", "pedal"])
        if how == "host":
            rig.command(Start(source="api"))
        else:
            rig.pen.press_button() if how == "button" else rig.pen.press_pedal()
        assert rig.until(lambda: rig.state.phase is Phase.TREATING, 500)

    def pause(self) -> None:
        """Likewise."""
        rig = self.rig
        if self.dice.random() < 0.5:
            rig.command(Pause(source="api"))
        else:
            rig.pen.press_button()
        assert rig.until(lambda: rig.state.phase is Phase.PAUSED, 500)
        rig.advance(400)

    def something(self, zone: str) -> None:
        """What happens between two strokes over the skin."""
        rig, dice = self.rig, self.dice
        match dice.choice(["hop", "lift", "look", "set", "pause", "nothing"]):
            case "hop":
                rig.pen.hold_on(zone, touching=False)
                rig.advance(dice.randint(20, 140))
            case "lift":
                rig.pen.hold_on(zone, touching=False)
                rig.advance(dice.randint(150, 1_500))
            case "look":
                rig.pen.hold_on(zone, touching=False)
                rig.advance(dice.randint(1_500, 9_000))
            case "set":
                self.set()
            case "pause":
                self.pause()
                rig.advance(dice.randint(100, 2_000))
                self.start()
            case _:
                pass


def counted(seeds: range) -> Counter[str]:
    """How many alarms of each priority, and which, over these seeds."""
    counts: Counter[str] = Counter(HIGH=0, MEDIUM=0, LOW=0)
    for seed in seeds:
        rig = Treatment(seed).run()
        assert any(isinstance(event, SessionClosed) for event in rig.events), f"seed {seed} did not close"
        for event in rig.events:
            if isinstance(event, AlarmRaised):
                counts[event.priority] += 1
                counts[f"{event.priority} {event.alarm} (seed {seed})"] += 1
    return counts


def test_a_handful_of_treatments_without_faults_are_quiet() -> None:
    counts = counted(range(12))
    assert counts["HIGH"] == counts["MEDIUM"] == 0, counts
    assert counts["LOW"] <= 2, counts


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_five_hundred_treatments_without_faults_are_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    counts = counted(range(500))
    with capsys.disabled():
        print(f"\n500 fault-free treatments: {dict(counts)}")
    assert counts["HIGH"] == counts["MEDIUM"] == 0, counts
    assert counts["LOW"] <= 50, counts
