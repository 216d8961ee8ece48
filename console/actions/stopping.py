"""`needlework stop`: first STOP, then everything else, its imports included."""

from pathlib import Path

from console.quick_stop import quick_stop


def stop(pen: str, state: Path | None, *, as_json: bool) -> int:
    """Sends STOP, then says what came of it; the exit code. Raises StationError when nobody took it."""
    said = quick_stop(pen, state)
    from console.actions.confirming import confirm  # noqa: PLC0415 STOP went out before this was imported

    return confirm(said, pen, state, as_json=as_json)
