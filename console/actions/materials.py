"""`needlework sbom`: what this installation is made of."""

import json
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

from console.exits import Code
from console.sbom import bill_of_materials
from console.screen import err
from console.trouble import ConsoleError, Told
from logger.export.files import write_whole


def sbom(target: Path | None, *, force: bool) -> int:
    """Writes the software bill of materials. Raises ConsoleError, ExportError."""
    try:
        bill = bill_of_materials()
    except PackageNotFoundError as error:
        raise ConsoleError(
            Told(
                "not_installed",
                f"{error.name} is not installed, and Needlework needs it.",
                "So what it runs on cannot be told. Nothing was written.",
                "Install Needlework anew: `pip install --force-reinstall needlework`.",
            )
        ) from error
    text = json.dumps(bill, indent=2, ensure_ascii=False) + "\n"
    if target is None:
        sys.stdout.write(text)
        sys.stdout.flush()
        return Code.DONE
    write_whole(target, lambda file: file.write(text.encode()), force=force)
    err().print(f"{target}: {len(bill['components'])} components, CycloneDX {bill['specVersion']}.")
    return Code.DONE
