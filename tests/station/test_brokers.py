"""The brokers of the settings: a list, an account for each part, a password from a file; what cannot be is refused."""

import sys
from pathlib import Path

import pytest

from station.errors import SettingsError
from station.monitoring.metrics import served
from station.record.brokers import brokers_of
from station.settings import StationSettings, load_settings
from tests.fixtures_brokers import free_port


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A password for a station and one for a recorder."""
    (tmp_path / "station").write_text("s,e@cr:et\n")
    (tmp_path / "recorder").write_text("other")
    return tmp_path


def settings(files: Path, **changes: object) -> StationSettings:
    given = {
        "broker": "mqtts://one, mqtts://two:9000,mqtt://three", "broker_user": "station-room-1",
        "broker_password_file": files / "station", "broker_ca_file": files / "ca.crt",
    }  # fmt: skip
    return StationSettings.model_validate({**given, **changes})


def test_each_broker_is_come_to_with_the_account_of_the_part(files: Path) -> None:
    found = brokers_of(settings(files), "station")
    assert [(url.host, url.port, url.tls) for url in found] == [
        ("one", 8883, True), ("two", 9000, True), ("three", 1883, False),
    ]  # fmt: skip
    assert {(url.username, url.password) for url in found} == {("station-room-1", "s,e@cr:et")}
    assert [url.ca_file for url in found] == [str(files / "ca.crt"), str(files / "ca.crt"), None]
    assert brokers_of(settings(files), "recorder") == found, "without an account of its own it has the station's"
    own = settings(files, recorder_user="recorder", recorder_password_file=files / "recorder")
    assert {(url.username, url.password) for url in brokers_of(own, "recorder")} == {("recorder", "other")}
    assert brokers_of(own, "station") == found


def test_an_account_in_the_url_stays(files: Path) -> None:
    (url,) = brokers_of(settings(files, broker="mqtt://me:mine@one"), "station")
    assert (url.username, url.password) == ("me", "mine")


def test_no_broker_is_the_embedded_one_and_no_file_is_read(files: Path) -> None:
    assert brokers_of(settings(files, broker=(), broker_password_file=files / "absent"), "station") == ()


@pytest.mark.parametrize("content", [None, b"", b"\n", b"two\nlines\n", b"\xff\xfe", b"x" * 70_000])
def test_a_password_file_that_holds_none_is_named_with_the_remedy(files: Path, content: bytes | None) -> None:
    path = files / "wrong"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=f"cannot be read from {path}") as caught:
        brokers_of(settings(files, broker_password_file=path), "station")
    assert "broker_password_file" in caught.value.trouble.do


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"broker": "mqtts://a,mqtts://a:8883"}, "named twice"),
        ({"broker": "mqtts://a,http://b"}, "begins with mqtt:// or mqtts://"),
        ({"metrics": "somewhere"}, "host:port"),
        ({"metrics": "99999"}, "host:port"),
        ({"log": "xml"}, "json"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, str], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        load_settings(**given)


def test_a_refusal_repeats_no_password() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(broker="mqtt://me:se,cret@a:port")
    assert "cret" not in str(caught.value)


async def test_a_port_for_metrics_that_is_taken_is_named_with_the_remedy() -> None:
    port = free_port()
    async with served(("127.0.0.1", port), tuple) as there:
        assert there == port
        with pytest.raises(SettingsError, match="cannot be served"):
            async with served(("127.0.0.1", port), tuple):
                pass


async def test_without_the_extra_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(SettingsError, match=r"pip install 'needlework\[metrics\]'"):
        async with served(("127.0.0.1", 0), tuple):
            pass
    async with served(None, tuple) as nowhere:
        assert nowhere is None
