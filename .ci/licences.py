"""Lists the licence of every package Needlework needs to run, and fails on one that does not fit.

The closure is walked from the distribution's own requirements (development tools left out), so that a tool used on the
code does not count as a part of the product.
"""

import json
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

STRONG_COPYLEFT = re.compile(r"\bA?GPL|(?<!Lesser )(?<!Library )General Public|Affero|UNKNOWN")
"""What may not come in. A weak copyleft (MPL, LGPL) of a library that stays a file of its own may."""


def normalised(name: str) -> str:
    """A distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def closure(name: str, extras: frozenset[str] = frozenset()) -> set[str]:
    """Normalised names of what ``name`` needs to run on this system, itself left out.

    Raises PackageNotFoundError when one is not installed: an environment with holes says nothing.
    """
    found: set[str] = set()
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [(name, extras)]
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        for text in distribution(current[0]).requires or []:
            requirement = Requirement(text)
            asked = current[1] or {""}
            if requirement.marker and not any(requirement.marker.evaluate({"extra": extra}) for extra in asked):
                continue
            found.add(normalised(requirement.name))
            waiting.append((normalised(requirement.name), frozenset(requirement.extras)))
    return found - {name}


def licences(names: set[str]) -> list[tuple[str, str, str]]:
    """(name, version, licence) of each, sorted by name, as the packages' own metadata say.

    Raises LookupError when pip-licenses does not list one of them.
    """
    tool = str(Path(sys.executable).with_name("pip-licenses"))
    command = [tool, "--with-system", "--format=json", "--packages", *sorted(names)]
    listed = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    rows = sorted((row["Name"], row["Version"], row["License"]) for row in listed)
    lacking = names - {normalised(row[0]) for row in rows}
    if lacking:
        raise LookupError(f"pip-licenses does not list {', '.join(sorted(lacking))}: their licence is not known.")
    return rows


def main() -> int:
    """Prints the table; 0 when every licence fits, 1 when one does not or is not known."""
    try:
        rows = licences(closure("needlework", frozenset({"all"})))
    except PackageNotFoundError as error:
        print(f"{error.name} is not installed, so its licence cannot be told: run `make setup`.", file=sys.stderr)
        return 1
    except LookupError as error:
        print(error, file=sys.stderr)
        return 1
    for name, version, licence in rows:
        print(f"{name:22} {version:14} {licence}")
    unfit = [row for row in rows if STRONG_COPYLEFT.search(row[2])]
    for name, _, licence in unfit:
        print(f"{name} ({licence}) does not fit: docs/decisions/0028-licences.md says why.", file=sys.stderr)
    print(f"\n{len(rows)} packages, {len(unfit)} that do not fit.")
    return 1 if unfit else 0


if __name__ == "__main__":
    sys.exit(main())
