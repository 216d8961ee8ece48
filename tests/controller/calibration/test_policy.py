"""The policy as data: the shipped example is sound, and a file that contradicts itself is refused by line."""

from datetime import timedelta
from importlib.resources import files

import pytest

from controller.calibration.policy import CalibrationPolicy, load_policy
from controller.calibration.setup import Environment, accuracy_setup, depth_setup, model_policy, rate_setup
from controller.datafile import parse_data
from controller.errors import ControlRefused, DataError
from simulators.personality import MODELS
from tests.controller.calibration.bench import POLICY, ROOM, TODAY

TEXT = (files("controller") / "data" / "calibration.yaml").read_text(encoding="utf-8")


def test_the_shipped_policy_is_sound() -> None:
    policy = load_policy()
    assert {"NW-1", "NW-2"} <= policy.models.keys()
    assert policy.depth_methods["six-point"].tolerance_um == 150
    assert policy.decision.guard_band_permille == 1000
    assert (policy.due["yearly"].notice_days, policy.due["yearly"].grace_days) == (30, 0)


@pytest.mark.parametrize(
    ("was", "now", "reason"),
    [
        ("points_mm: [0.25, 0.50,", "points_mm: [0.50, 0.50,", "points rise, each beyond the one before"),
        ("directions: [up, down]        #", "directions: [up, up]        #", "each direction stands once"),
        ("directions: [up, down]        #", "directions: [up, sideways] #", "'sideways' is not 'up' or 'down'"),
        ("repeats: 3                    #", "repeats: 1                    #", "at least 2 is needed here"),
        (
            "absurd_mm: 0.80               #",
            "absurd_mm: 0.10               #",
            "an absurd error is more than the tolerance",
        ),
        (
            "tolerance_mm: 0.15            #",
            "tolerance: 0.15            #",
            "a quantity's key names its unit: tolerance_mm",
        ),
        ("    points_hz: [40,", "    points_hz: [0,", "a rate of 0 Hz has no error in ppm"),
        (
            "    load: test-pad\n",
            "    load: test-pat\n",
            "there is no load 'test-pat' here. Did you mean test-pad?",
        ),
        ("    load: test-pad\n", "", "belong together: all three or none"),
        ("load_points_hz: [80, 120]", "load_points_hz: [80, 121]", "droop is told against the same rate without load"),
        ("    depth_method: six-point\n", "    depth_method: sixpoint\n", "Did you mean six-point?"),
        ("parts: [motor, cam,", "parts: [motr, cam,", "there is no part 'motr' here. Did you mean motor?"),
        ("depth_ceiling_mm: 2.5", "depth_ceiling_mm: 2.1", "service mode goes neither that deep nor that fast"),
        ("rate_ceiling_hz: 150", "rate_ceiling_hz: 149", "service mode goes neither that deep nor that fast"),
        ("lease_s: 60", "lease_s: 3600", "at most 600000 is needed here"),
        ("temperature_min_c: 17", "temperature_min_c: 27", "greatest temperature is more than the least"),
        ("humidity_max_percent: 80", "humidity_max_percent: 20", "greatest humidity is more than the least"),
        ("motor_current_at_most_ma: 600", "motor_current_at_most_ma: 10", "greatest current is more than the least"),
        ("    due_on: 2099-12-31\n", "    due_on: 2020-12-31\n", "it falls due after it was calibrated"),
        ("statement: graded ", "statement: fuzzy ", "'fuzzy' is not 'binary' or 'graded'"),
        (
            "needlework-calibration/1",
            "needlework-calibration/9",
            "'needlework-calibration/9' is not 'needlework-calibration/1'",
        ),
    ],
)
def test_a_policy_that_contradicts_itself_is_refused_by_line(was: str, now: str, reason: str) -> None:
    assert was in TEXT
    with pytest.raises(DataError, match=r"^clinic\.yaml:[0-9]+: .*Nothing was loaded") as caught:
        parse_data(CalibrationPolicy, TEXT.replace(was, now, 1).encode(), "clinic.yaml")
    assert reason in str(caught.value)


def test_a_model_the_policy_does_not_know() -> None:
    with pytest.raises(ControlRefused, match=r"'NW-3'\. Did you mean NW-2 or NW-1\?"):
        model_policy(POLICY, "NW-3")


def test_what_is_not_listed_is_not_used() -> None:
    with pytest.raises(ControlRefused, match=r"no depth gauge 'bench-guage'\. Did you mean bench-gauge\?"):
        depth_setup(POLICY, "NW-2", "bench-guage", "master-16", ROOM, TODAY)


def test_a_thermometer_of_the_policy_is_held_to_its_due_date_and_none_is_asked_for() -> None:
    limits = POLICY.environment
    late = limits.model_copy(update={"thermometer": limits.thermometer.model_copy(update={"due_on": TODAY})})  # type: ignore[union-attr]
    tomorrow = TODAY + timedelta(days=1)
    with pytest.raises(ControlRefused, match=r"The thermometer Thermo-hygrometer .* was due on 2026-11-26"):
        depth_setup(POLICY.model_copy(update={"environment": late}), "NW-2", "bench-gauge", "master-16", ROOM, tomorrow)
    without = POLICY.model_copy(update={"environment": limits.model_copy(update={"thermometer": None})})
    setup = depth_setup(without, "NW-2", "bench-gauge", "master-16", ROOM, tomorrow)
    assert setup.thermometer is None


@pytest.mark.parametrize("expired", ["depth_gauges", "reference_cartridges", "tachometers", "loads"])
def test_an_expired_reference_is_refused_the_day_after(expired: str) -> None:
    listed = {name: each.model_copy(update={"due_on": TODAY}) for name, each in getattr(POLICY, expired).items()}
    policy = POLICY.model_copy(update={expired: listed})

    def everything(day: int) -> None:
        today = TODAY + timedelta(days=day)
        depth_setup(policy, "NW-2", "bench-gauge", "master-16", ROOM, today)
        rate_setup(policy, "NW-2", "bench-tachometer", today)
        accuracy_setup(policy, "NW-2", "bench-gauge", "master-16", "bench-tachometer", ROOM, today)

    everything(0)
    with pytest.raises(ControlRefused, match="was due on 2026-11-26: what it reads is traceable to nothing") as caught:
        everything(1)
    assert caught.value.because == "reference_expired"


def test_a_reference_from_the_future_is_refused() -> None:
    with pytest.raises(ControlRefused, match="which is not yet") as caught:
        depth_setup(POLICY, "NW-2", "bench-gauge", "master-16", ROOM, TODAY - timedelta(days=400))
    assert caught.value.because == "reference_not_yet_valid"


def test_needles_too_short_for_the_method() -> None:
    short = POLICY.reference_cartridges["master-16"].model_copy(update={"needle_length_um": 2149})
    policy = POLICY.model_copy(update={"reference_cartridges": {"master-16": short}})
    with pytest.raises(ControlRefused, match=r"goes to 2\.15 mm .* they would not reach"):
        depth_setup(policy, "NW-2", "bench-gauge", "master-16", ROOM, TODAY)


@pytest.mark.parametrize(
    ("air", "reason"),
    [
        (Environment(169, 450), "It is 16.9 °C at the bench"),
        (Environment(271, 450), "a calibration is done at 17 to 27 °C"),
        (Environment(230, 199), "The relative humidity is 19.9 %"),
        (Environment(230, 801), "done at 20 to 80 %"),
    ],
)
def test_air_outside_the_limits(air: Environment, reason: str) -> None:
    with pytest.raises(ControlRefused, match="Nothing was measured") as caught:
        depth_setup(POLICY, "NW-2", "bench-gauge", "master-16", air, TODAY)
    assert reason in str(caught.value)
    assert caught.value.because == "environment"


@pytest.mark.parametrize("air", [Environment(170, 200), Environment(270, 800)])
def test_limits_of_the_air_belong_to_it(air: Environment) -> None:
    depth_setup(POLICY, "NW-2", "bench-gauge", "master-16", air, TODAY)


@pytest.mark.parametrize("name", sorted(POLICY.models))
def test_the_example_asks_of_a_pen_what_its_mechanism_reaches(name: str) -> None:
    pen, model = MODELS[name], POLICY.models[name]
    depths, rates = POLICY.depth_methods[model.depth_method], POLICY.rate_methods[model.rate_method]
    accuracy = POLICY.accuracy_methods[model.accuracy_method]
    assert depths.points_um[-1] + depths.approach_um <= pen.depth_max_um
    for depth_um in (*depths.points_um, *accuracy.depth_points_um, depths.approach_um, accuracy.approach_um):
        assert depth_um % pen.depth_step_um == 0
    for rate_mhz in (*rates.points_mhz, *accuracy.rate_points_mhz, depths.rate_mhz, accuracy.rate_mhz):
        assert pen.rate_min_mhz <= rate_mhz <= pen.rate_max_mhz
    assert pen.firmware in model.firmware
