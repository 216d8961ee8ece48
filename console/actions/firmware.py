"""`needlework pen firmware …`: what runs on a pen, an update, and files of firmware."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from console.actions.benching import Seat, at_bench
from console.actions.library_key import asked_passphrase
from console.exits import Code
from console.screen import err, out, print_json, say
from console.trouble import ConsoleError, Told
from controller.key_file import PassphraseNeeded, read_key_file
from controller.service.firmware_file import FirmwareFile, read_firmware, read_image, sign_firmware
from controller.service.firmware_steps import Next, text
from controller.service.firmware_update import UpdateProgress
from controller.service_events import FirmwareChanged
from station.bench import TechnicianBench
from station.bench.updating import allowed_firmware, firmware_state, update_firmware

DOING = {
    Next.BEGIN: "telling the pen",
    Next.SEND: "sending",
    Next.APPLY: "to be checked by the pen, and started on trial",
    Next.CONFIRM: "runs on trial; tested, then confirmed",
    Next.ROLL_BACK: "another version is on trial; going back first",
    Next.DONE: "confirmed",
    Next.GIVEN_UP: "the pen went back",
}


def status(seat: Seat) -> int:
    """What runs on the pen. Raises what the bench raises."""

    async def work(bench: TechnicianBench) -> dict[str, Any]:
        state = await firmware_state(bench)
        return {
            "model": bench.pen.model,
            "serial": bench.pen.serial,
            "running": text(state.running),
            "running_number": state.running_number,
            "on_trial": bool(state.trial),
            "confirmed": text(state.confirmed),
            "confirmed_number": state.confirmed_number,
            "minimum_number": state.minimum_number,
            "battery_min_permille": state.battery_min_permille,
            "received_bytes": state.staged_bytes,
            "received_of_bytes": state.staged_size,
            "allowed": list(allowed_firmware(bench)),
        }

    found = at_bench(seat, work)
    if found is None:
        return Code.INTERRUPTED
    if seat.as_json:
        print_json(found)
        return Code.DONE
    trial = ", on trial" if found["on_trial"] else ""
    rows = [
        ("pen", f"{found['model']} {found['serial']}"),
        ("runs", f"{found['running']} (number {found['running_number']}{trial})"),
        ("a restart goes back to", f"{found['confirmed']} (number {found['confirmed_number']})"),
        ("takes no number under", str(found["minimum_number"])),
        ("received of another", f"{found['received_bytes']} of {found['received_of_bytes']} bytes"),
        ("the clinic allows", ", ".join(found["allowed"]) or "none"),
    ]
    _tell(rows)
    if found["running"] not in found["allowed"]:
        err().print(Text(f"The clinic does not allow {found['running']} for {found['model']}.", "bold yellow"))
    return Code.DONE


def update(seat: Seat, path: Path, *, older: bool) -> int:
    """Gives the pen the firmware. Raises DataError, FirmwareNotUpdated, and what the bench raises."""
    file = read_firmware(path)
    console = err()
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=seat.as_json or not console.is_terminal) as bar:
        task = bar.add_task("waiting for the pen", total=len(file.content))
        told: list[Next] = []

        def tell(progress: UpdateProgress) -> None:
            if progress.doing in (Next.BEGIN, Next.SEND):
                bar.update(task, completed=progress.sent)
            bar.update(task, description=DOING[progress.doing])
            if progress.doing not in told[-1:]:
                told.append(progress.doing)
                if not seat.as_json and not console.is_terminal:
                    print(f"{file.version}: {DOING[progress.doing]}", file=sys.stderr, flush=True)

        async def work(bench: TechnicianBench) -> FirmwareChanged:
            return await update_firmware(bench, file, told=tell, older=older)

        changed = at_bench(seat, work)
    if changed is None:
        err().print("What the pen has received stays on it. Give the same command again: it goes on where it was.")
        return Code.INTERRUPTED
    if seat.as_json:
        print_json(changed.model_dump(mode="json"))
    else:
        out().print(f"{changed.pen} {changed.serial} runs {changed.wanted}, confirmed; before, {changed.was}.")
    return Code.DONE


def show(path: Path, maker: Path | None, *, as_json: bool) -> int:
    """What a file says of itself. Raises DataError, ConsoleError."""
    file = read_firmware(path)
    signed = None if maker is None else file.signed_by(_public(maker))
    if as_json:
        print_json(_as_data(file) | {"signed_by_maker": signed})
    else:
        said = {None: "not checked: name the maker's key with --maker", True: "the maker's", False: "NOT THE MAKER'S"}
        rows = [(name.replace("_", " "), str(value)) for name, value in _as_data(file).items()]
        _tell([*rows, ("signature", said[signed])])
    return Code.NO if signed is False else Code.DONE


def sign(image: Path, key: Path, told: tuple[str, str, int], into: Path, *, as_json: bool) -> int:
    """Makes a file of firmware. Raises DataError, OSError."""
    if into.exists():
        raise FileExistsError(17, "exists", str(into))
    try:
        private = read_key_file(key, None)
    except PassphraseNeeded:
        private = read_key_file(key, asked_passphrase(f"Passphrase of {key}: "))
    model, version, number = told
    content = read_image(image)
    file = sign_firmware(model, version, number, content, private, source=str(image))
    into.write_bytes(file.as_bytes())
    if as_json:
        print_json(_as_data(file) | {"file": str(into)})
    else:
        out().print(
            f"{into}: {file.version} (number {file.number}) for {file.model}, {len(file.content)} bytes, signed."
        )
    return Code.DONE


def _as_data(file: FirmwareFile) -> dict[str, Any]:
    said = asdict(file)
    del said["content"], said["signature"]
    return said | {"digest": file.digest.hex(), "size_bytes": len(file.content)}


def _public(path: Path) -> bytes:
    try:
        key = load_pem_public_key(path.read_bytes())
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if isinstance(key, Ed25519PublicKey):
        return key.public_bytes_raw()
    what = f"{path} is no public key of Ed25519 in PEM."
    raise ConsoleError(Told("key", what, "The signature was not checked.", "Ask the maker for it."), Code.USAGE)


def _tell(rows: list[tuple[str, str]]) -> None:
    table = Table.grid(padding=(0, 2))
    for name, value in rows:
        table.add_row(Text(name, "bold"), value)
    say(out(), table)
