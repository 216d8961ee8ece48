"""Cartridges: what a scanned code says, whether it fits, how long it lasts, whether it was used before. Pure.

A cartridge is for one patient and one session. Two may be told apart only by their serial numbers; where a maker gives
none, or nobody can be asked, a person says that it is new, and the record says that a person said so.
"""

from datetime import date
from hashlib import sha256
from typing import Annotated, Final, Literal

from pydantic import Field

from controller.events import CartridgeSnapshot, Record
from controller.gs1 import EXPIRY, EXTRA, GTIN, LOT, PRODUCTION, SERIAL, CodeUnreadable, read_elements
from controller.profiles import CartridgeProfile
from controller.units import format_mm

PEN_TEXT_CHARS: Final = 16
"""What a pen holds of a lot or serial number: the wire's field ends there, GS1's at 20 (firmware_bridge.wire)."""

Problem = tuple[str, str]
"""What stands in the way: the condition's name, and the sentence for the person."""

_DISCARD = "Take a new one; discard this one as sharps."


class ScannedCartridge(Record):
    """What a code says. Days are ISO dates; ``lot`` and ``serial`` are empty where the code has none, never both.

    ``additional`` is the maker's further product number (AI 240). ``digest`` is the SHA-256 (hex) of what the scanner
    delivered, noise and all.
    """

    gtin: str
    lot: str
    serial: str
    expiry: str | None
    production: str | None
    additional: str
    digest: str

    @property
    def serialised(self) -> bool:
        """Whether this cartridge can be told from all others."""
        return self.serial != ""


def read_code(raw: str | bytes, *, today: date, separators_sent: bool = False) -> ScannedCartridge:
    """What a scanned or typed GS1 code says; tolerates what scanners and keyboard wedges do to codes.

    ``separators_sent``: somebody has checked that this scanner sends FNC1, so that what looks like a swallowed
    separator is none. Raises CodeUnreadable, and nothing else.
    """
    elements = read_elements(raw, today=today, separators_sent=separators_sent)
    return ScannedCartridge(
        gtin=elements[GTIN],
        lot=elements.get(LOT, ""),
        serial=elements.get(SERIAL, ""),
        expiry=elements.get(EXPIRY),
        production=elements.get(PRODUCTION),
        additional=elements.get(EXTRA, ""),
        digest=sha256(raw if isinstance(raw, bytes) else raw.encode("utf-8", "surrogatepass")).hexdigest(),
    )


# Use ------------------------------------------------------------------------------------------------------------------


class Unused(Record):
    """The ledger could be asked and knows of no use."""

    use: Literal["unused"] = "unused"


class UsedBy(Record):
    """The ledger knows the session that used it and the day (ISO, UTC). It may be the very session that asks.

    ``unused`` is how that session knew the cartridge to be new; what the ledger does not say counts as attested.
    """

    use: Literal["used"] = "used"
    session: str
    on: str
    unused: Literal["verified", "attested"] = "attested"


class Unreachable(Record):
    """The ledger could not be asked in time; ``problem`` is the sentence that says why."""

    use: Literal["unreachable"] = "unreachable"
    problem: str


class NotSerialised(Record):
    """Only the lot is known, so nobody can tell this cartridge from others of its lot."""

    use: Literal["not_serialised"] = "not_serialised"


CartridgeUse = Annotated[Unused | UsedBy | Unreachable | NotSerialised, Field(discriminator="use")]
"""What a ledger answers. The first lets a cartridge count as *verified*, the last two ask for a person's word."""


def serial_key(serial: str) -> str:
    """What a ledger looks a serial number up by; :func:`same_cartridge` then decides among those it finds."""
    return serial[:PEN_TEXT_CHARS]


def same_cartridge(lot: str, serial: str, other_lot: str, other_serial: str) -> bool:
    """Whether two readings may be of one cartridge: a pen cuts long numbers, and a code may leave out the lot.

    A doubt counts as the same. Without a serial number nothing can be told: False.
    """
    return (
        bool(serial and other_serial)
        and _same(serial, other_serial)
        and (not lot or not other_lot or _same(lot, other_lot))
    )


def used_problem(use: CartridgeUse, session: str | None) -> Problem | None:
    """Why a cartridge may not be used in ``session`` by what the ledger says, or None."""
    if not isinstance(use, UsedBy) or use.session == session:
        return None
    return (
        "cartridge_used",
        f"This cartridge was used on {use.on}, in session {use.session}. Needles are for one patient and one session: "
        "insert a new one, discard this one as sharps.",
    )


# Fit, date, life ------------------------------------------------------------------------------------------------------


class CartridgeLife(Record):
    """How much of a cartridge's life is left by its strokes, in 1/1000; None where its data sheet says nothing."""

    left_permille: int | None
    problem: str | None


def life(strokes_used: int, profile: CartridgeProfile) -> CartridgeLife:
    """What is left of a cartridge after so many strokes."""
    most = profile.strokes_life
    if most is None:
        return CartridgeLife(left_permille=None, problem=None)
    left_permille = max(0, (most - max(0, strokes_used)) * 1000 // most)
    if left_permille > 0:
        return CartridgeLife(left_permille=left_permille, problem=None)
    return CartridgeLife(
        left_permille=0,
        problem=f"The needles have made {strokes_used} strokes; their maker gives them {most}. Blunt needles drag: "
        "replace the cartridge.",
    )


def fit_problem(
    profile: CartridgeProfile,
    pen_model: str,
    planned_depth_um: int,
    inserted: CartridgeSnapshot | None = None,
) -> Problem | None:
    """Why a cartridge of this data sheet is not for this pen and plan, or None. Depth in µm.

    ``inserted`` is what the pen reads of the cartridge: its needles must be those of the data sheet.
    """
    if pen_model not in profile.pens:
        return (
            "cartridge_fit",
            f"This cartridge does not fit a pen {pen_model}; it fits {', '.join(profile.pens) or 'none'}. Take another "
            "cartridge.",
        )
    if planned_depth_um > profile.needle_length_um:
        return (
            "cartridge_fit",
            f"The plan goes to {format_mm(planned_depth_um)} and this cartridge's needles have "
            f"{format_mm(profile.needle_length_um)}. Take a cartridge with longer needles, or plan to stay shallower.",
        )
    if inserted is None:
        return None
    for read, listed in (
        (f"{inserted.needle_count} needles", f"{profile.needle_count} needles"),
        (f"needles of {format_mm(inserted.needle_length_um)}", f"needles of {format_mm(profile.needle_length_um)}"),
    ):
        if read != listed:
            return (
                "cartridge_fit",
                f"The pen reads {read} where the data sheet of the cartridge scanned has {listed}: this is another "
                "cartridge, or a counterfeit. Take another one; keep this one and its package, and tell the supplier.",
            )
    return None


def expiry_problem(expiry: str | None, today: date) -> Problem | None:
    """Why a cartridge is past its date, or None; the day of expiry itself is still good. None: no date is known."""
    if expiry is None or date.fromisoformat(expiry) >= today:
        return None
    return "cartridge_expired", f"This cartridge could be used until {expiry}. {_DISCARD}"


def mismatch(scanned: ScannedCartridge, inserted: CartridgeSnapshot) -> Problem | None:
    """Why the cartridge scanned is not the one the pen reads, or None; compared is what both know."""
    pairs = (
        ("serial", scanned.serial, inserted.serial, _same(scanned.serial, inserted.serial)),
        ("lot", scanned.lot, inserted.lot, _same(scanned.lot, inserted.lot)),
        ("expiry", scanned.expiry, inserted.expiry, scanned.expiry == inserted.expiry),
    )
    for what, on_code, in_pen, same in pairs:
        if on_code and in_pen and not same:
            return (
                "cartridge_mismatch",
                f"Scanned is {what} {on_code}, but inserted is {what} {in_pen}. Scan the package of the cartridge that "
                "is in the pen, or insert the one that was scanned.",
            )
    return None


def snapshot_of(
    scanned: ScannedCartridge, model: str, profile: CartridgeProfile, *, unused: Literal["verified", "attested"]
) -> CartridgeSnapshot:
    """A scanned cartridge as records keep it, for a pen that does not identify what is inserted."""
    return CartridgeSnapshot(
        name=model,
        tag=0,
        needle_count=profile.needle_count,
        needle_length_um=profile.needle_length_um,
        lot=scanned.lot,
        serial=scanned.serial,
        expiry=scanned.expiry,
        unused=unused,
    )


def _same(one: str, other: str) -> bool:
    """Equal, or one of them cut where a pen cuts."""
    if one == other:
        return True
    short, long = sorted((one, other), key=len)
    return len(short) == PEN_TEXT_CHARS and long.startswith(short)


__all__ = [
    "CartridgeLife",
    "CartridgeUse",
    "CodeUnreadable",
    "NotSerialised",
    "Problem",
    "ScannedCartridge",
    "Unreachable",
    "Unused",
    "UsedBy",
    "expiry_problem",
    "fit_problem",
    "life",
    "mismatch",
    "read_code",
    "same_cartridge",
    "serial_key",
    "snapshot_of",
    "used_problem",
]
