"""`needlework library check|show|diff|sign`: what a protocol library says, and who answers for it."""

import os
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal

from rich.text import Text

from console.actions.library_key import asked_passphrase, spaced
from console.exits import Code
from console.render.library import changes_view, library_view, verdict_view
from console.screen import err, out, print_json, say
from console.trouble import ConsoleError, Told
from controller.datafile import parse_data, read_bounded
from controller.errors import DataError
from controller.key_file import PassphraseNeeded, read_key_file
from controller.library import Library, LoadedLibrary, sidecar_of
from controller.library_diff import library_changes
from controller.signing import fingerprint, sidecar, sign, verify
from station.settings import StationSettings
from station.site.libraries import clinic_library, trusted_keys

Use = Literal["clinic", "demo", "no"]


def check(settings: StationSettings, *, as_json: bool) -> int:
    """Prints what a library may be used for; exit code 0 only for treating patients. Raises DataError."""
    today = _today()
    library = clinic_library(settings, today)
    use, reason = usable(library, today)
    if as_json:
        print_json({**_heads(settings, library), "use": use, "reason": reason})
    else:
        say(out(), verdict_view(library, _name(settings), use, reason))
    return Code.DONE if use == "clinic" else Code.NO


def usable(library: LoadedLibrary, today: date) -> tuple[Use, str]:
    """What a well-formed library may be used for, and why in a sentence."""
    if today > library.valid_until:
        return "no", (
            f"It was valid until {library.valid_until.isoformat()}. The responsible physician looks through it, gives "
            "it a later date and signs it."
        )
    if not library.signed:
        return "demo", (
            "Nobody signed it. To treat patients with it, the responsible physician signs it "
            "(`needlework library sign`)."
        )
    return "clinic", f"Signed by {library.signed_by}, valid until {library.valid_until.isoformat()}."


def show(settings: StationSettings, *, as_json: bool) -> int:
    """Prints a library. Raises DataError."""
    library = clinic_library(settings, _today())
    if as_json:
        print_json({**_heads(settings, library), "content": library.content.model_dump(mode="json")})
    else:
        console = out()
        say(console, library_view(library, _name(settings), width=console.width))
    return Code.DONE


def diff(old: Path, new: Path, *, as_json: bool) -> int:
    """Prints what changed between two libraries; exit code 0 when they say the same. Raises DataError."""
    before, after = (parse_data(Library, read_bounded(path), str(path)) for path in (old, new))
    changes = library_changes(before, after)
    if as_json:
        print_json([asdict(change) for change in changes])
    else:
        say(out(), changes_view(changes, str(old), str(new)))
    return Code.NO if changes else Code.DONE


def sign_file(settings: StationSettings, file: Path, key_file: Path, *, as_json: bool) -> int:
    """Signs a library and writes the signature beside it. Raises DataError, ConsoleError."""
    trusted = trusted_keys(settings.trusted_physicians)
    if trusted is None:
        raise ConsoleError(
            Told(
                "no_physicians",
                "The clinic's file of physicians is not known, so nobody could check the signature.",
                "Nothing was signed.",
                "Name it with --trusted, or in the setting trusted_physicians.",
            ),
            Code.USAGE,
        )
    content = read_bounded(file)
    library = parse_data(Library, content, str(file))
    today = _today()
    if today > library.valid_until:
        raise DataError(f"{file}: valid until {library.valid_until.isoformat()}, which is past. Nothing was signed.")
    try:
        key = read_key_file(key_file, None)
    except PassphraseNeeded:
        key = read_key_file(key_file, asked_passphrase(f"Passphrase of {key_file}: "))
    print_of_key = fingerprint(key.public_key().public_bytes_raw())
    entry = trusted.with_key(print_of_key)
    if entry is None:
        raise DataError(
            f"{key_file}: this key, {print_of_key[:16]}…, is nobody's in the clinic's file of physicians. Have the "
            "clinic add it, then sign. Nothing was signed."
        )
    signer, physician = entry
    made = sign(content, key=key, signer=signer, licence=physician.licence, on=today)
    verify(content, made, trusted, name=str(file), today=today)
    _write(sidecar_of(file), sidecar(made))
    if as_json:
        print_json({**made.model_dump(mode="json"), "sidecar": str(sidecar_of(file))})
        return Code.DONE
    console = err()
    said = f"{library.name} v{library.version} is signed by {signer}, licence {physician.licence}."
    console.print(Text(said, style="bold green"))
    console.print(Text(f"The signature is in {sidecar_of(file)}; the two files belong together."))
    console.print(Text(f"Key: {spaced(print_of_key)}", style="dim"))
    return Code.DONE


def _write(path: Path, content: bytes) -> None:
    """Puts a whole file in place of what is there; never half of one."""
    beside = path.with_name(f"{path.name}.new")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _heads(settings: StationSettings, library: LoadedLibrary) -> dict[str, Any]:
    content = library.content
    return {
        "file": _name(settings),
        "library": library.title,
        "digest": library.digest,
        "issued": content.issued.isoformat(),
        "valid_until": content.valid_until.isoformat(),
        "signature": None if library.signature is None else library.signature.model_dump(mode="json"),
        "zones": sum(len(protocol.zones) for protocol in content.protocols.values()),
        "questions": len(content.questions),
    }


def _name(settings: StationSettings) -> str:
    return "the example shipped" if settings.library is None else str(settings.library)


def _today() -> date:
    return datetime.now(UTC).date()
