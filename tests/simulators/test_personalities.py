"""The pens there are: read from a file that says only what a pen can have, and each behaves as it says."""

import pytest

from firmware_bridge.wire.messages import Capability, Refusal
from simulators.errors import BadPenData
from simulators.personality import MODELS, NW_1, PenModel, read_pens


def test_every_pen_says_what_it_is_and_where_that_is_from() -> None:
    assert all(model.about and model.source for model in MODELS.values())
    assert len({model.serial for model in MODELS.values()}) == len(MODELS)


def test_the_defaults_are_nw_1() -> None:
    plain = PenModel()
    assert {name for name in type(plain).__slots__ if getattr(plain, name) != getattr(NW_1, name)} == {
        "about",
        "source",
    }


@pytest.mark.parametrize("model", MODELS.values(), ids=lambda model: model.name)
def test_a_data_sheet_does_not_contradict_itself(model: PenModel) -> None:
    assert 0 <= model.depth_min_um < model.depth_max_um
    assert not (model.depth_min_um % model.depth_step_um)
    assert not (model.depth_max_um % model.depth_step_um)
    assert 0 < model.rate_min_mhz <= model.rate_max_mhz
    assert not (model.rate_min_mhz % model.rate_step_mhz)
    assert not (model.rate_max_mhz % model.rate_step_mhz)
    has = model.capabilities
    for setting, by_hand in (
        (Capability.DEPTH_SET, Capability.DEPTH_MANUAL),
        (Capability.RATE_SET, Capability.RATE_MANUAL),
    ):
        assert bool(has & setting) != bool(has & by_hand)
    if has & Capability.DEPTH_MANUAL:
        assert model.dial_depth_um % model.depth_step_um == 0
        assert model.depth_min_um <= model.dial_depth_um <= model.depth_max_um
    furthest_um = model.depth_max_um + model.plant.drive_offset_um + model.plant.backlash_um / 2
    assert (furthest_um - model.plant.home_um) / model.plant.actuator_um_s * 1000 < model.retract_ms


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[X]\nretract_sm = 1", "key 'retract_sm'.*Nearest: retract_ms"),
        ("[X]\nlacks = ['DEPTH_SENSE']", "capability 'DEPTH_SENSE'.*Nearest: DEPTH_SENSED"),
        ("[X]\nhas = ['PEDALS']", "Nearest: PEDAL"),
        ("[X]\nplant = { winding = 3.0 }", "Nearest: winding_ohm"),
        ("[X]\nnoise = { depth = 3.0 }", "Nearest: depth_um"),
    ],
)
def test_a_pen_that_says_what_no_pen_has_is_refused_with_the_nearest_name(text: str, said: str) -> None:
    with pytest.raises(BadPenData, match=said):
        read_pens(text)


def test_steps_at_full_depth_it_turns_at_its_slowest_and_says_so(make_bench) -> None:
    bench = make_bench(MODELS["NW-STEPS"])
    bench.connect()
    assert bench.arm(depth_ceiling_um=3000).refusal == Refusal.NONE
    bench.run(500, depth_um=2900, rate_mhz=125_000)
    assert bench.status().rate_set_mhz == 125_000
    bench.run(500, depth_um=3000, rate_mhz=125_000)
    status = bench.status()
    assert (status.depth_set_um, status.rate_set_mhz) == (3000, 25_000)
    assert bench.pen.truth.rate_hz == pytest.approx(25.0, abs=8.0)  # and not slower than tissue makes it
    bench.run(500, depth_um=2900, rate_mhz=125_000)
    assert bench.status().rate_set_mhz == 125_000


def test_band_shows_its_rate_in_whole_hertz(make_bench) -> None:
    bench = make_bench(MODELS["NW-BAND"], noisy=True).running(1000, rate_mhz=110_000)
    shown = {status.rate_measured_mhz for status in bench.statuses[1][-20:]}
    assert shown
    assert not [rate for rate in shown if rate % 1000]
    assert bench.pen.truth.rate_hz * 1000 == pytest.approx(max(shown), abs=1000)


def test_band_sets_nothing_slower_than_its_band(make_bench) -> None:
    bench = make_bench(MODELS["NW-BAND"]).ready()
    assert bench.setpoint(rate_mhz=99_000) == Refusal.RANGE
    assert bench.setpoint(rate_mhz=100_000) == Refusal.NONE


def test_bare_goes_deeper_than_set_and_turns_slower_than_it_claims(make_bench) -> None:
    model = MODELS["NW-BARE"]
    bench = make_bench(model)
    bench.connect()
    bench.arm(rate_ceiling_mhz=300_000)
    bench.run(1000, depth_um=1000, rate_mhz=300_000)
    true_um = bench.pen.truth.protrusion_um
    assert true_um == pytest.approx(1000 + model.plant.drive_offset_um - model.plant.backlash_um / 2)
    assert bench.pen.truth.rate_hz < 200.0
    status = bench.status()
    assert (status.rate_set_mhz, status.rate_measured_mhz, status.depth_measured_um) == (300_000, 0xFFFF_FFFF, -0x8000)
