"""A simulated pen's firmware: what it accepts, and what is there after the supply failed at any step of any write."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.wire.codec import pack, unpack
from firmware_bridge.wire.messages import Hello, Refusal, Request, Response, Welcome
from firmware_bridge.wire.operations import OUTCOME, OutcomeKey
from firmware_bridge.wire.service_operations import (
    FIRMWARE_APPLY,
    FIRMWARE_BEGIN,
    FIRMWARE_CHUNK,
    FIRMWARE_CHUNK_BYTES,
    FIRMWARE_CONFIRM,
    FIRMWARE_ROLL_BACK,
    FIRMWARE_STATE,
    FirmwareChunk,
    FirmwareImage,
    FirmwareState,
)
from simulators.firmware_store import WHOLE
from simulators.maker import signed_image, simulated_image
from simulators.nonvolatile import WRITE_STEPS
from simulators.pen import BOOT_MS, WATCHDOG_MS
from simulators.personality import MODELS, NW_1
from tests.simulators.conftest import Bench

NW_2 = MODELS["NW-2"]
CONTENT = simulated_image("sim 2.0", size=500)
IMAGE = signed_image("NW-2", "sim 2.0", 200, CONTENT)
KEY = 77


class Updating:
    """A host's side of an update, by bare messages. An answer is None where the pen's supply failed instead."""

    def __init__(self, model=NW_2) -> None:
        self.bench = Bench(model)
        self.connect()

    def connect(self) -> Welcome:
        self.bench.advance(BOOT_MS + 1)
        (welcome,) = [one for one in self.bench.say(Hello(5, 1)) if isinstance(one, Welcome)]
        self.bench.nonce = 5
        return welcome

    def ask(self, operation, arguments=None, *, key: int = 0) -> tuple[Refusal, bytes] | None:
        payload = b"" if arguments is None else pack(arguments)
        heard = self.bench.say(Request(9, 5, operation.number, 0 if operation.repeatable else key or KEY, payload))
        answers = [one for one in heard if isinstance(one, Response)]
        return (Refusal(answers[0].refusal), answers[0].data) if answers else None

    def refusal(self, operation, arguments=None, *, key: int = 0) -> Refusal | None:
        answer = self.ask(operation, arguments, key=key)
        return None if answer is None else answer[0]

    @property
    def state(self) -> FirmwareState:
        refusal, data = self.ask(FIRMWARE_STATE)
        assert refusal is Refusal.NONE
        return unpack(FirmwareState, data)

    def send(self, content: bytes = CONTENT) -> None:
        for offset in range(0, len(content), FIRMWARE_CHUNK_BYTES):
            chunk = FirmwareChunk(offset, content[offset : offset + FIRMWARE_CHUNK_BYTES])
            assert self.refusal(FIRMWARE_CHUNK, chunk) is Refusal.NONE

    def staged(self, image: FirmwareImage = IMAGE, content: bytes = CONTENT) -> "Updating":
        assert self.refusal(FIRMWARE_BEGIN, image, key=1) is Refusal.NONE
        self.send(content)
        return self

    def on_trial(self, image: FirmwareImage = IMAGE, content: bytes = CONTENT) -> "Updating":
        self.staged(image, content)
        assert self.refusal(FIRMWARE_APPLY, key=2) is Refusal.NONE
        return self


def text(field: bytes) -> str:
    return field.rstrip(b"\0").decode()


def test_an_update_from_begin_to_confirmed() -> None:
    updating = Updating()
    before = updating.state
    assert (text(before.running), before.running_number, before.minimum_number) == ("sim 1.0", 100, 90)
    assert (before.trial, before.staged_size, before.staged_sha256) == (0, 0, b"")
    updating.staged()
    ready = updating.state
    assert (ready.staged_size, ready.staged_bytes) == (500, 500)
    assert ready.staged_sha256 == IMAGE.digest_and_signature[:32]
    boot = updating.bench.pen.firmware.boot_id
    assert updating.refusal(FIRMWARE_APPLY) is Refusal.NONE
    welcome = updating.connect()
    assert text(welcome.firmware) == "sim 2.0"
    assert welcome.boot_id != boot
    trial = updating.state
    assert (trial.trial, text(trial.confirmed), trial.staged_size) == (1, "sim 1.0", 0)
    assert updating.refusal(FIRMWARE_CONFIRM, key=3) is Refusal.NONE
    updating.bench.pen.reboot()
    assert text(updating.connect().firmware) == "sim 2.0"
    after = updating.state
    assert (after.trial, text(after.confirmed), after.confirmed_number) == (0, "sim 2.0", 200)


def test_a_trial_that_nobody_confirms_ends_with_the_next_start() -> None:
    updating = Updating().on_trial()
    assert text(updating.connect().firmware) == "sim 2.0"
    updating.bench.pen.reboot()
    assert text(updating.connect().firmware) == "sim 1.0"
    assert updating.refusal(FIRMWARE_CONFIRM, key=3) is Refusal.RANGE


def test_firmware_that_hangs_is_given_up_by_the_watchdog() -> None:
    content = simulated_image("sim 2.1", size=400, starts=False)
    updating = Updating().on_trial(signed_image("NW-2", "sim 2.1", 210, content), content)
    updating.bench.advance(BOOT_MS + 10)
    assert updating.bench.say(Hello(5, 1)) == []
    updating.bench.advance(WATCHDOG_MS)
    assert text(updating.connect().firmware) == "sim 1.0"
    assert updating.state.trial == 0


def test_what_runs_on_trial_is_not_written_over() -> None:
    updating = Updating().on_trial()
    updating.connect()
    content = simulated_image("sim 2.1", size=300)
    assert updating.refusal(FIRMWARE_BEGIN, signed_image("NW-2", "sim 2.1", 210, content), key=4) is Refusal.NONE
    updating.send(content)
    assert updating.refusal(FIRMWARE_APPLY, key=5) is Refusal.RANGE
    assert text(updating.state.running) == "sim 2.0"
    assert updating.refusal(FIRMWARE_CONFIRM, key=6) is Refusal.NONE
    assert updating.refusal(FIRMWARE_APPLY, key=7) is Refusal.NONE
    assert text(updating.connect().firmware) == "sim 2.1"


def test_rolling_back_restarts_into_what_was_confirmed() -> None:
    updating = Updating()
    assert updating.refusal(FIRMWARE_ROLL_BACK) is Refusal.RANGE
    updating.on_trial()
    updating.connect()
    assert updating.refusal(FIRMWARE_ROLL_BACK, key=4) is Refusal.NONE
    assert text(updating.connect().firmware) == "sim 1.0"


@pytest.mark.parametrize(
    ("image", "content"),
    [
        pytest.param(IMAGE, CONTENT[:-1] + b"\0", id="content-changed"),
        pytest.param(IMAGE._replace(number=201), CONTENT, id="number-changed"),
        pytest.param(IMAGE._replace(firmware=b"sim 9.9"), CONTENT, id="version-changed"),
        pytest.param(
            IMAGE._replace(digest_and_signature=IMAGE.digest_and_signature[:32] + bytes(64)), CONTENT, id="no-signature"
        ),
        pytest.param(signed_image("NW-1", "sim 2.0", 200, CONTENT), CONTENT, id="another-model"),
    ],
)
def test_what_the_maker_did_not_sign_for_this_pen_never_runs(image: FirmwareImage, content: bytes) -> None:
    updating = Updating().staged(image, content)
    assert updating.refusal(FIRMWARE_APPLY) is Refusal.RANGE
    updating.bench.pen.reboot()
    assert text(updating.connect().firmware) == "sim 1.0"


def test_a_part_of_an_image_is_not_applied() -> None:
    updating = Updating()
    assert updating.refusal(FIRMWARE_APPLY, key=5) is Refusal.RANGE
    updating.refusal(FIRMWARE_BEGIN, IMAGE, key=1)
    updating.send(CONTENT[:400])
    assert updating.refusal(FIRMWARE_APPLY, key=6) is Refusal.RANGE
    assert text(updating.state.running) == "sim 1.0"


@pytest.mark.parametrize(
    "image",
    [
        signed_image("NW-2", "sim 0.8", 89, CONTENT),
        IMAGE._replace(size=NW_2.firmware_size_max + 1),
        IMAGE._replace(digest_and_signature=b"short"),
    ],
    ids=["under-the-minimum", "too-big", "no-digest"],
)
def test_what_can_never_run_is_refused_at_once(image: FirmwareImage) -> None:
    updating = Updating()
    assert updating.refusal(FIRMWARE_BEGIN, image) is Refusal.RANGE
    assert updating.state.staged_size == 0


def test_a_number_at_the_minimum_is_accepted() -> None:
    updating = Updating().on_trial(signed_image("NW-2", "sim 0.9", 90, CONTENT))
    assert text(updating.connect().firmware) == "sim 0.9"


def test_needles_and_battery_are_asked_before_it_begins_and_before_it_is_applied() -> None:
    updating = Updating()
    plant = updating.bench.pen.plant
    full_c = plant.charge_c
    plant.charge_c = 0.29 * full_c
    assert updating.refusal(FIRMWARE_BEGIN, IMAGE, key=11) is Refusal.NOT_READY
    plant.charge_c = full_c
    updating.staged()
    plant.charge_c = 0.29 * full_c
    assert updating.refusal(FIRMWARE_APPLY, key=12) is Refusal.NOT_READY
    plant.charge_c = full_c
    plant.drive(800.0, 50.0)
    updating.bench.pen.advance(200)
    assert not plant.needles_home
    assert updating.refusal(FIRMWARE_APPLY, key=13) is Refusal.NOT_READY
    assert updating.refusal(FIRMWARE_BEGIN, IMAGE._replace(number=300), key=14) is Refusal.NOT_READY


def test_a_pen_without_the_capability_knows_none_of_it() -> None:
    assert Updating(NW_1).refusal(FIRMWARE_STATE) is Refusal.UNSUPPORTED


def test_pieces_may_come_twice_and_never_leave_a_hole() -> None:
    updating = Updating()
    assert updating.refusal(FIRMWARE_CHUNK, FirmwareChunk(0, b"x")) is Refusal.NOT_READY
    updating.refusal(FIRMWARE_BEGIN, IMAGE, key=1)
    for offset, size, refusal, here in (
        (0, 192, Refusal.NONE, 192),
        (0, 192, Refusal.NONE, 192),
        (100, 192, Refusal.NONE, 292),  # half of it was here
        (293, 10, Refusal.RANGE, 292),
        (292, 0, Refusal.RANGE, 292),
        (292, 192, Refusal.NONE, 484),
        (484, 17, Refusal.RANGE, 484),  # beyond the image
        (484, 16, Refusal.NONE, 500),
    ):
        assert updating.refusal(FIRMWARE_CHUNK, FirmwareChunk(offset, CONTENT[offset : offset + size].ljust(size))) is (
            refusal
        )
        assert updating.state.staged_bytes == here
    assert updating.refusal(FIRMWARE_APPLY) is Refusal.NONE


def test_the_same_image_begun_again_goes_on_where_it_was_and_another_one_anew() -> None:
    updating = Updating()
    updating.refusal(FIRMWARE_BEGIN, IMAGE, key=1)
    updating.send(CONTENT[:192])
    updating.bench.pen.reboot()
    updating.connect()
    assert updating.refusal(FIRMWARE_BEGIN, IMAGE, key=2) is Refusal.NONE
    assert updating.state.staged_bytes == 192
    assert updating.refusal(FIRMWARE_BEGIN, signed_image("NW-2", "sim 2.1", 210, CONTENT), key=3) is Refusal.NONE
    assert updating.state.staged_bytes == 0


@pytest.mark.parametrize("step", range(len(WRITE_STEPS)))
@pytest.mark.parametrize("what", ["begin", "chunk", "apply", "confirm"])
def test_a_supply_that_fails_at_any_step_leaves_the_old_or_the_new(what: str, step: int) -> None:
    updating = Updating()
    if what == "chunk":
        updating.refusal(FIRMWARE_BEGIN, IMAGE, key=1)
    elif what == "apply":
        updating.staged()
    elif what == "confirm":
        updating.on_trial()
        updating.connect()
    updating.bench.pen.memory.cut_at = step
    operation, arguments = {
        "begin": (FIRMWARE_BEGIN, IMAGE),
        "chunk": (FIRMWARE_CHUNK, FirmwareChunk(0, CONTENT[:192])),
        "apply": (FIRMWARE_APPLY, None),
        "confirm": (FIRMWARE_CONFIRM, None),
    }[what]
    assert updating.ask(operation, arguments) is None
    welcome = updating.connect()
    done = step == WHOLE
    state = updating.state
    if not operation.repeatable:
        told = updating.refusal(OUTCOME, OutcomeKey(KEY))
        assert told is (Refusal.NONE if done else Refusal.UNKNOWN_KEY)
    if what == "begin":
        assert state.staged_size == (500 if done else 0)
    elif what == "chunk":
        assert state.staged_bytes == (192 if done else 0)
    elif what == "apply":
        assert text(welcome.firmware) == ("sim 2.0" if done else "sim 1.0")
        assert state.staged_bytes == (0 if done else 500)
        assert state.trial == int(done)
    else:
        assert text(welcome.firmware) == ("sim 2.0" if done else "sim 1.0")
        assert state.trial == 0
    if what in {"begin", "chunk"}:
        # Whatever was there, the update can be ended.
        updating.refusal(FIRMWARE_BEGIN, IMAGE, key=91)
        updating.send(CONTENT)
        assert updating.refusal(FIRMWARE_APPLY, key=92) is Refusal.NONE
        assert text(updating.connect().firmware) == "sim 2.0"


ACTS = st.lists(
    st.tuples(
        st.sampled_from(["begin", "other", "send", "all", "bad", "apply", "confirm", "roll_back", "reboot"]),
        st.one_of(st.none(), st.integers(0, WHOLE)),
    ),
    max_size=25,
)
OTHER_CONTENT = simulated_image("sim 2.1", size=300)
OTHER = signed_image("NW-2", "sim 2.1", 210, OTHER_CONTENT)


@given(ACTS)
def test_whatever_is_asked_and_whenever_the_supply_fails_only_signed_firmware_runs(acts) -> None:
    """And a start finds the version confirmed last, or one that a start has not seen yet."""
    updating = Updating()
    store = updating.bench.pen.memory.firmware
    known = {b"sim 1.0": b"", b"sim 2.0": CONTENT, b"sim 2.1": OTHER_CONTENT}
    for number, (act, cut_at) in enumerate(acts):
        updating.bench.pen.memory.cut_at = cut_at
        confirmed, key = store.confirmed, 1000 + number
        if act == "begin":
            updating.ask(FIRMWARE_BEGIN, IMAGE, key=key)
        elif act == "other":
            updating.ask(FIRMWARE_BEGIN, OTHER, key=key)
        elif act in {"send", "all", "bad"}:
            content = CONTENT if store.staged is not None and store.staged.number == IMAGE.number else OTHER_CONTENT
            here = store.received
            piece = content[here : here + 192] or b"x"
            updating.ask(FIRMWARE_CHUNK, FirmwareChunk(here, bytes(len(piece)) if act == "bad" else piece))
            while act == "all" and updating.bench.pen.awake and here < store.received < len(content):
                here = store.received
                updating.ask(FIRMWARE_CHUNK, FirmwareChunk(here, content[here : here + 192]))
        elif act == "apply":
            updating.ask(FIRMWARE_APPLY, key=key)
        elif act == "confirm":
            updating.ask(FIRMWARE_CONFIRM, key=key)
        elif act == "roll_back":
            updating.ask(FIRMWARE_ROLL_BACK, key=key)
        else:
            updating.bench.pen.reboot()
        updating.bench.pen.memory.cut_at = None
        updating.connect()
        assert known[store.running.version] == store.running.image
        if act != "confirm":
            assert store.confirmed is confirmed
        if act == "reboot":
            assert store.running is store.confirmed or store.trial is store.running


def test_a_slot_of_a_size_is_the_models() -> None:
    updating = Updating(replace(NW_2, firmware_size_max=499))
    assert updating.refusal(FIRMWARE_BEGIN, IMAGE) is Refusal.RANGE
