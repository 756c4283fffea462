"""What a channel's streams need around them, at the least: a broker, clients and a hub that do what a test says."""

from collections import deque

from plumbline.streaming.core.broker import BrokerError, Position
from plumbline.streaming.core.counters import Counters
from plumbline.streaming.core.entrance import Entrance
from plumbline.streaming.core.positions import Positions
from plumbline.streaming.core.streams import Streams

CHANNEL = "c"
MOST_HELD = 3
UNAVAILABLE = BrokerError("unavailable", "not now")


class LateBroker:
    """A broker whose answers and messages come when the test says so; messages may get lost on the way."""

    def __init__(self, store):
        self.store = store
        self.answers = deque()  # what will be said, in any order
        self.messages = deque()  # what will arrive, in order
        self.receiver = None
        self.attached = False
        self.down = False

    def arrived(self, channel, position, data):  # what the store tells
        if self.attached:
            self.messages.append((channel, position, data))

    def interrupted(self, channel, because):
        raise AssertionError("the store never does")

    def attach(self, channel, done):
        if self.down:
            self.answers.append(lambda: done(UNAVAILABLE))
            return
        # The order of a real one: from the moment at which the head was read, everything is sent.
        self.messages.clear()
        self.attached = True
        self.store.attach(channel, lambda head: self.answers.append(lambda: done(head)))

    def detach(self, channel):
        self.attached = False
        self.messages.clear()

    def past(self, channel, since, limit, done, *, part=False):
        if self.down:
            self.answers.append(lambda: done(UNAVAILABLE))
        else:
            self.store.past(channel, since, limit, lambda told: self.answers.append(lambda: done(told)), part=part)

    def head(self, channel, done):
        if self.down:
            self.answers.append(lambda: done(UNAVAILABLE))
        else:
            self.store.head(channel, lambda told: self.answers.append(lambda: done(told)))


class Client:
    """What a client knows: the messages that it counts as seen, and where it stands."""

    def __init__(self, newest_only):
        self.newest_only = newest_only
        self.log = []  # (epoch, offset) since it last took a snapshot
        self.at = None  # position after which it wants to go on
        self.subscribed = self.asking = False
        self.refused = 0

    def took(self, position):
        self.log.append(position)
        self.at = position


class Hub:
    """The least that streams need around them; time stands still until the test lets it pass."""

    def __init__(self, broker, config):
        self.time = 0.0
        self.timers = []
        self.streams = Streams(self, broker, config.rules(), MOST_HELD)
        self.counters = Counters()
        self.positions = Positions(self.streams, broker, self.counters, lambda *_: None)

    def now(self):
        return self.time

    def later(self, seconds, callback):
        self.timers.append((self.time + seconds, callback))

    def deliver(self, stream, position, data):
        for reader in stream.everybody:
            reader.took(position)

    def end(self, stream, because):
        for reader in stream.everybody:
            stream.drop(reader)
            reader.subscribed = False

    def behind(self, stream, head):
        self.positions.suspect(stream.name, head, self.time)

    def interrupted(self, channel, because):
        pass

    def pass_time(self, seconds):
        self.time += seconds
        due = [timer for timer in self.timers if timer[0] <= self.time]
        self.timers = [timer for timer in self.timers if timer[0] > self.time]
        for _, callback in due:
            callback()
        self.positions.check(self.time)
        self.streams.tidy(self.time)

    def subscribe(self, client, *, room):
        """Subscribe; `room` returns how many messages the client takes now, before it wants to be asked again."""
        client.asking = True
        client.answered = False

        def room_again():
            if stream := self.streams.find(CHANNEL):
                stream.room(entrance)

        def begin(at, recovered, missed):
            assert not client.subscribed
            if recovered is False and client.answered:  # the rest of its replay is gone, and it is told so
                self.leave(client)
                return False
            taken = missed[: room()]
            client.answered = client.answered or bool(taken) or not missed
            for entry in taken:
                client.took(Position(at.epoch, entry.offset))
                entrance.since = client.at
            if (missed and not client.newest_only and entrance.since != at) or len(taken) < len(missed):
                entrance.waits, entrance.past = True, None
                self.later(0.1, room_again)
                return False
            client.asking, client.subscribed = False, True
            if not recovered:  # None: it wanted none. False: it takes a snapshot that reaches to `at`
                client.log = []
            assert client.at is None or recovered is not True or client.at == at or at.offset == 0 or client.newest_only
            client.at = at
            return True

        def refuse(_error):
            client.asking = False
            client.refused += 1
            if client.answered:
                self.leave(client)

        entrance = Entrance(client, client.at, client.newest_only, begin, refuse)
        self.streams.enter(CHANNEL, entrance)
        self.positions.watch(CHANNEL, self.time)

    def leave(self, client):
        stream = self.streams.find(CHANNEL)
        if stream is not None:
            stream.drop(client)
            self.streams.left(stream)
        client.subscribed = client.asking = False
