"""A site whose people type unmistakable names wherever they can, as real processes, and a way to find where one went.

Each place where something is typed gets a word of its own that begins with ``MARK``: a leak says where it began.
"""

import asyncio
import json
import logging
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date
from pathlib import Path

import duckdb
import httpx
import typer
from typer.main import get_command
from typer.testing import CliRunner

from console.cli import app
from controller.library import load_library
from logger.bus.mqtt import BrokerUrl, connect
from station.api.client import StationClient
from station.api.models import AmendRecord, SeatGranted
from station.settings import StationSettings
from tests.console.houses import ENVIRONMENT, NEEDLEWORK

MARK = "quastenfloss"
SITE, STATION, OPERATOR = "clinic", "room-1", "demo-master-aesthetician"
BORN = date(1947, 11, 23)
BIRTH_DATE = re.compile(
    r"(?<![0-9a-f])(?:1947[-/. ]?11[-/. ]?23|23[-/. ]?11[-/. ]?(?:19)?47|11[-/. ]?23[-/. ]?(?:19)?47|1947, 11, 23"
    rf"|{BORN.toordinal()}|{(BORN - date(1970, 1, 1)).days * 86400}"
    r"|23\.? ?(?:Nov|November),? 1947|(?:Nov|November) 23,? 1947)(?![0-9a-f])",
    re.IGNORECASE,
)
"""The patient's birth date in every spelling: years, days and months in any order, as a number, in words."""
PRIVATE = ("history.sqlite", "accounts.sqlite", "keymap.sqlite", "amendments.sqlite")
"""What stays at the site and may hold names; the key map is searched all the same: it is encrypted."""

BROKER = """
import asyncio, sys
from logger.brokers.embedded import Account, embedded_broker
from logger.bus.topics import TOPIC_TABLE, Topics, filter_of
topics = {Topics("clinic", "room-1").topic(row.leaf) for row in TOPIC_TABLE}
reads = topics | {"#"} | {filter_of("clinic", row.leaf) for row in TOPIC_TABLE}
async def main():
    async with embedded_broker({"all": Account("for-this-test", frozenset(topics), frozenset(reads))}) as broker:
        print(broker.port, flush=True)
        await asyncio.to_thread(sys.stdin.read)
asyncio.run(main())
"""
"""The embedded broker in a process of its own, with one account that may listen to everything."""

LOUD = """
import logging, os, pathlib
where = pathlib.Path(os.environ["PLANTED_LOGS"]) / f"debug-{os.getpid()}.log"
logging.basicConfig(level=logging.DEBUG, filename=where)

import datetime
from station.site import last_visits
def in_record(*asked, real=last_visits.in_record):
    years_went_by = where.with_name("years-went-by").exists()
    return datetime.date(2010, 1, 1) if years_went_by else real(*asked)
last_visits.in_record = in_record
"""
"""Python runs this at the start of every process of the test: whatever logs, logs everything. A record that was made
just now is as old as somebody's has to be who is erased, once there is a file that says so."""


def mark(place: str) -> str:
    """The word typed at a place."""
    return f"{MARK}-{place}"


class Site:
    """Station, recorder, simulated pen and broker, and what went over the bus."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.logs = folder / "logs"
        self.logs.mkdir()
        (folder / "sitecustomize.py").write_text(LOUD, encoding="utf-8")
        self.environment = ENVIRONMENT | {
            "PYTHONPATH": str(folder),
            "PLANTED_LOGS": str(self.logs),
            "NEEDLEWORK_SITE": SITE,
            "NEEDLEWORK_STATION": STATION,
            "NEEDLEWORK_STATE_DIR": str(self.state),
        }
        self.bus: list[tuple[str, bytes]] = []
        self.said: list[str] = []

    @property
    def settings(self) -> StationSettings:
        """Where the station is found."""
        return StationSettings(site=SITE, station=STATION, state_dir=self.state)

    async def call(self, *words: str, code: int | None = 0) -> str:
        """A command, in a thread of this process; what it printed. ``code`` None is any but a crash."""
        done = await asyncio.to_thread(CliRunner(env=self.environment).invoke, app, list(words))
        assert done.exception is None or isinstance(done.exception, SystemExit), (words, done.output)
        assert code is None or done.exit_code == code, (words, done.exit_code, done.output)
        return done.output

    async def treat(self, *words: str, lines: str = "", code: int | None = 0) -> None:
        """`needlework treat`, a process of its own with lines typed into it."""
        process = await asyncio.create_subprocess_exec(
            NEEDLEWORK, "treat", "--operator", OPERATOR, *words, env=self.environment, cwd=self.folder,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        said = b"".join(await process.communicate(lines.encode()))
        assert b"Traceback" not in said, said.decode()
        assert code is None or process.returncode == code, (words, process.returncode, said.decode())


@asynccontextmanager
async def planted_site(folder: Path) -> AsyncIterator[Site]:
    """A site that runs, with somebody who listens to everything on its bus."""
    site = Site(folder)
    loud = logging.FileHandler(site.logs / "debug-commands.log")
    root, level = logging.getLogger(), logging.getLogger().level
    secret = folder / "broker-password"
    secret.write_text("for-this-test", encoding="utf-8")
    secret.chmod(0o600)
    async with AsyncExitStack() as undo:
        undo.callback(loud.close)
        undo.callback(root.removeHandler, loud)
        undo.callback(root.setLevel, level)
        root.addHandler(loud)
        root.setLevel(logging.DEBUG)
        broker = await asyncio.create_subprocess_exec(
            sys.executable, "-c", BROKER, env=site.environment,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        undo.push_async_callback(_ended, broker)
        assert broker.stdout is not None
        url = BrokerUrl("127.0.0.1", int(await broker.stdout.readline()), "all", "for-this-test")
        bus = await undo.enter_async_context(connect(url, client_id="listener", deadline_s=5, keepalive_s=10))
        await bus.subscribe("#", qos=0)
        listening = asyncio.create_task(_listen(site, bus.messages()), name="listener")
        undo.push_async_callback(asyncio.wait, {listening})
        undo.callback(listening.cancel)
        site.environment |= {
            "NEEDLEWORK_BROKER": f"mqtt://all@127.0.0.1:{url.port}",
            "NEEDLEWORK_BROKER_PASSWORD_FILE": str(secret),
        }
        output = undo.enter_context((folder / "run.log").open("wb"))
        station = await asyncio.create_subprocess_exec(
            NEEDLEWORK, "run", "--stop-port", "0", "--json",
            env=site.environment, stdout=asyncio.subprocess.PIPE, stderr=output,
        )  # fmt: skip
        undo.push_async_callback(_ended, station)
        assert station.stdout is not None
        ready = await station.stdout.readline()
        assert b"ready" in ready, (folder / "run.log").read_text(encoding="utf-8")
        yield site


async def _ended(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    await process.communicate()


async def _listen(site: Site, messages: AsyncIterator[object]) -> None:
    async for message in messages:
        site.bus.append((str(getattr(message, "topic", "")), bytes(getattr(message, "payload", b""))))


# What is typed --------------------------------------------------------------------------------------------------------


async def a_day(site: Site) -> str:
    """Everything that can be typed is typed; the pseudonym of the patient who was treated."""
    pseudonym = (
        await site.call(
            "patients", "add", "--as", OPERATOR, "--name", mark("patient"), "--born", BORN.isoformat(), "--contact",
            mark("contact"), "--chart", mark("chart"), "--photo", mark("photo"),
        )
    ).strip()  # fmt: skip
    await site.call("patients", "rename", pseudonym, "--as", OPERATOR, "--contact", mark("contact-again"))
    library = load_library()
    soft = next(name for name, asked in library.questions.items() if asked.severity == "soft")
    answers = site.folder / "answers.json"
    answers.write_text(
        json.dumps({"answers": dict.fromkeys(library.questions, "no") | {soft: "yes"},
                    "accepted": {soft: next(iter(library.override_reasons))}})
    )  # fmt: skip
    treat = ["--protocol", "facial-rejuvenation", "--skin", "thin", "--zone", "cheek",
             "--answers", str(answers), "--consent", mark("consent"),
             *(word for item in library.checklist for word in ("--confirmed", item))]  # fmt: skip
    await site.treat(*treat, "--find", mark("nobody"), code=1)
    await site.treat(*treat, "--patient", mark("name-with-1"), code=1)
    lines = ["arm", "depth 0.5", "rate 100", "start", "wait 1.2", "pause", f"zone {mark('typed')}"]
    await site.treat(*treat, "--find", mark("patient"), lines="\n".join(lines), code=1)
    await site.treat(lines=f"depth 0.6 {mark('typed-reason')}", code=1)
    await site.treat(lines=f"{mark('typed-line')} 3", code=None)
    await bodies(site, pseudonym)
    await site.treat(lines="close\n", code=None)
    async with StationClient.of(site.settings) as station, station.signed_in(OPERATOR, "") as person:
        session = (await station.patient(pseudonym)).visits[-1].session
        asked = AmendRecord(aspect="reaction", reason="left_out", text=mark("amendment"))
        await person.amend(session, asked)
    for words in (
        ("account", "disable", mark("account"), "--as", mark("manager")),
        ("approve", "--as", "demo-physician", "--patient", pseudonym, "--zone", mark("zone"), "--max", "1", "--until",
         "2099-01-01", "--protocol", mark("protocol")),
        ("sessions", "sign", "--as", mark("meaning"), "--by", mark("signer")), ("stop", mark("pen")),
        ("sessions", "sign", "--as", "performed", "--by", OPERATOR),
    ):  # fmt: skip
        await site.call(*words, code=None)
    return pseudonym


async def bodies(site: Site, pseudonym: str) -> None:
    """Calls of the API that no client of ours would make, with a name in every field, and in none that there is."""
    word = mark("body")
    async with StationClient.of(site.settings) as station:
        granted = await station._call(SeatGranted, "POST", "/v1/seats", body={"pen": "pen", "operator": OPERATOR})
        headers = {"Needlework-Seat": granted.token}
        whole = {"patient": pseudonym, "operator": OPERATOR, "protocol": "facial-rejuvenation", "skin": "thin",
                 "zone": "cheek", "consent": word}  # fmt: skip
        steering = ("prepare", "confirm", "attest", "cartridge", "examine", "depth", "rate", "zone", "acknowledge",
                    "audio-pause", "clear-fault", "close")  # fmt: skip
        wrong: list[object] = [
            {word: word}, [word], word, {"reason": word, "outcome": word}, {"zone": word}, {"alarm": word},
            {"depth_mm": word}, {"depth_mm": "0.5", "override": word}, {"rate_hz": word}, {"code": word},
            {"items": [word]}, *({**whole, name: word} for name in whole), {**whole, "patient": f"{word}-1"},
            *({**whole, name: word} for name in ("interval_reason", "resumes", "cartridge", "cartridge_code")),
            *({**whole, name: {word: True}} for name in ("checklist", "answers")), {**whole, "accepted": {word: word}},
        ]  # fmt: skip
        calls = [(f"/v1/pens/pen/{name}", body) for name in steering for body in wrong]
        calls += [
            (path, body)
            for path in ("/v1/seats", "/v1/sign-in", "/v1/accounts", "/v1/approvals", "/v1/patients",
                         "/v1/patients/find", f"/v1/patients/{pseudonym}/person", f"/v1/patients/{pseudonym}/erase",
                         f"/v1/sessions/{word}/sign", f"/v1/{word}", f"/v1/pens/{word}/start")
            for body in ({word: word}, {"operator": word}, {"account": word, "password": word}, word)
        ]  # fmt: skip
        http: httpx.AsyncClient = station._http
        for path, body in calls:
            await http.post(path, content=json.dumps(body).encode(), headers=headers)
        for content in (b"{" + word.encode(), b"\xff" + word.encode(), word.encode() * 8000):
            for path in ("/v1/pens/pen/prepare", "/v1/sign-in", "/v1/patients"):
                await http.post(path, content=content, headers=headers | {"X-Name": word})
        await http.request("DELETE", "/v1/seats", headers=headers)


# Where it may not be --------------------------------------------------------------------------------------------------


def leaving(command: typer.core.TyperGroup) -> Iterator[tuple[str, ...]]:
    """The commands that make something to be taken away: all of `export` and `report`, and what tells of sessions."""
    for name, found in sorted(command.commands.items()):
        if name in ("export", "report") and isinstance(found, typer.core.TyperGroup):
            yield from ((name, leaf) for leaf in sorted(found.commands))
        elif name in ("lookback", "verify", "sbom", "support"):
            yield (name,)
    yield from (("sessions", "list"), ("sessions", "show"))


NEEDS = {"session": "last", "patient": "", "lot": "L2407A"}
"""What stands for an argument that a command cannot do without; ``patient`` is the pseudonym."""


def arguments(command: tuple[str, ...], into: Path, pseudonym: str) -> list[str]:
    """How a command is called so that it writes what it has to a place that can be searched."""
    found = get_command(app)
    for word in command:
        found = found.commands[word]  # type: ignore[attr-defined]
    words: list[str] = []
    for parameter in found.params:
        option = max((name for name in parameter.opts if name.startswith("-")), key=len, default="")
        if parameter.name in ("output", "into", "out", "folder"):
            words += [option, str(into)]
        elif option == "--json" and parameter.name == "as_json":
            words.append(option)
        elif parameter.name == "lot" and option:
            words += [option, NEEDS["lot"]]
        elif parameter.required:
            known = {**NEEDS, "patient": pseudonym}
            assert parameter.name in known, f"say in NEEDS what `{' '.join(command)}` is tried with: {parameter.name}"
            words += [*([option] if option else []), known[parameter.name]]
    return [*command, *words]


def readable(content: bytes) -> bytes:
    """What a person gets to see of a file that a plain search does not see into."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        if content.startswith(b"%PDF"):
            return subprocess.run(["pdftotext", file.name, "-"], capture_output=True, check=True).stdout
        if content.startswith(b"PAR1"):
            with duckdb.connect() as reader:
                return repr(reader.execute("SELECT * FROM read_parquet(?)", [file.name]).fetchall()).encode()
    return content


def holds(content: bytes) -> list[str]:
    """The planted words in something, and the birth date, however they are written."""
    text = content.decode("utf-8", errors="ignore") + content.decode("utf-16-le", errors="ignore")
    return sorted(set(re.findall(rf"{MARK}[\w-]*", text, re.IGNORECASE)) | set(BIRTH_DATE.findall(text)))


def answered(content: bytes) -> list[str]:
    """The questions about somebody's health that something names, by id."""
    text = content.decode("utf-8", errors="ignore") + content.decode("utf-16-le", errors="ignore")
    return sorted(name for name in load_library().questions if re.search(rf"\b{name}\b", text))


def files_of(site: Site) -> Iterator[tuple[str, bytes]]:
    """Every file that may leave the site, or that somebody who looks after the machine may see."""
    for path in sorted(site.folder.rglob("*")):
        if not path.is_file() or path.name in ("answers.json", "sitecustomize.py") or path.suffix == ".pyc":
            continue
        if path.name.startswith(PRIVATE) and not path.name.startswith("keymap"):
            continue
        yield os.fspath(path.relative_to(site.folder)), path.read_bytes()
