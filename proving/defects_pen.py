"""Defects of a pen's firmware and of the codec."""

from contextlib import AbstractContextManager
from typing import Any

from firmware_bridge.wire import framing
from firmware_bridge.wire.messages import Fault, Refusal, Setpoint
from proving.planting import Defect, planted
from simulators.firmware import PenFirmware
from simulators.leasing import LeaseKeeper
from simulators.physics import Plant
from simulators.watches import NEVER, Watches

Original = Any


def _keeper(name: str, make: Original) -> AbstractContextManager[None]:
    return planted((LeaseKeeper, name, make))


def _dead_man_off(original: Original) -> Original:
    def changed(self: LeaseKeeper, *given: Any) -> None:
        original(self, *given)
        self.fresh_until = NEVER

    return changed


def _by_arrival(original: Original) -> Original:
    def follow(self: LeaseKeeper, setpoint: Setpoint, now_ms: int, age_ms: int) -> None:
        original(self, setpoint, now_ms, age_ms)
        if self.lease and self.tick == setpoint.tick:
            self.fresh_until = now_ms + 300

    return follow


def _not_checked(**forced: Any) -> Original:
    """The keeper judges a setpoint as if some of its own values were others."""

    def make(original: Original) -> Original:
        def judge(self: LeaseKeeper, setpoint: Setpoint, now_ms: int, age_ms: int) -> Refusal:
            kept = {name: getattr(self, name) for name in forced}
            for name, value in forced.items():
                setattr(self, name, value)
            try:
                found: Refusal = original(self, setpoint, now_ms, age_ms)
                return found
            finally:
                for name, value in kept.items():
                    setattr(self, name, value)

        return judge

    return make


def _stale_followed(original: Original) -> Original:
    return lambda self, setpoint, now_ms, _age_ms: original(self, setpoint, now_ms, 0)


def _lease_unchecked(original: Original) -> Original:
    def judge(self: LeaseKeeper, setpoint: Setpoint, now_ms: int, age_ms: int) -> Refusal:
        found: Refusal = original(self, setpoint._replace(lease=self.lease or setpoint.lease), now_ms, age_ms)
        return found

    return judge


def _end_without_off(_original: Original) -> Original:
    def end(self: LeaseKeeper, _now_ms: int) -> None:
        self.lease = self.tick = 0
        self.fresh_until = NEVER

    return end


def _stop_deaf(*, driven: bool) -> Original:
    def make(original: Original) -> Original:
        def stop(self: PenFirmware) -> None:
            if self.plant.driven is not driven:
                original(self)

        return stop

    return make


def _press_does_nothing(original: Original) -> Original:
    def take(self: PenFirmware) -> None:
        keeper = self.__class__.__dict__["_lease"].__get__(self)
        driven, target, touching = self.plant.driven, self.plant.target_um, self.plant.touching
        in_force = keeper.depth_in_force_um, keeper.rate_in_force_mhz
        original(self)
        if driven:
            self.plant.driven, self.plant.target_um, self.plant.touching = driven, target, touching
            keeper.depth_in_force_um, keeper.rate_in_force_mhz = in_force

    return take


def _any_medium(original: Original) -> Original:
    def handle(self: PenFirmware, medium: int, message: Any) -> None:
        original(self, self.medium if isinstance(message, Setpoint) and self.medium else medium, message)

    return handle


def _boots_driven(original: Original) -> Original:
    def boot(self: PenFirmware, model: Any, plant: Plant, *given: Any, **named: Any) -> None:
        driven, target = plant.driven, plant.target_um
        original(self, model, plant, *given, **named)
        if driven:
            plant.driven, plant.target_um = driven, target

    return boot


def _needles_stay(original: Original) -> Original:
    def release(self: Plant) -> None:
        target = self.target_um
        original(self)
        self.target_um = target

    return release


def _removed_unnoticed(_original: Original) -> Original:
    def remove(self: PenFirmware) -> None:
        self.cartridge = None

    return remove


def _blind_to(fault: Fault) -> Original:
    return lambda original: lambda self, *given: original(self, *given) & ~int(fault)


def _look(fault: Fault) -> AbstractContextManager[None]:
    return planted((Watches, "look", _blind_to(fault)), (Watches, "look_slowly", _blind_to(fault)))


FIRMWARE = (
    Defect("dead-man off", "firmware", "silence never ends the drive",
           lambda: planted((LeaseKeeper, "begin", _dead_man_off), (LeaseKeeper, "follow", _dead_man_off))),
    Defect("dead-man by arrival", "firmware", "freshness counts from when a setpoint arrives, not from the status seen",
           lambda: _keeper("follow", _by_arrival)),
    Defect("stale setpoint followed", "firmware", "the age of the status a setpoint was decided on is not checked",
           lambda: _keeper("_why_not_followed", _stale_followed)),
    Defect("lease unchecked", "firmware", "a setpoint of any lease is followed while one lives",
           lambda: _keeper("_why_not_followed", _lease_unchecked)),
    Defect("tick unchecked", "firmware", "a setpoint that is not newer is followed",
           lambda: _keeper("_why_not_followed", _not_checked(tick=0))),
    Defect("ceilings not enforced", "firmware", "setpoints beyond the lease's ceilings are followed",
           lambda: _keeper("_why_not_followed", _not_checked(_depth_ceiling_um=10**6, _rate_ceiling_mhz=10**9))),
    Defect("range unchecked", "firmware", "setpoints out of range and off the step are followed",
           lambda: _keeper("_out_of_range", lambda _original: lambda _self, _setpoint: False)),
    Defect("press forgotten", "firmware", "a motor-on decided before a press is followed",
           lambda: _keeper("_why_not_followed", _not_checked(pressed_at=-NEVER))),
    Defect("press does not stop", "firmware", "the pen's own button and pedal do not turn the motor off",
           lambda: planted((PenFirmware, "_take_presses", _press_does_nothing))),
    Defect("STOP ignored while running", "firmware", "STOP is not acted upon while the motor is driven",
           lambda: planted((PenFirmware, "_stop", _stop_deaf(driven=True)))),
    Defect("STOP ignored while armed", "firmware", "STOP is not acted upon while the motor is off",
           lambda: planted((PenFirmware, "_stop", _stop_deaf(driven=False)))),
    Defect("motor on after the lease", "firmware", "the end of a lease does not turn the motor off",
           lambda: _keeper("end", _end_without_off)),
    Defect("any medium", "firmware", "a second host's setpoints are followed as the first's",
           lambda: planted((PenFirmware, "_handle", _any_medium))),
    Defect("motor on through a reboot", "firmware", "a restart leaves the drive as it is",
           lambda: planted((PenFirmware, "__init__", _boots_driven))),
    Defect("needles stay out", "firmware", "motor off does not draw the needles in",
           lambda: planted((Plant, "release", _needles_stay))),
    Defect("cartridge removed unnoticed", "firmware", "taking the cartridge off under a lease is no fault",
           lambda: planted((PenFirmware, "remove_cartridge", _removed_unnoticed))),
    Defect("stall unnoticed", "firmware", "a motor that does not turn is driven on", lambda: _look(Fault.STALL)),
    Defect("brown-out unnoticed", "firmware", "the motor is driven without the supply for it",
           lambda: _look(Fault.BROWN_OUT)),
    Defect("retract failure unnoticed", "firmware", "needles that are not out are not told of",
           lambda: _look(Fault.RETRACT_FAILED)),
)  # fmt: skip


def _crc_unchecked(original: Original) -> Original:
    from zlib import crc32  # noqa: PLC0415 - the defect mends what it should have refused

    def decode(frame: bytes) -> Any:
        return original(frame[:-4] + crc32(frame[:-4]).to_bytes(4, "little")) if len(frame) > 4 else None

    return decode


def _never_in_step_again(original: Original) -> Original:
    def feed(self: framing.Deframer, data: bytes) -> list[Any]:
        messages: list[Any] = original(self, data)
        return [] if self.damaged else messages

    return feed


def _by_sequence(original: Original) -> Original:
    return lambda frame: original(frame) if len(frame) > 1 and frame[1] < 128 else None


def _deeper(original: Original) -> Original:
    def encode(message: Any, sequence: int) -> bytes:
        if isinstance(message, Setpoint) and message.depth_um:
            message = message._replace(depth_um=message.depth_um + 50)
        body: bytes = original(message, sequence)
        return body

    return encode


CODEC = (
    Defect("CRC unchecked", "codec", "a damaged frame is taken for what it looks like",
           lambda: planted((framing, "decode_message", _crc_unchecked))),
    Defect("resync broken", "codec", "after the first damaged piece no frame is found any more",
           lambda: planted((framing.Deframer, "feed", _never_in_step_again))),
    Defect("depth encoded deeper", "codec", "a setpoint's depth is one step deeper on the wire",
           lambda: planted((framing, "encode", _deeper))),
    Defect("sequence numbers decide", "codec", "half of all good frames are refused for their sequence number",
           lambda: planted((framing, "decode_message", _by_sequence))),
)  # fmt: skip
