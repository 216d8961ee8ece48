"""Which STATUS is news: a repeat and one that was overtaken are not, however pen time comes round."""

import pytest

from firmware_bridge.line_quality import LineDelay

U32 = 1 << 32


@pytest.mark.parametrize("first_ms", [0, 5_000, U32 - 10, U32 // 2])
def test_only_a_later_status_is_news(first_ms: int) -> None:
    delay = LineDelay()
    assert not delay.overtaken(first_ms)
    delay.sent_at_ms(100, first_ms)
    assert delay.overtaken(first_ms)
    assert delay.overtaken((first_ms - 20) % U32)
    assert not delay.overtaken((first_ms + 20) % U32)


def test_a_status_overtaken_leaves_the_delay_as_it_was() -> None:
    delay = LineDelay()
    assert delay.sent_at_ms(100, 1000) == 100
    assert delay.sent_at_ms(125, 1020) in {120, 121}  # clocks may drift a little
    assert delay.overtaken(1000)
    assert delay.sent_at_ms(140, 1040) == 140
