"""A cartridge's code and what it says, drawn for a terminal. Pure."""

from datetime import date

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from controller.cartridges import ScannedCartridge, expiry_problem
from controller.profiles import CartridgeProfile
from controller.units import format_mm


def cartridge_view(
    scanned: ScannedCartridge, found: tuple[str, CartridgeProfile] | None, today: date
) -> RenderableType:
    """What the code says, which data sheet that is, and what the station would make of it."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    for name, value in (
        ("product (GTIN)", scanned.gtin),
        ("lot", scanned.lot or "not on the code"),
        ("serial", scanned.serial or "not on the code"),
        ("usable until", scanned.expiry or "not on the code"),
        ("made on", scanned.production or "not on the code"),
        ("further number", scanned.additional),
        ("cartridge", _sheet(found)),
        ("reuse", _reuse(scanned)),
    ):
        if value:
            grid.add_row(name, value)
    problem = expiry_problem(scanned.expiry, today)
    return Group(grid, *([] if problem is None else [Text(problem[1], style="bold yellow")]))


def _sheet(found: tuple[str, CartridgeProfile] | None) -> str:
    if found is None:
        return "no data sheet has this product number, so the station refuses it: add `gtin` to its data sheet"
    name, sheet = found
    return f"{name}: {sheet.needle_count} needles of {format_mm(sheet.needle_length_um)}, for {', '.join(sheet.pens)}"


def _reuse(scanned: ScannedCartridge) -> str:
    if scanned.serialised:
        return "can be found: this cartridge has a number of its own"
    return "cannot be found: the code has the lot alone, so the operator attests that the cartridge is new"
