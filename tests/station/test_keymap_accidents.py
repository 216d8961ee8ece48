"""What a key map keeps to when the clock, another process or a kill comes between."""

from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from station.errors import KeyMapRefused
from station.keymap import Details
from station.retention import check_erasure, load_retention
from tests.station.test_keymap_file import MARIA, add, opened, settings

YEAR_US = 365 * 86400 * 1_000_000


@pytest.mark.parametrize(
    "said", [Details(hold="lawsuit"), Details(name="Maria Beispiel"), Details(born=date(1991, 2, 3))]
)
def test_what_is_said_last_counts_though_the_clock_was_set_back(tmp_path: Path, said: Details) -> None:
    at = settings(tmp_path, "one")
    maria = add(at, MARIA, 2 * YEAR_US)
    with closing(opened(at)) as file:
        file.revise(maria, Details(hold=""), "dr-lee", 2 * YEAR_US)
        file.revise(maria, said, "dr-lee", YEAR_US)
        file.revise(maria, Details(contact="0900"), "dr-lee", 2 * YEAR_US)
        person = file.person(maria)
    assert {name: getattr(person, name) for name, value in said if value is not None} == said.model_dump(
        exclude_none=True
    )
    if said.hold:
        with pytest.raises(KeyMapRefused, match="on hold"):
            check_erasure(load_retention(), person, None, date(2026, 11, 26), demo=False)
