"""`needlework gauge …`: what a reference instrument says, without a pen."""

import asyncio
import json

from rich.table import Table

from console.exits import Code
from console.screen import out, print_json, say
from console.words import hz
from controller.units import UM_PER_MM
from firmware_bridge.gauges import KINDS, GaugeReading, open_gauge
from firmware_bridge.gauges.discovery import FoundGaugePort, list_gauge_ports


def list_ports(*, as_json: bool) -> int:
    """Prints the ports on which a gauge may be."""
    found = list_gauge_ports()
    if as_json:
        print_json(
            [
                {
                    "device": one.port.device,
                    "identity": one.port.identity,
                    "kind": one.kind,
                    "addresses": _addresses(one),
                }
                for one in found
            ]
        )
        return Code.DONE
    if not found:
        out().print("No serial port here but those of pens. Plug in the gauge's interface cable, then list again.")
        return Code.DONE
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", show_edge=False)
    for heading in ("port", "vendor:product:serial", "what opens it"):
        table.add_column(heading, no_wrap=True)
    for one in found:
        for number, address in enumerate(_addresses(one)):
            table.add_row("" if number else one.port.device, "" if number else one.port.identity, address)
    say(out(), table)
    return Code.DONE


def read(gauge: str, count: int, *, as_json: bool) -> int:
    """Prints so many readings, each as it comes."""

    async def readings() -> None:
        async with await open_gauge(gauge) as opened:
            for _ in range(count):
                tell(await opened.read(), as_json=as_json)

    asyncio.run(readings())
    return Code.DONE


def tell(reading: GaugeReading, *, as_json: bool) -> None:
    """One reading, as a line."""
    if as_json:
        told = {"value_um": reading.value_um, "rate_mhz": reading.rate_mhz, "unit": reading.unit, "raw": reading.raw}
        print(json.dumps(told), flush=True)
        return
    shown = hz(reading.rate_mhz) if reading.value_um is None else f"{reading.value_um / UM_PER_MM:+.3f} mm"
    out().print(f"{shown}  (sent: {reading.raw}, in {reading.unit})", soft_wrap=True)


def _addresses(found: FoundGaugePort) -> list[str]:
    return [found.address(kind) for kind in (KINDS if found.kind is None else (found.kind,))]
