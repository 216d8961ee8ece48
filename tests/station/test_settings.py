"""Settings: where they come from, and what is said of those that cannot be used."""

from pathlib import Path

import pytest

from station.errors import SettingsError
from station.settings import PenSetting, StationSettings, load_settings


@pytest.fixture(autouse=True)
def _own_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONFIG", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.delenv("NEEDLEWORK_CONFIG", raising=False)


def test_pens_are_named_or_numbered() -> None:
    made = load_settings(pens=["left=serial:///dev/ttyACM0?baud=115200", "tcp://192.0.2.7:7070"])
    assert made.pens == (
        PenSetting(name="left", url="serial:///dev/ttyACM0?baud=115200"),
        PenSetting(name="pen2", url="tcp://192.0.2.7:7070"),
    )


def test_arguments_go_before_environment_before_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('site = "file"\nstation = "file"\nstop_port = 1\npens = "tcp://192.0.2.7:7070"\n')
    monkeypatch.setenv("NEEDLEWORK_CONFIG", str(file))
    monkeypatch.setenv("NEEDLEWORK_SITE", "environment")
    monkeypatch.setenv("NEEDLEWORK_STATION", "environment")
    made = load_settings(site="argument", stop_port=None)
    assert (made.site, made.station, made.stop_port) == ("argument", "environment", 1)
    assert made.pens[0].name == "pen"


def test_settings_survive_the_way_to_a_child_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = load_settings(pens="a=tcp://192.0.2.7:7070", broker="mqtt://u:p@localhost:1884", state_dir=tmp_path)
    monkeypatch.setenv("NEEDLEWORK_SITE", "other")
    assert StationSettings.model_validate_json(made.model_dump_json()) == made


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"stop_port": 65536}, "stop_port"),
        ({"broker": "localhost:1883"}, "mqtt://host"),
        ({"site": "Ä/ö"}, "site"),
        ({"pens": "a=tcp://192.0.2.7:1,a=tcp://192.0.2.7:2"}, "two pens are called 'a'"),
        ({"pens": "a=tcp://192.0.2.7:1,b=tcp://192.0.2.7:1"}, "two pens are at"),
        ({"seat_presence_s": float("nan")}, "seat_presence_s"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        load_settings(**arguments)


def test_a_broken_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("site = \n")
    monkeypatch.setenv("NEEDLEWORK_CONFIG", str(file))
    with pytest.raises(SettingsError, match=r"mine\.toml"):
        load_settings()


def test_a_path_no_socket_can_have_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--state"):
        load_settings(state_dir=tmp_path / ("x" * 100))


def test_the_example_library_means_a_demo(tmp_path: Path) -> None:
    assert load_settings().mode == "demo"
    assert load_settings(library=tmp_path / "library.yaml").mode == "clinic"


def test_a_state_directory_of_its_own_brings_its_own_sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    assert load_settings().runtime_dir == tmp_path / "run" / "needlework"
    assert load_settings(state_dir=tmp_path / "x").runtime_dir == tmp_path / "x" / "run"
