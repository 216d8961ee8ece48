"""A STATUS as the rest of the product reads it: typed, with None for what is not measured.

The wire's own tuple keeps raw numbers because telemetry is decoded far more often than it is looked at.
"""

from dataclasses import dataclass
from functools import lru_cache

from firmware_bridge.wire.fields import NOT_MEASURED
from firmware_bridge.wire.messages import Contact, Fault, Interlock, PenState, Status

_NO_U16, _NO_U32, _NO_I16, _NO_U8 = (NOT_MEASURED[name] for name in ("u16", "u32", "i16", "u8"))
_ON_SKIN = int(Contact.ON_SKIN)
# As plain numbers: `&` of two flags makes a flag, and that takes ten times as long.
_NEEDLES_OUT, _CARTRIDGE_PRESENT = int(Interlock.NEEDLES_OUT), int(Interlock.CARTRIDGE_PRESENT)

# Looking a member up by its number takes longer than all the rest of a snapshot, and the same few come all day.
_state = lru_cache(maxsize=len(PenState))(PenState)
_faults = lru_cache(maxsize=64)(Fault)
_interlocks = lru_cache(maxsize=64)(Interlock)


@dataclass(frozen=True)  # without slots: made whole from its dictionary by :func:`snapshot`, fifty times a second
class PenSnapshot:
    """The pen's whole state at ``pen_time_ms``; None is *not measured* or *not known*.

    ``*_set_*`` is what the pen says is in force, ``*_measured_*`` what its sensors say; neither is the host's command.
    """

    pen_time_ms: int
    boot_id: int
    lease: int
    tick: int
    refusal: int
    state: PenState
    faults: Fault
    interlocks: Interlock
    depth_set_um: int | None
    depth_measured_um: int | None
    rate_set_mhz: int | None
    rate_measured_mhz: int | None
    motor_current_ma: int | None
    battery_permille: int | None
    temperature_dc: int | None
    on_skin: bool | None
    strokes: int
    button_presses: int
    pedal_presses: int

    @property
    def needles_out(self) -> bool:
        """The pen confirms that the needles are behind the cartridge's face, out of the skin."""
        return bool(int(self.interlocks) & _NEEDLES_OUT)

    @property
    def cartridge_present(self) -> bool:
        """A cartridge is inserted."""
        return bool(int(self.interlocks) & _CARTRIDGE_PRESENT)


def snapshot(status: Status) -> PenSnapshot:
    """The snapshot of a STATUS whose values were checked against the table (:func:`range_problem`).

    Raises ValueError for a state the table does not know.
    """
    made = object.__new__(PenSnapshot)
    fields = {
        "pen_time_ms": status.pen_time_ms,
        "boot_id": status.boot_id,
        "lease": status.lease,
        "tick": status.tick,
        "refusal": status.refusal,
        "state": _state(status.state),
        "faults": _faults(status.faults),
        "interlocks": _interlocks(status.interlocks),
        "depth_set_um": None if status.depth_set_um == _NO_U16 else status.depth_set_um,
        "depth_measured_um": None if status.depth_measured_um == _NO_I16 else status.depth_measured_um,
        "rate_set_mhz": None if status.rate_set_mhz == _NO_U32 else status.rate_set_mhz,
        "rate_measured_mhz": None if status.rate_measured_mhz == _NO_U32 else status.rate_measured_mhz,
        "motor_current_ma": None if status.motor_current_ma == _NO_U16 else status.motor_current_ma,
        "battery_permille": None if status.battery_permille == _NO_U16 else status.battery_permille,
        "temperature_dc": None if status.temperature_dc == _NO_I16 else status.temperature_dc,
        "on_skin": None if status.contact == _NO_U8 else status.contact == _ON_SKIN,
        "strokes": status.strokes,
        "button_presses": status.button_presses,
        "pedal_presses": status.pedal_presses,
    }
    object.__setattr__(made, "__dict__", fields)
    return made
