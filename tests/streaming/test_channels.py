import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.streaming.core.channels import Channels, Position, TooManySubscriptionsError

readers = st.integers(1, 4)
names = st.sampled_from("abcdef")
stories = st.lists(
    st.one_of(
        st.tuples(st.just("subscribe"), readers, names),
        st.tuples(st.just("unsubscribe"), readers, names),
        st.tuples(st.just("leave"), readers),
        st.tuples(st.just("publish"), names),
    ),
    max_size=80,
)
LIMIT = 3


@given(stories, st.integers(1, 6))
def test_readers_are_those_who_subscribed_and_did_not_leave_and_memory_is_bounded(story, max_channels):
    channels, model = Channels("e", max_channels), {}
    for what, *words in story:
        if what == "subscribe":
            reader, name = words
            mine = {channel for channel, who in model.items() if reader in who}
            if name not in mine and len(mine) >= LIMIT:
                with pytest.raises(TooManySubscriptionsError):
                    channels.subscribe(reader, name, LIMIT)
            else:
                channels.subscribe(reader, name, LIMIT)
                model.setdefault(name, {})[reader] = None
        elif what == "unsubscribe":
            reader, name = words
            assert channels.unsubscribe(reader, name) is (reader in model.get(name, {}))
            model.get(name, {}).pop(reader, None)
        elif what == "leave":
            channels.leave(words[0])
            for who in model.values():
                who.pop(words[0], None)
        else:
            channels.next_offset(words[0])
        for name in "abcdef":
            assert list(channels.readers(name)) == list(model.get(name, {}))
        read = sum(1 for who in model.values() if who)
        assert len(channels) <= max(max_channels, read + 1)
        assert channels.subscriptions == sum(map(len, model.values()))


@given(st.lists(names, max_size=60), st.integers(1, 4))
def test_offsets_count_without_gap_within_an_epoch_and_an_epoch_never_returns(published, max_channels):
    channels, seen, ended = Channels("e", max_channels), {}, set()
    for name in published:
        offset = channels.next_offset(name)
        position = channels.subscribe("probe", name, 1)
        channels.leave("probe")
        assert position.offset == offset
        epoch, last = seen.get(name, (None, 0))
        if position.epoch == epoch:
            assert offset == last + 1
        else:
            assert offset == 1
            assert position.epoch not in ended
            ended.add(epoch)
        seen[name] = (position.epoch, offset)


def test_a_channel_with_readers_is_never_forgotten():
    channels = Channels("e", 1)
    channels.subscribe("reader", "kept", 9)
    for number in range(5):
        channels.next_offset(f"other{number}")
    channels.next_offset("kept")
    assert channels.subscribe("reader", "kept", 9) == Position("e.1", 1)
    assert len(channels) <= 2
