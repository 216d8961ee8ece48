"""A treatment by the real machine on a rig, into which faults are injected."""

from contextlib import suppress
from random import Random

from controller.errors import ControlRefused
from controller.events import AlarmRaised
from controller.inputs import Acknowledge, Close, FaultsCleared, Pause, Prepare, SetDepth, SetRate, Start, Stop
from controller.state import Phase
from controller.units import Micrometres, Millihertz
from proving.plans import TODAY, plan_of
from proving.rig import Rig
from proving.rig_faults import injector_on
from simulators.pen import SimulatedPen
from simulators.personality import NW_1, PenModel

SILENT_MS = 1000
"""A connection with no news younger than this is given up, as the supervisor does; old news is none."""

LATE_MS, LATE_LOOKS = 150, 4
"""Without a lease, news that is always later than this is no better than none: as the link has it."""

DEPTH_UM, RATE_MHZ = 750, 90_000


class Treatment:
    """One person who treats a cheek at 0.75 mm and 90 Hz."""

    def __init__(self, seed: int = 1, model: PenModel = NW_1) -> None:
        self.pen = SimulatedPen(model, rng=Random(seed), today=TODAY)
        self.rig = Rig(self.pen, random=Random(seed), today=TODAY)
        self.inject = injector_on(self.rig, seed=seed)
        self.plan = plan_of(model.name, "demo-physician", "thick", "cheek", checked=True)
        self._sessions = 0
        self._late = 0

    @property
    def alarms(self) -> set[str]:
        """All that were raised."""
        return {event.alarm for event in self.rig.events if isinstance(event, AlarmRaised)}

    def connect(self) -> None:
        self.rig.connect()

    def prepare(self) -> None:
        self._sessions += 1
        state = self.rig.state
        self.rig.command(
            Prepare(
                session=f"session {self._sessions}", plan=self.plan, standing=state.standing, raised=state.alarms.unseen
            )
        )

    def arm(self) -> None:
        """Arms; raises ControlRefused when it does not come to that."""
        self.rig.arm()
        if not self.rig.armed:
            raise ControlRefused("not_armed", "no lease")

    def treat(self) -> None:
        """Motor on, and so long that everything has settled."""
        self.rig.command(SetRate(rate_mhz=Millihertz(RATE_MHZ)))
        self.rig.command(SetDepth(depth_um=Micrometres(DEPTH_UM)))
        self.rig.command(Start(source="test"))
        self.rig.advance(1000)

    def treating(self) -> "Treatment":
        self.connect()
        self.prepare()
        self.arm()
        self.treat()
        assert self.rig.state.phase is Phase.TREATING
        return self

    def goes_on(self, ms: int) -> None:
        """Time passes; a silent connection is given up, one that is gone is tried again."""
        for _ in range(max(ms // 250, 1)):
            self.rig.advance(min(ms, 250))
            self.supervise()

    def supervise(self) -> None:
        rig = self.rig
        if rig.host_stalled:
            return
        age_ms = rig.now_ms - rig.state.seen_at_ms
        self._late = 0 if rig.armed or age_ms <= LATE_MS else self._late + 1
        if rig.state.pen is not None and (age_ms > SILENT_MS or self._late > LATE_LOOKS):
            rig.disconnect("silent")
        elif rig.state.pen is None:
            with suppress(ControlRefused):
                rig.connect()

    def pause(self) -> None:
        self.rig.command(Pause(source="test"))

    def stop(self) -> None:
        self.rig.command(Stop(source="test"))

    def begin_anew(self) -> None:
        """What a person does when it is over: a new cartridge, faults cleared, armed and treated as before."""
        rig = self.rig
        for _ in range(40):
            if rig.state.pen is not None and rig.state.seen is not None:
                break
            self.goes_on(250)
        if rig.state.session is not None:
            with suppress(ControlRefused):
                rig.command(Close(outcome="interrupted", reason="fault"))
        self.goes_on(1000)
        rig.clear_pen_faults()
        self.goes_on(500)
        with suppress(ControlRefused):
            rig.command(FaultsCleared(by="test", faults=()))
        for alarm in rig.state.alarms.active:
            with suppress(ControlRefused):
                rig.command(Acknowledge(alarm=alarm.name, by="test"))
        self.pen.insert_cartridge()
        self.goes_on(250)
        self.prepare()
        self.arm()
        self.treat()
