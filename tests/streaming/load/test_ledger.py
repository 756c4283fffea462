"""The ledger finds every message that a fault took, doubled or moved."""

from hypothesis import given
from hypothesis import strategies as st

from plumbline.streaming.load.ledger import MOST_MISSING, Heads, Reading, Totals, total


def reading(head=0, **options):
    one = Reading(**options)
    one.begin("e", head, None)
    return one


def test_a_whole_sequence_has_no_loss():
    one = reading()
    for offset in range(1, 11):
        one.arrived(offset)
    assert one.totals({"e": 10}) == Totals(expected=10, delivered=10)


@given(st.integers(1, 40), st.data())
def test_dropped_doubled_and_moved_messages_are_each_counted_once(count, data):
    dropped = data.draw(st.sets(st.integers(1, count)))
    kept = [offset for offset in range(1, count + 1) if offset not in dropped]
    doubled = data.draw(st.sets(st.sampled_from(kept))) if kept else set()
    one = reading()
    for offset in [*kept, *sorted(doubled)]:
        one.arrived(offset)
    totals = one.totals({"e": count})
    assert (totals.expected, totals.delivered, totals.lost) == (count, len(kept), len(dropped))
    assert totals.duplicated == len(doubled)


@given(st.permutations(range(1, 12)))
def test_a_message_that_comes_late_is_out_of_order_and_not_lost(order):
    one = reading()
    for offset in order:
        one.arrived(offset)
    highest, late = 0, 0
    for offset in order:
        late += offset < highest
        highest = max(highest, offset)
    assert one.totals({"e": 11}) == Totals(expected=11, delivered=11, reordered=late)


def test_messages_at_the_end_that_never_came_are_lost():
    one = reading()
    one.arrived(1)
    assert one.behind({"e": 3})
    assert one.totals({"e": 3}).lost == 2


def test_recovery_that_replays_everything_loses_nothing():
    one = reading()
    one.arrived(1)
    one.begin("e", 3, True)  # away for two messages, which follow at once
    one.arrived(2)
    one.arrived(3)
    assert one.totals({"e": 3}) == Totals(expected=3, delivered=3)


def test_recovery_that_the_server_refused_is_a_loss_it_owned_up_to():
    one = reading()
    one.arrived(1)
    one.begin("e", 3, False)
    one.arrived(4)
    assert not one.behind({"e": 4})  # nothing more will come
    assert one.totals({"e": 4}) == Totals(expected=4, delivered=2, lost=2, unrecovered=2)


def test_a_new_epoch_closes_the_old_account_and_opens_one_from_its_first_message():
    one = reading()
    one.arrived(1)
    one.begin("f", 2, False)  # the server forgot everything, and two messages came while this reader was away
    one.arrived(3)
    assert one.totals({"e": 4, "f": 3}) == Totals(expected=7, delivered=2, lost=5, unrecovered=2)


def test_a_reader_that_joins_late_is_owed_nothing_from_before():
    one = reading(head=100)
    one.arrived(101)
    one.arrived(50)
    assert one.totals({"e": 101}) == Totals(expected=1, delivered=1)


def test_who_wants_the_newest_only_skips_and_does_not_lose():
    one = reading(latest=True)
    for offset in (1, 5, 9):
        one.arrived(offset)
    assert one.totals({"e": 9}) == Totals(expected=9, delivered=3, skipped=6)


def test_a_server_without_offsets_is_held_to_the_publishers_numbers():
    one = Reading()
    one.expect(1)
    one.arrived(2)
    assert one.totals({"": 2}) == Totals(expected=2, delivered=1, lost=1)


def test_the_first_message_is_the_first_when_nobody_said_which_is():
    one = Reading()
    one.arrived(7)
    one.arrived(8)
    assert one.totals({"": 8}) == Totals(expected=2, delivered=2)


def test_a_reader_that_never_subscribed_has_no_account():
    assert Reading().totals({"e": 5}) == Totals()
    assert not Reading().behind({"e": 5})


def test_holes_beyond_memory_are_still_counted():
    one = reading()
    one.arrived(MOST_MISSING + 1001)
    assert one.totals({}).lost == MOST_MISSING + 1000


def test_heads_remember_the_last_position_of_each_epoch():
    heads = Heads()
    for epoch, position in (("e", 2), ("e", 1), ("f", 1)):
        heads.take("c", epoch, position)
    assert heads.last == {"c": {"e": 2, "f": 1}}
    assert heads.taken == 3


def test_accounts_add_up():
    assert total([Totals(1, 1), Totals(2, 1, 1)]) == Totals(3, 2, 1)
