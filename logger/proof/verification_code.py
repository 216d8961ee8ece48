"""The verification code: a checkpoint short enough to be printed on a report and typed by a person. Pure.

A code is the entry's sequence in decimal, a dash, and 25 symbols in groups of five: 24 of Crockford's base 32 (digits
and letters without I, L, O, U) for the first 120 bits of the entry's hash, and one that checks sequence and symbols.
Read, small letters are large ones, O is 0, I and L are 1, and blanks and dashes do not matter behind the sequence.

How strong it is: to make another record that fits a given code takes about 2**120 hashes. Whoever may still choose what
the record says, and so could prepare two of them with one code, needs about 2**60: out of reach of a clinic, not of a
state. The check symbol finds every single wrong symbol and every two neighbours exchanged; it proves nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from logger.errors import CodeError

SYMBOLS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_BITS: Final = 120
GROUP: Final = 5
MAX_SEQUENCE_DIGITS: Final = 19

_HASH_SYMBOLS: Final = CODE_BITS // 5
_READ_AS: Final = {"O": "0", "I": "1", "L": "1"}
_POLYNOMIAL: Final = 0b100101  # x^5 + x^2 + 1, primitive: the field of 32 symbols


@dataclass(frozen=True, slots=True)
class VerificationCode:
    """An entry and the first 120 bits (15 bytes) of its hash."""

    sequence: int
    prefix: bytes

    @classmethod
    def of(cls, sequence: int, digest: bytes) -> "VerificationCode":
        """The code of the entry with this sequence and 32-byte hash."""
        return cls(sequence, digest[: CODE_BITS // 8])

    def __str__(self) -> str:
        """As it is printed."""
        number = int.from_bytes(self.prefix)
        values = [number >> 5 * place & 31 for place in reversed(range(_HASH_SYMBOLS))]
        text = "".join(SYMBOLS[value] for value in (*values, _check(self.sequence, values)))
        return "-".join([str(self.sequence), *(text[at : at + GROUP] for at in range(0, len(text), GROUP))])


def read_code(text: str) -> VerificationCode:
    """The code a person typed. Raises CodeError that says what is wrong with it."""
    number, _, rest = text.strip().partition("-")
    if not (number.isascii() and number.isdigit() and int(number[:40]) > 0 and len(number) <= MAX_SEQUENCE_DIGITS):
        raise CodeError(f"{text!r} is no verification code: one begins with the entry's number and a dash. {_AGAIN}")
    symbols = [_READ_AS.get(symbol, symbol) for symbol in rest.upper() if symbol not in "- "]
    wrong = next((symbol for symbol in symbols if symbol not in SYMBOLS), None)
    if wrong is not None:
        raise CodeError(f"{wrong!r} is in no verification code: only digits and letters but U are. {_AGAIN}")
    if len(symbols) != _HASH_SYMBOLS + 1:
        raise CodeError(
            f"A verification code has {_HASH_SYMBOLS + 1} symbols behind its number, not {len(symbols)}. {_AGAIN}"
        )
    values = [SYMBOLS.index(symbol) for symbol in symbols]
    if _check(int(number), values[:-1]) != values[-1]:
        raise CodeError(f"The verification code was mistyped: its last symbol does not fit the others. {_AGAIN}")
    bits = 0
    for value in values[:-1]:
        bits = bits << 5 | value
    return VerificationCode(int(number), bits.to_bytes(CODE_BITS // 8))


_AGAIN = "Compare it with the report and give it again; nothing was verified."


def check_value(values: Iterable[int]) -> int:
    """The sum in the field of 32 of symbols, each weighed by another power of its generator."""
    total = 0
    for value in values:
        total = _double(total) ^ value
    return _double(total)


def _check(sequence: int, values: list[int]) -> int:
    return check_value([*(int(digit) for digit in str(sequence)), *values])


def _double(value: int) -> int:
    value <<= 1
    return value ^ _POLYNOMIAL if value & 32 else value
