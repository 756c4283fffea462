"""Who is refused, who is closed, and what others feel of it: nothing."""

import contextlib
from types import SimpleNamespace

import pytest

from plumbline.streaming.core.closes import RATE_LIMITED
from plumbline.streaming.core.commands import Authenticate, Ping, Publish, RequestError
from plumbline.streaming.core.counters import Counters
from plumbline.streaming.core.identity import ANYBODY, Identity
from plumbline.streaming.core.settings import Settings
from plumbline.streaming.server.meters import AUTH_COST, Meters


class Owner:
    def __init__(self, **settings):
        self.settings = Settings(**settings)
        self.counters = Counters()
        self.clock = 100.0
        self.ended = []

    def now(self):
        return self.clock

    def end(self, client, code, sentence):
        self.ended.append((client, code, sentence))


def client(user=None):
    return SimpleNamespace(identity=Identity("c", user) if user else ANYBODY, meter=None, deafen=lambda: None)


def refused(act, *args):
    with pytest.raises(RequestError) as caught:
        act(*args)
    assert caught.value.code == "rate-limited"
    return caught.value


def test_commands_beyond_the_rate_are_refused_until_it_has_room():
    owner = Owner(commands_per_s=10, burst_s=0.5)
    meters, one, other = Meters(owner), client(), client()
    for _ in range(5):
        meters.message(one, 10, 1)
    assert refused(meters.message, one, 10, 1).retry_after_s == pytest.approx(0.1)
    meters.message(other, 10, 1)
    owner.clock += 0.1
    meters.message(one, 10, 1)
    assert owner.counters.limited == {"commands": 1}
    assert owner.ended == []


def test_bytes_beyond_the_rate_are_refused():
    owner = Owner(bytes_per_s=1000, burst_s=1)
    meters, one = Meters(owner), client()
    meters.message(one, 800, 1)
    assert "bytes_per_s" in refused(meters.message, one, 300, 1).message
    owner.clock += 0.1
    meters.message(one, 300, 1)


def test_a_message_larger_than_the_bucket_passes_and_is_paid_off():
    owner = Owner(bytes_per_s=1000, burst_s=1)
    meters, one = Meters(owner), client()
    meters.message(one, 3000, 1)
    assert refused(meters.message, one, 0.001, 1).retry_after_s == pytest.approx(2.0)


def test_a_batch_costs_as_much_as_its_commands():
    owner = Owner(commands_per_s=10, burst_s=1)
    meters, one = Meters(owner), client()
    meters.message(one, 10, 10)
    refused(meters.message, one, 10, 1)


def test_all_connections_of_a_user_share_its_rates():
    owner = Owner(user_commands_per_s=2, user_bytes_per_s=1000, burst_s=1)
    meters = Meters(owner)
    first, second, stranger = client("ada"), client("ada"), client("bob")
    meters.message(first, 10, 1)
    meters.message(second, 10, 1)
    assert "user_commands_per_s" in refused(meters.message, first, 10, 1).message
    meters.message(stranger, 990, 1)
    assert "user_bytes_per_s" in refused(meters.message, stranger, 990, 1).message
    assert owner.counters.limited == {"user-commands": 1, "user-bytes": 1}


def test_a_channel_has_a_rate_of_its_own():
    owner = Owner(burst_s=1)
    rules = owner.settings.changed({"channels.slow.*.publishes_per_s": 1}).rules()
    meters, one, other = Meters(owner), client(), client()
    meters.command(one, Publish(1, "slow.a", b"1"), rules)
    failed = refused(meters.command, other, Publish(2, "slow.a", b"1"), rules)
    assert ("publishes_per_s" in failed.message, failed.request) == (True, 2)
    meters.command(other, Publish(3, "slow.b", b"1"), rules)
    for _ in range(100):
        meters.command(other, Publish(4, "quick", b"1"), rules)
        meters.command(other, Ping(5, b"1"), rules)


def test_checking_tokens_costs_more_than_other_commands():
    owner = Owner(commands_per_s=AUTH_COST, burst_s=1)
    meters, one = Meters(owner), client()
    meters.command(one, Authenticate(1, "x"), owner.settings.rules())
    refused(meters.message, one, 10, 1)
    assert refused(meters.command, one, Authenticate(2, "x"), owner.settings.rules()).request == 2


def test_who_goes_on_after_many_refusals_is_closed():
    owner = Owner(commands_per_s=1, burst_s=1, max_refusals=3)
    meters, one = Meters(owner), client()
    meters.message(one, 10, 1)
    for _ in range(3):
        refused(meters.message, one, 10, 1)
    assert owner.ended == []
    refused(meters.message, one, 10, 1)
    assert [(who, code) for who, code, _ in owner.ended] == [(one, RATE_LIMITED)]


def test_refusals_now_and_then_close_nobody():
    owner = Owner(commands_per_s=1, burst_s=1, max_refusals=3)
    meters, one = Meters(owner), client()
    for _ in range(100):
        with contextlib.suppress(RequestError):
            meters.message(one, 10, 2)
        owner.clock += 5
    assert owner.ended == []


def test_too_many_frames_close_the_connection():
    owner = Owner(frames_per_s=100, burst_s=0.1)
    meters, one = Meters(owner), client()
    assert [meters.frame(one) for _ in range(10)] == [True] * 10
    assert meters.frame(one) is False
    assert owner.ended[0][1] == RATE_LIMITED
    assert owner.counters.limited == {"frames": 1}


def test_rates_can_be_switched_off_and_changed():
    owner = Owner(commands_per_s=0, bytes_per_s=0, frames_per_s=0)
    meters, one = Meters(owner), client()
    for _ in range(10_000):
        assert meters.frame(one)
        meters.message(one, 1 << 20, 100)
    owner.settings = owner.settings.changed({"commands_per_s": 1, "burst_s": 1})
    meters.configure()
    meters.message(one, 1, 1)
    refused(meters.message, one, 1, 1)
