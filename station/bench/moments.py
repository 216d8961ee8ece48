"""Moments as they stand in the files of a bench, and the clock that they hang on."""

from datetime import UTC, datetime, timedelta

from controller.errors import ControlRefused

CLOCK_BACK = timedelta(minutes=2)
"""A clock that is set right over a network goes back by less."""


def moment(at: datetime) -> str:
    """A moment as it stands in files: UTC, whole seconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def held_forward(now: datetime, newest: str) -> None:
    """Dates hang on this computer's clock. Raises ControlRefused where it is behind ``newest``, what was read by it."""
    if datetime.fromisoformat(newest) - now > CLOCK_BACK:
        raise ControlRefused(
            "clock_stepped",
            f"This computer's clock says {moment(now)}, and what was read last in this work was read at {newest} by "
            "it: it was put back. The dates of a calibration hang on it; nothing was taken. Set it right, then go on. "
            "If it is right now, begin this calibration anew.",
        )
