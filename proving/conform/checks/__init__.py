"""Every check there is, by subject, in the order in which they are made."""

from proving.conform.checks import (
    arming,
    connection,
    faults,
    firmware,
    frames,
    requests,
    service,
    setpoints,
    stopping,
    values,
)
from proving.conform.suite import Check

ALL: tuple[Check, ...] = tuple(
    check
    for subject in (connection, frames, values, arming, stopping, faults, setpoints, requests, service, firmware)
    for check in subject.SUITE
)
"""STOP and the dead-man are tried before anything that leans on them."""
