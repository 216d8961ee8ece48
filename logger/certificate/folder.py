"""The certificates a station issued, as files named by their numbers: whole or not there, and never written over."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from logger.certificate.document import Certificate
from logger.certificate.number import read_number
from logger.certificate.sealing import Sealed, open_certificate
from logger.errors import CertificateNotFound, CertificateRefused, CodeError
from logger.whole_file import new_whole

SUFFIX = ".json"


@dataclass(frozen=True, slots=True)
class Kept:
    """A certificate in the folder; ``problem`` says why it cannot be read, and ``certificate`` is None then."""

    path: Path
    sha256: str
    certificate: Certificate | None
    problem: str = ""
    key_id: str = ""


class CertificateFolder:
    """A folder of certificates; made by the first one."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def has(self, number: str) -> bool:
        """Whether that number is taken."""
        return self.file_of(number).exists()

    def file_of(self, number: str) -> Path:
        """Where the certificate of a number is, or will be."""
        return self.path / f"{number}{SUFFIX}"

    def keep(self, sealed: Sealed) -> Path:
        """Puts a certificate onto the disk. Raises CertificateRefused for a number that is taken, OSError."""
        number = sealed.certificate.body.number
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.file_of(number)
        try:
            new_whole(path, sealed.content)
        except FileExistsError as error:
            if path.read_bytes() == sealed.content:
                return path  # what was issued before a crash, issued again
            raise CertificateRefused(
                "number_taken", f"There is a certificate {number} already: {path}. Nothing was written over it."
            ) from error
        return path

    def read(self, number: str) -> tuple[Path, bytes]:
        """The file of a number. Raises CertificateNotFound, OSError."""
        path = self.file_of(number)
        try:
            return path, path.read_bytes()
        except FileNotFoundError as error:
            raise CertificateNotFound(
                "not_found",
                f"There is no certificate {number} in {self.path}. `needlework certificate list` names those there "
                "are; name the file of one that came from elsewhere.",
            ) from error

    def replaced_by(self) -> dict[str, str]:
        """By the number of each certificate that was issued anew, that of the newest one in its place."""
        bodies = [kept.certificate.body for kept in self.all() if kept.certificate is not None]
        bodies.sort(key=lambda body: (body.issued_at, body.number))
        return {body.replaces.number: body.number for body in bodies if body.replaces is not None}

    def all(self) -> Iterator[Kept]:
        """Every certificate, by its number; one that is damaged with what is wrong with it."""
        for path in sorted(self.path.glob(f"*{SUFFIX}")) if self.path.is_dir() else []:
            try:
                read_number(path.stem)
            except CodeError:
                continue  # nothing of ours
            try:
                opened = open_certificate(path.read_bytes(), path.name)
            except (CertificateRefused, OSError) as error:
                yield Kept(path, "", None, str(error))
                continue
            later = "" if opened.certificate else f"{path.name}: a later version of this product issued it."
            yield Kept(path, opened.sha256, opened.certificate, later, opened.key_id)
