"""Verdicts for CI servers: a case a clause, and one for each part of it that was not tried."""

from proving.conform.running import introduced
from proving.conform.verdicts import ClauseVerdict, Part, Report, Verdict
from proving.junit import Case, Suite


def as_suite(report: Report) -> Suite:
    """Failed clauses with what was expected and seen; what was not tried as skipped, a part of a clause in a case of
    its own beside that of the clause."""
    cases = [case for clause in report.clauses for case in (_case(clause), *_untried_parts(clause))]
    if report.interrupted:
        cases.append(Case("protocol", "the run", error=report.interrupted))
    about = {"url": report.url, **introduced(report.welcome), "stopped": str(report.stopped)}
    return Suite("needlework conform", tuple(cases), about)


def _case(clause: ClauseVerdict) -> Case:
    lines = [line_of(part) for part in clause.parts]
    failed = [line for part, line in zip(clause.parts, lines, strict=True) if part.verdict is Verdict.FAIL]
    untried = clause.verdict is Verdict.NOT_TRIED
    return Case(
        "protocol",
        f"{clause.clause} {clause.title}",
        sum(part.took_ms for part in clause.parts) / 1000,
        failure=(failed[0], "\n".join(failed)) if failed else ("", ""),
        skipped="; ".join(dict.fromkeys(part.why for part in clause.parts)) or "nothing of it was tried"
        if untried
        else "",
        said="\n".join(lines),
    )


def _untried_parts(clause: ClauseVerdict) -> list[Case]:
    if clause.verdict is Verdict.NOT_TRIED:
        return []
    return [
        Case("protocol", f"{clause.clause} {clause.title}: {part.title}", skipped=part.why)
        for part in clause.parts
        if part.verdict is Verdict.NOT_TRIED
    ]


def line_of(part: Part) -> str:
    """A part in one line."""
    match part.verdict:
        case Verdict.FAIL:
            return f"FAIL {part.title}: expected {part.expected}; seen: {part.seen}"
        case Verdict.NOT_TRIED:
            return f"not tried {part.title}: {part.why}"
        case _:
            return f"pass {part.title}"
