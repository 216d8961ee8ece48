"""Signatures on a closed session: performed by who treated, reviewed by a physician who did not, each once."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.events import Event, SessionClosed, SessionOpened, SessionSigned
from controller.signoff import Meaning, SignedSession, signed_session, signing_problem

OPENED = SessionOpened(
    pen="NW-1/1", patient="p-0001", operator="anna", protocol="p", library="l", zone="cheek", skin="thin", demo=True,
    checklist={},
)  # fmt: skip
CLOSED = SessionClosed(outcome="completed", reason="finished", doses=())


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
    ],
)
def test_who_may_sign_as_what(events: list[Event], by: str, role: str, meaning: Meaning, expected: str) -> None:
    assert because(events, by, role, meaning) == expected


def attempts() -> Iterator[tuple[str, str, Meaning]]:
    for by, role in (("anna", "aesthetician"), ("anna", "physician"), ("bea", "aesthetician"), ("dr-lee", "physician")):
        yield by, role, "performed"
        yield by, role, "reviewed"


@given(st.lists(st.sampled_from(list(attempts())), max_size=12))
def test_whoever_tries_a_session_ends_with_at_most_one_of_each_by_two_people(
    tries: list[tuple[str, str, Meaning]],
) -> None:
    events: list[Event] = [OPENED, CLOSED]
    for by, role, meaning in tries:
        if signing_problem(signed_session(events), by, role, meaning) is None:
            events.append(signed(by, meaning))
    final: SignedSession = signed_session(events)
    names = dict(final.signed)
    assert len(names) == len(final.signed) <= 2
    assert names.get("performed", "anna") == "anna"
    assert names.get("reviewed") in {None, "dr-lee"}
    assert "reviewed" not in names or "performed" in names
