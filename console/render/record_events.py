"""The part of a record about what happened: limits met, alarms, signatures, and everything in order. Pure."""

from datetime import datetime, timedelta

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from console.render.marks import facts
from console.words import LAYERS, MS_PER_S, duration, hz, mm, offset, spoken
from logger.record.models import AlarmRecord, Override, Refusal, SessionRecord

HARD = {"zone_hard", "mechanical", "labelled", "cartridge", "calibration", "depth_rate_curve", "lease"}
"""Limits that nothing overrides."""


def moment(record: SessionRecord, at: datetime) -> str:
    """When something happened, from the opening on."""
    return offset(int((at - record.opened_at) / timedelta(milliseconds=1)))


def when(at: datetime) -> str:
    """A moment by the calendar."""
    return at.strftime("%Y-%m-%d %H:%M UTC")


def _three() -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column()
    return grid


def limits_met(record: SessionRecord) -> RenderableType:
    """Wherever somebody wanted more than a limit allows: gone beyond with a reason, or refused. In order."""
    rows: list[tuple[datetime, str, Text]] = [(item.at, item.zone, _overridden(item)) for item in record.overrides]
    rows += [(item.at, item.zone, _near_miss(item)) for item in record.refusals if item.near_miss]
    rows += [
        (
            approval.used_at,
            approval.used_zone or "",
            Text.assemble(
                ("BY APPROVAL ", "bold cyan"),
                f"{mm(approval.depth_commanded_um)} beyond the operator's own {mm(approval.scope_um)}; "
                f"approval {approval.approval}" + (f" by {approval.by}" if approval.by else ", given ahead"),
            ),
        )
        for approval in record.approvals
        if approval.used_at is not None
    ]
    if not rows:
        return Text("None was met.", style="dim")
    grid = _three()
    for at, zone, said in sorted(rows, key=lambda row: row[0]):
        grid.add_row(moment(record, at), zone, said)
    return grid


def _overridden(item: Override) -> Text:
    show = mm if item.quantity == "depth_um" else hz
    return Text.assemble(
        ("OVERRIDDEN ", "bold yellow"),
        f"soft limit: {show(item.wanted)} instead of {show(item.soft_limit)}; reason given: {item.reason}",
    )


def _near_miss(item: Refusal) -> Text:
    name = LAYERS.get(item.because, spoken(item.because))
    if item.because in ("zone_soft", "operator"):
        return Text.assemble(("REFUSED ", "bold"), (f"{name.removeprefix('zone, ')}: ", "bold"), item.sentence)
    which = "hard limit" if item.because == "zone_hard" else f"hard limit ({name})"
    return Text.assemble(("REFUSED ", "bold red"), (f"{which}: ", "bold"), item.sentence)


def others_refused(record: SessionRecord) -> RenderableType | None:
    """What was refused by no limit, None when nothing was."""
    found = [item for item in record.refusals if not item.near_miss]
    if not found:
        return None
    grid = _three()
    for item in found:
        said = Text.assemble((f"{spoken(item.because)}: ", "bold"), item.sentence)
        grid.add_row(moment(record, item.at), item.asked, said)
    return grid


def alarms(record: SessionRecord) -> RenderableType:
    """Alarms with their ends, when they were kept quiet, and whether the clock was set."""
    rows: list[tuple[datetime, Text]] = []
    for alarm in record.alarms:
        text = Text.assemble((f"{alarm.priority} {spoken(alarm.alarm)}: ", "bold"), alarm.sentence)
        rows.append((alarm.raised_at, text.append(_alarm_end(record, alarm), "dim")))
    for pause in record.audio_pauses:
        ended = f", ended by {spoken(pause.ended_by)}" if pause.ended_by else ""
        said = f"Alarms kept quiet for {duration(pause.for_ms)} by {pause.by}{ended}; shown all the same."
        rows.append((pause.at, Text(said)))
    rows += [
        (step.at, Text(f"The computer's clock was set by {step.by_ms / MS_PER_S:+.1f} s."))
        for step in record.clock_steps
    ]
    grid = facts()
    for at, said_then in sorted(rows, key=lambda row: row[0]):
        grid.add_row(moment(record, at), said_then)
    none = [] if record.alarms else [Text("None was raised.", style="dim")]
    return Group(*none, grid) if rows else Group(*none)


def _alarm_end(record: SessionRecord, alarm: AlarmRecord) -> str:
    said = " Not acknowledged."
    if alarm.acknowledged_at is not None:
        said = f" Acknowledged {moment(record, alarm.acknowledged_at)} by {alarm.acknowledged_by}."
    if alarm.cleared_at is not None:
        said += f" Cleared {moment(record, alarm.cleared_at)}."
    return said


def signatures(record: SessionRecord) -> RenderableType:
    """Who signed, as what, when; and what is missing."""
    grid = facts()
    for meaning, who in (
        ("performed", "whoever treated"),
        ("reviewed", "a physician who did not treat"),
        ("approved", "a physician, after the review"),
    ):
        signed = [item for item in record.signatures if item.meaning == meaning]
        for item in signed:
            covers, style = COVERS[item.covers]
            said = f"by {item.by} ({item.role}), {when(item.at)}{covers}"
            grid.add_row(meaning, Text(said, style=style))
        if meaning == "approved" and not record.signatures:
            continue  # what follows the other two is not asked for before them
        if not any(item.standing for item in signed):
            grid.add_row(meaning, Text(f"not signed yet; by {who}", style="dim"))
    return grid


COVERS = {
    "all": ("", "green"),
    "unknown": ("", "green"),
    "amended": (", before the amendment", "yellow"),
    "other": (", of a record that is not this one", "bold red"),
}
"""What a signature covers, in words to be put behind it, and how it is drawn."""


def amendments(record: SessionRecord) -> RenderableType | None:
    """What was set right or added afterwards; None where nothing was. The texts are at the site."""
    if not record.amendments:
        return None
    grid = facts()
    for item in record.amendments:
        about = (
            f"entry {item.amends_sequence}" if item.amends_found else f"an entry {item.amends_sequence} not found here"
        )
        said = f"{item.reason.replace('_', ' ')}, by {item.by} ({item.role}), {when(item.at)}; about {about}"
        grid.add_row(item.aspect, Text(said, style="yellow" if item.amends_found else "bold red"))
    return grid


def timeline(record: SessionRecord) -> RenderableType:
    """Everything that happened, in order."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column()
    for item in record.timeline:
        grid.add_row(moment(record, item.at), item.what, item.detail)
    return grid
