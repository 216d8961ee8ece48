"""By which errors a quarantine's sessions are judged: those typed, else those of the calibration that came after."""

from typing import Any

import pytest

from controller.events import Event
from controller.service_events import AdjustmentWritten, CertificateIssued, ErrorAtDepth
from logger.certificate.sealing import withheld
from logger.record.found_errors import FoundErrors, found_errors
from tests.logger.certificates import POINTS_UM, example
from tests.logger.test_pens import NAMED, certificate, part, quarantined, repaired, told

TYPED = (ErrorAtDepth(shown_um=500, error_um=60),)


def measured(number: str, **changes: Any) -> CertificateIssued:
    """A certificate with all that it says: found out of tolerance, adjusted, left in it."""
    document = withheld(example().content, number).decode()
    return certificate(number, document=document, as_found_in_tolerance=False, **changes)


def adjusted(series: str) -> AdjustmentWritten:
    return AdjustmentWritten(
        **NAMED,
        series=series,
        number=1,
        rate_gain_ppm=0,
        shown_um=(0, 2000),
        true_um=(0, 2040),
        confirmed_by="tech-kim",
    )


def test_what_was_typed_counts() -> None:
    by_hand = quarantined(errors=TYPED, certificate="C-9")
    assert found_errors(told(by_hand, measured("C-2")), by_hand) == FoundErrors(TYPED, "C-9")


@pytest.mark.parametrize("before", [True, False])
def test_else_what_the_first_certificate_since_it_was_right_found(before: bool) -> None:
    by_hand = quarantined(last_in_tolerance="C-1")
    second, its_own = measured("C-2"), adjusted("s")
    events: list[Event] = [measured("C-0"), certificate("C-1")]
    events += [its_own, second, by_hand] if before else [by_hand, its_own, second]
    found = found_errors(told(*events, measured("C-3")), by_hand)
    series = example().certificate.body.of("depth_nm")
    assert series is not None
    assert found.certificate == "C-2"
    assert len(found.errors) == len(POINTS_UM)
    largest = max((one.error_um for one in found.errors), key=abs)
    assert abs(largest) == -(-abs(series.stages[0].largest_error) // 1000)
    assert abs(series.stages[0].largest_error) > abs(series.last.largest_error)  # not as it was left


@pytest.mark.parametrize("done", [repaired(ends=True), part("motor", "L1"), adjusted("another")])
def test_what_was_found_after_the_pen_was_changed_says_nothing(done: Event) -> None:
    by_hand = quarantined(last_in_tolerance="C-1")
    assert found_errors(told(certificate("C-1"), by_hand, done, measured("C-2")), by_hand) == FoundErrors()


def test_nothing_is_made_up() -> None:
    by_hand = quarantined(last_in_tolerance="C-1")
    accuracy = measured("T-1", kind="accuracy_test")
    for events in (
        (measured("C-1"), by_hand),  # by which it was right
        (certificate("C-1"), by_hand, accuracy),
        (certificate("C-1"), by_hand, certificate("C-2")),  # its document cannot be read
        (by_hand, measured("C-2")),  # since when is not known here
    ):
        assert found_errors(told(*events), by_hand) == FoundErrors()


def test_cleaning_changes_no_error() -> None:
    by_hand = quarantined()
    assert found_errors(told(by_hand, repaired(ends=False), measured("C-1")), by_hand).certificate == "C-1"
