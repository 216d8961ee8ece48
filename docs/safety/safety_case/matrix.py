"""The case as a page for a person who examines it: a summary, then hazard → controls → tests, then the controls."""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain

from safety_case.model import Case, Control, Hazard, Kind, Risk, Verdict

HEAD = """# Safety case: hazards, controls, tests

Written from [hazards.yaml](hazards.yaml) by `make generated`; not edited by hand. How to read it, what the scales mean
and what this is not: [README](README.md).

> {scope}
"""


def render(case: Case) -> str:
    """The whole page, in Markdown."""
    parts = chain(
        [HEAD.format(scope=case.scope.strip())],
        _summary(case),
        _overview(case),
        chain.from_iterable(_hazard(case, name, hazard) for name, hazard in case.hazards.items()),
        _controls(case),
    )
    return "\n".join(parts).rstrip() + "\n"


def _summary(case: Case) -> Iterator[str]:
    tests = {test for control in case.controls.values() for test in control.tests}
    before = Counter(hazard.before.verdict for hazard in case.hazards.values())
    after = Counter(hazard.after.verdict for hazard in case.hazards.values())
    yield "## Summary\n"
    yield f"{len(case.hazards)} hazards, {len(case.controls)} controls, {len(tests)} tests.\n"
    yield "| risk is | without controls | with them |\n|---|---:|---:|"
    for verdict in reversed(Verdict):
        yield f"| {verdict} | {before[verdict]} | {after[verdict]} |"
    kinds = Counter(control.kind for control in case.controls.values())
    best = Counter(case.controls_of(name)[0][1].kind for name in case.hazards if case.controls_of(name))
    yield "\n| kind of control | controls | hazards whose best control it is |\n|---|---:|---:|"
    for kind in Kind:
        yield f"| {kind} | {kinds[kind]} | {best[kind]} |"
    origins = Counter(hazard.origin for hazard in case.hazards.values())
    said = ", ".join(f"{origin} {count}" for origin, count in origins.most_common())
    yield f"\nWhere hazards begin: {said}.\n"
    yield from _grid(case, "without controls", {name: hazard.before for name, hazard in case.hazards.items()})
    yield from _grid(case, "with controls", {name: hazard.after for name, hazard in case.hazards.items()})


def _grid(case: Case, title: str, risks: dict[str, Risk]) -> Iterator[str]:
    scales = case.scales
    yield f"### Risks {title}\n"
    yield "| | " + " | ".join(f"{step} {scales.probability[step].name}" for step in sorted(scales.probability)) + " |"
    yield "|---|" + "---|" * len(scales.probability)
    for severity in sorted(scales.severity, reverse=True):
        cells = []
        for probability in sorted(scales.probability):
            here = [
                _to_hazard(name)
                for name, risk in risks.items()
                if (risk.severity, risk.probability) == (severity, probability)
            ]
            verdict = scales.grid[severity][probability]
            cells.append(f"*{verdict}*" + (f"<br>{' '.join(here)}" if here else ""))
        yield f"| {severity} {scales.severity[severity].name} | " + " | ".join(cells) + " |"
    yield ""


def _overview(case: Case) -> Iterator[str]:
    yield "## Hazards at a glance\n"
    yield "| | hazard | without | controls | with |\n|---|---|---|---|---|"
    for name, hazard in case.hazards.items():
        kinds = Counter(control.kind for _name, control in case.controls_of(name))
        controls = ", ".join(f"{kinds[kind]} {kind}" for kind in Kind if kinds[kind])
        yield (
            f"| {_to_hazard(name)} | {hazard.title} | {_short(hazard.before)} | {controls} | {_short(hazard.after)} |"
        )
    yield ""


def _hazard(case: Case, name: str, hazard: Hazard) -> Iterator[str]:
    yield f"## {name}\n"
    yield f"**{hazard.title}** ({hazard.origin})\n"
    yield f"- Cause: {hazard.cause}\n- Sequence: {hazard.sequence}\n- Harm: {hazard.harm}"
    for brought in case.brought_by(name):
        yield f"- Brought along by the control {_to_control(brought)}"
    yield f"- Without controls: {_risk(case, hazard.before)}"
    yield f"- With them: {_risk(case, hazard.after)}. {hazard.after.because}"
    yield "\n| kind | control | shown by |\n|---|---|---|"
    for control_name, control in case.controls_of(name):
        tests = "<br>".join(f"`{test.partition('::')[2]}`" for test in control.tests)
        yield f"| {control.kind} | {_to_control(control_name)}: {control.text} | {tests} |"
    yield ""


def _controls(case: Case) -> Iterator[str]:
    yield "## Controls\n"
    for kind in Kind:
        yield f"### Controls by {kind}\n"
        for name, control in case.controls.items():
            if control.kind is kind:
                yield from _control(case, name, control)


def _control(case: Case, name: str, control: Control) -> Iterator[str]:
    yield f"#### {name}\n"
    yield f"{control.text}\n"
    yield "- Where: " + ", ".join(f"[{file}](../../{file})" for file in control.where)
    yield "- Against: " + " ".join(_to_hazard(one) for one, hazard in case.hazards.items() if name in hazard.controls)
    if control.brings:
        yield "- Brings along: " + " ".join(_to_hazard(one) for one in control.brings)
    yield "- Shown by: " + ", ".join(_test(test) for test in control.tests) + "\n"


def _risk(case: Case, risk: Risk) -> str:
    scales = case.scales
    severity, probability = scales.severity[risk.severity], scales.probability[risk.probability]
    return f"{severity.name} ({risk.severity}), {probability.name} ({risk.probability}): **{risk.verdict}**"


def _short(risk: Risk) -> str:
    return f"{risk.severity} {risk.probability} {risk.verdict}"


def _to_hazard(name: str) -> str:
    return f"[{name}](#{name.lower()})"


def _to_control(name: str) -> str:
    return f"[{name}](#{name})"


def _test(test: str) -> str:
    file, _, function = test.partition("::")
    folder = re.sub(r"^tests/|\.py$", "", file)
    return f"[{folder}](../../{file}) `{function}`"
