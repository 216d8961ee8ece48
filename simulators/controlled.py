"""A served pen in the hands of whoever tests: what is really so, faults, and hands. Behind the control socket."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from difflib import get_close_matches
from typing import Any

from simulators.errors import BadRequest
from simulators.faults.catalogue import CATALOGUE
from simulators.faults.injector import ActiveFault, Injector
from simulators.faults.kinds import FaultKind
from simulators.faults.parts import PlugPart
from simulators.hands import HANDS
from simulators.pen import SimulatedPen

Data = dict[str, Any]
"""As JSON has it."""

Hand = Callable[[], None]
"""Something a hand does with what stands beside the pen."""


class Cable:
    """The cable of a pen that is served on several media: all of them go and come together. Begins plugged in."""

    def __init__(self, plugs: Iterable[PlugPart]) -> None:
        self._plugs = tuple(plugs)
        self._plugged = True

    def unplug(self) -> None:
        """Out: whoever has the pen open sees it go. Harmless when it is out."""
        if self._plugged:
            self._plugged = False
            for plug in self._plugs:
                plug.unplug()

    def plug(self) -> None:
        """In again. Harmless when it is in. Raises EndpointError when the system gives no terminal."""
        if not self._plugged:
            self._plugged = True
            for plug in self._plugs:
                plug.plug()


def truth_of(pen: SimulatedPen) -> Data:
    """What is really so, whatever the pen says. Names for states and faults; ``cartridge_tag`` 0 where none is in."""
    truth = pen.truth
    return asdict(truth) | {
        "state": truth.state.name,
        "faults": [fault.name for fault in truth.faults],
        "cartridge_in": pen.cartridge is not None,
        "cartridge_used": pen.cartridge is not None and pen.cartridge.used,
        "cartridge_tag": 0 if pen.cartridge is None else pen.cartridge.tag,
        "powered": not pen.switched_off,
        "awake": pen.awake,
        "connected": pen.firmware.medium is not None,
        "lived_ms": pen.lived_ms,
    }


def kind_as_data(kind: FaultKind) -> Data:
    """A line of the catalogue as JSON has it."""
    return asdict(kind) | {"parameters": [asdict(parameter) for parameter in kind.parameters]}


def active_as_data(fault: ActiveFault) -> Data:
    """A fault that was injected, as JSON has it."""
    return {"fault": fault.name, "parameters": dict(fault.parameters)}


class ControlledPen:
    """One pen in the hands of whoever tests. Everything here takes effect at once and does not wait.

    ``more_hands`` is what hands can do to what stands beside the pen; none of it takes a field.
    """

    def __init__(
        self,
        pen: SimulatedPen,
        injector: Injector,
        more_hands: Mapping[str, Hand] | None = None,
    ) -> None:
        self.pen = pen
        self.injector = injector
        self._more_hands = more_hands or {}

    @property
    def hands(self) -> tuple[str, ...]:
        """What hands can do."""
        return (*HANDS, *self._more_hands)

    def truth(self) -> Data:
        """What is really so, and the faults that last."""
        return truth_of(self.pen) | {"injected": [fault.name for fault in self.injector.active]}

    def faults(self) -> Data:
        """The catalogue; ``missing`` says what a fault would need that is not here, and ``active`` which last."""
        return {
            "faults": [kind_as_data(kind) | {"missing": self.injector.missing(kind)} for kind in CATALOGUE.values()],
            "active": [active_as_data(fault) for fault in self.injector.active],
        }

    def hand(self, asked: Mapping[str, Any]) -> None:
        """A hand does something. Raises BadRequest, UnknownZone, NoSuchPart."""
        action = _text(asked, "action", "")
        kind, beside = HANDS.get(action), self._more_hands.get(action)
        if kind is None and beside is None:
            near = get_close_matches(action, self.hands, n=3) or self.hands
            raise BadRequest(f"No hand can do {action[:40]!r}. Nearest: {', '.join(near)}.")
        fields = {} if kind is None else {field.name: field for field in kind.takes}
        for name in asked:
            if name != "action" and name not in fields:
                takes = " and ".join(fields) or "nothing more"
                raise BadRequest(f"{action} takes {takes}, not {name[:40]}. Nothing was done.")
        given: Data = {}
        for name, field in fields.items():
            if not field.words:
                given[name] = whole(asked, name, field.least, field.most, int(field.default))
            elif name in asked:
                given[name] = _text(asked, name, "")
        if kind is not None:
            kind.act(self.pen, given)
        elif beside is not None:
            beside()


def _text(asked: Mapping[str, Any], name: str, otherwise: str) -> str:
    value = asked.get(name, otherwise)
    if not isinstance(value, str):
        raise BadRequest(f"{name} is a word, not {value!r:.40}.")
    return value


def whole(asked: Mapping[str, Any], name: str, least: int, most: int, otherwise: int) -> int:
    """A whole number of a request. Raises BadRequest."""
    value = asked.get(name, otherwise)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise BadRequest(f"{name} is a whole number from {least} to {most}, not {value!r:.40}.")
    return value
