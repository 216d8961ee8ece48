"""The numbers worked out in docs/calibration.md are those the code comes to."""

import re
from pathlib import Path

import pytest

from controller.calibration.depth_budget import key_lines
from controller.calibration.scatter import Mean, Scatter
from controller.calibration.uncertainty import budget
from tests.controller.calibration.bench import ROOM, depth

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "calibration.md").read_text(encoding="utf-8")
WORKED = PAGE.partition("<!-- worked budget -->")[2].partition("<!-- end of worked budget -->")[0]


def test_the_worked_budget() -> None:
    assert ROOM.temperature_dc == 230, "as the page says"
    key = (5, "down")
    found = Scatter({key: Mean(key, 0.0, 3, 3**-0.5, 0.0, 0.0)}, 6.0, 23, None, 0.0, 0.0)
    whole = budget("worked", "um", key_lines(2000.0, 3**-0.5, found, depth()), 50)  # type: ignore[arg-type]
    shown = re.findall(r"^\| ([^|*]+) \| ([AB]) \| (\w+) \| [^|]+ \| [^|]+ \| ([0-9.]+) \|$", WORKED, re.MULTILINE)
    assert shown == [
        (line.source, line.kind, line.distribution, f"{line.standard_milli / 1000:.3f}") for line in whole.lines
    ]
    assert whole.standard_milli / 1000 == pytest.approx(8.235, abs=0.001)
    assert f"= {whole.degrees}." in PAGE
    assert f"reported as {whole.expanded} µm" in PAGE
    assert f"U = 2 × 8.235 = {whole.expanded_milli / 1000:.1f} µm" in PAGE


def test_the_scripts_on_the_page_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert script is not None
    lines = ["set_mm,direction,repeat,shown_mm,reference_mm,time_s"]
    number = 0
    for repeat in range(3):
        points = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
        for direction, walk in (("up", points), ("down", points[::-1])):
            for point in walk:
                lines.append(f"{point},{direction},{repeat + 1},{point},{point + 0.04:.3f},{number * 20}")
                number += 1
    (tmp_path / "series.csv").write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    exec(compile(script[1], "docs/calibration.md", "exec"), {})
    assert capsys.readouterr().out == "passed 40 17\n"
