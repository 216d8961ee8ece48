"""The pen on the bench: the way to it, what may be done to it, and how it is brought to rest between two checks."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random

from firmware_bridge.errors import TransportError
from firmware_bridge.transports import open_transport
from firmware_bridge.wire.codec import pack, unpack
from firmware_bridge.wire.messages import (
    Arm,
    Armed,
    Capability,
    Interlock,
    PenState,
    Refusal,
    Setpoint,
    Status,
    Stop,
    Welcome,
)
from firmware_bridge.wire.operations import CARTRIDGE_READ, CLEAR_FAULT, CartridgeData, FaultMask
from proving.conform.host import BareHost
from proving.conform.verdicts import NotTried, Unmet, expect

SETPOINT_EVERY_S = 0.05
STOP_TRIES = 20
LINE_MS = 60
"""What a line and this machine may add to what the pen itself takes."""

BOOT_TRIES, BOOT_EVERY_S = 60, 0.05

CLOCK_ROUND_MS = 2**32 - 600_000
"""From here on pen time may come round within a run, and every deadline here is reckoned without that."""

Hand = Callable[[], Awaitable[None]]
"""Something done to the pen by hand; returns when it is done."""


@dataclass(frozen=True, slots=True)
class Hands:
    """What a hand can do to this pen; None where there is no hand for it.

    ``swap_cartridge`` takes the cartridge off, and the next time puts one on; ``touch_skin`` lays the pen on skin, and
    the next time takes it off.
    """

    press_button: Hand | None = None
    press_pedal: Hand | None = None
    swap_cartridge: Hand | None = None
    reboot: Hand | None = None
    touch_skin: Hand | None = None


@dataclass(frozen=True, slots=True)
class Allowed:
    """What may be done: ``motion`` turns the motor on; ``writes`` changes what the pen keeps for good.

    Calibration and adjustment table are written back as they were read, the cartridge is marked as used."""

    motion: bool = False
    writes: bool = False


class Bench:
    """One pen under test. Made by :func:`bench`.

    ``other_url`` is a second way into the same pen, empty where there is none. ``host`` is the one at work,
    ``welcome`` what the pen says of itself.
    """

    def __init__(self, url: str, other_url: str, allowed: Allowed, hands: Hands, random: Random) -> None:
        self.url = url
        self.other_url = other_url
        self.allowed = allowed
        self.hands = hands
        self.host = BareHost(may_move=allowed.motion)
        self._random = random
        self._welcome: Welcome | None = None
        self._moved: Status | None = None

    # The way to it

    @property
    def welcome(self) -> Welcome:
        """What the pen said of itself last. Raises NotTried when it never did."""
        if self._welcome is None:
            raise NotTried("the pen did not answer HELLO")
        return self._welcome

    @property
    def known(self) -> Welcome | None:
        """As :attr:`welcome`, None when it never did."""
        return self._welcome

    @property
    def moved(self) -> Status | None:
        """A STATUS of a motor that ran although nothing might turn it on."""
        return self._moved or self.host.moved

    async def open(self) -> None:
        """Opens the way to it, with nothing said yet. Raises a TransportError."""
        self._moved = self.moved
        self.host = BareHost(may_move=self.allowed.motion)
        try:
            self.host.transport = await open_transport(self.url, self.host)
        except TransportError as error:
            self.host.lost.append(error)
            raise

    async def close(self) -> None:
        """Closes it; the pen is told nothing."""
        if self.host.transport is not None:
            await self.host.transport.close()

    async def try_other(self) -> None:
        """Opens and closes the second way where one was named, for it is meant to be tried. Raises a TransportError."""
        if self.other_url:
            await (await open_transport(self.other_url, BareHost(may_move=False))).close()

    @asynccontextmanager
    async def other(self) -> AsyncIterator[BareHost]:
        """A host on the second way into the pen. Raises NotTried where there is none."""
        if not self.other_url:
            raise NotTried("needs a second way into the same pen: --other-medium URL")
        host = BareHost(may_move=self.allowed.motion)
        try:
            host.transport = await open_transport(self.other_url, host)
        except TransportError as error:
            raise NotTried(f"the second way cannot be opened: {error}") from error
        try:
            yield host
        finally:
            self._moved = self._moved or host.moved
            host.write(b"\0")
            host.send(Stop())
            await host.transport.close()

    def number(self) -> int:
        """A nonce or a key: random, 32 bits, not 0."""
        return self._random.randint(1, 0xFFFF_FFFF)

    def has(self, capability: Capability) -> bool:
        """Whether the pen says it can."""
        return bool(self.welcome.capabilities & capability)

    def needs(self, *capabilities: Capability) -> None:
        """Raises NotTried unless the pen has them all."""
        for capability in capabilities:
            if not self.has(capability):
                raise NotTried(f"the pen has no {capability.name}")

    def hand(self, name: str, capability: Capability | None = None) -> Hand:
        """A hand at the pen. Raises NotTried where there is none, or nothing for it to take hold of."""
        if capability is not None:
            self.needs(capability)
        found: Hand | None = getattr(self.hands, name)
        if found is None:
            raise NotTried(f"needs a hand at the pen ({name.replace('_', ' ')})")
        return found

    # From rest

    async def met(self) -> BareHost:
        """A new connection, nothing of the earlier ones to be seen. Raises Unmet."""
        host = self.host
        self._welcome = await host.shake_hands(self.number())
        host.forget()
        return host

    async def at_rest(self) -> BareHost:
        """A new connection to a pen without lease and without fault, its needles out. Raises Unmet."""
        if self.host.lost:
            await self.open()
        self.host.stop()
        host = await self.met()
        resting = {PenState.IDLE, PenState.FAULT}
        status = await host.status(
            lambda status: status.state in resting, "the pen back at rest (IDLE or FAULT) after STOP"
        )
        if status.pen_time_ms > CLOCK_ROUND_MS:
            raise NotTried("the pen's clock comes round within minutes: start it anew")
        if status.faults:
            await self.clear(status.faults)
        host.forget()
        return host

    async def rebooted(self, reboot: Hand) -> None:
        """Starts the pen anew and meets it again. Raises Unmet when its boot id is the same as before."""
        before = self.welcome.boot_id
        await reboot()
        for _ in range(BOOT_TRIES):
            if self.host.lost:
                await self.open()
            await self.met()
            if self.welcome.boot_id != before:
                return
            await asyncio.sleep(BOOT_EVERY_S)
        raise Unmet("another boot id after a reboot", f"{before} as before")

    async def clear(self, faults: int) -> None:
        """Clears these faults, once the needles are out. Raises Unmet."""
        host = self.host
        await host.status(lambda status: status.state == PenState.FAULT, "state FAULT once the needles are out")
        answer = await host.request(CLEAR_FAULT.number, pack(FaultMask(faults)), key=self.number())
        expect(answer.refusal == Refusal.NONE, "CLEAR_FAULT to clear a fault whose cause is gone", answer)
        await host.status(lambda status: not status.faults, "STATUS without faults after CLEAR_FAULT")

    async def stop(self) -> bool:
        """STOP and DISARM, until the pen confirms that there is no lease and no motor. Whether it did; never raises."""
        for _ in range(STOP_TRIES):
            self.host.stop()
            try:
                seen = await self.host.next(Status, within_s=0.1)
            except Unmet:
                if self.host.lost or self._welcome is None:
                    return False
                continue
            if not seen.lease and seen.state != PenState.RUNNING:
                return True
        return False

    # Leases and setpoints

    @property
    def depth_um(self) -> int:
        """The least depth the pen sets that is not 0."""
        step, least = self.welcome.depth_step_um, max(self.welcome.depth_min_um, 1)
        return -(-least // step) * step

    @property
    def rate_mhz(self) -> int:
        """The least rate the pen sets."""
        step, least = self.welcome.rate_step_mhz, max(self.welcome.rate_min_mhz, 1)
        return -(-least // step) * step

    async def arm_of(self, key: int = 0) -> Arm:
        """An ARM with everything in order, for the least depth and rate there is. Raises NotTried, Unmet."""
        tag = 0
        if self.has(Capability.CARTRIDGE_IDENTIFIED):
            answer = await self.host.request(CARTRIDGE_READ.number)
            expect(answer.refusal == Refusal.NONE, "CARTRIDGE_READ answered", answer)
            tag = unpack(CartridgeData, answer.data).tag
        depth_um = self.depth_um if self.has(Capability.DEPTH_SET) else self.welcome.depth_max_um
        rate_mhz = self.rate_mhz if self.has(Capability.RATE_SET) else self.welcome.rate_max_mhz
        return Arm(self.host.nonce, key or self.number(), depth_um, rate_mhz, tag)

    def armable(self) -> None:
        """Raises NotTried for a pen that is never armed."""
        self.needs(Capability.DEAD_MAN)
        if not self.has(Capability.DEPTH_SET) and not self.has(Capability.DEPTH_SENSED):
            raise NotTried("the pen neither sets nor senses its depth: it is never armed")

    async def armed(self, **changes: int) -> Armed:
        """A live lease. Raises NotTried where this pen, as it is, may refuse it; Unmet where it may not."""
        self.armable()
        present = (await self.host.status()).interlocks & Interlock.CARTRIDGE_PRESENT
        if not present:
            raise NotTried("no cartridge is inserted: put one on")
        answer = await self.host.armed((await self.arm_of())._replace(**changes))
        if answer.refusal == Refusal.NOT_READY:
            raise NotTried("the pen refuses to be armed: NOT_READY (battery, temperature or a sensor)")
        expect(answer.refusal == Refusal.NONE and answer.lease != 0, "ARM accepted, with a lease", answer)
        # Looked at before anything is done with it: a motor that runs by now is one nobody asked for.
        await self.host.status(lambda status: status.lease == answer.lease, f"a STATUS with lease {answer.lease}")
        return answer

    def wish(self, lease: int, tick: int, status: Status, **changes: int) -> Setpoint:
        """Motor off under this lease, decided on this STATUS, but for what is changed."""
        return Setpoint(lease, tick, 0, 0, 0, status.pen_time_ms)._replace(**changes)

    @property
    def on(self) -> dict[str, int]:
        """What turns the motor on, at the least depth and rate. Raises NotTried without permission."""
        if not self.allowed.motion:
            raise NotTried("needs --allow-motion")
        return {"motor": 1, "depth_um": self.depth_um, "rate_mhz": self.rate_mhz}

    @asynccontextmanager
    async def driving(self, lease: int, first_tick: int = 1, **values: int) -> AsyncIterator[None]:
        """Sends a setpoint every 50 ms, decided on the newest STATUS."""
        await self.host.status()

        async def drive() -> None:
            tick = first_tick
            while True:
                self.host.send(self.wish(lease, tick, self.host.statuses()[-1], **values))
                tick += 1
                await asyncio.sleep(SETPOINT_EVERY_S)

        task = asyncio.create_task(drive(), name="setpoints")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def refusal_of(self, *setpoints: Setpoint) -> int:
        """Why the last of these was refused. A setpoint of no lease takes away what STATUS showed before."""
        host = self.host
        host.send(Setpoint(1, 1, 0, 0, 0, 0))
        await host.status(lambda status: status.refusal == Refusal.LEASE, "refusal LEASE for a setpoint of no lease")
        host.send(*setpoints)
        seen = await host.status(
            lambda status: status.refusal != Refusal.LEASE, f"STATUS to tell why {setpoints[-1]} was refused"
        )
        return seen.refusal


@asynccontextmanager
async def bench(
    url: str,
    *,
    random: Random,
    other_url: str = "",
    allowed: Allowed = Allowed(),
    hands: Hands = Hands(),
) -> AsyncIterator[Bench]:
    """A pen under test, the port open. Whatever happens inside, STOP and DISARM are sent at the end, before it closes.

    Raises a TransportError when the port, or the second way that was named, cannot be opened.
    """
    found = Bench(url, other_url, allowed, hands, random)
    await found.open()
    try:
        await found.try_other()
        yield found
    finally:
        found.host.stop()
        await found.close()
