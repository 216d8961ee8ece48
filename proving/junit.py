"""Reports in JUnit's XML, which CI servers show."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that was tried. ``failure`` is a sentence and the whole telling, ``skipped`` and ``error`` say why,
    ``said`` is what is shown beside it; empty where there is none."""

    group: str
    name: str
    took_s: float = 0.0
    file: str = ""
    failure: tuple[str, str] = ("", "")
    skipped: str = ""
    error: str = ""
    said: str = ""


@dataclass(frozen=True, slots=True)
class Suite:
    """What was tried together."""

    name: str
    cases: tuple[Case, ...]
    properties: Mapping[str, str] = field(default_factory=dict)


def document(suite: Suite) -> bytes:
    """The suite as a document."""
    cases = suite.cases
    root = ET.Element(
        "testsuite",
        name=suite.name,
        tests=str(len(cases)),
        failures=str(sum(bool(case.failure[0]) for case in cases)),
        skipped=str(sum(bool(case.skipped) for case in cases)),
        errors=str(sum(bool(case.error) for case in cases)),
        time=f"{sum(case.took_s for case in cases):.3f}",
    )
    if suite.properties:
        properties = ET.SubElement(root, "properties")
        for name, value in suite.properties.items():
            ET.SubElement(properties, "property", name=name, value=value)
    for case in cases:
        _add(root, case)
    made: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return made + b"\n"


def _add(root: ET.Element, case: Case) -> None:
    file = {"file": case.file} if case.file else {}
    element = ET.SubElement(
        root, "testcase", {"classname": case.group, "name": case.name, **file, "time": f"{case.took_s:.3f}"}
    )
    message, telling = case.failure
    if message:
        ET.SubElement(element, "failure", message=message).text = telling
    if case.skipped:
        ET.SubElement(element, "skipped", message=case.skipped)
    if case.error:
        ET.SubElement(element, "error", message=case.error)
    if case.said:
        ET.SubElement(element, "system-out").text = case.said


def try_place(path: Path) -> None:
    """Whether :func:`write` can write there, to be asked before what takes long. Raises OSError.

    The folder is made; a file that is there is left as it is, and none is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.exists()
    path.open("ab").close()
    if is_new:
        path.unlink()


def write(path: Path, suite: Suite) -> None:
    """Writes the document, into a folder that is made where there is none; others may read it as any new file, for a CI
    server is somebody else. One that is there is replaced. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(document(suite))
