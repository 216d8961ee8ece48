"""What becomes of the lines that instruments send: read with their unit, or refused by name. Nothing in between."""

import random
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.gauges import GaugeError, GaugeReading, GaugeRefused, GaugeUnit, GaugeUnreadable
from firmware_bridge.gauges.digimatic import DigimaticSettings, parse_digimatic
from firmware_bridge.gauges.line import LINE_MAX_BYTES, LineSplitter
from firmware_bridge.gauges.lutron import parse_lutron
from simulators.gauges.digimatic import GaugeOwnError, Indicator, SimulatedDigimatic
from simulators.gauges.tachometer import SimulatedTachometer

MM = DigimaticSettings()
INCH = DigimaticSettings("inch", Decimal("0.00005"))

# Resolutions of one indicator in both its units, as data sheets have them.
SHEETS = [
    Indicator(Decimal("0.001"), Decimal("0.00005")),
    Indicator(Decimal("0.01"), Decimal("0.0005")),
    Indicator(Decimal("0.0005"), Decimal("0.00002")),
    Indicator(Decimal("0.0001"), Decimal("0.000005")),
]


@pytest.mark.parametrize(
    ("line", "settings", "value_um"),
    [
        (b"01A+0000.123", MM, 123),  # these two and the inches: as in the maker's table of examples
        (b"01A+0000.125", MM, 125),
        (b"01A+00.12345", INCH, 3136),  # 3135.63 µm
        (b"01A-0001.234", MM, -1234),
        (b"01A-0000.000", MM, 0),
        (b"01A+00.000", MM, 0),  # a box that sends fewer
        (b"03A+000.5000", DigimaticSettings(resolution=Decimal("0.0001"), channel=3), 500),
        (b"01A+000.0005", DigimaticSettings(resolution=Decimal("0.0005")), 0),  # half a µm: to the even one
        (b"01A+000.0015", DigimaticSettings(resolution=Decimal("0.0005")), 2),
    ],
)
def test_a_line_of_an_indicator_is_read(line: bytes, settings: DigimaticSettings, value_um: int) -> None:
    reading = parse_digimatic(line, settings, at_ms=7)
    assert reading == GaugeReading(value_um, None, settings.unit, 7, line.decode())
    assert reading.value == value_um


@pytest.mark.parametrize(
    ("line", "error", "sentence"),
    [
        (b"911", GaugeRefused, "Switch it on"),
        (b"912", GaugeRefused, "beyond its range"),
        (b"918", GaugeRefused, "busy"),
        (b"914", GaugeRefused, "an error of its own"),
        (b"01A+00.12345", GaugeUnit, "inches, not millimetres"),
        (b"01A+0000.12", GaugeUnit, "2 digits behind the point"),
        (b"01A+0000123", GaugeUnreadable, "no reading"),
        (b"01A 0000.123", GaugeUnreadable, "no reading"),
        (b"01A+00000.123", GaugeUnreadable, "no reading"),  # nine characters: two lines run into one
        (b"01A+0000.12301A+0000.123", GaugeUnreadable, "no reading"),
        (b"01B+0000.123", GaugeUnreadable, "no reading"),
        (b"\xff\xfe9", GaugeUnreadable, r"\\xff"),
        (b"9111", GaugeUnreadable, "baud"),
    ],
)
def test_what_is_no_reading_is_refused_with_what_to_do(line: bytes, error: type[GaugeError], sentence: str) -> None:
    with pytest.raises(error, match=sentence) as caught:
        parse_digimatic(line, MM, at_ms=0, url="digimatic+memory://g")
    assert str(caught.value).startswith("digimatic+memory://g: ")
    assert "This reading was not taken" in str(caught.value)


@pytest.mark.parametrize("line", [b"02A+0000.123", b"921"])
def test_another_channel_is_somebody_elses(line: bytes) -> None:
    assert parse_digimatic(line, MM, at_ms=0) is None


@given(
    truth_um=st.floats(-50.0, 12_000.0),
    sheet=st.sampled_from(SHEETS),
    offset_um=st.floats(-500.0, 500.0),
    gain_ppm=st.integers(-20_000, 20_000),
)
def test_what_the_simulated_indicator_shows_is_what_is_read(
    truth_um: float, sheet: Indicator, offset_um: float, gain_ppm: int
) -> None:
    own = GaugeOwnError(gain_ppm, offset_um)
    gauge = SimulatedDigimatic(lambda: truth_um, rng=random.Random(1), sheet=sheet, own=own)
    settings = DigimaticSettings(resolution=sheet.resolution_mm)
    said = gauge.received(b"1\r")
    shown_um = max(truth_um, 0.0) * (1 + gain_ppm / 1e6) + offset_um
    if abs(shown_um) > sheet.range_mm * 1000:
        assert said == b"912\r"
        return
    assert len(said) == 13
    reading = parse_digimatic(said.rstrip(b"\r"), settings, at_ms=0)
    assert reading is not None
    assert reading.value_um is not None
    assert abs(reading.value_um - shown_um) <= float(sheet.resolution_mm) * 500 + 0.5 + 1e-6


@given(truth_um=st.floats(0.0, 12_000.0), sheet=st.sampled_from(SHEETS))
def test_the_inch_key_is_noticed_whatever_is_measured(truth_um: float, sheet: Indicator) -> None:
    gauge = SimulatedDigimatic(lambda: truth_um, rng=random.Random(1), sheet=sheet)
    gauge.unit = "inch"
    with pytest.raises(GaugeUnit):
        parse_digimatic(gauge.says().rstrip(b"\r"), DigimaticSettings(resolution=sheet.resolution_mm), at_ms=0)
    gauge.unit = "mm"
    with pytest.raises(GaugeUnit):
        parse_digimatic(
            gauge.says().rstrip(b"\r"), DigimaticSettings("inch", resolution=sheet.resolution_inch), at_ms=0
        )


@given(st.binary(max_size=40))
def test_no_bytes_make_it_fail_in_any_other_way(line: bytes) -> None:
    for parse in (lambda: parse_digimatic(line, MM, at_ms=0), lambda: parse_lutron(line, at_ms=0)):
        try:
            reading = parse()
        except GaugeError:
            continue
        assert reading is None or reading.raw in line.decode("ascii")


@pytest.mark.parametrize(
    ("line", "rate_mhz"),
    [
        (b"\x0241270000007200", 120_000),
        (b"\x0241270100072005", 120_008),  # 7200.5 rpm
        (b"\x0241271000000060", -1_000),
        (b"007200\x0241270000000001", 17),  # behind the tail of the line before
    ],
)
def test_a_line_of_a_tachometer_is_read(line: bytes, rate_mhz: int) -> None:
    reading = parse_lutron(line, at_ms=3)
    assert reading is not None
    assert (reading.value_um, reading.rate_mhz, reading.unit, reading.at_ms) == (None, rate_mhz, "rpm", 3)
    assert reading.value == rate_mhz


def test_a_tachometer_that_shows_metres_is_refused() -> None:
    with pytest.raises(GaugeUnit, match=r"metres a minute.*RPM"):
        parse_lutron(b"\x0241600000007200", at_ms=0)


@pytest.mark.parametrize("line", [b"00007200", b"\x0242270000007200", b"\x024127000000720", b""])
def test_a_tail_and_the_lower_row_are_no_reading(line: bytes) -> None:
    assert parse_lutron(line, at_ms=0) is None


@given(st.floats(0.0, 400.0))
def test_what_the_simulated_tachometer_shows_is_what_is_read(rate_hz: float) -> None:
    line = SimulatedTachometer(lambda: rate_hz, rng=random.Random(1)).says()
    assert len(line) == 16
    reading = parse_lutron(line.rstrip(b"\r"), at_ms=0)
    assert reading is not None
    assert reading.rate_mhz is not None
    step_mhz = 1000 / 60 * (1 if rate_hz * 60 >= 1000 else 0.1)
    assert abs(reading.rate_mhz - rate_hz * 1000) <= step_mhz / 2 + 0.51


@given(
    st.lists(st.binary(min_size=1, max_size=20).filter(lambda line: not set(line) & set(b"\r\n\0 ")), max_size=6),
    st.data(),
)
def test_lines_come_out_whole_in_whatever_pieces_they_come(lines: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(line + data.draw(st.sampled_from([b"\r", b"\r\n", b"\n", b" \0\r"])) for line in lines)
    splitter, out = LineSplitter(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        out += splitter.feed(stream[:size])
        stream = stream[size:]
    assert out == lines


def test_noise_without_an_end_is_not_kept() -> None:
    splitter = LineSplitter()
    for _ in range(100):
        splitter.feed(b"x" * 1000)
    (line,) = splitter.feed(b"\r")
    assert len(line) == LINE_MAX_BYTES
