"""Made-up lives of pens, years of them in a journal: what a clinic's record would hold."""

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from controller.events import Event, PenConnected, PenLost, SessionClosed, SessionOpened, ZoneDose
from controller.service_events import CertificateIssued, HealthRead, PartReplaced
from controller.units import Micrometres, Millihertz
from logger.journal.journal import Journal

Told = tuple[datetime, Event, str | None]
"""When something was journalled, what, and in which session."""


def connected(model: str, serial: str, firmware: str = "1.4.0") -> PenConnected:
    """A pen was plugged in."""
    return PenConnected(
        pen=f"{model}/{serial}", url="pty:///dev/pts/1", model=model, serial=serial, firmware=firmware, boot_id=1,
        capabilities=(), depth_max_um=Micrometres(2500), depth_step_um=Micrometres(10),
        rate_max_mhz=Millihertz(150_000), rate_step_mhz=Millihertz(1000), dead_man_ms=300, retract_ms=200,
    )  # fmt: skip


def certificate(
    model: str, serial: str, number: str, *, found_um: int, left_um: int, on: date, due: date | None = None
) -> CertificateIssued:
    """A calibration's certificate."""
    return CertificateIssued(
        series=f"series-{number}", number=number, kind="calibration", pen=f"{model}/{serial}", serial=serial,
        issued_on=on.isoformat(), due_on=due.isoformat() if due else None, as_found_in_tolerance=abs(found_um) <= 150,
        as_left_in_tolerance=True, as_found_depth_error_um=found_um, as_left_depth_error_um=left_um,
        depth_uncertainty_um=Micrometres(24), rate_error_ppm=9_000, technician="tech-1", sha256="0" * 64, document="{}",
    )  # fmt: skip


def read(model: str, serial: str, **changed: object) -> HealthRead:
    """A reading of a pen in good health."""
    given: dict[str, object] = {
        "pen": f"{model}/{serial}", "serial": serial, "firmware": "1.4.0", "run_s": 3600, "strokes": 360_000,
        "shocks": 0, "run_since_s": 3600, "strokes_since": 360_000, "shocks_since": 0, "battery_cycles": 10,
        "battery_capacity_permille": 950, "battery_resistance_mohm": 150, "battery_permille": 800,
        "temperature_dc": 340, "motor_current_ma": 420, "load": "skin 100 Hz 0.50 mm", "frames": 30_000,
        "frames_damaged": 0,
    }  # fmt: skip
    return HealthRead.model_validate({**given, **changed})


def life(
    model: str,
    serial: str,
    *,
    until: datetime,
    months: int = 24,
    seed: int = 1,
    drift_um_a_year: float = 60,
    capacity_a_year: float = 90,
    current_a_year: float = 10,
    damaged: int = 0,
    lost_a_month: float = 0.3,
    battery_replaced_month: int | None = None,
    certificates: bool = True,
) -> list[Told]:
    """Sessions on some days a week, a reading before and after each, a calibration every half year."""
    chance = random.Random(seed)
    begin = until - timedelta(days=30 * months)
    told: list[Told] = [(begin, connected(model, serial), None)]
    run_s = strokes = 0
    error, capacity, resistance = 0.0, 1000.0, 130.0
    at, number = begin, 0
    while at < until:
        years = (at - begin) / timedelta(days=365)
        if battery_replaced_month is not None and (at - begin).days == 30 * battery_replaced_month:
            part = PartReplaced(
                pen=f"{model}/{serial}", serial=serial, part="battery", removed_lot="B1", removed_serial="",
                fitted_lot="B2", fitted_serial="", by="tech-1", on=at.date().isoformat(),
            )  # fmt: skip
            told.append((at, part, None))
            capacity, resistance = 1000.0, 130.0
        error += chance.gauss(drift_um_a_year / 365, 0.9)
        capacity -= capacity_a_year / 365
        resistance += capacity_a_year / 365 * 0.7
        if certificates and (at - begin).days % 182 == 0:
            number += 1
            left = round(chance.gauss(0, 8))
            due = (at + timedelta(days=365)).date()
            measured = round(error + chance.gauss(0, 9))
            one = certificate(
                model, serial, f"NWC-{serial}-{number:03d}", found_um=measured, left_um=left, on=at.date(), due=due
            )
            told.append((at + timedelta(hours=1), one, None))
            error = float(left)
        if chance.random() < lost_a_month / 30:
            told.append((at, PenLost(pen=f"{model}/{serial}", cause="the port went"), None))
            told.append((at + timedelta(minutes=1), connected(model, serial), None))
        if at.weekday() in (0, 2, 4):
            minutes = chance.randint(12, 28)
            charge = chance.randint(800, 1000)
            current = round((420 + current_a_year * years) * chance.gauss(1, 0.02))
            common = {
                "battery_capacity_permille": round(capacity + chance.gauss(0, 6)),
                "battery_resistance_mohm": round(resistance + chance.gauss(0, 3)), "shocks": number // 2,
            }  # fmt: skip
            before = read(
                model, serial, run_s=run_s, strokes=strokes, battery_permille=charge, load="", motor_current_ma=None,
                frames=4000, **common,
            )  # fmt: skip
            told.append((at + timedelta(hours=9), before, None))
            session = f"S-{serial}-{len(told)}"
            opened = SessionOpened(
                pen=f"{model}/{serial}", patient="P-1", operator="op-1", protocol="facial", library="example",
                zone="cheek", skin="thin", demo=True, checklist={},
            )  # fmt: skip
            told.append((at + timedelta(hours=9, minutes=1), opened, session))
            run_s, strokes = run_s + minutes * 60, strokes + minutes * 6000
            dose = ZoneDose(
                zone="cheek", treated_ms=minutes * 60_000, strokes=minutes * 6000, punctures=None,
                depth_measured_max_um=500, depth_measured_mean_um=480, rate_measured_mean_mhz=100_000,
            )  # fmt: skip
            told.append(
                (
                    at + timedelta(hours=9, minutes=40),
                    SessionClosed(outcome="completed", reason="", doses=(dose,)),
                    session,
                )
            )
            charge -= round(minutes * chance.gauss(14.0, 1.1) * 1000 / capacity)
            after = read(
                model, serial, run_s=run_s, strokes=strokes, battery_permille=max(0, charge), motor_current_ma=current,
                temperature_dc=round(chance.gauss(350, 12)), frames=90_000,
                frames_damaged=damaged * 90_000 // 1_000_000, **common,
            )  # fmt: skip
            told.append((at + timedelta(hours=9, minutes=41), after, None))
        at += timedelta(days=1)
    return told


def journal_of(path: Path, told: Sequence[Told], station: str = "room-1") -> None:
    """Writes a journal as if a station had lived through it."""
    now = [datetime(2024, 1, 1, tzinfo=UTC)]

    async def write() -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        journal = Journal(path, station=station, utc_now=lambda: now[0], monotonic_ms=lambda: 0)
        try:
            for at, event, session in sorted(told, key=lambda one: one[0]):
                now[0] = at
                journal.emit(event, session=session)
            await journal.flush()
        finally:
            await journal.close()

    asyncio.run(write())
