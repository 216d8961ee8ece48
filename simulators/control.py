"""The control socket of a served pen: one JSON object a line, over a Unix socket that its owner alone may use.

Out of band: nothing here goes over the pen's wire, and its firmware is not told. A request is ``{"do": …}`` with the
fields that it takes, and ``"id"`` where the answer is to bear it; an answer is ``{"ok": true, …}`` or
``{"ok": false, "error": {"because", "sentence"}}``. Requests of one client are answered in their order; a client that
waits for something holds up nobody else.
"""

import asyncio
import json
import select
import socket
import stat
import time
from collections.abc import Awaitable, Callable, Mapping
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any, Self

from simulators.conditions import parse_condition
from simulators.control_lines import LINE_MAX_BYTES, Lines, request_of
from simulators.controlled import ControlledPen, Data, active_as_data, whole
from simulators.errors import (
    BadCondition,
    BadParameter,
    BadRequest,
    EndpointError,
    NoSuchPart,
    SimulatorError,
    UnknownFault,
    UnknownZone,
)
from simulators.faults.catalogue import fault_named
from simulators.faults.injector import ActiveFault
from simulators.faults.schedule import Planned, Schedule, make_schedule, planned_of

CLIENTS_MAX = 32
"""Far more than test processes of one machine; each costs a task and a buffer."""

REPLY_S = 5.0
"""An answer is taken within this, or the client is let go."""

BAD_LINES_MAX = 20
"""A client that has said nothing understandable so many times in a row speaks something else."""

LOOK_S = 0.004
"""How often the truth is looked at for those who wait: as often as a served pen is moved on."""

WAIT_MAX_MS = 600_000
CONDITIONS_MAX = 16
PLANNED_MAX = 1000

TIMERS_MAX = 5000
"""What is planned for later; each costs a timer."""

_BECAUSE = {
    UnknownFault: "unknown_fault",
    BadParameter: "bad_parameter",
    NoSuchPart: "no_such_part",
    UnknownZone: "unknown_zone",
    BadCondition: "bad_condition",
    BadRequest: "bad_request",
}

Left = Callable[[], bool]
"""Whether the client that asked has closed its connection."""

Does = Callable[[Mapping[str, Any], Left], Awaitable[Data]]


class ControlSocket:
    """Serves ``pen`` at ``path`` between entering and leaving; an async context manager.

    Raises EndpointError when the path is in use, is no socket, or cannot be had.
    """

    def __init__(self, path: Path, pen: ControlledPen) -> None:
        self._path = path
        self._pen = pen
        self._server: asyncio.Server | None = None
        self._inode = 0
        self._clients: set[asyncio.Task[None]] = set()
        self._timers: dict[asyncio.TimerHandle, ActiveFault | None] = {}
        self._does: dict[str, tuple[Does, frozenset[str]]] = {
            "faults": (self._faults, frozenset()),
            "inject": (self._inject, frozenset({"fault", "parameters", "for_ms"})),
            "clear": (self._clear, frozenset({"fault"})),
            "truth": (self._truth, frozenset()),
            "wait": (self._wait, frozenset({"for", "within_ms"})),
            "hand": (self._hand, frozenset({"action", "zone", "held_ms", "hours", "cycles"})),
            "schedule": (self._schedule, frozenset({"seed", "count", "length_ms", "faults"})),
        }

    # The socket

    async def __aenter__(self) -> Self:
        if not hasattr(socket, "AF_UNIX"):
            raise EndpointError("This system has no Unix sockets, so a pen cannot be controlled from outside here.")
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._free()
            listening.bind(str(self._path))
            self._path.chmod(0o600)  # nobody can connect before it listens
            self._inode = self._path.lstat().st_ino
            self._server = await asyncio.start_unix_server(self._serve, sock=listening, limit=LINE_MAX_BYTES)
        except OSError as error:
            listening.close()
            raise EndpointError(
                f"{self._path} cannot be the control socket: {error.strerror or error}. Name a short path in a folder "
                "you may write to."
            ) from error
        except EndpointError:
            listening.close()
            raise
        return self

    async def __aexit__(self, *_exception: object) -> None:
        self._plan_nothing()
        if self._server is not None:
            self._server.close()
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        try:
            if self._path.lstat().st_ino == self._inode:
                self._path.unlink()
        except FileNotFoundError:
            pass

    def _free(self) -> None:
        """Takes away what a process that is no more has left. Raises EndpointError when it is anything else."""
        try:
            found = self._path.lstat()
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(found.st_mode):
            raise EndpointError(f"{self._path} is there and is no socket. It was left alone; name another path.")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)
            try:
                probe.connect(str(self._path))
            except ConnectionRefusedError:
                self._path.unlink()
                return
            except OSError:
                pass
        raise EndpointError(f"{self._path} is the control socket of another simulated pen. Name another path.")

    # One client

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        closed = False
        task = asyncio.current_task()
        if task is not None:
            task.set_name(f"control client of {self._path.name}")
            self._clients.add(task)
            task.add_done_callback(self._clients.discard)
        try:
            if len(self._clients) > CLIENTS_MAX:
                await _reply(writer, _refused("too_many", f"{CLIENTS_MAX} clients are served already. Close one."))
            else:
                await self._converse(reader, writer)
            writer.close()  # what was answered last may be on its way
            async with asyncio.timeout(REPLY_S):
                await writer.wait_closed()
            closed = True
        except (ConnectionError, TimeoutError):
            pass
        finally:
            if not closed:
                writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines, bad = Lines(reader), 0
        while bad < BAD_LINES_MAX:
            try:
                line = await lines.next()
            except EOFError:
                return
            if line is not None and not line.strip():
                continue
            answer = _TOO_LONG if line is None else await self._answer(line, partial(_left, writer))
            await _reply(writer, answer)
            bad = bad + 1 if answer.get("error", {}).get("because") in {"not_json", "too_long"} else 0

    async def _answer(self, line: bytes, left: Left) -> Data:
        try:
            asked, twice = request_of(line)
        except (ValueError, RecursionError):
            return _refused("not_json", 'One JSON object a line, please: {"do": "truth"}.')
        identity = asked.pop("id", None)
        named = {"id": identity} if isinstance(identity, int | str) and twice != "id" else {}
        if twice:
            said = f"{twice[:40]!r} stands there twice, and which is meant is not known. Nothing was done. Say it once."
            return {**_refused("bad_request", said), **named}
        try:
            return {"ok": True, **named, **await self._do(asked, left)}
        except _Missed as missed:
            return {**_refused("deadline", str(missed)), **named, "truth": self._pen.truth()}
        except SimulatorError as error:
            return {**_refused(_BECAUSE.get(type(error), "simulator"), str(error)), **named}

    async def _do(self, asked: dict[str, Any], left: Left) -> Data:
        what = asked.pop("do", None)
        if not isinstance(what, str) or what not in self._does:
            near = get_close_matches(str(what)[:40], self._does, n=3) or list(self._does)
            raise BadRequest(f"There is nothing called {what!r:.40} to do. Nearest: {', '.join(near)}.")
        does, fields = self._does[what]
        for field in asked:
            if field not in fields:
                near = get_close_matches(field[:40], fields, n=3) or sorted(fields)
                takes = f"Nearest: {', '.join(near)}." if near else "It takes none."
                raise BadRequest(f"{what} takes no {field[:40]!r}. {takes}")
        return await does(asked, left)

    # What can be asked

    async def _faults(self, _asked: Mapping[str, Any], _left: Left) -> Data:
        return self._pen.faults()

    async def _truth(self, _asked: Mapping[str, Any], _left: Left) -> Data:
        return {"truth": self._pen.truth()}

    async def _hand(self, asked: Mapping[str, Any], _left: Left) -> Data:
        self._pen.hand(asked)
        return {"truth": self._pen.truth()}

    async def _inject(self, asked: Mapping[str, Any], _left: Left) -> Data:
        [planned] = planned_of([{"at_ms": 0, **asked}])
        self._check_room(1)
        return {"injected": active_as_data(self._planned(planned))}

    async def _clear(self, asked: Mapping[str, Any], _left: Left) -> Data:
        name = asked.get("fault")
        if name is None:
            self._plan_nothing()
            return {"cleared": list(self._pen.injector.clear_all())}
        if not isinstance(name, str):
            raise BadRequest(f"A fault is named, not {name!r:.40}.")
        return {"cleared": [name] if self._pen.injector.clear(name) else []}

    async def _schedule(self, asked: Mapping[str, Any], _left: Left) -> Data:
        schedule = self._schedule_of(asked)
        for one in schedule:
            if missing := self._pen.injector.missing(fault_named(one.fault)):
                raise NoSuchPart(f"{one.fault} needs {missing}. Nothing of this schedule was planned.")
        self._check_room(2 * len(schedule))
        for one in schedule:
            self._later(one.at_ms, partial(self._planned, one))
        return {"schedule": [one.as_data() for one in schedule]}

    def _schedule_of(self, asked: Mapping[str, Any]) -> Schedule:
        if "faults" in asked:
            if not isinstance(asked["faults"], list) or len(asked["faults"]) > PLANNED_MAX:
                raise BadRequest(f"faults is a list of at most {PLANNED_MAX} planned faults.")
            return planned_of(asked["faults"])
        injector = self._pen.injector
        return make_schedule(
            whole(asked, "seed", 0, 2**63, 0),
            length_ms=whole(asked, "length_ms", 1, WAIT_MAX_MS, 60_000),
            count=whole(asked, "count", 1, PLANNED_MAX, 10),
            kinds=injector.available,
        )

    def _planned(self, planned: Planned) -> ActiveFault:
        fault = self._pen.injector.inject(planned.fault, **planned.parameters)
        if planned.for_ms:
            self._later(planned.for_ms, fault.clear, of=fault)
        return fault

    async def _wait(self, asked: Mapping[str, Any], left: Left) -> Data:
        texts = asked.get("for", [])
        texts = [texts] if isinstance(texts, str) else texts
        if not isinstance(texts, list) or not 0 < len(texts) <= CONDITIONS_MAX or not all(
            isinstance(text, str) for text in texts
        ):  # fmt: skip
            raise BadRequest(f"for is a condition, or a list of up to {CONDITIONS_MAX} of them.")
        conditions = [parse_condition(text, self._pen.truth()) for text in texts]
        within_ms = whole(asked, "within_ms", 1, WAIT_MAX_MS, 5000)
        began = time.monotonic()
        while True:
            truth = self._pen.truth()
            waited_ms = round((time.monotonic() - began) * 1000)
            if all(condition.holds(truth) for condition in conditions):
                return {"truth": truth, "waited_ms": waited_ms}
            if waited_ms >= within_ms:
                raise _Missed(f"Within {within_ms} ms it did not come to {' and '.join(texts)}.")
            if left():
                raise ConnectionResetError("whoever waited has left")
            await asyncio.sleep(LOOK_S)

    def _check_room(self, wanted: int) -> None:
        """Raises BadRequest where so many more cannot wait for their time; what waits for nothing is let go first."""
        for timer, fault in list(self._timers.items()):
            if fault is not None and not self._pen.injector.is_active(fault):
                timer.cancel()
                del self._timers[timer]
        if len(self._timers) + wanted > TIMERS_MAX:
            raise BadRequest(
                f"{len(self._timers)} faults wait for their time already, at most {TIMERS_MAX} may. Nothing was done. "
                "Wait for them, or clear everything."
            )

    def _later(self, after_ms: int, do: Callable[[], object], *, of: ActiveFault | None = None) -> None:
        """``of`` is the fault that ends then, None for one that begins."""

        def now() -> None:
            del self._timers[timer]
            do()

        timer = asyncio.get_running_loop().call_later(after_ms / 1000.0, now)
        self._timers[timer] = of

    def _plan_nothing(self) -> None:
        """What was to come does not."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()


class _Missed(Exception):
    """What was waited for did not come about in time."""


def _left(writer: asyncio.StreamWriter) -> bool:
    """Whether the client is gone: its end is closed for both directions. One that only says no more still listens."""
    if writer.transport.is_closing():
        return True
    looked = select.poll()
    looked.register(writer.get_extra_info("socket"), 0)  # a hang-up is told unasked
    return any(events & select.POLLHUP for _, events in looked.poll(0))


def _refused(because: str, sentence: str) -> Data:
    return {"ok": False, "error": {"because": because, "sentence": sentence}}


_TOO_LONG = _refused("too_long", f"A line has at most {LINE_MAX_BYTES} bytes; this one was not read. Nothing was done.")


async def _reply(writer: asyncio.StreamWriter, answer: Data) -> None:
    writer.write(json.dumps(answer, separators=(",", ":")).encode() + b"\n")
    async with asyncio.timeout(REPLY_S):
        await writer.drain()
