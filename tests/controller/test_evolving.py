"""A changed copy: cheap, and as strict as the one it stands for."""

import dataclasses

import pytest

from controller.evolving import replace
from controller.state import MachineState, Phase, SendSetpoint


def test_a_copy_is_what_dataclasses_would_make() -> None:
    state = MachineState(zone="cheek")
    assert replace(state, phase=Phase.PAUSED) == dataclasses.replace(state, phase=Phase.PAUSED)
    assert state == MachineState(zone="cheek")


def test_a_field_that_is_none_is_refused() -> None:
    with pytest.raises(TypeError, match="no field colour"):
        replace(MachineState(), colour="red")  # type: ignore[call-arg]


def test_slotted_values_are_copied_too() -> None:
    assert replace(SendSetpoint(True, 500, 90_000, 7), motor=False) == SendSetpoint(False, 500, 90_000, 7)


def test_a_state_stays_immutable() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        MachineState().zone = "nose"  # type: ignore[misc]
