"""A FHIR bundle as a file: checked by fhir.resources' models and by the rules they do not know, then written whole.

Needs the extra ``fhir``. It has models of R4B (4.3.0) and none of R4 (4.0.1). The resources used here have the same
elements in both; the tests hold bundles against HL7's own schema of R4, too.
"""

import json
from pathlib import Path

from logger.errors import ExportError
from logger.export.fhir_checks import problems
from logger.export.fhir_codes import Json
from logger.export.files import write_whole


def check(bundle: Json) -> None:
    """Raises ExportError when the bundle is none, or fhir.resources is not installed."""
    try:
        from fhir.resources.R4B.bundle import Bundle  # noqa: PLC0415 an extra: imported where it is used
    except ImportError as error:
        raise ExportError(
            "FHIR needs fhir.resources, which is not installed. Nothing was written. Run "
            '`pip install "needlework[fhir]"`.'
        ) from error
    try:
        Bundle.model_validate(bundle)
        found = problems(bundle)
    except ValueError as error:
        found = [" ".join(str(error).split())]
    if found:
        raise ExportError(
            f"What was made of this session is no valid FHIR: {found[0]}. Nothing was written, and the record is as it "
            "was. Please report it with the version of Needlework; `needlework export csv` has the same facts."
        )


def rendered(bundle: Json) -> bytes:
    """The bundle's bytes: the same bundle gives the same."""
    return (json.dumps(bundle, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def write_bundle(bundle: Json, target: Path, *, force: bool) -> None:
    """Checks a bundle and writes it. Raises ExportError."""
    check(bundle)
    write_whole(target, lambda file: file.write(rendered(bundle)), force=force)
