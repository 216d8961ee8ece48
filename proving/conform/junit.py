"""A report in JUnit's XML, which CI systems show: a test case a clause."""

from xml.etree.ElementTree import Element, SubElement, tostring

from proving.conform.running import introduced
from proving.conform.verdicts import Part, Report, Verdict


def junit(report: Report) -> str:
    """The report as a document: failed clauses with what was expected and seen, those not tried as skipped."""
    suite = Element(
        "testsuite",
        name="needlework conform",
        tests=str(len(report.clauses)),
        failures=str(report.count(Verdict.FAIL)),
        skipped=str(report.count(Verdict.NOT_TRIED)),
        errors="1" if report.interrupted else "0",
        time=f"{sum(part.took_ms for clause in report.clauses for part in clause.parts) / 1000:.3f}",
    )
    properties = SubElement(suite, "properties")
    for name, value in {"url": report.url, **introduced(report.welcome), "stopped": str(report.stopped)}.items():
        SubElement(properties, "property", name=name, value=value)
    for clause in report.clauses:
        took_s = sum(part.took_ms for part in clause.parts) / 1000
        case = SubElement(
            suite, "testcase", classname="protocol", name=f"{clause.clause} {clause.title}", time=f"{took_s:.3f}"
        )
        lines = [line_of(part) for part in clause.parts]
        if clause.verdict is Verdict.FAIL:
            failed = [line for part, line in zip(clause.parts, lines, strict=True) if part.verdict is Verdict.FAIL]
            SubElement(case, "failure", message=failed[0]).text = "\n".join(failed)
        elif clause.verdict is Verdict.NOT_TRIED:
            SubElement(case, "skipped", message="; ".join(dict.fromkeys(part.why for part in clause.parts)))
        SubElement(case, "system-out").text = "\n".join(lines)
    if report.interrupted:
        case = SubElement(suite, "testcase", classname="protocol", name="the run")
        SubElement(case, "error", message=report.interrupted)
    return tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def line_of(part: Part) -> str:
    """A part in one line."""
    match part.verdict:
        case Verdict.FAIL:
            return f"FAIL {part.title}: expected {part.expected}; seen: {part.seen}"
        case Verdict.NOT_TRIED:
            return f"not tried {part.title}: {part.why}"
        case _:
            return f"pass {part.title}"
