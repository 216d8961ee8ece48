"""The record as tables: the same rows as CSV and as Parquet, whole files or none, nothing a spreadsheet would run."""

import csv
import errno
import gc
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.recording import COLUMNS as RECORDED
from logger.bus.messages import MAX_PAYLOAD_BYTES
from logger.errors import ExportError
from logger.export.csv_files import CsvTable, quoted
from logger.export.files import whole_files
from logger.export.tables import COLUMNS, Row, TableName, take_session
from logger.export.tabular import Form, export_tables
from logger.journal.entry import Entry
from tests.logger.test_records import journalled, treatment

FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1")
LEFT_OUT = {"lease", "tick", "refusal", "button_presses", "pedal_presses"}
"""Of a status: what serves the wire and the loop, not the treatment."""


@pytest.fixture
def entries() -> list[Entry]:
    found = journalled(treatment())
    newer = b'{"type":"hologram","version":9,"note":"kept, \\"as it came\\""}'
    return [*found, found[-1]._replace(sequence=99, type="hologram", version=9, body=newer)]


def exported(entries: Sequence[Entry], folder: Path, form: Form, *, force: bool = False) -> dict[TableName, int]:
    return export_tables([entries], [], folder, form, force=force)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, strict=True))


def test_every_entry_is_in_one_table_or_the_other(entries: list[Entry], tmp_path: Path) -> None:
    rows = exported(entries, tmp_path / "out", "csv")
    events, telemetry = read(tmp_path / "out" / "events.csv"), read(tmp_path / "out" / "telemetry.csv")
    assert rows == {"sessions": 1, "zones": 2, "telemetry": len(telemetry), "events": len(events)}
    assert {int(row["sequence"]) for row in [*events, *telemetry]} == {entry.sequence for entry in entries}
    assert len(telemetry) == 32
    bodies = {int(row["sequence"]): row["body"].encode() for row in events}
    assert all(bodies[entry.sequence] == entry.body for entry in entries if entry.sequence in bodies)
    (newer,) = (row for row in events if row["read"] == "false")
    assert (newer["type"], newer["version"]) == ("hologram", "9")


def test_what_a_zone_got_and_when_a_status_was(entries: list[Entry], tmp_path: Path) -> None:
    exported(entries, tmp_path / "out", "csv")
    cheek, forehead = read(tmp_path / "out" / "zones.csv")
    assert (cheek["zone"], cheek["patient"], cheek["strokes"], cheek["punctures"]) == ("cheek", "p-7f3a", "100", "1200")
    assert (cheek["depth_measured_p50_um"], cheek["depth_measured_p95_um"]) == ("490", "580")
    assert forehead["rate_measured_mean_mhz"] == ""  # not measured, and not 0 either
    telemetry = read(tmp_path / "out" / "telemetry.csv")
    assert [row["zone"] for row in telemetry] == ["cheek"] * 22 + ["forehead"] * 10
    assert telemetry[1]["at_utc"] == "1970-01-01T00:00:00.050000Z"
    (session,) = read(tmp_path / "out" / "sessions.csv")
    assert (session["outcome"], session["overrides"], session["unread_entries"]) == ("stopped", "1", "1")


def micros(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def test_parquet_has_the_same_rows_and_types(entries: list[Entry], tmp_path: Path) -> None:
    assert exported(entries, tmp_path / "p", "parquet") == exported(entries, tmp_path / "c", "csv")
    given: dict[TableName, list[Row]] = {table: [] for table in COLUMNS}
    take_session(entries, lambda table, row: given[table].append(row))
    for table, columns in COLUMNS.items():
        path = str(tmp_path / "p" / f"{table}.parquet")
        times = [column.name for column in columns if column.kind == "time"]
        plain = f"REPLACE ({', '.join(f'epoch_us({name}) AS {name}' for name in times)})" if times else ""
        with duckdb.connect(":memory:") as connection:
            described = connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [path]).fetchall()
            rows = connection.execute(f"SELECT * {plain} FROM read_parquet(?)", [path]).fetchall()
        kinds = {"text": "VARCHAR", "integer": "BIGINT", "boolean": "BOOLEAN", "time": "TIMESTAMP WITH TIME ZONE"}
        assert [row[:2] for row in described] == [(column.name, kinds[column.kind]) for column in columns]
        assert rows == [
            tuple(micros(value) if isinstance(value, datetime) else value for value in row) for row in given[table]
        ]
    assert sorted(path.name for path in (tmp_path / "p").iterdir()) == sorted(f"{table}.parquet" for table in COLUMNS)


def test_the_longest_entry_that_the_bus_carries_fits_a_row(entries: list[Entry], tmp_path: Path) -> None:
    body = b'{"type":"hologram","version":9,"said":"' + b'\\"' * (MAX_PAYLOAD_BYTES // 2 - 100) + b'"}'
    exported([*entries, entries[-1]._replace(sequence=100, body=body)], tmp_path, "parquet")
    with duckdb.connect(":memory:") as connection:
        query = "SELECT body FROM read_parquet(?) WHERE sequence = 100"
        assert connection.execute(query, [str(tmp_path / "events.parquet")]).fetchall() == [(body.decode(),)]


def test_twice_is_the_same_bytes(entries: list[Entry], tmp_path: Path) -> None:
    for form in ("csv", "parquet"):
        exported(entries, tmp_path / f"{form}-1", form)
        exported(entries, tmp_path / f"{form}-2", form)
        for table in COLUMNS:
            first, second = (tmp_path / f"{form}-{n}" / f"{table}.{form}" for n in (1, 2))
            assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("text", FORMULAS)
def test_text_that_begins_as_a_formula_is_not_one(text: str) -> None:
    file = StringIO(newline="")
    CsvTable(file, "events").take(("room-1", -1, text, None, -2, "", 1, True, text, "00"))
    cells = list(csv.reader(StringIO(file.getvalue(), newline="")))[1]
    assert cells == ["room-1", "-1", f"'{text}", "", "-2", "", "1", "true", f"'{text}", "00"]


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back_as_it_was(text: str) -> None:
    """By a reader of RFC 4180 that is not ours."""
    line = f"1,{quoted(text)},2\r\n"
    assert list(csv.reader(StringIO(line, newline=""), strict=True)) == [["1", text, "2"]]


def test_the_units_are_in_the_names_and_no_column_of_a_status_is_forgotten() -> None:
    for table, columns in COLUMNS.items():
        names = [column.name for column in columns]
        assert len(set(names)) == len(names), table
        measured = [name for name in names if any(word in name for word in ("depth", "rate", "dwell", "treated"))]
        assert all(name.endswith(("_um", "_mhz", "_ms")) for name in measured)
    telemetry = {column.name for column in COLUMNS["telemetry"]}
    assert set(RECORDED) - telemetry == LEFT_OUT


def test_a_file_that_is_there_is_kept_unless_it_may_be_written_over(entries: list[Entry], tmp_path: Path) -> None:
    (tmp_path / "zones.csv").write_text("mine")
    with pytest.raises(ExportError, match=r"zones\.csv is there already.*--force"):
        exported(entries, tmp_path, "csv")
    assert [path.name for path in tmp_path.iterdir()] == ["zones.csv"]
    assert (tmp_path / "zones.csv").read_text() == "mine"
    exported(entries, tmp_path, "csv", force=True)
    assert len(read(tmp_path / "zones.csv")) == 2
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in tmp_path.iterdir())


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_what_breaks_off_leaves_nothing(form: Form, entries: list[Entry], tmp_path: Path) -> None:
    def torn() -> Iterator[Entry]:
        yield from entries[:6]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_tables([torn()], [], tmp_path / "new", form, force=False)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing_and_says_so(tmp_path: Path) -> None:
    def fill(parts: dict[Path, Path]) -> None:
        parts[tmp_path / "a.csv"].write_text("half")
        with Path("/dev/full").open("w") as full:
            full.write("x")

    (tmp_path / "a.csv").write_text("before")
    with (
        pytest.raises(ExportError, match="no space left on device"),
        whole_files([tmp_path / "a.csv"], force=True) as parts,
    ):
        fill(parts)
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
    assert (tmp_path / "a.csv").read_text() == "before"


def test_a_folder_nobody_can_make(entries: list[Entry], tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=os.strerror(errno.ENOENT).lower()):
        exported(entries, tmp_path / "no" / "such", "csv")


def test_without_duckdb_it_says_what_to_install(tmp_path: Path) -> None:
    """In a process where duckdb cannot be imported, as where the extra is not installed."""
    program = (
        "import sys; sys.modules['duckdb'] = None\n"
        "from pathlib import Path\n"
        "from logger.export.tabular import export_tables\n"
        f"export_tables([], [], Path({str(tmp_path / 'out')!r}), 'parquet', force=False)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert 'pip install "needlework[analytics]"' in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_year_needs_the_memory_of_a_day(entries: list[Entry], tmp_path: Path) -> None:
    """Peak of what Python holds; duckdb has a limit of its own. Garbage is collected before each session, so that what
    is held is what is counted."""

    def peak(count: int, folder: Path) -> int:
        sessions = (entries for _ in range(count) if gc.collect() >= 0)
        tracemalloc.start()
        export_tables(sessions, [], folder, "csv", force=False)
        held = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return held

    gc.freeze()  # what the suite itself holds need not be looked through
    try:
        few = peak(10, tmp_path / "few")
        assert peak(100, tmp_path / "many") < few * 1.5  # ten times the record
    finally:
        gc.unfreeze()
