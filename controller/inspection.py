"""What is read from a pen before it is armed, turned into what the machine judges and the record keeps."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from controller.calibration.due import Counted
from controller.cartridges import NotSerialised, Unreachable, Unused, UsedBy, fit_problem, mismatch
from controller.events import CalibrationSnapshot, CartridgeSnapshot
from controller.inputs import Inspected, PenFacts, SelfTest
from controller.pen_kept import PenKept
from controller.plan import ResolvedPlan
from controller.ports import Pen, UseLedger
from controller.profiles import Profiles
from controller.units import Micrometres, Millihertz
from firmware_bridge.errors import RequestRefused, RequestUncertain
from firmware_bridge.wire.messages import Capability, Refusal, Welcome
from firmware_bridge.wire.operations import (
    CALIBRATION_READ,
    CARTRIDGE_CONSUME,
    CARTRIDGE_READ,
    SELF_TEST,
    CalibrationData,
    CartridgeData,
    CartridgeTag,
    SelfTestData,
)
from firmware_bridge.wire.service_operations import LIFETIME_READ, LifetimeData

EPOCH = datetime(1970, 1, 1, tzinfo=UTC).date()


@dataclass(frozen=True, slots=True)
class CartridgeRead:
    """The cartridge that is in, or the sentence and the code that say why there is none to arm with.

    ``used``: it was used before, in another session; ``elsewhere``: by what the ledger says. ``attest``: why reuse
    cannot be checked, empty where it was. ``claimed``: the ledger has it as this session's, or as that of the session
    which is resumed. ``marked``: the cartridge's own memory says that it was used.
    """

    cartridge: CartridgeSnapshot | None
    used: bool = False
    problem: str = ""
    because: str = "cartridge"
    attest: str = ""
    claimed: bool = False
    elsewhere: bool = False
    marked: bool = False


@dataclass(frozen=True, slots=True)
class Examination:
    """What was read for the machine, whether the ledger already has this cartridge as this session's, and whether the
    cartridge itself is marked as used."""

    given: Inspected
    claimed: bool
    marked: bool


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


async def examine(
    pen: Pen,
    plan: ResolvedPlan,
    *,
    ledger: UseLedger,
    session: str,
    profiles: Profiles,
    kept: PenKept,
    today: date,
    with_self_test: bool,
) -> Examination:
    """Everything that is read from a pen before it is armed; ``kept`` is what the site says of it. Raises
    RequestError."""
    calibration = await read_calibration(pen)
    counted = await read_counted(pen)
    read = await read_cartridge(pen, plan, ledger, session, profiles)
    tested = await self_test(pen) if with_self_test else None
    given = Inspected(
        today=today.isoformat(),
        cartridge=read.cartridge,
        cartridge_used=read.used,
        cartridge_problem=read.problem,
        cartridge_because=read.because,
        attest=read.attest,
        calibration=calibration,
        self_test=tested,
        used_elsewhere=read.elsewhere,
        counted=counted,
        kept=kept,
    )
    return Examination(given, claimed=read.claimed, marked=read.marked)


async def read_calibration(pen: Pen) -> CalibrationSnapshot | None:
    """The calibration the pen holds, or None when it holds no valid one. Raises RequestError."""
    if not pen.welcome.capabilities & Capability.CALIBRATION_STORED:
        return None
    data: CalibrationData = await pen.request(CALIBRATION_READ)
    return calibration_snapshot(data)


def calibration_snapshot(data: CalibrationData) -> CalibrationSnapshot | None:
    """A pen's calibration as records keep it, or None when it holds no valid one."""
    # A certificate that states no uncertainty or no gain says nothing that a limit could be taken from.
    if not data.valid or data.depth_gain_ppm == 0 or data.depth_uncertainty_um == 0 or data.rate_gain_ppm == 0:
        return None
    return CalibrationSnapshot(
        certificate=_text(data.certificate),
        calibrated_on=_day(data.calibrated_day),
        due_on=_day(data.due_day) if data.due_day else "",
        depth_gain_ppm=data.depth_gain_ppm,
        depth_offset_um=data.depth_offset_um,
        depth_uncertainty_um=Micrometres(data.depth_uncertainty_um),
        rate_gain_ppm=data.rate_gain_ppm,
    )


async def read_counted(pen: Pen) -> Counted | None:
    """What the pen counted since it was calibrated, or None when it counts nothing. Raises RequestError."""
    if not pen.welcome.capabilities & Capability.LIFETIME:
        return None
    return counted_since(await pen.request(LIFETIME_READ))


def counted_since(data: LifetimeData) -> Counted:
    """What a pen counted since it was calibrated, as the machine judges it."""
    return Counted(run_s=data.run_since_s, strokes=data.strokes_since, shocks=data.shocks_since)


async def self_test(pen: Pen) -> SelfTest | None:
    """The pen's test of its own parts, None when it has none. One that was not done says why. Raises WireError."""
    if not pen.welcome.capabilities & Capability.SELF_TEST:
        return None
    try:
        data: SelfTestData = await pen.request(SELF_TEST)
    except RequestRefused as error:
        return SelfTest(tested=0, passed=0, problem=str(error))
    except RequestUncertain:
        return SelfTest(tested=0, passed=0, problem="the pen did not answer in time.")
    return SelfTest(tested=data.tested, passed=data.passed)


async def read_cartridge(
    pen: Pen, plan: ResolvedPlan, ledger: UseLedger, session: str, profiles: Profiles
) -> CartridgeRead:
    """The cartridge that is in, checked against what was scanned and against the site's ledger. Raises RequestError."""
    if pen.welcome.capabilities & Capability.CARTRIDGE_IDENTIFIED:
        read = cartridge_read(await pen.request(CARTRIDGE_READ))
    else:
        read = named_cartridge(plan, profiles)
    if read.cartridge is None:
        return read
    read = with_scan(read, plan, profiles)
    return read if read.cartridge is None else await _with_ledger(read, ledger, plan, session)


def cartridge_read(data: CartridgeData) -> CartridgeRead:
    """A pen's cartridge as records keep it, and whether the pen itself says that it was used before."""
    if not data.present:
        return CartridgeRead(None, problem="No cartridge is inserted. Insert a new one, then arm.")
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
    return CartridgeRead(cartridge, used=bool(data.used), marked=bool(data.used))


def named_cartridge(plan: ResolvedPlan, profiles: Profiles) -> CartridgeRead:
    """The cartridge that a person or a code named, for a pen that does not identify what is inserted.

    The code decides: what was exchanged in the session may be of another model than what was named at its beginning.
    """
    scan = plan.cartridge_scan
    by_code = profiles.cartridge_of(scan.gtin) if scan is not None else None
    name, needles, length_um = plan.cartridge_model, plan.cartridge_needle_count, plan.cartridge_needle_length_um
    if by_code is not None:
        problem = fit_problem(by_code[1], plan.profile.model, planned_depth_um=0)
        if problem is not None:
            return CartridgeRead(None, because=problem[0], problem=f"{by_code[0]}: {problem[1]}")
        name, needles, length_um = by_code[0], by_code[1].needle_count, by_code[1].needle_length_um
    if name is None or length_um is None:
        return CartridgeRead(
            None,
            problem="This pen does not identify cartridges: scan the cartridge's code, or name its model when "
            "preparing the session.",
        )
    return CartridgeRead(
        CartridgeSnapshot(
            name=name,
            tag=0,
            needle_count=needles or 0,
            needle_length_um=length_um,
            lot=scan.lot if scan else "",
            serial=scan.serial if scan else "",
            expiry=scan.expiry if scan else None,
            unused="attested",
        )
    )


def with_scan(read: CartridgeRead, plan: ResolvedPlan, profiles: Profiles) -> CartridgeRead:
    """What was read, held against what was scanned: the code on the pack and the cartridge in the pen are one."""
    cartridge, scan = read.cartridge, plan.cartridge_scan
    if scan is None or cartridge is None:
        return read
    sheet = profiles.cartridge_of(scan.gtin)
    problem = mismatch(scan, cartridge)
    if problem is None and sheet is not None and cartridge.tag:
        problem = fit_problem(sheet[1], plan.profile.model, planned_depth_um=0, inserted=cartridge)
    if problem is not None:
        return CartridgeRead(None, because=problem[0], problem=problem[1])
    known = cartridge.model_copy(
        update={
            "gtin": scan.gtin,
            "scanned": True,
            "lot": cartridge.lot or scan.lot,
            "serial": cartridge.serial or scan.serial,
            "expiry": cartridge.expiry or scan.expiry,
            "strokes_life": sheet[1].strokes_life if sheet else None,
        }
    )
    return replace(read, cartridge=known)


async def _with_ledger(read: CartridgeRead, ledger: UseLedger, plan: ResolvedPlan, session: str) -> CartridgeRead:
    """What was read, with what the site knows of this cartridge. Only what was looked up is called verified."""
    cartridge = read.cartridge
    if cartridge is None:
        return read
    match await ledger.cartridge(cartridge):
        case UsedBy(session=by) if by == plan.resumes:
            goes_on = cartridge.model_copy(update={"unused": "continued"})  # of the session that is resumed
            return replace(read, cartridge=goes_on, used=False, claimed=True)
        case UsedBy(session=by, unused=unused) if by == session:
            # What was attested stays attested: that the ledger answers now says nothing of how it was found then.
            return replace(read, cartridge=cartridge.model_copy(update={"unused": unused}), used=False, claimed=True)
        case UsedBy():
            return replace(read, used=True, elsewhere=True)
        case Unused():
            return replace(read, cartridge=cartridge.model_copy(update={"unused": "verified"}))
        case Unreachable(problem=problem):
            why = f"the site's ledger of cartridges cannot be asked ({problem})."
        case NotSerialised() if cartridge.tag:
            return read  # the cartridge itself keeps a mark of its use, and has none
        case NotSerialised():
            why = "it has no serial number of its own."
    return replace(read, cartridge=cartridge.model_copy(update={"unused": "attested"}), attest=why)


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
