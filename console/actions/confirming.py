"""What came of STOP: by the slow way if the quick one gave no answer, and whether the pens confirmed."""

import asyncio
from pathlib import Path

from rich.text import Text

from console.exits import Code
from console.screen import out, print_json
from station.api.client import StationClient
from station.api.models import StopAnswer
from station.api.stop_client import stop_now
from station.errors import ClientError
from station.settings import StationSettings, load_settings

CONFIRM_S = 2.0
"""More than the dead-man and retract time of any pen: by then it has confirmed, or something is wrong."""
ASK_S = 0.05


def confirm(said: dict[str, object] | None, pen: str, state: Path | None, *, as_json: bool) -> int:
    """Says what STOP did and what each pen answers. ``said`` is the listener's answer, None when it gave none.

    Raises StationUnreachable when nobody takes STOP at all.
    """
    console = out()
    settings = load_settings(state_dir=state)
    answer = stop_now(settings, pen) if said is None else StopAnswer.model_validate(said)
    if not as_json:
        console.print(Text(answer.what, style="bold"))
    found = asyncio.run(confirmed(settings, answer.stopped))
    if as_json:
        print_json({**answer.model_dump(mode="json"), "needles_out": found})
    else:
        for name, is_out in found.items():
            console.print(outcome(name, is_out=is_out))
    return Code.DONE if answer.stopped and all(found.values()) else Code.NO


def outcome(name: str, *, is_out: bool | None) -> Text:
    """What a pen's answer to STOP comes to, for a person."""
    if is_out:
        return Text(f"{name} confirmed: motor off, needles out.", style="green")
    if is_out is None:
        return Text(
            f"{name}: whether it stopped is not known: nothing is heard of it. Lift it off and press its own button.",
            style="bold red",
        )
    return Text(f"{name} has not confirmed. Lift it off and press its own button.", style="bold red")


async def confirmed(settings: StationSettings, names: tuple[str, ...]) -> dict[str, bool | None]:
    """For each pen whether its needles are confirmed out and its motor off; None where nothing is known."""
    found: dict[str, bool | None] = dict.fromkeys(names)
    if not names:
        return found
    try:
        async with asyncio.timeout(CONFIRM_S), StationClient.of(settings) as station:
            while not all(found.values()):
                for name in names:
                    view = (await station.pen(name)).view
                    known = view.needles_out is not None and view.motor_on is not None
                    found[name] = bool(view.needles_out and not view.motor_on) if known else None
                await asyncio.sleep(ASK_S)
    except (ClientError, TimeoutError):
        return found
    return found
