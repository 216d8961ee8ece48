"""Traces every hazard to its controls, and every control to tests that exist and passed; fails where a trace breaks.

python docs/safety/trace.py                          checks the case, the kept matrix, and that every named test exists
python docs/safety/trace.py --results FILE           and that each of them passed in the run whose results FILE holds
python docs/safety/trace.py --results-if-any FILE    the same where FILE is there and of this state of the sources
python docs/safety/trace.py --write                  writes the matrix anew; looks at no test

With --json the answer is data. Exit codes: 0 the case holds, 1 it does not, 2 nothing could be checked.
"""

import argparse
import json
import sys
from pathlib import Path

from safety_case.checks import mistakes_in
from safety_case.evidence import EvidenceError, Results, collected_tests, read_results, tree_digest
from safety_case.matrix import render
from safety_case.model import Case
from safety_case.reading import read_case
from safety_case.source import CaseError, Mistake

ROOT = Path(__file__).resolve().parents[2]
CASE = "docs/safety/hazards.yaml"
MATRIX = "docs/safety/matrix.md"


def main(arguments: list[str]) -> int:
    """Runs the command line; returns the exit code."""
    asked = _parser().parse_args(arguments)
    root: Path = asked.root.resolve()
    note = ""
    try:
        kept = read_case(root / CASE)
        if asked.write:
            (root / MATRIX).write_text(render(kept.case), encoding="utf-8", newline="\n")
            return _tell([], kept.case, f"wrote {MATRIX}", as_json=asked.json)
        results, note = _results(root, asked.results, asked.results_if_any)
        mistakes = mistakes_in(kept, root, collected_tests(root), results)
    except CaseError as error:
        return _tell(list(error.mistakes), None, note, as_json=asked.json)
    except EvidenceError as error:
        print(json.dumps({"holds": None, "problem": str(error)}) if asked.json else f"trace: {error}")
        return 2
    if not mistakes and not _is_current(root / MATRIX, render(kept.case)):
        mistakes.append(Mistake(1, f"It does not show what stands in {CASE}. Run `make generated`, commit it.", MATRIX))
    return _tell(mistakes, kept.case, note, as_json=asked.json)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    demanded = parser.add_mutually_exclusive_group()
    demanded.add_argument("--results", type=Path, metavar="FILE")
    demanded.add_argument("--results-if-any", type=Path, metavar="FILE")
    demanded.add_argument("--write", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--root", type=Path, default=ROOT, help="the tree to look at, if not this one")
    return parser


def _results(root: Path, demanded: Path | None, if_any: Path | None) -> tuple[Results | None, str]:
    """The results to hold the case against, if any, and a sentence that says which. Raises EvidenceError."""
    file = demanded or if_any
    if file is None or (demanded is None and not file.exists()):
        return None, "No results of a whole test run are known, so only the existence of tests was checked."
    results = read_results(file)
    if results.tree == tree_digest(root):
        return results, f"Every named test was looked up in the results of the last whole run ({file})."
    stale = f"{file} holds results of another state of the sources"
    if demanded is not None:
        raise EvidenceError(f"{stale}, which say nothing about this one. Run `make test`.")
    return None, f"{stale}, so only the existence of tests was checked."


def _is_current(matrix: Path, text: str) -> bool:
    return matrix.exists() and matrix.read_text(encoding="utf-8") == text


def _tell(mistakes: list[Mistake], case: Case | None, note: str, *, as_json: bool) -> int:
    hazards, controls = (len(case.hazards), len(case.controls)) if case else (0, 0)
    tests = len({test for control in case.controls.values() for test in control.tests}) if case else 0
    if as_json:
        told = {
            "holds": not mistakes,
            "hazards": hazards,
            "controls": controls,
            "tests": tests,
            "evidence": note,
            "mistakes": [{"file": one.file, "line": one.line, "sentence": one.sentence} for one in mistakes],
        }
        print(json.dumps(told, ensure_ascii=False, indent=1))
    else:
        for one in mistakes:
            print(f"{one.file}:{one.line}: {one.sentence}")
        if note:
            print(note)
        if mistakes:
            print(f"trace: the safety case does not hold; mistakes: {len(mistakes)}.")
        else:
            print(f"trace: {hazards} hazards, {controls} controls, {tests} tests: every trace holds.")
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
