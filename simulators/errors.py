"""What can go wrong in using a simulated pen.

SimulatorError
├── UnknownModel    no personality has this name
├── UnknownZone     the tissue table has no such zone
└── NoSuchPart      this model has no button, pedal or dial to move
"""


class SimulatorError(Exception):
    """Root of everything that can go wrong in using a simulated pen."""


class UnknownModel(SimulatorError):
    """No personality has this name."""


class UnknownZone(SimulatorError):
    """The tissue table has no such zone."""


class NoSuchPart(SimulatorError):
    """The model has no such part, so nobody can press or turn it."""


class EndpointError(SimulatorError):
    """The pen cannot be served there: address taken, link in the way, or nothing to serve it on."""
