"""`needlework certificate list|show|pdf|label|copy`: what is made of certificates that were issued."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from rich.text import Text

from console.actions.report_files import check_place
from console.exits import Code
from console.render.certificate import certificate_view, certificates_view
from console.screen import out, print_json, say
from console.trouble import ConsoleError, Told
from logger.certificate.canonical import MAX_BYTES
from logger.certificate.document import Body
from logger.certificate.folder import CertificateFolder
from logger.certificate.label import BEGINS, read_label
from logger.certificate.number import read_number
from logger.certificate.sealing import open_certificate, withheld
from logger.errors import CertificateRefused
from logger.export.files import check_free, write_whole
from logger.report import Paper
from logger.report.certificate import Printed, certificate_report
from logger.report.label import LabelFormat
from logger.report.label import label as label_of
from station.settings import StationSettings

_FORMS: dict[str, LabelFormat] = {".pdf": "pdf", ".svg": "svg", ".png": "png"}


@dataclass(frozen=True, slots=True)
class Found:
    """A certificate's file: where it is and what is in it."""

    path: Path
    content: bytes


def list_them(settings: StationSettings, *, serial: str | None, as_json: bool) -> int:
    """Prints the certificates in this station's folder; exit code 1 where one of them cannot be read."""
    folder = CertificateFolder(settings.certificates_path)
    replaced = folder.replaced_by()
    kept = [
        one
        for one in folder.all()
        if serial is None or one.certificate is None or one.certificate.body.instrument.serial == serial
    ]
    kept.sort(key=lambda one: one.certificate.body.issued_at if one.certificate else "", reverse=True)
    if as_json:
        print_json(
            [
                {
                    "number": one.path.stem,
                    "file": str(one.path),
                    "sha256": one.sha256,
                    "problem": one.problem,
                    "replaced_by": replaced.get(one.path.stem),
                    **({} if one.certificate is None else _in_short(one.certificate.body)),
                }
                for one in kept
            ]
        )
    else:
        say(out(), certificates_view(kept, replaced, str(settings.certificates_path)))
    return Code.NO if any(one.problem for one in kept) else Code.DONE


def _in_short(body: Body) -> dict[str, object]:
    return {
        "kind": body.kind,
        "pen": body.instrument.model,
        "serial": body.instrument.serial,
        "issued_at": body.issued_at,
        "due_on": body.due_on,
        "as_found_in_tolerance": all(series.stages[0].in_tolerance for series in body.results),
        "as_left_in_tolerance": all(series.last.in_tolerance for series in body.results),
    }


def show(settings: StationSettings, which: str, *, as_json: bool) -> int:
    """Prints a certificate. Raises CertificateRefused, CodeError, OSError."""
    printed = printed_of(found(settings, which))
    if as_json:
        print_json({**printed.certificate.model_dump(mode="json"), "sha256": printed.sha256, "key_id": printed.key_id})
    else:
        console = out()
        console.print(certificate_view(printed, width=console.width), soft_wrap=not console.is_terminal)
    return Code.DONE


def pdf(
    settings: StationSettings, which: str, *, output: Path | None, paper: Paper | None, force: bool, as_json: bool
) -> int:
    """Writes the pages of a certificate. Raises RecordError, ConsoleError, OSError."""
    printed = printed_of(found(settings, which))
    path = output or Path(f"{printed.certificate.body.number}.pdf")
    check_place(path, force=force)
    made = certificate_report(printed, paper or settings.paper)
    return _written("Certificate", path, made, force=force, as_json=as_json)


def label(settings: StationSettings, which: str, *, output: Path | None, force: bool, as_json: bool) -> int:
    """Writes the label of a certificate. Raises RecordError, ConsoleError, OSError."""
    printed = printed_of(found(settings, which))
    path = output or Path(f"{printed.certificate.body.number}-label.pdf")
    form = _FORMS.get(path.suffix.lower())
    if form is None:
        what = f"{path} ends in none of .pdf, .svg and .png, and that says what a label is made as."
        raise ConsoleError(Told("usage", what, "Nothing was written.", "Give it one of these endings."), Code.USAGE)
    check_place(path, force=force)
    return _written("Label", path, label_of(printed, form), force=force, as_json=as_json)


def copy(settings: StationSettings, which: str, *, output: Path | None, names: bool, force: bool, as_json: bool) -> int:
    """Writes a certificate's file, with what stays at the site or without. Raises RecordError, OSError."""
    source = found(settings, which)
    printed = printed_of(source)
    path = output or Path(f"{printed.certificate.body.number}.json")
    if not force:
        check_free([path])
    made = source.content if names else withheld(source.content, source.path.name)
    return _written("Copy", path, made, force=force, as_json=as_json)


def found(settings: StationSettings, which: str) -> Found:
    """The certificate that was meant, by its file, its number, or its label's code.

    Raises CodeError, CertificateNotFound, CertificateRefused for a file that its label is not of, OSError.
    """
    path = Path(which)
    if path.is_file():
        with path.open("rb") as file:
            return Found(path, file.read(MAX_BYTES + 1))
    digest = ""
    if which.upper().startswith(BEGINS):
        number, digest = read_label(which)
    elif "/" in which or path.suffix:
        raise ConsoleError(Told("place", f"There is no file {which}.", "", "Check its name and the folder you are in."))
    else:
        number = read_number(which)
    path, content = CertificateFolder(settings.certificates_path).read(number)
    if not hashlib.sha256(content).hexdigest().startswith(digest):
        raise CertificateRefused(
            "changed", f"{path}: it is not the file that the label was made for: it was changed, or issued anew."
        )
    return Found(path, content)


def printed_of(source: Found) -> Printed:
    """What is to be shown of a file. Raises CertificateRefused for one that was changed, or of a later version."""
    opened = open_certificate(source.content, source.path.name)
    if opened.certificate is None:
        raise CertificateRefused(
            "later_version",
            f"{source.path.name}: a later version of this product issued it ({opened.format}), and this one cannot "
            "read it. `needlework certificate verify` still checks its signature. Update this product to see it.",
        )
    return Printed(opened.certificate, opened.sha256, opened.key_id)


def _written(what: str, path: Path, made: bytes, *, force: bool, as_json: bool) -> int:
    write_whole(path, lambda file: file.write(made), force=force)
    digest = hashlib.sha256(made).hexdigest()
    if as_json:
        print_json({"file": str(path), "bytes": len(made), "sha256": digest})
    else:
        size = f"{len(made) // 1000} kB" if len(made) >= 1000 else f"{len(made)} bytes"
        out().print(Text.assemble((f"{what}: ", "bold"), f"{path} ({size}, SHA-256 {digest[:16]}…)"))
    return Code.DONE
