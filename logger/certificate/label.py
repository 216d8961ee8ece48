"""The label that goes onto a pen, and the QR code on it and on the certificate's first page: which certificate, and
which file exactly.

The code says ``NEEDLEWORK:NUMBER:CODE``, in the characters that QR holds most tightly. ``CODE`` is the first 120 bits
of the SHA-256 of the certificate's file in Crockford's base 32, so a label belongs to one file and to no edited one.
"""

import re
from io import BytesIO
from typing import Any, Final, Literal

from logger.certificate.number import read_number
from logger.errors import CodeError, ReportExtraMissing
from logger.proof.verification_code import SYMBOLS

BEGINS: Final = "NEEDLEWORK:"
CODE_SYMBOLS: Final = 24
_CODE: Final = re.compile(rf"{BEGINS}([^:]+):([{SYMBOLS}]{{{CODE_SYMBOLS}}})")
ErrorCorrection = Literal["L", "M", "Q", "H"]


def label_text(number: str, sha256: str) -> str:
    """What the QR code of a certificate says."""
    bits = int(sha256[: CODE_SYMBOLS * 5 // 4], 16)
    code = "".join(SYMBOLS[bits >> 5 * place & 31] for place in reversed(range(CODE_SYMBOLS)))
    return f"{BEGINS}{number}:{code}"


def read_label(text: str) -> tuple[str, str]:
    """Number, and the beginning of the file's SHA-256 (30 hexadecimal digits), of a scanned code. Raises CodeError."""
    found = _CODE.fullmatch(text.strip().upper())
    if found is None:
        raise CodeError(f"{text!r} is not what the code of a certificate's label says. Scan it again.")
    bits = 0
    for symbol in found[2]:
        bits = bits << 5 | SYMBOLS.index(symbol)
    return read_number(found[1]), f"{bits:0{CODE_SYMBOLS * 5 // 4}x}"


def qr_svg(text: str, *, correction: ErrorCorrection = "Q") -> str:
    """A QR code as an SVG without a size of its own, quiet zone among it."""
    out = BytesIO()
    _made(text, correction).save(out, kind="svg", border=4, xmldecl=False, omitsize=True, svgclass=None, lineclass=None)
    return out.getvalue().decode().strip()


def _made(text: str, correction: ErrorCorrection) -> Any:
    try:
        import segno  # noqa: PLC0415 an extra: only who draws a code loads it
    except ImportError as error:
        raise ReportExtraMissing(
            "Labels and certificates as PDF need the extra `report`, which is not installed. The certificate is as it "
            "was. Install it: `pip install 'needlework[report]'`."
        ) from error
    return segno.make(text, error=correction, micro=False, boost_error=False)
