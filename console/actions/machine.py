"""`needlework pens` and `needlework doctor`: what is plugged in here, and what stands in the way of treating."""

from console.exits import Code
from console.render.machine import PortLine, findings_view, pens_view
from console.screen import out, print_json, say
from firmware_bridge.discovery import list_pens
from station.monitoring.doctor import Level, examine, worst
from station.monitoring.probes import port_facts, probe
from station.settings import StationSettings


def pens(*, as_json: bool) -> int:
    """Prints the serial ports of this machine, likely pens first. Opens none of them."""
    lines = [PortLine.of(port, port_facts(port.device)) for port in list_pens()]
    if as_json:
        print_json([line.as_data() for line in lines])
    else:
        say(out(), pens_view(lines))
    return Code.DONE


def doctor(settings: StationSettings, *, as_json: bool) -> int:
    """Prints findings with their remedies; exit code 1 when one of them prevents treating."""
    findings = examine(probe(settings))
    if as_json:
        print_json([{**finding.model_dump(), "level": Level(finding.level).name.lower()} for finding in findings])
    else:
        say(out(), findings_view(findings))
    return Code.NO if worst(findings) >= Level.PROBLEM else Code.DONE
