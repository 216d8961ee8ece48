"""`needlework library key`: a physician's key pair; and the passphrase such a key is under."""

import sys
from getpass import getpass
from pathlib import Path
from typing import Any

from rich.text import Text

from console.exits import Code
from console.screen import err, print_json
from console.trouble import ConsoleError, Told
from controller.datafile import parse_data
from controller.errors import DataError
from controller.key_file import make_key_file
from controller.signing import TrustedKeys, fingerprint, public_text

PLACEHOLDER_KEY = bytes(32)
"""Stands for the key while the rest of the entry is checked: no key is made for an entry that is no good."""
PASSPHRASE_MIN = 8


def make_key(file: Path, identity: str, licence: str, valid_until: str, *, with_passphrase: bool, as_json: bool) -> int:
    """Writes the private key and prints the clinic's entry for the public one. Raises DataError, ConsoleError."""
    _check_entry(identity, licence, valid_until)
    made = make_key_file(file, new_passphrase() if with_passphrase else None)
    public = made.public_key().public_bytes_raw()
    entry: dict[str, Any] = {
        "id": identity,
        "licence": licence,
        "public_key": public_text(public),
        "valid_until": valid_until,
        "fingerprint": fingerprint(public),
        "private_key": str(file),
    }
    if as_json:
        print_json(entry)
    else:
        sys.stdout.write(physicians_file(identity, licence, valid_until, public))
        sys.stdout.flush()
    console = err()
    console.print(Text(f"The private key is in {file}. Keep it to yourself: whoever has it signs as {identity}."))
    console.print(Text(f"Its fingerprint, to compare by voice with the clinic's file: {spaced(entry['fingerprint'])}"))
    return Code.DONE


def _check_entry(identity: str, licence: str, valid_until: str) -> None:
    """Raises ConsoleError unless the clinic's file can hold these words and gives them back."""
    reason = ""
    try:
        text = physicians_file(identity, licence, valid_until, PLACEHOLDER_KEY)
        read = parse_data(TrustedKeys, text.encode(), "entry").physicians.get(identity)
    except DataError as error:
        reason, _, _ = str(error).partition(": ")[2].removeprefix("physicians → ").partition(" Nothing was loaded.")
    else:
        if read is None or (read.licence, read.valid_until.isoformat()) != (licence, valid_until):
            reason = "its words would be read as others."
    if reason:
        told = Told("usage", f"That is no entry for a physician: {reason}", "No key was made.", "Correct it.")
        raise ConsoleError(told, Code.USAGE)


def physicians_file(identity: str, licence: str, valid_until: str, public: bytes) -> str:
    """The clinic's file of physicians with one of them in it."""
    quoted = '"' + licence.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return (
        "# Physicians whose signature under a protocol library is accepted. Keep it where only the clinic writes.\n"
        "format: needlework-physicians/1\n"
        "physicians:\n"
        f"  {identity}:\n"
        f"    licence: {quoted}\n"
        f"    public_key: {public_text(public)}\n"
        f"    valid_until: {valid_until}\n"
    )


def spaced(key: str) -> str:
    """A fingerprint in groups that people can read to each other."""
    return " ".join(key[start : start + 8] for start in range(0, len(key), 8))


def asked_passphrase(prompt: str) -> bytes:
    """A passphrase from the keyboard, unseen; where there is none, a line of standard input."""
    text = getpass(prompt) if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    return text.encode("utf-8")


def new_passphrase() -> bytes:
    """A passphrase for a new key, typed twice at a keyboard. Raises ConsoleError."""
    first = asked_passphrase("Passphrase for the new key: ")
    if len(first) < PASSPHRASE_MIN:
        raise ConsoleError(
            Told(
                "passphrase",
                f"A passphrase has at least {PASSPHRASE_MIN} characters.",
                "No key was made.",
                "Choose several words, then ask again.",
            )
        )
    if sys.stdin.isatty() and asked_passphrase("Again: ") != first:
        raise ConsoleError(Told("passphrase", "The two are not the same.", "No key was made.", "Ask again."))
    return first
