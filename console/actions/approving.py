"""`needlework approve`: a physician approves going beyond an operator's scope, through the station."""

import asyncio
import json
from pathlib import Path

from pydantic import ValidationError
from rich.text import Text

from console.actions.asked import check_patient
from console.exits import Code
from console.passwords import password_for
from console.screen import out, print_json
from console.trouble import ConsoleError, Told
from station.api.client import StationClient
from station.api.models import ApproveAsked, Approved
from station.settings import StationSettings


def approve(
    settings: StationSettings,
    by: str,
    password_file: Path | None,
    *,
    patient: str,
    zones: tuple[str, ...],
    depth_max: str,
    sessions: int,
    until: str,
    protocol: str,
    as_json: bool,
) -> int:
    """Gives an approval and prints it. Raises StationError, ConsoleError."""
    check_patient(patient)
    try:
        asked = ApproveAsked.model_validate_json(
            json.dumps(
                {
                    "patient": patient,
                    "zones": zones,
                    "depth_max_mm": depth_max,
                    "sessions": sessions,
                    "until": until,
                    "protocol": protocol,
                }
            )
        )
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        told = Told(
            "usage",
            f"--{place}: {first['msg']}.",
            "Nothing was approved.",
            "A date is written 2026-12-31." if place == "until" else "",
        )
        raise ConsoleError(told, Code.USAGE) from error
    mode = asyncio.run(_mode(settings))
    password = password_for(by, mode, password_file)
    approved = asyncio.run(_approve(settings, by, password, asked))
    if as_json:
        print_json(approved.model_dump(mode="json"))
    else:
        out().print(Text(approved.what + (" This is a demonstration." if approved.demo else "")), soft_wrap=True)
    return Code.DONE


async def _mode(settings: StationSettings) -> str:
    async with StationClient.of(settings) as station:
        return (await station.status()).mode


async def _approve(settings: StationSettings, by: str, password: str, asked: ApproveAsked) -> Approved:
    async with StationClient.of(settings) as station, station.signed_in(by, password) as physician:
        return await physician.approve(asked)
