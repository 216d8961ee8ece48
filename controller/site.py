"""What a site brings to every session on its pens: its data, what it remembers, and its ledger of cartridges."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from controller.calibration.policy import CalibrationPolicy
from controller.cartridges import CodeUnreadable, ScannedCartridge, read_code
from controller.errors import ControllerError, ControlRefused
from controller.history import CourseState, OpenedSession, PatientHistory, course_state
from controller.library import LoadedLibrary
from controller.operators import Operators
from controller.pen_kept import PenKept, PenRules
from controller.pen_rules import rules_of
from controller.plan import ResolvedPlan, SessionPlan, resolve_plan
from controller.ports import PenRegister, SiteMemory, UseLedger
from controller.profiles import Profiles


@dataclass(frozen=True, slots=True)
class ClinicData:
    """What a clinic decides, read once at the start."""

    library: LoadedLibrary
    operators: Operators
    profiles: Profiles
    calibration: CalibrationPolicy
    mode: Literal["demo", "clinic"]


@dataclass(frozen=True, slots=True)
class Site:
    """One site. ``scanner_sends_separators``: somebody has checked that its scanner sends a code's separators."""

    data: ClinicData
    memory: SiteMemory
    ledger: UseLedger
    pens: PenRegister
    scanner_sends_separators: bool = False

    def scanned(self, code: str, today: date) -> ScannedCartridge | None:
        """What a scanned code says; None where none was scanned. Raises ControlRefused for one that cannot be read."""
        if not code:
            return None
        try:
            return read_code(code, today=today, separators_sent=self.scanner_sends_separators)
        except CodeUnreadable as error:
            raise ControlRefused("cartridge_code", f"{error} Nothing changed.") from error

    async def patient(self, patient: str, today: date) -> tuple[PatientHistory, dict[str, CourseState]]:
        """What is known of a patient, and where a session today would stand in each protocol's course.

        Raises ControllerError.
        """
        history = await self.memory.patient(patient)
        return history, {
            name: course_state(history, protocol.course, today, protocol=name)
            for name, protocol in self.data.library.protocols.items()
        }

    async def kept_of(self, model: str, serial: str) -> PenKept:
        """What the site's record says of a pen now, and by which rules it may be used."""
        return PenKept(standing=await self.pens.standing(model, serial), rules=self.rules_of(model))

    def rules_of(self, model: str) -> PenRules:
        """What the clinic asks of a pen of a model."""
        return rules_of(self.data.calibration, model)

    async def resolve(self, plan: SessionPlan, *, model: str, now: datetime) -> ResolvedPlan:
        """A plan with everything looked up, for a pen of ``model``. Raises ControlRefused."""
        try:
            history = await self.memory.patient(plan.patient)
        except ControllerError as error:
            raise ControlRefused("site_memory", f"{error} No session was opened.") from error
        return resolve_plan(
            plan,
            model=model,
            today=now.date(),
            library=self.data.library,
            operators=self.data.operators,
            profiles=self.data.profiles,
            mode=self.data.mode,
            history=history,
            scan=self.scanned(plan.cartridge_code, now.date()),
        )

    async def opened(self, session: str, asked: SessionPlan, plan: ResolvedPlan, now: datetime) -> None:
        """Keeps at the site what a session began with. Raises ControllerError when it cannot be kept."""
        approvals = {zone.approval for zone in plan.zones.values() if zone.approval} | {*plan.prescribed_by}
        await self.memory.opened(
            OpenedSession(
                session=session,
                patient=plan.patient,
                operator=plan.operator,
                on=now.date(),
                protocol=plan.protocol,
                skin=plan.skin,
                answers=asked.answers,
                consent=asked.consent,
                approvals=tuple(sorted(approvals)),
                resumes=plan.resumes,
            )
        )
