"""JSON with one spelling only, so that what is signed can be written down again: the rules of RFC 8785, for documents
of whole numbers, strings, lists and objects with ASCII keys.
"""

import json
from typing import Any, Final

from logger.errors import CertificateRefused

MAX_BYTES: Final = 1_000_000
"""A certificate of sixteen points read thirty times from both sides is some 200 kB."""
_GREATEST: Final = 2**53 - 1
"""Beyond it readers in other languages round."""


def canonical(document: Any) -> bytes:
    """The one way to write a document, in UTF-8. Raises ValueError for what has more than one."""
    _check(document)
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def laid_out(document: Any) -> bytes:
    """The one way to write a document into a file that people look at, in UTF-8."""
    _check(document)
    return (json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def read_laid_out(content: bytes, name: str) -> Any:
    """The document in a file. Raises CertificateRefused for what is not written as :func:`laid_out` writes it."""
    if len(content) > MAX_BYTES:
        raise CertificateRefused("not_ours", f"{name}: {len(content)} bytes; a certificate has at most {MAX_BYTES}.")
    if content.startswith(b"%PDF"):
        raise CertificateRefused(
            "not_ours",
            f"{name}: it is a PDF, and a print proves nothing. What is signed is a file of data, named by the number "
            "in the print and ending in .json: ask whoever issued it for that. Whether the print is of it, the code "
            "printed in it says (--code).",
        )
    try:
        document = json.loads(content)
        same = laid_out(document) == content
    except (ValueError, RecursionError) as error:
        raise CertificateRefused("not_ours", f"{name}: it is no certificate of ours: no such JSON.") from error
    if not same:
        raise CertificateRefused(
            "changed", f"{name}: it is not written as it was issued: something was changed in it, or saved it anew."
        )
    return document


def _check(document: Any) -> None:
    match document:
        case bool() | None:
            return
        case str():
            document.encode()  # half a surrogate pair has no UTF-8, and raises ValueError
        case int():
            if abs(document) > _GREATEST:
                raise ValueError(f"{document} is beyond what every reader of JSON keeps exactly")
        case list() | tuple():
            for item in document:
                _check(item)
        case dict():
            for key, item in document.items():
                if not isinstance(key, str) or not key.isascii():
                    raise ValueError(f"{key!r} is no key of ASCII characters")
                _check(item)
        case _:
            raise ValueError(f"{type(document).__name__} has more than one way to be written")
