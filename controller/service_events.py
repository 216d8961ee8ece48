"""Events of the technician's bench: service mode, calibrations, certificates, quarantine, repairs, firmware, health.

None of them belongs to a patient's session. People are account ids; a customer's name stands in a certificate's own
file at the site and never here. A pen is named by its model and serial number, as it says them itself.
"""

from typing import ClassVar, Literal

from controller.event_base import EventBase, Record
from controller.units import Micrometres, Millihertz

ServicePurpose = Literal[
    "depth_calibration", "rate_calibration", "accuracy_test", "self_test", "firmware_update", "inspection"
]
"""What a pen is in service mode for."""
CertificateKind = Literal["calibration", "accuracy_test"]
Direction = Literal["up", "down"]
"""Whether a point was approached from shallower (or slower), or from deeper (or faster)."""


Because = Literal["out_of_tolerance", "self_test", "shock", "repaired", "recall", "other"]
"""Why a pen is taken out of use."""


class ServiceOpened(EventBase):
    """Service mode began: a technician, off skin, inside the limits of service.

    ``off_skin`` says how that is known: the pen's sensor, or the technician's word where it has none. ``series`` is the
    random id of this piece of work, in every event of it.
    """

    durable: ClassVar[bool] = True
    type: Literal["service_opened"] = "service_opened"
    series: str
    pen: str
    serial: str
    firmware: str
    technician: str
    purpose: ServicePurpose
    off_skin: Literal["sensed", "attested"]
    depth_ceiling_um: Micrometres
    rate_ceiling_mhz: Millihertz
    resumed: bool = False


class ServiceMove(EventBase):
    """One raw move: what was commanded, and what the pen's sensors said when it had settled; None is not measured."""

    durable: ClassVar[bool] = True
    type: Literal["service_move"] = "service_move"
    series: str
    motor: bool
    depth_commanded_um: Micrometres
    rate_commanded_mhz: Millihertz
    depth_measured_um: int | None
    rate_measured_mhz: int | None
    motor_current_ma: int | None
    temperature_dc: int | None


class ServiceClosed(EventBase):
    """Service mode ended. ``because``: *done*, *stopped*, *time_out*, *on_skin*, *pen_lost*, *fault*, or *interrupted*
    where the program died and the next one found it open."""

    durable: ClassVar[bool] = True
    type: Literal["service_closed"] = "service_closed"
    series: str
    because: Literal["done", "stopped", "time_out", "on_skin", "pen_lost", "fault", "interrupted"]


class ReferenceRead(EventBase):
    """One reading of a reference instrument, beside what the pen showed. ``quantity`` is the unit of both values.

    ``load`` names the known load that was on the motor, empty for none.
    """

    durable: ClassVar[bool] = True
    type: Literal["reference_read"] = "reference_read"
    series: str
    stage: Literal["as_found", "as_left"]
    quantity: Literal["depth_um", "rate_mhz"]
    point: int
    direction: Direction
    repeat: int
    shown: int
    reference: int
    instrument: str
    source: Literal["typed", "file", "gauge"]
    load: str = ""


class AdjustmentWritten(EventBase):
    """The pen's adjustment table was replaced, which ends its calibration until a new one is written."""

    durable: ClassVar[bool] = True
    type: Literal["adjustment_written"] = "adjustment_written"
    series: str
    pen: str
    serial: str
    number: int
    rate_gain_ppm: int
    shown_um: tuple[int, ...]
    true_um: tuple[int, ...]
    confirmed_by: str


class CalibrationWritten(EventBase):
    """A calibration was written to the pen and read back the same. ``due_on`` None: no date was asked for."""

    durable: ClassVar[bool] = True
    type: Literal["calibration_written"] = "calibration_written"
    series: str
    pen: str
    serial: str
    certificate: str
    calibrated_on: str
    due_on: str | None
    depth_gain_ppm: int
    depth_offset_um: int
    depth_uncertainty_um: Micrometres
    rate_gain_ppm: int


class CertificateIssued(EventBase):
    """A certificate was issued: its number, what it says in short, and the SHA-256 (hexadecimal) of its signed file.

    ``document`` is that file without the customer's name and address. Errors are the largest found, in µm and ppm.
    """

    durable: ClassVar[bool] = True
    type: Literal["certificate_issued"] = "certificate_issued"
    series: str
    number: str
    kind: CertificateKind
    pen: str
    serial: str
    issued_on: str
    due_on: str | None
    as_found_in_tolerance: bool
    as_left_in_tolerance: bool
    as_found_depth_error_um: int
    as_left_depth_error_um: int
    depth_uncertainty_um: Micrometres
    rate_error_ppm: int | None
    technician: str
    sha256: str
    document: str


class ErrorAtDepth(Record):
    """How far from what was shown the needles were, at one depth: true minus shown, both µm."""

    shown_um: int
    error_um: int


class PenQuarantined(EventBase):
    """A pen is not to be armed at any station of the site until somebody releases it. ``quarantine`` is its random id.

    ``last_in_tolerance`` is the certificate up to which it is known to have been right, empty where there is none;
    ``since`` its day. ``errors`` is what was found, for the sessions in between. ``recalled_part`` and
    ``recalled_lot``: what has to be out of the pen before it is released, where a recall names it.
    """

    durable: ClassVar[bool] = True
    type: Literal["pen_quarantined"] = "pen_quarantined"
    quarantine: str
    pen: str
    serial: str
    because: Because
    by: str
    certificate: str
    last_in_tolerance: str
    since: str | None
    errors: tuple[ErrorAtDepth, ...]
    recalled_part: str = ""
    recalled_lot: str = ""


class PenReleased(EventBase):
    """Quarantines ended, by their ids: who signed for it, and on which certificate.

    Ids and not times say which: stations tell of it in any order. ``sessions_reviewed`` are those with a depth error
    that the releasing person looked through.
    """

    durable: ClassVar[bool] = True
    type: Literal["pen_released"] = "pen_released"
    quarantines: tuple[str, ...]
    pen: str
    serial: str
    by: str
    role: str
    certificate: str
    sessions_reviewed: int


class PartReplaced(EventBase):
    """A part of a pen was replaced, or first noted. Lots and serial numbers as on it, empty where there are none.

    ``part`` is a name of the clinic's parts list.
    """

    durable: ClassVar[bool] = True
    type: Literal["part_replaced"] = "part_replaced"
    pen: str
    serial: str
    part: str
    removed_lot: str
    removed_serial: str
    fitted_lot: str
    fitted_serial: str
    by: str
    on: str


class PenRepaired(EventBase):
    """Something was done to a pen that ends its calibration, or that somebody should know of. ``what`` is a code."""

    durable: ClassVar[bool] = True
    type: Literal["pen_repaired"] = "pen_repaired"
    pen: str
    serial: str
    what: Literal["cleaned", "opened", "dropped", "lubricated", "sealed", "inspected", "other"]
    ends_calibration: bool
    by: str
    on: str


class PartTest(Record):
    """One part of a self-test. ``measured`` is whole ``unit``s, None where nothing is measured; limits may be open."""

    part: str
    outcome: Literal["passed", "failed", "not_tested"]
    sentence: str
    measured: int | None = None
    unit: str = ""
    at_least: int | None = None
    at_most: int | None = None


class PenSelfTested(EventBase):
    """A self-test by parts."""

    durable: ClassVar[bool] = True
    type: Literal["pen_self_tested"] = "pen_self_tested"
    series: str
    pen: str
    serial: str
    parts: tuple[PartTest, ...]


class FirmwareChanged(EventBase):
    """A pen's firmware: what it was, what it was to become, and what came of it."""

    durable: ClassVar[bool] = True
    type: Literal["firmware_changed"] = "firmware_changed"
    series: str
    pen: str
    serial: str
    was: str
    wanted: str
    outcome: Literal["confirmed", "rolled_back", "refused", "broken_off"]
    because: str
    by: str


class HealthRead(EventBase):
    """What a pen counted over its life, and what was measured of it at a known load; None is not measured.

    Times in s, charge in ‰ of its nominal capacity, resistance in mΩ; ``load`` names what the current was measured at.
    """

    type: Literal["health_read"] = "health_read"
    pen: str
    serial: str
    firmware: str
    run_s: int | None
    strokes: int | None
    shocks: int | None
    run_since_s: int | None
    strokes_since: int | None
    shocks_since: int | None
    battery_cycles: int | None
    battery_capacity_permille: int | None
    battery_resistance_mohm: int | None
    battery_permille: int | None
    temperature_dc: int | None
    motor_current_ma: int | None
    load: str
    frames: int
    frames_damaged: int


ServiceEvent = (
    ServiceOpened
    | ServiceMove
    | ServiceClosed
    | ReferenceRead
    | AdjustmentWritten
    | CalibrationWritten
    | CertificateIssued
    | PenQuarantined
    | PenReleased
    | PartReplaced
    | PenRepaired
    | PenSelfTested
    | FirmwareChanged
    | HealthRead
)
"""Any of them."""
