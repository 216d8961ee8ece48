"""A protocol library and what changed in it, drawn for a terminal. Pure."""

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from controller.library import LoadedLibrary
from controller.library_content import Library, Question, TreatmentProtocol, ZoneLimits
from controller.library_diff import Change
from controller.units import MHZ_PER_HZ, format_mm

BAR_COLUMNS, NARROW_BAR_COLUMNS = 20, 8
WIDE = 96
"""From this width on the bars are drawn long; below it every number still has its place in 80 columns."""
_MS_PER_S = 1000
_STYLES = {"looser": "bold yellow", "stricter": "green", "other": ""}
_MARKS = {"looser": "▲", "stricter": "▽", "other": "·"}
_SEVERITIES = {"hard": "bold red", "ask-prescriber": "yellow", "soft": "cyan"}


def verdict_view(library: LoadedLibrary, name: str, use: str, reason: str) -> RenderableType:
    """What a library may be used for."""
    word, style = {
        "clinic": ("may be used to treat patients", "bold green"),
        "demo": ("demo mode only", "bold yellow"),
        "no": ("may not be used", "bold red"),
    }[use]
    return Group(_heads(library, name), Text(""), Text(f"{word}: {reason}", style=style))


def library_view(library: LoadedLibrary, name: str, *, width: int) -> RenderableType:
    """The whole library: limits first, then what is asked and given, then the sources. ``width`` in columns."""
    columns = BAR_COLUMNS if width >= WIDE else NARROW_BAR_COLUMNS
    content = library.content
    deepest_um = max(hard for _, _, zone in _zones(content) for hard in zone.hard_um.values())
    parts: list[RenderableType] = [_heads(library, name)]
    for title, protocol in content.protocols.items():
        parts += [Text(""), *_protocol(title, protocol, deepest_um, columns)]
    parts += [Text(""), Text("Questions", style="bold"), _questions(content.questions)]
    for heading, texts in (
        ("Checklist, confirmed before arming", content.checklist),
        ("Reasons to go beyond a soft limit", content.override_reasons),
        ("Sources", content.sources),
    ):
        parts += [Text(""), Text(heading, style="bold"), _texts(texts)]
    return Group(*parts)


def changes_view(changes: Sequence[Change], old: str, new: str) -> RenderableType:
    """What changed, with what allows more than before marked."""
    if not changes:
        return Text(f"{old} and {new} say the same.")
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("", "where", "zone", "skin", "what", "from", "to", ""):
        table.add_column(heading, no_wrap=heading in {"", "zone", "skin"})
    for change in changes:
        style = _STYLES[change.direction]
        mark = "DEEPER" if change.deeper else change.direction if change.direction != "other" else ""
        cells = (change.place, change.zone, change.skin, change.what, change.old, change.new)
        table.add_row(
            Text(_MARKS[change.direction], style=style), *(Text(cell) for cell in cells), Text(mark, style=style)
        )
    looser = sum(change.direction == "looser" for change in changes)
    deeper = sum(change.deeper for change in changes)
    return Group(
        table,
        Text(""),
        Text(
            f"{len(changes)} {'difference' if len(changes) == 1 else 'differences'}; {looser} allow more than {old}, "
            f"{deeper} of them deeper.",
            style="bold yellow" if looser else "bold",
        ),
    )


def _heads(library: LoadedLibrary, name: str) -> Table:
    content, signature = library.content, library.signature
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column()
    grid.add_row("library", Text(f"{content.name} v{content.version}", style="bold"))
    grid.add_row("file", Text(name))
    if signature is None:
        grid.add_row("signed", Text("by nobody: an example or a draft, for demo mode only", style="bold yellow"))
    else:
        said = f"by {signature.signer}, licence {signature.licence}, on {signature.signed_on.isoformat()}"
        grid.add_row("signed", Text(said, style="green"))
        grid.add_row("key", Text(signature.key))
    grid.add_row("valid", Text(f"{content.issued.isoformat()} to {content.valid_until.isoformat()}"))
    grid.add_row("digest", Text(library.digest))
    return grid


def _zones(content: Library) -> list[tuple[str, str, ZoneLimits]]:
    return [
        (title, name, zone) for title, protocol in content.protocols.items() for name, zone in protocol.zones.items()
    ]


def _protocol(title: str, protocol: TreatmentProtocol, deepest_um: int, columns: int) -> list[RenderableType]:
    course = protocol.course
    often = f"{course.sessions} sessions, at least {course.interval_days} days apart"
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("zone")
    table.add_column("skin")
    table.add_column("depth", no_wrap=True)
    for heading in ("soft", "hard", "rate", "passes", "dwell"):
        table.add_column(heading, no_wrap=True, justify="right")
    for name, zone in protocol.zones.items():
        for number, skin in enumerate(protocol.skins):
            soft, hard = zone.soft_um[skin], zone.hard_um[skin]
            once = (_rate(zone), str(zone.passes), _dwell(zone)) if number == 0 else ("", "", "")
            table.add_row(
                name if number == 0 else "",
                skin,
                _bar(soft, hard, deepest_um, columns),
                Text(format_mm(soft), style="green"),
                Text(format_mm(hard), style="yellow"),
                *once,
            )
    key = Text.assemble("  ", ("█", "green"), " recommended  ", ("▒", "yellow"), " only with a reason  · never")
    return [
        Text.assemble((title, "bold"), f"  {often}"),
        table,
        key,
        *_sources(protocol),
        *(Text(f"  aftercare: {line}", style="dim") for line in protocol.aftercare),
    ]


def _bar(soft_um: int, hard_um: int, deepest_um: int, columns: int) -> Text:
    """Recommended depth, then what needs a reason, then what is never allowed; never drawn deeper than it is."""
    soft, hard = (columns * depth_um // deepest_um for depth_um in (soft_um, hard_um))
    return Text.assemble(("█" * soft, "green"), ("▒" * (hard - soft), "yellow"), ("·" * (columns - hard), "dim"))


def _rate(zone: ZoneLimits) -> str:
    """Recommended and greatest rate, or the greatest alone."""
    rates = [zone.rate_max_mhz] if zone.rate_recommended_mhz is None else [zone.rate_recommended_mhz, zone.rate_max_mhz]
    return "/".join(f"{rate_mhz / MHZ_PER_HZ:g}" for rate_mhz in rates) + " Hz"


def _dwell(zone: ZoneLimits) -> str:
    return f"{zone.dwell_ms / _MS_PER_S:g}/{zone.dwell_hard_ms / _MS_PER_S:g} s"


def _sources(protocol: TreatmentProtocol) -> list[Text]:
    """Which sources stand behind which zones, in as few lines as there are combinations."""
    zones: dict[str, list[str]] = {}
    for name, zone in protocol.zones.items():
        named = dict.fromkeys(
            f"{what} {source}"
            for what, source in (("depth", zone.source), ("rate", zone.rate_source), ("dwell", zone.dwell_source))
            if source is not None
        )
        zones.setdefault(", ".join(named), []).append(name)
    return [Text(f"  sources: {named} ({', '.join(names)})", style="dim") for named, names in zones.items()]


def _questions(questions: Mapping[str, Question]) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    for no_wrap in (True, True, True, False, True):
        grid.add_column(no_wrap=no_wrap)
    for name, question in questions.items():
        back = "now" if question.look_back_days is None else f"{question.look_back_days} days"
        severity = Text(question.severity, style=_SEVERITIES[question.severity])
        grid.add_row(severity, name, back, Text(question.text), Text(question.source, style="dim"))
    return grid


def _texts(texts: Mapping[str, str]) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column()
    for name, text in texts.items():
        grid.add_row(name, Text(text))
    return grid
