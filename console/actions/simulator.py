"""`needlework simulator …`: what is asked of a pen's control socket, and how the answers look."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from console.exits import Code
from console.screen import out, print_json, say
from console.trouble import ConsoleError, Told
from controller.service.firmware_file import sign_firmware
from simulators.control_client import ControlClient
from simulators.controlled import kind_as_data
from simulators.errors import ControlRefused, NoControl
from simulators.faults.catalogue import CATALOGUE, fault_named
from simulators.faults.kinds import LAYERS, FaultKind
from simulators.maker import maker_key, simulated_image

Data = dict[str, Any]


@contextmanager
def _control(path: Path) -> Iterator[ControlClient]:
    """A client of the control socket; what it refuses becomes sentences and an exit code."""
    try:
        with ControlClient(path) as client:
            yield client
    except NoControl as error:
        what, _, do = str(error).partition(". ")
        raise ConsoleError(Told("no_control", f"{what}.", "", do), Code.NO_STATION) from error
    except ControlRefused as error:
        what, _, do = str(error).partition(". ")
        raise ConsoleError(Told(error.because, what if what.endswith(".") else f"{what}.", "", do)) from error


def faults(control: Path | None, layer: str | None, *, as_json: bool) -> int:
    """The catalogue, and what a pen has of it."""
    if layer is not None and layer not in LAYERS:
        near = get_close_matches(layer, LAYERS, n=1) or LAYERS
        raise ConsoleError(
            Told("layer", f"There is no layer {layer!r}.", "", f"Nearest: {', '.join(near)}."), Code.USAGE
        )
    listed: Data = {"faults": [kind_as_data(kind) for kind in CATALOGUE.values()], "active": []}
    if control is not None:
        with _control(control) as client:
            listed = client.ask("faults")
    rows = [row for row in listed["faults"] if layer in {None, row["layer"]}]
    if as_json:
        print_json({"faults": rows, "active": listed["active"]})
        return Code.DONE
    active = {one["fault"] for one in listed["active"]}
    console = out()
    if not console.is_terminal:
        for row in rows:
            mark = "active" if row["name"] in active else row.get("missing", "") and f"needs {row['missing']}"
            told = (row["name"], row["layer"], row["hazard"], row["does"], _parameters(row), mark)
            console.print("  ".join(one for one in told if one), soft_wrap=True)
        return Code.DONE
    table = Table(box=None, pad_edge=False, show_edge=False)
    for heading in ("fault", "layer", "hazard", "what it does", "what the product should do"):
        table.add_column(heading, header_style="bold", overflow="fold")
    for row in rows:
        style = "bold red" if row["name"] in active else "dim" if row.get("missing") else ""
        table.add_row(row["name"], row["layer"], row["hazard"], f"{row['does']} {_parameters(row)}", row["product"],
                      style=style)  # fmt: skip
    console.print(table)
    return Code.DONE


def _parameters(row: Data) -> str:
    return " ".join(f"{one['name']}={one['default']}" for one in row["parameters"])


def _valued(kind: FaultKind, texts: list[str]) -> Data:
    """NAME=VALUE as parameters of a fault. Raises ConsoleError, BadParameter."""
    given: Data = {}
    words = {parameter.name for parameter in kind.parameters if parameter.words}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ConsoleError(
                Told("parameter", f"{text!r} is no parameter.", "", "Write NAME=VALUE, such as delay_ms=80."),
                Code.USAGE,
            )
        if name in given:
            what = f"{name} is given twice, and which is meant is not known."
            raise ConsoleError(Told("parameter", what, "Nothing was injected.", "Give it once."), Code.USAGE)
        try:
            given[name] = value if name in words else int(value)
        except ValueError:
            given[name] = value
    return kind.checked(given)


def inject(control: Path, fault: str, parameters: list[str], for_ms: int, *, as_json: bool) -> int:
    """Breaks something."""
    given = _valued(fault_named(fault), parameters)
    with _control(control) as client:
        injected = client.ask("inject", fault=fault, parameters=given, for_ms=for_ms)["injected"]
    if as_json:
        print_json(injected)
    else:
        told = " ".join([injected["fault"], *(f"{name}={value}" for name, value in injected["parameters"].items())])
        out().print(f"Injected {told}{f' for {for_ms} ms' if for_ms else ''}.", soft_wrap=True)
    return Code.DONE


def clear(control: Path, fault: str | None, *, as_json: bool) -> int:
    """Mends what was broken."""
    with _control(control) as client:
        cleared = client.ask("clear", **({} if fault is None else {"fault": fault}))["cleared"]
    if as_json:
        print_json({"cleared": cleared})
    else:
        out().print(f"Cleared {', '.join(cleared)}." if cleared else "Nothing was broken.")
    return Code.DONE


def truth(control: Path, *, as_json: bool) -> int:
    """What is really so."""
    with _control(control) as client:
        _show(client.ask("truth")["truth"], as_json=as_json)
    return Code.DONE


def wait(control: Path, conditions: list[str], within_ms: int, *, as_json: bool) -> int:
    """Waits for what is really so."""
    with _control(control) as client:
        came = client.ask("wait", **{"for": conditions, "within_ms": within_ms})
    if as_json:
        print_json(came)
    else:
        out().print(f"After {came['waited_ms']} ms: {' and '.join(conditions)}.")
    return Code.DONE


def hand(control: Path, action: str, fields: Mapping[str, str | int | None], *, as_json: bool) -> int:
    """A hand does something; ``fields`` that are None are left out."""
    given = {name: value for name, value in fields.items() if value is not None}
    with _control(control) as client:
        _show(client.ask("hand", action=action, **given)["truth"], as_json=as_json)
    return Code.DONE


def image(told: tuple[str, str, int], into: Path, *, hangs: bool, as_json: bool) -> int:
    """Makes a file of firmware for simulated pens. Raises DataError, OSError."""
    if into.exists():
        raise FileExistsError(17, "exists", str(into))
    model, version, number = told
    content = simulated_image(version, starts=not hangs)
    into.write_bytes(sign_firmware(model, version, number, content, maker_key()).as_bytes())
    if as_json:
        print_json({"file": str(into), "model": model, "version": version, "number": number})
    else:
        out().print(f"{into}: {version} (number {number}) for simulated {model}, {len(content)} bytes.")
    return Code.DONE


def _show(found: Data, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    table = Table.grid(padding=(0, 2))
    for name, value in found.items():
        table.add_row(Text(name, "bold"), _shown(value))
    say(out(), table)


def _shown(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.3f}".rstrip("0").rstrip(".")
        case list():
            return ", ".join(map(str, value)) or "none"
    return str(value)
