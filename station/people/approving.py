"""A physician's approval to go beyond an operator's scope: checked, journalled, and then kept where it counts."""

from collections.abc import Mapping
from datetime import date
from typing import Protocol

from controller.datafile import nearest
from controller.errors import ControlRefused
from controller.events import ApprovedAhead
from controller.history import Approval
from controller.operators import Operator, Operators
from controller.units import Micrometres, format_mm, micrometres_from_mm
from logger.journal.journal import Journal
from station.api.models import ApproveAsked
from station.site.history import SiteHistory


class _Zone(Protocol):
    @property
    def hard_um(self) -> Mapping[str, int]: ...


class _TreatmentProtocol(Protocol):
    @property
    def zones(self) -> Mapping[str, _Zone]: ...


class Protocols(Protocol):
    """What is asked of a library here."""

    @property
    def protocols(self) -> Mapping[str, _TreatmentProtocol]:
        """Its protocols, by name."""


def approval_of(
    asked: ApproveAsked, by: str, *, name: str, today: date, operators: Operators, library: Protocols
) -> Approval:
    """What a physician asked for, checked. Raises ControlRefused, QuantityError."""
    physician = operators.operators[by]
    depth_um = micrometres_from_mm(asked.depth_max_mm)
    _physician_may(by, physician, depth_um)
    if asked.protocol and asked.protocol not in library.protocols:
        known = nearest(asked.protocol, list(library.protocols))
        raise ControlRefused("unknown_protocol", f"There is no protocol {asked.protocol!r}. {known} Nothing changed.")
    protocols = [one for key, one in library.protocols.items() if asked.protocol in ("", key)]
    for zone in asked.zones:
        deepest_um = max(
            (max(one.zones[zone].hard_um.values()) for one in protocols if zone in one.zones), default=None
        )
        if deepest_um is None:
            names = nearest(zone, sorted({name for one in protocols for name in one.zones}))
            raise ControlRefused("unknown_zone", f"There is no zone {zone!r}. {names} Nothing changed.")
        if depth_um > deepest_um:
            raise ControlRefused(
                "zone_hard",
                f"{format_mm(depth_um)} is beyond the hard limit of {zone}, {format_mm(deepest_um)}, which no approval "
                "changes. Look at the number again. Nothing changed.",
            )
    if asked.until < today:
        raise ControlRefused(
            "approval_expired",
            f"An approval until {asked.until.isoformat()} would have expired already. Nothing changed.",
        )
    return Approval(
        id=name,
        patient=asked.patient,
        zones=tuple(dict.fromkeys(asked.zones)),
        depth_max_um=depth_um,
        sessions=asked.sessions,
        used=0,
        expires=asked.until,
        by=by,
        given_on=today,
        protocol=asked.protocol,
    )


def _physician_may(by: str, physician: Operator, depth_um: Micrometres) -> None:
    if physician.role != "physician":
        raise ControlRefused(
            "not_a_physician",
            f"{by} is no physician in the clinic's operators file. A physician approves what exceeds a scope. "
            "Nothing changed.",
        )
    if not depth_um:
        raise ControlRefused("approval_empty", "An approval of 0.00 mm approves nothing. Nothing changed.")
    if depth_um > physician.depth_cap_um:
        raise ControlRefused(
            "beyond_own_scope",
            f"{format_mm(depth_um)} is beyond the scope of {by}, {format_mm(physician.depth_cap_um)} "
            f"({physician.scope}). Nobody approves more than they may do. Nothing changed.",
        )


async def keep_approval(approval: Approval, journal: Journal, memory: SiteHistory) -> None:
    """Into the record first, so that none ever counts that the record does not have.

    Raises JournalError, MemoryUnavailable.
    """
    event = ApprovedAhead(
        approval=approval.id,
        patient=approval.patient,
        zones=approval.zones,
        protocol=approval.protocol,
        depth_max_um=approval.depth_max_um,
        sessions=approval.sessions,
        expires=approval.expires.isoformat(),
        by=approval.by,
    )
    journal.emit(event, session=None)
    await journal.flush()
    await memory.approve(approval)
