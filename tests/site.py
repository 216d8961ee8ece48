"""A site's memory and ledger as the driver's tests have them: in this process, and breakable."""

from typing import Literal

from controller.calibration.policy import load_policy
from controller.cartridges import CartridgeUse, NotSerialised, Unused, UsedBy
from controller.errors import ControlRefused, DataError
from controller.events import CartridgeSnapshot
from controller.history import Approval, ClosedSession, OpenedSession, PatientHistory
from controller.library import LoadedLibrary, load_library
from controller.operators import load_operators
from controller.pen_kept import Quarantined, Standing
from controller.profiles import load_profiles
from controller.site import ClinicData


class Memory:
    """A site that has never seen anybody, and keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.broken = False

    async def patient(self, patient: str) -> PatientHistory:
        return PatientHistory(patient=patient)

    async def opened(self, session: OpenedSession) -> None:
        if self.broken:
            raise DataError("The site's memory cannot be written.")
        self.told.append(session.session)

    async def closed(self, session: str, closed: ClosedSession) -> None:
        self.told.append(session)

    async def approve(self, approval: Approval) -> None:
        self.told.append(approval.id)


class Ledger:
    """A site's ledger of cartridges, in memory."""

    def __init__(self) -> None:
        self.uses: dict[str, str] = {}
        self.found: dict[str, Literal["verified", "attested"]] = {}
        self.claims = 0

    async def cartridge(self, cartridge: CartridgeSnapshot) -> CartridgeUse:
        if not cartridge.serial:
            return NotSerialised()
        by = self.uses.get(cartridge.serial)
        if by is None:
            return Unused()
        return UsedBy(session=by, on="2026-01-01", unused=self.found.get(cartridge.serial, "attested"))

    async def claim(self, cartridge: CartridgeSnapshot, session: str) -> None:
        self.claims += 1
        if self.uses.get(cartridge.serial, session) != session:
            raise ControlRefused("cartridge_used", "Another station has just used this cartridge.")
        if cartridge.serial:
            self.uses[cartridge.serial] = session
            self.found[cartridge.serial] = "verified" if cartridge.unused == "verified" else "attested"


def clinic(library: LoadedLibrary | None = None) -> ClinicData:
    """What the examples shipped say, as a clinic that demonstrates has them."""
    return ClinicData(library or load_library(), load_operators(), load_profiles(), load_policy(), "demo")


class Pens:
    """A site's record of its pens, in memory."""

    def __init__(self) -> None:
        self.standings: dict[tuple[str, str], Standing] = {}
        self.asked: list[tuple[str, str]] = []

    async def standing(self, model: str, serial: str) -> Standing:
        self.asked.append((model, serial))
        return self.standings.get((model, serial), Standing())

    def quarantine(self, model: str, serial: str) -> None:
        found = Quarantined(
            quarantine="q-1", because="out_of_tolerance", by="tech-kim", on="2026-01-01", station="room-2"
        )
        self.standings[model, serial] = Standing(quarantined=found)
