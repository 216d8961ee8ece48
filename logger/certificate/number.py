"""A certificate's number: kind, day, chance, and a character that finds a mistyped one. Pure.

``C261126-7K3QM4XB``: C for a calibration or T for an accuracy test, the day of issue as YYMMDD, seven symbols of
Crockford's base 32 drawn at random (35 bits), and a check symbol. Stations number without asking one another, so a
counter would give two certificates one number; of a hundred thousand issued in one day two would share one with a
chance of 14 %, of a hundred with one in seven million, and a station's own folder never takes the same one twice. A
pen's memory has room for sixteen characters.
"""

import re
from collections.abc import Callable
from datetime import date
from typing import Final

from controller.service_events import CertificateKind
from logger.errors import CodeError
from logger.proof.verification_code import SYMBOLS, check_value

_LETTERS: Final[dict[CertificateKind, str]] = {"calibration": "C", "accuracy_test": "T"}
_DRAWN: Final = 7
_NUMBER: Final = re.compile(rf"[CT]\d{{6}}-[{SYMBOLS}]{{{_DRAWN + 1}}}")
_READ_AS: Final = {"O": "0", "I": "1", "L": "1"}


def new_number(kind: CertificateKind, on: date, random_bytes: Callable[[int], bytes]) -> str:
    """A new number for a certificate issued ``on`` a day."""
    drawn = int.from_bytes(random_bytes(5)) >> 5
    symbols = "".join(SYMBOLS[drawn >> 5 * place & 31] for place in reversed(range(_DRAWN)))
    begun = f"{_LETTERS[kind]}{on:%y%m%d}-{symbols}"
    return begun + _check(begun)


def read_number(text: str) -> str:
    """The number a person typed, as it is written. Raises CodeError that says what is wrong with it."""
    head, _, tail = text.strip().upper().partition("-")
    number = f"{head}-" + "".join(_READ_AS.get(symbol, symbol) for symbol in tail)
    if not _NUMBER.fullmatch(number):
        raise CodeError(
            f"{text!r} is no certificate's number: one looks like C261126-7K3QM4XB. Compare it with the certificate."
        )
    if _check(number[:-1]) != number[-1]:
        raise CodeError(
            f"The certificate's number {text!r} was mistyped: its last character does not fit the others. Compare it "
            "with the certificate and give it again."
        )
    return number


def _check(begun: str) -> str:
    """A symbol that finds every single wrong one, and every two neighbours exchanged."""
    return SYMBOLS[check_value([SYMBOLS.index(symbol) for symbol in begun if symbol != "-"])]
