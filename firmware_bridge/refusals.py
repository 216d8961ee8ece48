"""A pen's no, and its silence, as errors that tell what it means and what to do."""

from firmware_bridge.errors import RequestRefused, RequestUncertain
from firmware_bridge.wire.messages import Refusal
from firmware_bridge.wire.operation import Operation


def refusal_name(code: int) -> str:
    """A refusal for people: the table's name, or its number when the table does not know it."""
    try:
        return Refusal(code).name
    except ValueError:
        return f"reason {code}"


def armed_already(url: str) -> RequestRefused:
    """Nothing was sent, for a lease lives."""
    return RequestRefused(
        f"{url}: the pen is armed already; nothing was sent. STOP or disarm it first.", url=url, refusal=Refusal.ARMED
    )


_NOT_READY = (
    " Its battery, its temperature or a sensor forbids it, or it runs firmware that was not confirmed yet "
    "(`needlework pen firmware status`)."
)


def not_armed(url: str, code: int) -> RequestRefused:
    """ARM was refused."""
    why = _NOT_READY if code == Refusal.NOT_READY else ""
    return RequestRefused(f"{url}: the pen refused to be armed: {refusal_name(code)}.{why}", url=url, refusal=code)


def arm_unanswered(url: str, key: int, within_s: float) -> RequestUncertain:
    """ARM was not answered, and STOP was sent."""
    return RequestUncertain(
        f"{url}: no answer to ARM within {within_s:.1f} s. The pen may have been armed, so it was told "
        "to STOP. Check the cable, then arm again.",
        url=url,
        key=key,
    )


def not_done(url: str, operation: Operation, code: int) -> RequestRefused:
    """A request was refused."""
    return RequestRefused(f"{url}: the pen refused {operation.name}: {refusal_name(code)}.", url=url, refusal=code)


def unanswered(url: str, operation: Operation, key: int) -> RequestUncertain:
    """A request was not answered."""
    meaning = (
        ". It changes nothing, so nothing is lost; check the cable and ask again."
        if operation.repeatable
        else ". It may or may not have been done and is not sent again; the pen is asked for its outcome."
    )
    return RequestUncertain(f"{url}: no answer to {operation.name}{meaning}", url=url, key=key)
