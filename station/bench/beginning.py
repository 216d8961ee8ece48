"""Beginning a calibration of the pen at the bench, or going on with one: with which references, in which air."""

import asyncio
import secrets
from dataclasses import dataclass
from datetime import datetime

from controller.calibration.ending import end_calibration
from controller.calibration.in_the_pen import read_table
from controller.calibration.series import Air, CalibrationUnderWay, Setups, Table
from controller.calibration.setup import Environment, depth_setup, rate_setup
from controller.errors import ControlRefused
from firmware_bridge.wire.messages import Capability
from firmware_bridge.wire.operations import CALIBRATION_READ, CalibrationData
from logger.certificate.folder import CertificateFolder
from station.bench.bench import TechnicianBench
from station.bench.calibrating import Calibrating
from station.bench.issuing import tell
from station.bench.moments import moment
from station.bench.standards import policy_sha256
from station.bench.work_folder import WorkFolder
from station.settings import StationSettings

SERIES_BYTES = 6
"""Chance in the id of a piece of work; it only has to tell pieces of work apart."""


@dataclass(frozen=True, slots=True)
class Instruments:
    """The references by their ids in the clinic's policy."""

    gauge: str
    cartridge: str
    tachometer: str


def setups_for(bench: TechnicianBench, instruments: Instruments, air: Environment) -> Setups:
    """What this pen is calibrated with. Raises ControlRefused: no method, unknown or expired reference, unfit air."""
    today, pen = bench.clock.utc().date(), bench.pen
    return Setups(
        depth_setup(bench.policy, pen.model, instruments.gauge, instruments.cartridge, air, today),
        rate_setup(bench.policy, pen.model, instruments.tachometer, today),
    )


def new_series(at: datetime) -> str:
    """The id of a piece of work that begins at a moment, as it stands in every event of it."""
    return f"{at:%Y%m%dT%H%M%S}-{secrets.token_hex(SERIES_BYTES)}"


async def begin(
    bench: TechnicianBench, settings: StationSettings, instruments: Instruments, air: Environment
) -> Calibrating:
    """Begins a calibration of the pen at the bench, as it is found. Nothing moves yet.

    Raises ControlRefused (as :func:`setups_for`, or a pen that has no service mode), WireError, OSError.
    """
    setups = setups_for(bench, instruments, air)
    adjustable = bool(bench.pen.capabilities & Capability.ADJUSTABLE)
    found = (
        await read_table(bench.driver.request)
        if adjustable
        else Table(number=0, shown_um=(), true_um=(), rate_gain_ppm=1_000_000)
    )
    work = CalibrationUnderWay(
        series=new_series(bench.clock.utc()),
        pen=bench.pen.model,
        serial=bench.pen.serial,
        firmware=bench.pen.firmware,
        technician=bench.technician,
        policy_sha256=policy_sha256(settings.calibration),
        gauge=instruments.gauge,
        cartridge=instruments.cartridge,
        tachometer=instruments.tachometer,
        air=(Air(temperature_dc=air.temperature_dc, humidity_permille=air.humidity_permille),),
        begun_at=moment(bench.clock.utc()),
        found=found,
    )
    WorkFolder(settings).keep(work)
    return Calibrating(bench, settings, work, setups)


async def give_up(bench: TechnicianBench, settings: StationSettings, work: CalibrationUnderWay) -> str:
    """Gives up a calibration of the pen at the bench; the number of its certificate, which stays, empty if none is.

    A pen that goes by this work's calibration though its certificate is not there loses it: that is so where the
    station's files were brought back from before it was issued. Raises ControlRefused, WireError, RecordError, OSError,
    and the work is kept.
    """
    issued = bool(work.number) and CertificateFolder(settings.certificates_path).has(work.number)
    if issued:
        await tell(bench, settings)
    elif work.number and bench.pen.capabilities & Capability.CALIBRATION_STORED:
        held: CalibrationData = await bench.driver.request(CALIBRATION_READ)
        if held.certificate == work.number.encode("ascii"):
            await end_calibration(bench.driver.request, bench.pen.capabilities)
    await asyncio.to_thread(WorkFolder(settings).end, work)
    return work.number if issued else ""


async def resume(
    bench: TechnicianBench, settings: StationSettings, work: CalibrationUnderWay, air: Environment | None = None
) -> Calibrating:
    """Goes on with a calibration; ``air`` is what it is at the bench now, None for as it was.

    Raises ControlRefused when what it was begun by has changed since: the policy, a reference that fell due;
    BenchRefused when its file is not as this station left it; OSError.
    """
    await asyncio.to_thread(WorkFolder(settings).check, work)
    if work.policy_sha256 != policy_sha256(settings.calibration):
        raise ControlRefused(
            "policy_changed",
            "The calibration policy was changed since this calibration was begun: readings by one policy are not "
            "judged by another. Put the policy back as it was, or begin the calibration anew.",
        )
    now = air or Environment(work.air[-1].temperature_dc, work.air[-1].humidity_permille)
    setups = setups_for(bench, Instruments(work.gauge, work.cartridge, work.tachometer), now)
    calibrating = Calibrating(bench, settings, work, setups)
    if air is not None:
        calibrating.work = work.model_copy(
            update={"air": (*work.air, Air(temperature_dc=air.temperature_dc, humidity_permille=air.humidity_permille))}
        )
    return calibrating
