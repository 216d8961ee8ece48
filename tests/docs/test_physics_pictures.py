"""The pictures of docs/simulator.md show what the simulator does now, and are drawn the same again."""

import subprocess
import sys

import pytest
from physics_curves import MAKERS
from physics_pictures import PLACE, digest_in


@pytest.mark.parametrize("name", MAKERS)
def test_a_picture_shows_what_the_simulator_comes_to(name: str) -> None:
    svg = (PLACE / f"{name}.svg").read_text(encoding="utf-8")
    assert digest_in(svg) == MAKERS[name]().digest, "stale: run `python docs/physics_pictures.py`"


def test_no_picture_is_left_over() -> None:
    assert {path.stem for path in PLACE.glob("*.svg")} == {*MAKERS}


def test_the_points_lie_on_the_lines() -> None:
    """Each within 2 % of the panel's height of the line of its colour: a picture that shows otherwise is wrong."""
    for name in ("droop", "step-response", "heating"):
        for panel in MAKERS[name]().panels:
            height = max(y for line in panel.lines for _, y in line.pairs) - min(
                y for line in panel.lines for _, y in line.pairs
            )
            for line, points in zip(panel.lines, panel.points, strict=True):
                for x, y in points.pairs:
                    nearest = min(line.pairs, key=lambda pair, x=x: abs(pair[0] - x))  # type: ignore[misc]
                    assert abs(y - nearest[1]) < 0.02 * height, (name, line.label, x)


@pytest.mark.system
def test_a_picture_is_drawn_the_same_again() -> None:
    """Byte for byte, by a process of its own with the matplotlib that is pinned: it keeps its fonts open."""
    command = (
        "import sys; from physics_curves import MAKERS; from physics_pictures import draw; "
        "sys.stdout.buffer.write(draw(MAKERS['backlash']()))"
    )
    drawn = subprocess.run([sys.executable, "-c", command], cwd=PLACE.parent, capture_output=True, check=True)
    assert drawn.stdout == (PLACE / "backlash.svg").read_bytes()
