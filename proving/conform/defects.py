"""Planted defects of a pen's firmware, each with the clauses under which ``conform`` finds it.

The first are those that the campaign catches too, the others concern what a treatment never sees. A defect is planted
in the simulated pen alone, from outside, for as long as its context lasts.
"""

from dataclasses import dataclass

import simulators.firmware
import simulators.media
from firmware_bridge.wire.messages import Welcome
from proving.conform import planted_firmware as update
from proving.conform import planted_rules as rules
from proving.conform import planted_service as service
from proving.conform import planted_wire as wire
from proving.defects_pen import FIRMWARE
from proving.planting import Defect, Plant, planted
from simulators.adjustment import AdjustmentTable
from simulators.firmware_store import FirmwareStore
from simulators.lifetime import Lifetime
from simulators.nonvolatile import NonVolatile
from simulators.requests import RequestDesk


@dataclass(frozen=True, slots=True)
class Found:
    """A planted defect, the clauses that fail of it, and the simulated pen it shows on."""

    defect: Defect
    clauses: tuple[str, ...]
    model: str = "NW-1"


def _of_the_campaign(name: str, *clauses: str) -> Found:
    return Found(next(defect for defect in FIRMWARE if defect.name == name), clauses)


def _new(name: str, what: str, plant: Plant, *clauses: str, model: str = "NW-1") -> Found:
    return Found(Defect(name, "firmware", what, plant), clauses, model)


def _at_bench(name: str, what: str, plant: Plant, *clauses: str) -> Found:
    return _new(name, what, plant, *clauses, model="NW-2")


CAMPAIGN = (
    _of_the_campaign("dead-man off", "D1", "S2", "A3"),
    _of_the_campaign("dead-man by arrival", "S2"),
    _of_the_campaign("stale setpoint followed", "S1"),
    _of_the_campaign("lease unchecked", "S1"),
    _of_the_campaign("tick unchecked", "S1"),
    _of_the_campaign("ceilings not enforced", "S1"),
    _of_the_campaign("range unchecked", "S1"),
    _of_the_campaign("press forgotten", "S1"),
    _of_the_campaign("press does not stop", "T2"),
    _of_the_campaign("STOP ignored while running", "T1"),
    _of_the_campaign("STOP ignored while armed", "T1"),
    _of_the_campaign("motor on after the lease", "T1", "D1"),
    _of_the_campaign("any medium", "C6"),
    _of_the_campaign("motor on through a reboot", "A4"),
    _of_the_campaign("needles stay out", "S3", "T1"),
    _of_the_campaign("cartridge removed unnoticed", "A4"),
)

OWN = (
    _new("damaged now and then", "one STATUS of ten leaves with a bit changed",
         lambda: planted((simulators.media, "frame", wire.damaged_now_and_then)), "W1"),
    _new("CRC ignored", "a frame with a wrong CRC is taken", wire.hears(wire.crc_mended), "W2"),
    _new("full block refused", "COBS that ends with a full block is dropped",
         wire.hears(lambda piece: b"" if piece[:1] == b"\xff" else piece), "W3"),
    _new("short buffer", "frames over 128 bytes are dropped",
         wire.hears(lambda piece: b"" if len(piece) > 129 else piece), "W4"),
    _new("long STATUS", "STATUS comes in frames over 64 bytes while armed",
         lambda: planted((simulators.media, "frame", wire.long_frames)), "W4"),
    _new("sequence stuck", "the pen's sequence does not count",
         lambda: planted((simulators.media, "frame", wire.sequence_stuck)), "W5"),
    _new("sequence decides", "frames with a sequence over 127 are dropped",
         wire.hears(wire.inside(lambda inside: inside if inside[1] < 128 else b"")), "W5"),
    _new("short payload read", "what a short payload lacks is read as zeros",
         wire.hears(wire.inside(wire.padded)), "W6"),
    _new("longer payload refused", "a payload with a tail is dropped",
         wire.hears(wire.inside(wire.exact_length_only)), "W7"),
    _new("deaf after garbage", "after the first damaged piece nothing is heard", wire.deaf_after_garbage, "W8"),
    _new("nonce 0 accepted", "a HELLO with nonce 0 makes a connection", wire.pen("_hello", rules.nonce_0), "W9"),
    _new("clock ten times slow", "pen time counts in ten milliseconds",
         wire.status(pen_time_ms=lambda _pen, status: status.pen_time_ms // 10), "P"),
    _new("HELLO answered once", "a HELLO with the same nonce is not answered again",
         wire.pen("_hello", wire.answers_once), "C1"),
    _new("period untrue", "STATUS comes half as often as WELCOME tells",
         wire.says(lambda _pen, said: said._replace(status_period_ms=10) if isinstance(said, Welcome) else said), "C2"),
    _new("any version", "a HELLO of another version makes a connection", wire.pen("_hello", rules.any_version), "C3"),
    _new("lease survives HELLO", "a HELLO on the medium of the lease leaves it alive",
         wire.pen("_hello", rules.lease_survives_hello), "C4"),
    _new("never BUSY", "a second host ends the lease of the first", wire.pen("_hello", rules.never_busy), "C4"),
    _new("always BUSY", "a second host is BUSY though no lease lives", wire.pen("_hello", rules.always_busy), "C5"),
    _new("close is STOP", "a medium that goes away ends the lease in good order",
         wire.pen("forget", rules.forgetting_stops), "C7"),
    _new("leases counted", "leases are numbers one after the other", rules.keeper("begin", rules.leases_counted), "A1"),
    _new("ARM not repeatable", "a repeated ARM is refused ARMED",
         rules.keeper("why_not_armed", rules.arm_key_forgotten), "A2"),
    _new("armed while faulted", "a latched fault does not forbid arming",
         rules.keeper("why_not_armed", rules.armed_while_faulted), "A2", "F"),
    _new("any cartridge", "an ARM for another cartridge is accepted",
         rules.keeper("why_not_armed", rules.any_cartridge), "A2"),
    _new("refusal kept at ARM", "a new lease begins with the old refusal",
         rules.keeper("begin", rules.tick_kept), "A3"),
    _new("any DISARM", "a DISARM ends whatever lease lives", wire.pen("_handle", rules.any_disarm), "A4"),
    _new("refusals in another order", "ceilings are looked at before ticks and age",
         rules.keeper("_why_not_followed", rules.refusals_in_other_order), "S1"),
    _new("older decision shortens", "the deadline goes back with an older decision",
         rules.keeper("follow", rules.age_shortens), "S2"),
    _new("STOP is a fault", "STOP under a lease latches INTERNAL", wire.pen("_stop", rules.stop_is_a_fault), "T1"),
    _new("STOP late", "STOP is acted upon a quarter of a second later", rules.stop_late, "T1"),
    _new("HELLO clears faults", "a new connection finds no fault", wire.pen("_hello", rules.hello_clears_faults), "F"),
    _new("clears everything", "CLEAR_FAULT clears what it does not name", wire.pen("clear", rules.clears_all), "F1"),
    _new("clears what persists", "CLEAR_FAULT clears a fault whose cause is there",
         wire.pen("clear", rules.clears_what_persists), "F1"),
    _new("done while armed", "what is not allowed while armed is done under a lease",
         lambda: planted((RequestDesk, "_execute", rules.while_armed)), "R1"),
    _new("another id", "a RESPONSE bears another id than its REQUEST", wire.says(rules.other_id), "R2"),
    _new("executed again", "a key that was used is executed again",
         lambda: planted((RequestDesk, "_answer", rules.executes_again)), "R3"),
    _new("four outcomes", "of sixteen outcomes four are kept",
         lambda: planted((NonVolatile, "keep_outcome", rules.few_outcomes)), "R3"),
    _new("refusals not kept", "of a refused request nothing is kept",
         lambda: planted((NonVolatile, "keep_outcome", rules.refusals_not_kept)), "R3", "R4"),
    _new("outcomes lost", "a reboot forgets the outcomes", wire.pen("__init__", rules.forgets_at_reboot), "R3"),
    _new("boot id fixed", "the boot id is the same at every start", wire.pen("__init__", rules.boot_id_fixed), "A4"),
    _new("kept answers", "the answer to a repeatable operation is kept and given again",
         lambda: planted((RequestDesk, "_answer", rules.kept_answers)), "R5"),
    _new("passed untested", "a self-test tells of parts passed that it did not test",
         lambda: planted((RequestDesk, "_self_test_result", rules.passes_untested)), "R6"),
    _new("five entries", "five entries of the log come in one answer",
         lambda: planted((NonVolatile, "entries_from", rules.whole_log)), "R7"),
    _new("log untrue", "every end of a lease is logged as by STOP",
         wire.pen("_end_lease", rules.log_silent), "R7", "D1"),
    _new("dial reads 0", "a pen whose depth is a dial reports a depth set by the host",
         wire.status(depth_set_um=lambda _pen, _status: 0), "S4", model="NW-DIAL"),
    _new("setpoint as measurement", "the measured rate is the one set",
         wire.status(rate_measured_mhz=lambda _pen, status: status.rate_set_mhz,
                 depth_measured_um=lambda _pen, status: status.depth_set_um), "V1"),
    _new("absent reads 0", "a contact sensor that is not there reads off skin",
         wire.says(lambda _pen, said: said._replace(capabilities=said.capabilities & ~(1 << 7))
               if isinstance(said, Welcome) else said), "V1"),
    _new("set while off", "depth_set_um shows a depth while the motor is off",
         wire.status(depth_set_um=lambda _pen, status: status.depth_set_um or 500), "V2"),
    _new("rate at rest", "the resting motor is measured to turn",
         wire.status(rate_measured_mhz=lambda _pen, status: status.rate_measured_mhz or 3_000), "V3"),
    _new("strokes not counted", "strokes stand still", wire.status(strokes=lambda _pen, status: 0), "V4"),
    _new("refusal cleared", "an accepted setpoint clears the refusal",
         rules.keeper("follow", rules.clears_refusal), "V5"),
    _new("needles always out", "NEEDLES_OUT is always set",
         wire.status(interlocks=lambda _pen, status: status.interlocks | 2), "V6"),
)  # fmt: skip

BENCH = (
    _at_bench("service on skin", "a service lease is granted on skin",
              rules.keeper("why_not_in_service", service.service_on_skin), "M1"),
    _at_bench("service while faulted", "a latched fault does not forbid a service lease",
              rules.keeper("why_not_in_service", service.service_while_faulted), "M1"),
    _at_bench("service without a ceiling", "the depth ceiling of a service lease is the pen's",
              rules.keeper("begin_service", service.service_without_ceiling), "M1"),
    _at_bench("service unlogged", "the log does not tell of service leases",
              lambda: planted((NonVolatile, "log", service.unlogged)), "M1"),
    _at_bench("service without end", "a service lease has no lifetime",
              rules.keeper("begin_service", service.service_without_end), "M2"),
    _at_bench("service prolonged", "each setpoint begins the lifetime of a service lease anew",
              rules.keeper("follow", service.service_refreshed), "M2"),
    _at_bench("skin unnoticed", "skin does not end a service lease", service.skin_unnoticed, "M2"),
    _at_bench("service lease not repeated", "a SERVICE_ARM repeated is answered without its lease",
              lambda: planted((RequestDesk, "_lease_again", service.service_key_forgotten)), "M3"),
    _at_bench("raw at no time", "RAW_READ tells pen time 0", service.raw_of_no_time, "M4"),
    _at_bench("raw rate at rest", "the scale turns at rest", service.raw_rate_at_rest, "M4"),
    _at_bench("any number", "a table of any number is taken", service.any_number, "M5"),
    _at_bench("points unchecked", "what is no table is taken for an empty one",
              lambda: planted((AdjustmentTable, "of", service.points_fall)), "M5"),
    _at_bench("calibration survives", "the calibration outlives the table it was of",
              lambda: planted((NonVolatile, "write", service.calibration_survives)), "M5"),
    _at_bench("ended is forgotten", "of a calibration that is not in force no certificate is told",
              service.ended_forgotten, "M5"),
    _at_bench("outcome of a table lost", "no outcome is kept of ADJUSTMENT_WRITE",
              lambda: planted((RequestDesk, "_answer", service.outcome_of_table_lost)), "M5"),
    _at_bench("table lost", "a reboot changes the table", wire.pen("__init__", service.table_lost), "M5"),
    _at_bench("counters lost", "a reboot forgets the counters", wire.pen("__init__", service.counters_lost), "M6"),
    _at_bench("nothing counted", "run time and strokes stand still",
              lambda: planted((Lifetime, "counted", service.counts_nothing)), "M6"),
    _at_bench("since ever", "a calibration written does not begin the counters anew",
              lambda: planted((NonVolatile, "write", service.since_ever)), "M6"),
    _at_bench("signed by anybody", "firmware whose signature is nobody's is started",
              lambda: planted((FirmwareStore, "_good", update.signed_by_anybody)), "M7"),
    _at_bench("half is enough", "a part of an image is taken for all of it",
              lambda: planted((FirmwareStore, "apply", update.half_is_enough)), "M7"),
    _at_bench("no minimum", "firmware under the minimum is received",
              lambda: planted((FirmwareStore, "begin", update.no_minimum)), "M7"),
    _at_bench("holes", "a piece that leaves a hole is taken",
              lambda: planted((FirmwareStore, "chunk", update.holes)), "M7"),
    _at_bench("pieces twice", "a piece that comes twice is there twice",
              lambda: planted((FirmwareStore, "chunk", update.twice)), "M7"),
    _at_bench("confirms nothing", "something is confirmed where nothing is on trial",
              lambda: planted((FirmwareStore, "confirm", update.confirms_nothing)), "M7"),
    _at_bench("received forgotten", "a reboot forgets what was received",
              lambda: planted((FirmwareStore, "start", update.received_forgotten)), "M7"),
)  # fmt: skip

DEFECTS: tuple[Found, ...] = (*CAMPAIGN, *OWN, *BENCH)
