"""`needlework pen health` and `needlework pens health` on a record of made-up lives."""

import asyncio
import json
import signal
import xml.etree.ElementTree as ET
from contextlib import closing
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from console.actions.health import Record, pass_over
from console.cli import app
from console.render.dot_plot import DotPlot
from console.render.health import LEVELS, pen_health_view, pens_health_view
from controller.calibration.policy import load_policy
from controller.health.policy import load_health_policy
from controller.profiles import load_profiles
from logger.journal.reader import JournalReader
from logger.store.store import StationSpan, Store
from station.monitoring.pen_health import health_of_pens
from station.settings import StationSettings
from tests.console.houses import ENVIRONMENT, NEEDLEWORK
from tests.pen_lives import connected, journal_of, life


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state directory of a station that knew three pens: a worn one, a good one, a new one."""
    folder = tmp_path_factory.mktemp("lives")
    now = datetime.now(UTC)
    worn = life("NW-2", "0011", until=now, months=16, capacity_a_year=230, drift_um_a_year=190, damaged=900)
    good = life("NW-2", "0015", until=now, months=14, seed=3, drift_um_a_year=3, capacity_a_year=40)
    new = life("NW-1", "0021", until=now, months=1, seed=4, certificates=False)
    told = [one for one in (*worn, *good, *new) if one[0] <= now]
    journal_of(StationSettings(state_dir=folder).journal_path, told)
    return folder


def said(*words: str, state: Path, code: int) -> str:
    done = CliRunner(env={"COLUMNS": "150"}).invoke(app, [*words, "--state", str(state)])
    assert done.exit_code == code, done.output
    return done.output


def test_all_pens_are_on_one_page_what_needs_somebody_first_and_why(state: Path) -> None:
    page = said("pens", "health", state=state, code=1)
    assert page.index("NW-2/0011") < page.index("NW-2/0015")
    assert "■ 1 needs attention" in page
    assert "battery capacity" in page
    assert "Order a battery" in page
    data = json.loads(said("pens", "health", "--json", state=state, code=1))
    assert data[0]["pen"] == "NW-2/0011"
    assert {one["level"] for one in data} <= set(LEVELS)


def test_a_pen_of_which_nothing_was_read_has_nothing_foreseen_and_nothing_ruled_out(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    journal_of(StationSettings(state_dir=tmp_path).journal_path, [(now, connected("NW-1", "0031"), None)])
    page = said("pens", "health", state=tmp_path, code=0)
    assert "not enough known" in page
    assert "none foreseen" not in page


def test_one_pen_is_told_by_its_serial_number_with_plots(state: Path) -> None:
    page = said("pen", "health", "0011", state=state, code=1)
    for words in (
        "NW-2/0011",
        "counted by the pen",
        " UTC: ",
        "minutes of treating left",
        "battery capacity",
        "today",
        "╌",
    ):
        assert words in page
    data = json.loads(said("pen", "health", "NW-2/0015", "--json", state=state, code=0))
    assert (data["serial"], data["level"], data["counted_by"]) == ("0015", "good", "pen")
    rows = {row["quantity"]: row for row in data["rows"]}
    assert rows["battery_capacity"]["forecast"]["state"] == "steady"
    assert rows["battery_capacity"]["forecast"]["confidence_percent"] == 90


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [("0012", 1, "no pen '0012'"), ("NW-2", 2, "any of 2 pens"), ("", 2, "No name could be any of 3 pens")],
)
def test_a_pen_that_is_not_one_is_refused_with_those_there_are(state: Path, name: str, code: int, words: str) -> None:
    done = CliRunner().invoke(app, ["pen", "health", *([name] if name else []), "--state", str(state)])
    assert done.exit_code == code
    assert words in " ".join(done.output.split())


@pytest.mark.parametrize(("suffix", "begins"), [(".svg", b"<svg"), (".png", b"\x89PNG"), (".pdf", b"%PDF")])
def test_it_is_drawn_into_a_file(state: Path, tmp_path: Path, suffix: str, begins: bytes) -> None:
    file = tmp_path / f"health{suffix}"
    said("pen", "health", "0011", "--plot", str(file), state=state, code=1)
    assert file.read_bytes().startswith(begins)
    assert "there already" in said("pen", "health", "0011", "--plot", str(file), state=state, code=1)
    if suffix == ".svg":
        drawn = ET.fromstring(file.read_text(encoding="utf-8"))
        words = " ".join(drawn.itertext())
        assert "Battery capacity" in words
        assert "today" in words
        for number in drawn.iter("{http://www.w3.org/2000/svg}circle"):
            assert 0 <= float(number.get("cx", "-1")) <= 1080


def test_a_kind_of_drawing_that_is_none_is_refused(state: Path, tmp_path: Path) -> None:
    told = said("pen", "health", "0011", "--plot", str(tmp_path / "health.gif"), state=state, code=2)
    assert ".svg, .png, .pdf" in told


def test_a_record_without_pens_and_no_record_say_so(tmp_path: Path) -> None:
    assert "no record" in said("pens", "health", state=tmp_path, code=1)
    journal_of(StationSettings(state_dir=tmp_path).journal_path, [])
    assert "no pen yet" in said("pens", "health", state=tmp_path, code=0)
    assert "no pen yet" in said("pen", "health", state=tmp_path, code=1)


@pytest.mark.parametrize("width", [80, 100, 124, 150, 200])
def test_no_line_is_wider_than_the_terminal_and_no_word_is_cut(state: Path, width: int) -> None:
    reader = JournalReader(StationSettings(state_dir=state).journal_path)
    now = datetime.now(UTC)
    pens = health_of_pens(
        reader.entries(), now=now, policy=load_health_policy(), profiles=load_profiles(), calibration=load_policy()
    )
    reader.close()
    views: list[Any] = [pens_health_view(pens, now, width, where="here")]
    views += [pen_health_view(pen, now, width, where="here") for pen in pens]
    for view in views:
        console = Console(width=width, file=StringIO(), force_terminal=True, color_system=None, highlight=False)
        console.print(view)
        lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
        assert max(len(line.rstrip()) for line in lines) <= width
        assert not [line for line in lines if "…" in line], "a terminal this wide shows all of it"


def test_a_plot_keeps_to_its_field_and_what_lies_outside_is_left_out() -> None:
    plot = DotPlot(20, 4, (0, 100), (0, 10))
    plot.line([(-50, -5), (150, 15)], "")
    plot.marks([(0, 10), (100, 0), (500, 5)], "")
    plot.level(5, "")
    plot.upright(50, "")
    rows = [plot.text(number).plain for number in range(4)]
    assert {len(row) for row in rows} == {20}
    assert (rows[0][0], rows[3][19]) == ("•", "•")
    assert "╌" in "".join(rows)


@pytest.mark.system
async def test_the_page_that_is_watched_comes_at_once_and_ends_in_good_order_when_it_is_asked_to(state: Path) -> None:
    words = ("pens", "health", "--watch", "--json", "--state", str(state))
    process = await asyncio.create_subprocess_exec(
        NEEDLEWORK, *words, env=ENVIRONMENT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(15):
        page = json.loads(await process.stdout.readline())
        process.send_signal(signal.SIGINT)
        _, trouble = await process.communicate()
    assert page[0]["pen"] == "NW-2/0011"
    assert (process.returncode, trouble) == (1, b""), "a pen needs attention"


def test_a_page_that_is_looked_at_again_reads_what_is_new_and_misses_nothing(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    told = [one for one in life("NW-2", "0007", until=now, months=2) if one[0] <= now]
    settings = StationSettings(state_dir=tmp_path)
    store = Store.open(settings.store_place)
    record = Record(settings, None, None)
    journal_of(settings.journal_path, told[: len(told) // 2])
    first = record.look()
    journal_of(settings.journal_path, told[len(told) // 2 :])
    reader = JournalReader(settings.journal_path)
    store.append(list(reader.entries()), seen_utc_us=0)
    reader.close()
    store.close()
    again, afresh = record.look()[0], Record(settings, None, None).look()[0]
    assert first[0].run_s < again.run_s == afresh.run_s
    read_again = {row.quantity: row.points for row in again.rows if row.quantity != "connections_lost"}
    assert read_again == {row.quantity: row.points for row in afresh.rows if row.quantity != "connections_lost"}


def test_what_the_store_has_is_not_read_again_from_the_journal_unless_they_differ(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    told = [one for one in life("NW-2", "0007", until=now, months=2) if one[0] <= now]
    settings = StationSettings(state_dir=tmp_path)
    journal_of(settings.journal_path, told)
    with closing(JournalReader(settings.journal_path)) as reader:
        entries = list(reader.entries())
        ends = {reader.station: StationSpan(reader.station, entries[-3].sequence, entries[-3].hash)}
        other = {reader.station: StationSpan(reader.station, entries[-3].sequence, bytes(32))}
        for stored, expected in ((ends, len(entries) - 2), (other, None), ({}, None)):
            read: dict[str, int] = {}
            pass_over(reader, stored, read)
            assert read.get(reader.station) == expected
        read = {reader.station: len(entries)}
        pass_over(reader, ends, read)
        assert read == {reader.station: len(entries)}, "what was read stays read"
