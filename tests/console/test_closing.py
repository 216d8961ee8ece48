"""What is said at the end of a treatment."""

from collections.abc import Callable

from console.render.closing import closing_view
from controller.view import PenView


def test_a_closed_session_says_what_the_patient_is_told_and_who_signs(
    view: Callable[..., PenView], draw: Callable[..., str]
) -> None:
    seen = view(session="20260601T090000-00000001", operator="az-1", demo=True)
    text = draw(closing_view(seen, ("Keep out of the sun",)), width=160)
    assert "20260601T090000-00000001 is closed" in text
    assert "demonstration only" in text
    assert "sessions sign 20260601T090000-00000001 --as performed --by az-1" in text
    assert ("Keep out of the sun" in text) is bool(seen.doses)
    assert "Keep out of the sun" not in draw(
        closing_view(seen.model_copy(update={"doses": ()}), ("Keep out of the sun",))
    )
    assert "demonstration" not in draw(closing_view(seen.model_copy(update={"demo": False}), ()))
