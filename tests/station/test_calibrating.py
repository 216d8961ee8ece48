"""Calibrating at a bench: the planted untruth is found and taken out, and nothing that goes wrong half-way gets into a
certificate."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from controller.calibration.in_the_pen import read_table, write_table
from controller.calibration.readings import ReadingRefused
from controller.calibration.series import Do, Read, Step, Table
from controller.errors import ControlRefused
from controller.service.errors import ServiceEnded
from controller.service_events import (
    AdjustmentWritten,
    CalibrationWritten,
    CertificateIssued,
    PenQuarantined,
    ReferenceRead,
    ServiceOpened,
)
from firmware_bridge.gauges.errors import GaugeError, GaugeLost
from firmware_bridge.wire.messages import Capability
from logger.certificate.verify import verify_certificate
from logger.proof.checkpoints import key_id
from simulators.nonvolatile import WRITE_STEPS
from simulators.untruth import Untruth
from station.bench.accuracy_testing import AccuracyTest
from station.bench.beginning import begin, give_up, resume
from station.bench.certifying import Issued, Parties
from station.bench.issuing import Issuing
from station.bench.moments import moment
from station.bench.work_folder import WorkFolder
from station.errors import BenchRefused
from station.record.station_key import station_key
from tests.station.calibrating import AIR, INSTRUMENTS, Eye, Room, Someone, quick_policy, room

pytestmark = pytest.mark.looptime
WRONG = Untruth(gain_ppm=1_040_000, offset_um=80)
"""Found out of tolerance: 140 µm at 1.5 mm."""


CUTS = [(which, step) for which in ("adjust", "calibrate", "put_in_force") for step in range(len(WRITE_STEPS))]
READINGS = 2 * (12 + 6 + 2)


def _mostly_soak(every: Iterable[Any], quick: tuple[Any, ...]) -> list[Any]:
    """All of them on the long run, some on every one."""
    return [
        pytest.param(*(one if isinstance(one, tuple) else (one,)), marks=() if one in quick else (pytest.mark.soak,))
        for one in every
    ]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    quick_policy(tmp_path)
    return tmp_path


async def calibrated(at: Room, someone: Someone, parties: Parties | None = None, **hands: Any) -> Issued:
    """The whole way, begun or gone on with."""
    work = WorkFolder(at.settings).of_pen(at.bench.pen.model, at.bench.pen.serial)
    under_way = (
        await begin(at.bench, at.settings, INSTRUMENTS, AIR) if work is None
        else await resume(at.bench, at.settings, work)
    )  # fmt: skip
    return await under_way.run(someone.hands(**hands), parties or Parties())


async def test_from_out_of_tolerance_to_a_certificate_that_the_pen_holds(place: Path) -> None:
    async with room(place, untruth=WRONG) as at:
        someone = at.someone
        made = await calibrated(at, someone, Parties(due_on="2027-11-26"))
        body = made.sealed.certificate.body
        depth, rate = body.of("depth_nm"), body.of("rate_mhz")
        assert depth is not None
        assert rate is not None
        found, left = depth.stages
        assert (found.in_tolerance, left.in_tolerance) == (False, True)
        assert (body.technician, body.authorised_by) == ("tech-1", "head-1")
        assert found.fit is not None
        assert abs(found.fit.gain_ppm - WRONG.gain_ppm) <= found.fit.gain_expanded_ppm
        assert abs(found.fit.offset - WRONG.offset_um * 1000) <= found.fit.offset_expanded
        assert abs(left.largest_error) < 15_000
        assert rate.droop[0].droop_ppm > 1_000, "the load was on"
        stored = at.pen.memory.calibration
        assert (stored.valid, stored.certificate.decode()) == (1, made.event.number)
        assert date.fromordinal(date(1970, 1, 1).toordinal() + stored.due_day) == date(2027, 11, 27), "the day after"
        assert body.written is not None
        assert body.written.depth_uncertainty_um == stored.depth_uncertainty_um
        known = {key_id(station_key(at.settings.station_key_path).public_key().public_bytes_raw()): "here"}
        verified = verify_certificate(made.path.read_bytes(), "it", known=known, today=date(2026, 11, 26))
        assert (verified.outcome, verified.findings) == ("genuine", ())
        told = at.simulated.of(PenQuarantined)
        assert [(one.because, one.certificate) for one in told] == [("out_of_tolerance", made.event.number)]
        for kind in (AdjustmentWritten, CalibrationWritten, CertificateIssued):
            assert len(at.simulated.of(kind)) == 1
        assert len(at.simulated.of(ReferenceRead)) == someone.readings
        series = {one.series for kind in (ServiceOpened, ReferenceRead, CertificateIssued) for one in
                  at.simulated.of(kind)}  # fmt: skip
        assert series == {body.series}, "one piece of work has one id, everywhere"
        assert not list(at.settings.works_path.iterdir()), "what is done is no longer under way"
        assert not at.pen.truth.motor_driven
        assert someone.troubles == []


async def test_a_pen_in_tolerance_is_left_alone(place: Path) -> None:
    async with room(place, untruth=Untruth(offset_um=20)) as at:
        someone = at.someone
        someone.adjusts = False
        made = await calibrated(at, someone)
        assert (made.event.as_found_in_tolerance, made.event.as_left_in_tolerance) == (True, True)
        assert made.event.due_on is None
        assert at.simulated.of(PenQuarantined) == at.simulated.of(AdjustmentWritten) == []
        stored = at.pen.memory.calibration
        assert (stored.valid, stored.due_day) == (1, 0)
        assert abs(stored.depth_offset_um - 20) <= stored.depth_uncertainty_um


async def test_a_pen_left_out_of_tolerance_gets_a_certificate_that_says_so_and_no_calibration(place: Path) -> None:
    async with room(place, untruth=WRONG) as at:
        someone = at.someone
        someone.adjusts = False
        made = await calibrated(at, someone)
        assert not made.event.as_left_in_tolerance
        assert made.sealed.certificate.body.written is None
        assert at.pen.memory.calibration.valid == 0


class Killed(BaseException):
    """The program is gone."""


@pytest.mark.parametrize("at_step", _mostly_soak(range(12), quick=(5,)))
async def test_killed_before_any_step_it_goes_on_from_there(place: Path, at_step: int) -> None:
    """Six series and six things that are done. The pen lives on; the program is another."""
    async with room(place, untruth=WRONG) as at:
        first, second = at.someone, at.someone

        def kill(_step: Step) -> None:
            if len(first.steps) == at_step + 1:
                raise Killed

        first.step = kill
        with pytest.raises(Killed):
            await calibrated(at, first)
        made = await calibrated(at, second)
        assert (made.event.as_found_in_tolerance, made.event.as_left_in_tolerance) == (False, True)
        assert first.readings + second.readings == READINGS
        for kind in (PenQuarantined, CertificateIssued, AdjustmentWritten, CalibrationWritten):
            assert len(at.simulated.of(kind)) == 1, kind


async def test_a_reading_that_was_being_taken_when_the_program_died_is_taken_again(place: Path) -> None:
    async with room(place, untruth=WRONG) as at:
        first, second = at.someone, at.someone

        def dies(due: Read, value: int) -> int:
            if due.line == 8:
                raise Killed
            return value

        first.wrong = dies
        with pytest.raises(Killed):
            await calibrated(at, first)
        await at.simulated.until(lambda: not at.pen.truth.motor_driven)
        await calibrated(at, second)
        assert (first.readings, second.readings) == (7, READINGS - 7)


async def test_a_gauge_that_is_unplugged_is_told_of_and_the_reading_taken_when_it_is_back(place: Path) -> None:
    async with room(place, untruth=WRONG) as at:
        someone, plugged = at.someone, [True]

        def reads(due: Read, value: int) -> int:
            if due.line == 5 and due.what == "depth" and not someone.troubles:
                plugged[0] = False
            if not plugged[0]:
                raise GaugeLost("The gauge went. Plug it in.", url="digimatic+serial:///dev/ttyUSB0")
            return value

        someone.wrong = reads
        someone.puts_right = lambda: plugged.__setitem__(0, True)
        made = await calibrated(at, someone)
        assert made.event.as_left_in_tolerance
        assert someone.troubles == ["The gauge went. Plug it in."]
        assert someone.readings == READINGS


async def test_where_nobody_plugs_it_in_the_work_is_kept_and_the_pen_rests(place: Path) -> None:
    async with room(place, untruth=WRONG) as at:
        someone = at.someone

        def reads(due: Read, value: int) -> int:
            if due.line == 5:
                raise GaugeLost("The gauge went. Plug it in.", url="")
            return value

        someone.wrong, someone.agrees = reads, False
        with pytest.raises(GaugeError):
            await calibrated(at, someone)
        work = WorkFolder(at.settings).of_pen("NW-2", "NW2-000001")
        assert work is not None
        assert len(work.readings) == 4
        assert not at.pen.truth.motor_driven
        assert at.pen.truth.needles_out


async def test_a_reading_that_cannot_be_is_refused_and_read_again(place: Path) -> None:
    async with room(place) as at:
        someone = at.someone
        someone.adjusts = False
        someone.wrong = lambda due, value: round(value / 25.4) if due.line == 3 and not someone.troubles else value
        someone.forgets = True
        someone.puts_right = lambda: someone.put_on("load") if len(someone.troubles) == 2 else None
        await calibrated(at, someone)
        assert len(someone.troubles) == 2
        assert "line 3" in someone.troubles[0]
        assert "inches" in someone.troubles[0]
        assert someone.troubles[1].startswith("line 1: under Test pad")
        assert "nothing shows that the load was on" in someone.troubles[1]
        assert len(at.simulated.of(ReferenceRead)) == READINGS // 2


async def test_a_pen_that_restarts_half_way_has_that_series_read_anew(place: Path) -> None:
    async with room(place, untruth=WRONG) as at:
        someone, restarted = at.someone, [False]

        def reads(due: Read, value: int) -> int:
            if due.what == "rate" and due.line == 4 and not restarted[0]:
                restarted[0] = True
                at.pen.reboot()
            return value

        someone.wrong = reads
        made = await calibrated(at, someone)
        rate = made.sealed.certificate.body.of("rate_mhz")
        assert rate is not None
        assert any("restart" in why for why in someone.troubles)
        assert someone.prepared.count("as_found depth") == 1, "a complete series is kept"
        assert someone.prepared.count("as_found rate") == 2
        told = [one for one in at.simulated.of(ReferenceRead) if one.stage == "as_found" and one.load == ""]
        assert len([one for one in told if one.quantity == "rate_mhz"]) >= 6 + 3


@pytest.mark.parametrize("line", _mostly_soak((1, 4), quick=(4,)))
async def test_another_pen_on_the_cable_is_noticed_and_nothing_of_it_gets_in(place: Path, line: int) -> None:
    async with room(place, untruth=WRONG) as at:
        someone = at.someone

        def reads(due: Read, value: int) -> int:
            if due.line == line and at.pen.model.serial == "NW2-000001":
                at.pen.swap("NW2-000002")
            return value

        someone.wrong = reads
        with pytest.raises(ControlRefused) as refused:
            await calibrated(at, someone)
        assert refused.value.because in {"another_pen", "pen_swapped", "pen_changed"}
        work = WorkFolder(at.settings).of_pen("NW-2", "NW2-000001")
        assert work is not None
        assert len(work.readings) <= line
        assert WorkFolder(at.settings).of_pen("NW-2", "NW2-000002") is None


@pytest.mark.parametrize(("which", "step"), _mostly_soak(CUTS, quick=(("adjust", 2), ("put_in_force", 1))))
async def test_a_power_cut_in_the_write_leaves_the_old_or_the_new_and_the_work_goes_on(
    place: Path, which: str, step: int
) -> None:
    async with room(place, untruth=WRONG) as at:
        someone, cut = at.someone, [False]

        def on_step(due: Step) -> None:
            if due == Do(which) and not cut[0]:  # type: ignore[arg-type]
                cut[0] = True
                at.pen.memory.cut_at = step

        someone.step = on_step
        made = await calibrated(at, someone)
        assert cut == [True]
        assert made.event.as_left_in_tolerance
        stored, held = at.pen.memory.calibration, at.pen.memory.adjustment
        assert (stored.valid, stored.certificate.decode()) == (1, made.event.number)
        table = made.sealed.certificate.body.adjustment
        assert table is not None
        assert held.number == table.after.number == 1
        for kind in (AdjustmentWritten, CalibrationWritten):
            assert len(at.simulated.of(kind)) == 1


async def test_stop_ends_it_and_nobody_is_asked_whether_to_go_on(place: Path) -> None:
    async with room(place) as at:
        someone = at.someone

        def stops(_due: Read, value: int) -> int:
            at.bench.driver.stop("another terminal")
            return value

        someone.wrong = stops
        with pytest.raises(ServiceEnded) as ended:
            await calibrated(at, someone)
        assert ended.value.because == "stopped"
        assert someone.troubles == []


async def test_a_finger_on_the_needles_is_told_of_and_the_point_gone_to_again(place: Path) -> None:
    async with room(place) as at:
        someone = at.someone
        someone.adjusts = False
        someone.puts_right = lambda: at.pen.hold_on("air", touching=False)

        def touches(due: Read, value: int) -> int:
            if due.line == 2 and not someone.troubles:
                at.pen.hold_on("cheek", touching=True)
            return value

        someone.wrong = touches
        made = await calibrated(at, someone)
        assert made.event.as_left_in_tolerance
        assert someone.troubles


async def test_an_expired_reference_is_refused_before_anything_moves(place: Path) -> None:
    quick_policy(place, **{r"(?m)^    due_on: 2099-12-31$": "    due_on: 2026-02-01"})
    async with room(place) as at:
        with pytest.raises(ControlRefused) as refused:
            await begin(at.bench, at.settings, INSTRUMENTS, AIR)
        assert refused.value.because == "reference_expired"
        assert at.simulated.of(ServiceOpened) == []
        assert not at.settings.works_path.exists()


async def test_readings_by_one_policy_are_not_judged_by_another(place: Path) -> None:
    async with room(place) as at:
        under_way = await begin(at.bench, at.settings, INSTRUMENTS, AIR)
        quick_policy(place, **{"tolerance_mm: 0.15 ": "tolerance_mm: 0.30 "})
        with pytest.raises(ControlRefused, match="policy was changed"):
            await resume(at.bench, at.settings, under_way.work)


async def test_a_file_of_work_that_makes_no_sense_is_not_guessed_at(place: Path) -> None:
    async with room(place) as at:
        await begin(at.bench, at.settings, INSTRUMENTS, AIR)
        folder = WorkFolder(at.settings)
        (path,) = at.settings.works_path.iterdir()
        kept = json.loads(path.read_text())
        path.write_text(json.dumps(kept | {"work": kept["work"] | {"adjusted": "perhaps"}}))
        with pytest.raises(BenchRefused, match="no sense"):
            folder.of_pen("NW-2", "NW2-000001")


@pytest.mark.parametrize(
    "edit",
    [
        lambda work: work["readings"][0].update(reference=work["readings"][0]["reference"] - 30),
        lambda work: work["readings"][-1].update(at="2027-11-26T00:00:00Z"),
        lambda work: work.update(quarantined=True),
        lambda work: work["air"][0].update(temperature_dc=200),
    ],
    ids=["reading", "moment", "quarantine", "air"],
)
async def test_a_file_of_work_that_somebody_edited_is_not_gone_on_with(
    place: Path, edit: Callable[[dict[str, Any]], None]
) -> None:
    async with room(place) as at:
        someone = at.someone
        someone.agrees, someone.wrong = False, lambda due, value: value if due.line < 3 else -value
        with pytest.raises(ReadingRefused):
            await calibrated(at, someone)
        (path,) = at.settings.works_path.iterdir()
        kept = json.loads(path.read_text())
        edit(kept["work"])
        path.write_text(json.dumps(kept))
        path.with_name(f".{path.name}.0123.part").write_text("half a fi")  # a program died while it wrote
        edited = WorkFolder(at.settings).of_pen("NW-2", "NW2-000001")
        assert edited is not None
        with pytest.raises(BenchRefused, match="edited"):
            await resume(at.bench, at.settings, edited)
        assert await give_up(at.bench, at.settings, edited) == "", "it can be begun anew"
        assert list(at.settings.works_path.iterdir()) == []


async def test_a_clock_that_was_put_back_dates_no_calibration(place: Path) -> None:
    async with room(place) as at:
        under_way = await begin(at.bench, at.settings, INSTRUMENTS, AIR)
        under_way.work = under_way.work.model_copy(
            update={"begun_at": moment(at.bench.clock.utc() + timedelta(days=3))}
        )
        with pytest.raises(ControlRefused, match="put back") as refused:
            await under_way.run(at.someone.hands(), Parties())
        assert refused.value.because == "clock_stepped"
        assert under_way.work.readings == ()


async def test_a_table_that_goes_too_far_is_not_taken_and_it_is_told_why(place: Path) -> None:
    async with room(place) as at:
        ask = at.bench.driver.request
        held = await read_table(ask)
        far = Table(number=held.number + 1, shown_um=(0, 1000), true_um=(900, 1900), rate_gain_ppm=1_000_000)
        with pytest.raises(ControlRefused, match="does not take table number 1") as refused:
            await write_table(ask, held, far)
        assert refused.value.because == "adjustment_refused"
        assert await read_table(ask) == held


async def test_an_accuracy_test_tells_what_is_set_against_what_is(place: Path) -> None:
    async with room(place, untruth=Untruth(offset_um=60)) as at:
        someone = at.someone
        test = AccuracyTest(at.bench, at.settings, INSTRUMENTS, AIR)
        made = await test.run(someone.hands(), Parties())
        depth = made.sealed.certificate.body.of("depth_nm")
        assert depth is not None
        assert made.event.kind == "accuracy_test"
        for point in depth.last.points:
            assert abs(point.error - 60_000) <= point.expanded
        assert someone.prepared == ["as_found depth", "as_found rate"]
        assert at.simulated.of(AdjustmentWritten) == at.simulated.of(CalibrationWritten) == []
        assert len(at.simulated.of(CertificateIssued)) == 1


async def test_whoever_takes_long_to_type_finds_the_point_gone_to_again(place: Path) -> None:
    async with room(place) as at:
        someone, slow = at.someone, [1]
        someone.adjusts = False
        hands = someone.hands()

        class Slow:
            source = "typed"
            hold_ms = 0

            async def read(self, due: Read) -> int:
                value = await hands.depth.read(due)
                if due.line == 6 and slow:
                    slow.pop()
                    await asyncio.sleep(at.bench.policy.service.idle_time_out_ms / 1000 + 1)
                return value

        work = await begin(at.bench, at.settings, INSTRUMENTS, AIR)
        made = await work.run(replace(hands, depth=Slow()), Parties())  # type: ignore[arg-type]
        assert made.event.as_left_in_tolerance
        assert len(someone.troubles) == 1
        assert len([one for one in at.simulated.of(ReferenceRead) if one.quantity == "depth_um"]) == 12


async def test_the_script_in_the_page_does_what_it_says(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "calibrating.md").read_text(encoding="utf-8")
    script = page.split("```python\n")[1].split("```")[0].replace("asyncio.run(main())", "")
    (place / "password").write_text("anything")
    assert "/etc/needlework/tech-1.password" in script
    names: dict[str, Any] = {}
    exec(compile(script.replace("/etc/needlework/tech-1.password", str(place / "password")), "page", "exec"), names)
    async with room(place, untruth=WRONG) as at:

        @asynccontextmanager
        async def opened(*_given: Any, **_named: Any) -> AsyncIterator[Any]:
            yield at.bench

        class Plugged(Eye):
            def __init__(self, url: str) -> None:
                assert url.startswith(("digimatic+serial:", "lutron+serial:"))
                super().__init__(at.pen)

            async def close(self) -> None:
                """Nothing is open."""

        names |= {"open_bench": opened, "InstrumentReference": Plugged, "load_settings": lambda **_: at.settings}
        names["ready"] = at.someone.prepare
        await names["main"]()
        (told,) = at.simulated.of(CertificateIssued)
    assert capsys.readouterr().out == f"{told.number} True\n"


async def test_a_simulated_pen_is_marked_as_a_demonstration_by_whatever_policy(place: Path) -> None:
    async with room(place) as at:
        at.settings = at.settings.model_copy(update={"library": place / "library.yaml"})
        assert (at.settings.mode, at.settings.calibration) == ("clinic", place / "calibration.yaml")
        issuing = Issuing(at.bench, at.settings, Parties())
        assert issuing.demo
        told = at.bench.pen.capabilities
        at.bench.pen = at.bench.pen.model_copy(update={"capabilities": told & ~Capability.SIMULATED})
        assert not issuing.demo, "a pen that is one"
        at.bench.pen = at.bench.pen.model_copy(update={"capabilities": told})
        someone = at.someone
        someone.adjusts = False
        assert (await calibrated(at, someone)).sealed.certificate.body.demo
