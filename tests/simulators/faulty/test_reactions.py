"""Each line of the catalogue on the real machine: what becomes of the treatment, which alarm is raised, and that it can
begin anew once the fault is cleared. What only a link or a device shows is in the files beside this one."""

import pytest

from controller.alarm_table import ALARMS
from controller.errors import ControlRefused
from controller.state import Phase
from simulators.faults.catalogue import CATALOGUE
from simulators.faults.kinds import FaultKind
from tests.simulators.faulty.treatment import Treatment

ELSEWHERE = {
    "firmware_old_version": "the handshake of the link refuses it",
    "firmware_consume_fails": "the session driver asks for it",
}
ON_RIG = [kind for kind in CATALOGUE.values() if kind.name not in ELSEWHERE and (
    kind.layer != "usb" or kind.seat == "plug")]  # fmt: skip
LOST = {Phase.STOPPING, Phase.INTERRUPTED, Phase.PREPARED, Phase.NO_SESSION}
AFTER_EFFECTS = {"stop_not_confirmed", "running_unasked", "pen_stopped_itself", "link_lost"}
"""What may come with the first alarm of a stop, depending on who sees it first."""


def meet(treatment: Treatment, kind: FaultKind) -> None:
    """The treatment meets the fault, as far as it gets."""
    if kind.met == "connecting":
        treatment.inject.inject(kind.name)
        treatment.connect()
    treatment.connect()
    treatment.prepare()
    if kind.met == "arming":
        treatment.inject.inject(kind.name)
        treatment.goes_on(250)
    treatment.arm()
    treatment.treat()
    if kind.met == "treating":
        assert treatment.rig.state.phase is Phase.TREATING
        assert not treatment.alarms
        treatment.inject.inject(kind.name)
    treatment.goes_on(500)
    match kind.shown_by:
        case "pause":
            treatment.pause()
        case "stop":
            treatment.stop()
        case "end":
            treatment.goes_on(1000)
            treatment.inject.clear(kind.name)
    for _ in range(kind.within_ms // 250):
        treatment.goes_on(250)
        if kind.alarm in treatment.alarms and (kind.reaction != "pauses" or treatment.rig.state.phase is Phase.PAUSED):
            break


@pytest.mark.parametrize("kind", ON_RIG, ids=lambda kind: kind.name)
def test_the_product_reacts_as_the_catalogue_says_and_recovers(kind: FaultKind) -> None:
    treatment = Treatment()
    if kind.reaction == "refuses":
        with pytest.raises(ControlRefused):
            meet(treatment, kind)
        assert not treatment.pen.truth.motor_driven
    else:
        try:
            meet(treatment, kind)
        except ControlRefused:
            assert kind.reaction == "stops", "it was refused"
    phase, raised = treatment.rig.state.phase, treatment.alarms
    match kind.reaction:
        case "goes on":
            assert phase is Phase.TREATING
            assert treatment.pen.truth.motor_driven
            assert raised == ({kind.alarm} if kind.alarm else set())
        case "pauses":
            assert phase is Phase.PAUSED
            assert not treatment.pen.truth.motor_driven
            assert raised == ({kind.alarm} if kind.alarm else set())
        case "stops":
            assert phase in LOST
            assert kind.alarm in raised if kind.alarm else not raised
            assert raised <= {kind.alarm} | AFTER_EFFECTS
            if kind.name != "firmware_hang":  # whose outputs stay as they were: a person lifts it off
                treatment.goes_on(1000)
                assert not treatment.pen.truth.motor_driven
    treatment.inject.clear_all()
    if treatment.rig.state.phase is Phase.TREATING:
        treatment.stop()
    treatment.begin_anew()
    treatment.rig.events.clear()
    treatment.goes_on(2000)
    assert treatment.rig.state.phase is Phase.TREATING
    assert treatment.pen.truth.motor_driven
    assert not treatment.alarms


def test_every_alarm_named_is_one_of_the_product() -> None:
    assert {kind.alarm for kind in CATALOGUE.values()} - {""} <= set(ALARMS)


def test_every_high_alarm_of_the_pen_and_its_treatment_is_served_by_a_fault() -> None:
    """But for what no fault of a pen brings about by itself."""
    served = {kind.alarm for kind in CATALOGUE.values()}
    missing = {name for name, alarm in ALARMS.items() if alarm.priority == "HIGH"} - served
    assert missing == {"depth_over_limit", "depth_unknown", "stop_not_confirmed"}
