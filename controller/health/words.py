"""What a health row says to people: what is so, when it will not be, how sure that is, and what to do. Pure."""

from datetime import date, timedelta

from controller.health.trend import Forecast

NAMES = {
    "depth_error": "depth error",
    "rate_error": "rate error",
    "battery_capacity": "battery capacity",
    "battery_resistance": "battery resistance",
    "motor_current": "motor current",
    "temperature": "temperature at work",
    "frames_damaged": "damaged frames",
    "connections_lost": "connections lost",
}
"""What each quantity is called."""

_REMEDY = {
    "depth_error": "Calibrate it: `needlework calibrate`.",
    "rate_error": "Calibrate its rate: `needlework calibrate`.",
    "battery_capacity": "Order a battery, and replace it.",
    "battery_resistance": "Order a battery, and replace it.",
    "motor_current": "Look at bearings and seal: dirt, fluid inside, or a worn motor.",
    "temperature": "Look at bearings and load; let it cool between patients.",
    "frames_damaged": "Exchange the cable, then `needlework doctor --soak 60`.",
    "connections_lost": "Look at plug and cable, and at the port's power saving: `needlework doctor`.",
}


def on_day(day: float) -> date:
    """A day since 1970 as a date; fractions count for their day."""
    return date(1970, 1, 1) + timedelta(days=int(day))


def sentence(quantity: str, value: float, coming: Forecast | None, level: str, today: float) -> str:
    """One or two sentences for a person."""
    said = _when(coming, today) if coming is not None else _counted(quantity, value, level)
    return f"{said} {_REMEDY[quantity]}" if level in {"act", "watch"} else said


def _counted(quantity: str, value: float, level: str) -> str:
    what = f"{value:.0f} in the last 30 days" if quantity == "connections_lost" else f"{value:.0f} in a million frames"
    return f"{what}: {'more than a good line loses' if level == 'watch' else 'as a good line does'}."


def _when(coming: Forecast, today: float) -> str:
    percent = coming.confidence_percent
    match coming.state:
        case "too_few":
            return f"No forecast yet: {coming.because}."
        case "left" if coming.told_by == "reading":
            return "Its newest reading is beyond its limit; the line through those before it is not."
        case "left" if coming.told_by == "line":
            return "Beyond its limit by now, if it went on as it did; nothing beyond it was read yet."
        case "left":
            return "Beyond its limit when it was read last."
        case "steady" if coming.earliest is None:
            return f"Stays within its limit until {_until(coming)}, as far as its readings look ahead ({percent} %)."
        case "steady":
            first = on_day(coming.earliest or today).isoformat()
            return f"Not expected until {_until(coming)}, but not to be ruled out from {first} on ({percent} %)."
        case _:
            return f"Leaves its limit {_span(coming, today)} ({percent} %)."


def _until(coming: Forecast) -> str:
    return on_day(coming.until or 0).isoformat()


def before_due(chance: float | None, coming: Forecast) -> str:
    """What to do where a pen will hardly stay in tolerance until it is due; ``chance`` 0 to 1 of being out by then."""
    by = f" before {on_day(coming.earliest).isoformat()}" if coming.earliest is not None else ""
    if chance is None:
        return f"That is before it is due: calibrate it{by}."
    return f"Out of tolerance when it is due with a chance of {chance * 100:.0f} %: calibrate it{by}."


def _span(coming: Forecast, today: float) -> str:
    day = on_day(coming.day or today)
    ahead = (day - on_day(today)).days
    first = on_day(coming.earliest).isoformat() if coming.earliest is not None else "today"
    last = on_day(coming.latest).isoformat() if coming.latest is not None else f"some day after {_until(coming)}"
    return f"about {day.isoformat()}, in {ahead} days: between {first} and {last}"
