"""Outcomes as a JUnit file, which CI servers read."""

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from proving.scenario.playing import Outcome
from proving.scenario.reporting import told


def junit(outcomes: Sequence[tuple[Outcome, float]]) -> bytes:
    """A test suite with a case for each outcome; the float is how many seconds it took to play."""
    suite = ET.Element(
        "testsuite",
        {
            "name": "needlework scenarios",
            "tests": str(len(outcomes)),
            "failures": str(sum(outcome.failure is not None for outcome, _ in outcomes)),
            "skipped": str(sum(bool(outcome.skipped) for outcome, _ in outcomes)),
            "time": f"{sum(took_s for _, took_s in outcomes):.3f}",
        },
    )
    for outcome, took_s in outcomes:
        scenario = outcome.loaded.scenario
        case = ET.SubElement(
            suite,
            "testcase",
            {
                "classname": "scenarios",
                "name": scenario.name,
                "file": str(outcome.loaded.path),
                "time": f"{took_s:.3f}",
            },
        )
        failure = outcome.failure
        if failure is not None:
            told_short = f"expected {failure.expected}; seen: {failure.seen}"
            ET.SubElement(case, "failure", {"message": told_short}).text = "\n".join(told(outcome))
        elif outcome.skipped:
            ET.SubElement(case, "skipped", {"message": outcome.skipped})
    made: bytes = ET.tostring(suite, encoding="utf-8", xml_declaration=True)
    return made
