"""Ports and findings, drawn for a terminal. Pure."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from firmware_bridge.discovery import FoundPort, FoundUsbPen
from firmware_bridge.hotplug import Plug
from station.monitoring.doctor_ports import PortFacts
from station.monitoring.findings import Finding, Level

MARKS = {
    Level.FINE: ("ok", "green"),
    Level.NOTE: ("note", "cyan"),
    Level.WARNING: ("warning", "bold yellow"),
    Level.PROBLEM: ("PROBLEM", "bold reverse red"),
}


@dataclass(frozen=True, slots=True)
class PortLine:
    """A port as listed. ``holders`` None: which program has it open cannot be seen by this user."""

    identity: str
    url: str
    device: str
    product: str | None
    manufacturer: str | None
    looks_like_pen: bool
    allowed: bool
    holders: tuple[str, ...] | None

    @classmethod
    def of(cls, port: FoundPort | FoundUsbPen, facts: PortFacts) -> Self:
        """The line of a port or a USB pen that was found."""
        if isinstance(port, FoundUsbPen):
            return cls(
                identity=port.identity,
                url=port.url,
                device=port.device,
                product="over libusb, without its serial line",
                manufacturer=None,
                looks_like_pen=True,
                allowed=facts.allowed,
                holders=facts.holders,
            )
        return cls(
            identity=port.identity,
            url=port.url,
            device=port.device,
            product=port.product,
            manufacturer=port.manufacturer,
            looks_like_pen=port.looks_like_pen,
            allowed=facts.allowed,
            holders=facts.holders,
        )

    @property
    def about(self) -> Text:
        """What it is, and what stands in the way of opening it."""
        text = Text(" ".join(part for part in (self.manufacturer, self.product) if part) or "no description")
        if not self.allowed:
            text.append("  not permitted: `needlework doctor` says what to do", "yellow")
        if self.holders:
            text.append(f"  held by {', '.join(self.holders)}", "yellow")
        return text

    def unlikely(self) -> bool:
        """Sorts what does not look like a pen behind what does."""
        return not self.looks_like_pen

    def as_data(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def pens_view(lines: Sequence[PortLine]) -> RenderableType:
    """The ports, likely pens first, each with what opens it."""
    if not lines:
        return Text(
            "No pen and no serial port is plugged in. Plug the pen in and ask again, or try without one: "
            "`needlework run` brings a simulated pen."
        )
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("", "vendor:product:serial", "open with", "what it is"):
        table.add_column(heading, no_wrap=heading != "what it is")
    for line in lines:
        mark = Text("pen", style="bold green") if line.looks_like_pen else Text("port", style="dim")
        table.add_row(mark, line.identity, line.url, line.about)
    ends = [Text("A pen on an ordinary adapter shows as a port with the adapter's id.", style="dim")]
    return Group(table, *ends)


def change_line(plug: Plug, line: PortLine) -> RenderableType:
    """One thing that was plugged in or taken out."""
    text = Text.assemble((f"{plug.value:<10}", "green" if plug is Plug.IN else "yellow"), f"  {line.url}")
    return text if plug is Plug.OUT else text.append("  ").append_text(line.about)


def findings_view(findings: Sequence[Finding]) -> RenderableType:
    """Every finding with its remedy, and what it comes to."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column()
    for finding in findings:
        word, style = MARKS[finding.level]
        said = Text(finding.what, style="" if finding.level <= Level.NOTE else "bold")
        if finding.means:
            said.append(f" {finding.means}", "not bold")
        if finding.remedy:
            said.append(f"\n→ {finding.remedy}", "not bold")
        grid.add_row(Text(word, style=style), finding.check, said)
    return Group(grid, Text(""), _sum(findings))


def _sum(findings: Sequence[Finding]) -> Text:
    problems = sum(finding.level >= Level.PROBLEM for finding in findings)
    warnings = sum(finding.level == Level.WARNING for finding in findings)
    if problems:
        return Text(f"{problems} {'thing prevents' if problems == 1 else 'things prevent'} treating.", style="bold red")
    if warnings:
        return Text(
            f"Nothing prevents treating; {warnings} {'warning is' if warnings == 1 else 'warnings are'} worth a look.",
            style="bold yellow",
        )
    return Text("Nothing stands in the way of treating.", style="bold green")
