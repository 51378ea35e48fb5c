"""A follower is idle after a turn only while much is recorded."""

from seat_ledger.projections.engine.follow import FEW, IDLE_AFTER, idle_after

TURN = 0.015


def test_it_goes_on_at_once_where_few_events_arrive_in_a_turns_time() -> None:
    assert idle_after(0, TURN, 1.0) == 0
    assert idle_after(1, TURN, 10.0) == 0
    assert idle_after(FEW, TURN, TURN) == 0


def test_it_is_idle_the_longer_the_more_arrive_and_no_longer_than_the_most() -> None:
    some = idle_after(6, TURN, TURN)
    assert 0 < some < idle_after(9, TURN, TURN) < IDLE_AFTER * TURN
    assert idle_after(1_000, TURN, TURN) == IDLE_AFTER * TURN


def test_what_gathers_while_it_is_idle_makes_it_no_longer_idle() -> None:
    rate = 6 / TURN
    cycle = 3 * TURN
    assert (
        abs(idle_after(6, TURN, TURN) - idle_after(round(rate * cycle), TURN, cycle))
        < 1e-9
    )
