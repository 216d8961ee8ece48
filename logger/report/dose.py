"""How much of its planned time each zone had, as colours on the face and in words. Pure."""

from dataclasses import dataclass
from typing import Any, Final

from logger.record.models import SessionRecord, ZoneRecord
from logger.report.face import AREAS, HEIGHT, MARKS, WIDTH, Fill, face_svg
from logger.report.wording import count, mm, span, spoken


@dataclass(frozen=True, slots=True)
class _Shade:
    below_permille: int | None
    words: str
    fill: Fill


# One hue, darker with dose, then another that also has a thicker edge: told apart without colour, and on paper.
_SHADES: Final = (
    _Shade(500, "under 50 %", Fill("#dbe9f4")),
    _Shade(800, "50 to 80 %", Fill("#a3c8e3")),
    _Shade(1010, "80 to 100 %", Fill("#5798c8")),
    _Shade(None, "above 100 %", Fill("#d97b34", strong=True)),
)
_NO_PLAN: Final = _Shade(None, "treated, no time planned", Fill("#cbc7c1"))
_UNTREATED: Final = _Shade(None, "planned, not treated", Fill("#ffffff", dashed=True))


def share_permille(zone: ZoneRecord) -> int | None:
    """Time on skin in 1/1000 of what the plan has for the zone; None without a plan."""
    planned = zone.plan.dwell_ms if zone.plan is not None else None
    return None if not planned else zone.counted_ms * 1000 // planned


def face_part(record: SessionRecord) -> dict[str, Any]:
    """What the template draws: the face, the zones' numbers on it, their words beside it, and what the colours mean."""
    rows: list[dict[str, Any]] = []
    fills: dict[str, Fill] = {}
    used: list[_Shade] = []
    for zone in record.zones:
        shade, percent = _shade(share_permille(zone))
        fills[zone.zone] = shade.fill
        used.append(shade)
        passes = "1 pass" if zone.passes == 1 else f"{zone.passes} passes"
        depth = f"{mm(zone.depth_measured_um.p50)} mm measured" if zone.depth_measured_um else "depth not measured"
        rows.append(
            _row(len(rows) + 1, zone.zone, shade, percent, f"{passes}, {span(zone.on_skin_ms)} on skin, {depth}")
        )
    for name in record.untreated:
        fills[name] = _UNTREATED.fill
        used.append(_UNTREATED)
        rows.append(_row(len(rows) + 1, name, _UNTREATED, "", "planned, not treated"))
    marks = [
        {"number": row["number"], "x": MARKS[row["name"]][0] / WIDTH, "y": MARKS[row["name"]][1] / HEIGHT}
        for row in rows
        if row["name"] in MARKS
    ]
    return {
        "svg": face_svg(fills),
        "ratio": HEIGHT / WIDTH,
        "alt": _alt(rows),
        "marks": marks,
        "rows": rows,
        "legend": [
            {
                "words": shade.words,
                "colour": shade.fill.colour,
                "strong": shade.fill.strong,
                "dashed": shade.fill.dashed,
            }
            for shade in (*_SHADES, _NO_PLAN, _UNTREATED)
            if shade in _SHADES or shade in used
        ],
    }


def numbers(record: SessionRecord) -> dict[str, int]:
    """Each zone's number, on the face, in the table and above the curves."""
    return {name: number for number, name in enumerate([*(z.zone for z in record.zones), *record.untreated], 1)}


def _shade(permille: int | None) -> tuple[_Shade, str]:
    if permille is None:
        return _NO_PLAN, ""
    shade = next(shade for shade in _SHADES if shade.below_permille is None or permille < shade.below_permille)
    return shade, f"{count(permille // 10)} %"


def _row(number: int, name: str, shade: _Shade, percent: str, words: str) -> dict[str, Any]:
    return {
        "number": number,
        "name": name,
        "zone": spoken(name),
        "percent": percent,
        "words": words,
        "drawn": name in AREAS,
        "colour": shade.fill.colour,
        "strong": shade.fill.strong,
        "dashed": shade.fill.dashed,
    }


def _alt(rows: list[dict[str, Any]]) -> str:
    """The drawing in words, for who does not see it."""
    told = "; ".join(
        f"{row['zone']}: {row['words']}" + (f", {row['percent']} of its time" if row["percent"] else "") for row in rows
    )
    return f"A face from the front with the zones of this session. {told or 'No zone was treated'}."
