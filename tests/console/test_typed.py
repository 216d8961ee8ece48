"""What a practitioner types: lines that are orders, and keys that act at once."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.keys import LINE_MAX, Key, typed
from console.treat_lines import HELP, Order, parse, waiting_s
from console.trouble import ConsoleError


@pytest.mark.parametrize(
    ("line", "order"),
    [
        ("arm", Order("arm", ())),
        ("  DEPTH 0.5 ", Order("depth", ("0.5",))),
        ("depth 0.9 scar-tissue", Order("depth", ("0.9", "scar-tissue"))),
        ("close", Order("close", ())),
        ("start # the left cheek", Order("start", ())),
        ("", None),
        ("# a comment", None),
    ],
)
def test_a_line_is_an_order(line: str, order: Order | None) -> None:
    assert parse(line) == order


@pytest.mark.parametrize(
    "line", ["aram", "depth", "depth 1 a b", "start now", "close somebody left early", "'", "rate 1 2"]
)
def test_what_is_not_understood_says_what_would_be(line: str) -> None:
    with pytest.raises(ConsoleError) as refused:
        parse(line)
    assert refused.value.told.means == "Nothing changed."
    assert refused.value.told.do


def test_the_nearest_action_is_named() -> None:
    with pytest.raises(ConsoleError) as refused:
        parse("puase")
    assert "pause" in refused.value.told.do


def test_every_action_has_its_help() -> None:
    for form in HELP:
        name, *arguments = form.split()
        wanted = [argument for argument in arguments if not argument.startswith("[")]
        assert parse(" ".join([name, *("1" for _ in wanted)])) is not None


@pytest.mark.parametrize("text", ["x", "-1", "nan", "inf", "1e9"])
def test_a_wait_is_bounded(text: str) -> None:
    with pytest.raises(ConsoleError):
        waiting_s(Order("wait", (text,)))
    assert waiting_s(Order("wait", ("2.5",))) == 2.5


@given(st.text(max_size=80))
def test_any_line_is_an_order_or_refused_in_words(line: str) -> None:
    with suppress(ConsoleError):
        order = parse(line)
        assert order is None or order.name in {form.split()[0] for form in HELP}


def test_space_toggles_only_on_an_empty_line() -> None:
    assert typed("", b" ").acts == (Key.TOGGLE,)
    assert typed("depth", b" 0.5\r").acts == ("depth 0.5",)
    assert typed("", b" zone nose\r").acts == (Key.TOGGLE, "zone nose")


def test_escape_alone_is_stop_whatever_is_being_typed() -> None:
    assert typed("dep", b"\x1b").acts == (Key.STOP,)
    assert typed("dep", b"\x1b").line == ""
    assert typed("", b"\x1b\x1b").acts == (Key.STOP, Key.STOP)


@pytest.mark.parametrize("sequence", [b"\x1b[A", b"\x1b[3~", b"\x1bOP", b"\x1b[1;5C"])
def test_cursor_and_function_keys_are_no_stop(sequence: bytes) -> None:
    found = typed("arm", sequence)
    assert found.acts == ()
    assert found.line == "arm"


@pytest.mark.parametrize("sequence", [b"\x1b[A", b"\x1b[3~", b"\x1bOP", b"\x1b[1;5C", b"\x1b[", b"\x1bO", b"\x1b[1;"])
def test_what_comes_in_one_piece_with_a_cursor_key_counts(sequence: bytes) -> None:
    assert typed("", sequence + b"\x1b").acts == (Key.STOP,)
    assert typed("", sequence * 2 + b"\x1b").acts == (Key.STOP,)
    if sequence[-1:] in b"A~PC":
        assert typed("", sequence + b"arm\r").acts == ("arm",)


@given(st.binary(max_size=60))
def test_stop_is_never_lost_among_other_keys(received: bytes) -> None:
    assert typed("", received + b"\x1b").acts[-1] is Key.STOP


def test_a_line_is_corrected_as_in_a_shell() -> None:
    assert typed("arn", b"\x7fm").line == "arm"
    assert typed("ä", b"\x7f").line == ""
    assert typed("", b"\x7f").line == ""
    assert typed("wrong", b"\x15arm\n").acts == ("arm",)


@given(st.text(max_size=20), st.binary(max_size=400))
def test_any_keys_leave_a_short_line_and_never_raise(line: str, received: bytes) -> None:
    found = typed(line, received)
    assert len(found.line.encode()) <= max(LINE_MAX, len(line.encode())) + 4
