"""The safety case holds, and every way in which it could stop holding is noticed and said on its line."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from safety_case.checks import mistakes_in
from safety_case.evidence import EvidenceError, Outcome, Results, read_results, tree_digest
from safety_case.matrix import render
from safety_case.model import Kind, Verdict
from safety_case.reading import read_case
from safety_case.source import FILE_MAX_BYTES, CaseError

pytestmark = pytest.mark.unhurried

ROOT = Path(__file__).resolve().parents[2]
TRACE = ROOT / "docs" / "safety" / "trace.py"
FILE = ROOT / "docs" / "safety" / "hazards.yaml"
CASE = read_case(FILE).case
KNOWN = frozenset(test for control in CASE.controls.values() for test in control.tests)
ALL_PASSED = Results("any", dict.fromkeys(KNOWN, Outcome(passed=1)))
STOP_TEST = "tests/controller/test_machine.py::test_stop_works_in_every_phase"

Changed = Callable[..., list[str]]


@pytest.fixture
def changed(tmp_path: Path) -> Changed:
    """The sentences about a copy of the case in which some text stands for another, each with its line before it."""

    def change(*pairs: tuple[str, str], known: frozenset[str] = KNOWN, results: Results | None = None) -> list[str]:
        text = FILE.read_text(encoding="utf-8")
        for old, new in pairs:
            assert old in text, old
            text = text.replace(old, new, 1)
        copy = tmp_path / "hazards.yaml"
        copy.write_text(text, encoding="utf-8")
        try:
            mistakes = mistakes_in(read_case(copy), ROOT, known, results)
        except CaseError as error:
            mistakes = list(error.mistakes)
        lines = text.splitlines()
        for mistake in mistakes:
            assert 1 <= mistake.line <= len(lines)
        return [f"{lines[mistake.line - 1].strip()} ⟵ {mistake.sentence}" for mistake in mistakes]

    return change


# The case itself ------------------------------------------------------------------------------------------------------


def test_the_case_holds(changed: Changed) -> None:
    assert changed() == []
    assert changed(results=ALL_PASSED) == []


def test_it_is_large_enough_to_be_meant() -> None:
    assert len(CASE.hazards) >= 40
    assert {control.kind for control in CASE.controls.values()} == set(Kind)
    assert not [name for name, hazard in CASE.hazards.items() if hazard.after.verdict is Verdict.UNACCEPTABLE]


def test_the_kept_matrix_shows_it() -> None:
    text = render(CASE)
    assert (FILE.parent / "matrix.md").read_text(encoding="utf-8") == text
    for name, hazard in CASE.hazards.items():
        assert f"\n## {name}\n" in text
        assert hazard.title in text
    for test in KNOWN:
        assert f"`{test.partition('::')[2]}`" in text


@pytest.mark.system
@pytest.mark.timeout(90)
def test_the_tool_says_so_and_finds_the_tests_by_itself() -> None:
    done = trace(ROOT, "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["holds"], told["mistakes"]) == (0, True, [])
    assert (told["hazards"], told["controls"], told["tests"]) == (len(CASE.hazards), len(CASE.controls), len(KNOWN))


# What makes it fail ---------------------------------------------------------------------------------------------------


def test_a_test_taken_away_is_noticed(changed: Changed) -> None:
    (said,) = changed(known=KNOWN - {STOP_TEST})
    assert said.startswith(f"- {STOP_TEST} ⟵ stop-in-every-state: the test {STOP_TEST} does not exist.")


def test_a_misspelt_test_brings_the_nearest(changed: Changed) -> None:
    (said,) = changed((STOP_TEST, STOP_TEST.replace("works", "work")))
    assert "does not exist. Did you mean test_stop_works_in_every_phase" in said


def test_a_test_that_moved_is_found_where_it_is(changed: Changed) -> None:
    (said,) = changed((STOP_TEST, STOP_TEST.replace("test_machine.py", "test_session.py")))
    assert said.endswith("does not exist. It stands in tests/controller/test_machine.py.")


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (None, "did not run."),
        (Outcome(skipped=2), "was skipped."),
        (Outcome(failed=1), "failed."),
        (Outcome(passed=7, failed=1), "failed."),
    ],
)
def test_a_test_that_shows_nothing_is_noticed(changed: Changed, outcome: Outcome | None, said: str) -> None:
    outcomes = {name: one for name, one in ALL_PASSED.tests.items() if name != STOP_TEST}
    if outcome is not None:
        outcomes[STOP_TEST] = outcome
    (sentence,) = changed(results=Results("any", outcomes))
    assert sentence == f"- {STOP_TEST} ⟵ stop-in-every-state: the test {STOP_TEST} {said}"


def test_a_test_that_passed_where_it_could_run_shows_its_control(changed: Changed) -> None:
    assert changed(results=Results("any", ALL_PASSED.tests | {STOP_TEST: Outcome(passed=3, skipped=1)})) == []


def test_a_control_taken_away_is_noticed_by_each_hazard_that_needs_it(changed: Changed) -> None:
    control = next(name for name, one in CASE.controls.items() if not one.brings)
    needed = [name for name, hazard in CASE.hazards.items() if control in hazard.controls]
    said = changed((f"  {control}:\n", f"  {control}-of-old:\n"))
    assert len(said) == len(needed) + 1
    for name in needed:
        assert any(
            f"{name} names the control {control!r}, which is not in the file. Did you mean" in one for one in said
        )
    assert f"{control}-of-old: ⟵ The control '{control}-of-old' is named by no hazard." in said


def test_a_control_without_a_test_is_noticed(changed: Changed) -> None:
    name, control = next((name, one) for name, one in CASE.controls.items() if len(one.tests) == 1)
    (said,) = changed((f"    tests:\n      - {control.tests[0]}\n", "    tests: []\n"), known=KNOWN)
    assert said.endswith("has no test.")
    assert said.startswith(f"{name}: ⟵ ") or name not in said


def test_a_hazard_without_a_control_is_noticed(changed: Changed) -> None:
    hazard = CASE.hazards["H13"]
    (said,) = changed((f"[{', '.join(hazard.controls)}]\n    after", "[]\n    after"))[:1]
    assert said == f"controls: [] ⟵ H13 ({hazard.title}) has no control."


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("before: {severity: S4, probability: P5", "before: {severity: S4, probability: P3", "is P5, certain."),
        ("S4, probability: P3, verdict: unacceptable}", "S4, probability: P3, verdict: tolerable}",
         "S4 and P3 are unacceptable by the grid, not tolerable."),
        ("severity: S4\n      probability: P1\n      verdict: tolerable",
         "severity: S4\n      probability: P3\n      verdict: unacceptable", "is left unacceptable"),
        ("severity: S4\n      probability: P1\n      verdict: tolerable",
         "severity: S5\n      probability: P1\n      verdict: tolerable", "worse with its controls than without"),
        ("  H07:\n", "  H99:\n", "H07 is missing: numbers are never left out"),
        ("  H08:\n", "  H07:\n", "'H07' stands here a second time"),
        ("where: [controller/envelope.py]", "where: [controller/envelop.py]", "no file controller/envelop.py."),
        ("where: [controller/envelope.py]", "where: [../envelope.py]", "from the top of the tree"),
        ("brings: [H37]", "brings: [H98]", "there is no hazard H98."),
        ("P2: tolerable, P3: unacceptable, P4: unacceptable", "P2: tolerable, P3: unacceptable, P4: acceptable",
         "what is more probable is judged milder"),
        ("    S5: {P1: tolerable, P2", "    S9: {P1: tolerable, P2", "The grid must judge S5 at each probability."),
        ("    harm: Bleeding", "    hurt: Bleeding", "There is no such key here"),
        ("    harm: Bleeding", "    hurt: Bleeding", "'harm' is missing here."),
        ("kind: design", "kind: wish", "Input should be 'design', 'guard' or 'information'."),
        ("title: The wrong zone is declared", "title: &z The wrong zone is declared\n    note: *z", "An alias"),
        ("title: The wrong zone is declared", "title: !!python/name:os.system {}", "is not read here."),
        ("hazards:\n", "hazards: [\n", "Not valid YAML"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_noticed_on_its_line(changed: Changed, old: str, new: str, said: str) -> None:
    assert any(said in one for one in changed((old, new)))


def test_information_alone_lowers_no_risk(changed: Changed) -> None:
    told = ", ".join(CASE.hazards["H13"].controls)
    said = changed((f"controls: [{told}]", "controls: [alarms-say-what-to-do]"))
    assert any("H13 has controls that inform only" in one for one in said)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"- 1\n", b"x" * (FILE_MAX_BYTES + 1), b"a: 'open"])
def test_what_is_no_case_is_refused_in_words(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "hazards.yaml").write_bytes(content)
    with pytest.raises(CaseError) as caught:
        read_case(tmp_path / "hazards.yaml")
    assert all(mistake.sentence.endswith(".") for mistake in caught.value.mistakes)


# Results --------------------------------------------------------------------------------------------------------------


def test_results_survive_their_file(tmp_path: Path) -> None:
    kept = Results("t", {"tests/a.py::test_a": Outcome(1, 2, 3)})
    (tmp_path / "r.json").write_text(kept.dump(), encoding="utf-8")
    assert read_results(tmp_path / "r.json") == kept


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"format": "other/1"}', '{"format": "needlework-test-results/1"}']
)
def test_what_is_no_result_is_refused_with_the_remedy(tmp_path: Path, content: str) -> None:
    (tmp_path / "r.json").write_text(content, encoding="utf-8")
    for file in (tmp_path / "r.json", tmp_path / "absent.json"):
        with pytest.raises(EvidenceError, match="Run `make test`"):
            read_results(file)


def test_the_fingerprint_is_of_what_runs(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_a.py").write_text("A = 1\n")
    first = tree_digest(tmp_path)
    (tmp_path / "tests" / "__pycache__").mkdir()
    (tmp_path / "tests" / "__pycache__" / "x.pyc").write_text("compiled")
    (tmp_path / "README.md").write_text("words")
    assert tree_digest(tmp_path) == first
    (tmp_path / "tests" / "test_a.py").write_text("A = 2\n")
    assert tree_digest(tmp_path) != first


SUITE = """
import pytest

@pytest.mark.parametrize("n", [1, 2])
def test_passes(n): pass

@pytest.mark.parametrize("n", [1, 2])
def test_fails_once(n): assert n == 1

@pytest.mark.skip
def test_is_skipped(): pass

@pytest.fixture
def untidy():
    yield
    raise RuntimeError("left something behind")

def test_leaves_a_mess(untidy): pass

def test_did_not_run(): pass
"""
TESTS = ("test_passes", "test_fails_once", "test_is_skipped", "test_leaves_a_mess", "test_did_not_run")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A tree of one test file and a case of one hazard, with a control for each of its tests."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_small.py").write_text(SUITE, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\n", encoding="utf-8")
    place = tmp_path / "docs" / "safety"
    place.mkdir(parents=True)
    text = FILE.read_text(encoding="utf-8")
    hazard = """
hazards:
  H01:
    title: Something goes wrong
    origin: hardware
    cause: It wears out.
    sequence: It breaks in use.
    harm: It hurts somebody.
    before: {severity: S3, probability: P3, verdict: tolerable}
    controls: [CONTROLS]
    after: {severity: S3, probability: P3, verdict: tolerable, because: It is rare enough.}
controls:
"""
    names = [test.replace("_", "-") for test in TESTS]
    controls = "".join(
        f"  {name}: {{kind: guard, text: It is caught., where: [pytest.ini], tests: [tests/test_small.py::{test}]}}\n"
        for name, test in zip(names, TESTS, strict=True)
    )
    head = text[: text.index("\nhazards:")]
    (place / "hazards.yaml").write_text(
        head + hazard.replace("CONTROLS", ", ".join(names)) + controls, encoding="utf-8"
    )
    return tmp_path


def trace(root: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(TRACE), "--root", str(root), *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=80)


@pytest.mark.system
@pytest.mark.timeout(90)
def test_from_a_run_of_tests_to_the_answer(small: Path) -> None:
    assert trace(small, "--write").returncode == 0
    results = small / "build" / "test-results.json"
    done = trace(small, "--results-if-any", str(results))
    assert (done.returncode, "only the existence of tests was checked" in done.stdout) == (0, True), done.stdout
    assert trace(small, "--results", str(results)).returncode == 2

    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(TRACE.parent)])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.results", "--results", str(results)]
    # A run in two parts, as that of `make test`.
    for part in (["-k", "fails_once"], ["-k", "not did_not_run and not fails_once", "--results-go-on"]):
        subprocess.run([*command, *part], cwd=small, env=environment, capture_output=True, check=False, timeout=60)
    done = trace(small, "--results-if-any", str(results))
    assert done.returncode == 1
    said = [line.partition("::")[2] for line in done.stdout.splitlines() if "::" in line]
    assert said == [
        "test_fails_once failed.",
        "test_is_skipped was skipped.",
        "test_leaves_a_mess failed.",
        "test_did_not_run did not run.",
    ]

    with (small / "tests" / "test_small.py").open("a", encoding="utf-8") as file:
        file.write("\n# another state of the sources\n")
    done = trace(small, "--results-if-any", str(results))
    assert (done.returncode, "another state of the sources" in done.stdout) == (0, True)
    done = trace(small, "--results", str(results), "--json")
    assert (done.returncode, json.loads(done.stdout)["holds"]) == (2, None)


@pytest.mark.system
@pytest.mark.timeout(90)
def test_a_matrix_that_is_not_current_and_tests_that_cannot_be_listed_are_noticed(small: Path) -> None:
    done = trace(small)
    assert done.returncode == 1
    assert "docs/safety/matrix.md:1: It does not show what stands in docs/safety/hazards.yaml." in done.stdout
    (small / "tests" / "test_small.py").write_text("import nothing_of_that_name\n", encoding="utf-8")
    done = trace(small)
    assert (done.returncode, "nothing was checked" in done.stdout) == (2, True)
    (small / "docs" / "safety" / "hazards.yaml").write_text("format: other\n", encoding="utf-8")
    done = trace(small)
    assert done.returncode == 1
    assert "docs/safety/hazards.yaml:1: format: Input should be 'needlework-hazards/1'." in done.stdout
