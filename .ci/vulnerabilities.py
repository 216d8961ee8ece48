"""Asks whether anything in constraints.txt has a known vulnerability. Ends with 0 only when all of it was looked up.

pip-audit passes when its service does not know a package, and that is also what a mirror of the index answers that has
no vulnerability data. So what was not looked up counts as a failure here, and is said.

0  looked up, none known      1  some are known      2  could not be looked up
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DEADLINE_S = 900


def verdict(returncode: int, stdout: str, stderr: str, pinned: int) -> tuple[int, list[str]]:
    """The exit code, and what to say, from what pip-audit did about ``pinned`` packages."""
    try:
        found: list[dict[str, Any]] = json.loads(stdout)["dependencies"]
    except (ValueError, LookupError, TypeError):
        why = (stderr.strip() or "it said nothing").splitlines()[-1]
        return 2, [f"The vulnerability service could not be asked: {why}"]
    unknown = [part for part in found if "vulns" not in part]
    known = [part for part in found if part.get("vulns")]
    lines = [
        f"{part['name']} {part['version']}: {one['id']}, fixed in {', '.join(one['fix_versions']) or 'no version yet'}"
        for part in known
        for one in part["vulns"]
    ]
    looked_up = len(found) - len(unknown)
    if known:
        return 1, lines
    if unknown or looked_up < pinned or returncode:
        said = str(unknown[0].get("skip_reason")) if unknown else f"pip-audit ended with {returncode}"
        return 2, [
            f"Only {looked_up} of {pinned} packages could be looked up, so nothing is known about the rest: {said}",
            "Ask where the vulnerability service of the package index, or of OSV, can be reached.",
        ]
    return 0, [f"{looked_up} packages looked up, no known vulnerability."]


def pins(constraints: str) -> int:
    """How many packages a constraints file pins."""
    return sum("==" in line for line in constraints.splitlines() if not line.startswith("#"))


def main(arguments: Sequence[str]) -> int:
    """Asks with the given service (pypi, osv), or the package index's own."""
    constraints = ROOT / "constraints.txt"
    service = arguments[0] if arguments else "pypi"
    tool = str(Path(sys.executable).with_name("pip-audit"))
    command = [tool, "-r", str(constraints), "--no-deps", "--disable-pip", "-f", "json", "--progress-spinner", "off"]
    try:
        done = subprocess.run(
            [*command, "-s", service], capture_output=True, text=True, check=False, timeout=DEADLINE_S
        )
    except subprocess.TimeoutExpired:
        print(f"The vulnerability service {service} did not answer within {DEADLINE_S} s.", file=sys.stderr)
        return 2
    code, lines = verdict(done.returncode, done.stdout, done.stderr, pins(constraints.read_text(encoding="utf-8")))
    print("\n".join(lines), file=sys.stderr if code else sys.stdout)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
