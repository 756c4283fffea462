"""The outbox against a simple model of what it promises."""

from hypothesis import given
from hypothesis import strategies as st

from plumbline.streaming.core.outbox import Item, Limits, Outbox
from plumbline.streaming.core.settings import Overflow

LIMITS = Limits(max_bytes=100, max_messages=5)
frames = st.binary(min_size=1, max_size=120)
channels = st.sampled_from([None, "a", "b", "c"])
policies = st.sampled_from(list(Overflow))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("offer"), frames, channels, policies),
        st.tuples(st.just("write"), st.integers(0, 130)),
        st.tuples(st.just("settle")),
        st.tuples(st.just("trim"), st.integers(1, 120), policies),
    ),
    max_size=60,
)


def offer(outbox, frame, channel="a", policy=Overflow.DROP_OLDEST, at=0.0, limits=LIMITS):
    return outbox.offer(Item(frame, channel, at), limits, lambda _: policy)


def content(outbox):
    return outbox.batch(10**9, 10**9)


@given(steps)
def test_what_waits_never_exceeds_the_limits_and_is_counted_to_the_byte(story):
    outbox = Outbox()
    for step in story:
        if step[0] == "offer":
            offer(outbox, *step[1:])
        elif step[0] == "write":
            waiting = outbox.queued_bytes
            outbox.in_flight = 0
            rest = outbox.written(min(step[1], waiting))
            assert outbox.in_flight == len(rest)
        elif step[0] == "settle":
            outbox.in_flight = 0
        else:
            limits, policy = Limits(step[1], 5), step[2]
            if outbox.trim(limits, dict.fromkeys((None, *"abc"), policy).__getitem__) and policy is not Overflow.WAIT:
                # What is half written cannot be taken back.
                assert outbox.waiting_bytes <= limits.max_bytes or not len(outbox)
        assert outbox.queued_bytes == sum(map(len, content(outbox)))
        assert outbox.waiting_bytes <= LIMITS.max_bytes
        assert len(outbox) == len(content(outbox)) <= LIMITS.max_messages
        assert (outbox.oldest_at() is None) == (len(outbox) == 0)


@given(st.lists(st.tuples(st.integers(1, 60), channels), max_size=60), st.sampled_from(["drop-oldest", "latest"]))
def test_what_is_left_after_dropping_is_in_order_and_everything_is_kept_or_counted(sizes, policy):
    outbox, refused = Outbox(), 0
    for number, (size, channel) in enumerate(sizes):
        refused += not offer(outbox, bytes([number]) * size, channel, Overflow(policy))
    kept = [frame[0] for frame in content(outbox)]
    assert kept == sorted(kept)
    assert len(kept) + outbox.dropped + refused == len(sizes)


@given(st.lists(st.integers(1, 100), min_size=1, max_size=60))
def test_drop_oldest_keeps_exactly_the_newest_that_fit(sizes):
    outbox = Outbox()
    for number, size in enumerate(sizes):
        assert offer(outbox, bytes([number]) * size)
    kept = [frame[0] for frame in content(outbox)]
    assert kept == list(range(len(sizes) - len(kept), len(sizes)))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 30)), min_size=1, max_size=60))
def test_latest_keeps_the_last_of_every_channel_and_no_other_once_it_was_full(story):
    outbox, last, full = Outbox(), {}, False
    for number, (channel, size) in enumerate(story):
        full = full or not outbox.fits(size, LIMITS)
        last[channel] = number
        assert offer(outbox, bytes([number]) * size, channel, Overflow.LATEST)
        kept = {frame[0] for frame in content(outbox)}
        assert set(last.values()) <= kept, "three messages of 30 bytes always fit"
        if full:
            assert kept == set(last.values())


@given(st.lists(st.tuples(frames, channels), max_size=30), st.sampled_from([Overflow.DISCONNECT, Overflow.WAIT]))
def test_disconnect_and_wait_drop_nothing_and_refuse_what_does_not_fit(offers, policy):
    outbox = Outbox()
    for frame, channel in offers:
        fits = outbox.fits(len(frame), LIMITS)
        before = content(outbox)
        assert offer(outbox, frame, channel, policy) is fits
        assert content(outbox) == before + [frame] * fits
    assert outbox.dropped == 0


@given(st.lists(st.binary(min_size=1, max_size=9), max_size=20), st.lists(st.integers(0, 40), max_size=60))
def test_every_byte_is_written_once_and_in_order_however_the_kernel_takes_them(messages, takes):
    outbox, sent, limits = Outbox(), b"", Limits(10_000, 1000)
    for message in messages:
        assert offer(outbox, message, limits=limits)
    for take in [*takes, *[10_000] * 2]:
        waiting = b"".join(outbox.batch(16, 3))
        count = min(take, len(waiting))
        rest = outbox.written(count) if waiting else b""
        sent += waiting[:count] + rest
    while len(outbox):
        sent += b"".join(batch := outbox.batch(16, 3))
        outbox.written(sum(map(len, batch)))
    assert sent == b"".join(messages)


def test_answers_to_the_client_itself_are_never_dropped():
    outbox = Outbox()
    for number in range(3):
        assert offer(outbox, b"answer%d" % number, channel=None)
    for _ in range(9):
        assert offer(outbox, b"x" * 60)
    assert content(outbox)[:3] == [b"answer0", b"answer1", b"answer2"]
    for _ in range(4):
        offer(outbox, b"more", channel=None)
    assert not offer(outbox, b"too much", channel=None), "a client that only asks has to go"


def test_a_message_larger_than_the_whole_queue_is_lost_and_counted_but_empties_nothing():
    outbox = Outbox()
    assert offer(outbox, b"small")
    assert offer(outbox, b"x" * 101)
    assert content(outbox) == [b"small"]
    assert outbox.dropped == 1


def test_latest_ends_when_the_queue_was_empty_once():
    outbox = Outbox()
    for _ in range(6):
        offer(outbox, b"m", "a", Overflow.LATEST)
    assert content(outbox) == [b"m"]
    outbox.written(1)
    for _ in range(3):
        offer(outbox, b"m", "a", Overflow.LATEST)
    assert len(outbox) == 3


def test_a_batch_has_one_frame_at_least_and_keeps_to_its_bounds_otherwise():
    outbox = Outbox()
    for size in (50, 10, 10):
        offer(outbox, b"x" * size)
    assert [len(frame) for frame in outbox.batch(20, 9)] == [50]
    assert [len(frame) for frame in outbox.batch(60, 9)] == [50, 10]
    assert len(outbox.batch(1000, 2)) == 2
    assert Outbox().batch(10, 10) == []
    assert Outbox().written(0) == b""


MIXED = {None: Overflow.DISCONNECT, "old": Overflow.DROP_OLDEST, "new": Overflow.LATEST, "all": Overflow.DISCONNECT}


def mixed(outbox, frame, channel, **more):
    return outbox.offer(Item(frame, channel, 0.0, **more), LIMITS, MIXED.__getitem__)


def test_a_channel_that_must_not_lose_anything_takes_the_room_of_those_that_may():
    outbox = Outbox()
    for frame, channel in ((b"o1", "old"), (b"a1", "all"), (b"n1", "new"), (b"n2", "new"), (b"o2", "old")):
        assert mixed(outbox, frame, channel)
    assert mixed(outbox, b"a2", "all")
    assert content(outbox) == [b"o1", b"a1", b"n2", b"o2", b"a2"], "the newest of n suffices"
    assert mixed(outbox, b"a3", "all")
    assert mixed(outbox, b"a4", "all")
    assert mixed(outbox, b"answer", None)
    assert content(outbox) == [b"a1", b"a2", b"a3", b"a4", b"answer"]
    assert outbox.dropped == 4
    assert mixed(outbox, b"o3", "old"), "it is forgotten itself: nothing else may be"
    assert outbox.dropped == 5
    assert not mixed(outbox, b"a5", "all"), "now the reader has to go"
    assert content(outbox) == [b"a1", b"a2", b"a3", b"a4", b"answer"]


def test_where_only_the_newest_matters_it_takes_the_place_of_the_older_one_before_anything_is_full():
    outbox = Outbox()
    for number in range(4):
        assert mixed(outbox, b"s%d" % number, "all", newest_only=True)
        assert mixed(outbox, b"a%d" % number, "old") or number
    assert content(outbox) == [b"a0", b"a1", b"a2", b"s3", b"a3"]
    assert outbox.dropped == 0, "nothing was lost that the reader wanted"


@given(st.lists(st.tuples(st.sampled_from([*MIXED]), st.integers(1, 40), st.booleans()), max_size=60))
def test_whatever_policies_meet_only_what_may_be_dropped_is_dropped_and_each_channel_stays_in_order(story):
    outbox, sent = Outbox(), []
    for number, (channel, size, newest) in enumerate(story):
        frame = b"%03d" % number + b"x" * size
        newest = newest and channel == "new"
        if outbox.offer(Item(frame, channel, 0.0, newest), LIMITS, MIXED.__getitem__):
            sent.append((channel, frame))
        kept = content(outbox)
        assert sum(map(len, kept)) == outbox.queued_bytes <= LIMITS.max_bytes
        assert len(kept) <= LIMITS.max_messages
        for name, policy in MIXED.items():
            mine = [frame for channel, frame in sent if channel == name]
            left = [frame for frame in kept if frame in mine]
            assert left == sorted(left)
            if policy is Overflow.DISCONNECT:
                assert left == mine


def test_limits_that_shrink_drop_only_what_may_be_dropped():
    outbox = Outbox()
    for frame, channel in ((b"o" * 20, "old"), (b"a" * 20, "all"), (b"o" * 20, "old")):
        assert mixed(outbox, frame, channel)
    assert outbox.trim(Limits(40, 5), MIXED.__getitem__)
    assert content(outbox) == [b"a" * 20, b"o" * 20]
    assert not outbox.trim(Limits(10, 5), MIXED.__getitem__)
