"""What can go wrong in using a simulated pen.

SimulatorError
├── UnknownModel    no personality has this name
├── BadPenData      the file of personalities says what no pen has
├── BadUntruth      no pen can be untrue in that way
├── UnknownZone     the tissue table has no such zone
├── NoSuchPart      this model has no button, pedal or dial to move, or nothing here has what a fault would break
├── UnknownFault    the catalogue has no such fault
├── BadParameter    the fault has no such parameter, or it may not have this value
├── BadCondition    what is to be waited for cannot be understood
├── ControlRefused  the control socket said no; its reason as a word is in ``because``
├── NoControl       nobody answers at the control socket
├── BadRequest      what came over the control socket cannot be understood
└── EndpointError   the pen, or its control socket, cannot be served there
"""

from difflib import get_close_matches
from typing import Any


class SimulatorError(Exception):
    """Root of everything that can go wrong in using a simulated pen."""


class UnknownModel(SimulatorError):
    """No personality has this name."""


class BadPenData(SimulatorError):
    """The file of personalities names a key or a capability that there is not."""

    def __init__(self, pen: str, kind: str, name: str, known: list[str]) -> None:
        near = get_close_matches(name, known, n=1) or known[:1]
        super().__init__(f"The pen {pen} in pens.toml has the {kind} {name!r}, which there is not. Nearest: {near[0]}.")


class BadUntruth(SimulatorError):
    """No pen can be untrue in that way, or the words for it cannot be understood."""


class UnknownZone(SimulatorError):
    """The tissue table has no such zone."""


class NoSuchPart(SimulatorError):
    """The pen, or what serves it, has no such part, so nobody can press, turn or break it."""


class UnknownFault(SimulatorError):
    """The catalogue has no fault of this name."""


class BadParameter(SimulatorError):
    """The fault has no such parameter, or it may not have this value."""


class BadCondition(SimulatorError):
    """What is to be waited for cannot be understood."""


class BadRequest(SimulatorError):
    """What came over the control socket cannot be understood."""


class ControlRefused(SimulatorError):
    """The control socket said no. ``because`` is a name for programs, ``answer`` all that it said."""

    def __init__(self, because: str, sentence: str, answer: dict[str, Any]) -> None:
        super().__init__(sentence)
        self.because = because
        self.answer = answer


class NoControl(SimulatorError):
    """Nobody answers at the control socket, or what answers is none."""


class EndpointError(SimulatorError):
    """The pen cannot be served there: address taken, link in the way, or nothing to serve it on."""
