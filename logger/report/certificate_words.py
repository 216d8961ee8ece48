"""What a series of a certificate says beyond its points, in sentences. Pure."""

from logger.certificate.document import Fit, Repeatability, Stage, Statement
from logger.report.quantities import MINUS, Scale, gain


def findings(scale: Scale, stage: Stage, *, test: bool) -> list[list[str]]:
    """What a series says beyond its points, each with its name: fit, statement, hysteresis, spread, drift."""
    unit = scale.error_unit
    found: list[list[str]] = []
    fit = stage.fit
    if fit is not None:
        found.append([_shape(scale, fit), _fitted(scale, fit)])
    if stage.statement is not None and not test:
        found.append(["Any single setting", _statement(scale, stage.statement)])
    if stage.hysteresis is not None:
        back = stage.hysteresis
        found.append(
            [
                "Hysteresis",
                f"from above less from below: {scale.stated(back.mean, back.expanded)} {unit} in the mean, U = "
                f"{scale.uncertainty(back.expanded)} {unit}; {scale.error(back.largest, 0)} {unit} at most. "
                + _chance(back.significant).capitalize(),
            ]
        )
    spread = stage.repeatability
    found.append(["Repeatability", _repeatability(scale, spread)])
    if stage.drift is not None:
        run = stage.drift
        found.append(
            [
                "Drift in the series",
                f"{scale.stated(run.per_hour, run.expanded_per_hour)} {unit} an hour, U = "
                f"{scale.uncertainty(run.expanded_per_hour)} {unit}; {_chance(run.significant)} It is taken out: the "
                "errors are those of the middle of the series.",
            ]
        )
    if stage.since_last is not None:
        last = stage.since_last
        year = "" if last.per_year is None else f", {scale.error(last.per_year, 0)} {unit} a year"
        found.append(
            [
                "Since the last one",
                f"{scale.error(last.largest, 0)} {unit} at most since No. {last.certificate}, {last.days} days ago"
                f"{year}; "
                + ("more than" if last.significant else "within")
                + " the uncertainty of both. Their references are taken as independent; where they are the same ones, "
                "a smaller change can be real, too.",
            ]
        )
    return found


def _shape(scale: Scale, fit: Fit) -> str:
    if scale.error_unit == "%":
        return "One gain"
    return "Monotone pieces" if fit.shape == "pieces" else "Straight line"


def _fitted(scale: Scale, fit: Fit) -> str:
    known = (
        f"true = {gain(fit.gain_ppm)} × shown{_offset(scale, fit.offset)}; U of the gain {gain(fit.gain_expanded_ppm)}"
    )
    if scale.error_unit != "%":
        known += f", of the offset {scale.uncertainty(fit.offset_expanded)} {scale.error_unit}"
    return f"{known}. {fit.sentence}"


def _offset(scale: Scale, offset: int) -> str:
    """The offset in a formula; a relative error has none."""
    if scale.error_unit == "%":
        return ""
    return f" {MINUS if offset < 0 else '+'} {abs(offset) / scale.per_error_unit:.0f} {scale.error_unit}"


def _chance(significant: bool) -> str:
    return "more than chance." if significant else "no more than chance."


def _repeatability(scale: Scale, spread: Repeatability) -> str:
    bounds = ""
    if spread.at_least is not None and spread.at_most is not None:
        least, most = (scale.uncertainty(value) for value in (spread.at_least, spread.at_most))
        bounds = f", {least} to {most} {scale.error_unit} with 95 %"
    return (
        f"s = {scale.uncertainty(spread.standard)} {scale.error_unit} of one reading, pooled, with {spread.degrees} "
        f"degrees of freedom{bounds}."
    )


def _statement(scale: Scale, said: Statement) -> str:
    line = f"true = {gain(said.gain_ppm)} × shown{_offset(scale, said.offset)}"
    within = f"within ±{scale.uncertainty(said.expanded)} {scale.error_unit}"
    factor = short_factor(said.budget.factor_milli)
    return f"{line}, {within} (k = {factor}), at any value between the outer points, from either side."


def factor_words(stage: Stage) -> str:
    """The coverage factors of a stage's errors."""
    factors = sorted({point.factor_milli for point in stage.points})
    least, most = short_factor(factors[0]), short_factor(factors[-1])
    return f"k = {least}" if least == most else f"k = {least} to {most}"


def short_factor(milli: int) -> str:
    """A coverage factor: "2", "2.09"."""
    return f"{milli / 1000:.2f}".removesuffix(".00")
