"""What has to hold before a safety case is believed. Each check yields mistakes; none stops at the first."""

from collections.abc import Iterator
from pathlib import Path

from controller.datafile import nearest
from safety_case.evidence import Results
from safety_case.model import Hazard, Kind, Verdict
from safety_case.reading import KeptCase
from safety_case.source import Mistake

ORDER = list(Verdict)


def mistakes_in(kept: KeptCase, root: Path, known: frozenset[str], results: Results | None) -> list[Mistake]:
    """Everything wrong with a case: in itself, against the tree, against the tests, and against their results.

    ``known`` are the test functions that exist. With ``results`` each named test must have passed in that run.
    """
    found = [
        *_scales(kept),
        *_hazards(kept),
        *_controls(kept, root),
        *_tests(kept, known, results),
    ]
    return sorted(found, key=lambda mistake: mistake.line)


def _scales(kept: KeptCase) -> Iterator[Mistake]:
    scales, line = kept.case.scales, kept.source.line
    if set(scales.verdict) != set(Verdict):
        yield Mistake(line("scales", "verdict"), "The scale of verdicts must explain each of them.")
    for severity in scales.severity:
        row = scales.grid.get(severity, {})
        if row.keys() != scales.probability.keys():
            yield Mistake(line("scales", "grid", severity), f"The grid must judge {severity} at each probability.")
        judged = [ORDER.index(row[step]) for step in sorted(row)]
        if judged != sorted(judged):
            yield Mistake(line("scales", "grid", severity), f"{severity}: what is more probable is judged milder.")
    for severity in scales.grid.keys() - scales.severity.keys():
        yield Mistake(line("scales", "grid", severity), f"The grid has {severity}, which is no severity of the scale.")


def _hazards(kept: KeptCase) -> Iterator[Mistake]:
    case, line = kept.case, kept.source.line
    certain = max(case.scales.probability)
    numbers = sorted(int(name[1:]) for name in case.hazards)
    if numbers != list(range(1, len(numbers) + 1)):
        absent = min(set(range(1, len(numbers) + 1)) - set(numbers))
        yield Mistake(line("hazards"), f"H{absent:02d} is missing: numbers are never left out, nor given twice.")
    for name, hazard in case.hazards.items():
        place = ("hazards", name)
        if not hazard.controls:
            yield Mistake(line(*place, "controls"), f"{name} ({hazard.title}) has no control.")
        for number, control in enumerate(hazard.controls):
            if control not in case.controls:
                yield Mistake(
                    line(*place, "controls", number),
                    f"{name} names the control {control!r}, which is not in the file. "
                    + nearest(control, list(case.controls)),
                )
        if hazard.origin == "software" and hazard.before.probability != certain:
            yield Mistake(
                line(*place, "before"),
                f"{name} begins in software, and software that can fail does: its probability is {certain}, certain.",
            )
        yield from _risk(kept, name, hazard)


def _risk(kept: KeptCase, name: str, hazard: Hazard) -> Iterator[Mistake]:
    case, line = kept.case, kept.source.line
    for stage, risk in (("before", hazard.before), ("after", hazard.after)):
        judged = case.scales.grid.get(risk.severity, {}).get(risk.probability)
        if judged is None:
            yield Mistake(
                line("hazards", name, stage), f"{name}: {risk.severity} or {risk.probability} is on no scale."
            )
        elif judged is not risk.verdict:
            said = f"{risk.severity} and {risk.probability} are {judged} by the grid, not {risk.verdict}."
            yield Mistake(line("hazards", name, stage), f"{name}, {stage}: {said}")
    if hazard.after.verdict is Verdict.UNACCEPTABLE:
        yield Mistake(line("hazards", name, "after"), f"{name} is left unacceptable: it needs another control.")
    less = (hazard.after.severity, hazard.after.probability) != (hazard.before.severity, hazard.before.probability)
    worse = hazard.after.severity > hazard.before.severity or hazard.after.probability > hazard.before.probability
    kinds = {control.kind for _name, control in case.controls_of(name)}
    if worse:
        yield Mistake(line("hazards", name, "after"), f"{name} is judged worse with its controls than without.")
    elif less and kinds == {Kind.INFORMATION}:
        yield Mistake(
            line("hazards", name, "after"),
            f"{name} has controls that inform only, and informing lowers no risk: design it out or guard it.",
        )


def _controls(kept: KeptCase, root: Path) -> Iterator[Mistake]:
    case, line = kept.case, kept.source.line
    used = {name for hazard in case.hazards.values() for name in hazard.controls}
    for name, control in case.controls.items():
        if name not in used:
            yield Mistake(line("controls", name), f"The control {name!r} is named by no hazard.")
        for number, file in enumerate(control.where):
            if not (root / file).is_file():
                yield Mistake(line("controls", name, "where", number), f"{name}: there is no file {file}.")
        for number, hazard in enumerate(control.brings):
            if hazard not in case.hazards:
                yield Mistake(line("controls", name, "brings", number), f"{name}: there is no hazard {hazard}.")


def _tests(kept: KeptCase, known: frozenset[str], results: Results | None) -> Iterator[Mistake]:
    line = kept.source.line
    for name, control in kept.case.controls.items():
        if not control.tests:
            yield Mistake(line("controls", name), f"The control {name!r} has no test.")
        for number, test in enumerate(control.tests):
            at = line("controls", name, "tests", number)
            if test not in known:
                yield Mistake(at, f"{name}: the test {test} does not exist. {_nearest_test(test, known)}")
            elif results is not None and (outcome := results.tests.get(test)) is None:
                yield Mistake(at, f"{name}: the test {test} did not run.")
            elif results is not None and outcome is not None and outcome.trouble:
                yield Mistake(at, f"{name}: the test {test} {outcome.trouble}.")


def _nearest_test(test: str, known: frozenset[str]) -> str:
    """The test of that name elsewhere, or one of a like name in its file; a list of every test helps nobody."""
    file, _, function = test.partition("::")
    elsewhere = sorted(one for one in known if one.endswith(f"::{function}"))
    if elsewhere:
        return f"It stands in {elsewhere[0].partition('::')[0]}."
    there = [one.partition("::")[2] for one in known if one.startswith(f"{file}::")]
    if not there:
        return f"pytest finds no test in {file}."
    said = nearest(function, there)
    return said if said.startswith("Did you") else f"There is nothing like it in {file}."
