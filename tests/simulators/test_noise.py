"""What sensors read of parts that do not move, against the distribution it is said to have."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from math import erf, sqrt, tau
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.personality import MODELS, NW_1, PenModel
from simulators.physics import Plant
from simulators.sensors import Sensors

READINGS = 20_000


def still(model: PenModel, *, depth_um: float = 503.0, rate_hz: float = 110.3) -> Plant:
    plant = Plant(model.plant)
    plant.driven = True
    plant.protrusion_um, plant.speed_rad_s, plant.current_a, plant.temperature_c = depth_um, rate_hz * tau, 0.4, 31.37
    return plant


NW_STEPS, NW_BAND = MODELS["NW-STEPS"], MODELS["NW-BAND"]
QUANTITIES = {  # what is read, of which pen, true value, deviation, count
    "depth": (Sensors.depth_um, NW_1, 503.0, NW_1.noise.depth_um, 1),
    "depth in counts of 10 µm": (Sensors.depth_um, NW_STEPS, 503.0, NW_STEPS.noise.depth_um, 10),
    "rate": (Sensors.rate_mhz, NW_1, 110_300.0, NW_1.noise.rate_mhz, 1),
    "rate in whole hertz": (Sensors.rate_mhz, NW_BAND, 110_300.0, NW_BAND.noise.rate_mhz, 1000),
    "current": (Sensors.current_ma, NW_1, 400.0, NW_1.noise.current_ma, 1),
    "temperature": (Sensors.temperature_dc, NW_1, 313.7, NW_1.noise.temperature_dc, 1),
}


def readings(quantity: str, seed: int = 1) -> list[int]:
    take, model, *_ = QUANTITIES[quantity]
    sensors = Sensors(model, still(model), Random(seed))
    return [take(sensors) for _ in range(READINGS)]


def below(value: float, mean: float, deviation: float) -> float:
    return 0.5 * (1.0 + erf((value - mean) / deviation / sqrt(2.0)))


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_readings_are_a_normal_distribution_cut_into_counts(quantity: str) -> None:
    """Share of a reading r: Φ((r + q/2 − μ)/σ) − Φ((r − q/2 − μ)/σ). Held by χ² over classes of at least 20 expected.

    χ² of n degrees of freedom exceeds n + 4.5 √(2n) + 10 less than once in ten thousand; the seed is fixed.
    """
    _, _, mean, deviation, count = QUANTITIES[quantity]
    counted = Counter(readings(quantity))
    assert not [reading for reading in counted if reading % count]
    chi, classes, expected, seen = 0.0, 0, 0.0, 0
    first, last = round(min(counted) / count) - 1, round(max(counted) / count) + 1
    for number in range(first, last + 1):
        reading = number * count
        low = -1e18 if number == first else reading - count / 2
        high = 1e18 if number == last else reading + count / 2
        expected += READINGS * (below(high, mean, deviation) - below(low, mean, deviation))
        seen += counted[reading]
        if expected >= 20.0:
            chi, classes, expected, seen = chi + (seen - expected) ** 2 / expected, classes + 1, 0.0, 0
    assert classes >= 2
    assert chi < classes + 4.5 * sqrt(2 * classes) + 10


@pytest.mark.parametrize("quantity", ["depth", "rate", "current"])
def test_a_fine_count_adds_its_square_over_twelve_to_the_variance(quantity: str) -> None:
    """σ² + q²/12 where the count is far finer than the noise. The variance of n readings scatters by √(2/n) of itself,
    their mean by σ/√n: four times that is allowed."""
    _, _, mean, deviation, count = QUANTITIES[quantity]
    read = readings(quantity)
    average = sum(read) / READINGS
    variance = sum((reading - average) ** 2 for reading in read) / READINGS
    assert average == pytest.approx(mean, abs=4 * deviation / sqrt(READINGS))
    assert variance == pytest.approx(deviation**2 + count**2 / 12, rel=4 * sqrt(2 / READINGS))


@pytest.mark.parametrize("quantity", ["depth", "rate", "current"])
def test_one_reading_says_nothing_of_the_next(quantity: str) -> None:
    """White: the correlation of neighbours scatters about 0 by 1/√n."""
    read = readings(quantity)
    average = sum(read) / READINGS
    variance = sum((reading - average) ** 2 for reading in read)
    assert abs(sum((a - average) * (b - average) for a, b in pairwise(read))) / variance < 4 / sqrt(READINGS)


@given(
    true_um=st.floats(-400.0, 3000.0),
    rate_hz=st.floats(0.1, 300.0),
    count_um=st.integers(1, 100),
    count_mhz=st.integers(1, 5000),
)
def test_without_noise_a_reading_is_the_nearest_count(
    true_um: float, rate_hz: float, count_um: int, count_mhz: int
) -> None:
    model = replace(NW_1, noise=replace(NW_1.noise, depth_count_um=count_um, rate_count_mhz=count_mhz))
    sensors = Sensors(model, still(model, depth_um=true_um, rate_hz=rate_hz), None)
    for reading, true, count in (
        (sensors.depth_um(), true_um, count_um),
        (sensors.rate_mhz(), rate_hz * 1000, count_mhz),
    ):
        assert reading % count == 0
        assert abs(reading - true) <= count / 2 + 1e-6  # of true values that are sums of floats


def test_a_motor_at_rest_is_read_as_exactly_still() -> None:
    sensors = Sensors(NW_1, still(NW_1, rate_hz=0.0), Random(1))
    assert {sensors.rate_mhz() for _ in range(100)} == {0}
