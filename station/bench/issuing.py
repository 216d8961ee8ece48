"""From a calibration under way to its certificate: numbered, put together, signed, kept and told of, once each.

Whatever interrupted it, going on issues no second one: the number is drawn once and kept with the work, and a file of
that number is the certificate. What the pen is to hold in force is read from that file: the two cannot differ.
"""

import asyncio
from dataclasses import replace
from datetime import date
from importlib.metadata import version

from controller.calibration.in_the_pen import check_calibration
from controller.calibration.series import CalibrationUnderWay, Setups, results
from controller.calibration.setup import Environment, model_policy
from controller.service_events import CertificateIssued, CertificateKind
from firmware_bridge.wire.fields import NOT_MEASURED
from firmware_bridge.wire.messages import Capability
from firmware_bridge.wire.operations import CalibrationData
from firmware_bridge.wire.service_operations import LIFETIME_READ, LifetimeData
from logger.certificate.document import Adjustment, Body, Instrument, Series, Table
from logger.certificate.folder import CertificateFolder
from logger.certificate.sealing import Sealed, open_certificate
from logger.errors import CertificateRefused
from logger.journal.reader import JournalReader
from logger.record.pens import last_in_tolerance, name_of
from station.bench.bench import TechnicianBench
from station.bench.certifying import Issued, Parties, Work, draw_number, issue, issued_event, untold
from station.bench.laboratory import laboratory
from station.bench.measured import series_of
from station.bench.standards import decision_of, environment_of, references_of
from station.bench.stated import calibration_data, written_of
from station.record.station_key import station_key
from station.settings import StationSettings
from station.site.pen_records import open_pen_records


class Issuing:
    """Issues what was measured at a bench. ``parties`` is who it is for; the laboratory is the station's setting where
    they name none."""

    def __init__(self, bench: TechnicianBench, settings: StationSettings, parties: Parties) -> None:
        """Raises DataError for a laboratory's file that cannot be used."""
        self.parties = parties if parties.laboratory else replace(parties, laboratory=laboratory(settings.laboratory))
        self._bench = bench
        self._settings = settings
        self._folder = CertificateFolder(settings.certificates_path)

    def draw_number(self, kind: CertificateKind) -> str:
        """A number that no certificate here has."""
        return draw_number(self._folder, kind, self._bench.clock.utc().date())

    def calibration_data(self, work: CalibrationUnderWay, setups: Setups) -> CalibrationData:
        """What the pen is given as its calibration: what is left, as of the day of its last reading."""
        written = written_of(results(work, setups, work.last_stage))
        return calibration_data(work.number, written, calibrated_on(work), self.parties.due_on)

    def issued(self, number: str) -> bool:
        """Whether the certificate of that number is signed and on the disk; told of on record it is by :meth:`issue`
        alone."""
        return bool(number) and self._folder.has(number)

    async def issue(self, work: CalibrationUnderWay, setups: Setups) -> Issued:
        """The certificate, on the disk and on record; the one there is where it was issued already.

        Raises CertificateRefused, StationFailure, RecordError, ControlRefused where the pen does not hold what it would
        state, WireError, OSError.
        """
        if self.issued(work.number):
            made = await asyncio.to_thread(self.kept, work.number)
            await tell(self._bench, self._settings)
            return made
        if work.calibrated:
            await check_calibration(self._bench.driver.request, self.calibration_data(work, setups))
        told = Work(
            kind="calibration",
            number=work.number,
            series=work.series,
            site=self._settings.site,
            station=self._settings.station,
            software=f"needlework {version('needlework')}",
            instrument=await self.instrument(),
            technician=work.technician,
            authorised_by=self._bench.authorised_by,
            begun_at=work.readings[0].at,
            ended_at=work.readings[-1].at,
            references=references_of(setups.depth, setups.rate),
            environment=environment_of(
                [Environment(air.temperature_dc, air.humidity_permille) for air in work.air],
                self._bench.policy.environment,
            ),
            decision=decision_of(setups.depth.rule),
            results=await self.results(work, setups),
            adjustment=_adjustment(work),
            written=written_of(results(work, setups, work.last_stage)) if work.calibrated else None,
            demo=self.demo,
        )
        return await self.sealed(told)

    async def sealed(self, told: Work) -> Issued:
        """A certificate of what was done, on the disk and on record. Raises as :meth:`issue`."""
        key = await asyncio.to_thread(station_key, self._settings.station_key_path)
        made = await asyncio.to_thread(
            issue,
            told,
            self.parties,
            issued_at=self._bench.clock.utc().strftime("%Y-%m-%dT%H:%M:%SZ"),
            key=key,
            folder=self._folder,
        )
        await tell(self._bench, self._settings)
        return made

    async def results(self, work: CalibrationUnderWay, setups: Setups) -> tuple[Series, Series]:
        """The series as they stand, and how depth changed since the last certificate. Raises RecordError."""
        last = await asyncio.to_thread(self._last, work)
        model = model_policy(self._bench.policy, work.pen)
        return series_of(work, setups, (model.depth_method, model.rate_method), last)

    async def instrument(self) -> Instrument:
        """The pen as it says itself. Raises ControlRefused, WireError."""
        pen = self._bench.pen
        told: LifetimeData | None = None
        if pen.capabilities & Capability.LIFETIME:
            told = await self._bench.driver.request(LIFETIME_READ)
        return Instrument(
            model=pen.model,
            serial=pen.serial,
            firmware=pen.firmware,
            run_s=None if told is None else told.run_s,
            strokes=None if told is None else told.strokes,
            shocks=None if told is None or told.shocks == NOT_MEASURED["u16"] else told.shocks,
        )

    @property
    def demo(self) -> bool:
        """Whether it is nothing to hand out: a simulated pen by whatever policy, references out of the example policy,
        or a station that demonstrates."""
        simulated = bool(self._bench.pen.capabilities & Capability.SIMULATED)
        return simulated or self._settings.mode == "demo" or self._settings.calibration is None

    def kept(self, number: str) -> Issued:
        """A certificate that is in the folder. Raises CertificateRefused, CertificateNotFound, OSError."""
        path, content = self._folder.read(number)
        opened = open_certificate(content, path.name)
        if opened.certificate is None:
            raise CertificateRefused("later_version", f"{path.name}: a later version of this product issued it.")
        sealed = Sealed(content, opened.certificate)
        return Issued(path, sealed, issued_event(sealed))

    def _last(self, work: CalibrationUnderWay) -> Body | None:
        """The certificate by which this pen last was right, as far as this station knows it."""
        pen = name_of(work.pen, work.serial)
        with open_pen_records(self._settings) as records:
            told = [
                one
                for one in records.told(pen, ("certificate_issued",))
                if isinstance(one.event, CertificateIssued) and one.event.number != work.number
            ]
        last = last_in_tolerance(told)
        if last is None or not isinstance(last.event, CertificateIssued):
            return None
        try:
            opened = open_certificate(last.event.document.encode(), last.event.number)
        except CertificateRefused:
            return None  # damaged, or of another version: then nothing is said of drift
        return None if opened.certificate is None else opened.certificate.body


async def tell(bench: TechnicianBench, settings: StationSettings) -> None:
    """Certificates that the journal does not know of yet go on record. Raises RecordError, OSError."""

    def missing() -> list[CertificateIssued]:
        reader = JournalReader(settings.journal_path)
        try:
            return untold(CertificateFolder(settings.certificates_path), reader)
        finally:
            reader.close()

    await bench.record(*await asyncio.to_thread(missing))


def calibrated_on(work: CalibrationUnderWay) -> date:
    """The day of its last reading: the day on which the pen was as the certificate says."""
    return date.fromisoformat(work.readings[-1].at[:10])


def _adjustment(work: CalibrationUnderWay) -> Adjustment | None:
    if not work.adjusted or work.wanted is None:
        return None
    before, after = (
        Table(number=one.number, shown_um=one.shown_um, true_um=one.true_um, rate_gain_ppm=one.rate_gain_ppm)
        for one in (work.found, work.wanted)
    )
    return Adjustment(before=before, after=after)
