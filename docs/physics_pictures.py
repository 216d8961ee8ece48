"""Draws the pictures of ``docs/simulator.md`` anew: what the simulated parts do, on the lines of the closed form.

python docs/physics_pictures.py           draws docs/physics/*.svg
python docs/physics_pictures.py --check   draws nothing; names those whose points the simulator does not come to now

A picture carries the digest of its points, which are the same on every machine. Its bytes are for one matplotlib.
"""

import re
import sys
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physics_curves import MAKERS
from physics_series import Panel, Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PLACE = Path(__file__).parent / "physics"
COLOURS = ("#1b6ca8", "#c8553d", "#3a7d44", "#7b4b94", "#b8860b")
MARKS = "os^Dv"
INK, FAINT = "#222222", "#d8d8d8"
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "needlework",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "text.color": INK,
}


def draw(picture: Picture) -> bytes:
    """A picture as SVG."""
    import matplotlib as mpl  # noqa: PLC0415 - takes a second, which --check does without
    from matplotlib.figure import Figure  # noqa: PLC0415 - as above

    with mpl.rc_context(STYLE):
        number = len(picture.panels)
        figure = Figure(figsize=(9.6 if number > 1 else 6.4, 3.5), layout="constrained")
        for place, panel in enumerate(picture.panels, 1):
            _draw_panel(figure.add_subplot(1, number, place), panel)
        told = (
            "dots: closed form · bars: simulated" if picture.panels[0].bars else "lines: closed form · marks: simulated"
        )
        figure.supxlabel(told, fontsize=8, color="#666666", x=0.99, ha="right")
        out = BytesIO()
        figure.savefig(
            out, format="svg", metadata={"Date": None, "Creator": None, "Description": f"points {picture.digest}"}
        )
    return re.sub(rb"[ \t]+\n", b"\n", out.getvalue())


def _draw_panel(axes: "Axes", panel: Panel) -> None:
    axes.set_title(panel.title, loc="left")
    axes.set_xlabel(panel.x_label)
    axes.set_ylabel(panel.y_label)
    axes.set_axisbelow(True)
    if panel.bars:
        _draw_bars(axes, panel)
        return
    for series in panel.lines:
        xs, ys = zip(*series.pairs, strict=True)
        axes.plot(xs, ys, color=COLOURS[series.colour], linewidth=1.3, label=series.label)
    for series in panel.points:
        xs, ys = zip(*series.pairs, strict=True)
        axes.plot(
            xs, ys, MARKS[series.colour], color=COLOURS[series.colour], markersize=4, markerfacecolor="white", zorder=3
        )
    if panel.from_zero:
        axes.set_ylim(bottom=0.0)
    axes.legend(loc="best")


def _draw_bars(axes: "Axes", panel: Panel) -> None:
    for series in panel.points:
        xs, ys = zip(*series.pairs, strict=True)
        axes.bar(xs, ys, width=0.8 * (xs[1] - xs[0]), color=COLOURS[series.colour], alpha=0.35, label=series.label)
    for series in panel.lines:
        xs, ys = zip(*series.pairs, strict=True)
        axes.plot(xs, ys, "o", color=COLOURS[series.colour], markersize=3.5, label=series.label)
        axes.set_ylim(top=1.3 * max(ys))
    axes.legend(loc="upper right")


def digest_in(svg: str) -> str | None:
    """The digest a drawn picture carries."""
    found = re.search(r"points ([0-9a-f]{64})", svg)
    return found.group(1) if found else None


def main(arguments: list[str]) -> int:
    """Runs the command line; returns the exit code."""
    if arguments not in ([], ["--check"]):
        sys.stderr.write(f"{__doc__}\n")
        return 2
    stale = 0
    PLACE.mkdir(exist_ok=True)
    for make in MAKERS.values():
        picture = make()
        path = PLACE / f"{picture.name}.svg"
        if not arguments:
            path.write_bytes(draw(picture))
            sys.stdout.write(f"wrote docs/physics/{path.name}, {path.stat().st_size // 1000} kB\n")
        elif not path.exists() or digest_in(path.read_text(encoding="utf-8")) != picture.digest:
            stale += 1
            sys.stdout.write(f"docs/physics/{path.name} is not current: run `python docs/physics_pictures.py`\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
