"""`needlework doctor --soak`: the histograms, and pens that cannot be listened to."""

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from console.cli import app
from console.render.line import BAR_COLUMNS, soak_view
from firmware_bridge.line_quality import GAP_EDGES_MS
from station.monitoring.soak import Soak

HEARD = Soak(
    url="serial:///dev/ttyACM0", pen="NW-2/0007", wanted_s=60, seconds=60, dead_man_ms=300, status_period_ms=20,
    frames=4200, damaged=0, lost=0, asked=1200, unanswered=0, round_trips_ms=(0.4,) * 1000 + (2.5,) * 10 + (180.0,),
    gap_counts=(0, 0, 1500, 1400, *([0] * (len(GAP_EDGES_MS) - 4)), 1), longest_gap_ms=1200, clock_ppm=3.0,
    clock_doubt_ppm=20.0,
)  # fmt: skip


def drawn(soak: Soak) -> list[str]:
    console = Console(width=100, file=StringIO(), color_system=None, highlight=False)
    console.print(soak_view(soak))
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]  # it is the one given above


def test_each_class_between_the_first_and_the_last_has_its_bar() -> None:
    lines = drawn(HEARD)
    assert [line for line in lines if "to 0.5 ms" in line] == [f"   to 0.5 ms    1000 {'█' * BAR_COLUMNS}"]
    assert any(line.split() == ["to", "200", "ms", "1", "▏"] for line in lines), "what is there is at least a sliver"
    assert any(line.split() == ["to", "10", "ms", "0"] for line in lines), "a hole in between is shown"
    assert any(line.lstrip().startswith("over 1000 ms") for line in lines)
    assert "none" in " ".join(
        drawn(Soak(**{**{name: getattr(HEARD, name) for name in HEARD.__slots__}, "round_trips_ms": ()}))
    )


@pytest.mark.parametrize("url", ["serial:///dev/no-such-port", "memory://nobody"])
def test_a_pen_that_is_not_there_is_a_finding(tmp_path: Path, url: str) -> None:
    words = ["doctor", "--pen", url, "--soak", "1", "--state", str(tmp_path), "--json"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 1
    (told,) = [one for one in json.loads(done.output) if one["check"] == "line"]
    assert (told["level"], "needlework pens" in told["remedy"]) == ("problem", True)


def test_a_soak_of_no_pen_is_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["doctor", "--soak", "1", "--state", str(tmp_path)])
    assert done.exit_code == 2
    assert "Name it: --pen URL." in " ".join(done.output.split())
