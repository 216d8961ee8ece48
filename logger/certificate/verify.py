"""Is this file the certificate that was issued, by whom, and does what it hangs on hold? Offline, from the file alone.

Beside the signature it is asked whether the numbers follow from one another: an uncertainty from its budget, a verdict
from the decision rule. A station that computes wrongly signs what is wrong.
"""

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

from logger.certificate.document import Body, Budget, Certificate, PointResult, Series, Stage, Verdict
from logger.certificate.sealing import Opened, open_certificate
from logger.errors import CertificateRefused
from logger.proof.findings import printable

Code = Literal[
    "not_ours",
    "changed",
    "other_file",
    "not_told",
    "unknown_key",
    "other_key",
    "other_station",
    "replaced",
    "later_version",
    "expired_reference",
    "reference_not_yet_valid",
    "outside_environment",
    "does_not_follow",
]
Outcome = Literal["genuine", "unknown_key", "doubtful", "changed"]
"""*genuine*: whole, and signed by a key known here. *unknown_key*: whole, but nobody here knows the key. *doubtful*:
whole, and something in it does not hold. *changed*: not what was issued, or no certificate."""

_ROUNDING: Final = 3
"""A product of two numbers that were rounded up may be so many thousandths off."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be."""

    code: Code
    sentence: str


@dataclass(frozen=True, slots=True)
class Issue:
    """What a record says of a number: the SHA-256 of its file, and of that without names; and where it says so.

    ``replaces`` is the number that it takes the place of, empty where it takes none.
    """

    number: str
    digests: tuple[str, str]
    where: str
    replaces: str = ""


@dataclass(frozen=True, slots=True)
class Verification:
    """What came of it. ``certificate`` is None where the file could not be read; ``key_id`` is empty then."""

    outcome: Outcome
    findings: tuple[Finding, ...]
    key_id: str
    key_known_from: str
    sha256: str
    certificate: Certificate | None
    notes: tuple[str, ...] = ()


def verify_certificate(
    content: bytes,
    name: str,
    *,
    known: dict[str, str],
    trusted: Collection[str] = (),
    stations: Mapping[str, Collection[str]] | None = None,
    digest: str | None = None,
    issues: Collection[Issue] = (),
    today: date,
) -> Verification:
    """Judges a certificate's file.

    ``known`` are ids of keys and where each is known from, ``stations`` who announced each; ``trusted`` ids that
    somebody noted: where there are any, no other key counts. ``digest`` is the SHA-256 of the file that was expected,
    or its beginning, as a label has it. ``issues`` is what records at hand tell of certificates.
    """
    try:
        opened = open_certificate(content, printable(name))
    except CertificateRefused as error:
        code: Code = "not_ours" if error.code == "not_ours" else "changed"
        return Verification("changed", (Finding(code, str(error)),), "", "", "", None)
    findings = list(_of_key(opened.key_id, known, trusted))
    if digest is not None:
        findings += _of_digest(opened, printable(name), digest.lower(), issues)
    if opened.certificate is None:
        sentence = f"It was issued by a later version ({opened.format}); what it says cannot be read here."
        findings.append(Finding("later_version", sentence))
    else:
        findings += _of_body(opened.certificate.body)
        findings += _of_station(opened.certificate.body, opened.key_id, (stations or {}).get(opened.key_id, ()))
        findings += _of_replacement(opened.certificate.body, issues)
    notes = list(_notes(opened.certificate, today))
    for issue in issues:
        if opened.certificate is None or issue.number != opened.certificate.body.number:
            continue
        if opened.sha256 in issue.digests:
            notes.append(f"It is the one that the record tells of: {issue.where}.")
        else:
            sentence = f"The record tells of another file of this number ({issue.where}): not this one was issued."
            findings.append(Finding("other_file", sentence))
    whence = "noted" if opened.key_id in trusted else known.get(opened.key_id, "")
    return Verification(
        _outcome(findings),
        tuple(findings),
        opened.key_id,
        whence,
        opened.sha256,
        opened.certificate,
        tuple(notes),
    )


def _outcome(findings: list[Finding]) -> Outcome:
    codes = {finding.code for finding in findings}
    if codes & {"other_key", "other_file"}:
        return "changed"
    if codes - {"unknown_key"}:
        return "doubtful"
    return "unknown_key" if codes else "genuine"


def _of_key(key: str, known: dict[str, str], trusted: Collection[str]) -> Iterator[Finding]:
    if trusted and key not in trusted:
        yield Finding("other_key", f"It is signed by the key {key}, which is none of those that were named.")
    elif not trusted and key not in known:
        yield Finding(
            "unknown_key",
            f"It is whole, and signed by the key {key}, which is not known here: anybody may have made it. Ask the "
            "laboratory for the id of its key, and give it with --key.",
        )


def _of_digest(opened: Opened, name: str, digest: str, issues: Collection[Issue]) -> Iterator[Finding]:
    """Whether it is the file that was meant; a copy without names is another file, which a record tells whose it is."""
    whole = {issue.digests[0] for issue in issues if opened.sha256 in issue.digests}
    if any(one.startswith(digest) for one in (opened.sha256, *whole)):
        return
    if not whole and opened.certificate is not None and opened.certificate.private is None:
        yield Finding(
            "not_told",
            f"{name}: names were left out of this copy, so its SHA-256 is not that of the file that was meant, and no "
            "record here tells whether it was made of it. Ask for the whole file.",
        )
    else:
        yield Finding("other_file", f"{name}: it is whole, but not the file that was meant: its SHA-256 is another.")


def _of_station(body: Body, key: str, stations: Collection[str]) -> Iterator[Finding]:
    if stations and body.station not in stations:
        yield Finding(
            "other_station",
            f"It says that {body.station} issued it, and the key {key} is that of {' and '.join(sorted(stations))}.",
        )


def _of_replacement(body: Body, issues: Collection[Issue]) -> Iterator[Finding]:
    newer = {issue.number: issue.where for issue in issues if issue.replaces == body.number}
    for number, where in newer.items():
        yield Finding("replaced", f"It was issued anew, and {number} has its place ({where}): go by that one.")


def _of_body(body: Body) -> Iterator[Finding]:
    begun, ended = body.begun_at[:10], body.ended_at[:10]
    for reference in body.references:
        named = f"{reference.name} ({reference.serial})"
        if ended > reference.due_on:
            yield Finding(
                "expired_reference",
                f"The reference {named} was due on {reference.due_on}, before this was measured ({ended}): the results "
                "are traceable to nothing.",
            )
        if begun < reference.calibrated_on:
            yield Finding(
                "reference_not_yet_valid",
                f"The reference {named} was calibrated on {reference.calibrated_on}, after this was begun ({begun}).",
            )
    yield from _of_environment(body)
    for series in body.results:
        for stage in series.stages:
            yield from _of_stage(body, series, stage)


def _of_environment(body: Body) -> Iterator[Finding]:
    air = body.environment
    for what, found, limits, unit in (
        ("temperature", air.temperature_dc, air.temperature_limits_dc, "°C"),
        ("humidity", air.humidity_permille, air.humidity_limits_permille, "%"),
    ):
        if found is not None and (found[0] < limits[0] or found[1] > limits[1]):
            span, allowed = (f"{least / 10:.1f} to {most / 10:.1f} {unit}" for least, most in (found, limits))
            yield Finding("outside_environment", f"The {what} was {span}, and {allowed} are the limits of the method.")


def _of_stage(body: Body, series: Series, stage: Stage) -> Iterator[Finding]:
    where = f"{series.quantity.split('_')[0].capitalize()}, {stage.stage.replace('_', ' ')}"
    budgets = [stage.budget, *([stage.statement.budget] if stage.statement else [])]
    if not all(_adds_up(budget) for budget in budgets):
        yield Finding("does_not_follow", f"{where}: an uncertainty is not what its budget comes to.")
    if not all(_follows(body, point) for point in stage.points):
        yield Finding("does_not_follow", f"{where}: a verdict does not follow from its error by the decision rule.")
    if stage.in_tolerance and not all(_counts(body, point.verdict) for point in stage.points):
        yield Finding("does_not_follow", f"{where}: it says in tolerance, and a point of it is not.")
    if (
        stage is series.last
        and series.last.in_tolerance
        and not all(_counts(body, one.verdict) for one in series.droop)
    ):
        yield Finding("does_not_follow", f"{where}: it says in tolerance, and under load it is not.")


def _counts(body: Body, verdict: Verdict) -> bool:
    """Whether a verdict counts as in tolerance."""
    return verdict == "passed" or (verdict == "passed_on_condition" and body.decision.condition_is_in_order)


def _adds_up(budget: Budget) -> bool:
    """Whether the sums are the lines'. Each value is told in thousandths, which the last of them cannot be held to."""
    combined = math.sqrt(sum(line.standard_milli**2 for line in budget.lines))
    expanded = budget.standard_milli * budget.factor_milli / 1000
    near = abs(combined - budget.standard_milli) <= len(budget.lines)
    return near and abs(expanded - budget.expanded_milli) <= _ROUNDING + budget.standard_milli / 1000


def _follows(body: Body, point: PointResult) -> bool:
    """Whether a verdict is what the rule says of the error."""
    size, guard = abs(point.error), point.tolerance - point.acceptance
    if size <= point.acceptance:
        return point.verdict == "passed"
    if body.decision.statement == "binary" or size > point.tolerance + guard:
        return point.verdict == "failed"
    return point.verdict == ("passed_on_condition" if size <= point.tolerance else "failed_on_condition")


def _notes(certificate: Certificate | None, today: date) -> Iterator[str]:
    if certificate is None:
        return
    if certificate.private is None:
        yield "Customer, laboratory and names were left out of this file; what is left is as it was issued."
    body = certificate.body
    if body.due_on is not None and today.isoformat() > body.due_on:
        yield f"The pen was due on {body.due_on}; the certificate is of what was then."
    if body.replaces is not None:
        yield f"It takes the place of {body.replaces.number}."
    if body.demo:
        yield "It is of a simulated pen or made with example data: nothing to hand out."
