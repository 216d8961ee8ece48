"""Names typed wherever somebody can type are nowhere but where they belong: not on the bus, in the record, in a log, in
anything that is exported. On the real product: station, recorder, pen and broker are processes, and log everything."""

import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path

import pytest
from typer.main import get_command

from console.cli import app
from tests.privacy.planted import (
    BORN,
    MARK,
    Site,
    a_day,
    answered,
    arguments,
    files_of,
    holds,
    leaving,
    planted_site,
    readable,
)

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]  # ten processes, one after the other


async def taken_away(site: Site, pseudonym: str) -> dict[str, bytes]:
    """What every command that makes something to be taken away made."""
    made: dict[str, bytes] = {}
    for command in leaving(get_command(app)):  # type: ignore[arg-type]
        name = "-".join(command)
        into = site.folder / "away" / name
        into.parent.mkdir(exist_ok=True)
        said = await site.call(*arguments(command, into, pseudonym))
        made[f"{name} on the screen"] = said.encode()
        for path in [into, *into.rglob("*")] if into.exists() else []:
            if path.is_file():
                made[f"{name}: {path.name}"] = readable(path.read_bytes())
                if zipfile.is_zipfile(path):
                    with zipfile.ZipFile(path) as archive:
                        made |= {f"{name}: {one}": archive.read(one) for one in archive.namelist()}
    return made


async def test_a_name_is_nowhere_but_where_it_belongs(short_dir: Path) -> None:
    async with planted_site(short_dir) as site:
        pseudonym = await a_day(site)
        for name in ("history.sqlite", "amendments.sqlite"):
            assert holds((site.state / name).read_bytes()), "what was typed is kept where it belongs"
        found = (await site.call("patients", "find", MARK, "--as", "demo-physician")).encode()
        assert any(word.startswith(MARK) for word in holds(found))
        assert BORN.isoformat() in holds(found), "a birth date is found where it is"
        assert answered((site.state / "history.sqlite").read_bytes())
        away = await taken_away(site, pseudonym)
        service = away["export-service: export-service"]
        erase = ("patients", "erase", pseudonym, "--as", "demo-physician", "--confirm", pseudonym)
        await site.call(*erase, code=1)  # what was treated today is kept
        with closing(sqlite3.connect(site.state / "history.sqlite")) as history, history:
            history.execute("UPDATE visits SET on_day = '2010-01-01'")
        await site.call(*erase, code=1)  # the record knows better
        (site.logs / "years-went-by").touch()
        await site.call(*erase)
        assert (await site.call("patients", "find", MARK, "--as", "demo-physician", code=1)).strip() == "Nobody."
    files = dict(files_of(site))
    bus = [payload for _topic, payload in site.bus]
    assert any(b"session_opened" in payload for payload in bus), "the listener heard the record"
    assert any(b"patient_erased" in payload for payload in bus), "and of the erasure"
    assert any(b"session_closed" in content for name, content in files.items() if "store" in name)
    assert any(name.startswith("logs/debug") and content for name, content in files.items()), "everything logged"
    assert {what: holds(content) for what, content in files.items() if holds(content)} == {}
    assert [(topic, holds(payload)) for topic, payload in site.bus if holds(topic.encode() + payload)] == []
    assert {what: holds(content) for what, content in away.items() if holds(content)} == {}
    assert {what: answered(content) for what, content in (files | away).items() if answered(content)} == {}
    assert [(topic, answered(payload)) for topic, payload in site.bus if answered(payload)] == []
    for kind in ("csv", "fhir", "parquet", "report-session", "report-course"):
        assert any(b"cheek" in content.lower() for what, content in away.items() if kind in what), kind
    for told in (pseudonym, "demo-", "isotretinoin", "T0"):
        assert told.encode() not in service
    assert b"treated_ms" in service
    verified = await site.call("verify")
    assert "intact" in verified
    for name in ("history.sqlite", "amendments.sqlite"):
        private = (site.state / name).read_bytes()
        assert holds(private) == []
        assert pseudonym.encode() not in private


def test_a_birth_date_is_recognised_however_it_is_written() -> None:
    for spelling in (
        "1947-11-23", "19471123", "1947/11/23", "23.11.1947", "23/11/1947", "11/23/1947", "23.11.47", "23 Nov 1947",
        "23. November 1947", "November 23, 1947", "datetime.date(1947, 11, 23)", "711088", "-697680000",
    ):  # fmt: skip
        assert holds(f'{{"told":"born {spelling}"}}'.encode()), spelling
        assert holds(f"born {spelling}.".encode("utf-16-le")), spelling
    for other in ("1947-11-24", "11947-11-23", "a19471123b", "2026-11-23"):
        assert holds(other.encode()) == [], other
