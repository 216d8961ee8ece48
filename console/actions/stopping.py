"""`needlework stop`: first STOP, then everything else."""

import asyncio
from pathlib import Path

from rich.text import Text

from console.exits import Code
from console.quick_stop import quick_stop
from console.screen import out, print_json

CONFIRM_S = 2.0
"""More than the dead-man and retract time of any pen: by then it has confirmed, or something is wrong."""
ASK_S = 0.05


def stop(pen: str, state: Path | None, *, as_json: bool) -> int:
    """Sends STOP, says so at once, and then says whether the pens confirmed. Raises StationError."""
    said = quick_stop(pen, state)
    from station.client import stop_now  # noqa: PLC0415 STOP went out before this was imported
    from station.settings import load_settings  # noqa: PLC0415 as above

    console = out()
    settings = load_settings(state_dir=state)
    answer = stop_now(settings, pen).model_dump(mode="json") if said is None else said
    names = answer["stopped"]
    if not as_json:
        console.print(Text(str(answer["what"]), style="bold"))
    confirmed = asyncio.run(_confirmed(settings, [str(name) for name in names])) if isinstance(names, list) else {}
    if as_json:
        print_json({**answer, "needles_out": confirmed})
    else:
        for name, is_out in confirmed.items():
            console.print(_outcome(name, is_out))
    return Code.DONE if names and all(confirmed.values()) else Code.NO


def _outcome(name: str, is_out: bool | None) -> Text:
    if is_out:
        return Text(f"{name} confirmed: motor off, needles out.", style="green")
    if is_out is None:
        return Text(f"{name}: whether it stopped is not known, the pen is not heard of. Lift it off.", style="bold red")
    return Text(f"{name} has not confirmed. Lift it off and press its own button.", style="bold red")


async def _confirmed(settings: object, names: list[str]) -> dict[str, bool | None]:
    """For each pen whether its needles are confirmed out and its motor off; None where nothing is known."""
    from station.client import StationClient  # noqa: PLC0415 as above
    from station.errors import ClientError  # noqa: PLC0415 as above
    from station.settings import StationSettings  # noqa: PLC0415 as above

    found: dict[str, bool | None] = dict.fromkeys(names)
    if not isinstance(settings, StationSettings) or not names:
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
