"""The clauses of docs/protocol.md on both pens, by the checks that `needlework conform` makes on any pen.

Each test is some of them, under a name that the safety case can rest on; tests/proving/test_conform.py makes them all.
"""

from collections.abc import Awaitable, Callable
from random import Random

from proving.conform.bench import Allowed, Bench, Hand, Hands, bench
from proving.conform.checks import ALL, arming, connection, faults, frames, requests, setpoints, stopping, values
from proving.conform.running import tried
from proving.conform.verdicts import Verdict
from tests.pens import BenchPen

CHECK_OF = {check.body: check for check in ALL}


def hand(does: Callable[[], None]) -> Hand:
    async def do() -> None:
        does()

    return do


async def holds(pen: BenchPen, *bodies: Callable[[Bench], Awaitable[None]], hands: bool = False) -> None:
    """Each of these checks passes on this pen."""
    own = Hands(hand(pen.press_button), hand(pen.press_pedal), hand(pen.swap_cartridge), hand(pen.reboot))
    allowed = Allowed(motion=True, writes=pen.kind != "real")  # a cartridge of somebody's is not used up by a test
    async with bench(pen.url, random=Random(9), allowed=allowed, hands=own if hands else Hands()) as under_test:
        for check in (CHECK_OF[body] for body in bodies):
            if allowed.writes or not check.writes:
                part = await tried(under_test, check)
                assert part.verdict is Verdict.PASS, part


# W, C ----------------------------------------------------------------------------------------------------------------


async def test_w6_w7_w8_damage_is_dropped_and_longer_payloads_are_read(either_pen: BenchPen) -> None:
    await holds(
        either_pen,
        frames.a_wrong_crc_is_dropped,
        frames.unknown_and_short_are_dropped,
        frames.a_longer_payload_is_read,
        frames.in_step_after_any_garbage,
    )


async def test_c2_c6_before_hello_a_pen_says_nothing_and_does_nothing(handled_pen: BenchPen) -> None:
    await holds(handled_pen, connection.welcome_before_status, connection.without_a_connection_nothing_is_heard)


async def test_c1_w9_a_hello_is_answered_as_often_as_it_is_said_and_nonce_0_never(either_pen: BenchPen) -> None:
    await holds(either_pen, connection.welcome_in_time, connection.hello_again, frames.out_of_range_is_ignored)


async def test_c3_another_version_is_answered_and_makes_no_connection(either_pen: BenchPen) -> None:
    await holds(either_pen, connection.another_version)


async def test_c4_a_hello_ends_the_lease_even_when_it_is_a_late_repeat(either_pen: BenchPen) -> None:
    await holds(either_pen, connection.hello_ends_the_lease)


async def test_w5_the_pens_sequence_counts_every_frame(either_pen: BenchPen) -> None:
    await holds(either_pen, frames.sequence_counts_and_decides_nothing, frames.what_it_sends_is_a_frame)


# A -------------------------------------------------------------------------------------------------------------------


async def test_a1_a2_an_arm_is_answered_and_its_repeat_alike(either_pen: BenchPen) -> None:
    await holds(
        either_pen, arming.every_lease_is_another, arming.a_repeat_is_harmless, arming.disarm_ends_its_own_lease
    )


async def test_a2_refusals_of_arm_come_in_the_order_of_the_table(either_pen: BenchPen) -> None:
    await holds(
        either_pen, arming.refusals_without_a_lease, arming.refusals_with_a_lease_and_a_fault, arming.an_odd_ceiling
    )


async def test_a3_a_new_lease_begins_at_tick_0_and_without_a_refusal(either_pen: BenchPen) -> None:
    await holds(either_pen, arming.a_lease_begins_clean, arming.a_lease_begins_fresh)


# S, D ----------------------------------------------------------------------------------------------------------------


async def test_s1_refusals_of_setpoints_come_in_the_order_of_the_table(either_pen: BenchPen) -> None:
    await holds(either_pen, setpoints.setpoint_refusals_in_order, setpoints.setpoint_refusals_in_order_motor_on)


async def test_s2_arrival_never_extends_the_deadline_and_d1_falls_due_to_the_millisecond(either_pen: BenchPen) -> None:
    await holds(
        either_pen, setpoints.arrival_extends_nothing, stopping.silence_while_armed, stopping.silence_while_running
    )


async def test_s2_a_newer_tick_decided_earlier_is_accepted_and_shortens_nothing(either_pen: BenchPen) -> None:
    await holds(either_pen, setpoints.an_older_decision_shortens_nothing)


# T, F ----------------------------------------------------------------------------------------------------------------


async def test_t1_stop_ends_whatever_is_going_on(either_pen: BenchPen) -> None:
    await holds(either_pen, stopping.stop_ends_a_lease, stopping.stop_while_running, stopping.stop_ends_a_self_test)


async def test_t2_presses_are_counted_in_every_state_and_logged(handled_pen: BenchPen) -> None:
    await holds(
        handled_pen, stopping.presses_are_counted, stopping.the_button_stops, stopping.the_pedal_stops, hands=True
    )


async def test_f_stop_and_hello_clear_no_fault_and_f1_clears_only_what_is_named(either_pen: BenchPen) -> None:
    await holds(either_pen, faults.stays_latched, faults.clears_what_is_named)


# R -------------------------------------------------------------------------------------------------------------------


async def test_r1_refusals_of_requests_come_in_the_order_of_the_table(either_pen: BenchPen) -> None:
    await holds(
        either_pen,
        requests.refusals_in_order,
        requests.refused_while_armed,
        requests.refused_before_anything_is_written,
    )


async def test_r3_a_key_once_used_is_never_executed_again(either_pen: BenchPen) -> None:
    await holds(either_pen, requests.never_executed_again, requests.refusals_are_kept, requests.sixteen_are_kept)


async def test_r3_r7_a_used_cartridge_outcomes_and_the_log_survive_a_reboot(handled_pen: BenchPen) -> None:
    await holds(
        handled_pen,
        requests.a_cartridge_is_used_for_good,
        requests.kept_over_a_reboot,
        requests.a_used_cartridge_stays_used_over_a_reboot,
        hands=True,
    )


async def test_r7_the_log_tells_in_order_what_happened(either_pen: BenchPen) -> None:
    await holds(
        either_pen,
        requests.the_log_in_pieces,
        requests.the_log_tells,
        requests.the_log_tells_of_a_self_test,
        requests.calibration_written_back,
    )


# V -------------------------------------------------------------------------------------------------------------------


async def test_v1_v6_what_status_says_while_the_motor_starts_and_stops(either_pen: BenchPen) -> None:
    await holds(either_pen, values.never_the_setpoint, values.what_is_set, values.needles_not_out_while_running)
