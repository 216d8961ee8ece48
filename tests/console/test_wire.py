"""`needlework wire`: what is shown of a recording, and the whole way from a tap to a replay as processes."""

import json
import signal
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from firmware_bridge.wire.capture import CaptureWriter
from firmware_bridge.wire.framing import frame
from firmware_bridge.wire.messages import Arm, Armed, Direction, Hello, Message, Refusal, Stop
from tests.console.houses import ENVIRONMENT, NEEDLEWORK, running
from tests.hosts import connected

pytestmark = pytest.mark.system

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def wire(tmp_path: Path) -> Run:
    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [NEEDLEWORK, "wire", *arguments], env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=15,
            cwd=tmp_path,
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        return done

    return call


SAID: tuple[tuple[int, Direction, Message], ...] = (
    (1_000, Direction.HOST_TO_PEN, Hello(7, 1)),
    (2_000, Direction.HOST_TO_PEN, Arm(7, 1, 1000, 100_000, 5)),
    (3_000, Direction.PEN_TO_HOST, Armed(1, int(Refusal.FAULTED), 0)),
    (2_004_000, Direction.HOST_TO_PEN, Stop()),
)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "pen.capture"
    with path.open("w", encoding="utf-8") as file:
        writer = CaptureWriter(file, pen_url="serial:///dev/ttyACM0", started="2026-01-17T09:30:00+00:00")
        for number, (time_us, direction, message) in enumerate(SAID):
            writer.record(time_us, direction, frame(message, number))
        writer.record(2_005_000, Direction.PEN_TO_HOST, b"noise\x00")
    return path


def kinds(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line)["kind"] for line in done.stdout.splitlines()]


def test_a_frame_is_a_line_with_its_fields_by_name(wire: Run, recording: Path) -> None:
    done = wire("show", str(recording))
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "serial:///dev/ttyACM0, recorded from 2026-01-17T09:30:00+00:00"
    assert lines[2].split()[:3] == ["0.002000", "host", "→"]
    assert "ARM" in lines[2]
    assert "depth_ceiling 1000 µm  rate_ceiling 100000 mHz" in lines[2]
    assert "✗ the pen refused: FAULTED" in lines[3]
    assert "NO FRAME" in lines[5]
    assert "5 of 5 frames shown; 2.0 s recorded." in done.stdout
    assert "--faults" in lines[-1]


@pytest.mark.parametrize(
    ("filters", "shown"),
    [
        ((), ["HELLO", "ARM", "ARMED", "STOP", "NO FRAME"]),
        (("--kind", "arm", "--kind", "STOP"), ["ARM", "STOP"]),
        (("--kind", "no-frame"), ["NO FRAME"]),
        (("--from", "pen"), ["ARMED", "NO FRAME"]),
        (("--after", "0.002", "--before", "1"), ["ARM", "ARMED"]),
        (("--faults",), ["ARMED", "STOP", "NO FRAME"]),
        (("--faults", "--from", "host"), ["STOP"]),
    ],
)
def test_filters(wire: Run, recording: Path, filters: tuple[str, ...], shown: list[str]) -> None:
    assert kinds(wire("show", str(recording), "--json", *filters)) == shown


def test_json_has_everything(wire: Run, recording: Path) -> None:
    first = json.loads(wire("show", str(recording), "--json").stdout.splitlines()[0])
    assert first == {
        "us": 1000, "from": "host", "kind": "HELLO", "sequence": 0, "fields": {"nonce": 7, "version": 1},
        "troubles": [], "hex": frame(Hello(7, 1), 0)[:-1].hex(),
    }  # fmt: skip


def test_damage_says_where_and_shows_what_stands_before_it(wire: Run, recording: Path) -> None:
    lines = recording.read_text().splitlines(keepends=True)
    recording.write_text("".join([*lines[:3], "garbage\n", *lines[3:]]))
    done = wire("show", str(recording))
    assert done.returncode == 1
    assert "ARM" in done.stdout
    assert f"{recording}: line 4 of the capture is damaged" in done.stderr.replace("\n", " ")


def test_times_that_run_backwards_are_told_on_their_line_and_at_the_end(wire: Run, recording: Path) -> None:
    head, *lines = recording.read_text().splitlines(keepends=True)
    recording.write_text("".join([head, *lines[1:], lines[0]]))
    done = wire("show", str(recording), "--json", "--faults")
    assert done.returncode == 1
    assert json.loads(done.stdout.splitlines()[-1])["troubles"] == ["time runs backwards before it, by 2.004 s"]
    assert "its times run backwards, for the first time on line 6" in json.loads(done.stderr)["note"]
    seen = wire("show", str(recording))
    assert seen.returncode == 1
    assert "✗ time runs backwards before it" in seen.stdout
    assert "do not rely on its order" in " ".join(seen.stderr.split())


def test_a_last_line_that_was_cut_off_is_left_out_and_told(wire: Run, recording: Path) -> None:
    recording.write_text(recording.read_text()[:-9])
    done = wire("show", str(recording))
    assert done.returncode == 0
    assert "cut off" in done.stderr
    assert "4 of 4" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (("show", "absent.capture"), "There is no file absent.capture", 1),
        (("show", "pen.capture", "--kind", "SETPINT"), "SETPOINT?", 2),
        (("show", "pen.capture", "--from", "nobody"), "nobody", 2),
        (("show", "pen.capture", "--after", "5", "--before", "2"), "nothing lies between", 2),
        (("show", "text"), "no wire capture", 1),
        (("replay", "pen.capture"), "no host shakes hands", 1),
        (("replay", "absent.capture"), "There is no file", 1),
        (("record", "serial:///dev/not-there", "new.capture"), "not-there", 1),
        (("record", "serial:///dev/null", "pen.capture"), "exists already", 1),
        (("record", "nonsense", "new.capture"), "nonsense", 1),
    ],
)
def test_what_cannot_be_done_is_told_in_words(
    wire: Run, recording: Path, arguments: tuple[str, ...], said: str, code: int
) -> None:
    recording.with_name("text").write_text("Dear diary\n")
    before = recording.read_bytes()
    done = wire(*arguments)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert not recording.with_name("new.capture").exists()
    assert recording.read_bytes() == before


async def test_from_a_tap_to_a_replay(short_dir: Path) -> None:
    path = short_dir / "a.capture"
    with running("simulate", "--pty") as pen, running_tap(pen, path) as tap:
        said = json.loads(tap.stdout.readline())
        assert (said["ready"], said["file"]) == ("tap", str(path))
        async with connected(said["url"]) as host:
            await host.cartridge_tag()
            host.link.stop()  # as at every end; what came back for it has been through the tap, and so has STOP
            await host.next_status()
            await host.next_status()
        tap.send_signal(signal.SIGTERM)
        assert tap.wait(timeout=10) == 0
    with running("wire", "replay", str(path), "--patience", "10", "--json") as player:
        assert player.stdout is not None
        said = json.loads(player.stdout.readline())
        assert (said["ready"], said["pen"][:9]) == ("replay", "serial://")
        async with connected(said["url"]) as host:
            await host.cartridge_tag()
        text, _ = player.communicate(timeout=10)
        assert player.returncode == 0, text
        ended = json.loads(text.splitlines()[-1])
        assert (ended["ended"], ended["as_recorded"], ended["deviations"]) == ("replay", True, 0)


def running_tap(pen: "subprocess.Popen[str]", path: Path) -> AbstractContextManager["subprocess.Popen[str]"]:
    assert pen.stdout is not None
    return running("wire", "record", json.loads(pen.stdout.readline())["url"], str(path))
