"""The queue of unsent pieces, against the rule it serves: order, urgency, nothing torn, nothing lost."""

from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.transports.outbox import Outbox

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("push"), st.integers(0, 12), st.booleans()),
        st.tuples(st.just("send"), st.integers(0, 20), st.booleans()),
    ),
    max_size=60,
)


@given(STEPS)
def test_pieces_leave_whole_and_in_order_urgent_ones_first(steps: list[tuple[str, int, bool]]) -> None:
    outbox = Outbox()
    waiting: dict[bool, list[bytes]] = {False: [], True: []}
    begun = b""
    for number, (step, size, urgent) in enumerate(steps):
        if step == "push":
            piece = bytes([number]) * size
            outbox.push(piece, urgent=urgent)
            if piece:
                waiting[urgent].append(piece)
        elif outbox.size:
            queue = waiting[True] or waiting[False]
            head = begun or queue[0]
            assert bytes(outbox.head()) == head
            count = min(size, len(head))
            outbox.sent(count)
            if count:
                if not begun:
                    queue.pop(0)
                begun = head[count:]
        expected = len(begun) + sum(map(len, waiting[True])) + sum(map(len, waiting[False]))
        assert outbox.size == expected
    outbox.clear()
    assert outbox.size == 0
    assert bytes(outbox.head()) == b""


def test_a_piece_that_began_without_waiting_is_finished_first() -> None:
    outbox = Outbox()
    outbox.begin(memoryview(b"rest"))
    outbox.push(b"STOP", urgent=True)
    assert bytes(outbox.head()) == b"rest"
    outbox.sent(4)
    assert bytes(outbox.head()) == b"STOP"
