"""Whatever the broker and the network do, a client's log is one run without a hole, or it was told otherwise."""

import random

import pytest
from contracts.recovery import CHANNEL, Client, Hub, LateBroker
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from plumbline.streaming import Settings
from plumbline.streaming.core import stream as stream_of_channel
from plumbline.streaming.core.broker import Position
from plumbline.streaming.core.local import LocalBroker


@pytest.fixture(autouse=True, scope="module")
def slices_of_two():
    """Let whoever missed three messages be replayed in two slices."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream_of_channel, "SLICE", 2)
        yield


class Recovery(RuleBasedStateMachine):
    """Publishes, drops, reconnects, lost messages, late and refused answers, short histories, changes of epoch."""

    @initialize(kept=st.integers(1, 6))
    def begin(self, kept):
        self.settings = Settings(history_messages=kept, position_check_s=2, max_channels=1)
        self.time = 0.0
        self.store = LocalBroker(self.settings, "e", lambda: self.time)
        self.broker = LateBroker(self.store)
        self.store._receiver = self.broker  # start() is a coroutine, and does no more
        self.hub = Hub(self.broker, self.settings)
        self.broker.receiver = self.hub.streams
        self.clients = [Client(False), Client(False), Client(True)]
        self.published = 0
        self.room = 9

    @rule(count=st.integers(1, 4))
    def publish(self, count):
        for _ in range(count):
            self.published += 1
            self.store.publish(CHANNEL, b"%d" % self.published, None, lambda _: None)

    @rule(count=st.integers(1, 5))
    def messages_arrive(self, count):
        for _ in range(min(count, len(self.broker.messages))):
            self.hub.streams.arrived(*self.broker.messages.popleft())

    @rule()
    def a_message_comes_twice(self):
        if self.broker.messages:
            self.hub.streams.arrived(*self.broker.messages[0])

    @rule(which=st.integers(0, 9))
    def a_message_is_lost(self, which):
        if self.broker.messages:
            del self.broker.messages[which % len(self.broker.messages)]

    @rule(which=st.integers(0, 9))
    def an_answer_comes(self, which):
        if self.broker.answers:
            answer = self.broker.answers[which % len(self.broker.answers)]
            self.broker.answers.remove(answer)
            answer()

    @rule(which=st.integers(0, 2), room=st.integers(0, 3))
    def subscribe(self, which, room):
        client = self.clients[which]
        if not client.subscribed and not client.asking:
            self.room = room
            self.hub.subscribe(client, room=lambda: self.room)

    @rule(which=st.integers(0, 2))
    def connection_drops(self, which):
        self.hub.leave(self.clients[which])

    @rule()
    def there_is_room_again(self):
        self.room = 9

    @rule(down=st.booleans())
    def broker_is_interrupted(self, down):
        self.broker.down = down
        self.broker.attached = False
        self.broker.messages.clear()
        self.hub.streams.interrupted(None, "the test")

    @rule()
    def broker_comes_up(self):
        self.broker.down = False

    @rule()
    def channel_starts_again(self):
        """As a store does that lost everything."""
        self.store.detach(CHANNEL)
        self.store.head("another", lambda _: None)
        self.broker.attached = False
        self.broker.messages.clear()
        self.hub.streams.interrupted(CHANNEL, "it was lost")

    @rule(seconds=st.floats(0.1, 3))
    def time_passes(self, seconds):
        self.time += seconds
        self.hub.pass_time(seconds)

    @invariant()
    def every_log_is_one_run(self):
        for client in getattr(self, "clients", ()):
            if client.newest_only:
                assert [p.offset for p in client.log] == sorted({p.offset for p in client.log}) or len(
                    {p.epoch for p in client.log}
                ) > 1
                continue
            for before, after in zip(client.log, client.log[1:], strict=False):
                assert after == Position(before.epoch, before.offset + 1)

    def teardown(self):
        """Once everything works again, everybody gets everything."""
        if not hasattr(self, "clients"):
            return
        self.room, self.broker.down = 9, False
        for client in self.clients:
            if not client.subscribed and not client.asking:
                self.hub.subscribe(client, room=lambda: 9)
        self._settle()
        for client in self.clients:  # those that were refused, or ended, come again
            if not client.subscribed and not client.asking:
                self.hub.subscribe(client, room=lambda: 9)
        self._settle()
        self.store.publish(CHANNEL, b"last", None, lambda _: None)
        self._settle()
        head = self.store._streams[CHANNEL].history.head
        for client in self.clients:
            if not client.subscribed and not client.asking:  # its hole could not be closed: it was told
                self.hub.subscribe(client, room=lambda: 9)
        self._settle()
        assert all(client.subscribed for client in self.clients)
        assert [client.at for client in self.clients] == [head] * 3
        self.every_log_is_one_run()

    def _settle(self):
        for _ in range(60):
            while self.broker.answers or self.broker.messages:
                if self.broker.answers:
                    self.broker.answers.popleft()()
                if self.broker.messages:
                    self.hub.streams.arrived(*self.broker.messages.popleft())
            self.time += 0.5
            self.hub.pass_time(0.5)


TestRecovery = Recovery.TestCase
TestRecovery.settings = settings(
    max_examples=60, stateful_step_count=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


WEIGHTS = {
    "publish": 20,
    "messages_arrive": 20,
    "an_answer_comes": 20,
    "subscribe": 20,
    "connection_drops": 5,
    "time_passes": 8,
    "there_is_room_again": 4,
    "a_message_comes_twice": 3,
    "a_message_is_lost": 2,
    "broker_is_interrupted": 1,
    "broker_comes_up": 2,
    "channel_starts_again": 0.5,
}


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**63))
def test_a_long_life_with_rare_mishaps_leaves_every_log_one_run(seed):
    """The machine above tries all orders of few events; here mishaps are rare, so that much happens in between."""
    dice = random.Random(seed)
    machine = Recovery()
    machine.begin(kept=dice.choice((2, 6, 50)))
    names, weights = list(WEIGHTS), list(WEIGHTS.values())
    for name in dice.choices(names, weights, k=200):
        {
            "publish": lambda: machine.publish(count=dice.randint(1, 3)),
            "messages_arrive": lambda: machine.messages_arrive(count=dice.randint(1, 4)),
            "an_answer_comes": lambda: machine.an_answer_comes(which=dice.randint(0, 9)),
            "subscribe": lambda: machine.subscribe(which=dice.randint(0, 2), room=dice.choice((0, 1, 3, 9, 9))),
            "connection_drops": lambda: machine.connection_drops(which=dice.randint(0, 2)),
            "time_passes": lambda: machine.time_passes(seconds=dice.uniform(0.1, 2)),
            "a_message_is_lost": lambda: machine.a_message_is_lost(which=dice.randint(0, 9)),
            "broker_is_interrupted": lambda: machine.broker_is_interrupted(down=dice.random() < 0.5),
        }.get(name, getattr(machine, name))()
        machine.every_log_is_one_run()
    machine.teardown()
