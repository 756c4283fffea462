"""Whatever the network and the gateway do, a reader's view is contiguous and without doubles, or it hears of a gap."""

from __future__ import annotations

import json
from random import Random

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from plumbline.streaming.client.actions import Answer, Emit, End, Fail, Full, Hang, Live, Send
from plumbline.streaming.client.session import Session
from plumbline.streaming.client.track import Phase, Track
from plumbline.streaming.core.commands import Mode

from .model import Model, View

NAMES = st.sampled_from(["a", "b", "l"])  # l: only the newest message matters


class Network(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.model = Model()
        self.session = Session(Random(5), request_timeout_s=10)
        self.now = 0.0
        self.views = {}
        self.results = {}
        self.published = 0

    def work(self):
        for action in self.session.take():
            if isinstance(action, Send):
                json.loads(action.text)
                if self.model.connected:
                    self.model.to_server.append(action.text)
            elif isinstance(action, Emit):
                if action.channel in self.views:
                    self.views[action.channel].event(action.event)
            elif isinstance(action, Live):
                if action.channel in self.views:
                    self.views[action.channel].live(action)
            elif isinstance(action, Answer | Fail):
                assert action.token not in self.results, "one request has one result"
                self.results[action.token] = action
            elif isinstance(action, Hang):
                self.drop()
            else:
                assert not isinstance(action, End | Full), action

    # The program.

    @rule(name=NAMES)
    def subscribe(self, name):
        if name not in self.views:
            self.views[name] = View(name, self.model.truth)
            mode = Mode.LATEST if name == "l" else Mode.ALL
            self.session.subscribe(Track(name, None, mode, join=False), self.now)
            self.work()

    @rule(name=NAMES)
    def unsubscribe(self, name):
        if self.views.pop(name, None):
            self.session.unsubscribe(name, self.now)
            self.work()

    @rule(name=NAMES)
    def publish(self, name):
        self.published += 1
        key = f"k{self.published}"
        self.session.publish(key, name, json.dumps(f"mine {key}"), key, 1e9, self.now)
        self.work()

    @rule(name=st.sampled_from(["a", "b"]), join=st.booleans())
    def change(self, name, join):
        if name in self.views:
            self.session.change(name, Mode.ALL, self.now, join=join)
            self.work()

    # The network.

    @precondition(lambda self: not self.model.connected)
    @rule()
    def connect(self):
        self.model.connect()
        self.session.opened(self.now)
        self.work()

    @precondition(lambda self: self.model.connected)
    @rule()
    def drop(self):
        self.model.drop()
        self.session.lost()
        self.work()

    @rule(count=st.integers(1, 5))
    def reach_the_server(self, count):
        for _ in range(min(count, len(self.model.to_server))):
            self.model.serve_one()

    @rule(count=st.integers(1, 10))
    def reach_the_client(self, count):
        for _ in range(count):
            if not self.model.to_client:
                return
            self.session.received(json.dumps(self.model.to_client.popleft()), self.now)
            self.work()

    @rule()
    def all_arrives(self):
        while self.model.to_server or self.model.to_client:
            self.reach_the_server(100)
            self.reach_the_client(100)

    @rule(name=NAMES, count=st.integers(0, 3), change=st.sampled_from(["", "forget", "new_epoch"]))
    def an_outage(self, name, count, change):
        if self.model.connected:
            self.drop()
        self.others_publish(name, count)
        if change:
            getattr(self.model, change)(name)
        self.others_publish(name, count)
        self.connect()
        self.all_arrives()

    @rule(seconds=st.sampled_from([0.01, 0.5, 3.0, 20.0]))
    def time_passes(self, seconds):
        self.now += seconds
        self.session.tick(self.now)
        self.work()

    # The gateway, and its faults.

    @rule(name=NAMES, count=st.integers(1, 4))
    def others_publish(self, name, count):
        for _ in range(count):
            self.published += 1
            self.model.publish(name, f"other {self.published}")

    @rule(at=st.integers(0, 20))
    def a_message_is_lost_in_silence(self, at):
        messages = [n for n, told in enumerate(self.model.to_client) if "offset" in told and "channel" in told]
        if messages:
            del self.model.to_client[messages[at % len(messages)]]

    @rule(at=st.integers(0, 20))
    def a_message_comes_twice(self, at):
        messages = [n for n, told in enumerate(self.model.to_client) if "offset" in told and "channel" in told]
        if messages:
            where = messages[at % len(messages)]
            self.model.to_client.insert(where, self.model.to_client[where])

    @rule()
    def answers_overtake_each_other(self):
        self.model.swap_answers()

    @rule(name=NAMES)
    def a_stream_is_made_anew(self, name):
        self.model.new_epoch(name)

    @rule(name=NAMES)
    def history_is_forgotten(self, name):
        self.model.forget(name)

    @rule(name=NAMES)
    def a_subscription_is_ended(self, name):
        self.model.end(name)

    @rule(after=st.sampled_from([None, 0.3]))
    def the_next_request_is_refused_for_now(self, after):
        self.model.refuse_next = {"code": "unavailable", "message": "x"} | ({"retry_after_s": after} if after else {})

    @invariant()
    def channels_have_at_most_one_state(self):
        for name in self.views:
            assert self.session.reading.track(name) is not None

    def teardown(self):
        """When the faults end, every reader comes to the head, and every publication is stored once."""
        self.model.refuse_next = None
        for _ in range(80):
            if not self.model.connected:
                self.connect()
            self.all_arrives()
            self.now += 1
            self.session.tick(self.now)
            self.work()
            if all(self.session.reading.track(name).phase is Phase.LIVE for name in self.views):
                break
        for name in self.views:  # what was lost in silence shows with the next message
            self.model.publish(name, f"last of {name}")
        for _ in range(80):
            self.all_arrives()
            self.now += 1
            self.session.tick(self.now)
            self.work()
        for name, view in self.views.items():
            channel = self.model.channel(name)
            assert (view.at.epoch, view.at.offset) == (channel.name, len(channel.log)), (
                "the reader did not come to the head"
            )
        assert not any(isinstance(result, Fail) for result in self.results.values())
        for token in self.results:
            stored = [where for where, value in self.model.truth.items() if value == f"mine {token}"]
            epochs = {(channel, epoch) for channel, epoch, _ in stored}
            assert stored, "an acknowledged publication is not stored"
            assert len(stored) == len(epochs), "a publication was stored twice in one epoch"


TestNetwork = pytest.mark.timeout(600)(Network.TestCase)  # 12,000 steps, on a machine that may be busy
TestNetwork.settings = settings(max_examples=200, stateful_step_count=60, deadline=None)
