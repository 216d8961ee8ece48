"""Who signs a closed session as what, each once for the record as it stands, and who amends it."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.events import Event, RecordAmended, SessionClosed, SessionOpened, SessionSigned
from controller.signoff import Meaning, SignedSession, amending_problem, signed_session, signing_problem

OPENED = SessionOpened(
    pen="NW-1/1", patient="p-0001", operator="anna", protocol="p", library="l", zone="cheek", skin="thin", demo=True,
    checklist={},
)  # fmt: skip
CLOSED = SessionClosed(outcome="completed", reason="finished", doses=())
AMENDED = RecordAmended(
    session="s", aspect="zone", reason="chosen_wrongly", amends_sequence=2, amends_hash="00", by="anna",
    role="aesthetician", text_sha256="00",
)  # fmt: skip


def signed(by: str, meaning: Meaning) -> SessionSigned:
    return SessionSigned(by=by, role="physician", meaning=meaning)


def because(events: list[Event], by: str, role: str, meaning: Meaning) -> str:
    problem = signing_problem(signed_session(events), by, role, meaning)
    return problem[0] if problem is not None else ""


@pytest.mark.parametrize(
    ("events", "by", "role", "meaning", "expected"),
    [
        ([], "anna", "aesthetician", "performed", "sign_unknown_session"),
        ([OPENED], "anna", "aesthetician", "performed", "sign_session_open"),
        ([OPENED, CLOSED], "anna", "aesthetician", "performed", ""),
        ([OPENED, CLOSED], "bea", "aesthetician", "performed", "sign_not_the_operator"),
        ([OPENED, CLOSED], "dr-lee", "physician", "reviewed", "sign_not_performed_yet"),
        ([OPENED, CLOSED, signed("anna", "performed")], "anna", "aesthetician", "performed", "sign_signed_already"),
        ([OPENED, CLOSED, signed("anna", "performed")], "bea", "aesthetician", "reviewed", "sign_not_a_physician"),
        ([OPENED, CLOSED, signed("anna", "performed")], "dr-lee", "physician", "reviewed", ""),
        ([OPENED, CLOSED, signed("anna", "performed")], "anna", "physician", "reviewed", "sign_own_session"),
        ([OPENED, CLOSED, signed("anna", "performed")], "dr-lee", "physician", "approved", "sign_not_reviewed_yet"),
        (
            [OPENED, CLOSED, signed("anna", "performed"), signed("dr-lee", "reviewed")],
            "dr-lee",
            "physician",
            "approved",
            "",
        ),
        ([OPENED, CLOSED, signed("anna", "performed"), AMENDED], "anna", "aesthetician", "performed", ""),
        (
            [OPENED, CLOSED, signed("anna", "performed"), AMENDED],
            "dr-lee",
            "physician",
            "reviewed",
            "sign_not_performed_yet",
        ),
    ],
)
def test_who_may_sign_as_what(events: list[Event], by: str, role: str, meaning: Meaning, expected: str) -> None:
    assert because(events, by, role, meaning) == expected


def attempts() -> Iterator[tuple[str, str, Meaning]]:
    for by, role in (("anna", "aesthetician"), ("anna", "physician"), ("bea", "aesthetician"), ("dr-lee", "physician")):
        yield by, role, "performed"
        yield by, role, "reviewed"
        yield by, role, "approved"


@given(st.lists(st.sampled_from(list(attempts())), max_size=12))
def test_whoever_tries_a_session_ends_with_at_most_one_of_each_by_those_who_may(
    tries: list[tuple[str, str, Meaning]],
) -> None:
    events: list[Event] = [OPENED, CLOSED]
    for by, role, meaning in tries:
        if signing_problem(signed_session(events), by, role, meaning) is None:
            events.append(signed(by, meaning))
    final: SignedSession = signed_session(events)
    names = dict(final.signed)
    assert len(names) == len(final.signed) <= 3
    assert names.get("performed", "anna") == "anna"
    assert names.get("reviewed") in {None, "dr-lee"}
    assert names.get("approved") in {None, "dr-lee"}
    assert "reviewed" not in names or "performed" in names
    assert "approved" not in names or "reviewed" in names


@pytest.mark.parametrize(
    ("events", "by", "role", "expected"),
    [
        ([], "anna", "aesthetician", "amend_unknown_session"),
        ([OPENED], "anna", "aesthetician", "amend_session_open"),
        ([OPENED, CLOSED], "anna", "aesthetician", ""),
        ([OPENED, CLOSED], "dr-lee", "physician", ""),
        ([OPENED, CLOSED], "bea", "aesthetician", "amend_not_yours"),
    ],
)
def test_who_may_amend(events: list[Event], by: str, role: str, expected: str) -> None:
    problem = amending_problem(signed_session(events), by, role)
    assert (problem[0] if problem is not None else "") == expected
