"""Presses of a pen's button and foot pedal: those that wait, how often, and for how long one is held."""

from firmware_bridge.wire.messages import Interlock
from simulators.nonvolatile import LogCode

_BUTTON_HELD, _PEDAL_HELD = int(Interlock.BUTTON_HELD), int(Interlock.PEDAL_HELD)


class Presses:
    """``waiting`` are to be acted upon in the millisecond that comes; ``button`` and ``pedal`` count modulo 256."""

    __slots__ = ("_button_held_until", "_pedal_held_until", "button", "pedal", "waiting")

    def __init__(self) -> None:
        self.waiting: list[LogCode] = []
        self.button = 0
        self.pedal = 0
        self._button_held_until = 0
        self._pedal_held_until = 0

    def press(self, code: LogCode, held_until: int) -> None:
        """Button or pedal goes down, until that uptime (ms)."""
        self.waiting.append(code)
        if code is LogCode.BUTTON_PRESS:
            self._button_held_until = held_until
        else:
            self._pedal_held_until = held_until

    def take(self) -> list[LogCode]:
        """Counts those that wait, and hands them over."""
        taken, self.waiting = self.waiting, []
        for code in taken:
            if code is LogCode.BUTTON_PRESS:
                self.button = (self.button + 1) & 0xFF
            else:
                self.pedal = (self.pedal + 1) & 0xFF
        return taken

    def held(self, now: int) -> int:
        """Interlock bits of what is held down at that uptime."""
        return _BUTTON_HELD * (now < self._button_held_until) | _PEDAL_HELD * (now < self._pedal_held_until)
