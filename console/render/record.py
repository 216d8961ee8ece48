"""A session's record, drawn for a terminal: first what matters, then everything else that was recorded. Pure."""

from rich.console import Group, RenderableType
from rich.text import Text

from console.render.marks import DEMO_RECORD, OUTCOME_STYLE, heading
from console.render.record_events import alarms, amendments, limits_met, others_refused, signatures, timeline
from console.render.record_parts import about, at_a_glance, before_arming, limits_in_force, parts_used
from console.render.record_zones import chart_of, measured, zones_against_plan
from console.trace import Moment
from logger.record.models import SessionRecord


def record_view(record: SessionRecord, trace: list[Moment], *, width: int) -> RenderableType:
    """The whole record for a screen or a page of ``width`` columns."""
    parts: list[RenderableType] = [_title(record), at_a_glance(record), Text("")]

    def section(name: str, *drawn: RenderableType) -> None:
        parts.extend((heading(name), *drawn, Text("")))

    section("What each zone got, against its plan", zones_against_plan(record, width))
    if record.zones:
        section("Depth and rate, from the pen's own telemetry", measured(record, width))
    section("Limits met", limits_met(record))
    section("Alarms", alarms(record))
    section("Signed", signatures(record))
    amended = amendments(record)
    if amended is not None:
        section("Amended afterwards; the texts are at the site", amended)
    section("The session", about(record))
    drawn = chart_of(record, trace, width)
    if drawn is not None:
        section("Measured over time", drawn)
    section("Limits in force", limits_in_force(record))
    section("Checked before arming", before_arming(record))
    section("Cartridge and calibration", parts_used(record))
    refused = others_refused(record)
    if refused is not None:
        section("Refused for other reasons", refused)
    parts += [heading("In order"), timeline(record)]
    return Group(*parts)


def _title(record: SessionRecord) -> RenderableType:
    title = Text.assemble(
        ("Session ", "bold"),
        (record.session, "bold"),
        "  ",
        (f" {record.ended.upper()} ", f"{OUTCOME_STYLE.get(record.ended, 'bold')} reverse"),
    )
    return Group(title, Text(DEMO_RECORD, style="yellow")) if record.demo else title
