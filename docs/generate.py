"""Writes what is made from tables: the protocol document, the C header and the test vectors; the list of alarms; what
is on the bus, with the schema of every event and message; the codes of FHIR exports; the numbers of the simulated pen.

python docs/generate.py           writes the files
python docs/generate.py --check   writes nothing; names the files that are not current and ends with 1 if any
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from generator.alarms import make_alarms
from generator.asyncapi import make_asyncapi
from generator.bus import make_bus
from generator.contract import SCHEMAS, make_schemas, rendered
from generator.exports import make_exports
from generator.header import make_header
from generator.markdown import make_protocol
from generator.simulator import make_simulator
from generator.vectors import make_vectors

from logger.export.fhir_codes import code_system

ROOT = Path(__file__).resolve().parent.parent


def generated_files() -> Mapping[Path, str]:
    """Every generated file under the project's root, with the text it should have.

    Raises ValueError when a published schema would change.
    """
    files = {
        ROOT / "docs" / "protocol.md": make_protocol(),
        ROOT / "docs" / "alarms.md": make_alarms(),
        ROOT / "docs" / "c" / "needlework_wire.h": make_header(),
        ROOT / "docs" / "asyncapi.json": make_asyncapi(),
        ROOT / "docs" / "bus.md": make_bus(),
        ROOT / "docs" / "exports.md": make_exports(),
        ROOT / "docs" / "simulator.md": make_simulator(),
        ROOT / "docs" / "fhir" / "codesystem.json": rendered(code_system()),
    }
    files |= {ROOT / "tests" / "vectors" / name: text for name, text in make_vectors().items()}
    files |= {ROOT / SCHEMAS / name: text for name, text in make_schemas(ROOT).items()}
    return files


def stale_files(files: Mapping[Path, str]) -> list[str]:
    """One line for each file that is missing, differs, or is left over in the folder of vectors."""
    stale = []
    for path, text in files.items():
        name = path.relative_to(ROOT).as_posix()
        if not path.exists():
            stale.append(f"{name} is missing")
        elif path.read_text(encoding="utf-8") != text:
            stale.append(f"{name} is not current")
    left_over = [path for path in sorted((ROOT / "tests" / "vectors").glob("*.json")) if path not in files]
    return stale + [f"{path.relative_to(ROOT).as_posix()} is made by nothing any more" for path in left_over]


def write(files: Mapping[Path, str]) -> None:
    """Writes the files that differ, so that what is current keeps its time stamp."""
    for path, text in files.items():
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
        print(f"wrote {path.relative_to(ROOT).as_posix()}")


def main(arguments: list[str]) -> int:
    """Runs the command line; returns the exit code."""
    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        files = generated_files()
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    if not arguments:
        write(files)
        return 0
    stale = stale_files(files)
    for line in stale:
        print(line)
    if stale:
        print("run `python docs/generate.py` and commit what it writes")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
