"""The technician's bench: who gets one, what is on record of it, and that it never is while a station runs."""

import asyncio
import json
import os
import random
import re
import sys
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher

from controller.errors import ControlRefused
from controller.service.errors import ServiceEnded
from controller.service_events import ServiceOpened
from logger.journal.journal import Journal
from logger.journal.reader import JournalReader
from logger.proof.verify import verify_journal
from simulators.endpoints.live import LivePen
from simulators.endpoints.pty import PtyEndpoint
from simulators.pen import SimulatedPen
from simulators.personality import model_named
from station.bench import TechnicianBench, open_bench
from station.bench.record import BenchRecord, SigningIn, open_record
from station.clock import StationClock
from station.errors import BenchRefused, NotAllowed, SignInRefused
from station.people.accounts import Accounts
from station.process.exits import Exit
from station.service import Station, StationFailure
from station.settings import StationSettings
from tests.station.conftest import OpenHouse

pytestmark = pytest.mark.system
PASSWORD = "a bench of her own 1"


@asynccontextmanager
async def plugged_in(model: str = "NW-2") -> AsyncIterator[tuple[SimulatedPen, str]]:
    """A simulated pen in a fixture, in real time."""
    pen = SimulatedPen(model_named(model), rng=random.Random(1), today=datetime.now(UTC).date())
    pen.hold_on("air", touching=False)
    live = LivePen(pen)
    with PtyEndpoint(live) as endpoint:
        living = asyncio.create_task(live.run(), name="simulated pen")
        try:
            yield pen, endpoint.url
        finally:
            living.cancel()
            await asyncio.wait({living})


@pytest.fixture
def settings(short_path: Path) -> StationSettings:
    """A state directory with a manager, a technician and an operator."""
    made = StationSettings(state_dir=short_path / "state", stop_port=0)
    accounts_of(made)
    return made


def accounts_of(settings: StationSettings) -> None:
    settings.state_dir.mkdir(mode=0o700, exist_ok=True)
    accounts = Accounts(settings.accounts_path, hasher=PasswordHasher(1, 8, 1))
    for account, role in (("boss-1", "manager"), ("tech-1", "technician"), ("hand-1", "operator")):
        accounts.add(account, role, PASSWORD, 0)
    accounts.close()


def entries(settings: StationSettings) -> list[tuple[str, dict[str, Any]]]:
    reader = JournalReader(settings.journal_path)
    try:
        return [(entry.type, json.loads(entry.body)) for entry in reader.entries()]
    finally:
        reader.close()


async def opened(settings: StationSettings, url: str, technician: str = "tech-1", password: str = PASSWORD) -> None:
    async with open_bench(settings, url, technician=technician, password=password):
        pass


async def test_what_is_done_at_a_bench_is_a_signed_record_and_names_no_patients_file(settings: StationSettings) -> None:
    async with plugged_in() as (pen, url):
        async with open_bench(settings, url, technician="tech-1", password=PASSWORD) as bench:
            assert isinstance(bench, TechnicianBench)
            assert bench.pen.serial == "NW2-000001"
            async with bench.service("inspection"):
                await bench.driver.move(500, 60_000, settle_ms=200)
        assert pen.truth.lease == 0
        assert pen.truth.needles_out
    told = entries(settings)
    of_bench = [name for name, _ in told if name.startswith(("service_", "station_s"))]
    assert of_bench == ["station_started", "service_opened", "service_move", "service_closed", "station_stopped"]
    assert "signed_in" in [body["what"] for name, body in told if name == "security_event"]
    assert verify_journal(settings.journal_path).verdict == "intact"
    for place in (settings.key_map_path, settings.history_path, settings.ledger_path):
        assert not place.exists()


@pytest.mark.parametrize(
    ("who", "password", "error"),
    [("tech-2", PASSWORD, None), ("boss-1", PASSWORD, None), ("boss-1", "not this one", SignInRefused),
     ("hand-1", PASSWORD, NotAllowed), ("nobody", PASSWORD, SignInRefused)],
)  # fmt: skip
async def test_whoever_answers_for_a_certificate_signed_in_for_it(
    settings: StationSettings, who: str, password: str, error: type[Exception] | None
) -> None:
    accounts = Accounts(settings.accounts_path, hasher=PasswordHasher(1, 8, 1))
    accounts.add("tech-2", "technician", PASSWORD, 0)
    accounts.close()

    def record() -> AbstractAsyncContextManager[BenchRecord]:
        return open_record(
            settings, "tech-1", PASSWORD, "technician", reason="a test", clock=StationClock(),
            authorises=SigningIn(who, password),
        )  # fmt: skip

    if error is not None:
        with pytest.raises(error):
            async with record():
                pytest.fail("a name was taken for somebody who did not sign in")
        return
    async with record() as opened_record:
        assert (opened_record.account, opened_record.authorised_by) == ("tech-1", who)


@pytest.mark.parametrize(
    ("who", "password", "error"),
    [("hand-1", PASSWORD, NotAllowed), ("boss-1", PASSWORD, NotAllowed), ("tech-1", "not this one", SignInRefused),
     ("demo-physician", "", NotAllowed)],
)  # fmt: skip
async def test_only_a_technician_who_signed_in_gets_one(
    settings: StationSettings, who: str, password: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await opened(settings, "serial:///dev/nowhere", who, password)
    assert "service_opened" not in [name for name, _ in entries(settings)]


async def test_no_bench_while_a_station_runs(open_house: OpenHouse) -> None:
    async with open_house() as house:
        accounts_of(house.settings)
        with pytest.raises(BenchRefused, match="station runs"):
            await opened(house.settings, house.endpoint.url)


async def test_no_station_while_a_bench_is_open(settings: StationSettings) -> None:
    async with plugged_in() as (_, url), open_bench(settings, url, technician="tech-1", password=PASSWORD):
        with pytest.raises(StationFailure) as refused:
            await Station(settings, lambda _told: None).run()
    assert refused.value.exit_code is Exit.TAKEN


async def test_what_a_program_that_died_left_open_is_closed_as_interrupted(settings: StationSettings) -> None:
    clock = StationClock()
    journal = Journal(
        settings.journal_path, station=settings.station, utc_now=clock.utc, monotonic_ms=clock.monotonic_ms
    )
    journal.emit(
        ServiceOpened(
            series="s-1", pen="NW-2", serial="NW2-000001", firmware="1", technician="tech-1", purpose="inspection",
            off_skin="sensed", depth_ceiling_um=2500, rate_ceiling_mhz=150_000,
        ),
        session=None,
    )  # fmt: skip
    await journal.flush()
    await journal.close()
    async with plugged_in() as (_, url):
        await opened(settings, url)
        await opened(settings, url)
    assert [body for name, body in entries(settings) if name == "service_closed"] == [
        {"version": 1, "type": "service_closed", "series": "s-1", "because": "interrupted"}
    ]


async def test_stop_reaches_a_bench_from_another_terminal(short_path: Path, free_tcp_port: int) -> None:
    settings = StationSettings(state_dir=short_path / "state", stop_port=free_tcp_port)
    accounts_of(settings)
    async with plugged_in() as (pen, url), open_bench(settings, url, technician="tech-1", password=PASSWORD) as bench:

        async def stop() -> None:
            while not pen.truth.motor_driven:
                await asyncio.sleep(0.01)
            _, writer = await asyncio.open_connection("127.0.0.1", free_tcp_port)
            writer.write(b"STOP\n")
            await writer.drain()
            writer.close()

        stopping = asyncio.create_task(stop())
        with pytest.raises(ServiceEnded) as ended:
            async with bench.service("inspection"):
                await bench.driver.move(500, 60_000, mean_ms=10_000)
        await stopping
        assert ended.value.because == "stopped"
        assert not pen.truth.motor_driven


async def test_a_bench_that_is_killed_leaves_a_pen_at_rest(settings: StationSettings, short_path: Path) -> None:
    password = short_path / "password"
    password.write_text(PASSWORD)
    async with plugged_in() as (pen, url):
        arguments = ["pen", "service", "move", "--pen", url, "--as", "tech-1", "--password-file", str(password),
                     "--state", str(settings.state_dir), "--depth", "0.5", "--rate", "60", "--for", "30"]  # fmt: skip
        program = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "console.cli", *arguments, stdout=DEVNULL, stderr=DEVNULL,
            env={**os.environ, "NEEDLEWORK_STOP_PORT": "0"},
        )  # fmt: skip
        try:
            async with asyncio.timeout(12):
                while not pen.truth.motor_driven:
                    await asyncio.sleep(0.01)
        finally:
            program.kill()
            await program.wait()
        await asyncio.sleep((pen.model.dead_man_ms + pen.model.retract_ms) / 1000 + 0.1)
        assert not pen.truth.motor_driven
        assert pen.truth.needles_out
        async with open_bench(settings, url, technician="tech-1", password=PASSWORD) as bench:
            assert await bench.clear_silence()
            assert not await bench.clear_silence(), "once"
            pen.faults.wet()
            await asyncio.sleep(0.3)
            assert not await bench.clear_silence(), "any other fault is for somebody to look at"
    assert [body["because"] for name, body in entries(settings) if name == "service_closed"] == ["interrupted"]


async def test_the_script_in_the_page_does_what_it_says(
    settings: StationSettings, short_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "service.md").read_text(encoding="utf-8")
    script = page.split("```python\n")[1].split("```")[0].replace("asyncio.run(main())", "")
    password = short_path / "password"
    password.write_text(PASSWORD)
    async with plugged_in() as (_, url):
        for theirs, ours in (
            ("/var/lib/needlework", str(settings.state_dir)),
            ("/etc/needlework/tech-1.password", str(password)),
            ("serial:///dev/ttyACM0", url),
            ("state_dir=", f"stop_port=0, calibration=Path({str(quick_policy(short_path))!r}), state_dir="),
        ):
            assert theirs in script
            script = script.replace(theirs, ours)
        names: dict[str, Any] = {}
        exec(compile(script, "docs/service.md", "exec"), names)  # the page's own words
        await names["main"]()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[-3:]] == ["500", "1000", "1500"]
    told = dict(entries(settings))
    assert told["pen_self_tested"]["serial"] == told["health_read"]["serial"] == "NW2-000001"
    assert told["health_read"]["strokes"] > 100
    assert "failed" not in "".join(lines)


def quick_policy(place: Path) -> Path:
    """The policy shipped, with shorter times for service."""
    made = place / "calibration.yaml"
    policy = (Path(__file__).parents[2] / "controller" / "data" / "calibration.yaml").read_text(encoding="utf-8")
    for name in ("off_skin_s", "settle_s"):
        policy = re.sub(rf"(?m)^  {name}: .*$", f"  {name}: 0.3", policy)
    made.write_text(policy, encoding="utf-8")
    return made


async def test_a_pen_without_service_mode_is_refused_and_never_moves(settings: StationSettings) -> None:
    async with (
        plugged_in("NW-1") as (pen, url),
        open_bench(settings, url, technician="tech-1", password=PASSWORD) as bench,
    ):
        with pytest.raises(ControlRefused, match="no service mode"):
            async with bench.service("inspection"):
                pass
        assert pen.driven_at_ms == -1
