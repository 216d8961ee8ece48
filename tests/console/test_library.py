"""`needlework library`: a physician's way from a draft to a signed library, and what is said on it."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from console.actions.library import usable
from console.render.library import changes_view, library_view
from controller.library import LoadedLibrary, load_library
from controller.library_diff import Change
from controller.signing import Signature

pytestmark = pytest.mark.unhurried

SHIPPED = Path(__file__).parents[2] / "controller" / "data" / "example_library.yaml"
Run = Callable[..., subprocess.CompletedProcess[str]]


def words(renderable: RenderableType, width: int = 120) -> str:
    console = Console(width=width, force_terminal=False)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs the command in a place of its own, as in a pipe."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("NEEDLEWORK_", "XDG_"))}
    environment |= {"NEEDLEWORK_STATE_DIR": str(tmp_path), "HOME": str(tmp_path)}

    def call(*arguments: str, typed: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(Path(sys.executable).with_name("needlework")), "library", *arguments],
            env=environment | more, input=typed, capture_output=True, text=True, check=False, timeout=15, cwd=tmp_path,
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        return done

    return call


KEY = ("--id", "dr-a", "--licence", "L-1", "--valid-until", "2099-12-31")


@pytest.mark.system
def test_from_a_draft_to_a_library_for_patients(run: Run, tmp_path: Path) -> None:
    draft = tmp_path / "clinic.yaml"
    draft.write_bytes(SHIPPED.read_bytes())
    made = run("key", "dr-a.key", *KEY)
    assert made.returncode == 0
    (tmp_path / "physicians.yaml").write_text(made.stdout)
    assert "PRIVATE" not in made.stdout + made.stderr

    unsigned = run("check", "clinic.yaml", "--json")
    assert (unsigned.returncode, json.loads(unsigned.stdout)["use"]) == (1, "demo")
    signed = run("sign", "clinic.yaml", "--key", "dr-a.key", "--trusted", "physicians.yaml")
    assert signed.returncode == 0, signed.stderr
    assert "signed by dr-a, licence L-1" in signed.stderr
    checked = run("check", "clinic.yaml", NEEDLEWORK_TRUSTED_PHYSICIANS="physicians.yaml")
    assert checked.returncode == 0, checked.stderr
    assert "may be used to treat patients: Signed by dr-a" in checked.stdout
    shown = json.loads(run("show", "clinic.yaml", "--trusted", "physicians.yaml", "--json").stdout)
    assert shown["signature"]["signer"] == "dr-a"
    assert shown["content"]["protocols"]["facial-rejuvenation"]["zones"]["nose"]["hard_um"] == {
        "thin": 500,
        "thick": 750,
    }

    unknown = run("check", "clinic.yaml")
    assert unknown.returncode == 1
    assert "no physicians' keys are known here" in unknown.stderr
    draft.write_text(draft.read_text().replace("thick: 0.75}", "thick: 0.76}", 1))
    changed = run("check", "clinic.yaml", "--trusted", "physicians.yaml", "--json")
    assert (changed.returncode, changed.stdout) == (1, "")
    assert "it was changed after signing" in json.loads(changed.stderr)["what"]


@pytest.mark.system
def test_a_key_under_a_passphrase_signs_with_it_alone(run: Run, tmp_path: Path) -> None:
    (tmp_path / "clinic.yaml").write_bytes(SHIPPED.read_bytes())
    sign = ("sign", "clinic.yaml", "--key", "dr-a.key", "--trusted", "physicians.yaml")
    short = run("key", "dr-a.key", *KEY, "--passphrase", typed="seven77\n")
    assert (short.returncode, "at least 8" in short.stderr) == (1, True)
    (tmp_path / "physicians.yaml").write_text(run("key", "dr-a.key", *KEY, "--passphrase", typed="some words\n").stdout)
    wrong = run(*sign, typed="other words\n")
    assert (wrong.returncode, "another passphrase" in wrong.stderr) == (1, True)
    assert not (tmp_path / "clinic.yaml.sig").exists()
    assert run(*sign, typed="some words\n").returncode == 0
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("clinic")) == [
        "clinic.yaml", "clinic.yaml.sig",
    ]  # fmt: skip


@pytest.mark.system
def test_what_cannot_be_signed(run: Run, tmp_path: Path) -> None:
    (tmp_path / "clinic.yaml").write_bytes(SHIPPED.read_bytes())
    (tmp_path / "physicians.yaml").write_text(run("key", "dr-a.key", *KEY).stdout)
    run("key", "stranger.key", *KEY)
    (tmp_path / "old.yaml").write_text(
        SHIPPED.read_text().replace("valid_until: 2099", "valid_until: 2026").replace("-12-31", "-01-31")
    )
    (tmp_path / "bad.yaml").write_text(SHIPPED.read_text().replace("glabella:", "forehead:"))
    trusted = ("--trusted", "physicians.yaml")
    for arguments, code, said in (
        (("clinic.yaml", "--key", "dr-a.key"), 2, "--trusted"),
        (("clinic.yaml", "--key", "stranger.key", *trusted), 1, "is nobody's in the clinic's file of physicians"),
        (("old.yaml", "--key", "dr-a.key", *trusted), 1, "valid until 2026-01-31, which is past"),
        (("bad.yaml", "--key", "dr-a.key", *trusted), 1, "'forehead' stands here a second time"),
        (("clinic.yaml", "--key", "none.key", *trusted), 1, "none.key: cannot be opened"),
    ):
        done = run("sign", *arguments)
        assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert list(tmp_path.glob("*.sig")) == []


@pytest.mark.system
@pytest.mark.parametrize(
    ("identity", "licence", "until", "said"),
    [
        ("Dr A", "L-1", "2099-12-31", "'Dr A' is no name"),
        ("dr-a", "L\n1", "2099-12-31", "entry for a physician"),
        ("dr-a", "L-1", "31.12.2099", "'31.12.2099' is not a date"),
        ("x: {}\n  y", "L-1", "2099-12-31", "entry for a physician"),
    ],
)
def test_no_key_is_made_for_an_entry_that_is_no_good(
    run: Run, tmp_path: Path, identity: str, licence: str, until: str, said: str
) -> None:
    done = run("key", "x.key", "--id", identity, "--licence", licence, "--valid-until", until)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "No key was made" in done.stderr
    assert not (tmp_path / "x.key").exists()


@pytest.mark.system
def test_two_libraries_are_compared(run: Run, tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_bytes(SHIPPED.read_bytes())
    (tmp_path / "new.yaml").write_text(SHIPPED.read_text().replace("thick: 0.75}", "thick: 0.80}", 1))
    done = run("diff", "old.yaml", "new.yaml")
    assert done.returncode == 1
    (line,) = [line for line in done.stdout.splitlines() if "DEEPER" in line]
    assert re.search(r"facial-rejuvenation +forehead +thick +soft depth +0\.75 mm +0\.80 mm +DEEPER", line)
    (change,) = json.loads(run("diff", "old.yaml", "new.yaml", "--json").stdout)
    assert (change["deeper"], change["skin"]) == (True, "thick")
    same = run("diff", "old.yaml", "old.yaml")
    assert (same.returncode, same.stdout) == (0, "old.yaml and old.yaml say the same.\n")


@pytest.mark.system
def test_without_a_file_it_is_the_example(run: Run) -> None:
    assert "Usage" in run().stdout
    done = run("check")
    assert done.returncode == 1
    assert "demo mode only" in done.stdout
    assert "forehead" in run("show").stdout


# Drawing --------------------------------------------------------------------------------------------------------------


def test_bars_are_as_deep_as_the_limits_and_never_deeper() -> None:
    library = load_library()
    lines = words(library_view(library, "x", width=120)).splitlines()
    (line,) = [line for line in lines if line.startswith("forehead")]
    assert "█████▒▒·············" in line  # 0.50 and 0.75 of 2.00 mm, in 20 columns
    assert "0.50 mm" in line
    assert "100/120 Hz" in line
    assert all(name in "\n".join(lines) for name in (*library.questions, *library.checklist, *library.sources))


@pytest.mark.parametrize("width", [80, 96, 200])
def test_a_narrow_terminal_loses_no_number(width: int) -> None:
    library = load_library()
    shown = words(library_view(library, "x", width=width), width=width)
    assert all(len(line) <= width for line in shown.splitlines())
    zones = [zone for protocol in library.protocols.values() for zone in protocol.zones.values()]
    for depth in ("0.25 mm", "0.50 mm", "1.00 mm", "1.50 mm", "2.00 mm"):
        limits = [um for zone in zones for um in (*zone.soft_um.values(), *zone.hard_um.values())]
        assert shown.count(depth) == sum(f"{um / 1000:.2f} mm" == depth for um in limits)
    assert shown.count("100/120 Hz") == 4
    assert "60/120 s" in shown


def test_what_allows_more_is_counted() -> None:
    changes = [
        Change("p", "z", "thin", "hard depth", "1.00 mm", "1.10 mm", "looser", deeper=True),
        Change("p", "z", "", "rate", "100.0 Hz", "110.0 Hz", "looser"),
        Change("question", "", "", "peel", "soft", "hard", "stricter"),
    ]
    assert "3 differences; 2 allow more than old, 1 of them deeper." in words(changes_view(changes, "old", "new"))


def test_what_a_library_may_be_used_for() -> None:
    example = load_library()
    signature = Signature(
        signer="dr-a", licence="L-1", key="0" * 64, signed_on=date(2026, 1, 1), file_bytes=1, file_sha256="0" * 64
    )
    signed = LoadedLibrary(example.content, example.digest, signature)
    day = date(2026, 5, 1)
    assert [usable(library, day)[0] for library in (example, signed)] == ["demo", "clinic"]
    for library in (example, signed):
        assert usable(library, date(2099, 12, 31))[0] != "no"
        assert usable(library, date(2100, 1, 1))[0] == "no"
