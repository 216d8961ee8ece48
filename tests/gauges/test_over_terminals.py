"""Gauges over real pseudo-terminals: the simulated instruments at a simulated pen."""

import asyncio
import contextlib
from datetime import date

from firmware_bridge.gauges import open_gauge
from simulators.serve import serve

TODAY = date(2026, 5, 4)


@contextlib.asynccontextmanager
async def served(**options):
    ready = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(
        serve(ready.set_result, today=TODAY, gauge=True, tachometer=True, **options), name="serve"
    )
    try:
        async with asyncio.timeout(5):
            yield await ready
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_a_gauge_and_a_tachometer_read_a_served_pen():
    async with (
        served() as record,
        await open_gauge(record["gauge_url"]) as gauge,
        await open_gauge(record["tachometer_url"]) as tachometer,
    ):
        assert (await gauge.read()).value_um in range(-3, 4)
        assert (await tachometer.read()).rate_mhz == 0
