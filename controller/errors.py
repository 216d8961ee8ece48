"""What the controller refuses, and what is wrong with its data.

ControllerError
├── ControlRefused      a request was not followed; ``because`` names the layer or condition, the message is for people
└── DataError           a data file (pens, cartridges, library, operators) is not usable
"""


class ControllerError(Exception):
    """Root of the controller's errors."""


class ControlRefused(ControllerError):
    """A request was not followed and nothing changed.

    ``because`` is the layer or condition that refused it (stable, for machines); the message says what happened, what
    it means and what to do next.
    """

    def __init__(self, because: str, sentence: str) -> None:
        super().__init__(sentence)
        self.because = because
        self.sentence = sentence


class DataError(ControllerError):
    """A data file is not usable; the message names file, place and reason."""
