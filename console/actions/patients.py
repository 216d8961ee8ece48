"""`needlework patients show`: what a site knows of a patient, by pseudonym."""

import asyncio

from rich.text import Text

from console.actions.asked import check_patient
from console.exits import Code
from console.render.marks import DEMO_RECORD
from console.render.patient import patient_view
from console.screen import out, print_json, say
from station.client import StationClient
from station.models import PatientTold
from station.settings import StationSettings


def show(settings: StationSettings, patient: str, *, as_json: bool) -> int:
    """Prints course, visits and approvals. Raises StationError, ConsoleError."""
    check_patient(patient)

    async def ask() -> tuple[PatientTold, bool]:
        async with StationClient.of(settings) as station:
            return await station.patient(patient), (await station.status()).mode == "demo"

    told, demo = asyncio.run(ask())
    if as_json:
        print_json(told.model_dump(mode="json", exclude={"last_answers"}))
    else:
        say(out(), patient_view(told))
        if demo:
            out().print(Text(DEMO_RECORD, style="yellow"))
    return Code.DONE
