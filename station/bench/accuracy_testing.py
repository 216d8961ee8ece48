"""The accuracy test of 21 CFR 878.4430 at an open bench: depth and rate, set against measured, and its report.

One sitting: what interrupts it ends it, and it is done anew; unlike a calibration it changes nothing in the pen.
"""

from importlib.metadata import version

from controller.calibration.accuracy import judge_accuracy
from controller.calibration.readings import Reading, SeriesPlan, accuracy_depth_plan, accuracy_rate_plan, held_sound
from controller.calibration.series import Read, What
from controller.calibration.setup import AccuracySetup, Environment, accuracy_setup, model_policy
from controller.service_events import ReferenceRead
from station.bench.accuracy_results import AccuracyMeasured, accuracy_series
from station.bench.approach import AtPoint, Course, depth_course, rate_course
from station.bench.beginning import Instruments, new_series
from station.bench.bench import TechnicianBench
from station.bench.certificate_parts import Named
from station.bench.certifying import Issued, Parties, Work
from station.bench.hands import Hands
from station.bench.issuing import Issuing
from station.bench.measuring import Take, measure
from station.bench.moments import moment
from station.bench.standards import decision_of, environment_of, policy_sha256, references_of
from station.settings import StationSettings


class AccuracyTest:
    """One test of the pen at the bench."""

    def __init__(
        self, bench: TechnicianBench, settings: StationSettings, instruments: Instruments, air: Environment
    ) -> None:
        """Raises ControlRefused: no method, unknown or expired reference, unfit air. Nothing moves yet."""
        self.setup: AccuracySetup = accuracy_setup(
            bench.policy,
            bench.pen.model,
            instruments.gauge,
            instruments.cartridge,
            instruments.tachometer,
            air,
            bench.clock.utc().date(),
        )
        self.series = new_series(bench.clock.utc())
        self._bench = bench
        self._settings = settings
        self._instruments = instruments
        self._air = air
        self._begun = bench.clock.utc()

    def plan(self, what: What) -> SeriesPlan:
        """What is read of depth or of rate."""
        method = self.setup.method
        return accuracy_depth_plan(method) if what == "depth" else accuracy_rate_plan(method)

    async def run(self, hands: Hands, parties: Parties) -> Issued:
        """Reads, judges, and issues the report. ``hands.adjust`` is not asked.

        Raises as :func:`station.bench.measuring.measure`, and as :meth:`station.bench.issuing.Issuing.sealed`.
        """
        issuing = Issuing(self._bench, self._settings, parties)
        depths, rates = await self._read("depth", hands), await self._read("rate", hands)
        begun_at, ended_at = moment(self._begun), moment(self._bench.clock.utc())
        judged = judge_accuracy(depths, rates, self.setup)
        measured = AccuracyMeasured(judged, depths, rates, begun_at, ended_at)
        model = model_policy(self._bench.policy, self._bench.pen.model)
        return await issuing.sealed(
            Work(
                kind="accuracy_test",
                number=issuing.draw_number("accuracy_test"),
                series=self.series,
                site=self._settings.site,
                station=self._settings.station,
                software=f"needlework {version('needlework')}",
                instrument=await issuing.instrument(),
                technician=self._bench.technician,
                authorised_by=self._bench.authorised_by,
                begun_at=begun_at,
                ended_at=ended_at,
                references=references_of(self.setup),
                environment=environment_of([self._air], self._bench.policy.environment),
                decision=decision_of(self.setup.rule),
                results=accuracy_series(
                    measured, self.setup, Named(model.accuracy_method, policy_sha256(self._settings.calibration))
                ),
                demo=issuing.demo,
            )
        )

    async def _read(self, what: What, hands: Hands) -> list[Reading]:
        await hands.prepare("as_found", what)
        plan, taken = self.plan(what), list[Reading]()
        places = list(plan.places())

        def due() -> Read | None:
            at = len(taken)
            return Read("as_found", what, places[at], at + 1, len(places)) if at < len(places) else None

        await measure(
            self._bench,
            self._course(what, plan),
            hands,
            purpose="accuracy_test",
            series=self.series,
            resumed=what != "depth",
            due=due,
            take=self._taken(plan, taken, hands),
        )
        return taken

    def _course(self, what: What, plan: SeriesPlan) -> Course:
        method = self.setup.method
        return depth_course(plan, method) if what == "depth" else rate_course(plan, method)

    def _taken(self, plan: SeriesPlan, taken: list[Reading], hands: Hands) -> Take:
        async def take(due: Read, at: AtPoint, reference: int) -> None:
            place = due.place
            reading = Reading(place.point, place.direction, place.repeat, at.shown, reference)
            held_sound(reading, taken[-1] if taken else None, plan, due.line)
            await self._bench.record(
                ReferenceRead(
                    series=self.series,
                    stage="as_found",
                    quantity=plan.quantity,
                    point=plan.points[place.point],
                    direction=place.direction,
                    repeat=place.repeat,
                    shown=at.shown,
                    reference=reference,
                    instrument=self._instruments.gauge if due.what == "depth" else self._instruments.tachometer,
                    source=hands.reference(due.what).source,
                )
            )
            taken.append(reading)

        return take
