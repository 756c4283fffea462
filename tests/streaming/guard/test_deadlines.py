"""One queue of times for all."""

from hypothesis import given
from hypothesis import strategies as st

from plumbline.streaming.core.deadlines import FEWEST, Deadlines

acts = st.lists(
    st.tuples(st.just("set"), st.integers(0, 9), st.floats(0, 100))
    | st.tuples(st.just("drop"), st.integers(0, 9), st.none())
    | st.tuples(st.just("due"), st.none(), st.floats(0, 100)),
    max_size=80,
)


@given(acts)
def test_each_key_is_named_once_when_its_last_time_has_come(steps):
    deadlines, model = Deadlines(), {}
    for act, key, at in steps:
        if act == "set":
            deadlines.set(key, at)
            model[key] = at
        elif act == "drop":
            deadlines.drop(key)
            model.pop(key, None)
        else:
            found = deadlines.due(at)
            assert sorted(found) == sorted(name for name, time in model.items() if time <= at)
            assert [model[name] for name in found] == sorted(model[name] for name in found)
            for name in found:
                del model[name]
        assert len(deadlines) == len(model)


def test_a_key_that_is_set_again_and_again_keeps_the_queue_short():
    deadlines = Deadlines()
    for number in range(10_000):
        deadlines.set("one", float(number))
    assert len(deadlines._queue) <= 2 * FEWEST
    assert deadlines.due(9_998) == []
    assert deadlines.due(9_999) == ["one"]
