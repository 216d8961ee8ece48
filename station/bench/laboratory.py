"""Who answers for a certificate: the laboratory's name and address, in a file of the clinic's."""

from pathlib import Path

from controller.datafile import DataModel, Words, parse_data, read_bounded
from logger.certificate.document import Address


class Laboratory(DataModel):
    """The file: a name, the lines of an address, and how to reach it."""

    name: Words
    address: tuple[Words, ...] = ()
    contact: Words | None = None


def laboratory(path: Path | None) -> Address | None:
    """The laboratory in a file; None where no file is set. Raises DataError with line and reason."""
    if path is None:
        return None
    said = parse_data(Laboratory, read_bounded(path), str(path))
    return Address(name=said.name, lines=said.address, contact=said.contact or "")
