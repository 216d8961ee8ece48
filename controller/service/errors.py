"""What service mode says no to, beside :class:`controller.errors.ControlRefused`."""

from controller.errors import ControllerError


class ServiceEnded(ControllerError):
    """Service mode ended while something was under way; the pen was told to stop. ``because``: why, as on record."""

    def __init__(self, because: str, sentence: str) -> None:
        super().__init__(sentence)
        self.because = because
        self.sentence = sentence


class MoveNotFollowed(ControllerError):
    """The pen did not do what it was told, or the move was broken off; the motor is off, service mode stays open."""
