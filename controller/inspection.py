"""What is read from a pen before it is armed, turned into what the machine judges and the record keeps."""

from datetime import UTC, datetime, timedelta

from controller.events import CalibrationSnapshot, CartridgeSnapshot
from controller.inputs import PenFacts
from controller.plan import ResolvedPlan
from controller.ports import Pen
from controller.units import Micrometres, Millihertz
from firmware_bridge.errors import RequestUncertain
from firmware_bridge.wire.messages import Capability, Refusal, Welcome
from firmware_bridge.wire.operations import (
    CALIBRATION_READ,
    CARTRIDGE_CONSUME,
    CARTRIDGE_READ,
    CalibrationData,
    CartridgeData,
    CartridgeTag,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC).date()


def pen_facts(welcome: Welcome) -> PenFacts:
    """What a pen said of itself, as the machine takes it."""
    return PenFacts(
        model=_text(welcome.model),
        serial=_text(welcome.serial),
        firmware=_text(welcome.firmware),
        boot_id=welcome.boot_id,
        capabilities=welcome.capabilities,
        depth_min_um=Micrometres(welcome.depth_min_um),
        depth_max_um=Micrometres(welcome.depth_max_um),
        depth_step_um=Micrometres(welcome.depth_step_um),
        rate_min_mhz=Millihertz(welcome.rate_min_mhz),
        rate_max_mhz=Millihertz(welcome.rate_max_mhz),
        rate_step_mhz=Millihertz(welcome.rate_step_mhz),
        dead_man_ms=welcome.dead_man_ms,
        retract_ms=welcome.retract_ms,
    )


async def read_calibration(pen: Pen) -> CalibrationSnapshot | None:
    """The calibration the pen holds, or None when it holds no valid one. Raises RequestError."""
    if not pen.welcome.capabilities & Capability.CALIBRATION_STORED:
        return None
    data: CalibrationData = await pen.request(CALIBRATION_READ)
    return calibration_snapshot(data)


def calibration_snapshot(data: CalibrationData) -> CalibrationSnapshot | None:
    """A pen's calibration as records keep it, or None when it holds no valid one."""
    if not data.valid or data.depth_gain_ppm == 0:
        return None
    return CalibrationSnapshot(
        certificate=_text(data.certificate),
        calibrated_on=_day(data.calibrated_day),
        due_on=_day(data.due_day),
        depth_gain_ppm=data.depth_gain_ppm,
        depth_offset_um=data.depth_offset_um,
        depth_uncertainty_um=Micrometres(data.depth_uncertainty_um),
        rate_gain_ppm=data.rate_gain_ppm,
    )


async def read_cartridge(pen: Pen, plan: ResolvedPlan | None) -> tuple[CartridgeSnapshot | None, bool, str]:
    """The cartridge, whether it was used before, and the sentence that says why there is none. Raises RequestError."""
    if not pen.welcome.capabilities & Capability.CARTRIDGE_IDENTIFIED:
        return attested_cartridge(plan)
    data: CartridgeData = await pen.request(CARTRIDGE_READ)
    return cartridge_snapshot(data)


def cartridge_snapshot(data: CartridgeData) -> tuple[CartridgeSnapshot | None, bool, str]:
    """A pen's cartridge as records keep it, whether it was used before, and why there is none."""
    if not data.present:
        return None, False, "No cartridge is inserted. Insert a new one, then arm."
    lot = _text(data.lot)
    cartridge = CartridgeSnapshot(
        name=f"lot {lot}" if lot else f"tag {data.tag:08x}",
        tag=data.tag,
        needle_count=data.needle_count,
        needle_length_um=Micrometres(data.needle_length_um),
        lot=lot,
        serial=_text(data.serial),
        expiry=_day(data.expiry_day),
        unused="verified",
    )
    return cartridge, bool(data.used), ""


def attested_cartridge(plan: ResolvedPlan | None) -> tuple[CartridgeSnapshot | None, bool, str]:
    """The cartridge as a person attests it, for a pen that identifies none; as :func:`read_cartridge` returns it."""
    if plan is None or plan.cartridge_model is None or plan.cartridge_needle_length_um is None:
        return None, False, "This pen does not identify cartridges: name the cartridge when preparing the session."
    if not plan.cartridge_attested:
        return None, False, "Confirm that the cartridge is new and was opened now, then prepare the session again."
    cartridge = CartridgeSnapshot(
        name=plan.cartridge_model,
        tag=0,
        needle_count=plan.cartridge_needle_count or 0,
        needle_length_um=plan.cartridge_needle_length_um,
        lot="",
        serial="",
        expiry=None,
        unused="attested",
    )
    return cartridge, False, ""


async def consume(pen: Pen, tag: int) -> None:
    """Marks the cartridge as used. Raises RequestError; an unanswered request is resolved by asking for its outcome."""
    try:
        await pen.request(CARTRIDGE_CONSUME, CartridgeTag(tag))
    except RequestUncertain as uncertain:
        outcome = await pen.outcome(uncertain.key)
        if outcome is None or outcome.refusal != Refusal.NONE:
            raise


def _text(raw: bytes) -> str:
    return raw.rstrip(b"\x00").decode("ascii", errors="replace")


def _day(days: int) -> str:
    return (EPOCH + timedelta(days=days)).isoformat()
