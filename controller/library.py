"""A protocol library as it is loaded: its content, the digest of its bytes, and whose signature is under it.

Without a signature it is an example or a draft: whether that, or one past its date, may be used is decided where a
session is prepared. A signature that is there and wrong is never overlooked.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

from controller.datafile import load_data, parse_data, read_bounded, read_data
from controller.library_content import Course, Library, Question, TreatmentProtocol, ZoneLimits
from controller.signing import Physician, Signature, TrustedKeys, digest_of, read_sidecar, verify

SHIPPED = "example_library.yaml"


@dataclass(frozen=True, slots=True)
class LoadedLibrary:
    """A library that was read and checked. ``digest`` is the SHA-256 of the file's bytes, in hexadecimal."""

    content: Library
    digest: str
    signature: Signature | None

    @property
    def title(self) -> str:
        """Name and version, as records quote it."""
        return f"{self.content.name} v{self.content.version}" + ("" if self.signed else " (unsigned example)")

    @property
    def signed_by(self) -> str | None:
        """The id of the physician whose signature was proved; None where there is none."""
        return None if self.signature is None else self.signature.signer

    @property
    def signed(self) -> bool:
        """Whether a trusted physician answers for it."""
        return self.signature is not None

    @property
    def valid_until(self) -> date:
        """The last day it may be used."""
        return self.content.valid_until

    @property
    def checklist(self) -> Mapping[str, str]:
        """Points to confirm before arming, with their texts."""
        return self.content.checklist

    @property
    def questions(self) -> Mapping[str, Question]:
        """Contraindications by id."""
        return self.content.questions

    @property
    def override_reasons(self) -> Mapping[str, str]:
        """Reasons to go beyond a soft limit, with their texts."""
        return self.content.override_reasons

    @property
    def protocols(self) -> Mapping[str, TreatmentProtocol]:
        """Protocols by id."""
        return self.content.protocols

    @property
    def sources(self) -> Mapping[str, str]:
        """Sources by id."""
        return self.content.sources


def sidecar_of(path: Path) -> Path:
    """Where the signature of a library file lies."""
    return path.with_name(f"{path.name}.sig")


def load_library(
    path: Path | None = None, *, trusted: TrustedKeys | None = None, today: date | None = None
) -> LoadedLibrary:
    """The library in a file, or the unsigned example shipped.

    Raises DataError with file, line and reason for what is malformed, and for a signature that is there and does not
    prove that one of the ``trusted`` physicians signed these bytes, by a key that held then and holds ``today``.
    """
    if path is None:
        return _shipped()
    content = read_bounded(path)
    beside = sidecar_of(path)
    signature = None
    if os.path.lexists(beside):
        signature = read_sidecar(read_bounded(beside), str(beside))
        verify(content, signature, trusted, name=str(path), today=today)
    return LoadedLibrary(parse_data(Library, content, str(path)), digest_of(content), signature)


@cache
def _shipped() -> LoadedLibrary:
    """The example, read once: it is a part of the program and cannot change while it runs."""
    name, content = read_data(None, SHIPPED)
    return LoadedLibrary(parse_data(Library, content, name), digest_of(content), None)


def load_trusted_keys(path: Path) -> TrustedKeys:
    """The physicians whose signatures a clinic accepts. Raises DataError."""
    return load_data(TrustedKeys, path, "")


__all__ = [
    "Course", "Library", "LoadedLibrary", "Physician", "Question", "TreatmentProtocol", "TrustedKeys", "ZoneLimits",
    "load_library", "load_trusted_keys", "sidecar_of",
]  # fmt: skip
