"""Defects of how a pen takes firmware, to be planted in the simulated pen: see :mod:`proving.conform.defects`."""

from collections.abc import Callable
from typing import Any

from firmware_bridge.wire.messages import Refusal
from firmware_bridge.wire.service_operations import FirmwareChunk, FirmwareImage
from simulators.firmware_store import FirmwareStore, Installed

Original = Any


def signed_by_anybody(_original: Original) -> Original:
    return lambda self, _model, staged: self.received == staged.size


def half_is_enough(original: Original) -> Original:
    def apply(self: FirmwareStore, model: bytes, fails: Callable[[int], bool]) -> Refusal:
        if self.staged is not None and self.received < self.staged.size:
            return Refusal.NONE
        refusal: Refusal = original(self, model, fails)
        return refusal

    return apply


def no_minimum(original: Original) -> Original:
    def begin(self: FirmwareStore, image: FirmwareImage, fails: Callable[[int], bool]) -> Refusal:
        refusal: Refusal = original(self, image._replace(number=max(image.number, self.minimum)), fails)
        return refusal

    return begin


def holes(original: Original) -> Original:
    def chunk(self: FirmwareStore, piece: FirmwareChunk, fails: Callable[[int], bool]) -> Refusal:
        refusal: Refusal = original(self, piece._replace(offset=min(piece.offset, self.received)), fails)
        return refusal

    return chunk


def twice(original: Original) -> Original:
    """A piece that is here already is taken once more."""

    def chunk(self: FirmwareStore, piece: FirmwareChunk, fails: Callable[[int], bool]) -> Refusal:
        refusal: Refusal = original(self, piece._replace(offset=self.received), fails)
        return refusal

    return chunk


def confirms_nothing(_original: Original) -> Original:
    return lambda _self, _fails: Refusal.NONE


def received_forgotten(original: Original) -> Original:
    def start(self: FirmwareStore) -> Installed:
        self.staged = None
        installed: Installed = original(self)
        return installed

    return start
