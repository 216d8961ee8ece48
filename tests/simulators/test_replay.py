"""A recording as a pen: the same host hears what it heard, whatever its pace; another one is told where it deviates."""

from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.wire.capture import CapturedBytes
from firmware_bridge.wire.codec import pack, unpack
from firmware_bridge.wire.dissection import dissect
from firmware_bridge.wire.framing import DELIMITER, Deframer, frame
from firmware_bridge.wire.messages import (
    Arm,
    Armed,
    Direction,
    Disarm,
    Hello,
    Message,
    Request,
    Response,
    Setpoint,
    Status,
    Stop,
    Welcome,
)
from firmware_bridge.wire.operations import CALIBRATION_READ, CARTRIDGE_READ
from firmware_bridge.wire.service_operations import SERVICE_ARM, ServiceCeilings, ServiceLease
from simulators.pen import SimulatedPen
from simulators.personality import NW_1, NW_2
from simulators.recorded_steps import steps_of
from simulators.replay import Deviation, RecordedPen

Play = Iterator[list[Message]]


class Ears:
    """What a host in a test has heard so far."""

    def __init__(self) -> None:
        self.heard: list[Message] = []

    def newest(self, kind: type, **wanted: int) -> Message | None:
        found = (one for one in reversed(self.heard) if isinstance(one, kind))
        return next((one for one in found if all(getattr(one, name) == value for name, value in wanted.items())), None)


def treatment(
    ears: Ears,
    seed: int,
    *,
    thinks_ms: int = 0,
    depth_um: int = 700,
    reads: tuple = (CARTRIDGE_READ,),
    service: bool = False,
) -> Play:
    """A host that treats, or works at a bench: each ``next`` is a millisecond, and what it sends in it."""
    chance = Random(seed)
    nonce, key = chance.randint(1, 2**32 - 1), chance.randint(1, 2**32 - 1)
    yield [Hello(nonce, 1)]
    while ears.newest(Welcome, nonce=nonce) is None:
        yield []
    while ears.newest(Status) is None:
        yield []
    tag = 0
    for operation in reads:
        yield from ([] for _ in range(thinks_ms))
        number = chance.getrandbits(16)
        yield [Request(number, nonce, operation.number, 0, b"")]
        while (answer := ears.newest(Response, id=number)) is None:
            yield []
        tag = tag or int.from_bytes(answer.data[2:6], "little")
    yield from ([] for _ in range(thinks_ms))
    if service:
        number = chance.getrandbits(16)
        yield [Request(number, nonce, SERVICE_ARM.number, key, pack(ServiceCeilings(1000, 100_000, 60_000)))]
        while (answer := ears.newest(Response, id=number)) is None:
            yield []
        armed = unpack(ServiceLease, answer.data)
    else:
        yield [Arm(nonce, key, 1000, 100_000, tag)]
        while (armed := ears.newest(Armed, key=key)) is None:
            yield []
    tick = 0
    for motor, depth, beats in ((0, 0, 4), (1, 500, 10), (1, depth_um, 10), (0, 0, 6)):
        yield from ([] for _ in range(thinks_ms))
        for _ in range(beats):
            tick += 1
            seen = ears.newest(Status)
            yield [Setpoint(armed.lease, tick, motor, depth, 100_000, seen.pen_time_ms)]
            yield from ([] for _ in range(49))
    yield from ([] for _ in range(thinks_ms))
    yield [Disarm(armed.lease)]
    while ears.newest(Status).lease:
        yield []
    yield from ([] for _ in range(60))


def recorded(seed: int = 1, **how: object) -> tuple[list[CapturedBytes], Ears]:
    """A treatment of the simulated pen, as it was on the wire; and what the host heard."""
    service = bool(how.get("service"))
    pen = SimulatedPen(NW_2 if service else NW_1, rng=Random(5), today=date(2026, 5, 4))
    if service:
        pen.hold_on("air", touching=False)
    ears, deframer, pieces = Ears(), Deframer(), []
    sequence = 0
    for now_ms, said in enumerate(treatment(ears, seed, **how)):
        for message in said:
            wire = frame(message, sequence)
            sequence += 1
            pieces.append(CapturedBytes(now_ms * 1000, Direction.HOST_TO_PEN, wire))
            pen.receive(1, wire)
        pen.advance(1)
        heard = pen.take(1)
        if heard:
            pieces.append(CapturedBytes(now_ms * 1000 + 900, Direction.PEN_TO_HOST, heard))
            ears.heard += deframer.feed(heard)
    return pieces, ears


RECORDING, HEARD = recorded()


def replayed(play: Play, ears: Ears, pieces: list[CapturedBytes] = RECORDING, most_ms: int = 20_000):
    """The recording played to a host; what was told of deviations, and the pen at the end."""
    told: list[Deviation] = []
    pen = RecordedPen(steps_of(dissect(pieces)), told.append)
    deframer = Deframer()
    for now_ms in range(most_ms):
        pen.advance(now_ms * 1000)
        ears.heard += deframer.feed(pen.take(1))
        for message in next(play, ()):
            pen.receive(1, frame(message, 0))
        if pen.ended:
            break
    ears.heard += deframer.feed(pen.take(1))
    return told, pen


def essence(heard: list[Message]) -> list[Message]:
    """What was heard without repetitions of STATUS and without what a host draws anew."""
    kept = []
    for one in heard:
        if isinstance(one, Status):
            same = one._replace(pen_time_ms=0)
            if kept[-1:] == [same]:
                continue
            kept.append(same)
        elif isinstance(one, Welcome):
            kept.append(one._replace(nonce=0))
        elif isinstance(one, Armed):
            kept.append(one._replace(key=0))
        else:
            kept.append(one._replace(id=0))
    return kept


@pytest.mark.parametrize("thinks_ms", [0, 7, 130])
def test_a_service_lease_is_played_back_as_any_other(thinks_ms):
    pieces, heard = recorded(service=True)
    ears = Ears()
    told, pen = replayed(treatment(ears, 2, thinks_ms=thinks_ms, service=True), ears, pieces)
    assert told == []
    assert pen.ended
    assert max(status.tick for status in ears.heard if isinstance(status, Status)) == 30
    granted = max(place for place, one in enumerate(ears.heard) if isinstance(one, Response))
    leases = [one.lease for one in ears.heard[granted:] if isinstance(one, Status)]
    last = max(place for place, lease in enumerate(leases) if lease)
    assert {*leases[: last + 1]} == {heard.newest(Status, tick=30).lease}, "from its answer to its end, without a gap"


def test_the_same_host_hears_the_same_and_deviates_nowhere():
    ears = Ears()
    told, pen = replayed(treatment(ears, 2), ears)
    assert told == []
    assert pen.ended
    assert essence(ears.heard) == essence(HEARD.heard)
    assert ears.newest(Welcome).nonce != HEARD.newest(Welcome).nonce


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 120), st.integers(0, 120))
def test_a_host_of_another_pace_hears_the_same_in_the_same_order(then_ms, now_ms):
    pieces, heard = recorded(thinks_ms=then_ms)
    ears = Ears()
    told, pen = replayed(treatment(ears, 3, thinks_ms=now_ms), ears, pieces)
    assert told == []
    assert pen.ended
    answers, recorded_answers = (
        [type(one) for one in essence(each.heard) if not isinstance(one, Status)] for each in (ears, heard)
    )
    assert answers == recorded_answers
    states, recorded_states = (
        essence([one for one in each.heard if isinstance(one, Status)]) for each in (ears, heard)
    )
    in_order = iter(recorded_states)
    # Between ARMED and a first setpoint that comes later than it did, the last STATUS is said again, with the lease.
    states = [one for one in states if one in recorded_states or not one.lease or one.tick]
    assert all(state in in_order for state in states), "STATUS of the recording, none twice and none out of order"
    times = [one.pen_time_ms for one in ears.heard if isinstance(one, Status)]
    assert times == sorted(times)


def test_pen_time_goes_on_while_the_host_is_waited_for_so_that_it_is_not_given_up():
    ears = Ears()
    replayed(treatment(ears, 2, thinks_ms=400), ears)
    times = [one.pen_time_ms for one in ears.heard if isinstance(one, Status)]
    assert max(later - earlier for earlier, later in pairwise(times)) <= 41
    armed = next(number for number, one in enumerate(ears.heard) if isinstance(one, Armed))
    behind = [one for one in ears.heard[armed:] if isinstance(one, Status)][:20]
    assert {one.lease for one in behind} == {ears.heard[armed].lease}, "without it a host gives the lease up"


def test_another_depth_is_told_once_with_what_was_commanded_then():
    ears = Ears()
    told, _ = replayed(treatment(ears, 2, depth_um=800), ears)
    sentences = [one.sentence for one in told]
    assert "the host sent SETPOINT motor on, 800 µm, 100000 mHz; in the recording comes" in sentences[0]
    assert "700 µm" in sentences[0]
    assert len([one for one in sentences if "800" in one]) == 1
    assert told[0].recorded_us <= RECORDING[-1].time_us


def test_what_the_host_leaves_out_is_named_and_the_replay_goes_on():
    pieces, _ = recorded(reads=(CARTRIDGE_READ, CALIBRATION_READ))
    ears = Ears()
    told, pen = replayed(treatment(ears, 2), ears, pieces)
    assert [one.sentence for one in told] == ["the host left out: REQUEST CALIBRATION_READ"]
    assert pen.ended


def test_what_the_recording_does_not_have_is_told_and_not_answered():
    ears = Ears()
    told, pen = replayed(treatment(ears, 2, reads=(CARTRIDGE_READ, CALIBRATION_READ)), ears, most_ms=3_000)
    assert told[0].sentence.startswith("the host sent REQUEST CALIBRATION_READ; in the recording comes ARM")
    assert pen.waiting_for.startswith("ARM")
    assert pen.waited_us > 2_000_000
    assert not pen.ended


def test_a_setpoint_left_out_is_told_when_the_host_does_what_came_later():
    ears = Ears()
    told, pen = replayed(treatment(ears, 2, depth_um=500), ears)
    assert [one.sentence for one in told] == ["the host left out: SETPOINT motor on, 700 µm, 100000 mHz"]
    assert pen.ended


def test_it_waits_for_what_the_host_does_last_and_ends_with_it():
    stop = frame(Stop(), 0)
    at_us = RECORDING[-1].time_us + 10_000
    pieces = [*RECORDING, CapturedBytes(at_us, Direction.HOST_TO_PEN, stop)]
    ears = Ears()
    told, pen = replayed(treatment(ears, 2), ears, pieces, most_ms=3_500)
    assert (told, pen.waiting_for, pen.ended) == ([], "STOP", False)
    pen.receive(1, stop)
    assert (told, pen.waiting_for, pen.ended) == ([], "", True)


def test_damage_is_replayed_as_damage():
    pieces = [
        *RECORDING[:2],
        CapturedBytes(RECORDING[1].time_us + 1, Direction.PEN_TO_HOST, b"noise\x00"),
        *RECORDING[2:],
    ]
    told: list[Deviation] = []
    pen = RecordedPen(steps_of(dissect(pieces)), told.append)
    pen.receive(1, frame(Hello(77, 1), 0))
    pen.advance(50_000)
    assert b"noise\x00" in pen.take(1)


def test_a_host_that_connects_anew_is_answered_and_told():
    told: list[Deviation] = []
    pen = RecordedPen(steps_of(dissect(RECORDING)), told.append)
    pen.receive(1, frame(Hello(77, 1), 0))
    pen.advance(5_000)
    pen.take(1)
    for number in range(3):
        pen.receive(2, DELIMITER + frame(Hello(80 + number, 1), 0))
    pen.advance(6_000)
    assert pen.take(1) == b"", "the newest HELLO decides who is answered"
    welcomes = [one for one in Deframer().feed(pen.take(2)) if isinstance(one, Welcome)]
    assert welcomes[-1].nonce == 82
    pen.forget(2)
    assert pen.take(2) == b""


@settings(deadline=None)
@given(
    st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([frame(Hello(5, 1), 0), frame(Stop(), 1)])), max_size=30)
)
def test_no_host_breaks_it(pieces):
    told: list[Deviation] = []
    pen = RecordedPen(steps_of(dissect(RECORDING)), told.append)
    for number, data in enumerate(pieces):
        pen.advance(number * 30_000)
        pen.receive(number % 2, data)
        pen.take(number % 2)
    assert len(told) <= len(pieces) * 2


@pytest.mark.parametrize("pieces", [[], [CapturedBytes(0, Direction.PEN_TO_HOST, frame(Stop(), 0))]])
def test_a_recording_without_a_handshake_has_nothing_to_play(pieces):
    assert RecordedPen(steps_of(dissect(pieces)), lambda _told: None).ended
