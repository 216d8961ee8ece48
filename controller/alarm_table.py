"""The alarms the product can raise, as data. Uses the vocabulary of IEC 60601-1-8.

Technical alarms are about pen, line and record; treatment alarms about what happens to skin. A HIGH alarm stops the pen
and blocks a start; MEDIUM and LOW ask for a look and block nothing by themselves. What is told before the day begins
(broker, library, calibration) is no alarm but a notice (:mod:`controller.notices`), and neither is a person's own STOP.

``delay_ms`` is the alarm condition delay: for so long a condition holds before it counts. ``signal_delay_ms`` is the
alarm signal generation delay: for so long an alarm is shown before it is heard. Where a condition has a hold time of
its own in the pen's data sheet, that time runs before it holds, and ``condition`` says so.
"""

from dataclasses import dataclass
from typing import Literal

Priority = Literal["HIGH", "MEDIUM", "LOW"]

MEDIUM_SIGNAL_MS = 1_000
"""A MEDIUM alarm that passes within a second is shown and not heard."""

LOW_SIGNAL_MS = 5_000
"""A LOW alarm can wait for the end of a stroke; one that passes within five seconds is shown and not heard."""


@dataclass(frozen=True, slots=True)
class AlarmKind:
    """One alarm: its priority, what it is about, when it holds, what it says, and what a person does."""

    name: str
    priority: Priority
    kind: Literal["technical", "treatment"]
    sentence: str
    do: str
    condition: str
    delay_ms: int = 0
    signal_delay_ms: int = 0
    latching: bool = True


DEPTH_OVER_LIMIT = AlarmKind(
    "depth_over_limit", "HIGH", "treatment",
    "Measured protrusion is over the limit. The pen was stopped.",
    "Lift it off, look at the skin, change the cartridge, and have the pen checked if it happens again.",
    "measured protrusion over the effective limit plus the pen's depth tolerance: at once beyond the lease's ceiling, "
    "after 300 ms beyond a limit that just became shallower; or the pen's fault OVER_DEPTH",
)  # fmt: skip
DEPTH_RUNAWAY = AlarmKind(
    "depth_runaway", "HIGH", "treatment",
    "Measured protrusion is far deeper than set. The pen was stopped.",
    "Lift it off, look at the skin, change the cartridge, and have the pen checked before it is used again.",
    "settled, and measured protrusion deeper than sent by the data sheet's `depth_stop_mm`: at once",
)  # fmt: skip
DEPTH_UNKNOWN = AlarmKind(
    "depth_unknown", "HIGH", "treatment",
    "The pen no longer measures its depth, so nobody knows how deep the needles are. The pen was stopped.",
    "Lift it off, look at the skin, and have the pen repaired before it is used again.",
    "treating with a pen that senses depth, and no measured depth for 300 ms",
)  # fmt: skip
RUNNING_UNASKED = AlarmKind(
    "running_unasked", "HIGH", "treatment",
    "The pen says that its motor runs, and nobody asked for that. STOP was sent.",
    "Lift it off, press its own button, and do not use it again before it was repaired.",
    "a status that says running while the motor is not commanded on, for longer than the dead-man time + 200 ms",
)  # fmt: skip
RATE_RUNAWAY = AlarmKind(
    "rate_runaway", "HIGH", "treatment",
    "The measured puncture rate is far faster than set. The pen was stopped.",
    "Lift it off, and have the pen checked before it is used again.",
    "settled, and the measured rate over what was sent by the data sheet's `rate_stop_percent`: at once",
)  # fmt: skip
RETRACT_FAILED = AlarmKind(
    "retract_failed", "HIGH", "treatment",
    "The needles are not confirmed out of the skin.",
    "Lift the pen straight off now; do not drag it. Have it repaired.",
    "not confirmed out within dead-man + retract time + 200 ms of motor off; or withdrawn to the least depth and not "
    "there within that time; or the pen's fault RETRACT_FAILED",
)  # fmt: skip
STOP_NOT_CONFIRMED = AlarmKind(
    "stop_not_confirmed", "HIGH", "treatment",
    "The pen has not confirmed STOP.",
    "Lift it off and press its own button; it stops by itself when it hears nothing.",
    "STOP or DISARM sent for longer than the dead-man time without a status that confirms it",
)  # fmt: skip
LINK_LOST = AlarmKind(
    "link_lost", "HIGH", "technical",
    "The connection to the pen went while it was armed. The pen stops by itself.",
    "Lift it off, check the cable, then clear the fault and arm again.",
    "armed, and the connection ended or no status is younger than the dead-man time",
)  # fmt: skip
STALL = AlarmKind(
    "stall", "HIGH", "treatment",
    "The motor was driven and did not turn; needles may drag. The pen stopped.",
    "Lift it off and change the cartridge.",
    "the pen's fault STALL; or, where the pen does not notice, running and measured under `stall_below_hz` for "
    "`stall_hold_ms`",
)  # fmt: skip
PEN_STOPPED_ITSELF = AlarmKind(
    "pen_stopped_itself", "HIGH", "technical",
    "The pen heard nothing from this computer for its dead-man time and stopped by itself.",
    "Lift it off, then clear the fault and arm again; if it happens again, look at the computer's load with "
    "`needlework doctor`.",
    "the pen's fault DEAD_MAN",
)  # fmt: skip
PEN_FAULT = AlarmKind(
    "pen_fault", "HIGH", "technical",
    "The pen reports a fault of its own and stopped.",
    "Lift it off. Clear the fault when its cause is gone.",
    "any other fault of the pen",
)  # fmt: skip
LEASE_ENDED = AlarmKind(
    "lease_ended", "HIGH", "technical",
    "The pen ended its armed state by itself without a fault. It is stopped.",
    "Clear, then arm again.",
    "armed, and the status shows another lease or none",
)  # fmt: skip
JOURNAL_FAILED = AlarmKind(
    "journal_failed", "HIGH", "technical",
    "The record cannot be written, so the treatment was stopped in good order. What happened so far is kept in memory "
    "until the disk takes it;",
    "free space or repair the disk, then clear and arm again.",
    "armed, and the journal does not accept",
)  # fmt: skip

DEPTH_DEVIATION = AlarmKind(
    "depth_deviation", "MEDIUM", "treatment",
    "The needles do not stand where they were set: measured protrusion differs from what was sent.",
    "Pause and look at the cartridge's seat. If it happens again, have the pen checked.",
    "settled, and measured protrusion off what was sent by more than `depth_tolerance_mm` for `depth_hold_ms`",
    signal_delay_ms=MEDIUM_SIGNAL_MS,
)  # fmt: skip
RATE_DROOP = AlarmKind(
    "rate_droop", "MEDIUM", "treatment",
    "The motor is slower than set, or does not run; slow needles drag.",
    "Press more lightly or go shallower. If it stays slow, change the cartridge and look at the battery.",
    "settled, and the measured rate under what was sent by more than the rate tolerance for `rate_hold_ms`, or the pen "
    "does not run for so long though it is told to",
    signal_delay_ms=MEDIUM_SIGNAL_MS,
)  # fmt: skip
OVERSPEED = AlarmKind(
    "overspeed", "MEDIUM", "treatment",
    "The motor is faster than set.",
    "Pause. If it happens again, have the pen checked.",
    "settled, and the measured rate over what was sent by more than the rate tolerance for `rate_hold_ms`",
    signal_delay_ms=MEDIUM_SIGNAL_MS,
)  # fmt: skip
UNCERTAIN_COMMAND = AlarmKind(
    "uncertain_command", "MEDIUM", "technical",
    "It is not known whether the pen carried out an operation. It is not sent again.",
    "Arm again: the state it should have changed is read anew and tells.",
    "an operation that must not be repeated stayed unanswered, and its outcome could not be learned",
    signal_delay_ms=MEDIUM_SIGNAL_MS,
)  # fmt: skip
CARTRIDGE_UNFIT = AlarmKind(
    "cartridge_unfit", "MEDIUM", "treatment",
    "The cartridge found in this session must not be used.",
    "Insert a new one, discard this one as sharps, then arm.",
    "a cartridge read during a session was used before or is past its expiry",
    signal_delay_ms=MEDIUM_SIGNAL_MS, latching=False,
)  # fmt: skip
TEMPERATURE_WARNING = AlarmKind(
    "temperature_warning", "MEDIUM", "technical",
    "The handpiece is getting hot; the pen stops by itself when it is too hot.",
    "Pause until it is cooler.",
    "armed, and the handpiece at `temperature_warn_c` or more, until 2 °C under it",
    delay_ms=1_000, signal_delay_ms=MEDIUM_SIGNAL_MS,
)  # fmt: skip
JOURNAL_NEARLY_FULL = AlarmKind(
    "journal_nearly_full", "MEDIUM", "technical",
    "The place for the record is nearly full; when it is full, treatment stops.",
    "Free space on the disk, or see why the record is not taken over.",
    "the journal at 90 % or more, until 85 %",
    signal_delay_ms=MEDIUM_SIGNAL_MS, latching=False,
)  # fmt: skip
OVER_TREATMENT = AlarmKind(
    "over_treatment", "MEDIUM", "treatment",
    "This zone has had the time on skin that the protocol gives it.",
    "Go on to the next zone, or end here.",
    "time on skin in the declared zone at its dwell budget or beyond; at the hard budget treatment is paused and does "
    "not start again in that zone",
    signal_delay_ms=MEDIUM_SIGNAL_MS,
)  # fmt: skip

BATTERY_LOW = AlarmKind(
    "battery_low", "LOW", "technical",
    "The battery lasts for minutes only at this load.",
    "Finish the zone, then charge the pen or take another.",
    "running, and charge left divided by the load under the data sheet's `battery_warn_min`; then until disarmed",
    delay_ms=5_000, signal_delay_ms=LOW_SIGNAL_MS, latching=False,
)  # fmt: skip
CARTRIDGE_LIFE = AlarmKind(
    "cartridge_life", "LOW", "technical",
    "The cartridge has done nearly all the strokes it is made for; blunt needles drag.",
    "Have a new one ready.",
    "strokes since insertion at 90 % of the data sheet's `cartridge_life_strokes` or more",
    delay_ms=1_000, signal_delay_ms=LOW_SIGNAL_MS, latching=False,
)  # fmt: skip
DWELL_NEARLY_USED = AlarmKind(
    "dwell_nearly_used", "LOW", "treatment",
    "This zone has had most of the time on skin that the protocol gives it.",
    "Come to the end of this zone.",
    "time on skin in the declared zone at 80 % of its dwell budget or more, and not yet at the budget",
    signal_delay_ms=LOW_SIGNAL_MS, latching=False,
)  # fmt: skip
CONTACT_LOST = AlarmKind(
    "contact_lost", "LOW", "treatment",
    "The pen runs and is off the skin.",
    "Put it on, or pause; it is paused by itself when this goes on.",
    "treating, and off skin for the data sheet's `contact_warn_s`; at `contact_pause_s` treatment is paused",
    signal_delay_ms=LOW_SIGNAL_MS, latching=False,
)  # fmt: skip

ALARMS: dict[str, AlarmKind] = {
    kind.name: kind
    for kind in (
        DEPTH_OVER_LIMIT, DEPTH_RUNAWAY, DEPTH_UNKNOWN, RUNNING_UNASKED, RATE_RUNAWAY, RETRACT_FAILED,
        STOP_NOT_CONFIRMED, LINK_LOST, STALL,
        PEN_STOPPED_ITSELF, PEN_FAULT, LEASE_ENDED, JOURNAL_FAILED,
        DEPTH_DEVIATION, RATE_DROOP, OVERSPEED, UNCERTAIN_COMMAND, CARTRIDGE_UNFIT, TEMPERATURE_WARNING,
        JOURNAL_NEARLY_FULL, OVER_TREATMENT,
        BATTERY_LOW, CARTRIDGE_LIFE, DWELL_NEARLY_USED, CONTACT_LOST,
    )
}  # fmt: skip
"""Every alarm by its name, HIGH first."""
