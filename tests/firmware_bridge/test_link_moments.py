"""The link in moments too short to happen by themselves: a scripted far end that answers at once, twice, or goes."""

import itertools
from random import Random

import pytest

from firmware_bridge.errors import RequestUncertain, TransportLost
from firmware_bridge.handshake import open_link
from firmware_bridge.transports.memory import MemoryPeer, listen
from firmware_bridge.wire.framing import Deframer, frame
from firmware_bridge.wire.messages import Arm, Armed, Hello, Message, Stop, Welcome
from firmware_bridge.wire.operations import OUTCOME, OutcomeKey
from tests.hosts import Host, monotonic_ms

LEASE = 77
_names = itertools.count()


class ScriptedPen:
    """Answers HELLO, and ARM twice in one piece; hangs up right behind its WELCOME when told to."""

    def __init__(self, *, hangs_up: bool = False) -> None:
        self.heard: list[Message] = []
        self._hangs_up = hangs_up
        self._deframer = Deframer()
        self._peer: MemoryPeer | None = None

    def accept(self, peer: MemoryPeer) -> None:
        self._peer = peer
        peer.on_data = self._data

    def _data(self, data: bytes) -> None:
        peer = self._peer
        assert peer is not None
        for message in self._deframer.feed(data):
            self.heard.append(message)
            if isinstance(message, Hello):
                peer.write(frame(_welcome(message.nonce), 0))
                if self._hangs_up:
                    peer.close()
            elif isinstance(message, Arm):
                peer.write(frame(Armed(message.key, 0, LEASE), 1) * 2)


def _welcome(nonce: int) -> Welcome:
    return Welcome(nonce, 1, 5, b"SCRIPT", b"1", b"1", 1, 0, 2500, 50, 20_000, 150_000, 1000, 300, 120, 20)


async def test_the_same_answer_to_arm_twice_is_one_lease_and_no_stop() -> None:
    pen, name = ScriptedPen(), f"moments-{next(_names)}"
    listener = listen(name, pen.accept)
    link = await open_link(listener.url, Host(), monotonic_ms=monotonic_ms, random=Random(1))
    try:
        lease = await link.arm(depth_ceiling_um=500, rate_ceiling_mhz=100_000, cartridge_tag=0)
        with pytest.raises(RequestUncertain):  # whatever was sent before this request has been heard when it ends
            await link.request(OUTCOME, OutcomeKey(1))
        assert (lease, link.lease) == (LEASE, LEASE)
        assert not any(isinstance(message, Stop) for message in pen.heard)
    finally:
        await link.close()
        listener.close()


async def test_a_port_that_goes_right_behind_the_welcome_is_told_as_lost() -> None:
    pen, name = ScriptedPen(hangs_up=True), f"moments-{next(_names)}"
    listener = listen(name, pen.accept)
    try:
        with pytest.raises(TransportLost):
            await open_link(listener.url, Host(), monotonic_ms=monotonic_ms, random=Random(1))
    finally:
        listener.close()
