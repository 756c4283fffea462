from hypothesis import given
from hypothesis import strategies as st

from plumbline.streaming.core.heartbeat import Heartbeats

stories = st.lists(
    st.tuples(st.sampled_from(["add", "remove", "heard", "due"]), st.integers(1, 4), st.floats(0, 4)), max_size=60
)


@given(stories, st.integers(1, 5))
def test_nobody_is_pinged_too_early_or_called_dead_without_an_unanswered_ping(story, most):
    beats, now, last, asked = Heartbeats(2.0, 1.5), 0.0, {}, {}
    for what, key, later in story:
        now += later
        if what == "add":
            beats.add(key, now)
            last[key] = now
            asked.pop(key, None)
        elif what == "remove":
            beats.remove(key)
            last.pop(key, None)
            asked.pop(key, None)
        elif what == "heard":
            beats.heard(key)
            asked.pop(key, None)
        else:
            ping, dead = beats.due(now, most)
            for one in dead:
                assert now - asked.pop(one) >= 1.5
                del last[one]
            assert all(now - at < 1.5 for at in asked.values()), "the dead are all named"
            assert len(ping) <= most
            for one in ping:
                assert now - last[one] >= 2.0
                assert one not in asked, "one open question at a time"
                asked[one] = last[one] = now
        assert len(beats) == len(last)


def test_everybody_is_pinged_once_per_interval_in_the_order_of_joining():
    beats = Heartbeats(10, 3)
    for number in range(5):
        beats.add(number, number)
    assert beats.due(9.9, 100) == ([], [])
    assert beats.due(12, 100) == ([0, 1, 2], [])
    for number in range(3):
        beats.heard(number)
    assert beats.due(14, 100) == ([3, 4], [])
    assert beats.due(17, 100) == ([], [3, 4])
    assert beats.due(22, 100) == ([0, 1, 2], [])


def test_a_burst_is_spread_over_several_calls():
    beats = Heartbeats(1, 5)
    for number in range(10):
        beats.add(number, 0)
    assert [beats.due(2, 4)[0] for _ in range(4)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9], []]


def test_an_interval_of_zero_pings_nobody():
    beats = Heartbeats(0, 1)
    beats.add(1, 0)
    assert beats.due(1000, 100) == ([], [])
