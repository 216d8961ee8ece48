"""What a certificate states of a pen's calibration, as the pen keeps it: one says what the other does."""

from datetime import date, timedelta

from controller.calibration.series import Results
from firmware_bridge.wire.operations import CalibrationData
from logger.certificate.document import Body, Written

EPOCH = date(1970, 1, 1)
NO_DUE_DAY = 0
"""What a pen holds where the customer asked for no date."""
_A_DAY = timedelta(days=1)


def written_of(left: Results) -> Written:
    """What is left of a pen's errors, as it is given to it."""
    return Written(
        depth_gain_ppm=left.depth.left.gain_ppm,
        depth_offset_um=left.depth.left.offset_um,
        depth_uncertainty_um=left.depth.left.expanded_um,
        rate_gain_ppm=left.rate.gain_ppm,
    )


def calibration_data(number: str, written: Written, calibrated_on: date, due_on: str | None) -> CalibrationData:
    """What a pen holds once it is in force: the certificate's number, its days, and what is left of its errors.

    ``due_on`` is the last day on which it counts, None where no date was asked for; the pen keeps the day after it.
    """
    return CalibrationData(
        valid=1,
        certificate=number.encode("ascii"),
        calibrated_day=(calibrated_on - EPOCH).days,
        due_day=NO_DUE_DAY if due_on is None else (date.fromisoformat(due_on) + _A_DAY - EPOCH).days,
        depth_gain_ppm=written.depth_gain_ppm,
        depth_offset_um=written.depth_offset_um,
        depth_uncertainty_um=written.depth_uncertainty_um,
        rate_gain_ppm=written.rate_gain_ppm,
    )


def calibration_of(body: Body) -> CalibrationData | None:
    """The calibration that a certificate says its pen was given; None where it was given none."""
    if body.written is None:
        return None
    return calibration_data(body.number, body.written, date.fromisoformat(body.ended_at[:10]), body.due_on)
