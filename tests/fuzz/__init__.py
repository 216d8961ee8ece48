"""Fuzzing: each target is a module with ``fuzz(data)``, which raises where something breaks, and ``seeds()``."""

from importlib.util import find_spec

_PARTS = {
    "firmware": ("simulators", "firmware"),
    "link": ("firmware_bridge", "link"),
    "wire": ("firmware_bridge", "wire"),
    "usbip": ("simulators", "usb", "ip_server"),
    "control": ("simulators", "control"),
}


def _is_there(names: tuple[str, ...]) -> bool:
    return all(find_spec(".".join(names[:depth])) for depth in range(1, len(names) + 1))


TARGETS = tuple(target for target, part in _PARTS.items() if _is_there(part))
"""The targets whose part this working copy has."""
