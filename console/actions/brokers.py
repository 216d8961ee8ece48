"""`needlework broker config`: a real broker's files, and who is to be handed what."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.text import Text

from console.exits import Code
from console.screen import out, print_json
from console.trouble import ConsoleError, Told
from logger.brokers.folder import Asked, OwnCertificate, Written, write_broker

MOSQUITTOS_OWN = "mosquitto"
"""The user that Mosquitto's packages make."""


def config(
    folder: Path,
    *,
    site: str | None,
    stations: Sequence[str],
    hosts: Sequence[str],
    port: int | None,
    renew: Sequence[str],
    own: tuple[Path | None, Path | None, Path | None],
    handed_to: Path,
    runs_as: str | None,
    as_json: bool,
) -> int:
    """Writes the folder and says what to do with it. Raises BrokerFolderError, TopicError, ConsoleError."""
    asked = Asked(site, stations, renew, hosts, port, _own(own), handed_to, runs_as, _gives_up_root_for())
    written = write_broker(folder, asked, datetime.now(UTC))
    if as_json:
        print_json(_data(written))
    else:
        _say(written, handed_to)
    return Code.DONE


def _gives_up_root_for() -> str | None:
    """The user that a Mosquitto started by root becomes where its configuration names none; None where nobody does."""
    if os.name != "posix" or os.geteuid() != 0:
        return None
    import pwd  # noqa: PLC0415 there is none on Windows

    try:
        return pwd.getpwnam(MOSQUITTOS_OWN).pw_name
    except KeyError:
        return None


def _own(given: tuple[Path | None, Path | None, Path | None]) -> OwnCertificate | None:
    match given:
        case (None, None, None):
            return None
        case (Path() as certificate, Path() as key, Path() as ca):
            return OwnCertificate(certificate, key, ca)
    raise ConsoleError(
        Told(
            "certificate",
            "Of a certificate of your own, all three are needed: --certificate, --key and --ca.",
            "Nothing was written.",
            "Give all three, or none for one that this command makes.",
        ),
        Code.USAGE,
    )


def _data(written: Written) -> dict[str, object]:
    return {
        "configuration": str(written.configuration),
        "site": written.site,
        "stations": list(written.stations),
        "hosts": list(written.hosts),
        "port": written.port,
        "handed": {user: str(place) for user, place in written.handed.items()},
        "runs_as": written.runs_as,
        "certificate_ends": written.certificate_ends.isoformat(),
    }


def _say(written: Written, handed_to: Path) -> None:
    console = out()
    stations = ", ".join(written.stations) or "none yet; add one with --station"
    console.print(Text(f"The broker of {written.site}: {written.configuration}", style="bold"))
    console.print(
        f"Stations: {stations}. Certificate for {', '.join(written.hosts)} until {written.certificate_ends:%Y-%m-%d}."
    )
    if written.runs_as is not None:
        console.print(f"The broker runs as the user {written.runs_as}, whose its files are.")
    elif os.name == "posix" and os.geteuid() == 0:
        console.print(
            f"Started by root, Mosquitto becomes the user {MOSQUITTOS_OWN}, who is none of this machine and could not "
            "read these files: install it, and run this again before it starts.",
            style="yellow",
        )
    if written.handed:
        console.print("\nNew passwords, each in a folder of its own. Carry it to its machine, then delete it here:")
        for user, place in written.handed.items():
            console.print(f"  {user}: {place} → {handed_to}", soft_wrap=True)
        console.print("The lines of its settings.toml belong into that machine's settings.", style="dim")
    else:
        console.print("Every password is as it was.")
    console.print(
        f"\nStart it: mosquitto -c {written.configuration}\nA broker that runs reads accounts anew at SIGHUP.",
        soft_wrap=True,
        highlight=False,
    )
