"""The catalogue as data: whole, in its own words, each line about a hazard there is."""

import re
from pathlib import Path

import pytest
from safety_case.reading import read_case

from simulators.errors import BadParameter, UnknownFault
from simulators.faults.catalogue import APPLY, CATALOGUE, fault_named
from simulators.faults.kinds import LAYERS, FaultKind

ROOT = Path(__file__).resolve().parents[3]
HAZARDS = read_case(ROOT / "docs" / "safety" / "hazards.yaml").case.hazards
KINDS = list(CATALOGUE.values())


def test_there_are_enough_of_every_layer() -> None:
    assert len(CATALOGUE) >= 40
    assert {layer: sum(kind.layer == layer for kind in KINDS) >= 7 for layer in LAYERS} == dict.fromkeys(LAYERS, True)


def test_each_has_what_makes_it_and_no_name_is_there_twice() -> None:
    assert APPLY.keys() == CATALOGUE.keys()
    assert sum(len(rows) for rows in _rows()) == len(CATALOGUE)


def _rows() -> list[tuple[FaultKind, ...]]:
    from simulators.faults import of_answers, of_bench, of_firmware, of_host, of_line, of_plant, of_usb  # noqa: PLC0415

    return [
        of_answers.ANSWER_FAULTS, of_bench.BENCH_FAULTS, of_firmware.FIRMWARE_FAULTS, of_host.HOST_FAULTS,
        of_line.LINE_FAULTS, of_plant.PLANT_FAULTS, of_usb.USB_FAULTS,
    ]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_line_of_data_is_whole(kind: FaultKind) -> None:
    assert kind.hazard in HAZARDS
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", kind.name)
    for sentence in (kind.does, kind.product):
        assert sentence[0].isupper()
        assert sentence.endswith(".")
    assert (kind.reaction == "refuses") <= (kind.met != "treating")
    for parameter in kind.parameters:
        assert parameter.checked(kind.name, parameter.default) == parameter.default
        assert parameter.words or parameter.least < parameter.most


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"delay": 5}, "no parameter 'delay'. Nearest: delay_ms"),
        ({"delay_ms": 0}, "may be 1 to 2000 ms, not 0"),
        ({"delay_ms": 2001}, "may be 1 to 2000 ms"),
        ({"delay_ms": True}, "whole number"),
        ({"delay_ms": 1.5}, "whole number"),
        ({"delay_ms": "5"}, "whole number"),
        ({"direction": "up"}, "one of both, to_pen, to_host"),
        ({"direction": 1}, "one of both"),
        ({"direction": ["both"]}, "one of both"),
    ],
)
def test_parameters_that_cannot_be_are_refused_in_words(given: dict[str, object], sentence: str) -> None:
    with pytest.raises(BadParameter, match=re.escape(sentence)):
        fault_named("line_delay").checked(given)


def test_a_fault_without_parameters_says_so() -> None:
    with pytest.raises(BadParameter, match="It has none"):
        fault_named("ingress").checked({"depth": 1})


def test_a_name_that_is_none_has_a_nearest_one() -> None:
    with pytest.raises(UnknownFault, match="Nearest: motor_stall"):
        fault_named("motor_stal")
