"""A gauge's address, and opening it: ``KIND+LINE``, the kind of instrument and the URL of the line it is on.

``digimatic+serial:///dev/ttyUSB0``
    A Mitutoyo Digimatic indicator behind its interface box. ``unit=mm`` (or ``inch``) and ``resolution=0.001`` declare
    what it shows, ``channel=1`` the input of a box with several.
``lutron+serial:///dev/ttyUSB1``
    An optical tachometer.

Everything else in the query belongs to the line. A serial line runs at 9600 baud here, where nothing else is said.
"""

from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from typing import Literal, cast
from urllib.parse import parse_qsl, urlencode

from firmware_bridge.gauges.base import Gauge
from firmware_bridge.gauges.digimatic import UM_PER, DigimaticGauge, DigimaticSettings
from firmware_bridge.gauges.errors import GaugeAddress
from firmware_bridge.gauges.line import open_line
from firmware_bridge.gauges.lutron import LutronTachometer

BAUD = "9600"
"""What the manuals of both kinds name; the IT-007R alone has 2400."""

EXAMPLES = "Examples: digimatic+serial:///dev/ttyUSB0, lutron+serial:///dev/ttyUSB1."

Options = Mapping[str, str]

CHANNELS = range(1, 10)


async def open_gauge(url: str) -> Gauge:
    """Opens the gauge at ``url``. Nothing is asked of it before its first reading.

    Raises GaugeAddress for what is no gauge's address, GaugeNotOpened when its line does not open.
    """
    kind, plus, line_url = url.partition("+")
    found = KINDS.get(kind)
    if not plus or found is None:
        raise GaugeAddress(f"{url!r} is not the address of a gauge. {EXAMPLES}", url=url)
    names, make = found
    base, _, query = line_url.partition("?")
    try:
        given = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)))
    except ValueError as error:
        raise GaugeAddress(f"{url!r} is not the address of a gauge: {error}. {EXAMPLES}", url=url) from error
    own = {name: given.pop(name) for name in names if name in given}
    opened = make(url, own)
    if base.startswith("serial:"):
        given.setdefault("baud", BAUD)
    return await opened(f"{base}?{urlencode(given)}" if given else base)


Opens = Callable[[str], Awaitable[Gauge]]


def _digimatic(url: str, options: Options) -> Opens:
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
    if not text.isascii() or not text.isdigit() or int(text[:3]) not in CHANNELS:
        raise GaugeAddress(f"{url}: channel={text!r} is no input of a box. There are 1 to 9.", url=url)
    settings = DigimaticSettings(cast(Literal["mm", "inch"], unit), resolution, int(text))

    async def opened(line_url: str) -> Gauge:
        return DigimaticGauge(await open_line(url, line_url), settings)

    return opened


def _lutron(url: str, _options: Options) -> Opens:
    async def opened(line_url: str) -> Gauge:
        return LutronTachometer(await open_line(url, line_url))

    return opened


KINDS: dict[str, tuple[tuple[str, ...], Callable[[str, Options], Opens]]] = {
    "digimatic": (("unit", "resolution", "channel"), _digimatic),
    "lutron": ((), _lutron),
}
"""Every kind of gauge: the options of its own, and what makes one."""
