"""Ticks of an axis: the round numbers that people count in. Pure."""

from typing import Final

_STEPS: Final = (1, 2, 5)
MINUTE_STEPS_S: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
"""Steps of a time axis, in which people read a clock; seconds."""


def value_ticks(most: int, *, about: int = 5) -> list[int]:
    """Ticks from 0 to the first round number at or above ``most``, about so many steps, in the unit of ``most``."""
    most = max(most, 1)
    scale = 1
    while True:
        for step in (number * scale for number in _STEPS):
            if step * about >= most:
                return list(range(0, -(-most // step) * step + 1, step))
        scale *= 10


def time_ticks(from_ms: int, to_ms: int, *, most: int = 12) -> list[int]:
    """Ticks within a span of time, ms, at full seconds or minutes; at most ``most`` and one."""
    steps = [1000 * step for step in MINUTE_STEPS_S]
    while (to_ms - from_ms) > steps[-1] * most:
        steps.append(steps[-1] * 2)
    step = next(step for step in steps if (to_ms - from_ms) <= step * most)
    return list(range(-(-from_ms // step) * step, to_ms + 1, step))
