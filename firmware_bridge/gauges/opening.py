"""A gauge's address, and opening it: ``KIND+LINE``, the kind of instrument and the URL of the line it is on.

``digimatic+serial:///dev/ttyUSB0``
    A Mitutoyo Digimatic indicator behind its interface box. ``unit=mm`` (or ``inch``) and ``resolution=0.001`` declare
    what it shows, ``channel=1`` the input of a box with several.
``lutron+serial:///dev/ttyUSB1``
    An optical tachometer.

Everything else in the query belongs to the line. A serial line runs at 9600 baud here, where nothing else is said.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from typing import Literal, cast
from urllib.parse import parse_qsl, urlencode

from firmware_bridge.gauges.base import Gauge
from firmware_bridge.gauges.digimatic import UM_PER, DigimaticGauge, DigimaticSettings
from firmware_bridge.gauges.errors import GaugeAddress
from firmware_bridge.gauges.line import GaugeLine, open_line
from firmware_bridge.gauges.lutron import LutronTachometer

BAUD = "9600"
"""What the manuals of both kinds name; the IT-007R alone has 2400."""

EXAMPLES = "Examples: digimatic+serial:///dev/ttyUSB0, lutron+serial:///dev/ttyUSB1."

Options = Mapping[str, str]

CHANNELS = range(1, 10)


@dataclass(frozen=True, slots=True)
class GaugeUrl:
    """A gauge's address, taken apart: its kind, the options of that kind, and the URL of its line."""

    text: str
    kind: str
    options: Options
    line_url: str


def parse_gauge_url(url: str) -> GaugeUrl:
    """Takes an address apart. Raises GaugeAddress, with what one looks like, for what is none."""
    kind, plus, line = url.partition("+")
    if not plus or kind not in KINDS or "://" not in line:
        raise GaugeAddress(f"{url!r} is not the address of a gauge. {EXAMPLES}", url=url)
    base, _, query = line.partition("?")
    try:
        given = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)))
    except ValueError as error:
        raise GaugeAddress(f"{url!r} is not the address of a gauge: {error}. {EXAMPLES}", url=url) from error
    own = {name: given.pop(name) for name in KINDS[kind].options if name in given}
    if base.startswith("serial:"):
        given.setdefault("baud", BAUD)
    return GaugeUrl(url, kind, own, f"{base}?{urlencode(given)}" if given else base)


async def open_gauge(url: str) -> Gauge:
    """Opens the gauge at ``url``. Nothing is asked of it before its first reading.

    Raises GaugeAddress for what is no gauge's address, GaugeNotOpened when its line does not open.
    """
    parsed = parse_gauge_url(url)
    make = KINDS[parsed.kind].adapter(parsed)
    return make(await open_line(url, parsed.line_url))


def _digimatic(url: GaugeUrl) -> Callable[[GaugeLine], Gauge]:
    settings = _settings(url.text, url.options)
    return lambda line: DigimaticGauge(line, settings)


def _settings(url: str, options: Options) -> DigimaticSettings:
    unit = options.get("unit", "mm")
    if unit not in UM_PER:
        near = get_close_matches(unit, UM_PER, n=1)
        raise GaugeAddress(
            f"{url}: unit={unit!r} is not known{f'; did you mean {near[0]}' if near else ''}. There are mm and inch.",
            url=url,
        )
    if unit == "inch" and "resolution" not in options:
        raise GaugeAddress(
            f"{url}: an indicator that shows inches needs its resolution, for example resolution=0.00005: without it, "
            "inches and millimetres cannot be told apart.",
            url=url,
        )
    try:
        resolution = Decimal(options.get("resolution", "0.001"))
    except InvalidOperation:
        resolution = Decimal(0)
    if not resolution.is_finite() or not 0 < resolution < 1:
        raise GaugeAddress(
            f"{url}: resolution={options.get('resolution')!r} is no step of an indicator. Write what its data sheet "
            "says, in the unit it shows: 0.001.",
            url=url,
        )
    text = options.get("channel", "1")
    if not text.isascii() or not text.isdigit() or len(text) > 1 or int(text) not in CHANNELS:
        raise GaugeAddress(f"{url}: channel={text!r} is no input of a box. There are 1 to 9.", url=url)
    return DigimaticSettings(cast(Literal["mm", "inch"], unit), resolution, int(text))


def _lutron(_url: GaugeUrl) -> Callable[[GaugeLine], Gauge]:
    return LutronTachometer


@dataclass(frozen=True, slots=True)
class GaugeKind:
    """A kind of gauge: its own options, and what checks them and then makes one of an open line."""

    options: tuple[str, ...]
    adapter: Callable[[GaugeUrl], Callable[[GaugeLine], Gauge]]


KINDS = {
    "digimatic": GaugeKind(("unit", "resolution", "channel"), _digimatic),
    "lutron": GaugeKind((), _lutron),
}
"""Every kind of gauge."""
