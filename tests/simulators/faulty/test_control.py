"""The control socket: what it does, and that nobody who uses it badly hurts the pen or the others."""

import asyncio
import contextlib
import json
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulators import control, control_lines
from simulators.control import CLIENTS_MAX, ControlSocket
from simulators.control_client import ControlClient
from simulators.control_lines import LINE_MAX_BYTES
from simulators.controlled import Cable, ControlledPen
from simulators.endpoints.live import LivePen
from simulators.endpoints.memory import MemoryEndpoint
from simulators.errors import ControlRefused, EndpointError, NoControl
from simulators.faults.injector import Injector
from simulators.faults.parts import Parts
from tests.hosts import connected
from tests.pens import simulator

Answer = dict[str, Any]


class Client:
    """A client on the same loop."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def raw(self, line: bytes) -> Answer:
        self.writer.write(line)
        return await self.answer()

    async def answer(self) -> Answer:
        async with asyncio.timeout(5):
            answer: Answer = json.loads(await self.reader.readline())
        return answer

    async def ask(self, do: str, **fields: object) -> Answer:
        return await self.raw(json.dumps({"do": do, **fields}).encode() + b"\n")


class Served:
    """A live pen behind ``memory://`` with a control socket."""

    def __init__(self, live: LivePen, endpoint: MemoryEndpoint, path: Path) -> None:
        self.live, self.pen, self.url, self.path = live, live.pen, endpoint.url, path

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        reader, writer = await asyncio.open_unix_connection(str(self.path), limit=2**20)
        try:
            yield Client(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


class MemoryPlug:
    def __init__(self, endpoint: MemoryEndpoint) -> None:
        self._endpoint = endpoint

    def unplug(self) -> None:
        self._endpoint.unplug()

    def plug(self) -> None:
        pass


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with simulator() as live:
        with MemoryEndpoint(live, "controlled") as endpoint:
            path = tmp_path / "control"
            injector = Injector(Parts(live.pen, lines=live.lines, plug=Cable([MemoryPlug(endpoint)])))
            async with ControlSocket(path, ControlledPen(live.pen, injector)):
                yield Served(live, endpoint, path)


async def test_a_fault_is_injected_while_a_host_treats_and_the_host_is_not_told(served: Served) -> None:
    async with served.client() as client, connected(served.url) as host:
        await host.arm()
        async with host.driving(motor=True):
            running = await client.ask("wait", **{"for": ["motor_driven=true", "rate_hz>50"]}, within_ms=3000)
            assert running["ok"]
            assert running["truth"]["state"] == "RUNNING"
            injected = await client.ask("inject", fault="motor_stall", id="a")
            assert injected == {"ok": True, "id": "a", "injected": {"fault": "motor_stall", "parameters": {}}}
            seen = await host.until(lambda snapshot: bool(snapshot.faults))
            assert seen.faults.name == "STALL"
        stalled = await client.ask("wait", **{"for": "faults=STALL"})
        assert stalled["truth"]["injected"] == ["motor_stall"]
        assert (await client.ask("clear"))["cleared"] == ["motor_stall"]
        assert (await client.ask("truth"))["truth"]["injected"] == []


async def test_a_bad_line_is_bad_for_who_connects_next(served: Served) -> None:
    async with served.client() as client:
        await client.ask("inject", fault="line_delay", parameters={"delay_ms": 60, "direction": "to_host"})
        began = asyncio.get_running_loop().time()
        async with connected(served.url):
            assert asyncio.get_running_loop().time() - began > 0.055
        await client.ask("clear", fault="line_delay")


async def test_a_pulled_plug(served: Served) -> None:
    async with served.client() as client, connected(served.url) as host:
        await client.ask("inject", fault="usb_unplug")
        await host.until_lost()


async def test_hands(served: Served) -> None:
    async with served.client() as client:

        async def truth(action: str, **fields: object) -> Answer:
            answer = await client.ask("hand", action=action, **fields)
            assert answer["ok"], answer
            found: Answer = answer["truth"]
            return found

        assert (await truth("on_skin", zone="chin"))["on_skin"]
        off = await truth("off_skin")
        assert (off["on_skin"], off["zone"]) == (False, "chin")
        assert not (await truth("treat"))["on_skin"]
        assert not (await truth("cartridge_out"))["cartridge_in"]
        assert (await truth("cartridge_in"))["cartridge_in"]
        await truth("button", held_ms=50)
        pressed = await truth("pedal")
        assert (await client.ask("wait", **{"for": f"lived_ms>{pressed['lived_ms']}"}))["ok"]
        assert (served.pen.firmware.presses.button, served.pen.firmware.presses.pedal) == (1, 1)
        for action, field, value, takes in (
            ("on_skin", "held_ms", 5, "zone"),
            ("button", "zone", "chin", "held_ms"),
            ("power_off", "held_ms", 5, "nothing more"),
        ):
            refused = (await client.ask("hand", action=action, **{field: value}))["error"]
            assert f"{action} takes {takes}, not {field}" in refused["sentence"]
        off = await truth("power_off")
        assert (off["powered"], off["awake"]) == (False, False)
        assert (await truth("power_on"))["powered"]
        assert (await client.ask("wait", **{"for": "awake=true"}))["ok"]
        await truth("age", hours=3, cycles=250)
        assert (await truth("charge"))["charge"] == pytest.approx(1.0, abs=1e-3)
        assert served.pen.memory.lifetime.ran_ms >= 3 * 3_600_000
        assert served.pen.plant.parameters.battery_full_c == pytest.approx(0.9 * 2160, rel=1e-3)


async def test_a_pen_that_is_switched_off_says_nothing_and_is_another_boot_afterwards(served: Served) -> None:
    async with served.client() as client, connected(served.url) as host:
        boot = host.latest.boot_id
        await client.ask("hand", action="power_off")
        count = len(host.seen)
        await client.ask("wait", **{"for": f"lived_ms>{served.pen.lived_ms + 100}"})
        assert len(host.seen) <= count + 1
        await client.ask("hand", action="power_on")
        await client.ask("wait", **{"for": "awake=true"})
        assert served.pen.firmware.boot_id != boot


async def test_a_fault_for_a_time_and_a_schedule(served: Served) -> None:
    async with served.client() as client:
        await client.ask("inject", fault="motor_stall", for_ms=30)
        assert (await client.ask("wait", **{"for": "injected=motor_stall"}))["ok"]
        assert (await client.ask("wait", **{"for": "injected=none"}))["ok"]
        planned = [{"at_ms": 20, "fault": "ingress", "for_ms": 50}]
        assert (await client.ask("schedule", faults=planned))["schedule"][0]["parameters"] == {}
        assert (await client.ask("wait", **{"for": "injected=ingress"}))["ok"]
        assert (await client.ask("wait", **{"for": ["injected=none", "faults=INGRESS"]}))["ok"]
        made = await client.ask("schedule", seed=9, count=3, length_ms=600_000)
        assert made["schedule"] == (await client.ask("schedule", seed=9, count=3, length_ms=600_000))["schedule"]


async def test_whoever_says_no_more_gets_the_whole_answer(served: Served) -> None:
    """The catalogue is longer than what a socket takes at once."""
    reader, writer = await asyncio.open_unix_connection(served.path)
    writer.write(b'{"do": "faults"}\n' * 12)
    writer.write_eof()
    await asyncio.sleep(0.05)
    answers = (await reader.read()).splitlines()
    writer.close()
    await writer.wait_closed()
    assert len(answers) == 12
    assert all(json.loads(answer)["ok"] for answer in answers)


async def test_whoever_says_no_more_and_waits_gets_the_answer(served: Served) -> None:
    """As `nc -N` and `socat` do: the request, then the end of what they say."""
    reader, writer = await asyncio.open_unix_connection(served.path)
    writer.write(b'{"do": "wait", "for": "injected=ingress", "within_ms": 60000}\n')
    writer.write_eof()
    async with served.client() as other:
        await asyncio.sleep(0.05)
        await other.ask("inject", fault="ingress")
    async with asyncio.timeout(5):
        answers = (await reader.read()).splitlines()
    writer.close()
    await writer.wait_closed()
    assert [json.loads(answer)["ok"] for answer in answers] == [True]


async def test_whoever_waits_and_leaves_frees_the_seat(served: Served) -> None:
    for _ in range(CLIENTS_MAX):
        _, writer = await asyncio.open_unix_connection(served.path)
        writer.write(b'{"do": "wait", "for": "injected=ingress", "within_ms": 600000}\n')
        await writer.drain()
        await asyncio.sleep(0.01)
        writer.close()
        await writer.wait_closed()
    async with served.client() as client:
        assert (await client.ask("truth"))["ok"]


async def test_clearing_everything_clears_what_was_to_come(served: Served) -> None:
    async with served.client() as client:
        await client.ask("schedule", faults=[{"at_ms": 60, "fault": "ingress"}])
        await client.ask("clear")
        await asyncio.sleep(0.12)
        assert (await client.ask("truth"))["truth"]["injected"] == []


async def test_a_schedule_of_what_cannot_be_here_is_refused_whole(served: Served) -> None:
    async with served.client() as client:
        planned = [{"at_ms": 0, "fault": "ingress"}, {"at_ms": 1, "fault": "usb_stall_in"}]
        refused = (await client.ask("schedule", faults=planned))["error"]
        assert (refused["because"], "needs a pen on USB" in refused["sentence"]) == ("no_such_part", True)
        assert (await client.ask("truth"))["truth"]["injected"] == []


async def test_what_there_is_no_room_for_is_not_done(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulators.control.TIMERS_MAX", 1)
    async with served.client() as client:
        await client.ask("inject", fault="motor_stall", for_ms=60_000)
        refused = (await client.ask("inject", fault="ingress", for_ms=60_000))["error"]
        assert "Nothing was done" in refused["sentence"]
        assert (await client.ask("truth"))["truth"]["injected"] == ["motor_stall"]
        await client.ask("clear", fault="motor_stall")
        assert (await client.ask("inject", fault="ingress", for_ms=60_000))["ok"]  # what was cleared waits for nothing


async def test_the_catalogue_says_what_can_be_injected_here(served: Served) -> None:
    async with served.client() as client:
        await client.ask("inject", fault="warm")
        listed = await client.ask("faults")
        missing = {row["name"]: row["missing"] for row in listed["faults"]}
        assert (missing["line_loss"], missing["usb_stall_in"]) == ("", "a pen on USB")
        assert [one["fault"] for one in listed["active"]] == ["warm"]


@pytest.mark.parametrize(
    ("asked", "because", "sentence"),
    [
        ({"do": "injct"}, "bad_request", "Nearest: inject"),
        ({"do": 5}, "bad_request", "nothing called 5"),
        ({}, "bad_request", "nothing called None"),
        ({"do": "truth", "fault": "x"}, "bad_request", "It takes none"),
        ({"do": "inject", "fualt": "x"}, "bad_request", "Nearest: fault"),
        ({"do": "inject"}, "bad_parameter", "names its fault"),
        ({"do": "inject", "fault": "motor_stal"}, "unknown_fault", "Nearest: motor_stall"),
        ({"do": "inject", "fault": "warm", "parameters": {"temperature_c": 5}}, "bad_parameter", "may be 23 to 59"),
        ({"do": "inject", "fault": "host_stall"}, "no_such_part", "another process"),
        ({"do": "clear", "fault": "motor_stal"}, "unknown_fault", "Nearest: motor_stall"),
        ({"do": "clear", "fault": 5}, "bad_request", "A fault is named"),
        ({"do": "wait", "for": []}, "bad_request", "list of up to"),
        ({"do": "wait", "for": [5]}, "bad_request", "list of up to"),
        ({"do": "wait", "for": "motor_drven=true"}, "bad_condition", "Nearest: motor_driven"),
        ({"do": "wait", "for": "motor_driven>true"}, "bad_condition", "Use = or !="),
        ({"do": "wait", "for": "motor_driven=maybe"}, "bad_condition", "true or false"),
        ({"do": "wait", "for": "rate_hz=fast"}, "bad_condition", "is a number"),
        ({"do": "wait", "for": "rate_hz>nan"}, "bad_condition", "is a number"),
        ({"do": "wait", "for": "rate_hz<inf"}, "bad_condition", "is a number"),
        ({"do": "wait", "for": "what?"}, "bad_condition", "is no condition"),
        ({"do": "wait", "for": "powered=true", "within_ms": 0}, "bad_request", "whole number from 1"),
        ({"do": "wait", "for": "lease>0", "within_ms": 20}, "deadline", "Within 20 ms"),
        ({"do": "hand", "action": "on_skn"}, "bad_request", "Nearest: on_skin"),
        ({"do": "hand", "action": 5}, "bad_request", "is a word"),
        ({"do": "hand", "action": "on_skin", "zone": "chek"}, "unknown_zone", "Nearest: cheek"),
        ({"do": "hand", "action": "button", "held_ms": "long"}, "bad_request", "whole number"),
        ({"do": "schedule", "faults": {}}, "bad_request", "list of at most"),
        ({"do": "schedule", "seed": -1}, "bad_request", "whole number from 0"),
        ({"do": "schedule", "count": 10**9}, "bad_request", "whole number from 1"),
    ],
)
async def test_what_cannot_be_done_is_said_and_the_client_stays(
    served: Served, asked: Answer, because: str, sentence: str
) -> None:
    async with served.client() as client:
        answer = await client.raw(json.dumps({**asked, "id": 7}).encode() + b"\n")
        assert (answer["ok"], answer["id"], answer["error"]["because"]) == (False, 7, because)
        assert sentence in answer["error"]["sentence"]
        assert (await client.ask("truth"))["ok"]


async def test_it_is_its_owners_alone_and_goes_with_the_pen(tmp_path: Path) -> None:
    path = tmp_path / "control"
    async with simulator() as live:
        controlled = ControlledPen(live.pen, Injector(live.pen))
        async with ControlSocket(path, controlled):
            assert stat.S_IMODE(path.lstat().st_mode) == 0o600
            with pytest.raises(EndpointError, match="another simulated pen"):
                async with ControlSocket(path, controlled):
                    pass
            assert path.exists()
        assert not path.exists()


async def test_a_socket_left_behind_is_taken_over_and_a_file_is_not(tmp_path: Path) -> None:
    path = tmp_path / "control"
    async with simulator() as live:
        controlled = ControlledPen(live.pen, Injector(live.pen))
        left = ControlSocket(path, controlled)
        await left.__aenter__()
        kept = os.dup(left._server.sockets[0].fileno())  # type: ignore[union-attr]
        left._inode = 0
        await left.__aexit__()
        os.close(kept)
        assert path.exists()
        async with ControlSocket(path, controlled):
            pass
        path.write_text("mine")
        with pytest.raises(EndpointError, match="is no socket"):
            async with ControlSocket(path, controlled):
                pass
        assert path.read_text() == "mine"
        for wrong in (tmp_path / "none" / "control", tmp_path / ("x" * 200)):
            with pytest.raises(EndpointError, match="Name a short path"):
                async with ControlSocket(wrong, controlled):
                    pass


# Bad clients


def truth_in(size_bytes: int) -> bytes:
    """A request of that length, without its line end."""
    asked = b'{"do": "truth"'
    return asked + b" " * (size_bytes - len(asked) - 1) + b"}"


@pytest.mark.parametrize("more_bytes", [1, 100, 4096, 50_000])
async def test_a_line_that_is_too_long_is_refused_and_nothing_but_that_line_is_lost(
    served: Served, more_bytes: int
) -> None:
    async with served.client() as good, served.client() as client:
        assert (await client.raw(truth_in(LINE_MAX_BYTES) + b"\n"))["ok"]
        client.writer.write(truth_in(LINE_MAX_BYTES + more_bytes) + b"\n" + b'{"do": "truth", "id": 5}\n')
        refused, after = await client.answer(), await client.answer()
        assert refused["error"]["because"] == "too_long"
        assert "16384 bytes" in refused["error"]["sentence"]
        assert (after["ok"], after["id"]) == (True, 5)
        assert (await good.ask("truth"))["ok"]


async def test_a_line_without_end_is_refused_once_not_kept_and_let_go(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_lines, "SKIPPED_MAX_BYTES", 3 * LINE_MAX_BYTES)
    async with served.client() as good, served.client() as bad:
        bad.writer.write(b"x" * (LINE_MAX_BYTES + 4096))
        assert (await bad.answer())["error"]["because"] == "too_long"
        with contextlib.suppress(ConnectionError):
            bad.writer.write(b"x" * 3 * LINE_MAX_BYTES)
            async with asyncio.timeout(5):
                assert await bad.reader.read() == b""
        assert (await good.ask("truth"))["ok"]


@pytest.mark.parametrize(
    ("line", "key", "identity"),
    [
        (b'{"do": "truth", "id": 7, "do": "clear"}', "do", 7),
        (b'{"id": 7, "do": "inject", "fault": "warm", "parameters": {"temperature_c": 40, "temperature_c": 50}}',
         "temperature_c", 7),
        (b'{"id": 7, "do": "truth", "id": 8}', "id", None),
    ],
)  # fmt: skip
async def test_what_stands_twice_in_a_request_is_refused_by_name(
    served: Served, line: bytes, key: str, identity: int | None
) -> None:
    async with served.client() as client:
        answer = await client.raw(line + b"\n")
        assert (answer["ok"], answer["error"]["because"], answer.get("id")) == (False, "bad_request", identity)
        assert f"'{key}' stands there twice" in answer["error"]["sentence"]
        assert (await client.ask("truth"))["truth"]["injected"] == []


async def test_somebody_who_speaks_something_else_is_told_so_and_let_go(served: Served) -> None:
    async with served.client() as client:
        answer = await client.raw(b"GET / HTTP/1.1\r\n")
        assert answer["error"]["because"] == "not_json"
        client.writer.write(b"Header: x\r\n" * 50)
        lines = (await client.reader.read()).splitlines()
        assert len(lines) == 19


async def test_half_a_line_is_waited_for_so_long_and_no_longer(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_lines, "HALF_LINE_S", 0.05)
    async with served.client() as idle, served.client() as client:
        client.writer.write(b'{"do":')
        async with asyncio.timeout(2):
            assert await client.reader.read() == b""
        assert (await idle.ask("truth"))["ok"]


async def test_who_does_not_read_is_let_go(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "REPLY_S", 0.1)
    async with served.client() as client, served.client() as good:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(5):
                while True:
                    client.writer.write(b'{"do":"faults"}\n' * 20)
                    await client.writer.drain()
                    await asyncio.sleep(0.01)
        assert (await good.ask("truth"))["ok"]


async def test_many_at_once_and_one_too_many(served: Served) -> None:
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(served.client()) for _ in range(CLIENTS_MAX)]
        answers = await asyncio.gather(*(client.ask("truth", id=number) for number, client in enumerate(clients)))
        assert [answer["id"] for answer in answers] == [*range(CLIENTS_MAX)]
        async with served.client() as more:
            assert (await more.answer())["error"]["because"] == "too_many"
        waits = [asyncio.create_task(client.ask("wait", **{"for": "injected=warm"})) for client in clients[1:]]
        await clients[0].ask("inject", fault="warm")
        assert all(answer["ok"] for answer in await asyncio.gather(*waits))
    async with asyncio.timeout(2):
        while True:
            async with served.client() as again:
                if (await again.ask("truth")).get("ok"):
                    break


async def test_who_leaves_while_waiting_costs_nothing_any_more(served: Served) -> None:
    async with served.client() as client:
        client.writer.write(b'{"do":"wait","for":"lease>0","within_ms":600000}\n')
        await client.writer.drain()
    async with asyncio.timeout(2):
        while any(task.get_name() == "control client of control" for task in asyncio.all_tasks()):
            await asyncio.sleep(0.005)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=200),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
                lambda inner: (
                    st.lists(inner, max_size=3)
                    | st.dictionaries(
                        st.sampled_from(["do", "id", "fault", "parameters", "for", "within_ms", "action", "seed"]),
                        inner,
                        max_size=4,
                    )
                ),
                max_leaves=8,
            ).map(lambda data: json.dumps(data).encode()),
            st.sampled_from([b"[" * 10_000, b"{" * 1000, b"9" * 5000, b"\xff\xfe\x00", b"null"]),
        ),
        max_size=8,
    )
)
def test_whatever_is_said_every_line_has_an_answer(lines: list[bytes]) -> None:
    """Straight to what answers a line: no byte makes it raise, hang, or say what is no JSON."""

    async def play() -> None:
        async with simulator() as live:
            socket = ControlSocket(Path("unused"), ControlledPen(live.pen, Injector(live.pen)))
            for line in lines:
                try:
                    async with asyncio.timeout(2):
                        answer = await socket._answer(line, lambda: True)
                except ConnectionResetError:
                    continue  # it waited for something, and nobody was there any more
                assert isinstance(answer["ok"], bool)
                json.dumps(answer)
            await socket.__aexit__()

    asyncio.run(play())


# The blocking client


async def test_the_client_for_scripts(served: Served, tmp_path: Path) -> None:
    def script() -> None:
        with ControlClient(served.path) as client:
            assert client.ask("truth")["truth"]["powered"]
            with pytest.raises(ControlRefused, match="Nearest: motor_stall") as refused:
                client.ask("inject", fault="motor_stal")
            assert refused.value.because == "unknown_fault"
        with pytest.raises(NoControl, match="No simulated pen answers"):
            ControlClient(tmp_path / "nobody")

    await asyncio.to_thread(script)


async def test_the_client_notices_that_somebody_else_answers(tmp_path: Path) -> None:
    async def http(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n")
        writer.close()

    path = tmp_path / "other"
    async with await asyncio.start_unix_server(http, str(path)):

        def script() -> None:
            with ControlClient(path) as client, pytest.raises(NoControl, match="Is it one"):
                client.ask("truth")

        await asyncio.to_thread(script)


@pytest.mark.parametrize(
    ("condition", "nearest"),
    [("state=RUNING", "RUNNING"), ("faults=STAL", "STALL"), ("injected=line_los", "line_loss")],
)
async def test_a_word_that_will_never_come_is_not_waited_for(served: Served, condition: str, nearest: str) -> None:
    async with served.client() as client:
        refused = (await client.ask("wait", **{"for": condition, "within_ms": 60_000}))["error"]
    assert nearest in refused["sentence"]
