"""Statuses, pens and limits for the tests of service mode."""

from typing import Any

from controller.calibration.policy import load_policy
from controller.inputs import PenFacts
from controller.service.state import ServiceState
from firmware_bridge.snapshot import PenSnapshot
from firmware_bridge.wire.messages import Capability, Fault, Interlock, PenState

LIMITS = load_policy().service
FACTS = PenFacts(
    model="NW-2", serial="NW2-000001", firmware="sim 1.0", boot_id=7,
    capabilities=int(Capability.DEPTH_SET | Capability.DEPTH_SENSED | Capability.RATE_SET | Capability.RATE_SENSED
                     | Capability.DEAD_MAN | Capability.CONTACT_SENSED | Capability.SERVICE),
    depth_min_um=0, depth_max_um=2500, depth_step_um=50, rate_min_mhz=20_000, rate_max_mhz=150_000,
    rate_step_mhz=1_000, dead_man_ms=300, retract_ms=250,
)  # fmt: skip
UNSENSED = FACTS.model_copy(update={"capabilities": FACTS.capabilities & ~int(Capability.CONTACT_SENSED)})


def status(pen_time_ms: int, **changes: Any) -> PenSnapshot:
    """A pen at rest, off skin; ``changes`` say otherwise."""
    at_rest = {
        "pen_time_ms": pen_time_ms, "boot_id": 7, "lease": 0, "tick": 0, "refusal": 0, "state": PenState.IDLE,
        "faults": Fault(0), "interlocks": Interlock.NEEDLES_OUT | Interlock.CARTRIDGE_PRESENT, "depth_set_um": 0,
        "depth_measured_um": 0, "rate_set_mhz": 0, "rate_measured_mhz": 0, "motor_current_ma": 0,
        "battery_permille": 900, "temperature_dc": 250, "on_skin": False, "strokes": 0, "button_presses": 0,
        "pedal_presses": 0,
    }  # fmt: skip
    return PenSnapshot(**(at_rest | changes))


def closed() -> ServiceState:
    """Nothing connected, nothing open."""
    return ServiceState(limits=LIMITS)
