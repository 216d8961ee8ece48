"""A clinic's policy, as far as it decides about arming a pen of one model. Pure."""

from controller.calibration.due import DueRules
from controller.calibration.policy import CalibrationPolicy
from controller.pen_kept import PenRules


def rules_of(policy: CalibrationPolicy, model: str) -> PenRules:
    """What a clinic's policy asks of a pen of this model; nothing where the policy does not know the model."""
    asked = policy.models.get(model)
    if asked is None:
        return PenRules()
    return PenRules(due=DueRules(**policy.due[asked.due].model_dump()), firmware=asked.firmware)
