"""Where a pen keeps its firmware: the version confirmed last, a second slot for one on trial, and what is received.

Everything here lasts without supply. What runs is decided at each start: a version on trial runs once; a start that
finds it neither confirmed nor new goes back to the version confirmed last. A supply may fail at any step of a write;
what a start then finds is what was before the write, or what is after it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from firmware_bridge.wire.firmware_signature import signed_bytes
from firmware_bridge.wire.messages import Refusal
from firmware_bridge.wire.service_operations import (
    FIRMWARE_CHUNK_BYTES,
    SHA256_BYTES,
    SIGNATURE_BYTES,
    FirmwareChunk,
    FirmwareImage,
    FirmwareState,
)
from simulators.maker import maker_public

Fails = Callable[[int], bool]
"""Whether the supply fails at this step of a write, as :data:`simulators.nonvolatile.WRITE_STEPS` counts them."""

WHOLE = 4
"""The last of those steps: everything is written."""


class SupplyGone(Exception):
    """The supply failed in the midst of a write of firmware. ``done``: the write was whole by then."""

    def __init__(self, *, done: bool) -> None:
        super().__init__()
        self.done = done


@dataclass(frozen=True, slots=True)
class Installed:
    """A version in a slot. ``image`` is empty for the one a pen left the factory with."""

    version: bytes
    number: int
    image: bytes = b""


class FirmwareStore:
    """The firmware of one pen. ``size_max`` is the size of a slot, bytes; ``public`` its maker's key, 32 bytes."""

    __slots__ = (
        "_received", "_tried", "confirmed", "minimum", "public", "running", "size_max", "staged", "trial",
    )  # fmt: skip

    def __init__(self, version: str = "sim 1.0", number: int = 1, *, minimum: int = 1, size_max: int = 262_144) -> None:
        self.confirmed = self.running = Installed(version.encode("ascii"), number)
        self.trial: Installed | None = None
        self.staged: FirmwareImage | None = None
        self.minimum = minimum
        self.size_max = size_max
        self.public = maker_public()
        self._tried = False
        self._received = bytearray()

    @property
    def on_trial(self) -> bool:
        """What runs is not confirmed."""
        return self.running is not self.confirmed

    def start(self) -> Installed:
        """The pen starts: what runs from now on. A version that was on trial when it stopped is given up."""
        if self.trial is not None and self._tried:
            self.trial = None
        self._tried = self.trial is not None
        self.running = self.confirmed if self.trial is None else self.trial
        return self.running

    def state(self, battery_min_permille: int) -> FirmwareState:
        """What FIRMWARE_STATE answers."""
        staged = self.staged
        return FirmwareState(
            running=self.running.version,
            running_number=self.running.number,
            confirmed=self.confirmed.version,
            confirmed_number=self.confirmed.number,
            minimum_number=self.minimum,
            trial=int(self.on_trial),
            battery_min_permille=battery_min_permille,
            staged_size=0 if staged is None else staged.size,
            staged_bytes=len(self._received),
            staged_sha256=b"" if staged is None else staged.digest_and_signature[:SHA256_BYTES],
        )

    def begin(self, image: FirmwareImage, fails: Fails) -> Refusal:
        """Makes room for an image; what is here of the same one stays. Raises SupplyGone."""
        if image.size > self.size_max or image.number < self.minimum:
            return Refusal.RANGE
        if len(image.digest_and_signature) < SHA256_BYTES + SIGNATURE_BYTES:
            return Refusal.RANGE
        if self.staged == image:
            return Refusal.NONE
        _step(fails, 0)
        self.staged = None
        self._received.clear()
        for step in range(1, WHOLE):
            _step(fails, step)
        self.staged = image
        _step(fails, WHOLE)
        return Refusal.NONE

    def chunk(self, chunk: FirmwareChunk, fails: Fails) -> Refusal:
        """Takes a piece; one that is here changes nothing. Raises SupplyGone: then it is not here."""
        staged, here = self.staged, len(self._received)
        if staged is None:
            return Refusal.NOT_READY
        end = chunk.offset + len(chunk.data)
        if not 0 < len(chunk.data) <= FIRMWARE_CHUNK_BYTES or chunk.offset > here or end > staged.size:
            return Refusal.RANGE
        if end > here:
            for step in range(WHOLE):
                _step(fails, step)
            self._received += chunk.data[here - chunk.offset :]  # the count is the last that is written
            _step(fails, WHOLE)
        return Refusal.NONE

    @property
    def received(self) -> int:
        """Bytes of the image that are here."""
        return len(self._received)

    def spoil(self, offset: int) -> None:
        """A cell of the memory that holds the image goes bad."""
        self._received[offset] ^= 0xFF

    def apply(self, model: bytes, fails: Fails) -> Refusal:
        """Checks the image and puts it on trial, for the next start to run. Raises SupplyGone.

        While a version is on trial it runs from the second slot, and nothing is copied there.
        """
        staged = self.staged
        if self.on_trial or staged is None or not self._good(model, staged):
            return Refusal.RANGE
        for step in range(WHOLE):
            _step(fails, step)  # copied into the second slot, which nothing runs from until it is marked
        self.trial = Installed(staged.firmware.rstrip(b"\0"), staged.number, bytes(self._received))
        self._tried = False
        self.staged = None
        self._received.clear()
        _step(fails, WHOLE)
        return Refusal.NONE

    def _good(self, model: bytes, staged: FirmwareImage) -> bool:
        """The whole of what was signed by the maker for this model, and not under the minimum."""
        digest = staged.digest_and_signature[:SHA256_BYTES]
        signature = staged.digest_and_signature[SHA256_BYTES : SHA256_BYTES + SIGNATURE_BYTES]
        if len(self._received) != staged.size or sha256(self._received).digest() != digest:
            return False
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, signed_bytes(model, staged, digest))
        except InvalidSignature:
            return False
        return staged.number >= self.minimum

    def confirm(self, fails: Fails) -> Refusal:
        """What runs on trial becomes the version a start goes back to. Raises SupplyGone."""
        if self.trial is None or not self.on_trial:
            return Refusal.RANGE
        for step in range(WHOLE):
            _step(fails, step)
        self.confirmed, self.trial = self.running, None
        _step(fails, WHOLE)
        return Refusal.NONE

    def roll_back(self) -> Refusal:
        """The next start goes back to the version confirmed last; what is on trial is given up."""
        if not self.on_trial:
            return Refusal.RANGE
        self.trial = None
        return Refusal.NONE


def _step(fails: Fails, step: int) -> None:
    if fails(step):
        raise SupplyGone(done=step == WHOLE)
