"""The station as real processes: killed, told to end, restarted, and never left behind."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from controller.events import SessionClosed, StationStarted
from firmware_bridge.wire.messages import Fault
from logger.journal.reader import JournalReader
from logger.proof.verify import verify_journal
from logger.store.store import Store
from simulators.pen import SimulatedPen
from station.api.client import StationClient
from station.api.models import PenStatus, SeatGranted
from station.errors import ProcessError, StationUnreachable
from station.process.child import Child, ChildSpec
from station.process.exits import Exit
from station.process.orders import Orders
from station.process.supervise import PEN, RECORDER, STATION, Supervisor
from station.settings import StationSettings
from tests.station.conftest import OPERATOR, SIMULATE, plan, simulated

pytestmark = [pytest.mark.system, pytest.mark.timeout(60)]

DEAD_MAN_S, RETRACT_S, SLACK_S = 0.3, 0.25, 0.25


async def until(holds: Callable[[], Any], what: str, within_s: float = 10.0) -> None:
    try:
        async with asyncio.timeout(within_s):
            while not holds():
                await asyncio.sleep(0.005)
    except TimeoutError:
        pytest.fail(f"never came: {what}")


async def status_until(
    settings: StationSettings, holds: Callable[[PenStatus], bool], what: str, within_s: float = 15.0
) -> PenStatus:
    try:
        async with asyncio.timeout(within_s):
            while True:
                try:
                    async with StationClient.of(settings) as client:
                        async for status in client.live(hz=10):
                            if holds(status):
                                return status
                except StationUnreachable:
                    await asyncio.sleep(0.05)
    except TimeoutError:
        pytest.fail(f"never came: {what}")


@asynccontextmanager
async def treating(house: Supervisor, for_ms: int = 300) -> AsyncIterator[None]:
    """A treatment under way, by a client in its seat; what becomes of the station is the test's affair."""
    async with house.client() as client:
        seat = await client._call(SeatGranted, "POST", "/v1/seats", body={"pen": "pen", "operator": OPERATOR})
        headers = {"Needlework-Seat": seat.token}
        for name, body in (
            ("prepare", plan().model_dump(mode="json")),
            ("arm", {}),
            ("depth", {"depth_mm": "0.5"}),
            ("rate", {"rate_hz": 100}),
            ("start", {}),
        ):
            await client.call("POST", f"/v1/pens/pen/{name}", body=body, headers=headers)
        await status_until(house.settings, lambda status: status.view.treated_ms > for_ms, "treated for a while")
        yield


def pen_settings(path: Path, url: str, **changes: Any) -> StationSettings:
    given = {"state_dir": path / "state", "stop_port": 0, "pens": f"pen={url}", "seat_presence_s": 10.0, **changes}
    return StationSettings(**given)


def at_rest(pen: SimulatedPen) -> bool:
    return not pen.truth.motor_driven and pen.truth.needles_out


async def test_a_killed_station_leaves_a_pen_that_stops_itself_and_a_record_that_says_so(short_path: Path) -> None:
    async with simulated() as (pen, endpoint):
        async with Supervisor(pen_settings(short_path, endpoint.url), simulate=(), notice=print) as house:
            async with treating(house, for_ms=2500):  # telemetry reaches the journal about once a second
                killed = house.pid(STATION) or 0
                os.kill(killed, signal.SIGKILL)
                await until(lambda: not pen.truth.motor_driven, "motor off", DEAD_MAN_S + SLACK_S)
                await until(lambda: pen.truth.needles_out, "needles out", RETRACT_S + SLACK_S)
                assert pen.truth.faults & Fault.DEAD_MAN
            await until(lambda: house.pid(STATION) not in (None, killed), "the station is started again")
            again = await status_until(house.settings, lambda status: status.view.link == "connected", "it is back")
            assert again.view.phase == "no_session"
            assert not pen.truth.motor_driven
        journal = house.settings.journal_path
        reader = JournalReader(journal)
        events = [entry.event() for entry in reader.entries() if entry.type in ("session_closed", "station_started")]
        sessions = reader.sessions()
        reader.close()
    (closed,) = [event for event in events if isinstance(event, SessionClosed)]
    started = [event for event in events if isinstance(event, StationStarted)]
    assert closed.outcome == "interrupted"
    assert "1.3 s of telemetry before its end may be missing" in closed.reason
    assert [dose.zone for dose in closed.doses] == ["cheek"], closed.reason
    assert closed.doses[0].treated_ms > 0
    assert closed.doses[0].strokes > 0
    assert [event.previous_session for event in started] == [None, sessions[0].session]
    assert sessions[0].closed
    assert verify_journal(journal).verdict == "intact"


async def test_told_to_end_mid_treatment_by_its_supervisor_the_record_is_whole_in_the_store(short_path: Path) -> None:
    async with simulated() as (pen, endpoint):
        house = Supervisor(pen_settings(short_path, endpoint.url), simulate=(), notice=print)
        async with house, treating(house):
            assert await house.close() == Exit.ORDERLY
            assert at_rest(pen)
            assert pen.truth.faults == 0
    store = Store.open(house.settings.store_place)
    try:
        entries = list(store.entries(house.settings.station))
        result = verify_journal(house.settings.journal_path, store=store)
    finally:
        store.close()
    assert result.verdict == "intact"
    assert [entry.type for entry in entries[-2:]] == ["station_stopped", "journal_checkpoint"]
    assert len({entry.sequence for entry in entries}) == len(entries)


async def test_everything_that_dies_comes_back_and_the_record_catches_up(short_path: Path) -> None:
    said: list[str] = []
    settings = StationSettings(state_dir=short_path / "state", stop_port=0)
    async with Supervisor(settings, simulate=SIMULATE, notice=said.append) as house:
        for name in (RECORDER, PEN, STATION):
            before = house.pid(name) or 0
            os.kill(before, signal.SIGKILL)
            await until(lambda name=name, before=before: house.pid(name) != before, f"another {name}")
        await until(lambda: len(said) == 6, "all are back", within_s=20)
        await status_until(house.settings, lambda status: status.view.link == "connected", "the pen is connected")
        async with house.client() as client, asyncio.timeout(15):
            while (status := await client.status()).record.acknowledged < status.record.committed:
                await asyncio.sleep(0.05)
    assert len([line for line in said if "was killed by signal 9" in line]) == 3
    assert len([line for line in said if line.endswith("is back.")]) == 3


RUN = (
    "import sys; from station.settings import StationSettings; from station.process.supervise import run_main\n"
    "settings = StationSettings.model_validate_json(sys.argv[1])\n"
    "sys.exit(run_main(settings, simulate=eval(sys.argv[2]), on_ready=lambda house: print('ready', flush=True), "
    "notice=lambda said: print(said, flush=True)))"
)
"""`needlework run` without the command line around it."""


async def started(settings: StationSettings, *, ready: bool = True) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", RUN, settings.model_dump_json(), repr(SIMULATE), stdout=asyncio.subprocess.PIPE
    )
    if ready:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    return process


def last_entry(settings: StationSettings) -> str:
    reader = JournalReader(settings.journal_path)
    try:
        return [entry.type for entry in reader.entries() if entry.type != "journal_checkpoint"][-1]
    finally:
        reader.close()


async def test_a_killed_supervisor_leaves_no_process_and_the_station_ends_in_order(short_path: Path) -> None:
    settings = StationSettings(state_dir=short_path / "state", stop_port=0)
    supervisor = await started(settings)
    children = psutil.Process(supervisor.pid).children(recursive=True)
    assert len(children) == 3
    supervisor.kill()
    await supervisor.communicate()
    await until(lambda: not any(child.is_running() for child in children), "all children are gone")
    assert last_entry(settings) == "station_stopped"


async def test_ctrl_c_ends_the_run_in_order(short_path: Path) -> None:
    settings = StationSettings(state_dir=short_path / "state", stop_port=0)
    supervisor = await started(settings)
    children = psutil.Process(supervisor.pid).children(recursive=True)
    supervisor.send_signal(signal.SIGINT)
    await supervisor.communicate()
    assert supervisor.returncode == Exit.ORDERLY
    assert not any(child.is_running() for child in children)
    assert last_entry(settings) == "station_stopped"


async def test_ctrl_c_while_starting_leaves_nothing(short_path: Path) -> None:
    settings = StationSettings(state_dir=short_path / "state", stop_port=0)
    supervisor = await started(settings, ready=False)
    watched = psutil.Process(supervisor.pid)
    await until(lambda: len(watched.children()) >= 2, "the first children")
    children = watched.children(recursive=True)
    supervisor.send_signal(signal.SIGTERM)
    await supervisor.communicate()
    assert supervisor.returncode == Exit.ORDERLY
    assert not any(child.is_running() for child in children)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_signals_end_a_station_in_order(short_path: Path, number: signal.Signals) -> None:
    async with simulated() as (pen, endpoint):
        settings = pen_settings(short_path, endpoint.url)
        async with Supervisor(settings, simulate=(), notice=print) as house, treating(house):
            station = psutil.Process(house.pid(STATION) or 0)
            os.kill(station.pid, number)
            why = await house.ended()
            assert why.exit_code == Exit.ORDERLY
            assert at_rest(pen)
            assert pen.truth.faults == 0


@pytest.mark.parametrize(
    ("url", "said"), [("serial:///dev/does-not-exist", "does-not-exist"), ("tcp://127.0.0.1:9", "127.0.0.1:9")]
)
async def test_a_pen_that_cannot_be_opened_ends_the_run_with_words(short_path: Path, url: str, said: str) -> None:
    with pytest.raises(ProcessError, match=said) as caught:
        async with Supervisor(pen_settings(short_path, url), simulate=(), notice=print):
            pytest.fail("it started")
    assert caught.value.exit_code == Exit.PEN


# One child ------------------------------------------------------------------------------------------------------------


def child(path: Path, program: str, **changes: Any) -> Child:
    return Child(ChildSpec("part", (sys.executable, "-c", program), **changes), path)


async def test_a_child_that_says_why_it_fails_is_quoted(tmp_path: Path) -> None:
    said = json.dumps({"failed": "part", "code": "x", "what": "It is broken.", "means": "", "do": "Mend it."})
    part = child(tmp_path, f"import sys; print({said!r}); sys.exit(4)")
    with pytest.raises(ProcessError, match=r"It is broken\. Mend it\.") as caught:
        await part.start()
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("raise SystemExit(3)", "ended with code 3 before it was ready"),
        ("print('{\"ready\"'); print('x' * 200000); print([1])", "ended with code 0 before it was ready"),
        ("import signal; signal.pause()", "was not ready within"),
    ],
)
async def test_a_child_that_never_is_ready_is_told_of_and_gone(tmp_path: Path, program: str, said: str) -> None:
    part = child(tmp_path, program, ready_s=1.0, stop_s=0.5)
    with pytest.raises(ProcessError, match=said):
        await part.start()
    assert part.pid is not None
    assert not psutil.pid_exists(part.pid)


async def test_a_command_that_does_not_exist_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(ProcessError, match="could not be started"):
        await Child(ChildSpec("part", ("/does/not/exist",)), tmp_path).start()


async def test_what_a_child_makes_is_for_its_owner_alone_and_its_log_has_no_space(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with pytest.raises(ProcessError):
        await Child(ChildSpec("a part", (sys.executable, "-c", "")), state / "logs").start()
    log = state / "logs" / "a-part.log"
    assert [path.stat().st_mode & 0o777 for path in (state, state / "logs", log)] == [0o700, 0o700, 0o600]


async def test_a_child_that_does_not_listen_is_killed_in_the_end(tmp_path: Path) -> None:
    program = (
        "import signal\nfor n in (signal.SIGTERM, signal.SIGINT): signal.signal(n, signal.SIG_IGN)\n"
        'print(\'{"ready": "part"}\', flush=True)\nwhile True: signal.pause()'
    )
    part = child(tmp_path, program, stop_s=0.2)
    await part.start()
    assert await part.stop() == -signal.SIGKILL


async def test_what_a_child_says_on_standard_error_is_kept_and_never_fills_the_disk(tmp_path: Path) -> None:
    (tmp_path / "part.log").write_bytes(b"x" * 2_000_000)
    program = "import sys; sys.stderr.write('a trouble'); print('{\"ready\": \"part\"}', flush=True); sys.stdin.read()"
    part = child(tmp_path, program)
    await part.start()
    assert await part.stop() == 0
    assert (tmp_path / "part.log").read_bytes() == b"a trouble"


async def test_orders_carry_the_settings_and_the_password(tmp_path: Path) -> None:
    settings = StationSettings(state_dir=tmp_path, broker="mqtt://station:secret@127.0.0.1:1883")
    orders = Orders(part="recorder", settings=settings, kept_broker="mqtt://station:other@127.0.0.1:5")
    again = Orders.model_validate_json(orders.model_dump_json())
    assert again == orders
    kept = again.broker()
    assert kept is not None
    assert (kept.port, kept.password) == (5, "other")
