"""`needlework patients …`: who is behind a pseudonym, at the site alone; declared here, added to the command."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.people_app import PasswordFile
from console.trouble import Troubles

if TYPE_CHECKING:
    from console.actions.patients import Register
    from station.site.keymap import Details

State = Annotated[Path | None, typer.Option("--state", help="State directory: journal, store, sockets.", metavar="DIR")]
Json = Annotated[bool, typer.Option("--json", help="Print data as JSON.")]
Reader = Annotated[str, typer.Option("--as", help="Who asks: somebody of the site, signed in.", metavar="ID")]
Decider = Annotated[str, typer.Option("--as", help="A physician or manager.", metavar="ID")]
Which = Annotated[str, typer.Argument(help="The patient's pseudonym.", metavar="PSEUDONYM")]
Born = Annotated[str | None, typer.Option("--born", help="Birth date, as 1990-02-03.", metavar="DATE")]
Contact = Annotated[str | None, typer.Option("--contact", help="Phone, or another way to reach them.", metavar="TEXT")]
Chart = Annotated[str | None, typer.Option("--chart", help="The clinic's own chart number.", metavar="NUMBER")]
Photos = Annotated[
    list[str] | None,
    typer.Option("--photo", help="Where a photo is; it stays there. May be given again.", metavar="REF"),
]


def _register(by: str, password_file: Path | None, state: Path | None, *, as_json: bool) -> "Register":
    from console.actions.patients import Register  # noqa: PLC0415 imported when it runs
    from station.settings import load_settings  # noqa: PLC0415 pydantic takes a while; `--help` does without

    return Register(load_settings(state_dir=state), by, password_file, as_json)


def _details(
    name: str | None, born: str | None, contact: str | None, chart: str | None, photos: list[str] | None
) -> "Details":
    from console.actions.patients import details  # noqa: PLC0415 imported when it runs

    return details(name, born, contact, chart, photos)


def patients_add(
    by: Reader,
    name: Annotated[str, typer.Option("--name", help="Asked for where it is left out.", metavar="NAME")] = "",
    born: Born = None,
    contact: Contact = None,
    chart: Chart = None,
    photos: Photos = None,
    pseudonym: Annotated[
        str, typer.Option("--pseudonym", help="One in use before there was a key map.", metavar="PSEUDONYM")
    ] = "",
    another: Annotated[bool, typer.Option("--another", help="Not the one of the same name and birth date.")] = False,
    password_file: PasswordFile = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Enter a patient and print the pseudonym: random, and all that ever leaves the site."""
    with Troubles(as_json=as_json):
        register = _register(by, password_file, state, as_json=as_json)
        said = _details(name or register.asked("Name"), born, contact, chart, photos)
        raise typer.Exit(register.add(said, pseudonym, another=another))


def patients_find(
    by: Reader,
    text: Annotated[
        str, typer.Argument(help="Parts of a name, a birth date, a chart number; asked for where left out.")
    ] = "",
    password_file: PasswordFile = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Find patients by name, birth date or chart number. Who looked at whom is noted here. Exit code 1: nobody."""
    with Troubles(as_json=as_json):
        register = _register(by, password_file, state, as_json=as_json)
        raise typer.Exit(register.find(text or register.asked("Name, birth date or chart number")))


def patients_list(by: Reader, password_file: PasswordFile = None, state: State = None, as_json: Json = False) -> None:
    """List every patient by name. Who looked at whom is noted here."""
    with Troubles(as_json=as_json):
        raise typer.Exit(_register(by, password_file, state, as_json=as_json).find(""))


def patients_rename(
    patient: Which,
    by: Reader,
    name: Annotated[str | None, typer.Option("--name", help="The name.", metavar="NAME")] = None,
    born: Born = None,
    contact: Contact = None,
    chart: Chart = None,
    photos: Photos = None,
    password_file: PasswordFile = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Correct what is known of a patient; the pseudonym stays. Photos are given all, in place of those before."""
    with Troubles(as_json=as_json):
        register = _register(by, password_file, state, as_json=as_json)
        raise typer.Exit(register.revise(patient, _details(name, born, contact, chart, photos)))


def patients_hold(
    patient: Which,
    by: Decider,
    reason: Annotated[str, typer.Option("--reason", help="A reason of the retention file.", metavar="REASON")] = "",
    release: Annotated[bool, typer.Option("--release", help="Lift it.")] = False,
    password_file: PasswordFile = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Keep a patient from being erased, for a reason of the clinic's retention file; or lift that."""
    with Troubles(as_json=as_json):
        raise typer.Exit(_register(by, password_file, state, as_json=as_json).hold(patient, reason, release=release))


def patients_looks(
    patient: Which, by: Decider, password_file: PasswordFile = None, state: State = None, as_json: Json = False
) -> None:
    """List who read a patient's name at this station, and when."""
    with Troubles(as_json=as_json):
        raise typer.Exit(_register(by, password_file, state, as_json=as_json).looks(patient))


def patients_erase(
    patient: Which,
    by: Decider,
    confirm: Annotated[
        str, typer.Option("--confirm", help="The pseudonym once more; asked for where left out.", metavar="PSEUDONYM")
    ] = "",
    password_file: PasswordFile = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Destroy who is behind a pseudonym, for good. The record stays as it is, and verifies. Exit code 1: refused."""
    with Troubles(as_json=as_json):
        register = _register(by, password_file, state, as_json=as_json)
        raise typer.Exit(register.erase(patient, confirm or register.asked("The pseudonym once more")))


def add_people_commands(patients_app: typer.Typer) -> None:
    """Puts the commands above beside `patients show`."""
    for name, command in (
        ("add", patients_add),
        ("find", patients_find),
        ("list", patients_list),
        ("rename", patients_rename),
        ("hold", patients_hold),
        ("looks", patients_looks),
        ("erase", patients_erase),
    ):
        patients_app.command(name)(command)
