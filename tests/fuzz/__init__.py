"""Fuzzing: each target is a module with ``fuzz(data)``, which raises where something breaks, and ``seeds()``."""

TARGETS = ("firmware", "link", "wire", "usbip", "control")
