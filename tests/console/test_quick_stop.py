"""STOP in a hurry goes where the station's own settings say, and hits a listener that is really there."""

import asyncio
import json
from pathlib import Path

import pytest

from console.quick_stop import endpoint_file, quick_stop, stop_address
from station.settings import StationSettings, load_settings
from station.stop import StopListener

WAYS = {
    "nothing set": {},
    "state home": {"XDG_STATE_HOME": "{here}/xdg"},
    "relative state home": {"XDG_STATE_HOME": "xdg"},
    "runtime": {"XDG_RUNTIME_DIR": "{here}/runtime"},
    "runtime and state": {"XDG_RUNTIME_DIR": "{here}/runtime", "NEEDLEWORK_STATE_DIR": "{here}/mine"},
    "state": {"NEEDLEWORK_STATE_DIR": "{here}/mine"},
    "lower case": {"needlework_state_dir": "{here}/mine", "needlework_stop_port": "7000"},
    "port": {"NEEDLEWORK_STOP_PORT": "7001"},
    "config": {"NEEDLEWORK_CONFIG": "{here}/station.toml"},
    "config at home": {"XDG_CONFIG_HOME": "{here}/config"},
    "environment over config": {"NEEDLEWORK_CONFIG": "{here}/station.toml", "NEEDLEWORK_STOP_PORT": "7003"},
}


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("named", [False, True], ids=["", "--state"])
def test_it_looks_where_the_settings_say(
    way: str, named: bool, short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("XDG_STATE_HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "NEEDLEWORK_STATE_DIR", "NEEDLEWORK_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(short_dir / "home"))
    toml = f'state_dir = "{short_dir}/from-file"\nstop_port = 7002\n'
    for place in (short_dir / "station.toml", short_dir / "config" / "needlework" / "station.toml"):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(toml, encoding="utf-8")
    for name, value in WAYS[way].items():
        monkeypatch.setenv(name, value.format(here=short_dir))
    state = short_dir / "given" if named else None
    settings: StationSettings = load_settings(state_dir=state)
    assert endpoint_file(state) == settings.endpoint_file
    assert stop_address(state) == ("127.0.0.1", settings.stop_port)


async def test_it_stops_through_the_listener_of_the_running_station(tmp_path: Path) -> None:
    stopped: list[str] = []

    def stop(pen: str, source: str) -> tuple[str, ...]:
        stopped.append(pen)
        return ("left", "right") if not pen else (pen,)

    listener = StopListener(stop, lambda: ("left", "right"))
    address = await listener.listen(0)
    try:
        place = endpoint_file(tmp_path)
        place.parent.mkdir(parents=True)
        place.write_text(json.dumps({"stop_host": address.host, "stop_port": address.port}), encoding="utf-8")
        assert await asyncio.to_thread(quick_stop, "", tmp_path) == {
            "stopped": ["left", "right"],
            "what": "STOP was sent to left, right.",
        }
        assert (await asyncio.to_thread(quick_stop, "right", tmp_path) or {})["stopped"] == ["right"]
    finally:
        await listener.close()
    assert stopped == ["", "right"]


async def test_what_is_no_listener_of_ours_is_no_answer(tmp_path: Path) -> None:
    async def gibberish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n[42]")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(gibberish, "127.0.0.1", 0)
    place = endpoint_file(tmp_path)
    place.parent.mkdir(parents=True)
    port = server.sockets[0].getsockname()[1]
    place.write_text(json.dumps({"stop_host": "127.0.0.1", "stop_port": port}), encoding="utf-8")
    try:
        assert await asyncio.to_thread(quick_stop, "", tmp_path) is None
    finally:
        server.close()
        await server.wait_closed()
    assert await asyncio.to_thread(quick_stop, "", tmp_path) is None  # and nobody there at all


@pytest.mark.parametrize("text", ["", "{", "[]", '{"stop_port": 1}', '{"stop_host": "x", "stop_port": "y"}'])
def test_a_damaged_endpoint_file_falls_back_to_the_settings(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEEDLEWORK_STOP_PORT", "7009")
    place = endpoint_file(tmp_path)
    place.parent.mkdir(parents=True)
    place.write_text(text, encoding="utf-8")
    assert stop_address(tmp_path) == ("127.0.0.1", 7009)
