"""Certificates on a terminal: errors drawn within their tolerance, a line a point. Pure."""

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from logger.certificate.document import Address, Body, PointResult, Series, Stage
from logger.certificate.folder import Kept
from logger.report.certificate import HEADINGS, Printed, stage_title
from logger.report.certificate_words import findings
from logger.report.quantities import VERDICTS, Scale, scale_of

WIDE = 100
_TRACK, _NARROW_TRACK = 41, 25


def certificates_view(kept: Sequence[Kept], replaced: Mapping[str, str], place: str) -> RenderableType:
    """A table of certificates; damaged ones say what is wrong with them, ``replaced`` ones what has their place."""
    if not kept:
        return Text(f"No certificate was issued here: there is none in {place}.")
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("number", "issued", "pen", "serial", "as found", "as left", "due"):
        table.add_column(heading, no_wrap=True)
    if replaced:
        table.add_column("replaced by", no_wrap=True)
    problems = []
    for one in kept:
        if one.certificate is None:
            problems.append(Text(f"{one.path.stem}: {one.problem}", style="bold red"))
            continue
        body = one.certificate.body
        table.add_row(
            body.number,
            body.issued_at[:10],
            body.instrument.model,
            body.instrument.serial,
            _verdict([series.stages[0] for series in body.results]),
            _verdict([series.last for series in body.results]),
            body.due_on or "not asked for",
            *([Text(replaced.get(body.number, ""), style="yellow")] if replaced else []),
        )
    return Group(table, *problems) if table.row_count else Group(*problems)


def _verdict(stages: Sequence[Stage]) -> Text:
    good = all(stage.in_tolerance for stage in stages)
    return Text("in tolerance", style="green") if good else Text("out of tolerance", style="bold red")


def certificate_view(printed: Printed, *, width: int) -> RenderableType:
    """A certificate: what it is of, its errors, what was measured with, and its key."""
    body = printed.certificate.body
    parts: list[RenderableType] = [_heads(printed), Text("")]
    for series in body.results:
        for stage in series.stages:
            parts += [*stage_view(series, stage, width, test=body.kind == "accuracy_test"), Text("")]
    parts += [Text("Measured with", style="bold"), _references(body), Text("")]
    parts.append(Text(f"Decision rule: {body.decision.name}. {body.decision.sentence}", style="dim"))
    parts.append(Text(f"SHA-256 {printed.sha256}, signed by the key {printed.key_id}", style="dim"))
    parts.append(Text("The results relate only to this item, as it was when it was measured.", style="dim"))
    return Group(*parts)


def _heads(printed: Printed) -> RenderableType:
    body, private = printed.certificate.body, printed.certificate.private
    pen = body.instrument
    lines = [
        Text.assemble((f"{HEADINGS[body.kind]} {body.number}", "bold"), f", issued {body.issued_at[:10]}"),
        Text(f"{pen.model}, serial number {pen.serial}, firmware {pen.firmware}"),
    ]
    if private is None:
        lines.append(Text("Customer and laboratory were left out of this copy."))
    else:
        lines.append(Text(f"For {_name(private.customer)}, by {_name(private.laboratory)}"))
    if body.due_on:
        lines.append(Text(f"Due {body.due_on}, as the customer asked for"))
    if body.demo:
        lines.append(Text("Demonstration: made on a simulated pen or with example data.", style="bold yellow"))
    return Group(*lines)


def _name(address: Address | None) -> str:
    return "nobody named" if address is None else address.name


def stage_view(series: Series, stage: Stage, width: int, *, test: bool, only: bool = True) -> list[RenderableType]:
    """One stage, its errors drawn within their tolerance; ``test`` of an accuracy test. Where ``only`` is False, a
    single stage is not yet the last word on the pen."""
    scale = scale_of(series.quantity)
    title = stage_title(stage.stage, test=test).lower()
    if len(series.stages) == 1 and only and not test:
        title = "as found and as left"
    verdict = ("in tolerance", "bold green") if stage.in_tolerance else ("OUT OF TOLERANCE", "bold red")
    columns = _TRACK if width >= WIDE else _NARROW_TRACK
    drawn = [point for each in series.stages for point in each.points]  # all stages to one scale
    reach = max(max(abs(point.error) + point.expanded, point.tolerance) for point in drawn)
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("set" if test else "shown", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column(f"error, {scale.error_unit}", justify="right", no_wrap=True)
    table.add_column("± U", justify="right", no_wrap=True)
    table.add_column(_ruler(scale, reach, columns), no_wrap=True)
    table.add_column("", no_wrap=True)
    for point in stage.points:
        table.add_row(
            f"{scale.value(point.shown)} {scale.unit}",
            "↑" if point.direction == "up" else "↓",
            scale.stated(point.error, point.expanded),
            scale.uncertainty(point.expanded),
            track(point, reach, columns),
            Text(VERDICTS[point.verdict], style="green" if point.verdict == "passed" else "bold red"),
        )
    key = "[ ] tolerance, ── error ± U"
    if any(point.verdict.endswith("on_condition") for point in stage.points):
        key += "; on condition: within the guard band of the limit, so not surely on this side of it"
    said = [Text(key, style="dim")]
    said += [Text(f"{name}: {words}", style="dim") for name, words in findings(scale, stage, test=test)]
    return [Text.assemble((f"{scale.name}, {title}: ", "bold"), verdict), table, *said]


def _ruler(scale: Scale, reach: int, columns: int) -> str:
    left, right = scale.error(-reach, 0), scale.error(reach, 0)
    middle = columns - len(left) - len(right)
    return f"{left}{'0'.center(middle)}{right}"


def track(point: PointResult, reach: int, columns: int) -> Text:
    """One error on a line: ``[ ]`` the tolerance, ``│`` none, the bar its expanded uncertainty."""

    def at(value: int) -> int:
        return round((value / reach + 1) / 2 * (columns - 1))

    cells = [" "] * columns
    style = "green" if point.verdict == "passed" else "bold red"
    cells[at(0)] = "│"
    cells[at(-point.tolerance)], cells[at(point.tolerance)] = "[", "]"
    for place in range(at(max(-reach, point.error - point.expanded)), at(min(reach, point.error + point.expanded)) + 1):
        cells[place] = "─"
    cells[at(point.error)] = "●"
    text = Text("".join(cells), style="dim")
    for place, sign in enumerate(cells):
        if sign in "─●":
            text.stylize(style, place, place + 1)
    return text


def _references(body: Body) -> RenderableType:
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for reference in body.references:
        late = reference.due_on < body.ended_at[:10]
        due = Text(f"due {reference.due_on}", style="bold red" if late else "")
        table.add_row(reference.name, reference.serial, f"certificate {reference.certificate}", due)
    return table
