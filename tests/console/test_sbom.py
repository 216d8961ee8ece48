"""The software bill of materials is valid, complete, the same each time; and a check that could not be made fails."""

import json
import subprocess
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.utils import canonicalize_name

from console.actions.materials import sbom
from console.sbom import bill_of_materials
from console.trouble import ConsoleError
from logger.errors import ExportError

pytestmark = pytest.mark.unhurried

ROOT = Path(__file__).resolve().parents[2]
VALIDATOR = JsonStrictValidator(SchemaVersion.V1_6)


@pytest.fixture(scope="module")
def bill() -> dict[str, Any]:
    return bill_of_materials()


def script(name: str) -> ModuleType:
    """A tool of `.ci`, which is no package."""
    spec = spec_from_file_location(name, ROOT / ".ci" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_is_valid_by_cyclonedx_own_schema(bill: dict[str, Any]) -> None:
    assert VALIDATOR.validate_str(json.dumps(bill)) is None
    spoiled = {**bill, "components": [{**bill["components"][0], "type": "program"}]}
    assert VALIDATOR.validate_str(json.dumps(spoiled)) is not None


def test_it_has_what_the_product_runs_on_and_no_tool(bill: dict[str, Any]) -> None:
    names = {canonicalize_name(part["name"]) for part in bill["components"] if part["purl"].startswith("pkg:pypi/")}
    assert names == script("licences").closure("needlework", frozenset({"all"})) - {"needlework"}
    assert {"pytest", "mypy", "cyclonedx-bom", "needlework"}.isdisjoint(names)
    scopes = {part["name"]: part.get("scope") for part in bill["components"]}
    assert (scopes["pyserial"], scopes["duckdb"]) == ("required", "optional")
    assert {"CPython", "SQLite"} <= set(scopes)


def test_every_part_has_a_version_a_licence_and_somebody_who_needs_it(bill: dict[str, Any]) -> None:
    for part in bill["components"]:
        assert part["version"]
        assert part["licenses"], part["name"]
    needed = {name for row in bill["dependencies"] for name in row.get("dependsOn", ())}
    references = {part["bom-ref"] for part in bill["components"]}
    assert needed == references
    assert {row["ref"] for row in bill["dependencies"]} == {*references, bill["metadata"]["component"]["bom-ref"]}


def test_the_same_installation_is_the_same_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "1.json", tmp_path / "2.json"
    sbom(first, force=False)
    tool = str(Path(sys.executable).with_name("needlework"))
    subprocess.run([tool, "sbom", "-o", str(second)], check=True, capture_output=True)
    assert first.read_bytes() == second.read_bytes()
    with pytest.raises(ExportError, match="is there already"):
        sbom(first, force=False)


def test_what_is_not_installed_is_said_and_nothing_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(name: str) -> Distribution:
        if name == "pyserial":
            raise PackageNotFoundError(name)
        return distribution(name)

    monkeypatch.setattr("console.sbom.distribution", lacking)
    with pytest.raises(ConsoleError, match="pyserial is not installed"):
        sbom(tmp_path / "s.json", force=False)
    assert list(tmp_path.iterdir()) == []


# The vulnerability check ----------------------------------------------------------------------------------------------

CLEAN = {"name": "a", "version": "1", "vulns": []}
BAD = {"name": "b", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"]}]}
SKIPPED = {"name": "c", "skip_reason": "Dependency not found on PyPI and could not be audited: c (1)"}


@pytest.mark.parametrize(
    ("code", "parts", "pinned", "expected", "said"),
    [
        (0, [CLEAN, CLEAN], 2, 0, "2 packages looked up"),
        (1, [CLEAN, BAD], 2, 1, "b 2: PYSEC-1, fixed in 3"),
        (0, [CLEAN, SKIPPED], 2, 2, "Only 1 of 2 packages could be looked up"),
        (0, [SKIPPED, SKIPPED], 2, 2, "could not be audited"),
        (0, [CLEAN], 2, 2, "Only 1 of 2"),
        (0, [], 2, 2, "Only 0 of 2"),
        (1, [CLEAN], 1, 2, "pip-audit ended with 1"),
    ],
)
def test_only_what_was_looked_up_passes(
    code: int, parts: list[dict[str, Any]], pinned: int, expected: int, said: str
) -> None:
    found, lines = script("vulnerabilities").verdict(code, json.dumps({"dependencies": parts}), "", pinned)
    assert found == expected
    assert any(said in line for line in lines)


def test_a_service_that_cannot_be_reached_is_a_failure_that_is_said() -> None:
    """For real: the service's address leads nowhere."""
    tool = str(Path(sys.executable).with_name("pip-audit"))
    done = subprocess.run(
        [tool, "-r", "/dev/stdin", "--no-deps", "--disable-pip", "-f", "json", "--progress-spinner", "off", "-s", "osv",
         "--osv-url", "http://127.0.0.1:9/", "--timeout", "2"],
        input="httpx==0.28.1\n", capture_output=True, text=True, check=False,
    )  # fmt: skip
    code, lines = script("vulnerabilities").verdict(done.returncode, done.stdout, done.stderr, 1)
    assert code == 2
    assert "could not be asked" in lines[0] or "could be looked up" in lines[0]


def test_every_pin_is_counted() -> None:
    assert script("vulnerabilities").pins("# of it==1\na==1\nb==2\n") == 2
