"""Values of a certificate as people read them: units, decimals, signs, uncertainties of two digits at most. Pure."""

from dataclasses import dataclass
from typing import Final, Literal

from logger.certificate.document import Quantity, Verdict

MINUS: Final = "−"

VERDICTS: Final[dict[Verdict, str]] = {
    "passed": "passed",
    "passed_on_condition": "passed on condition",
    "failed_on_condition": "failed on condition",
    "failed": "failed",
}


@dataclass(frozen=True, slots=True)
class Scale:
    """How a quantity is printed: its values and its errors, each with their unit, and what a unit has of ours."""

    name: str
    unit: str
    per_unit: int
    decimals: int
    error_unit: str
    per_error_unit: int

    def value(self, value: int) -> str:
        """A value, without its unit."""
        return f"{value / self.per_unit:.{self.decimals}f}"

    def tick(self, value: int) -> str:
        """A value on an axis: no more digits than it needs."""
        return f"{value / self.per_unit:g}"

    def error(self, error: int, decimals: int) -> str:
        """An error with its sign, without its unit."""
        return signed(error / self.per_error_unit, decimals)

    def stated(self, error: int, expanded: int) -> str:
        """An error to the last digit of its uncertainty."""
        return self.error(error, _decimals(expanded, self.per_error_unit))

    def uncertainty(self, expanded: int) -> str:
        """An uncertainty in two digits, rounded up so that it promises no more than was found."""
        decimals = _decimals(expanded, self.per_error_unit)
        step = max(1, self.per_error_unit // 10**decimals)
        if decimals == 0:
            while expanded >= 100 * step:
                step *= 10
        return f"{-(-expanded // step) * step / self.per_error_unit:.{decimals}f}"

    def limit(self, value: int) -> str:
        """A tolerance or another limit, without a sign, to two decimals, never more than it is."""
        hundredths = value * 100 // self.per_error_unit
        return f"{hundredths / 100:.2f}".rstrip("0").rstrip(".").replace("-", MINUS)


def signed(value: float, decimals: int) -> str:
    """A number with its sign, which a zero has none of."""
    text = f"{abs(value):.{decimals}f}"
    if not text.strip("0."):
        return text
    return f"{'+' if value > 0 else MINUS}{text}"


def _decimals(expanded: int, per_unit: int) -> int:
    """So many decimals that an uncertainty has two digits."""
    decimals = 0
    while decimals < 3 and expanded * 10**decimals < 10 * per_unit:
        decimals += 1
    return decimals


_DEPTH: Final = Scale("Depth", "mm", 1_000_000, 3, "µm", 1_000)
_RATE: Final = Scale("Rate", "Hz", 1_000, 2, "%", 10_000)
_SCALES: Final[dict[Quantity, Scale]] = {"depth_nm": _DEPTH, "rate_mhz": _RATE}


def scale_of(quantity: Quantity) -> Scale:
    """How a quantity is printed."""
    return _SCALES[quantity]


def factor(milli: int) -> str:
    """A factor in thousandths, to two decimals."""
    return f"{milli / 1000:.2f}"


def gain(ppm: int) -> str:
    """A gain in ppm as a factor: "1.0402"."""
    return f"{ppm / 1_000_000:.4f}"


def degrees(number: int | None) -> str:
    """Degrees of freedom; of so many that no coverage factor hears of them, no digits."""
    if number is None:
        return "∞"
    return str(number) if number < 1000 else "> 999"


def budget_unit(unit: Literal["um", "mhz", "ppm"]) -> str:
    """The unit of a budget."""
    return {"um": "µm", "mhz": "mHz", "ppm": "ppm"}[unit]
