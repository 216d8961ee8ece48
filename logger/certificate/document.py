"""What a certificate says: the items that ISO/IEC 17025:2017 asks of one in clause 7.8, as a closed model.

Every value is a whole number in the unit of its name. In a :class:`Series` the ``quantity`` gives the unit: depths are
in nanometres, their errors too; rates are in millihertz, their errors in ppm of what was shown. *Error* is true minus
shown, and in an accuracy test measured minus set. A factor in thousandths is named ``_milli``. Days are ISO dates,
moments ISO times in UTC.

Nothing in :class:`Body` names a person or a customer: accounts, codes, numbers. What does is in :class:`Private`, which
stays at the site; the body holds its salted SHA-256, so that a certificate without it is still verified.
"""

from typing import Annotated, Final, Literal

from pydantic import Field

from controller.events import Record
from controller.service_events import CertificateKind, Direction

FORMAT: Final = "needlework-certificate/1"

Quantity = Literal["depth_nm", "rate_mhz"]
"""What a series is of; its name ends in the unit of its values."""
StageName = Literal["as_found", "as_left"]
Verdict = Literal["passed", "passed_on_condition", "failed_on_condition", "failed"]
"""What the decision rule makes of a result."""
ReferenceKind = Literal["depth_gauge", "tachometer", "load", "cartridge", "thermometer"]
Day = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")]
"""An ISO date."""
Moment = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
"""A moment to the second, UTC."""
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Number = Annotated[str, Field(min_length=1, max_length=16)]
"""A certificate's number: as long as a pen can hold."""
Line = Annotated[str, Field(max_length=400)]
"""Words of a clinic's data files, or of a person; printed as they are."""


class Address(Record):
    """A laboratory or a customer, as it is to be printed."""

    name: Line
    lines: tuple[Line, ...] = ()
    contact: Line = ""


class Private(Record):
    """What stays at the site: who the laboratory and the customer are, people's names, and everything in free words.

    ``people`` are names by account. ``customer_said`` is what is known from the customer alone, and marked so.
    """

    salt: str = Field(pattern=r"^[0-9a-f]{32}$")
    laboratory: Address | None = None
    customer: Address | None = None
    people: dict[str, Line] = Field(default_factory=dict)
    place: Line = ""
    condition: Line = ""
    deviations: tuple[Line, ...] = ()
    remarks: tuple[Line, ...] = ()
    customer_said: tuple[Line, ...] = ()
    reissue_reason: Line = ""


class Instrument(Record):
    """The pen, as it said itself; counters over its life, None where it has none."""

    model: str
    serial: str
    firmware: str
    run_s: int | None = None
    strokes: int | None = None
    shocks: int | None = None


class Reference(Record):
    """What was measured with, who vouches for it, and until when. ``uncertainty`` and ``resolution`` are words."""

    kind: ReferenceKind
    name: Line
    serial: Line
    certificate: Line
    calibrated_by: Line
    calibrated_on: Day
    due_on: Day
    uncertainty: Line
    resolution: Line = ""


class Environment(Record):
    """The air while it was measured: least and greatest, 0.1 °C and ‰ relative humidity; the limits it was held to.

    None where it was not measured.
    """

    temperature_dc: tuple[int, int] | None
    humidity_permille: tuple[int, int] | None
    temperature_limits_dc: tuple[int, int]
    humidity_limits_permille: tuple[int, int]


class Method(Record):
    """How it was measured. ``policy_sha256`` is of the clinic's calibration policy, in which the method stands."""

    id: str
    name: Line
    source: Line
    policy_sha256: Sha256
    directions: tuple[Direction, ...]
    repeats: int
    settle_ms: int
    depth_um: int | None = None
    rate_mhz: int | None = None


class DecisionRule(Record):
    """How an error and its uncertainty become a verdict."""

    name: Line
    sentence: Line
    source: Line
    guard_band_permille: int
    statement: Literal["binary", "graded"]
    condition_is_in_order: bool


class Reading(Record):
    """One reading of the reference beside what the pen showed."""

    direction: Direction
    repeat: int
    shown: int
    reference: int


class BudgetLine(Record):
    """One input of an uncertainty: its value as its distribution takes it, its divisor, how much of it gets into the
    result, and what it adds, all in thousandths. ``share_permille`` is of the combined variance.

    *student*: a standard deviation from repeats; *normal*: an expanded uncertainty (k = 2); *rectangular*: a
    half-width; *two_valued*: plus or minus the value. ``degrees`` None is infinitely many.
    """

    source: Line
    evaluation: Literal["A", "B"]
    distribution: Literal["student", "normal", "rectangular", "two_valued"]
    value_milli: int
    divisor_milli: int = Field(ge=1)
    sensitivity_milli: int
    standard_milli: int = Field(ge=0)
    degrees: int | None
    share_permille: int


class Budget(Record):
    """An uncertainty, line by line; ``..._milli`` are thousandths of ``unit``. ``interval_95_milli`` is the half-width
    that holds 95 %."""

    measurand: Line
    unit: Literal["um", "mhz", "ppm"]
    lines: tuple[BudgetLine, ...] = Field(min_length=1)
    standard_milli: int
    degrees: int | None
    factor_milli: int
    expanded_milli: int
    interval_95_milli: int


class PointResult(Record):
    """A point of the scale approached from one direction: its readings, their means, and what comes of them.

    ``spread`` is the standard deviation of its readings; ``acceptance`` the tolerance less the guard band, below 0
    where nothing can pass; ``conforming_permille`` the probability that the true error is within the tolerance.
    ``worst_single`` is the error of the worst single reading, where each of them is held to the tolerance too.
    """

    set: int
    direction: Direction
    readings: tuple[Reading, ...] = Field(min_length=1)
    shown: int
    reference: int
    error: int
    spread: int = Field(ge=0)
    expanded: int = Field(ge=0)
    factor_milli: int
    degrees: int | None
    tolerance: int = Field(ge=0)
    acceptance: int
    conforming_permille: int = Field(ge=0, le=1000)
    verdict: Verdict
    worst_single: int | None = None


class Fit(Record):
    """What describes the errors: true = gain × shown + offset, or straight between ``knots`` (shown, true).

    The expanded uncertainties (k = 2) hold the references. ``sentence`` says why a line, or why pieces.
    """

    shape: Literal["line", "pieces"]
    gain_ppm: int
    gain_expanded_ppm: int
    offset: int
    offset_expanded: int
    knots: tuple[tuple[int, int], ...] = ()
    sentence: Line


class Statement(Record):
    """What may be said of any single setting within the range: true = gain × shown + offset, ± ``expanded`` (k = 2)."""

    gain_ppm: int
    offset: int
    expanded: int
    interval_95: int
    budget: Budget


class Hysteresis(Record):
    """Error from deeper (faster) less error from shallower (slower): mean with its uncertainty, and the largest."""

    mean: int
    expanded: int
    largest: int
    significant: bool


class Repeatability(Record):
    """The standard deviation of one reading, pooled over all points; 95 % lies between the bounds, where told."""

    standard: int
    degrees: int
    at_least: int | None = None
    at_most: int | None = None


class Drift(Record):
    """How the error ran while the series was read, per hour; it is taken out of the errors, which are of its middle."""

    per_hour: int
    expanded_per_hour: int
    during_ms: int
    significant: bool


class SinceLast(Record):
    """How the errors changed since those of an earlier certificate were left: the largest change, and that a year."""

    certificate: Number
    days: int
    largest: int
    per_year: int | None
    significant: bool


class Stage(Record):
    """One series of readings and what comes of it: as found, or as left.

    ``hysteresis`` is None where one direction only was read, ``drift`` without times, ``since_last`` where there is no
    certificate before.
    """

    stage: StageName
    begun_at: Moment
    ended_at: Moment
    points: tuple[PointResult, ...] = Field(min_length=1)
    fit: Fit | None
    statement: Statement | None
    hysteresis: Hysteresis | None
    repeatability: Repeatability
    drift: Drift | None
    since_last: SinceLast | None = None
    budget: Budget
    verdict: Verdict
    in_tolerance: bool

    @property
    def largest_error(self) -> int:
        """The error farthest from 0, with its sign."""
        return max((point.error for point in self.points), key=abs)


class Droop(Record):
    """How much slower the motor turns under the known load, and whether that is within what the policy allows."""

    load: Line
    set_mhz: int
    free_mhz: int
    loaded_mhz: int
    droop_ppm: int
    expanded_ppm: int
    limit_ppm: int
    verdict: Verdict


class Series(Record):
    """Everything about one quantity. ``adjusted`` False says that as found was left as it was."""

    quantity: Quantity
    method: Method
    stages: tuple[Stage, ...] = Field(min_length=1, max_length=2)
    adjusted: bool
    droop: tuple[Droop, ...] = ()

    def stage(self, name: StageName) -> Stage | None:
        """One of its stages; None where it was not measured."""
        return next((stage for stage in self.stages if stage.stage == name), None)

    @property
    def last(self) -> Stage:
        """How the pen left: the newest stage."""
        return self.stages[-1]


class Table(Record):
    """An adjustment table as the pen holds it; number 0 and empty is none."""

    number: int
    shown_um: tuple[int, ...]
    true_um: tuple[int, ...]
    rate_gain_ppm: int


class Adjustment(Record):
    """What was changed in the pen between as found and as left."""

    before: Table
    after: Table


class Written(Record):
    """What the pen was given as its calibration, and read back."""

    depth_gain_ppm: int
    depth_offset_um: int
    depth_uncertainty_um: int
    rate_gain_ppm: int


class Replaces(Record):
    """The certificate that this one takes the place of; the reason is in the private part."""

    number: Number
    sha256: Sha256


class Body(Record):
    """A certificate, without what stays at the site.

    ``due_on`` is there only where the customer asked for a date. ``received_on`` is there where it matters.
    ``demo`` is true of a simulated pen, or of example data: it is printed across every page.
    """

    format: Literal["needlework-certificate/1"] = "needlework-certificate/1"
    kind: CertificateKind
    number: Number
    site: str
    station: str
    software: str
    series: str
    performed_at: Literal["laboratory", "customer", "elsewhere"] = "laboratory"
    received_on: Day | None = None
    begun_at: Moment
    ended_at: Moment
    issued_at: Moment
    due_on: Day | None = None
    replaces: Replaces | None = None
    instrument: Instrument
    references: tuple[Reference, ...] = Field(min_length=1)
    environment: Environment
    decision: DecisionRule
    results: tuple[Series, ...] = Field(min_length=1, max_length=2)
    adjustment: Adjustment | None = None
    written: Written | None = None
    technician: str
    authorised_by: str
    demo: bool = False
    private_sha256: Sha256

    def of(self, quantity: Quantity) -> Series | None:
        """The results of a quantity; None where it was not measured."""
        return next((series for series in self.results if series.quantity == quantity), None)


class Certificate(Record):
    """A certificate as it is read: ``private`` is None where it was withheld."""

    body: Body
    private: Private | None
