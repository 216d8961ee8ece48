"""The house itself: what lies where, who may import whom, and what may not be written anywhere."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from importlib.metadata import distribution, packages_distributions, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {"firmware_bridge", "controller", "logger", "station", "simulators", "proving", "console"}
BESIDE_THEM = {
    "tests", "benchmarks", "docs", "deploy", "plugin", ".ci",
    "README.md", "CHANGELOG.md", "LICENSE", "Makefile", "constraints.txt", "pyproject.toml", ".gitignore",
}  # fmt: skip
LINES_MAX = 400
LONGER: dict[str, str] = {"controller/events.py": "one short class for each event, and the union of them all"}
"""Files of the packages that may be longer, each with its reason."""

SOURCES = {".py", ".md", ".toml", ".txt", ".c", ".h", ".sh", ".service", ".rules", ".json", ".yaml", ".yml", ".svg", ""}


def kept_files() -> list[Path]:
    """Every file that belongs to the project: what git tracks or would, or all of an unpacked source archive."""
    if (ROOT / ".git").exists():
        command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0")
        return [ROOT / name for name in sorted(set(names)) if name and (ROOT / name).is_file()]
    top = [ROOT / name for name in sorted(PACKAGES | BESIDE_THEM)]
    return [
        file for place in top for file in ([place] if place.is_file() else sorted(place.rglob("*"))) if file.is_file()
    ]


def shown(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def package_sources(package: str) -> list[Path]:
    return [file for file in kept_files() if file.suffix == ".py" and file.is_relative_to(ROOT / package)]


def imports_of(file: Path) -> Iterator[str]:
    """Every module a file imports, at its top or inside a function; `from a import b` counts as `a.b`."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)


def imports_at_the_top(file: Path) -> Iterator[str]:
    """The same of what is imported when the file is: not inside a function, and not for type checkers alone."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)


def test_the_top_of_the_tree_holds_the_seven_packages_and_nothing_unexpected() -> None:
    top = {file.relative_to(ROOT).parts[0] for file in kept_files()}
    assert top - BESIDE_THEM == PACKAGES
    assert {name for name in top if (ROOT / name / "__init__.py").exists()} - {"tests", "benchmarks"} == PACKAGES


def test_the_wheel_is_told_the_seven_packages_by_name() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == PACKAGES
    assert set(project["tool"]["importlinter"]["root_packages"]) == PACKAGES
    assert set(project["tool"]["mypy"]["packages"]) == PACKAGES


def test_import_contracts_hold() -> None:
    tool = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([tool, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_contracts_catch_an_import_that_goes_down(tmp_path: Path) -> None:
    """A contract that cannot break proves nothing: the same settings, over a tree with one wrong import in it."""
    for package in PACKAGES:
        for file in package_sources(package):
            copy = tmp_path / file.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    (tmp_path / "firmware_bridge" / "wrong.py").write_text("import station\nimport simulators\n", encoding="utf-8")
    tool = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([tool, "--no-cache"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "firmware_bridge.wrong -> station" in done.stdout
    assert "firmware_bridge.wrong -> simulators" in done.stdout


def test_events_carry_what_a_report_needs_by_themselves() -> None:
    for name in imports_of(ROOT / "controller" / "events.py"):
        events = ("controller.units.", "controller.event_base.", "controller.service_events.")
        assert name.split(".")[0] in {"typing", "pydantic"} or name.startswith(events), name


def test_of_the_controller_the_logger_knows_only_events_and_units() -> None:
    wrong = {
        f"{shown(file)}: {name}"
        for file in package_sources("logger")
        for name in imports_of(file)
        if name.split(".")[0] == "controller" and not re.match(r"controller\.(events|service_events|units)(\.|$)", name)
    }
    assert not wrong


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_files_stay_short_and_hold_one_subject(package: str) -> None:
    for file in package_sources(package):
        lines = len(file.read_text(encoding="utf-8").splitlines())
        assert lines <= LINES_MAX or shown(file) in LONGER, f"{shown(file)} has {lines} lines"


def test_reasons_for_long_files_are_not_kept_longer_than_the_files() -> None:
    for name in LONGER:
        assert len((ROOT / name).read_text(encoding="utf-8").splitlines()) > LINES_MAX, name


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_nothing_is_asserted_at_run_time(package: str) -> None:
    for file in package_sources(package):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            assert not isinstance(node, ast.Assert), f"{shown(file)}:{node.lineno}: an assert goes away under -O"


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_what_a_checker_is_told_to_overlook_has_its_reason_beside_it(package: str) -> None:
    for file in package_sources(package):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            told = re.search(r"# (?:noqa|type: ignore)\b(?:: (?:[A-Z]+\d+(?:, )?)+|\[[a-z, -]+\])?(.*)$", line)
            assert told is None or re.search(r"\w", told[1]), f"{shown(file)}:{number}: {line.strip()}"


def test_no_registry_address_and_no_path_of_one_machine_is_written_anywhere() -> None:
    # Put together here, so that this file does not hold what it looks for.
    places = ("py" + "pi.org", "python" + "hosted", "/sim" + "ple/", "index" + "-url", "find" + "-links")
    machines = ("/wo" + "rk/", "/ro" + "ot/", "/ho" + "me/", "/tmp" + "/nw", "/opt/" + "pypi", "/opt/" + "wheels")
    found = [
        f"{shown(file)}: {word}"
        for file in kept_files()
        if file.suffix in SOURCES
        for text in [file.read_text(encoding="utf-8")]
        for word in places + machines
        if word in text
    ]
    assert not found


WORDS_TO_AVOID = (
    r"compliant", r"accredited", r"certified", r"anonymous", r"legal limit", r"emergency stop", r"penetration depth",
    r"prevents reuse", r"delivered depth", r"zone limits enforced",
)  # fmt: skip


def test_pages_claim_nothing_the_product_cannot_show() -> None:
    pattern = re.compile(r"(?<!_)\b(" + "|".join(WORDS_TO_AVOID) + r")\b", re.IGNORECASE)
    found = [
        f"{shown(file)}: {match.group()}"
        for file in kept_files()
        if file.suffix == ".md"
        for match in pattern.finditer(file.read_text(encoding="utf-8"))
    ]
    assert not found


def pinned() -> dict[str, str]:
    """Versions in constraints.txt by normalised name."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {normalised(name): number for name, number in pairs}


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_constraints_hold_names_and_versions_only() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    for line in lines:
        assert re.fullmatch(r"#.*|[A-Za-z0-9._-]+==[A-Za-z0-9.!+]+", line), line


def test_the_packages_import_nothing_that_is_not_required() -> None:
    """What happens to be installed here, and is asked for by no requirement, lacks on the next machine."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {name: asked for name, asked in project["optional-dependencies"].items() if name not in {"dev", "all"}}
    always = {normalised(Requirement(text).name) for text in [*project["dependencies"], *extras.pop("fast")]}
    optional = {normalised(Requirement(text).name) for asked in extras.values() for text in asked}
    strange = {name for name in imported_from_elsewhere(imports_of) if not name[1] & (always | optional)}
    assert not strange
    too_early = {name for name in imported_from_elsewhere(imports_at_the_top) if not name[1] & always}
    assert not too_early, "an extra is imported where it is used: who did not install it has everything else"


def imported_from_elsewhere(imports: Callable[[Path], Iterator[str]]) -> set[tuple[str, frozenset[str]]]:
    """What the packages import that is neither theirs nor Python's: file and module, and who brings it."""
    brought_by = packages_distributions()
    return {
        (f"{shown(file)}: {name}", frozenset(normalised(one) for one in brought_by.get(top, [])))
        for package in PACKAGES
        for file in package_sources(package)
        for name in imports(file)
        if (top := name.split(".")[0]) not in PACKAGES | sys.stdlib_module_names
    }


def test_every_package_in_use_is_pinned_at_the_version_in_use() -> None:
    """Walks what the distribution asks for, development tools too, as it is installed here."""
    pins, seen, waiting = pinned(), set(), [("needlework", frozenset({"dev", "all"}))]
    while waiting:
        name, extras = waiting.pop()
        for text in distribution(name).requires or []:
            requirement = Requirement(text)
            asked = extras or {""}
            if requirement.marker and not any(requirement.marker.evaluate({"extra": extra}) for extra in asked):
                continue
            found = (normalised(requirement.name), frozenset(requirement.extras))
            if found in seen:
                continue
            seen.add(found)
            waiting.append(found)
            if found[0] not in {"needlework", "pip"}:  # pip came with the environment
                assert pins.get(found[0]) == version(found[0]), f"{found[0]} {version(found[0])}, for {name}"
    assert len(seen) > 40
