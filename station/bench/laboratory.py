"""Who answers for a certificate: the laboratory's name and address, in a file of the clinic's."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from controller.datafile import DataModel, Words, parse_data, read_bounded
from logger.certificate.document import Address


class Laboratory(DataModel):
    """The file, and a customer in another: a name, the lines of an address, and how to reach it."""

    name: Words
    address: Annotated[tuple[Words, ...], Field(max_length=8)] = ()
    contact: Words | None = None


def laboratory(path: Path | None) -> Address | None:
    """The laboratory in a file; None where no file is set. Raises DataError with line and reason."""
    return None if path is None else address_of(parse_data(Laboratory, read_bounded(path), str(path)))


def address_of(said: Laboratory) -> Address:
    """As it stands in a certificate."""
    return Address(name=said.name, lines=said.address, contact=said.contact or "")
