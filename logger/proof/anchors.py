"""Anchors: what is known of a chain from elsewhere, and whether the chain agrees.

An anchor is an entry's sequence and its hash, or the beginning of it, that a person noted or a report has printed. It
speaks for everything up to that entry.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from logger.errors import CodeError
from logger.proof.findings import Findings
from logger.proof.verification_code import read_code

MIN_HASH_CHARS = 16
"""Hexadecimal digits of a hash that an anchor gives at least: 64 bits are more than anybody hits by trying at home,
and fewer than a code has; whoever wants more gives all 64."""

_GIVEN = re.compile(rf"(\d{{1,19}}):([0-9a-fA-F]{{{MIN_HASH_CHARS},64}})")


@dataclass(frozen=True, slots=True)
class Anchor:
    """That the entry ``sequence`` has a hash which begins with ``prefix`` (whole bytes)."""

    sequence: int
    prefix: bytes

    @property
    def bits(self) -> int:
        """How much of the hash it gives."""
        return 8 * len(self.prefix)


def read_anchor(text: str) -> Anchor:
    """The anchor in ``SEQUENCE:HASH`` or in a report's verification code. Raises CodeError."""
    given = _GIVEN.fullmatch(text.strip())
    if given is not None and int(given[1]) > 0:
        return Anchor(int(given[1]), bytes.fromhex(given[2][: len(given[2]) // 2 * 2]))
    if ":" in text:
        raise CodeError(
            f"{text!r} is no anchor: it is SEQUENCE:HASH with at least {MIN_HASH_CHARS} of the hash's 64 hexadecimal "
            "digits, or a report's verification code. Nothing was verified."
        )
    code = read_code(text)
    return Anchor(code.sequence, code.prefix)


class Anchored:
    """Holds a chain's entries against some anchors while they pass."""

    def __init__(self, anchors: Sequence[Anchor]) -> None:
        self._open: dict[int, list[Anchor]] = {}
        self._seen: dict[int, bytes] = {}
        for anchor in anchors:
            self._open.setdefault(anchor.sequence, []).append(anchor)
        self.words = tuple(f"the anchor of entry {anchor.sequence} ({anchor.bits} bits)" for anchor in anchors)
        """Each anchor's name for people."""

    def take(self, sequence: int, digest: bytes) -> None:
        """The chain's next entry and its hash."""
        if sequence in self._open:
            self._seen[sequence] = digest

    def finish(self, findings: Findings, last: int | None, first: int = 1) -> None:
        """Behind the last entry: says which anchors the chain does not agree with, or does not reach.

        ``first`` is the first entry there is to compare, in a part of a chain.
        """
        for sequence, anchors in self._open.items():
            found = self._seen.get(sequence)
            for anchor in anchors:
                if found is not None and not found.startswith(anchor.prefix):
                    findings.add(
                        sequence,
                        "differs_from_anchor",
                        f"Entry {sequence} is not the one that the anchor names: up to there the record was rewritten, "
                        "or the anchor is another record's.",
                    )
                elif found is None and sequence > (last or 0):
                    findings.add(
                        last,
                        "cut_tail",
                        f"The record ends at entry {last or 0}, the anchor names entry {sequence}: its end was cut.",
                    )
                elif found is None and sequence >= first:
                    findings.add(
                        sequence, "differs_from_anchor", f"Entry {sequence}, which the anchor names, is not there."
                    )
                elif found is None:
                    findings.add(
                        sequence,
                        "differs_from_anchor",
                        f"The anchor names entry {sequence}, what is here begins at {first}: that cannot be compared.",
                    )
