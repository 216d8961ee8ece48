"""What can go wrong in using a simulated pen.

SimulatorError
├── UnknownModel    no personality has this name
├── BadPenData      the file of personalities says what no pen has
├── UnknownZone     the tissue table has no such zone
└── NoSuchPart      this model has no button, pedal or dial to move
"""

from difflib import get_close_matches


class SimulatorError(Exception):
    """Root of everything that can go wrong in using a simulated pen."""


class UnknownModel(SimulatorError):
    """No personality has this name."""


class BadPenData(SimulatorError):
    """The file of personalities names a key or a capability that there is not."""

    def __init__(self, pen: str, kind: str, name: str, known: list[str]) -> None:
        near = get_close_matches(name, known, n=1) or known[:1]
        super().__init__(f"The pen {pen} in pens.toml has the {kind} {name!r}, which there is not. Nearest: {near[0]}.")


class UnknownZone(SimulatorError):
    """The tissue table has no such zone."""


class NoSuchPart(SimulatorError):
    """The model has no such part, so nobody can press or turn it."""


class EndpointError(SimulatorError):
    """The pen cannot be served there: address taken, link in the way, or nothing to serve it on."""
