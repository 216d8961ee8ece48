"""The catalogue of faults on a rig: its line, its host, and a cable that can be pulled."""

from datetime import timedelta

from controller.inputs import JournalState
from proving.rig import Rig
from simulators.faults.injector import Injector
from simulators.faults.parts import LinePart, LineTrouble, Parts

_UNPLUGGED = "unplugged"


class RigHost:
    """The host of a rig. What it is told while it is stalled it learns when it wakes."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._problem: str | None = None
        self._lost = False

    def stall(self, stalled: bool) -> None:
        """The control loop does nothing, until it is told that it does."""
        self._rig.host_stalled = stalled
        if stalled:
            return
        if self._lost:
            self.lose_pen()
        if self._problem is not None:
            self.refuse_journal(self._problem)

    def step_clock(self, days: int) -> None:
        """The clock on the wall jumps."""
        self._rig.today += timedelta(days=days)

    def refuse_journal(self, problem: str) -> None:
        """The journal does not accept, for this reason; "" when it does."""
        self._problem = problem if self._rig.host_stalled else None
        if not self._rig.host_stalled:
            self._rig.give(JournalState(problem=problem))

    def lose_pen(self) -> None:
        """The operating system says that the pen is gone."""
        self._lost = self._rig.host_stalled
        if not self._lost and self._rig.state.pen is not None:
            self._rig.disconnect(_UNPLUGGED)


class RigPlug:
    """The cable between pen and host; whoever pulls it is seen at once by a host that is awake."""

    def __init__(self, lines: LinePart, host: RigHost) -> None:
        self._lines = lines
        self._host = host

    def unplug(self) -> None:
        """Out."""
        self._lines.put(_UNPLUGGED, LineTrouble(to_pen=True, to_host=True, dropping=True))
        self._host.lose_pen()

    def plug(self) -> None:
        """In again; connecting anew is up to who plays."""
        self._lines.take(_UNPLUGGED)


def injector_on(rig: Rig, *, seed: int = 0) -> Injector:
    """What breaks a rig: everything of the catalogue but what only a USB device can have."""
    lines = LinePart(lambda: rig.now_ms)
    lines.join(rig.line)
    host = RigHost(rig)
    return Injector(Parts(rig.pen, lines=lines, plug=RigPlug(lines, host), host=host), seed=seed)
